//! What an attacker would try with the sockets of a machine that speaks to others; and what of it passes the list
//! and gets nowhere.

use crate::common::jail::{Call, Outcome, Way, address, make, text};
use crate::common::{need_root, skip};
use crate::evil::refused;
use crate::ground::{Ground, six};
use crate::run;
use crate::who::Who;
use nix::libc::{self, c_int, c_long, c_void};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use upsentry::sys::bind;

const NOW: u64 = libc::MSG_DONTWAIT as u64;

/// Of [`calls`] and the matrix: what a speaking monitor may do, a monitor that does not speak apart.
pub(crate) const WORKS: [&str; 7] = [
    "recvfrom v4",
    "recvfrom v6",
    "sendto v4",
    "sendto v6",
    "sendmmsg v4",
    "sendmmsg v6",
    "getrandom",
];

/// The matrix's calls on sockets.
pub(crate) fn calls(ground: &Ground) -> Vec<(&'static str, c_long, Vec<u64>)> {
    use libc::*;
    let fd = |fd: RawFd| fd as u64;
    let [four, six] = ground.udp.each_ref().map(|udp| fd(udp.as_raw_fd()));
    let (other, syslog) = (fd(ground.strange_udp.as_raw_fd()), fd(ground.syslog.as_raw_fd()));
    let (listener, client) = (fd(ground.listener.as_raw_fd()), fd(ground.clients.0.as_raw_fd()));
    let (link, tty) = (fd(ground.link.as_raw_fd()), fd(ground.tty.as_raw_fd()));
    let (news, events) = (fd(ground.news.as_fd().as_raw_fd()), fd(ground.events.1.as_raw_fd()));
    let title = fd(ground.title.as_raw_fd());
    let word = address([0_u64; 64]);
    let (to, to_six) = (loopback(9), loopback_six(9));
    let vector = address(iovec { iov_base: word as *mut c_void, iov_len: 8 });
    let (message, message_six) = (one(to, 16, &[]), one(to_six, 28, &[]));
    let passing = one(0, 0, &control(SOL_SOCKET, SCM_RIGHTS, &(tty as c_int).to_ne_bytes()));
    const TAKEN: u64 = (SOCK_CLOEXEC | SOCK_NONBLOCK) as u64;
    let receive = |fd: u64, flags: c_int| vec![fd, word, 64, flags as u64, 0, 0];
    let send = |fd: u64, flags: c_int| vec![fd, word, 1, flags as u64, to, 16];
    let burst = |fd: u64, flags: c_int| vec![fd, message, 1, flags as u64];
    let option = |level: c_int, name: c_int| vec![four, level as u64, name as u64, word, 4];
    vec![
        ("recvfrom v4", SYS_recvfrom, receive(four, 0)),
        ("recvfrom v6", SYS_recvfrom, receive(six, 0)),
        ("recvfrom PEEK", SYS_recvfrom, receive(four, MSG_PEEK)),
        ("recvfrom OOB", SYS_recvfrom, receive(four, MSG_OOB)),
        ("recvfrom TRUNC", SYS_recvfrom, receive(six, MSG_TRUNC)),
        ("recvfrom ERRQUEUE", SYS_recvfrom, receive(six, MSG_ERRQUEUE)),
        ("recvfrom WAITALL", SYS_recvfrom, receive(four, MSG_WAITALL)),
        ("recvfrom DONTWAIT", SYS_recvfrom, receive(four, MSG_DONTWAIT)),
        ("recvfrom another", SYS_recvfrom, receive(other, 0)),
        ("recvfrom client", SYS_recvfrom, receive(client, 0)),
        ("recvfrom status", SYS_recvfrom, receive(listener, 0)),
        ("recvfrom link", SYS_recvfrom, receive(link, 0)),
        ("recvfrom tty", SYS_recvfrom, receive(tty, 0)),
        ("sendto v4", SYS_sendto, send(four, MSG_DONTWAIT)),
        ("sendto v6", SYS_sendto, vec![six, word, 1, NOW, to_six, 28]),
        ("sendto that waits", SYS_sendto, send(four, 0)),
        ("sendto OOB", SYS_sendto, send(four, MSG_DONTWAIT | MSG_OOB)),
        ("sendto only OOB", SYS_sendto, send(six, MSG_OOB)),
        ("sendto CONFIRM", SYS_sendto, send(four, MSG_DONTWAIT | MSG_CONFIRM)),
        ("sendto DONTROUTE", SYS_sendto, send(four, MSG_DONTWAIT | MSG_DONTROUTE)),
        ("sendto MORE", SYS_sendto, send(six, MSG_DONTWAIT | MSG_MORE)),
        ("sendto FASTOPEN", SYS_sendto, send(four, MSG_DONTWAIT | MSG_FASTOPEN)),
        ("sendto ZEROCOPY", SYS_sendto, send(four, MSG_DONTWAIT | 0x0400_0000)),
        ("sendto NOSIGNAL", SYS_sendto, send(four, MSG_DONTWAIT | MSG_NOSIGNAL)),
        ("sendto another", SYS_sendto, send(other, MSG_DONTWAIT)),
        ("sendto client", SYS_sendto, vec![client, word, 1, NOW, 0, 0]),
        ("sendto status", SYS_sendto, vec![listener, word, 1, NOW, 0, 0]),
        ("sendto link DONTWAIT", SYS_sendto, vec![link, word, 1, NOW, 0, 0]),
        ("sendto tty", SYS_sendto, vec![tty, word, 1, NOW, 0, 0]),
        ("sendto syslog", SYS_sendto, vec![syslog, word, 1, NOW, 0, 0]),
        ("sendmmsg v4", SYS_sendmmsg, burst(four, MSG_DONTWAIT)),
        ("sendmmsg v6", SYS_sendmmsg, vec![six, message_six, 1, NOW]),
        ("sendmmsg that waits", SYS_sendmmsg, burst(four, 0)),
        ("sendmmsg OOB", SYS_sendmmsg, burst(four, MSG_DONTWAIT | MSG_OOB)),
        ("sendmmsg ZEROCOPY", SYS_sendmmsg, burst(six, MSG_DONTWAIT | 0x0400_0000)),
        ("sendmmsg another", SYS_sendmmsg, burst(other, MSG_DONTWAIT)),
        ("sendmmsg passing a tty to a client", SYS_sendmmsg, vec![client, passing, 1, NOW]),
        ("sendmmsg passing a tty over link", SYS_sendmmsg, vec![link, passing, 1, NOW]),
        ("sendmmsg passing a tty to the log", SYS_sendmmsg, vec![syslog, passing, 1, NOW]),
        ("sendmsg udp", SYS_sendmsg, vec![four, message, NOW]),
        ("sendmsg passing a tty", SYS_sendmsg, vec![client, passing, NOW]),
        ("recvmsg udp", SYS_recvmsg, vec![four, message, 0]),
        ("recvmsg udp ERRQUEUE", SYS_recvmsg, vec![six, message, MSG_ERRQUEUE as u64]),
        ("recvmmsg udp", SYS_recvmmsg, vec![four, message, 1, 0, 0]),
        ("read udp", SYS_read, vec![four, word, 8]),
        ("write udp", SYS_write, vec![four, word, 8]),
        ("readv udp", SYS_readv, vec![six, vector, 1]),
        ("writev udp", SYS_writev, vec![six, vector, 1]),
        ("splice to udp", SYS_splice, vec![fd(ground.log.0.as_raw_fd()), 0, four, 0, 1, 2]),
        ("sendfile to udp", SYS_sendfile, vec![four, fd(ground.stranger.as_raw_fd()), 0, 1]),
        ("close udp", SYS_close, vec![four]),
        ("dup udp", SYS_dup, vec![six]),
        ("dup2 over a client", SYS_dup2, vec![tty, client]),
        ("F_SETFL udp", SYS_fcntl, vec![four, F_SETFL as u64, 0]),
        ("F_SETOWN udp", SYS_fcntl, vec![four, F_SETOWN as u64, 1]),
        ("connect udp", SYS_connect, vec![four, to, 16]),
        ("connect another", SYS_connect, vec![other, to, 16]),
        ("bind udp", SYS_bind, vec![four, to, 16]),
        ("listen udp", SYS_listen, vec![four, 1]),
        ("accept udp", SYS_accept, vec![four, 0, 0]),
        ("accept4 udp", SYS_accept4, vec![four, 0, 0, TAKEN]),
        ("accept4 link", SYS_accept4, vec![link, 0, 0, TAKEN]),
        ("shutdown udp RD", SYS_shutdown, vec![four, SHUT_RD as u64]),
        ("shutdown udp", SYS_shutdown, vec![six, SHUT_RDWR as u64]),
        ("shutdown status WR", SYS_shutdown, vec![listener, SHUT_WR as u64]),
        ("shutdown status RDWR", SYS_shutdown, vec![listener, SHUT_RDWR as u64]),
        ("getsockname", SYS_getsockname, vec![four, word, word]),
        ("getpeername", SYS_getpeername, vec![client, word, word]),
        ("SO_BROADCAST", SYS_setsockopt, option(SOL_SOCKET, SO_BROADCAST)),
        ("SO_BINDTODEVICE", SYS_setsockopt, option(SOL_SOCKET, SO_BINDTODEVICE)),
        ("SO_ATTACH_FILTER", SYS_setsockopt, option(SOL_SOCKET, SO_ATTACH_FILTER)),
        ("SO_REUSEPORT", SYS_setsockopt, option(SOL_SOCKET, SO_REUSEPORT)),
        ("SO_TIMESTAMP", SYS_setsockopt, option(SOL_SOCKET, SO_TIMESTAMP)),
        ("SO_PASSCRED", SYS_setsockopt, vec![client, SOL_SOCKET as u64, 16, word, 4]),
        ("SO_PEERCRED", SYS_getsockopt, vec![client, SOL_SOCKET as u64, 17, word, word]),
        ("IP_TRANSPARENT", SYS_setsockopt, option(IPPROTO_IP, IP_TRANSPARENT)),
        ("IP_FREEBIND", SYS_setsockopt, option(IPPROTO_IP, IP_FREEBIND)),
        ("IP_PKTINFO", SYS_setsockopt, option(IPPROTO_IP, IP_PKTINFO)),
        ("IP_RECVERR", SYS_setsockopt, option(IPPROTO_IP, IP_RECVERR)),
        ("IP_ADD_MEMBERSHIP", SYS_setsockopt, option(IPPROTO_IP, IP_ADD_MEMBERSHIP)),
        ("UDP_ENCAP", SYS_setsockopt, option(IPPROTO_UDP, 100)),
        ("SIOCGIFCONF", SYS_ioctl, vec![four, 0x8912, word]),
        ("SIOCSIFFLAGS", SYS_ioctl, vec![four, 0x8914, word]),
        ("SIOCSIFADDR", SYS_ioctl, vec![six, 0x8916, word]),
        ("SIOCADDRT", SYS_ioctl, vec![four, 0x890b, word]),
        ("SIOCGSKNS", SYS_ioctl, vec![four, 0x894c, 0]),
        ("FIONREAD of udp", SYS_ioctl, vec![four, FIONREAD, word]),
        ("FIONREAD of a client", SYS_ioctl, vec![client, FIONREAD, word]),
        ("SIOCUNIXFILE", SYS_ioctl, vec![client, 0x89e0, 0]),
        ("socket UDP", SYS_socket, vec![AF_INET as u64, SOCK_DGRAM as u64, 0]),
        ("socket UDP of IPv6", SYS_socket, vec![AF_INET6 as u64, SOCK_DGRAM as u64, 0]),
        ("socket raw", SYS_socket, vec![AF_INET as u64, SOCK_RAW as u64, 1]),
        ("socket packet", SYS_socket, vec![AF_PACKET as u64, SOCK_RAW as u64, 0x300]),
        ("socket vsock", SYS_socket, vec![AF_VSOCK as u64, SOCK_STREAM as u64, 0]),
        // The parent's.
        ("pread64 title", SYS_pread64, vec![title, word, 8, 0]),
        ("read title", SYS_read, vec![title, word, 8]),
        ("pread64 events", SYS_pread64, vec![events, word, 8, 0]),
        ("pwrite64 title", SYS_pwrite64, vec![title, word, 8, 0]),
        ("preadv title", SYS_preadv, vec![title, vector, 1, 0]),
        ("pread64 news", SYS_pread64, vec![news, word, 8, 0]),
    ]
}

