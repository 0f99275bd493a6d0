//! Starting and stopping below init.

use crate::common::DAEMON;
use crate::common::init::{SOON, SysvInit};
use crate::{BATTERY, LOW, MAINS, names, started};
use nix::sys::signal::Signal;
use std::fs;
use std::time::{Duration, Instant};

/// As the package's line: init starts it, and starts it again.
const RESPAWN: &str = "ue:2345:respawn:/run/rig/respawn\n";

#[test]
fn the_command_returns_with_the_first_state() {
    let Some(mut rig) = SysvInit::boot("") else { return };
    // The first state is FAIL, after settling.
    rig.lines(BATTERY);
    let config = rig.config("settle 2s");
    let job = rig.spawn(&format!("{DAEMON} -c {config} --log stderr"));
    std::thread::sleep(Duration::from_millis(1000));
    assert!(job.ended().is_none(), "it returned before the first state; {}", rig.story());
    let ran = job.wait();
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(ran.took >= Duration::from_secs(2), "{:?}", ran.took);
    assert_eq!(rig.state(), "FAIL", "{}", rig.story());
    rig.expect_fail();
    // It lives on as a child of init's, in a session of its own.
    let parent = rig.our("upsentry");
    assert_eq!(parent.number("PPid"), rig.init().pid);
    assert_eq!(parent.field("NSsid"), parent.field("NSpid"));
    let pid = fs::read_to_string(rig.inside("/run/upsentry.pid")).unwrap();
    assert_eq!(pid, format!("{}\n", parent.inner()));
}

/// Everything ends within a second; init hears nothing.
fn stops_by(signal: Signal, more: &str) {
    let Some(mut rig) = started(more) else { return };
    rig.lines(BATTERY);
    if more.is_empty() || more == "via signal" {
        rig.expect_fail();
    } else {
        rig.until("FAIL", SOON, || (rig.state() == "FAIL").then_some(()));
    }
    let scripts = rig.scripts();
    rig.signal("upsentry", signal);
    let from = Instant::now();
    rig.until("the end of all", SOON, || rig.ours().is_empty().then_some(()));
    let took = from.elapsed();
    assert!(took < Duration::from_millis(1500), "{took:?}");
    let pid = fs::read_to_string(rig.inside("/run/upsentry.pid")).unwrap();
    assert_eq!(pid, "");
    assert!(rig.log().contains("stopped"), "{}", rig.story());
    // The next start finds what init was told.
    assert_eq!(rig.state(), "FAIL");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(rig.scripts(), scripts, "{}", rig.story());
}

#[test]
fn term_ends_all_and_init_is_told_nothing() {
    stops_by(Signal::SIGTERM, "");
}

#[test]
fn int_ends_all_also_the_hand_that_signals() {
    stops_by(Signal::SIGINT, "via signal");
}

#[test]
fn term_ends_all_also_the_hand_that_runs_a_command() {
    stops_by(Signal::SIGTERM, "via command\nhalt /bin/false");
}

/// Mains returned while nobody watched: this boot's init heard FAIL, so it hears OK, once.
#[test]
fn a_restart_tells_only_what_init_does_not_know() {
    let Some(mut rig) = started("") else { return };
    let config = rig.config("");
    let restart = |rig: &mut SysvInit| {
        rig.signal("upsentry", Signal::SIGTERM);
        rig.until("the end of all", SOON, || rig.ours().is_empty().then_some(()));
    };
    rig.lines(BATTERY);
    rig.expect_fail();
    restart(&mut rig);
    assert_eq!(rig.daemon(&config).status, 0);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(rig.scripts().len(), 3, "FAIL is not told twice; {}", rig.story());
    restart(&mut rig);
    rig.lines(MAINS);
    assert_eq!(rig.daemon(&config).status, 0);
    rig.expect("powerokwait", "OK");
    restart(&mut rig);
    assert_eq!(rig.daemon(&config).status, 0);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(rig.scripts().len(), 4, "OK is not told twice; {}", rig.story());
}

#[test]
fn a_second_instance_is_refused_and_names_the_first() {
    let Some(mut rig) = started("") else { return };
    let before: Vec<_> = rig.ours().iter().map(|process| process.pid).collect();
    let pid = rig.our("upsentry").inner();
    for more in ["", " -f"] {
        let config = rig.config("");
        let ran = rig.run(&format!("{DAEMON} -c {config} --log stderr{more}"));
        assert_eq!(ran.status, 1, "{}", rig.story());
        let message = format!("already running (pid {pid} holds /run/upsentry.state)");
        assert!(ran.stderr.contains(&message), "{}", ran.stderr);
    }
    let after: Vec<_> = rig.ours().iter().map(|process| process.pid).collect();
    assert_eq!(after, before);
    let pid_file = fs::read_to_string(rig.inside("/run/upsentry.pid")).unwrap();
    assert_eq!(pid_file, format!("{pid}\n"), "the pid file is the first one's");
    rig.lines(BATTERY);
    rig.expect_fail();
}

#[test]
fn a_line_of_the_inittab_keeps_it_running() {
    let Some(mut rig) = SysvInit::boot(RESPAWN) else { return };
    rig.config("");
    rig.expect_log("ups: on mains");
    let first = rig.our("upsentry");
    assert_eq!(first.number("PPid"), rig.init().pid);
    assert_eq!(names(&rig), ["upsentry", "upsentry-mon", "upsentry-warden"]);
    rig.lines(BATTERY);
    rig.expect_fail();
    // Killed: nothing of it is left, the next one goes on where it was.
    rig.signal("upsentry", Signal::SIGKILL);
    rig.until("the next one", SOON, || {
        let ours = rig.ours();
        let others = ours.len() == 3 && ours.iter().all(|process| process.pid != first.pid);
        (others && rig.log().matches("ready: ").count() == 2).then_some(())
    });
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    let fails = rig.scripts().into_iter().filter(|script| script.entry == "powerfail").count();
    assert_eq!(fails, 1, "{}", rig.story());
}

/// Runlevel 0 takes the daemon down with the rest, and it tells init nothing more.
#[test]
fn runlevel_0_ends_a_respawned_daemon() {
    let Some(mut rig) = SysvInit::boot(RESPAWN) else { return };
    rig.config("tell low runlevel 0");
    rig.expect_log("ups: on mains");
    rig.lines(LOW);
    let script = rig.expect("rc0", "LOW");
    assert_eq!(script.halt, "POWEROFF");
    rig.until("the end of all", SOON, || rig.ours().is_empty().then_some(()));
    assert!(rig.log().contains("SIGTERM: stopping"), "{}", rig.story());
}

/// The FIFO is removed (/run mounted again, a clean-up): what the daemon holds is dead for good. It sees
/// that without an outage, ends, and the one that init starts then has the new FIFO.
#[test]
fn a_removed_fifo_is_noticed_and_a_restart_mends_it() {
    let Some(mut rig) = SysvInit::boot(RESPAWN) else { return };
    rig.config("");
    rig.expect_log("ups: on mains");
    fs::remove_file(rig.inside("/run/initctl")).unwrap();
    rig.until("its notice", Duration::from_secs(30), || {
        rig.log().contains("init's FIFO was removed").then_some(())
    });
    // The outage falls between the two.
    rig.until("its end", Duration::from_secs(30), || {
        rig.log().contains("init cannot be told; ending").then_some(())
    });
    rig.lines(BATTERY);
    rig.until("its end and the next one", Duration::from_secs(60), || {
        (rig.log().matches("ready: ").count() == 2).then_some(())
    });
    rig.expect_fail();
}
