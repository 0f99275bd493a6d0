use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::*;
use crate::config::{GroupSpec, Purpose, parse};

/// A directory of this test's own, removed at its end.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Room {
        let path = std::env::temp_dir().join(format!("upsentry-net-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Room(path)
    }

    fn file(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn socket(&self) -> StatusSocket {
        StatusSocket { path: self.0.join("status"), mode: 0o640, group: Some(GroupSpec::Id(7)) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What only root can make so.
fn is_root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}

#[test]
fn a_key_file_is_roots_alone_and_32_bytes() {
    if !is_root() {
        return;
    }
    let room = Room::new("key");
    let good = room.file("good", &[7; 32], 0o600);
    assert_eq!(key(&good).unwrap().bytes(), &[7; 32]);
    assert!(key(&room.file("kept", &[7; 32], 0o400)).is_ok());
    for (name, bytes, mode, why) in [
        ("read", 32, 0o640, "chmod 600"),
        ("open", 32, 0o604, "chmod 600"),
        ("short", 31, 0o600, "is not 32 bytes long"),
        ("long", 33, 0o600, "is not 32 bytes long"),
        ("empty", 0, 0o600, "is not 32 bytes long"),
    ] {
        let error = key(&room.file(name, &vec![7; bytes], mode)).unwrap_err();
        assert!(error.contains(why), "{name}: {error}");
    }
    let others = room.file("others", &[7; 32], 0o600);
    chown(&others, Some(nix::unistd::Uid::from_raw(1)), None).unwrap();
    assert!(key(&others).unwrap_err().contains("chown root"));
    let link = room.0.join("link");
    symlink(&good, &link).unwrap();
    assert!(key(&link).is_err());
    // Opening it must not wait for a writer.
    let fifo = room.0.join("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRUSR).unwrap();
    assert!(key(&fifo).unwrap_err().contains("must be root's"));
}

#[test]
fn a_ca_file_may_be_read_by_others_and_is_not_interpreted() {
    if !is_root() {
        return;
    }
    let room = Room::new("ca");
    let text = format!("watch nut+tls://h/u\nca-file {}\n", room.0.join("ca").display());
    let ups = parse("t.conf".as_ref(), &text, Purpose::Run).unwrap().ups.remove(0);
    assert!(trust(&ups).unwrap_err().contains("ca-file /"));
    for bytes in [0, 5, LARGEST_TRUST] {
        room.file("ca", &vec![0xff; bytes], 0o644);
        assert_eq!(trust(&ups).unwrap().unwrap(), vec![0xff; bytes]);
    }
    room.file("ca", &vec![0; LARGEST_TRUST + 1], 0o644);
    assert!(trust(&ups).unwrap_err().ends_with("over 256 KiB"));
    for mode in [0o664, 0o646] {
        room.file("ca", b"x", mode);
        assert!(trust(&ups).unwrap_err().contains("chmod 644"));
    }
    let line = parse("t.conf".as_ref(), "watch ttyS0\nmodel power99\n", Purpose::Run).unwrap();
    assert_eq!(trust(&line.ups[0]), Ok(None));
}

#[test]
fn the_status_socket_is_as_it_was_asked_for() {
    if !is_root() {
        return;
    }
    let room = Room::new("status");
    let socket = room.socket();
    let listens = status(&socket).unwrap();
    let meta = fs::metadata(&socket.path).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o640, 0, 7));
    assert!(UnixStream::connect(&socket.path).is_ok());
    // Somebody answers there.
    assert!(status(&socket).unwrap_err().contains("in use"));
    drop(listens);
    // What a daemon left that is gone.
    assert!(socket.path.exists());
    assert!(status(&socket).is_ok());
}

#[test]
fn what_is_no_socket_stays() {
    if !is_root() {
        return;
    }
    let room = Room::new("other");
    let file = room.file("status", b"mine", 0o600);
    assert!(status(&room.socket()).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    fs::remove_file(&file).unwrap();
    symlink("/nowhere", &file).unwrap();
    assert!(status(&room.socket()).is_err());
}

/// Else its owner could put something of root's in the socket's place before it is opened to the group.
#[test]
fn nobody_else_may_rename_a_part_of_its_path() {
    if !is_root() {
        return;
    }
    let room = Room::new("owned");
    let (theirs, ours) = (room.0.join("theirs"), room.0.join("ours"));
    for directory in [theirs.join("run"), ours.clone()] {
        fs::create_dir_all(directory).unwrap();
    }
    chown(&theirs, Some(nix::unistd::Uid::from_raw(64001)), None).unwrap();
    let at = |path| status(&StatusSocket { path, ..room.socket() });
    let error = at(theirs.join("run/status")).unwrap_err();
    assert!(error.contains("theirs must be root's"), "{error}");
    // A link of root's is as good as where it leads.
    symlink(&ours, room.0.join("link")).unwrap();
    fs::create_dir(ours.join("run")).unwrap();
    assert!(at(room.0.join("link/run/status")).is_ok() && ours.join("run/status").exists());
}

#[test]
fn nobody_else_may_write_where_it_stands() {
    if !is_root() {
        return;
    }
    let room = Room::new("writable");
    for mode in [0o775, 0o757] {
        fs::set_permissions(&room.0, fs::Permissions::from_mode(mode)).unwrap();
        assert!(
            status(&room.socket())
                .unwrap_err()
                .contains("must be root's, and nobody else may write in it")
        );
    }
    fs::set_permissions(&room.0, fs::Permissions::from_mode(0o755)).unwrap();
    // Made if it is missing.
    let path = room.0.join("a/b/status");
    assert!(status(&StatusSocket { path, ..room.socket() }).is_ok());
    assert_eq!(fs::metadata(room.0.join("a/b")).unwrap().mode() & 0o777, 0o755);
    let group = Some(GroupSpec::Name("no-such-group-here".to_owned()));
    let error = status(&StatusSocket { group, ..room.socket() }).unwrap_err();
    assert!(error.contains("groupadd --system no-such-group-here"), "{error}");
}

/// A master on a free port of loopback, so that nothing is asked of any name server.
fn master(text: &str) -> (Config, Net) {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let text =
        format!("watch ttyS0\nfail cts 0\nlow dcd 0\nstatus-socket none\nport {port}\n{text}");
    (parse("t.conf".as_ref(), &text, Purpose::Run).unwrap(), Net::default())
}

#[test]
fn one_socket_is_bound_for_each_address_or_one_for_all() {
    let count = |text: &str| {
        let (config, mut net) = master(text);
        net.sockets(&config).unwrap();
        (net.serve.len(), net.ask.len(), net.doubts.len())
    };
    assert_eq!(count("slave 127.0.0.2\n"), (1, 0, 0));
    assert_eq!(count("slave 127.0.0.2\nlisten 127.0.0.1\nlisten ::1\n"), (2, 0, 0));
    assert_eq!(count("slave 127.0.0.2\nlisten 0.0.0.0\nlisten ::\n"), (2, 0, 0));
    assert_eq!(count("slave 127.0.0.2\nlisten 127.0.0.1\nlisten 192.0.2.77\n"), (2, 0, 1));
}

#[test]
fn a_port_that_is_taken_is_named_with_its_line() {
    let (config, mut net) = master("slave 127.0.0.2\nlisten 127.0.0.1\n");
    let held = std::net::UdpSocket::bind(("127.0.0.1", config.port)).unwrap();
    let error = net.sockets(&config).unwrap_err();
    let begins = format!("t.conf:7: listen 127.0.0.1, UDP port {}: another program", config.port);
    assert!(error.starts_with(&begins), "{error}");
    // A daemon that just ends is waited for.
    let thread = std::thread::spawn(move || {
        sleep(Duration::from_millis(200));
        drop(held);
    });
    net.sockets(&config).unwrap();
    thread.join().unwrap();
}
