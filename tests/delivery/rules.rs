//! The administrator's rules, through a UPS on a line.

use crate::common::need_root;
use crate::common::recorded::{Recorder, replayed, said};
use crate::common::sim::Setup;
use crate::rig::{Daemon, LONG, MAINS, POWER99, one};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

const GRACE: &str = "\
    rule grace: if ups.status has OB then start timer grace 3s else clear timer grace\n\
    rule over:  on timer grace then shutdown\n";

fn with(rules: &str) -> Daemon {
    Daemon::start(&format!("{POWER99}debounce 0s\nlow-after 0s\n{rules}"), MAINS)
}

/// upssched's usual use.
#[test]
fn a_timer_that_ends_shuts_down_and_one_that_is_cleared_does_not() {
    if !need_root() {
        return;
    }
    let mut daemon = with(GRACE);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
    daemon.tells_nothing(Duration::from_secs(4));
    let began = Instant::now();
    daemon.set("set a cts=0");
    daemon.told(3, "powerfail");
    daemon.told(5, "runlevel");
    assert!(began.elapsed() >= Duration::from_secs(3), "{}", daemon.all());
    daemon.says("rule over: shut down");
    daemon.tells_nothing(Duration::from_secs(1));
}

/// A timer goes on where it was: it would end only after the test otherwise.
#[test]
fn a_new_monitor_goes_on_with_the_timers_of_the_old() {
    if !need_root() {
        return;
    }
    let mut daemon = with(&GRACE.replace("3s", "6s"));
    let began = Instant::now();
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1500));
        let monitor = daemon.process("upsentry-mon").expect("a monitor");
        kill(Pid::from_raw(i32::try_from(monitor).unwrap()), Signal::SIGKILL).unwrap();
    }
    daemon.told(3, "runlevel");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(6), "{took:?}: {}", daemon.all());
    // Started anew by the last of the three, it would take more than ten.
    assert!(took < Duration::from_secs(9), "{took:?}: {}", daemon.all());
}

/// The battery is low when a rule says so; on mains it is not.
#[test]
fn low_by_a_rule_is_low_on_battery_only() {
    if !need_root() {
        return;
    }
    let mut daemon = with("rule early: if not known battery.charge then low\n");
    daemon.tells_nothing(Duration::from_secs(1));
    daemon.set("set a cts=0");
    daemon.told(1, "powerfailnow");
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
}

/// What is not known decides nothing, in either direction.
#[test]
fn what_is_unknown_never_acts() {
    if !need_root() {
        return;
    }
    let rules = "\
        rule hot:  if ups.temperature > 45 then shutdown else log \"cool again\"\n\
        rule cold: if not ups.temperature > 45 then shutdown\n\
        rule both: if ups.status has OB and battery.charge < 20 then shutdown\n\
        rule one:  if ups.status has OB or battery.charge < 20 then log \"on battery or empty\"\n";
    let mut daemon = with(rules);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.says("rule one: on battery or empty");
    daemon.tells_nothing(Duration::from_secs(2));
    assert!(!daemon.rig.stderr().contains("cool again"), "{}", daemon.rig.stderr());
}

/// A lost UPS has no values.
#[test]
fn a_port_that_is_gone_makes_its_rules_unknown() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    let socket = setup.path("status");
    let rules = "rule seen: if ups.status has OL then log \"seen\" else log \"not seen\"\n";
    let conf =
        one(&setup, &format!("{POWER99}debounce 0s\nstatus-socket {}\n{rules}", socket.display()));
    let mut daemon = Daemon::on(setup, &conf);
    daemon.says("rule seen: seen");
    daemon.set("eio a on");
    daemon.says("contact lost");
    let shown = || {
        let mut status = std::process::Command::new(crate::common::DAEMON);
        let output = status.args(["status", "--socket"]).arg(&socket).output().expect("status");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let end = Instant::now() + LONG;
    while !shown().contains("seen: unknown (ups.status is not known)") {
        assert!(Instant::now() < end, "{}", shown());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!daemon.rig.stderr().contains("not seen"), "{}", daemon.rig.stderr());
}

/// A record of what the daemon saw, played again, says what the daemon said.
#[test]
fn what_was_recorded_replays_as_it_was() {
    if !need_root() {
        return;
    }
    let rules = "\
        rule grace: if ups.status has OB then start timer grace 3s else clear timer grace\n\
        rule over:  on timer grace then log \"three seconds\"\n\
        rule mains: if ups.status has OB then log \"on battery\" else log \"on mains\"\n\
        rule low:   if ups.status has LB for 1s then log \"low\"\n";
    let setup = Setup::new().port("a", MAINS);
    let (socket, record) = (setup.path("status"), setup.path("record"));
    let file = setup.write("rules", rules);
    let status = format!("status-socket {}\n", socket.display());
    let conf = one(
        &setup,
        &format!("{POWER99}debounce 0s\nlow-after 0s\ncable-grace 0s\n{status}{rules}"),
    );
    let mut daemon = Daemon::on(setup, &conf);
    let recorder = Recorder::start(&socket, &record);
    for (set, long) in
        [("cts=0", 1500), ("cts=1", 1500), ("cts=0", 4000), ("dcd=0", 2500), ("cts=1", 1000)]
    {
        daemon.set(&format!("set a {set}"));
        std::thread::sleep(Duration::from_millis(long));
    }
    drop(recorder);
    let expected = [
        "mains: on battery",
        "mains: on mains",
        "mains: on battery",
        "over: three seconds",
        "low: low",
        "mains: on mains",
    ];
    assert_eq!(said(&daemon.rig), expected);
    assert_eq!(replayed(&file, &record), expected);
}
