//! A daemon that is stopped and started again during an outage.

use crate::common::need_root;
use crate::common::sim::{Event, Kind, Rig, Setup};
use crate::rig::{self, Daemon, POWER99, one};
use std::time::Duration;

fn shell(lines: &str) -> (Daemon, String) {
    let setup = Setup::new().port("a", lines);
    let conf = one(&setup, POWER99);
    rig::shell(setup, &conf)
}

/// DTR is the kill signal of this cable. The first open after boot raises it, which nobody can help;
/// nothing does after that.
fn kill_line_stays_down(rig: &mut Rig) {
    let events = rig.log();
    let first_speed = events.iter().position(|event| event.text.starts_with("a termios speed=0"));
    let first_set = events.iter().position(|event| event.text.contains(" by=set "));
    let (speed, set) = (first_speed.expect("speed 0"), first_set.expect("lines are set"));
    assert!(speed < set, "the lines are set before the speed is 0");
    let raised = |event: &&Event| matches!(&event.kind, Kind::Out { dtr: true, .. });
    let later: Vec<_> = events.iter().skip(speed).filter(raised).collect();
    assert!(later.is_empty(), "the kill line was raised: {later:?}");
    let opens = events.iter().filter(|event| event.text == "a open").count();
    assert!(opens >= 2, "it was opened {opens} times only");
}

#[test]
fn a_restart_on_battery_raises_no_kill_line_and_repeats_nothing() {
    if !need_root() {
        return;
    }
    let (mut daemon, command) = shell("cts=1,dcd=1,dsr=1");
    daemon.rig.input(&command);
    daemon.says_times("ready: ", 1);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    for times in 1..4 {
        daemon.stop(times);
        daemon.rig.input(&command);
        daemon.says_times("ready: ", times + 1);
    }
    daemon.tells_nothing(Duration::from_millis(500));
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
    daemon.stop(4);
    daemon.rig.input(&command);
    daemon.says_times("ready: ", 5);
    daemon.tells_nothing(Duration::from_millis(500));
    kill_line_stays_down(&mut daemon.rig);
}

#[test]
fn mains_that_return_while_nobody_watches_are_told_by_the_next() {
    if !need_root() {
        return;
    }
    let (mut daemon, command) = shell("cts=1,dcd=1,dsr=1");
    daemon.rig.input(&command);
    daemon.says("ready: ");
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.stop(1);
    daemon.set("set a cts=1");
    daemon.rig.input(&command);
    daemon.told(2, "powerok");
    // And an outage that began while nobody watched.
    daemon.stop(2);
    daemon.set("set a cts=0");
    daemon.rig.input(&command);
    daemon.told(3, "powerfail");
    kill_line_stays_down(&mut daemon.rig);
}

#[test]
fn low_is_not_repeated_by_the_next_daemon() {
    if !need_root() {
        return;
    }
    let (mut daemon, command) = shell("cts=1,dcd=1,dsr=1");
    daemon.rig.input(&command);
    daemon.says("ready: ");
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.set("set a dcd=0");
    daemon.told(2, "powerfailnow");
    daemon.stop(1);
    daemon.rig.input(&command);
    daemon.says_times("LOW (", 2);
    daemon.tells_nothing(Duration::from_secs(1));
    assert!(daemon.rig.wait_inits(3, Duration::ZERO).len() < 3, "{}", daemon.all());
    kill_line_stays_down(&mut daemon.rig);
}
