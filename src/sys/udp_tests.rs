use std::net::UdpSocket;

use super::*;

fn bound(address: &str) -> (Udp, SocketAddr) {
    let socket = UdpSocket::bind(address).expect("a socket on loopback");
    socket.set_nonblocking(true).expect("non-blocking");
    let address = socket.local_addr().expect("its address");
    (Udp::new(socket.into()).expect("of a known family"), address)
}

fn next(udp: &Udp) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 64];
    for _ in 0..1000 {
        if let Some((length, from)) = udp.receive(&mut buffer) {
            return (buffer.get(..length).expect("within").to_vec(), from);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("nothing came");
}

#[test]
fn a_socket_of_both_families_speaks_plain_ipv4() {
    let (four, at) = bound("127.0.0.1:0");
    let (both, port) = bound("[::]:0");
    assert!(both.send(b"ask", at));
    let (text, from) = next(&four);
    assert_eq!(text, b"ask");
    assert_eq!(from, SocketAddr::new("127.0.0.1".parse().unwrap(), port.port()));
    assert!(four.send(b"answer", from));
    assert_eq!(next(&both), (b"answer".to_vec(), at));
    assert!(both.reaches(&at) && !four.reaches(&port));
}

#[test]
fn one_datagram_goes_to_many() {
    let hosts: Vec<(Udp, SocketAddr)> = (0..150).map(|_| bound("127.0.0.1:0")).collect();
    let all: Vec<SocketAddr> = hosts.iter().map(|(_, at)| *at).collect();
    let (master, _) = bound("[::]:0");
    assert_eq!(Burst::default().send(&master, b"LOW", &all), 150);
    for (host, _) in &hosts {
        assert_eq!(next(host).0, b"LOW");
    }
}

#[test]
fn an_address_that_is_refused_stops_nobody_else() {
    let (four, at) = bound("127.0.0.1:0");
    let (master, _) = bound("127.0.0.1:0");
    // Port 0 is nobody's.
    let nobody = SocketAddr::new(at.ip(), 0);
    assert_eq!(Burst::default().send(&master, b"x", &[nobody, at, nobody]), 1);
    assert_eq!(next(&four).0, b"x");
}

#[test]
fn only_sockets_of_the_internet() {
    let (unix, _) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
    assert!(Udp::new(unix.into()).is_err());
}
