#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::net::UnixListener;

use super::*;
use crate::config::drivers::find;
use crate::config::{Purpose, parse};

#[test]
fn the_command_that_starts_one_driver() {
    assert_eq!(starter("rack", true, &|_| true), "systemctl start nut-driver@rack.service");
    assert_eq!(starter("rack", false, &|_| false), "upsdrvctl start rack");
    let usr = |path: &str| path == "/usr/sbin/upsdrvctl";
    assert_eq!(starter("rack", false, &usr), "/usr/sbin/upsdrvctl start rack");
}

#[test]
fn a_socket_that_is_not_there_is_a_warning() {
    let room = std::env::temp_dir().join(format!("upsentry-check-nut-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&room);
    std::fs::create_dir(&room).unwrap();
    let mut config = parse(Path::new("t.conf"), "watch driver:u\n", Purpose::Run).unwrap();
    assert_eq!(group(&config), None);
    assert_eq!(remarks(&config), [""; 0]);
    let text = format!("statepath = {}\n[u]\ndriver = dummy-ups\n", room.display());
    let wanted = config.wanted_drivers();
    let found = find(Path::new("u.conf"), (text.as_bytes(), 0o640), &config.path, &wanted).unwrap();
    config.take_drivers(found, &|_| false);
    let said = remarks(&config).join("\n");
    assert!(said.starts_with("t.conf:1: warning: ups: "), "{said}");
    assert!(
        said.contains("dummy-ups-u: No such file") && said.contains("start u' starts it")
            || said.contains("nut-driver@u"),
        "{said}"
    );
    assert!(group(&config).unwrap().contains(&*room.to_string_lossy()));
    let path = room.join("dummy-ups-u");
    std::fs::write(&path, b"").unwrap();
    assert!(remarks(&config).join("\n").contains("is not a socket"));
    std::fs::remove_file(&path).unwrap();
    let _listener = UnixListener::bind(&path).unwrap();
    assert!(!remarks(&config).join("\n").contains("dummy-ups-u"));
    std::fs::remove_dir_all(&room).unwrap();
}

#[test]
fn a_socket_that_the_group_may_not_use_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let room = std::env::temp_dir().join(format!("upsentry-check-socket-{}", std::process::id()));
    std::fs::create_dir_all(&room).unwrap();
    let path = room.join("dummy-ups-u");
    let _listener = UnixListener::bind(&path).unwrap();
    let set = |path: &Path, gid, mode| {
        nix::unistd::chown(path, None, Some(nix::unistd::Gid::from_raw(gid))).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (directory, socket, fine) in [
        ((7, 0o770), (7, 0o660), true),
        ((7, 0o770), (8, 0o666), true),
        ((7, 0o770), (8, 0o660), false),
        ((7, 0o770), (7, 0o606), false),
        ((7, 0o700), (7, 0o660), false),
    ] {
        set(&room, directory.0, directory.1);
        set(&path, socket.0, socket.1);
        let found = closed(&room, &std::fs::symlink_metadata(&path).unwrap());
        assert_eq!(found, (!fine).then_some(7), "{directory:?} {socket:?}");
    }
    std::fs::remove_dir_all(&room).unwrap();
}

#[test]
fn the_group_that_the_monitor_gets() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let room =
        std::env::temp_dir().join(format!("upsentry-check-nut-group-{}", std::process::id()));
    std::fs::create_dir_all(&room).unwrap();
    let mut config = parse(Path::new("t.conf"), "watch driver:u\n", Purpose::Run).unwrap();
    config.state_path.clone_from(&room);
    // Group 7 has a name everywhere, 64321 nowhere.
    for (gid, shown) in
        [(7, "the monitor gets its group lp (gid 7)"), (64321, "its group gid 64321,")]
    {
        nix::unistd::chown(&room, None, Some(nix::unistd::Gid::from_raw(gid))).unwrap();
        let said = group(&config).unwrap();
        assert!(said.contains(shown), "{said}");
    }
    std::fs::remove_dir_all(&room).unwrap();
    assert!(group(&config).unwrap().contains("not there now"));
}