/// 127.0.0.1, as the kernel has it; 16 bytes.
pub(crate) fn loopback(port: u16) -> u64 {
    address(four([127, 0, 0, 1], port))
}

fn four(octets: [u8; 4], port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(octets) },
        sin_zero: [0; 8],
    }
}

/// ::1; 28 bytes.
pub(crate) fn loopback_six(port: u16) -> u64 {
    address(libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as u16,
        sin6_port: port.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: 1_u128.to_be_bytes() },
        sin6_scope_id: 0,
    })
}

/// A socket in the file system; 110 bytes.
pub(crate) fn path(path: &str) -> u64 {
    let mut to = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
    for (to, from) in to.sun_path.iter_mut().zip(path.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    address(to)
}

/// A control message.
pub(crate) fn control(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + data.len()).to_ne_bytes().to_vec();
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// One `struct mmsghdr` (and so one `struct msghdr`) with a byte of data, and this control message.
pub(crate) fn one(to: u64, length: u32, control: &[u8]) -> u64 {
    let byte = text("x");
    // SAFETY: all zeros is an mmsghdr without address, data and control part.
    #[allow(unsafe_code)]
    let mut message: libc::mmsghdr = unsafe { core::mem::zeroed() };
    let data = address(libc::iovec { iov_base: byte as *mut c_void, iov_len: 1 });
    message.msg_hdr.msg_name = to as *mut c_void;
    message.msg_hdr.msg_namelen = length;
    message.msg_hdr.msg_iov = data as *mut libc::iovec;
    message.msg_hdr.msg_iovlen = 1;
    if !control.is_empty() {
        message.msg_hdr.msg_controllen = control.len();
        // Aligned as the kernel wants it.
        let mut words = [0_u64; 16];
        for (word, bytes) in words.iter_mut().zip(control.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
        }
        message.msg_hdr.msg_control = address(words) as *mut c_void;
    }
    address(message)
}

/// No address can be filtered, and no control message seen. Other families' addresses the kernel refuses on these
/// sockets; so it does sources that this machine does not have, and marks.
#[test]
fn what_a_speaker_may_send_goes_to_the_network_only() {
    if !need_root() {
        return;
    }
    if !six() {
        return skip("this machine has no ::1");
    }
    let ground = Ground::new();
    let [v4, v6] = ground.udp.each_ref().map(|udp| udp.as_raw_fd() as u64);
    let place = ground.scratch.join("datagrams");
    let receiver = UnixDatagram::bind(&place).expect("a socket");
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o666)).expect("its mode");
    let (place, word) = (path(place.to_str().expect("ASCII")), text("x"));
    let (abstract_name, netlink) = (path("\0upsentry-nobody"), path(""));
    let mut calls = Vec::new();
    for fd in [v4, v6] {
        for (to, length) in [(place, 110), (abstract_name, 20), (netlink, 2), (netlink, 12)] {
            calls.push((libc::SYS_sendto, vec![fd, word, 1, NOW, to, length]));
            calls.push((libc::SYS_sendmmsg, vec![fd, one(to, length as u32, &[]), 1, NOW]));
        }
    }
    refused(Who::Speaking, &ground, calls, &[libc::EAFNOSUPPORT, libc::EINVAL]);
    receiver.set_nonblocking(true).expect("a socket");
    assert!(receiver.recv(&mut [0; 8]).is_err(), "a datagram came through the file system");
    // A source that is somebody else's: `struct in_pktinfo`, `struct in6_pktinfo`. One's own is none.
    let source = |[v4, v6]: [u64; 2], source: [u8; 4], source_six: [u8; 2]| {
        let info = [[0; 4], source, [0; 4]].concat();
        let six = source_six.into_iter().chain([0; 13]).chain([1]).chain([0; 4]);
        let info = control(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        let six: Vec<u8> = six.collect();
        let six = control(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &six);
        vec![
            (libc::SYS_sendmmsg, vec![v4, one(loopback(9), 16, &info), 1, NOW]),
            (libc::SYS_sendmmsg, vec![v6, one(loopback_six(9), 28, &six), 1, NOW]),
        ]
    };
    let errors = [libc::EINVAL, libc::EADDRNOTAVAIL, libc::ENETUNREACH];
    refused(Who::Speaking, &ground, source([v4, v6], [192, 0, 2, 1], [0xfd, 0x99]), &errors);
    refused(Who::Speaking, &ground, source([v4, v6], [127, 0, 0, 1], [0, 0]), &[0]);
    // Nor through a socket that was bound before its address was there.
    let mut late = Ground::new();
    let absent = ["192.0.2.77:0", "[fd99::77]:0"].map(|address| address.parse().expect("one"));
    let absent = absent.map(|address| bind::udp(address, false).expect("a socket"));
    assert!(absent.each_ref().iter().all(|(_, away)| *away), "this machine has them");
    late.udp = absent.map(|(fd, _)| UdpSocket::from(fd));
    let sockets = late.udp.each_ref().map(|udp| udp.as_raw_fd() as u64);
    refused(Who::Speaking, &late, source(sockets, [192, 0, 2, 1], [0xfd, 0x98]), &errors);
    let mark = control(libc::SOL_SOCKET, libc::SO_MARK, &7_u32.to_ne_bytes());
    let marked = vec![
        (libc::SYS_sendmmsg, vec![v4, one(loopback(9), 16, &mark), 1, NOW]),
        (libc::SYS_sendmmsg, vec![v6, one(loopback_six(9), 28, &mark), 1, NOW]),
    ];
    refused(Who::Speaking, &ground, marked, &[libc::EPERM]);
}

