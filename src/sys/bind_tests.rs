use std::net::UdpSocket;

use super::*;

fn port(fd: &OwnedFd) -> u16 {
    UdpSocket::from(fd.try_clone().unwrap()).local_addr().unwrap().port()
}

fn heard(fd: &OwnedFd) -> Vec<u8> {
    let socket = UdpSocket::from(fd.try_clone().unwrap());
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let mut bytes = [0; 16];
    let length = socket.recv(&mut bytes).expect("a datagram");
    bytes[..length].to_vec()
}

#[test]
fn one_socket_hears_both_families_and_nobody_can_bind_beside_it() {
    let fd = everywhere(0).unwrap();
    let port = port(&fd);
    for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")] {
        let socket = UdpSocket::bind(from).unwrap();
        socket.send_to(to.as_bytes(), format!("{to}:{port}")).unwrap();
        assert_eq!(heard(&fd), to.as_bytes());
    }
    let four = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    assert_eq!(udp(four, false).unwrap_err(), Errno::EADDRINUSE);
    // A group joined beside it opens no door.
    let group_at = SocketAddr::new(Ipv4Addr::new(239, 1, 2, 3).into(), port);
    match group(group_at, core::slice::from_ref(&fd)) {
        Ok(_) | Err(Errno::ENODEV) => {}
        Err(error) => panic!("{error}"),
    }
    let thief = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), None).unwrap();
    setsockopt(&thief, sockopt::ReuseAddr, &true).unwrap();
    let stolen = bind(thief.as_raw_fd(), &SockaddrStorage::from(four));
    assert_eq!(stolen, Err(Errno::EADDRINUSE));
}

/// Nor while it is being joined.
#[test]
fn nobody_can_bind_beside_it_in_the_moment_of_joining_either() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let fd = everywhere(0).unwrap();
    let port = port(&fd);
    let four = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let stop = AtomicBool::new(false);
    let started = AtomicBool::new(false);
    let stolen = std::thread::scope(|scope| {
        let thief = scope.spawn(|| {
            let flags = SockFlag::empty();
            let thief = socket(AddressFamily::Inet, SockType::Datagram, flags, None).unwrap();
            setsockopt(&thief, sockopt::ReuseAddr, &true).unwrap();
            let address = SockaddrStorage::from(four);
            let mut stolen = false;
            while !stolen && !stop.load(Ordering::Relaxed) {
                stolen = bind(thief.as_raw_fd(), &address).is_ok();
                started.store(true, Ordering::Relaxed);
            }
            stolen
        });
        while !started.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        let group_at = SocketAddr::new(Ipv4Addr::new(239, 1, 2, 3).into(), port);
        for _ in 0..20_000 {
            let _ = group(group_at, core::slice::from_ref(&fd));
        }
        stop.store(true, Ordering::Relaxed);
        thief.join().unwrap()
    });
    assert!(!stolen, "what is sent to {four} goes to somebody else");
}

#[test]
fn an_address_that_may_come_later_is_bound_now() {
    let away = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 77).into(), 0);
    let here = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    assert!(udp(away, false).unwrap().1);
    assert!(!udp(here, false).unwrap().1);
}

#[test]
fn groups_are_known() {
    for (address, is) in [
        ("224.0.1.5", true),
        ("255.255.255.255", true),
        ("127.255.255.255", true),
        ("ff02::5", true),
        ("127.0.0.1", false),
        ("::1", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(is_group(address.parse().unwrap()), is, "{address}");
    }
}
