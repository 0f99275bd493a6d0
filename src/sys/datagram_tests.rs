#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use nix::errno::Errno;
use std::os::fd::AsFd as _;

fn heard(socket: &UnixDatagram) -> Vec<u8> {
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn names_are_paths_or_abstract() {
    let id = std::process::id();
    let path = std::env::temp_dir().join(format!("upsentry-datagram-{id}"));
    let by_path = UnixDatagram::bind(&path).unwrap();
    tell(connect(path.as_os_str()).unwrap().as_fd(), b"path").unwrap();
    assert_eq!(heard(&by_path), b"path");
    let name = format!("upsentry-datagram-{id}");
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let abstract_one = UnixDatagram::bind_addr(&address).unwrap();
    let socket = connect(OsStr::new(&format!("@{name}"))).unwrap();
    tell(socket.as_fd(), b"abstract").unwrap();
    assert_eq!(heard(&abstract_one), b"abstract");
    std::fs::remove_file(&path).unwrap();
    assert!(connect(path.as_os_str()).is_err());
    // A reader that is gone, or slow, is no reason to wait.
    drop(abstract_one);
    assert_eq!(tell(socket.as_fd(), b"nobody"), Err(Errno::ECONNREFUSED));
    let full = UnixDatagram::bind_addr(&address).unwrap();
    let socket = connect(OsStr::new(&format!("@{name}"))).unwrap();
    let refused = (0..10_000).find_map(|_| tell(socket.as_fd(), b"more").err());
    assert_eq!(refused, Some(Errno::EAGAIN));
    drop(full);
}
