//! Calls that fail for a second: nothing spins meanwhile, and what happened is told afterwards.
//!
//! Not among them is ppoll with EINTR: every signal is blocked, and a stop is restarted by the kernel.

use crate::cases::INITCTL;
use crate::common::need_root;
use crate::rig::{Daemon, LONG};
use crate::table::{On, Row, Then, When, all};
use std::time::{Duration, Instant};

/// More than any pace of tries in a second, far less than a spin makes.
const MANY: usize = 300;

/// A call that fails for a second, with a fresh daemon. `said`: what has to be in the log.
struct Lasting {
    list: &'static str,
    call: &'static str,
    on: On,
    errno: &'static str,
    said: &'static str,
    /// The daemon ends.
    ends: bool,
}

const fn lasting(
    list: &'static str,
    call: &'static str,
    on: On,
    errno: &'static str,
    said: &'static str,
) -> Lasting {
    Lasting { list, call, on, errno, said, ends: false }
}

const LASTING: &[Lasting] = &[
    lasting("monitor", "ioctl", On::Request(0x5415), "EIO", "contact lost"),
    lasting("monitor", "ioctl", On::Request(0x545c), "EIO", ""),
    lasting("monitor", "ioctl", On::Request(0x541b), "EIO", ""),
    lasting("monitor", "read", On::Poke, "EIO", "eventfd: EIO"),
    lasting("monitor", "write", On::Events, "EAGAIN", "an event could not be written"),
    lasting("monitor", "write", On::Log, "EAGAIN", "of the monitor were lost"),
    lasting("monitor", "ppoll", On::Any, "ENOMEM", "poll: ENOMEM"),
    lasting("warden", "write", On::Link, "ENOBUFS", "monitor ended: SIGKILL"),
    lasting("warden", "clone", On::Any, "EAGAIN", "the warden cannot fork"),
    lasting("warden", "read", On::Signals, "EINTR", "monitor ended: SIGKILL"),
    Lasting { ends: true, ..lasting("warden", "ppoll", On::Any, "ENOMEM", "the warden is gone") },
    lasting("parent", "read", On::Events, "EIO", "monitor convicted"),
    lasting("parent", "read", On::Log, "EIO", "log pipe: EIO"),
    lasting("parent", "write", On::Fifo, "EAGAIN", ""),
    lasting("parent", "write", On::Link, "EAGAIN", "monitor ended: SIGKILL"),
    lasting("parent", "write", On::Stderr, "EIO", "log lines were dropped"),
    lasting("parent", "pwrite64", On::State, "ENOSPC", "state file:"),
    Lasting { ends: true, ..lasting("parent", "ppoll", On::Any, "ENOMEM", "poll: ENOMEM") },
];

/// The mains fail while the call fails; where that makes no such call, the monitor is killed too.
fn fails_for_a_second(case: &Lasting) {
    let row = Row {
        list: case.list,
        call: case.call,
        on: case.on,
        errors: &[],
        when: When::Outage,
        then: Then::Recovers(""),
    };
    let name = format!("{} {} {:?} {}", case.list, case.call, case.on, case.errno);
    let mut daemon = Daemon::start(INITCTL, case.call);
    daemon.arm(&row, case.errno, "always");
    let kill = case.list == "warden" || case.on == On::Link;
    if kill {
        daemon.kill("upsentry-mon", nix::sys::signal::Signal::SIGKILL);
    }
    if !(kill && case.ends) {
        daemon.set("set a cts=0");
    }
    if case.ends {
        assert_eq!(daemon.rig.wait_exit(LONG), Some(1), "{name}: {}", daemon.all());
    } else {
        std::thread::sleep(Duration::from_secs(1));
        daemon.set("fail off");
        told(&mut daemon, &name, &["powerfail"]);
        daemon.recorded("FAIL\ntold FAIL\n");
        daemon.set("set a cts=1");
        told(&mut daemon, &name, &["powerfail", "powerok"]);
    }
    if !case.said.is_empty() {
        daemon.says(case.said, 1);
    }
    let times = daemon.failed(&row);
    println!("{name}: failed {times} times");
    assert!((1..MANY).contains(&times), "{name}: failed {times} times: {}", daemon.rig.stderr());
}

fn told(daemon: &mut Daemon, name: &str, words: &[&str]) {
    let requests = daemon.rig.wait_inits(words.len(), LONG);
    let requests: Vec<_> = requests.iter().map(|request| request.name.as_str()).collect();
    assert_eq!(requests, words, "{name}: {}", daemon.all());
}

/// Seen to fail with the gate left open when the log pipe cannot be read (18,000 tries), with `wait` in
/// `process::again` taken out (170,000), and with a state file that failed not written again.
#[test]
fn nothing_spins() {
    if !need_root() {
        return;
    }
    let began = Instant::now();
    // A few at a time: the machine may be small.
    for cases in LASTING.chunks(6) {
        std::thread::scope(|scope| {
            for case in cases {
                scope.spawn(move || fails_for_a_second(case));
            }
        });
    }
    println!("{:?}", began.elapsed());
    let known = |case: &&Lasting| all().any(|row| row.list == case.list && row.call == case.call);
    assert!(LASTING.iter().all(|case| known(&case)), "a case without a row");
}
