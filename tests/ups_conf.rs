//! NUT's ups.conf, as the program finds it: who reads it, and what is said where it cannot be read.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use common::{DAEMON, need_root};

const NOBODY: u32 = 65534;

/// A directory of this test's own, which others may enter, gone with it.
struct Room(PathBuf);

impl Room {
    /// With these texts as ups.conf and upsentry.conf; `ROOM` is its path.
    fn new(name: &str, ups_conf: &str, conf: &str) -> Room {
        let path = std::env::temp_dir().join(format!("upsentry-uc-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for the test");
        let room = Room(path);
        room.file("ups.conf", ups_conf, 0o640);
        let machine = "via command\nhalt /sbin/halt\nups-conf ROOM/ups.conf\n";
        room.file("upsentry.conf", &format!("{machine}{conf}"), 0o644);
        room
    }

    fn file(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.join(name);
        fs::write(&path, text.replace("ROOM", &self.shown())).expect("a file of ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
    }

    fn shown(&self) -> String {
        self.0.display().to_string()
    }

    /// What this says and its status, as this user; the room's path as `ROOM`.
    fn run(&self, words: &[&str], uid: u32) -> (String, String, Option<i32>) {
        let mut command = Command::new(DAEMON);
        command.arg("-c").arg(self.0.join("upsentry.conf")).args(words);
        if uid != 0 {
            command.uid(uid).gid(uid);
        }
        let done = command.output().expect("the program starts");
        let text = |bytes| String::from_utf8_lossy(bytes).replace(&self.shown(), "ROOM");
        (text(&done.stdout), text(&done.stderr), done.status.code())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_driver_is_found_and_shown() {
    if !need_root() {
        return;
    }
    let text = "statepath = ROOM\ndriverpath = ROOM\n[Rack] # ours\n\tdriver = \"dummy-ups\"\n\tport = x.dev\n";
    let room = Room::new("found", text, "watch driver:rack\n");
    room.file("dummy-ups", "#!/bin/sh\n", 0o755);
    let socket = room.0.join("dummy-ups-Rack");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let (screen, remarks, code) = room.run(&["check"], 0);
    assert_eq!(code, Some(0), "{remarks}");
    for words in [
        "NUT's driver of [Rack]\n",
        "socket         ROOM/dummy-ups-Rack\n",
        "kill           runs ROOM/dummy-ups -a Rack -k\n",
        "NUT's sockets    in ROOM, of root's group",
    ] {
        assert!(screen.contains(words), "no {words:?}: {screen}");
    }
    assert!(remarks.contains("ROOM is root's group's"), "{remarks}");
    assert!(!remarks.contains("starts it"), "{remarks}");
    drop(listener);
    fs::remove_file(&socket).expect("it was there");
    let (_, remarks, code) = room.run(&["check"], 0);
    assert_eq!(code, Some(0), "{remarks}");
    let words =
        "ROOM/dummy-ups-Rack: No such file or directory (os error 2); its driver does not run, `";
    assert!(remarks.contains(words), "{remarks}");
}

#[test]
fn a_section_that_is_not_there_is_an_error() {
    if !need_root() {
        return;
    }
    let text =
        "[rack]\ndriver = usbhid-ups\nport = auto\n[desk]\ndriver = usbhid-ups\nport = auto\n";
    let room = Room::new("missing", text, "watch driver:rakc\n");
    let expected = "ROOM/ups.conf: no [rakc], which ROOM/upsentry.conf:4 watches; there are rack, desk (did you mean `rack'?)\n\
                    1 error; nothing was started\n";
    for words in [&["check"][..], &["-f"]] {
        assert_eq!(room.run(words, 0), (String::new(), expected.to_owned(), Some(2)), "{words:?}");
    }
    // `-k` goes on to others, and this one is not cut.
    let (_, remarks, code) = room.run(&["-k"], 0);
    assert_eq!(code, Some(1), "{remarks}");
    assert!(remarks.starts_with("ROOM/ups.conf: warning: no [rakc]"), "{remarks}");
    assert!(remarks.contains("its driver's program was not found"), "{remarks}");
}

#[test]
fn a_file_that_cannot_be_read() {
    if !need_root() {
        return;
    }
    let room = Room::new("unreadable", "[u]\ndriver=x\nport=y\n", "watch driver:u\n");
    // Whoever may not read it may `check` all the same.
    let (screen, remarks, code) = room.run(&["check"], NOBODY);
    assert_eq!(code, Some(0), "{remarks}");
    assert!(screen.contains("socket         not known: ROOM/ups.conf was not read\n"), "{screen}");
    let words = "ROOM/ups.conf: warning: cannot be read: Permission denied";
    assert!(remarks.contains(words), "{remarks}");
    let path = room.0.join("ups.conf");
    let refused = |room: &Room, words: &str| {
        let (_, remarks, code) = room.run(&["check"], 0);
        assert_eq!(code, Some(2), "{remarks}");
        assert!(remarks.starts_with(words), "{remarks}");
    };
    fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).expect("its mode");
    refused(&room, "ROOM/ups.conf: anyone may write this file");
    fs::remove_file(&path).expect("it was there");
    refused(&room, "ROOM/ups.conf: cannot be read: No such file or directory");
    // Opening it would wait for a writer.
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).expect("a FIFO");
    refused(&room, "ROOM/ups.conf: not a regular file");
    fs::remove_file(&path).expect("it was there");
    room.file("ups.conf", &"#\n".repeat(1 << 20), 0o600);
    refused(&room, "ROOM/ups.conf: over 1 MiB");
    // What is no text either.
    fs::write(&path, [0xff, 0, b'[', b'u', b']', b'\n', 0xfe]).expect("a file of ours");
    let (_, remarks, code) = room.run(&["check"], 0);
    assert_eq!(code, Some(2), "{remarks}");
    assert!(remarks.starts_with("ROOM/ups.conf:1: [u] has no `driver'"), "{remarks}");
}
