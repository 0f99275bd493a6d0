//! UDP sockets that were bound elsewhere: receiving, sending, and one datagram to many in few calls.

use core::fmt;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike as _,
    SockaddrStorage, getsockname, recvfrom, sendmmsg, sendto,
};

/// Datagrams in one sendmmsg(2).
const BATCH: usize = 64;

/// A bound, non-blocking UDP socket.
#[derive(Debug)]
pub struct Udp {
    fd: OwnedFd,
    /// It is of IPv6; IPv4 addresses are then written as mapped ones.
    six: bool,
}

impl Udp {
    /// Takes it over.
    ///
    /// # Errors
    /// Not a socket of IPv4 or IPv6.
    pub fn new(fd: OwnedFd) -> nix::Result<Udp> {
        let address: SockaddrStorage = getsockname(fd.as_raw_fd())?;
        match address.family() {
            Some(AddressFamily::Inet) => Ok(Udp { fd, six: false }),
            Some(AddressFamily::Inet6) => Ok(Udp { fd, six: true }),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// The next datagram's length and sender, IPv4 as such; `None`: nothing is there, or what there was is no
    /// datagram (an error of an earlier one). A longer one than `buffer` is cut.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let (length, from) = recvfrom::<SockaddrStorage>(self.fd.as_raw_fd(), buffer).ok()?;
        Some((length, plain(&from?)?))
    }

    /// Sends one datagram; false: not now, or not there. Nothing is made certain by it anyway.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) -> bool {
        let to = self.address(to);
        sendto(self.fd.as_raw_fd(), datagram, &to, MsgFlags::MSG_DONTWAIT).is_ok()
    }

    /// Addresses of this kind can be written through it.
    pub fn reaches(&self, to: &SocketAddr) -> bool {
        self.six || to.is_ipv4()
    }

    fn address(&self, to: SocketAddr) -> SockaddrStorage {
        match to {
            SocketAddr::V4(four) if self.six => {
                let mapped = four.ip().to_ipv6_mapped();
                SockaddrStorage::from(SocketAddrV6::new(mapped, four.port(), 0, 0))
            }
            to => SockaddrStorage::from(to),
        }
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn plain(from: &SockaddrStorage) -> Option<SocketAddr> {
    let four = from.as_sockaddr_in().map(|four: &SockaddrIn| SocketAddr::V4((*four).into()));
    let six = || {
        let six: SocketAddrV6 = (*from.as_sockaddr_in6()? as SockaddrIn6).into();
        Some(match six.ip().to_canonical() {
            four @ IpAddr::V4(_) => SocketAddr::new(four, six.port()),
            IpAddr::V6(_) => SocketAddr::V6(six),
        })
    };
    four.or_else(six)
}

/// Room for sending one datagram to many.
pub struct Burst {
    headers: MultiHeaders<SockaddrStorage>,
    to: Vec<Option<SockaddrStorage>>,
}

impl fmt::Debug for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Burst")
    }
}

impl Default for Burst {
    fn default() -> Burst {
        Burst { headers: MultiHeaders::preallocate(BATCH, None), to: Vec::with_capacity(BATCH) }
    }
}

impl Burst {
    /// Sends it to all of `to` that this socket reaches, 64 in a call; how many were taken. An address
    /// that the kernel refuses is passed over; a full buffer ends it. Allocates nothing.
    pub fn send(&mut self, udp: &Udp, datagram: &[u8], to: &[SocketAddr]) -> usize {
        let slices = [[IoSlice::new(datagram)]; BATCH];
        let mut sent: usize = 0;
        let mut rest = to;
        while !rest.is_empty() {
            let batch = rest.get(..BATCH.min(rest.len())).unwrap_or(rest);
            self.to.clear();
            self.to.extend(batch.iter().map(|to| Some(udp.address(*to))));
            let (fd, flags) = (udp.fd.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            let done = sendmmsg(fd, &mut self.headers, &slices, &self.to, [], flags);
            let count = match done.map(Iterator::count) {
                Ok(count) => {
                    sent = sent.saturating_add(count);
                    count
                }
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => break,
                // Of the first of them: unreachable, or not permitted.
                Err(_) => 1,
            };
            rest = rest.get(count.max(1)..).unwrap_or(&[]);
        }
        sent
    }
}

#[cfg(test)]
#[path = "udp_tests.rs"]
mod tests;