/// A control message that carries a descriptor passes the list; what arrives has none.
#[test]
fn no_descriptor_leaves_by_udp() {
    if !need_root() {
        return;
    }
    if !six() {
        return skip("this machine has no ::1");
    }
    let ground = Ground::new();
    let tty = ground.tty.as_raw_fd();
    let rights = control(libc::SOL_SOCKET, libc::SCM_RIGHTS, &tty.to_ne_bytes());
    let port = |udp: &UdpSocket| udp.local_addr().expect("its address").port();
    let [v4, v6] = &ground.udp;
    let messages = [
        (v4, one(loopback(port(v4)), 16, &rights)),
        (v6, one(loopback_six(port(v6)), 28, &rights)),
    ];
    let calls = messages.each_ref().map(|(udp, message)| {
        Way::Native(Call::new(libc::SYS_sendmmsg, &[udp.as_raw_fd() as u64, *message, 1, NOW]))
    });
    assert_eq!(run(Who::Speaking, &ground, &calls), [Outcome::Returned(0); 2]);
    for (udp, _) in messages {
        assert!(!carries(udp.as_raw_fd()), "a descriptor came by UDP");
    }
    // Through the socket of a client it would have come: only the list is in between.
    let client = ground.clients.0.as_raw_fd() as u64;
    let call = Call::new(libc::SYS_sendmmsg, &[client, one(0, 0, &rights), 1, NOW]);
    assert!(run(Who::Speaking, &ground, &[Way::Native(call)])[0].denied());
    assert_eq!(make(&[Way::Native(call)], &|| Ok(())), [Outcome::Returned(0)]);
    assert!(carries(ground.clients.1.as_raw_fd()), "this test cannot see descriptors");
}

/// The byte that came has a descriptor with it.
fn carries(fd: RawFd) -> bool {
    let mut byte = [0];
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let mut data = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(fd, &mut data, Some(&mut space), MsgFlags::MSG_DONTWAIT);
    let message = message.expect("a message");
    assert_eq!(message.bytes, 1);
    let mut controls = message.cmsgs().expect("its control messages");
    controls.any(|control| matches!(control, ControlMessageOwned::ScmRights(_)))
}
