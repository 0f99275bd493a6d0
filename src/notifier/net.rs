//! What the network needs while there is root: sockets bound, names looked up, keys read.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use crate::fleet::keys::Key;

/// What the jail gets of the network. Every socket is non-blocking and close-on-exec.
#[derive(Debug, Default)]
pub struct Net {
    /// As a master: UDP, one for each address that is served; may broadcast.
    pub serve: Vec<OwnedFd>,
    /// As a slave: UDP to ask with, for IPv4 and for IPv6 as its masters' addresses need; any port.
    pub ask: Vec<OwnedFd>,
    /// As a slave: members of a group.
    pub hear: Vec<OwnedFd>,
    /// `slave` lines that are a host's, with all its addresses; none: it did not resolve.
    pub slaves: Vec<(String, Vec<IpAddr>)>,
    /// `slave` lines that are a broadcast or multicast address.
    pub groups: Vec<SocketAddr>,
    /// For each UPS of the configuration all addresses of its master; empty where it is a line, or where the
    /// name does not resolve now.
    pub masters: Vec<Vec<SocketAddr>>,
    /// Of the key files, in their order.
    pub keys: Vec<Key>,
    /// Where `status` asks: a Unix stream socket that listens.
    pub status: Option<OwnedFd>,
    /// This machine's name, made fit: 1..=63 bytes of `[A-Za-z0-9._-]`.
    pub host: String,
}
