//! The jail and all that runs in it: the warden, which only forks and kills monitors, and the monitor,
//! which reads the lines, asks masters, tells slaves, and decides.

mod debounce;
pub mod filter;
mod lines;
mod memory;
mod net;
pub mod power;
mod remote;
mod run;
pub mod test;
mod voice;
mod waiter;
pub mod warden;

use core::net::SocketAddr;
use core::time::Duration;
use std::os::fd::OwnedFd;

use crate::fleet::master::Listed;
use crate::fleet::seal::Keyring;
use crate::sys::cage::Cage;
use crate::sys::udp::Udp;

/// One UPS for the monitor.
#[derive(Debug)]
pub struct Line {
    /// Its name on the pipe.
    pub name: String,
    /// Its port, opened and set; `None`: the device is absent.
    pub tty: Option<OwnedFd>,
    /// Conditions and times.
    pub settings: power::Settings,
}

/// One UPS that another machine watches, for the monitor.
#[derive(Debug)]
pub struct Distant {
    /// Its name on the pipe.
    pub name: String,
    /// The master, as the configuration calls it.
    pub host: String,
    /// All its addresses; none: the name does not resolve yet.
    pub addresses: Vec<SocketAddr>,
    /// The keys that it is spoken to with; none: only these addresses are heard.
    pub ring: Keyring,
    /// The master's name for it.
    pub ups: String,
    /// A master with a single UPS means that one.
    pub or_only: bool,
    /// Silence so long is loss of contact.
    pub deadtime: Duration,
    /// Times.
    pub settings: power::Settings,
}

/// What the monitor needs to tell slaves.
#[derive(Debug)]
pub struct Serving {
    /// Its keys; none: only listed addresses are answered.
    pub ring: Keyring,
    /// `slave` lines that are no group.
    pub listed: Vec<Listed>,
    /// Broadcast and multicast addresses.
    pub groups: Vec<SocketAddr>,
    /// `slave-wait`.
    pub wait: Duration,
}

/// UDP, both roles.
#[derive(Debug, Default)]
pub struct Network {
    /// The master's sockets.
    pub serve: Vec<Udp>,
    /// The slave's, to ask with.
    pub ask: Vec<Udp>,
    /// The slave's, that are members of a group.
    pub hear: Vec<Udp>,
    /// As a master.
    pub master: Option<Serving>,
    /// This machine's name for its masters.
    pub host: String,
    /// `halt-time`: so long this machine needs its power after it said goodbye.
    pub halt_time: Duration,
}

impl Network {
    /// Everything that a datagram can come from.
    pub fn sockets(&self) -> impl Iterator<Item = &Udp> {
        self.serve.iter().chain(&self.ask).chain(&self.hear)
    }
}

/// Everything that the jail gets.
#[derive(Debug)]
pub struct Plan {
    /// The first UPS of the configuration, whose name a sign of life carries.
    pub first: String,
    /// UPSs on serial ports.
    pub lines: Vec<Line>,
    /// UPSs of other machines.
    pub distant: Vec<Distant>,
    /// `None`: this machine speaks to no other.
    pub network: Option<Network>,
    /// All else that was left to it.
    pub cage: Cage,
}
