//! Each row, once.
//!
//! All of these were seen to fail on the daemon as it was before its calls were looked at so: 13 rows of the
//! monitor, 11 of the warden, 12 of the parent, 21 of the hand. The comments name one way each.

use crate::common::jail::{heard, own_log};
use crate::common::need_root;
use crate::common::sim::Setup;
use crate::rig::{Bench, Daemon, Initctl, LONG};
use crate::table::{MONITOR, PARENT, STARTED, SYSLOG, Then, WARDEN};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

pub(crate) const INITCTL: &str = "via initctl\n";

fn initctl() -> Initctl {
    Initctl
}

/// Seen to fail with the result of writing an event not looked at (the event is lost), of reading the eventfd
/// (a spin), and with no count of lines that the log pipe did not take.
#[test]
fn the_monitor() {
    if need_root() {
        Bench::new(INITCTL, MONITOR, initctl).try_all(MONITOR);
    }
}

/// Seen to fail with `?` in place of `process::again`, and after fork.
#[test]
fn the_warden() {
    if need_root() {
        Bench::new(INITCTL, WARDEN, initctl).try_all(WARDEN);
    }
}

/// Seen to fail with the result of writing an order to the warden not looked at, and with EINTR an error
/// in `read_some`.
#[test]
fn the_parent() {
    if need_root() {
        Bench::new(INITCTL, PARENT, initctl).try_all(PARENT);
    }
}

/// Without `-f`, with a system log that the test reads: what is sent there fails once with each error, and
/// so does the word that the start is over.
///
/// Seen to fail (the start never returned) with the result of that write not looked at.
#[test]
fn a_parent_in_the_background() {
    if !need_root() {
        return;
    }
    for errno in STARTED[0].errors {
        let system = Setup::new();
        let (log, outer) = own_log(&system);
        let mut daemon = Daemon::in_background(&outer, "write");
        // Between the fork and the first state.
        daemon.wait_for_warden();
        daemon.arm(&STARTED[0], errno, "1");
        let end = Instant::now() + LONG;
        while !daemon.rig.stdout().contains("started 0") {
            assert!(Instant::now() < end, "the start did not return: {}", daemon.all());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(daemon.failed(&STARTED[0]), 1, "{}", daemon.all());
        heard(&log, "ready: ");
    }
    let row = &SYSLOG[0];
    let system = Setup::new();
    let (log, outer) = own_log(&system);
    let mut daemon = Daemon::in_background(&outer, row.call);
    heard(&log, "ready: ");
    let Then::Recovers(said) = row.then else { panic!("it does not end") };
    for (turn, errno) in row.errors.iter().enumerate() {
        daemon.arm(row, errno, "1");
        daemon.set(if turn % 2 == 0 { "set a cts=0" } else { "set a cts=1" });
        heard(&log, said);
        assert_eq!(daemon.rig.wait_inits(turn + 1, LONG).len(), turn + 1, "{}", daemon.all());
        assert_eq!(daemon.failed(row), turn + 1, "{}", daemon.all());
    }
}

/// News of a child that is not its death must not keep the warden from the next: a stopped monitor that
/// goes on and is killed then is replaced at once, not when its silence is judged.
///
/// Seen to fail with the warden reading the parent's socket whenever it wakes.
#[test]
fn a_monitor_that_stopped_and_went_on_is_still_watched() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start(INITCTL, "read");
    let name = "upsentry-mon";
    daemon.kill(name, Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(200));
    daemon.kill(name, Signal::SIGCONT);
    std::thread::sleep(Duration::from_millis(200));
    daemon.kill(name, Signal::SIGKILL);
    daemon.says("monitor ended: SIGKILL", 1);
    Bench::new(INITCTL, &[], initctl).outage(&mut daemon, 0);
}
