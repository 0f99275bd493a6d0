//! A port that is not there, or no longer: never a power failure, never a crash.

use crate::common::sim::{Event, Setup};
use crate::common::{DAEMON, need_root};
use crate::rig::{Daemon, LONG, MAINS, POWER99, between, one};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(700);

fn alive(daemon: &mut Daemon) {
    assert!(daemon.rig.wait_exit(Duration::ZERO).is_none(), "it ended: {}", daemon.all());
    assert!(!daemon.rig.stderr().contains("convicted"), "{}", daemon.rig.stderr());
}

#[test]
fn a_cable_with_a_sense_line_is_lost_and_not_on_battery() {
    if !need_root() {
        return;
    }
    let cable = "model power99\nsense dsr 1\nlow-after 0s\ncable-grace 0s\nblind-after 500ms\n";
    let mut daemon = Daemon::start(cable, "cts=1,dcd=1,dsr=1");
    daemon.set("set a cts=0 dcd=0 dsr=0");
    daemon.says("ups: contact lost");
    daemon.tells_nothing(SHORT);
    daemon.set("set a cts=1 dcd=1 dsr=1");
    daemon.says("ups: contact restored");
    daemon.tells_nothing(SHORT);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.set("set a dcd=0");
    daemon.told(2, "powerfailnow");
}

#[test]
fn a_port_that_fails_and_recovers_is_lost_and_restored() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nblind-after 500ms\n", MAINS);
    daemon.set("eio a on");
    daemon.says("ups: contact lost (the port says EIO");
    daemon.tells_nothing(SHORT);
    alive(&mut daemon);
    daemon.set("eio a off");
    daemon.says("ups: contact restored");
    daemon.tells_nothing(SHORT);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
}

#[test]
fn what_happened_while_the_port_failed_is_told_when_it_recovers() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start(POWER99, MAINS);
    daemon.set("eio a on");
    daemon.says("ups: contact lost");
    daemon.set("set a cts=0");
    daemon.tells_nothing(SHORT);
    daemon.set("eio a off");
    daemon.told(1, "powerfail");
}

/// What the jail holds is dead for good then; nothing in it can open a port.
#[test]
fn an_adapter_that_is_unplugged_is_lost_and_says_nothing_else() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nlow-after 0s\nblind-after 500ms\n", MAINS);
    daemon.set("unplug a");
    daemon.says("ups: contact lost");
    daemon.set("set a cts=0 dcd=0");
    daemon.tells_nothing(SHORT);
    daemon.set("plug a");
    daemon.tells_nothing(SHORT);
    alive(&mut daemon);
    assert_eq!(daemon.rig.stderr().matches("contact lost").count(), 1, "{}", daemon.rig.stderr());
    assert_eq!(daemon.names(), [""; 0]);
}

#[test]
fn blind_on_battery_for_too_long_is_a_shutdown() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nblind-after 800ms\n", MAINS);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    // Longer than a jump, which has cable-grace on top.
    std::thread::sleep(Duration::from_millis(2200));
    let gone = daemon.set("eio a on");
    let inits = daemon.rig.wait_inits(3, LONG);
    let names: Vec<_> = inits.iter().map(|request| request.name.as_str()).collect();
    assert_eq!(names, ["powerfail", "setenv", "runlevel"], "{}", daemon.all());
    let last = inits.last().expect("three");
    assert!(between(gone, last.nanos) >= Duration::from_millis(800), "{}", daemon.all());
    daemon.says("blind on battery for too long");
}

#[test]
fn a_daemon_starts_without_its_port() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    let gone = setup.path("gone");
    let ups = format!(
        "ups a\nwatch {}\n{POWER99}ups b\nwatch {}\n{POWER99}",
        setup.tty("a").display(),
        gone.display()
    );
    let conf = crate::rig::write(&setup, &format!("need 1\n{ups}"));
    let mut daemon = Daemon::on(setup, &conf);
    daemon.says("b: contact lost (the port is not there)");
    alive(&mut daemon);
    assert_eq!(daemon.names(), [""; 0]);
}

#[test]
fn a_second_daemon_is_refused_and_leaves_the_lines() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    let conf = one(&setup, POWER99);
    let other = std::fs::read_to_string(&conf).expect("written").replace("/state", "/state2");
    let other = setup.write("other", &other.replace("/pid", "/pid2"));
    let mut rig = setup.start("sh", &[""; 0]);
    rig.input(&format!("{DAEMON} -c {} -f --log stderr </dev/null &", conf.display()));
    let mut daemon = Daemon { rig };
    daemon.says("ready: ");
    let outs = |daemon: &mut Daemon| {
        let is_out = |event: &&Event| event.text.contains(" out ");
        daemon.rig.log().iter().filter(is_out).map(|event| event.text.clone()).collect::<Vec<_>>()
    };
    let same = format!("{DAEMON} -c {} -f; echo same $? >&2", conf.display());
    daemon.rig.input(&same);
    daemon.says("already running (pid ");
    daemon.says("same 1");
    let before = outs(&mut daemon);
    let else_ = format!("{DAEMON} -c {} -f; echo port $? >&2", other.display());
    daemon.rig.input(&else_);
    daemon.says("port 1");
    daemon.says("another program holds it");
    let risen = outs(&mut daemon).split_off(before.len());
    assert!(risen.iter().all(|out| out.contains("dtr=0")), "{risen:?}");
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
}
