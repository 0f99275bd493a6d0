//! The administrator's rules, through NUT: values that a driver says are what they decide by.

use crate::common::nut::{Nut, need_nut};
use crate::common::nut_fake::Fake;
use crate::common::recorded::{Recorder, replayed, said};
use crate::{Source, alone, goes_down, started, told_all, watching};
use std::time::Duration;

/// What a driver says at first, and the rules.
fn with(values: &str, rules: &str) -> (Nut, Fake, crate::rig::Daemon) {
    let nut = Nut::new(&["dummy"]);
    let fake = Fake::new(&nut, "dummy", "OL");
    fake.dumps(&format!("SETINFO ups.status \"OL\"\n{values}DATAOK\nDUMPDONE\n"));
    let daemon = watching(Source::Driver, &nut, rules);
    (nut, fake, daemon)
}

#[test]
fn a_temperature_on_mains_shuts_down() {
    if !need_nut() {
        return;
    }
    let rule = "rule hot: if ups.temperature > 45 or ambient.humidity > 80 then shutdown\n";
    let (_nut, fake, mut daemon) = with("SETINFO ups.temperature \"44.9\"\n", rule);
    daemon.tells_nothing(Duration::from_secs(1));
    fake.say(b"SETINFO ups.temperature \"45.1\"\n");
    told_all(&mut daemon, &["setenv", "runlevel"]);
    daemon.says("rule hot: shut down");
}

/// Not one of the variables that are always kept.
#[test]
fn a_variable_that_only_a_rule_names_is_kept() {
    if !need_nut() {
        return;
    }
    let rule =
        "rule name: if ups.model = \"SMART-UPS 700\" and battery.runtime < 5m then shutdown\n";
    let values = "SETINFO ups.model \"SMART-UPS 700\"\nSETINFO battery.runtime \"301\"\n";
    let (_nut, fake, mut daemon) = with(values, rule);
    daemon.tells_nothing(Duration::from_secs(1));
    fake.say(b"SETINFO battery.runtime \"299\"\n");
    told_all(&mut daemon, &["setenv", "runlevel"]);
}

#[test]
fn a_charge_is_low_before_the_ups_says_so() {
    if !need_nut() {
        return;
    }
    let rule = "rule charge: if battery.charge < 20 then low\n";
    let (_nut, fake, mut daemon) = with("SETINFO battery.charge \"100\"\n", rule);
    fake.say(b"SETINFO battery.charge \"19\"\n");
    daemon.tells_nothing(Duration::from_secs(1));
    fake.status("OB DISCHRG");
    told_all(&mut daemon, &["powerfailnow"]);
}

/// Held that long without a break.
#[test]
fn for_begins_anew_after_a_break() {
    if !need_nut() {
        return;
    }
    let rule = "rule hot: if ups.temperature > 45 for 3s then shutdown\n";
    let (_nut, fake, mut daemon) = with("SETINFO ups.temperature \"20\"\n", rule);
    for _ in 0..3 {
        fake.say(b"SETINFO ups.temperature \"50\"\n");
        daemon.tells_nothing(Duration::from_millis(1500));
        fake.say(b"SETINFO ups.temperature \"40\"\n");
        daemon.tells_nothing(Duration::from_millis(300));
    }
    fake.say(b"SETINFO ups.temperature \"50\"\n");
    told_all(&mut daemon, &["setenv", "runlevel"]);
}

/// Who else is logged in at the server goes first, as at any other shutdown.
#[test]
fn a_primary_s_rule_takes_the_secondaries_along() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let secondary = nut.upsmon("dummy", "secondary");
    let rule = "rule out: if ups.status has OB for 1s then shutdown\n";
    let lines =
        alone("host-sync 15s\n", &format!("{}primary\n", Source::Server.watch(&nut, "dummy")));
    let mut daemon = started(&format!("{rule}{lines}"), &nut);
    daemon.says("ups: on mains");
    nut.wait_logins("dummy", 2);
    nut.set("dummy", "OB");
    secondary.expect_shutdown();
    goes_down(&mut daemon);
}

/// The issue's own examples, said in place of shut down: what a driver's values did live they do again in a replay.
#[test]
fn what_was_recorded_replays_as_it_was() {
    if !need_nut() {
        return;
    }
    let rules = "\
        rule charge: if battery.charge < 20 then log \"charge\"\n\
        rule model:  if ups.model = \"SMART-UPS 700\" and battery.runtime < 5m then log \"model\"\n\
        rule hot:    if ups.temperature > 45 or ambient.humidity > 80 for 2s then notify \"too hot\"\n\
        rule grace:  if ups.status has OB then start timer grace 3s else clear timer grace\n\
        rule over:   on timer grace then log \"over\"\n";
    let nut = Nut::new(&["dummy"]);
    let fake = Fake::new(&nut, "dummy", "OL");
    let values = "SETINFO battery.charge \"100\"\nSETINFO battery.runtime \"1200\"\n\
                  SETINFO ups.model \"SMART-UPS 700\"\nSETINFO ups.temperature \"20\"\n";
    fake.dumps(&format!("SETINFO ups.status \"OL\"\n{values}DATAOK\nDUMPDONE\n"));
    let (socket, record) = (nut.path("status"), nut.path("record"));
    let file = nut.path("rules");
    std::fs::write(&file, rules).expect("a file");
    let status = format!("status-socket {}\n", socket.display());
    let daemon = watching(Source::Driver, &nut, &format!("{status}{rules}"));
    let recorder = Recorder::start(&socket, &record);
    for (says, long) in [
        ("ups.temperature \"50\"", 1000),
        ("ups.temperature \"40\"", 500),
        ("ambient.humidity \"81\"", 3000),
        ("ups.status \"OB DISCHRG\"", 1000),
        ("ups.status \"OL\"", 3500),
        ("ups.status \"OB DISCHRG\"", 4500),
        ("battery.runtime \"299\"", 1500),
        ("battery.charge \"19.9\"", 1500),
    ] {
        fake.say(format!("SETINFO {says}\n").as_bytes());
        std::thread::sleep(Duration::from_millis(long));
    }
    drop(recorder);
    let expected = ["hot: too hot", "over: over", "model: model", "charge: charge"];
    assert_eq!(said(&daemon.rig), expected, "{}", daemon.rig.stderr());
    assert_eq!(replayed(&file, &record), expected);
}

/// Said once, until the battery is a new one.
#[test]
fn a_battery_to_be_replaced_is_an_event() {
    if !need_nut() {
        return;
    }
    let more = "notify-command /bin/echo said\nnotify-user 64995\nnotify replace-battery\n";
    let (_nut, fake, daemon) = with("", more);
    let said = "replace-battery ups: said replace-battery ups UPS ups wants a new battery";
    for times in 1..=2 {
        fake.status("OL RB");
        fake.status("OL CHRG RB");
        daemon.says_times(said, times);
        fake.status("OL");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(daemon.rig.stderr().matches(said).count(), 2, "{}", daemon.rig.stderr());
}
