//! Datagram sockets of this machine: connected while there are paths, written to when there are none.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::sys::socket::{MsgFlags, send};

/// Connects to the socket of this name; an `@` in front stands for an abstract one.
///
/// # Errors
/// There is none, or nobody reads it.
pub fn connect(name: &OsStr) -> std::io::Result<OwnedFd> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket.into())
}

/// Sends without waiting.
///
/// # Errors
/// EAGAIN: its reader does not keep up; ECONNREFUSED: it has none any more.
pub fn tell(socket: BorrowedFd<'_>, bytes: &[u8]) -> nix::Result<()> {
    send(socket.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL).map(drop)
}

#[cfg(test)]
#[path = "datagram_tests.rs"]
mod tests;
