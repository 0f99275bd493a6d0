//! `upsentry status` against the real daemon on the simulator: what it says is what is, and nobody who asks, well
//! or badly, keeps a change of the lines from init.
//!
//! How each test fails: see there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "delivery/rig.rs"]
#[allow(dead_code, unreachable_pub)]
mod rig;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::sim::Setup;
use common::{DAEMON, need_root, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::{Daemon, LONG, MAINS, POWER99};

const QUICK: &str = "low-after 0s\ncable-grace 0s\n";

fn start(more: &str) -> Daemon {
    let setup = Setup::new().port("a", MAINS);
    let conf = rig::one(&setup, &format!("{POWER99}{QUICK}{more}{}", served(&setup)));
    Daemon::on(setup, &conf)
}

/// The line for the rig's own socket.
fn served(setup: &Setup) -> String {
    format!("status-socket {}\n", setup.path("status").display())
}

fn asked(daemon: &Daemon, more: &[&str]) -> Output {
    let conf = daemon.rig.setup().path("conf");
    Command::new(DAEMON).arg("status").arg("-c").arg(conf).args(more).output().unwrap()
}

/// Exit status and what was printed.
fn status(daemon: &Daemon, more: &[&str]) -> (i32, String) {
    let out = asked(daemon, more);
    (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
}

/// Asks until the answer has these words: the parent learns of a change a moment after init was told.
fn until(daemon: &Daemon, more: &[&str], words: &[&str]) -> (i32, String) {
    let end = Instant::now() + LONG;
    loop {
        let (code, text) = status(daemon, more);
        if words.iter().all(|word| text.contains(word)) {
            return (code, text);
        }
        assert!(Instant::now() < end, "no {words:?} in {text}");
    }
}

fn socket(daemon: &Daemon) -> UnixStream {
    let stream = UnixStream::connect(daemon.rig.setup().path("status")).expect("the socket");
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Seen to fail with the page not written after `told` (init was told: nothing), and with `Way::Lines(None)`.
#[test]
fn an_outage_from_mains_to_low_as_it_shows() {
    if !need_root() {
        return;
    }
    let mut daemon = start("shutdown-after 1h\n");
    let (code, text) = status(&daemon, &[]);
    assert_eq!(code, 0);
    let source = daemon.rig.setup().tty("a");
    assert!(text.contains(": on mains        init was told: nothing\n"), "{text}");
    let row = format!("ups      power99 on {}   CTS 1 DSR 0 DCD 1 RNG 0   ", source.display());
    assert!(text.contains(&row) && text.contains("   on mains (OL) for "), "{text}");
    let pids =
        format!("notifier {}, monitor {};", daemon.pid(), daemon.process("upsentry-mon").unwrap());
    assert!(text.contains(&pids) && !text.contains("replaced"), "{text}");
    let (code, text) = status(&daemon, &["--check"]);
    assert_eq!((code, text.lines().count()), (0, 1));
    assert!(
        text.starts_with("UPSENTRY OK - on mains, ups OL; init told nothing | battery=0s\n"),
        "{text}"
    );

    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    let (_, text) = until(&daemon, &[], &["ON BATTERY for", "init was told: power fail, "]);
    assert!(text.contains("CTS 0 DSR 0 DCD 1 RNG 0"), "{text}");
    assert!(text.contains("shutdown-after 1h: 59m5"), "{text}");
    let (code, text) = status(&daemon, &["--check"]);
    assert!(code == 1 && text.starts_with("UPSENTRY WARNING - on battery for "), "{code} {text}");

    daemon.set("set a dcd=0");
    daemon.told(2, "powerfailnow");
    let (_, text) = until(&daemon, &[], &[": LOW, on battery for ", "power fail now (low), "]);
    assert!(text.contains("   LOW (OB LB) for "), "{text}");
    let (code, text) = status(&daemon, &["--check"]);
    assert!(code == 2 && text.starts_with("UPSENTRY CRITICAL - "), "{code} {text}");

    daemon.set("set a cts=1 dcd=1");
    daemon.told(3, "powerok");
    let (_, text) = until(&daemon, &[], &[": on mains  ", "init was told: power ok, "]);
    assert!(text.contains("last outage "), "{text}");
    assert_eq!(status(&daemon, &["--check"]).0, 0);
}

/// Seen to fail with `Parent::post` before the monitor's death only, and with `--check` blind to blindness.
#[test]
fn a_monitor_that_was_killed_shows_and_so_does_a_gone_daemon() {
    if !need_root() {
        return;
    }
    let mut daemon = start("");
    let old = daemon.process("upsentry-mon").unwrap();
    kill(Pid::from_raw(i32::try_from(old).unwrap()), Signal::SIGKILL).unwrap();
    let (code, text) = until(&daemon, &[], &["(replaced 1x, last "]);
    assert_eq!(code, 0);
    assert!(!text.contains(&format!("monitor {old}")), "{text}");
    // Its socket outlives the monitor, and what is asked meanwhile is answered by the next.
    let (code, _) = until(&daemon, &["--check"], &["UPSENTRY OK"]);
    assert_eq!(code, 0);
    daemon.rig.signal(Signal::SIGTERM);
    daemon.rig.wait_exit(LONG);
    let out = asked(&daemon, &[]);
    assert_eq!(out.status.code(), Some(1));
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(error.contains("is the daemon running, and with a `status-socket'?"), "{error}");
    let (code, text) = status(&daemon, &["--check"]);
    assert!(code == 3 && text.starts_with("UPSENTRY UNKNOWN - "), "{code} {text}");
    let (code, text) = status(&daemon, &["--prometheus"]);
    assert!(code == 1 && text.ends_with("upsentry_up 0\n"), "{code} {text}");
}

/// A port that is not there is a UPS that nobody sees.
#[test]
fn blind_is_no_mains() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    let missing = setup.path("missing");
    let ups = format!(
        "need 1\nups one\nwatch {}\n{POWER99}ups two\nwatch {}\n{POWER99}",
        setup.tty("a").display(),
        missing.display()
    );
    let conf = rig::write(&setup, &format!("{}{ups}", served(&setup)));
    let daemon = Daemon::unready(setup, &conf);
    daemon.says("two: contact lost");
    let (_, text) = until(&daemon, &[], &["BLIND; last seen on mains", "the port is not there"]);
    assert!(text.contains("NO CONTACT"), "{text}");
    let (code, text) = status(&daemon, &["--check"]);
    assert!(code == 3 && text.contains("blind, one OL, two ? no contact;"), "{code} {text}");
}

#[test]
fn json_is_json() {
    if !need_root() {
        return;
    }
    let daemon = start("");
    let (code, text) = status(&daemon, &["--json"]);
    assert_eq!((code, text.lines().count()), (0, 1));
    assert!(text.contains("\"variables\":{\"ups.status\":\"OL\"}"), "{text}");
    let Ok(mut python) = Command::new("python3")
        .args(["-m", "json.tool"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
    else {
        return skip("python3 is not there");
    };
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(python.wait().unwrap().success(), "{text}");
}

/// Who may connect is the socket's mode; who may not read the configuration names the socket.
#[test]
fn neither_root_nor_the_configuration_is_needed() {
    if !need_root() {
        return;
    }
    let mut daemon = start("");
    let (conf, socket) = (daemon.rig.setup().path("conf"), daemon.rig.setup().path("status"));
    fs::set_permissions(&conf, PermissionsExt::from_mode(0o600)).unwrap();
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(DAEMON);
        let out = command.arg("status").args(arguments).uid(65534).gid(65534).output().unwrap();
        let all = [out.stdout, out.stderr].concat();
        (out.status.code().unwrap(), String::from_utf8(all).unwrap())
    };
    let socket = socket.to_str().unwrap();
    let (code, text) = ask(&["--socket", socket]);
    assert!(
        code == 1 && text.contains("permission denied: `status-socket' says who may"),
        "{text}"
    );
    assert_eq!(ask(&["--check", "--socket", socket]).0, 3);
    fs::set_permissions(socket, PermissionsExt::from_mode(0o666)).unwrap();
    let (code, text) = ask(&["--socket", socket]);
    assert!(code == 0 && text.contains(": on mains "), "{text}");
    assert_eq!(ask(&["-c", conf.to_str().unwrap()]).0, 2, "{}", daemon.all());
}

/// Seen to fail with `room()` letting nobody go: the fifth waits for ever.
#[test]
fn five_watch_and_a_sixth_asks() {
    if !need_root() {
        return;
    }
    let mut daemon = start("");
    let mut all: Vec<UnixStream> = (0..5).map(|_| socket(&daemon)).collect();
    for one in &mut all {
        one.read_exact(&mut [0; 40]).expect("a snapshot");
    }
    assert_eq!(status(&daemon, &["--check"]).0, 0);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
}

/// Seen to fail with sockets that block (a client that reads nothing stops the monitor, which is replaced).
#[test]
fn clients_that_misbehave_keep_nothing_from_init() {
    if !need_root() {
        return;
    }
    let mut daemon = start("");
    let monitor = daemon.process("upsentry-mon").unwrap();
    let idle: Vec<UnixStream> = (0..3).map(|_| socket(&daemon)).collect();
    let path = daemon.rig.setup().path("status");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let flood = std::thread::spawn(move || {
        let chunk = vec![b'x'; 1 << 16];
        let mut sent = 0_usize;
        // It is refused as soon as it is taken, and comes again.
        while stopped.try_recv().is_err() {
            let Ok(mut one) = UnixStream::connect(&path) else { continue };
            one.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            while let Ok(length) = one.write(&chunk) {
                sent += length;
            }
        }
        sent
    });
    for round in 0..5 {
        daemon.set("set a cts=0");
        daemon.told(2 * round + 1, "powerfail");
        daemon.set("set a cts=1");
        daemon.told(2 * round + 2, "powerok");
    }
    stop.send(()).unwrap();
    let sent = flood.join().unwrap();
    assert!(sent > 1 << 20, "only {sent} bytes were sent");
    drop(idle);
    assert_eq!(daemon.process("upsentry-mon"), Some(monitor), "{}", daemon.all());
    assert_eq!(status(&daemon, &["--check"]).0, 0);
}

/// A descriptor that a client sends is never received: with the client it is gone.
#[test]
fn no_descriptor_comes_in() {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    use std::os::fd::AsRawFd as _;
    if !need_root() {
        return;
    }
    let daemon = start("");
    let monitor = daemon.process("upsentry-mon").unwrap();
    let count = || fs::read_dir(format!("/proc/{monitor}/fd")).unwrap().count();
    let before = count();
    let file = fs::File::open("/etc/passwd").unwrap();
    let fds = [file.as_raw_fd()];
    let mut client = socket(&daemon);
    let bytes = [std::io::IoSlice::new(b"x")];
    let message = [ControlMessage::ScmRights(&fds)];
    // It may be refused already.
    let _ = sendmsg::<()>(client.as_raw_fd(), &bytes, &message, MsgFlags::MSG_NOSIGNAL, None);
    client.read_exact(&mut [0; 40]).expect("a snapshot");
    assert_eq!(count(), before + 1, "the client's own");
    drop(client);
    let end = Instant::now() + LONG;
    while count() > before {
        assert!(Instant::now() < end, "it is still there");
    }
    assert_eq!(daemon.process("upsentry-mon"), Some(monitor));
}

/// `status --watch`; ends with this, also when the test fails, and with it the child that reads for it.
struct Watch(std::process::Child);

impl Watch {
    fn start(daemon: &Daemon, more: &[&str]) -> Watch {
        let conf = daemon.rig.setup().path("conf");
        let mut watch = Command::new(DAEMON);
        watch.args(["status", "--watch"]).args(more).arg("-c").arg(conf);
        Watch(watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let children = common::sim::below(self.0.id());
        let _ = self.0.kill();
        let _ = self.0.wait();
        for child in children {
            let _ = kill(Pid::from_raw(i32::try_from(child).unwrap()), Signal::SIGKILL);
        }
    }
}

/// Changes come by themselves, and go on after the monitor was replaced.
#[test]
fn watching_goes_on_over_changes_and_monitors() {
    if !need_root() {
        return;
    }
    let mut daemon = start("");
    let mut watch = Watch::start(&daemon, &["--json"]);
    let lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    let (line, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        lines.map_while(Result::ok).for_each(|text| drop(line.send(text)));
    });
    let until = |words: &[&str]| {
        let end = Instant::now() + LONG;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let text = heard.recv_timeout(left);
            let text = text.unwrap_or_else(|_| panic!("no line with {words:?}"));
            if words.iter().all(|word| text.contains(word)) {
                break;
            }
        }
    };
    until(&["\"state\":\"mains\"", "\"told\":null"]);
    daemon.set("set a cts=0");
    until(&["\"state\":\"battery\"", "\"told\":\"FAIL\""]);
    let monitor = daemon.process("upsentry-mon").unwrap();
    kill(Pid::from_raw(i32::try_from(monitor).unwrap()), Signal::SIGKILL).unwrap();
    until(&["\"monitors_replaced\":1", "\"contact\":true", "\"blind\":false"]);
    daemon.set("set a cts=1");
    until(&["\"state\":\"mains\"", "\"told\":\"OK\""]);
    drop(watch);
    reader.join().unwrap();
}

/// Who prints what the jail says has no right to lose.
#[test]
fn as_root_the_command_gives_its_rights_up() {
    if !need_root() {
        return;
    }
    let daemon = start("");
    let mut watch = Watch::start(&daemon, &[]);
    let mut line = String::new();
    BufReader::new(watch.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let children = common::sim::below(watch.0.id());
    let [child] = children[..] else { panic!("{children:?}") };
    let found = common::jail::Status::of(child).expect("it runs");
    assert_eq!(found.get("Uid").split_whitespace().next(), Some("65534"));
    for set in ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"] {
        assert_eq!(found.get(set), "0000000000000000", "{set}");
    }
    drop(watch);
}

/// A UDP port of loopback that nobody has.
fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Seen to fail with `acknowledged` of the newest sequence but one, and with the silent left out.
#[test]
fn master_and_slave_show_each_other() {
    if !need_root() {
        return;
    }
    let port = free_port();
    let fleet = |setup: &Setup| {
        let key = setup.path("key");
        fs::write(&key, [7; 32]).unwrap();
        fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        format!("key-file {}\nport {port}\ndeadtime 3s\n{}", key.display(), served(setup))
    };
    let setup = Setup::new().port("a", MAINS);
    let more = format!("{POWER99}{QUICK}listen 127.0.0.1\nslave 127.0.0.1\n{}", fleet(&setup));
    let conf = rig::one(&setup, &more);
    let mut master = Daemon::on(setup, &conf);
    // The only one of the configuration is missing.
    let (_, text) = status(&master, &[]);
    assert!(text.contains("slaves   0 told, 0 acknowledged;  127.0.0.1 NEVER HEARD\n"), "{text}");
    assert!(text.contains("refused  no datagram since"), "{text}");

    let setup = Setup::new();
    let conf = rig::write(&setup, &format!("{}watch 127.0.0.1\n", fleet(&setup)));
    let mut slave = Daemon::on(setup, &conf);
    let (code, text) = until(&slave, &[], &[": on mains  ", "   on mains (OL) for "]);
    assert!(code == 0 && text.contains("ups      of 127.0.0.1   heard "), "{text}");
    assert!(!text.contains("slaves "), "{text}");
    let (_, text) = until(&master, &[], &["slaves   1 told, 1 acknowledged: "]);
    assert!(!text.contains("NEVER"), "{text}");

    master.set("set a cts=0");
    slave.told(1, "powerfail");
    until(&slave, &[], &["ON BATTERY", "init was told: power fail, "]);
    assert_eq!(status(&slave, &["--check"]).0, 1);
    until(&master, &[], &["ON BATTERY", "slaves   1 told, 1 acknowledged: "]);
    let (_, text) = until(&slave, &["--json"], &["\"watched_by\":\"master\""]);
    assert!(text.contains("\"variables\":{\"ups.status\":\"OB\"}"), "{text}");

    // What nobody sealed is counted, and shows.
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        stranger.send_to(b"nonsense", ("127.0.0.1", port)).unwrap();
    }
    until(&master, &[], &["refused  3 malformed\n"]);
    until(&master, &["--prometheus"], &["upsentry_refused_total{reason=\"malformed\"} 3\n"]);

    // Killed, so that it says no goodbye.
    slave.rig.kill();
    let (_, text) = until(&master, &[], &[" SILENT for "]);
    assert!(text.contains("slaves   1 told, 1 acknowledged;  "), "{text}");
    let (_, text) = until(&master, &["--check"], &[" silent=1"]);
    assert!(text.contains(" slaves=1 "), "{text}");
}
