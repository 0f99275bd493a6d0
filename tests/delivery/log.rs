//! The log's way out: a syslog that goes away, is absent, or does not read. The daemon never waits for it.

use crate::common::jail::own_log;
use crate::common::sim::Setup;
use crate::common::{DAEMON, need_root, skip};
use crate::rig::{Daemon, LONG, MAINS, POWER99, one};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// What there is to log to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    Syslog,
    Both,
    Kernel,
}

/// The daemon behind a /dev of its own with a log that the test reads, and the directory of that.
fn start(log: Log) -> (Daemon, UnixDatagram, Setup) {
    let aside = Setup::new();
    let (socket, mut outer) = own_log(&aside);
    if log == Log::Kernel {
        fs::remove_file(aside.path("log")).unwrap();
    }
    if log != Log::Syslog {
        let node = format!("mknod {}/kmsg c 1 11; mknod", aside.path("dev").display());
        let script = outer.iter_mut().find(|word| word.contains("mknod")).expect("its script");
        *script = script.replacen("mknod", &node, 1);
    }
    let setup = Setup::new().port("a", MAINS);
    let conf = one(&setup, POWER99);
    let words = [DAEMON, "-c", conf.to_str().unwrap(), "-f", "--log", "syslog"];
    let words: Vec<&str> = outer.iter().map(String::as_str).chain(words).skip(1).collect();
    (Daemon { rig: setup.start("unshare", &words) }, socket, aside)
}

/// Reads the log until it says this; all that it said.
fn heard(log: &UnixDatagram, wanted: &str) -> String {
    log.set_read_timeout(Some(LONG)).unwrap();
    let (mut said, mut bytes) = (String::new(), [0; 1024]);
    while !said.contains(wanted) {
        let length = log.recv(&mut bytes).unwrap_or_else(|e| panic!("no {wanted:?}, {e}: {said}"));
        said.push_str(&String::from_utf8_lossy(&bytes[..length]));
        said.push('\n');
    }
    said
}

/// Nobody reads and the socket is full: words for init are not late, and what was lost is counted. Seen to
/// fail with MSG_DONTWAIT taken out (nothing more was told), and with `dropped` not reported.
#[test]
fn a_syslog_that_does_not_read_delays_nothing() {
    if !need_root() {
        return;
    }
    let (mut daemon, socket, _aside) = start(Log::Syslog);
    heard(&socket, "ready: ");
    let most = fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap_or_default();
    let most: usize = most.trim().parse().unwrap_or(512);
    // Two or more lines each.
    let pairs = (most / 4 + 10).min(200);
    for pair in 0..pairs {
        daemon.set("set a cts=0");
        daemon.told(2 * pair + 1, "powerfail");
        daemon.set("set a cts=1");
        daemon.told(2 * pair + 2, "powerok");
    }
    socket.set_nonblocking(true).unwrap();
    while socket.recv(&mut [0; 1024]).is_ok() {}
    socket.set_nonblocking(false).unwrap();
    daemon.set("set a cts=0");
    // In the order in which they come: the number is said a second later at most.
    let mut said = heard(&socket, "log lines were dropped");
    if !said.contains("on battery; init told") {
        said = heard(&socket, "on battery; init told");
    }
    assert!(said.contains("upsentry["), "{said}");
}

/// Lines of the kernel's log from here on.
struct Kernel(File);

impl Kernel {
    fn open() -> Option<Self> {
        let mut options = File::options();
        let file = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open("/dev/kmsg");
        let mut file = file.ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        Some(Self(file))
    }

    fn says(&mut self, wanted: &str) {
        let end = Instant::now() + LONG;
        let (mut said, mut bytes) = (String::new(), [0; 8192]);
        while !said.contains(wanted) {
            match self.0.read(&mut bytes) {
                Ok(length) => said.push_str(&String::from_utf8_lossy(&bytes[..length])),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
            assert!(Instant::now() < end, "no {wanted:?} in the kernel's log: {said}");
        }
    }
}

/// No syslog daemon runs yet when the daemon starts, as early in a boot. Seen to fail with the kernel's log not
/// opened at the start.
#[test]
fn without_a_syslog_at_the_start_the_kernel_s_log_is_used() {
    if !need_root() {
        return;
    }
    let Some(mut kernel) = Kernel::open() else {
        return skip("no /dev/kmsg to read");
    };
    let (mut daemon, _, aside) = start(Log::Kernel);
    // Nobody has bound it: the link leads nowhere.
    assert!(!aside.path("log").exists());
    kernel.says("ready: 1 of 1 UPS on mains");
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    kernel.says("on battery; init told: power fail");
}

/// A syslog daemon that is restarted has a new socket, which the jail cannot reach: the kernel's log, open
/// since the start, takes over. Seen to fail with the kernel's log not tried (the lines were dropped),
/// and with no newline behind a line: the kernel showed it when the next one came.
#[test]
fn without_its_syslog_the_kernel_s_log_is_used() {
    if !need_root() {
        return;
    }
    let Some(mut kernel) = Kernel::open() else {
        return skip("no /dev/kmsg to read");
    };
    let (mut daemon, socket, _aside) = start(Log::Both);
    heard(&socket, "ready: ");
    drop(socket);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    kernel.says("on battery; init told: power fail");
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
    kernel.says("mains on; init told: power ok");
}
