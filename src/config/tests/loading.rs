//! The file itself: what is read, who may read it, and what is never shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

/// A directory of this test's own, removed at its end.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("upsentry-config-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.0.join("c.conf");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// What loading says, with the directory's name left out.
    fn failure(&self, path: &Path) -> String {
        let said = load(path, Purpose::Run).unwrap_err().to_string();
        said.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_password_must_be_kept_from_others() {
    let room = Room::new("password");
    let text = format!("{BASE}password hunter2\nfial\n");
    for mode in [0o600, 0o400, 0o610] {
        let said = room.failure(&room.file(text.as_bytes(), mode));
        assert!(
            said.ends_with("\n1 error; nothing was started") && said.contains("`fial'"),
            "{said}"
        );
    }
    for mode in [0o640, 0o604, 0o644] {
        let expected = "\
c.conf:3:1: this is a password, and others may read the file; chmod 600 it
    password...
    ^^^^^^^^
c.conf:4:1: no such directive `fial' (did you mean `fail'?)
    fial
    ^^^^
2 errors; nothing was started";
        assert_eq!(room.failure(&room.file(text.as_bytes(), mode)), expected);
    }
    assert!(load(&room.file(BASE.as_bytes(), 0o644), Purpose::Run).is_ok());
}

#[test]
fn what_anyone_may_write_is_refused() {
    let room = Room::new("writable");
    assert_eq!(
        room.failure(&room.file(BASE.as_bytes(), 0o646)),
        "c.conf:1:1: anyone may write this file, and it says what root does; chmod o-w it\n1 error; nothing was started"
    );
}

#[test]
fn only_a_regular_file_of_a_sane_size_is_read() {
    let room = Room::new("regular");
    let fifo = room.0.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_eq!(room.failure(&fifo), "fifo: not a regular file\n1 error; nothing was started");
    assert!(room.failure(&room.0).contains("not a regular file"));
    assert!(room.failure(Path::new("/dev/zero")).contains("not a regular file"));
    let gone = room.failure(&room.0.join("gone"));
    assert!(gone.starts_with("gone: cannot be read: No such file"), "{gone}");
    let most = [BASE.as_bytes(), &vec![b'\n'; (1 << 20) - BASE.len()]].concat();
    assert!(load(&room.file(&most, 0o600), Purpose::Run).is_ok());
    let more = [most.as_slice(), b"\n"].concat();
    assert!(room.failure(&room.file(&more, 0o600)).starts_with("c.conf: over 1 MiB"));
}

#[test]
fn other_encodings_are_named_by_their_place() {
    let room = Room::new("utf8");
    assert_eq!(
        room.failure(&room.file(b"watch ttyS0\n# \xc3\xbc \xe9\n", 0o600)),
        "c.conf:2:5: not UTF-8; save the file as UTF-8 or plain ASCII\n1 error; nothing was started"
    );
    assert!(room.failure(&room.file(b"\xff\xfew\0", 0o600)).starts_with("c.conf:1:1: not UTF-8"));
}

#[test]
fn the_file_asked_for_is_the_file_read() {
    let asked = Path::new("/nowhere/x.conf");
    assert_eq!(find(Some(asked)), asked);
    let found = find(None);
    assert!(
        ["/etc/upsentry.conf", "/etc/powstatd.conf"].iter().any(|path| found == Path::new(path))
    );
}

/// A file of nonsense is refused in an answer that a person reads.
#[test]
fn nonsense_is_counted_not_listed() {
    let text = "wtach\n".repeat((1 << 14) / 6);
    let all = parse(Path::new(FILE), &text, Purpose::Run).unwrap_err();
    assert_eq!(all.len(), (1 << 14) / 6 + 1);
    let shown = Failure::faulty(Path::new(FILE), &text, &all).to_string();
    // One of the hundred is that there is nothing to watch.
    assert_eq!(shown.matches("no such directive").count(), 99);
}

/// However the line is misspelt, its secret is not shown.
#[test]
fn a_password_is_never_shown() {
    for line in [
        "password hunter2 \"open",
        "password hunter2\u{1}",
        "password hunter2\npassword hunter2",
        "Password hunter2",
        "pasword hunter2",
        "password=hunter2",
        "password:hunter2",
        "\"password\" hunter2 \"open",
        "\"password hunter2",
        "secret hunter2",
        "\tpassphrase = hunter2",
        "password\u{a0}hunter2",
    ] {
        let text = format!("{BASE}{line}\n");
        let all = parse(Path::new(FILE), &text, Purpose::Run).unwrap_err();
        let said = Failure::faulty(Path::new(FILE), &text, &all).to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }
}
