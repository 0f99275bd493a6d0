//! Sockets that are bound before the fork. All are non-blocking and close-on-exec.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};

/// Room for the answers of ten thousand slaves, which come at one time.
const ROOM: usize = 4 << 20;

/// A TCP socket of this address's family; not connected.
///
/// # Errors
/// EAFNOSUPPORT: this kernel has no IPv6; and others.
pub fn tcp(to: SocketAddr) -> nix::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None)?;
    // A few short words in each direction, each of which is waited for.
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    Ok(fd)
}

/// A UDP socket of this address; `both`: one of all IPv6 addresses takes IPv4 as well. It may broadcast. An
/// address that this machine does not have yet (it may come with the network) is bound all the same: `true`.
///
/// # Errors
/// EADDRINUSE: another program has it; EAFNOSUPPORT: this kernel has no IPv6; EACCES, and others.
pub fn udp(to: SocketAddr, both: bool) -> nix::Result<(OwnedFd, bool)> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    if to.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &!both)?;
    }
    setsockopt(&fd, sockopt::Broadcast, &true)?;
    // As root; others keep the usual room.
    let _ = setsockopt(&fd, sockopt::RcvBufForce, &ROOM);
    let _ = setsockopt(&fd, sockopt::SndBufForce, &ROOM);
    let address = SockaddrStorage::from(to);
    match bind(fd.as_raw_fd(), &address) {
        Err(Errno::EADDRNOTAVAIL) => {
            setsockopt(&fd, sockopt::IpFreebind, &true)?;
            bind(fd.as_raw_fd(), &address)?;
            // Who holds it could send in the name of any address of IPv6 else.
            setsockopt(&fd, sockopt::IpFreebind, &false)?;
            Ok((fd, true))
        }
        done => done.map(|()| (fd, false)),
    }
}

/// A UDP socket of all addresses of both families; of IPv4's where this kernel has no other.
///
/// # Errors
/// As [`udp`].
pub fn everywhere(port: u16) -> nix::Result<OwnedFd> {
    let six = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    let four = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let bound = match udp(six, true) {
        Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) => udp(four, false),
        other => other,
    };
    bound.map(|(fd, _)| fd)
}

/// A UDP socket that hears what is sent to a group, on the interface that the routes name for it, beside any
/// other that does. `beside`: sockets of ours with the same port.
///
/// # Errors
/// ENODEV: no route names an interface; and others.
pub fn group(to: SocketAddr, beside: &[OwnedFd]) -> nix::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    // With what others do, whoever they are: all hear what is sent to the group.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    // With ours, and only for now. Not by the same option, even for a moment: anybody who tries all the time could
    // then bind one of our addresses and have all that is sent there. This one is for sockets of the same user.
    setsockopt(&fd, sockopt::ReusePort, &true)?;
    let share = |yes| beside.iter().try_for_each(|fd| setsockopt(fd, sockopt::ReusePort, &yes));
    share(true)?;
    let bound = bind(fd.as_raw_fd(), &SockaddrStorage::from(to));
    share(false)?;
    bound?;
    let socket = UdpSocket::from(fd);
    let joined = match to.ip() {
        IpAddr::V4(four) if four.is_multicast() => {
            socket.join_multicast_v4(&four, &Ipv4Addr::UNSPECIFIED)
        }
        IpAddr::V6(six) if six.is_multicast() => socket.join_multicast_v6(&six, 0),
        // Broadcast needs no joining.
        _ => Ok(()),
    };
    joined.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    Ok(socket.into())
}

/// Several machines have this address: a multicast group, or a broadcast address of one of our networks, to
/// which the kernel lets nobody connect who has not asked to broadcast.
pub fn is_group(address: IpAddr) -> bool {
    let IpAddr::V4(four) = address else { return address.is_multicast() };
    let refused = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((four, 9)).err()?.raw_os_error()
    };
    four.is_multicast() || four.is_broadcast() || refused() == Some(Errno::EACCES as i32)
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
