//! The packaged commands, run by the daemon as it runs any: a server of the test's hears what they send.

use crate::common::{need_root, skip};
use crate::delivery::{Daemon, LONG, MAINS, POWER99, one};
use crate::rig::{USER, alone};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/notify").join(name)
}

fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let found = found.is_ok_and(|done| done.status.success());
    if !found {
        skip(&format!("needs {program}"));
    }
    found
}

/// A daemon that runs a packaged command on `fail`; `words` follow its path, `{}` is the server's port.
fn on_battery(name: &str, words: &str, files: &[(&str, &str)]) -> (Daemon, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let setup = crate::common::sim::Setup::new().port("a", MAINS);
    fs::set_permissions(setup.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let command = setup.write("command", &fs::read_to_string(script(name)).unwrap());
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        setup.write(name, &text.replace("{}", &port));
    }
    let words = words.replace("{}", &port).replace("DIR", setup.path("").to_str().unwrap());
    let text = format!(
        "{POWER99}notify-command {} {words}\nnotify-user {USER}\nnotify fail\n",
        command.display()
    );
    let conf = one(&setup, &text);
    let mut daemon = Daemon::on(setup, &conf);
    daemon.set("set a cts=0");
    server.set_nonblocking(true).unwrap();
    let end = Instant::now() + LONG;
    loop {
        if let Ok((stream, _)) = server.accept() {
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(LONG)).unwrap();
            return (daemon, stream);
        }
        assert!(Instant::now() < end, "nobody connects: {}", daemon.rig.stderr());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Reads until this.
fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut said = String::new();
    let mut byte = [0];
    while !said.ends_with(end) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{said}");
        said.push(char::from(byte[0]));
    }
    said
}

#[test]
fn the_webhook_posts_json() {
    if !need_root() || !has("curl") {
        return;
    }
    let _alone = alone();
    let file = [("hook", "url = \"http://127.0.0.1:{}/secret\"\n")];
    let (_daemon, mut stream) = on_battery("webhook", "DIR/hook", &file);
    let head = until(&mut stream, "\r\n\r\n");
    let body = until(&mut stream, "}\n");
    stream.write_all(b"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /secret HTTP/1.1\r\n"), "{head}");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    assert_eq!(
        body,
        format!(
            "{{\"text\":\"{host}: UPS ups is on battery\",\"host\":\"{host}\",\"event\":\"fail\",\
             \"ups\":\"ups\",\"duration\":null}}\n"
        )
    );
}

#[test]
fn mail_goes_by_smtp() {
    if !need_root() || !has("curl") {
        return;
    }
    let _alone = alone();
    let (_daemon, mut stream) = on_battery("mail", "smtp://127.0.0.1:{} admin@example.org", &[]);
    stream.write_all(b"220 x\r\n").unwrap();
    let mut talk = Vec::new();
    loop {
        let line = until(&mut stream, "\r\n");
        if line.starts_with("DATA") {
            break;
        }
        talk.push(line);
        stream.write_all(b"250 x\r\n").unwrap();
    }
    stream.write_all(b"354 x\r\n").unwrap();
    let mail = until(&mut stream, "\r\n.\r\n");
    stream.write_all(b"250 x\r\n").unwrap();
    assert!(talk.iter().any(|line| line.starts_with("RCPT TO:<admin@example.org>")), "{talk:?}");
    assert!(mail.contains("To: admin@example.org\r\n"), "{mail}");
    assert!(mail.contains(": UPS ups is on battery\r\n\r\nEvent: fail\r\n"), "{mail}");
}

/// No terminal here: a `wall` of the test's says what it was given.
#[test]
fn wall_says_the_text() {
    let setup = crate::common::sim::Setup::new();
    let wall = setup.write("wall", "#!/bin/sh\nsed 's/^/said: /'\n");
    fs::set_permissions(&wall, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", setup.path("").display());
    let done = Command::new(script("wall"))
        .env_clear()
        .envs([("PATH", path.as_str()), ("UPSENTRY_TEXT", "UPS x is on battery")])
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.starts_with("said: UPS on "), "{said}");
    assert!(said.ends_with(": UPS x is on battery\n"), "{said}");
}

#[test]
fn shellcheck_finds_nothing() {
    if !has("shellcheck") {
        return;
    }
    let scripts = ["wall", "mail", "webhook"].map(script);
    let done = Command::new("shellcheck").args(scripts).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
