//! `watch nut://…`: upsd comes and goes.

use crate::common::nut::{Nut, PASSWORD, USER, need_nut};
use crate::{Source, alone, not_within, quick, started, told_all, watching};
use std::time::Duration;

#[test]
fn a_server_that_is_killed_is_contact_lost_after_deadtime() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, mut upsd) = Nut::served();
    let mut daemon = watching(Source::Server, &nut, "");
    upsd.kill();
    not_within(&daemon, "contact lost", Duration::from_millis(1700));
    daemon.says("ups: contact lost");
    let _upsd = nut.upsd();
    daemon.says("ups: contact restored");
    assert_eq!(daemon.names(), [""; 0], "{}", daemon.all());
    nut.wait_logins("dummy", 1);
    nut.set("dummy", "OB");
    told_all(&mut daemon, &["powerfail"]);
}

#[test]
fn a_server_that_is_back_within_deadtime_was_never_away() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, mut upsd) = Nut::served();
    let mut daemon = watching(Source::Server, &nut, "deadtime 15s\n");
    upsd.kill();
    let _upsd = nut.upsd();
    nut.wait_status("dummy", "OL");
    nut.set("dummy", "OB");
    daemon.told(1, "powerfail");
    assert!(!daemon.rig.stderr().contains("contact lost"), "{}", daemon.rig.stderr());
}

/// Stopped, it keeps the connection and says nothing.
#[test]
fn a_server_that_is_stopped_is_contact_lost_after_deadtime() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, upsd) = Nut::served();
    let mut daemon = watching(Source::Server, &nut, "");
    upsd.freeze(true);
    not_within(&daemon, "contact lost", Duration::from_millis(1700));
    daemon.says("ups: contact lost");
    daemon.tells_nothing(Duration::from_secs(2));
    upsd.freeze(false);
    daemon.says("ups: contact restored");
    nut.set("dummy", "OB");
    told_all(&mut daemon, &["powerfail"]);
}

#[test]
fn a_server_that_is_lost_on_battery_shuts_down_after_blind_after() {
    if !need_nut() {
        return;
    }
    for killed in [false, true] {
        let nut = Nut::new(&["dummy"]);
        let _driver = nut.driver("dummy");
        let mut upsd = nut.upsd();
        nut.wait_status("dummy", "OL");
        let mut daemon = watching(Source::Server, &nut, "blind-after 2s\n");
        nut.set("dummy", "OB");
        daemon.told(1, "powerfail");
        if killed {
            upsd.kill();
        } else {
            upsd.freeze(true);
        }
        daemon.says("ups: contact lost");
        assert_eq!(daemon.names(), ["powerfail"], "{}", daemon.all());
        told_all(&mut daemon, &["powerfail", "setenv", "runlevel"]);
    }
}

/// upsd answers, but has only old data: its driver hangs. On battery that is as blind as no server.
#[test]
fn a_server_with_stale_data_is_no_contact() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    nut.server("MAXAGE 2\n");
    let driver = nut.driver("dummy");
    let _upsd = nut.upsd();
    nut.wait_status("dummy", "OL");
    let mut daemon = watching(Source::Server, &nut, "blind-after 2s\n");
    driver.freeze(true);
    daemon.says("ups: contact lost");
    driver.freeze(false);
    daemon.says("ups: contact restored");
    nut.set("dummy", "OB");
    daemon.told(1, "powerfail");
    driver.freeze(true);
    told_all(&mut daemon, &["powerfail", "setenv", "runlevel"]);
}

/// Reading needs no login: a wrong password is said, and the UPS is watched all the same.
#[test]
fn a_wrong_password_is_said_and_the_ups_watched() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let lines = format!("watch nut://{}\npassword not-this-one\n", nut.address("dummy"));
    let mut daemon = started(&alone("", &lines), &nut);
    daemon.says("ups: on mains");
    assert_eq!(nut.logins("dummy"), 0);
    assert!(!daemon.rig.stderr().contains("not-this-one"), "{}", daemon.rig.stderr());
    nut.set("dummy", "OB");
    told_all(&mut daemon, &["powerfail"]);
    daemon.says("ACCESS-DENIED");
}

#[test]
fn nobody_in_particular_may_watch() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let address = nut.address("dummy").replace(&format!("{USER}@"), "");
    let mut daemon = started(&alone("", &format!("watch nut://{address}\n")), &nut);
    daemon.says("ups: on mains");
    assert_eq!(nut.logins("dummy"), 0);
    nut.set("dummy", "OB");
    told_all(&mut daemon, &["powerfail"]);
}

#[test]
fn a_ups_that_the_server_does_not_know_is_said() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let _driver = nut.driver("dummy");
    let _upsd = nut.upsd();
    let lines = format!("watch nut://{}\npassword {PASSWORD}\n", nut.address("another"));
    let mut daemon = started(&alone("", &lines), &nut);
    daemon.says("contact lost");
    daemon.says("UNKNOWN-UPS");
    daemon.tells_nothing(Duration::from_secs(1));
}

/// Two servers: each has its own UPS, and one that is gone is no outage of the other.
#[test]
fn two_servers_are_two() {
    if !need_nut() {
        return;
    }
    let nuts = [Nut::new(&["dummy"]), Nut::new(&["dummy"])];
    let _drivers = nuts.each_ref().map(|nut| nut.driver("dummy"));
    let [mut first, _second] = nuts.each_ref().map(Nut::upsd);
    nuts.iter().for_each(|nut| nut.wait_status("dummy", "OL"));
    let watch = nuts.each_ref().map(|nut| Source::Server.watch(nut, "dummy"));
    let lines = format!("need 2\n{}ups one\n{}ups two\n{}", quick(""), watch[0], watch[1]);
    let mut daemon = started(&lines, &nuts[0]);
    daemon.says("one: on mains");
    daemon.says("two: on mains");
    first.kill();
    daemon.says("one: contact lost");
    daemon.tells_nothing(Duration::from_millis(500));
    nuts[1].set("dummy", "OB");
    told_all(&mut daemon, &["powerfail"]);
}

/// A user that has no rights is not counted, and one that has is.
#[test]
fn it_is_counted_among_the_logins_until_it_ends() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    nut.users("secondary");
    let _driver = nut.driver("dummy");
    let _upsd = nut.upsd();
    nut.wait_status("dummy", "OL");
    let mut daemon = watching(Source::Server, &nut, "");
    nut.wait_logins("dummy", 1);
    daemon.rig.stop();
    nut.wait_logins("dummy", 0);
}
