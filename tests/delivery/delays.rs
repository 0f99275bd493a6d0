//! settle, debounce, fail-after, ok-after, low-after, shutdown-after, cable-grace.

use crate::common::need_root;
use crate::common::sim::Setup;
use crate::rig::{Daemon, LONG, MAINS, POWER99, between, one};
use std::thread::sleep;
use std::time::Duration;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn low_is_told_after_low_after_and_not_taken_back() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nlow-after 800ms\n", MAINS);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    // Shorter than low-after.
    daemon.set("set a dcd=0");
    sleep(ms(300));
    daemon.set("set a dcd=1");
    daemon.tells_nothing(ms(1000));
    let low = daemon.set("set a dcd=0");
    let told = daemon.told(2, "powerfailnow");
    assert!(between(low, told.nanos) >= ms(800), "{}", daemon.all());
    daemon.set("set a dcd=1");
    daemon.tells_nothing(ms(500));
    daemon.set("set a cts=1");
    daemon.told(3, "powerok");
}

#[test]
fn low_on_mains_is_no_reason_to_stop() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nlow-after 0s\n", MAINS);
    daemon.set("set a dcd=0");
    daemon.says("ups: battery low, but on mains");
    daemon.tells_nothing(ms(300));
}

#[test]
fn an_outage_shorter_than_fail_after_is_not_told() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nfail-after 800ms\n", MAINS);
    daemon.set("set a cts=0");
    sleep(ms(300));
    daemon.set("set a cts=1");
    daemon.tells_nothing(ms(1000));
    let fail = daemon.set("set a cts=0");
    let told = daemon.told(1, "powerfail");
    assert!(between(fail, told.nanos) >= ms(800), "{}", daemon.all());
}

#[test]
fn mains_shorter_than_ok_after_are_not_told() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nok-after 800ms\n", MAINS);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.set("set a cts=1");
    sleep(ms(300));
    daemon.set("set a cts=0");
    daemon.tells_nothing(ms(1000));
    let back = daemon.set("set a cts=1");
    let told = daemon.told(2, "powerok");
    assert!(between(back, told.nanos) >= ms(800), "{}", daemon.all());
}

#[test]
fn long_enough_on_battery_is_a_shutdown_for_good() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nshutdown-after 1s\n", MAINS);
    let fail = daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    // Mains this short refill nothing.
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
    daemon.set("set a cts=0");
    daemon.told(3, "powerfail");
    let inits = daemon.rig.wait_inits(5, LONG);
    let [.., env, level] = inits.as_slice() else { panic!("{}", daemon.all()) };
    assert_eq!(
        (env.name.as_str(), env.env.as_slice(), level.name.as_str(), level.runlevel.as_str()),
        ("setenv", ["INIT_HALT=POWEROFF".to_owned()].as_slice(), "runlevel", "0"),
        "{}",
        daemon.all()
    );
    assert!(between(fail, level.nanos) >= ms(1000), "{}", daemon.all());
    daemon.set("set a cts=1");
    daemon.tells_nothing(ms(500));
}

#[test]
fn nothing_is_believed_before_settle() {
    if !need_root() {
        return;
    }
    // As an opto cable without power: all lines 0, which is LOW on this wiring.
    let setup = Setup::new().port("a", "");
    let conf = one(&setup, "model power99\nsettle 1500ms\nlow-after 0s\ncable-grace 0s\n");
    let mut daemon = Daemon::unready(setup, &conf);
    assert!(daemon.rig.wait_for(|event| event.text.contains("by=set"), LONG).is_some());
    sleep(ms(300));
    daemon.set("set a cts=1 dcd=1");
    daemon.says("ready: 1 of 1 UPS on mains");
    daemon.tells_nothing(ms(300));
    assert_eq!(daemon.names(), [""; 0]);
}

#[test]
fn an_outage_at_the_start_is_told_after_settle() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", "cts=0,dcd=1");
    let conf = one(&setup, "model power99\nsettle 800ms\n");
    let mut daemon = Daemon::unready(setup, &conf);
    let set = daemon.rig.wait_for(|event| event.text.contains("by=set"), LONG);
    let told = daemon.told(1, "powerfail");
    // The daemon's own clock begins a moment before the simulator's line.
    assert!(between(set.unwrap().nanos, told.nanos) >= ms(700), "{}", daemon.all());
    daemon.says("ready: 0 of 1 UPS on mains");
}

#[test]
fn a_pulse_shorter_than_debounce_tells_nothing() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\ndebounce 400ms\n", MAINS);
    for _ in 0..10 {
        daemon.set("pulse a cts=0 10ms");
        sleep(ms(60));
    }
    daemon.tells_nothing(ms(600));
    assert_eq!(daemon.names(), [""; 0]);
    let fail = daemon.set("set a cts=0");
    let told = daemon.told(1, "powerfail");
    assert!(between(fail, told.nanos) >= ms(400), "{}", daemon.all());
}

#[test]
fn a_line_that_bounces_longer_than_debounce_is_told_once() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start(POWER99, MAINS);
    daemon.set("bounce a cts=0 21 5ms");
    daemon.told(1, "powerfail");
    daemon.tells_nothing(ms(500));
}

/// Nothing tells a pulled cable from an outage here: that it is on battery is said at once, that the
/// machine must stop only after cable-grace.
#[test]
fn a_pulled_cable_is_an_outage_at_once_and_low_after_the_grace() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nlow-after 0s\ncable-grace 2s\n", MAINS);
    let pulled = daemon.set("set a cts=0 dsr=0 dcd=0 rng=0");
    daemon.told(1, "powerfail");
    daemon.says("ups: contact lost");
    let low = daemon.told(2, "powerfailnow");
    assert!(between(pulled, low.nanos) >= ms(2000), "{}", daemon.all());
    assert_eq!(daemon.names(), ["powerfail", "powerfailnow"]);
}

#[test]
fn a_cable_put_back_within_the_grace_stops_nothing() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\nlow-after 0s\ncable-grace 2s\n", MAINS);
    daemon.set("set a cts=0 dsr=0 dcd=0 rng=0");
    daemon.told(1, "powerfail");
    sleep(ms(500));
    daemon.set("set a cts=1 dcd=1");
    daemon.told(2, "powerok");
    daemon.says("ups: contact restored");
    daemon.tells_nothing(ms(2500));
}
