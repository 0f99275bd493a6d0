//! 1,000 changes of a UPS's status on its driver's socket: 1,000 requests, none lost, none double, in order.

use crate::common::nut::{Nut, need_nut};
use crate::common::nut_fake::Fake;
use crate::rig::{Daemon, LONG};
use crate::{Source, watching};
use std::thread;
use std::time::{Duration, Instant};

const CHANGES: usize = 1000;
const APART: Duration = Duration::from_millis(150);

/// One change after the other, so far apart; when each began, on CLOCK_MONOTONIC.
fn play(mut change: impl FnMut(&str)) -> Vec<u64> {
    let mut due = Instant::now();
    let statuses = ["OB DISCHRG", "OL CHRG"].into_iter().cycle().take(CHANGES);
    let times = statuses.map(|status| {
        // On a busy machine later, but never closer: init is told ten times a second at most.
        due = (due + APART).max(Instant::now() + APART * 4 / 5);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
        change(status);
        u64::try_from(now.tv_sec() * 1_000_000_000 + now.tv_nsec()).expect("a time")
    });
    times.collect()
}

/// Compares all that init has heard with what it should have; how long each took.
fn compare(daemon: &mut Daemon, began: &[u64]) -> Vec<Duration> {
    let inits = daemon.rig.wait_inits(CHANGES, LONG);
    // What comes too late or twice.
    thread::sleep(Duration::from_millis(500));
    for (at, request) in inits.iter().enumerate() {
        let wanted = if at % 2 == 0 { "powerfail" } else { "powerok" };
        assert_eq!(request.name, wanted, "request {at}: {}", daemon.rig.stderr());
        assert!(request.nanos >= began[at], "request {at} came before its change");
        // Where one is missing, the next ones stand for others.
        let next = began.get(at + 2).copied().unwrap_or(u64::MAX);
        assert!(request.nanos < next, "request {at} stands for a later change");
    }
    assert_eq!(daemon.rig.inits().len(), CHANGES, "{}", daemon.rig.stderr());
    assert!(!daemon.rig.stderr().contains("convicted"), "{}", daemon.rig.stderr());
    let taken = inits.iter().zip(began).map(|(request, began)| request.nanos - began);
    let mut taken: Vec<Duration> = taken.map(Duration::from_nanos).collect();
    taken.sort_unstable();
    taken
}

fn said(what: &str, taken: &[Duration]) {
    let at = |part: usize| taken[(taken.len() - 1) * part / 100];
    println!("{what}: median {:?}, 99 in 100 within {:?}, all {:?}", at(50), at(99), at(100));
}

/// dummy-ups, told by another client.
fn real() {
    let nut = Nut::new(&["dummy"]);
    let _driver = nut.driver("dummy");
    let mut daemon = watching(Source::Driver, &nut, "");
    let began = play(|status| nut.set("dummy", status));
    let taken = compare(&mut daemon, &began);
    said("SET at dummy-ups to init's request", &taken);
}

/// A socket of ours: from the first byte of SETINFO.
fn bare() {
    let nut = Nut::new(&["dummy"]);
    let fake = Fake::new(&nut, "dummy", "OL");
    let mut daemon = watching(Source::Driver, &nut, "");
    let began = play(|status| fake.status(status));
    let taken = compare(&mut daemon, &began);
    said("SETINFO to init's request", &taken);
}

/// upsd tells nothing by itself: each change lasts until a poll has brought it.
fn polled() {
    let (nut, _driver, _upsd) = Nut::served();
    let mut daemon = watching(Source::Server, &nut, "poll 200ms\n");
    let mut wanted = Vec::new();
    for (status, name) in [("OB", "powerfail"), ("OL", "powerok")].into_iter().cycle().take(60) {
        nut.set("dummy", status);
        wanted.push(name);
        daemon.told(wanted.len(), name);
    }
    assert_eq!(daemon.names(), wanted);
}

/// All at once, because each takes minutes in which next to nothing happens.
#[test]
fn a_thousand_changes_are_a_thousand_requests() {
    if !need_nut() {
        return;
    }
    let all: [(&str, fn()); 3] = [("real", real), ("bare", bare), ("polled", polled)];
    let threads = all.map(|(name, run)| {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        (name, thread.expect("a thread"))
    });
    // Each has said on standard error what it found.
    let failed: Vec<&str> = threads
        .into_iter()
        .filter_map(|(name, thread)| thread.join().err().map(|_| name))
        .collect();
    assert_eq!(failed, [""; 0]);
}
