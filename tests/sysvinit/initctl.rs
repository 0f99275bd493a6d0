//! Requests on init's own FIFO.

use crate::common::init::{Process, SOON, SysvInit};
use crate::common::skip;
use crate::{BATTERY, LOW, MAINS, assert_filtered, assert_unprivileged, names, started};
use nix::sys::signal::Signal;
use std::process::Command;
use std::time::{Duration, Instant};

/// Plays an outage that ends and one that does not; each event runs its lines, which find their state.
fn every_event_runs_its_lines(rig: &mut SysvInit) {
    rig.lines(BATTERY);
    rig.expect_fail();
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    rig.lines(BATTERY);
    rig.expect_fail();
    rig.lines(LOW);
    rig.expect("powerfailnow", "LOW");
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    // Nothing else has run, and nothing more does.
    std::thread::sleep(Duration::from_millis(300));
    let mut entries: Vec<_> = rig.scripts().into_iter().map(|script| script.entry).collect();
    entries.sort_unstable();
    let expected = [
        "powerfail",
        "powerfail",
        "powerfailnow",
        "powerokwait",
        "powerokwait",
        "powerwait",
        "powerwait",
        "rc2",
    ];
    assert_eq!(entries, expected, "{}", rig.story());
    assert!(rig.scripts().iter().all(|script| script.halt == "-"), "{}", rig.story());
}

#[test]
fn chosen_without_via_each_event_runs_its_lines_and_nobody_is_root() {
    let Some(mut rig) = started("") else { return };
    assert!(rig.log().contains("via initctl (chosen)"), "{}", rig.story());
    assert_eq!(names(&rig), ["upsentry", "upsentry-mon", "upsentry-warden"]);
    assert_unprivileged(&rig.our("upsentry"), 64002);
    assert_unprivileged(&rig.our("upsentry-warden"), 64001);
    assert_unprivileged(&rig.our("upsentry-mon"), 64001);
    for process in rig.ours() {
        assert_filtered(&process, &rig);
    }
    every_event_runs_its_lines(&mut rig);
}

#[test]
fn asked_for_each_event_runs_its_lines() {
    let Some(mut rig) = started("via initctl\ninitctl /run/initctl") else { return };
    assert!(!rig.log().contains("(chosen)"), "{}", rig.story());
    every_event_runs_its_lines(&mut rig);
}

/// The machine goes down with INIT_HALT set, so that Debian's halt script calls the hook that cuts the UPS.
fn expect_runlevel_0(rig: &mut SysvInit, state: &str) {
    let script = rig.expect("rc0", state);
    assert_eq!((script.halt.as_str(), script.runlevel.as_str()), ("POWEROFF", "0"));
    let before = rig.scripts();
    assert!(before.iter().all(|script| script.entry == "rc0" || script.halt == "-"));
    assert_eq!(before.iter().filter(|script| script.entry == "rc0").count(), 1);
}

#[test]
fn low_as_runlevel_0_reaches_it_with_init_halt_set() {
    let Some(mut rig) = started("tell low runlevel 0") else { return };
    rig.lines(BATTERY);
    rig.expect_fail();
    rig.lines(LOW);
    expect_runlevel_0(&mut rig, "LOW");
    // It cannot be taken back, so mains is not told any more.
    rig.lines(MAINS);
    std::thread::sleep(Duration::from_millis(500));
    let entries: Vec<_> = rig.scripts().into_iter().map(|script| script.entry).collect();
    assert!(!entries.iter().any(|entry| entry.starts_with("powerok")), "{}", rig.story());
    assert!(!entries.iter().any(|entry| entry == "powerfailnow"), "{}", rig.story());
}

#[test]
fn shutdown_after_reaches_runlevel_0_with_init_halt_set() {
    let Some(mut rig) = started("shutdown-after 3s") else { return };
    rig.lines(BATTERY);
    let from = Instant::now();
    rig.expect_fail();
    expect_runlevel_0(&mut rig, "SHUTDOWN");
    let took = from.elapsed().as_secs_f64();
    assert!((2.9..8.0).contains(&took), "{took} s instead of 3");
    assert_eq!(rig.state(), "SHUTDOWN");
}

/// Init re-executes itself (an upgrade of its package does so): the FIFO is without a reader for a while.
#[test]
fn what_happens_while_init_has_closed_its_fifo_is_told_afterwards() {
    let Some(mut rig) = started("") else { return };
    // SIGUSR2: init closes its FIFO. The event falls into the gap.
    rig.signal_init(Signal::SIGUSR2);
    std::thread::sleep(Duration::from_millis(300));
    rig.lines(BATTERY);
    std::thread::sleep(Duration::from_millis(700));
    assert!(!rig.scripts().iter().any(|script| script.entry == "powerfail"), "{}", rig.story());
    rig.signal_init(Signal::SIGUSR1);
    rig.expect_fail();
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    assert_eq!(rig.until("three processes", SOON, || Some(names(&rig).len())), 3);
}

/// Seen from outside, by the order of the parent's system calls: init's script acts on that line, and
/// may run before the parent does anything more.
#[test]
fn the_state_is_written_before_init_is_told() {
    let Some(mut rig) = started("tell low runlevel 0") else { return };
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        skip("needs strace: `tests/install` installs it");
        return;
    }
    let trace = rig.path("trace");
    let parent = rig.our("upsentry");
    let mut strace = Command::new("strace")
        .args([
            "-qq",
            "-s",
            "16",
            "-e",
            "trace=write,pwrite64",
            "-p",
            &parent.pid.to_string(),
            "-o",
        ])
        .arg(&trace)
        .spawn()
        .unwrap();
    rig.until("strace", SOON, || {
        let status = Process::read(parent.pid)?;
        (status.number("TracerPid") != 0).then_some(())
    });
    rig.lines(BATTERY);
    rig.expect_fail();
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    rig.lines(LOW);
    rig.expect("rc0", "LOW");
    // It ends with the process that it watches, having written all.
    rig.signal("upsentry", Signal::SIGTERM);
    strace.wait().unwrap();
    let trace = std::fs::read_to_string(trace).unwrap();
    // What was said of the state last before each request.
    let mut state = "";
    let mut requests = Vec::new();
    for line in trace.lines() {
        if line.starts_with("pwrite64(") {
            state = line.split('"').nth(1).unwrap().split("\\n").next().unwrap();
        } else if line.ends_with("= 384") || line.ends_with("= 768") {
            requests.push((state, line.rsplit(' ').next().unwrap()));
        }
    }
    let mut expected = vec![("FAIL", "384"), ("OK", "384"), ("LOW", "768")];
    if requests.len() == 4 {
        // FAIL may be said on the way to LOW.
        expected.insert(2, ("FAIL", "384"));
    }
    assert_eq!(requests, expected, "{trace}");
}
