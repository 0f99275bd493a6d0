//! 500 monitors are killed during 50 outages, and init hears the script, all of it and nothing else.

use crate::common::jail::Status;
use crate::common::need_root;
use crate::common::sim::Setup;
use crate::rig::{Daemon, LONG, MAINS, POWER99, one};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const OUTAGES: usize = 50;
const KILLS: usize = 500;

/// The outages with times of their own, and what init must hear. Every fifth ends with an empty battery.
fn script() -> (String, Vec<&'static str>, Duration) {
    let mut text = String::from("2s mark begin\n");
    let mut told = Vec::new();
    let mut length = 0;
    for outage in 1..=OUTAGES {
        text.push_str("+500ms set a cts=0\n");
        told.push("powerfail");
        length += 1100;
        if outage % 5 == 0 {
            text.push_str("+600ms set a dcd=0\n");
            told.push("powerfailnow");
            length += 600;
        }
        text.push_str("+600ms set a cts=1 dcd=1\n");
        told.push("powerok");
    }
    let _ = writeln!(text, "+2s mark end");
    (text, told, Duration::from_millis(length))
}

/// Seen to fail with a SIGKILL from outside counted as a crash (no more than 20 a minute), with what was last
/// seen forgotten at each death (outages missed), and with each monitor settling anew (nothing told at all).
#[test]
fn five_hundred_kills_in_fifty_outages() {
    if !need_root() {
        return;
    }
    let (script, told, length) = script();
    let setup = Setup::new().port("a", MAINS).script(&script);
    let conf = one(&setup, &format!("{POWER99}low-after 0s\ncable-grace 0s\n"));
    let mut daemon = Daemon::on(setup, &conf);
    let began = Instant::now();
    let apart = length.checked_div(u32::try_from(KILLS).unwrap()).unwrap();
    let parent = daemon.pid();
    let mut killed = BTreeSet::new();
    let mut late = Duration::ZERO;
    while killed.len() < KILLS {
        let due = apart * u32::try_from(killed.len()).unwrap();
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let end = Instant::now() + LONG;
        let pid = loop {
            if let Some(pid) = daemon.process("upsentry-mon").filter(|pid| !killed.contains(pid)) {
                break pid;
            }
            assert!(
                Instant::now() < end,
                "no new monitor after {}: {}",
                killed.len(),
                daemon.all()
            );
            std::thread::sleep(Duration::from_millis(1));
        };
        late = late.max(began.elapsed().saturating_sub(due));
        // As confined as the first.
        if let Some(status) = Status::of(pid).filter(|status| status.get("Seccomp_filters") == "3")
        {
            assert_eq!((status.get("Uid"), status.mask("CapBnd")), ("64998 64998 64998 64998", 0));
        }
        killed.insert(pid);
        let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
    }
    let end = daemon.rig.wait_for(|event| event.is("mark end"), length + LONG * 3);
    assert!(end.is_some(), "the script did not end: {}", daemon.all());
    println!("{KILLS} kills, {apart:?} apart, the latest {late:?} after its time");
    let names = daemon.names();
    let wrong = (0..told.len().max(names.len()))
        .find(|at| names.get(*at).map(String::as_str) != told.get(*at).copied());
    if let Some(at) = wrong {
        panic!(
            "request {at} of {}: {:?}\n{}",
            names.len(),
            names.get(at.saturating_sub(3)..),
            daemon.all()
        );
    }
    assert_eq!(daemon.pid(), parent);
    let said = daemon.rig.stderr();
    assert!(said.matches("monitor ended: SIGKILL").count() >= KILLS - 5, "{said}");
    assert!(!said.contains("convicted") && !said.contains("too many monitors"), "{said}");
}
