//! `watch driver:NAME`, and what both sources do alike.

use crate::common::nut::{Generic, Nut, need_nut};
use crate::common::sim::Setup;
use crate::rig::{self, Daemon, shell};
use crate::{BOTH, Source, alone, conf, not_within, quick, started, told_all, watching};
use std::fs;
use std::time::{Duration, Instant};

/// A dummy-ups, with upsd where it is needed.
pub(crate) fn running(
    source: Source,
    nut: &Nut,
) -> (crate::common::nut::Process, Option<crate::common::nut::Process>) {
    let driver = nut.driver("dummy");
    let upsd = (source == Source::Server).then(|| nut.upsd());
    if upsd.is_some() {
        nut.wait_status("dummy", "OL");
    }
    (driver, upsd)
}

#[test]
fn an_outage_of_dummy_ups_is_told_as_it_goes() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let _running = running(source, &nut);
        let mut daemon = watching(source, &nut, "");
        let story = [
            ("OB DISCHRG", "powerfail"),
            ("OL CHRG", "powerok"),
            ("OB", "powerfail"),
            ("OB LB", "powerfailnow"),
            ("OL", "powerok"),
        ];
        for (count, (status, name)) in (1..).zip(story) {
            nut.set("dummy", status);
            daemon.told(count, name);
        }
    }
}

#[test]
fn an_outage_of_genericups_is_told_as_it_goes() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&[]);
        let generic = Generic::start(&nut, "generic");
        let _upsd = (source == Source::Server).then(|| {
            let upsd = nut.upsd();
            nut.wait_status("generic", "OL");
            upsd
        });
        let watch = source.watch(&nut, "generic");
        let mut daemon = started(&alone("", &watch), &nut);
        daemon.says("ups: on mains");
        let story = [
            ("cts=0", "powerfail"),
            ("cts=1", "powerok"),
            ("cts=0", "powerfail"),
            ("cts=0 dcd=0", "powerfailnow"),
        ];
        for (count, (lines, name)) in (1..).zip(story) {
            generic.lines(lines);
            daemon.told(count, name);
        }
    }
}

/// What is neither an outage nor its end changes nothing: the words that are not about the mains, and a battery that is
/// calibrated.
#[test]
fn flags_that_tell_nothing_tell_nothing() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let _running = running(source, &nut);
        let mut daemon = watching(source, &nut, "");
        for status in ["OL LB", "OL RB CHRG HB", "OL TRIM", "OL BOOST OVER", "CHRG", "OL FSD", "OL"]
        {
            nut.set("dummy", status);
            daemon.tells_nothing(Duration::from_millis(700));
        }
        nut.set("dummy", "OB LB CAL DISCHRG");
        daemon.told(1, "powerfail");
        daemon.tells_nothing(Duration::from_secs(1));
        // Neither OL nor OB: what was last seen stands.
        nut.set("dummy", "DISCHRG");
        daemon.tells_nothing(Duration::from_secs(1));
        nut.set("dummy", "OL");
        daemon.told(2, "powerok");
    }
}

#[test]
fn flags_mean_what_the_configuration_says() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let _running = running(source, &nut);
        let mut daemon =
            watching(source, &nut, "flag off battery\nflag alarm low\nflag bypass lost\n");
        nut.set("dummy", "OL OFF");
        daemon.told(1, "powerfail");
        nut.set("dummy", "OL");
        daemon.told(2, "powerok");
        nut.set("dummy", "ALARM OL");
        daemon.told(3, "powerfailnow");
        nut.set("dummy", "OL");
        daemon.told(4, "powerok");
        nut.set("dummy", "OL BYPASS");
        daemon.says("ups: contact lost");
        nut.set("dummy", "OL");
        daemon.says("ups: contact restored");
        daemon.tells_nothing(Duration::from_millis(300));
    }
}

#[test]
fn a_driver_that_is_killed_is_contact_lost_after_deadtime() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let (mut driver, _upsd) = running(source, &nut);
        let mut daemon = watching(source, &nut, "");
        driver.kill();
        // The last that was heard may be a third of it old.
        not_within(&daemon, "contact lost", Duration::from_millis(1700));
        daemon.says("ups: contact lost");
        let _driver = nut.driver("dummy");
        daemon.says("ups: contact restored");
        assert_eq!(daemon.names(), [""; 0], "{}", daemon.all());
        nut.set("dummy", "OB");
        told_all(&mut daemon, &["powerfail"]);
    }
}

#[test]
fn a_driver_that_is_back_within_deadtime_was_never_away() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let (mut driver, _upsd) = running(source, &nut);
        let mut daemon = watching(source, &nut, "deadtime 12s\n");
        for _ in 0..2 {
            driver.kill();
            driver = nut.driver("dummy");
        }
        nut.set("dummy", "OB");
        daemon.told(1, "powerfail");
        assert!(!daemon.rig.stderr().contains("contact lost"), "{}", daemon.rig.stderr());
    }
}

/// It has the socket open and answers nothing: the kernel says nothing of it.
#[test]
fn a_driver_that_hangs_is_contact_lost_after_deadtime() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let (driver, _) = running(Source::Driver, &nut);
    let mut daemon = watching(Source::Driver, &nut, "");
    driver.freeze(true);
    not_within(&daemon, "contact lost", Duration::from_millis(1700));
    daemon.says("ups: contact lost");
    driver.freeze(false);
    daemon.says("ups: contact restored");
    nut.set("dummy", "OB");
    told_all(&mut daemon, &["powerfail"]);
}

/// Blind on battery ends in a shutdown; the load of the battery is not known any more.
#[test]
fn a_driver_that_dies_on_battery_shuts_down_after_blind_after() {
    if !need_nut() {
        return;
    }
    for hang in [false, true] {
        let nut = Nut::new(&["dummy"]);
        let (mut driver, _) = running(Source::Driver, &nut);
        let mut daemon = watching(Source::Driver, &nut, "blind-after 2s\n");
        nut.set("dummy", "OB");
        daemon.told(1, "powerfail");
        if hang {
            driver.freeze(true);
        } else {
            driver.kill();
        }
        daemon.says("ups: contact lost");
        assert_eq!(daemon.names(), ["powerfail"], "{}", daemon.all());
        told_all(&mut daemon, &["powerfail", "setenv", "runlevel"]);
    }
}

/// And blind on mains in nothing.
#[test]
fn a_driver_that_dies_on_mains_shuts_nothing_down() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let (mut driver, _) = running(Source::Driver, &nut);
    let mut daemon = watching(Source::Driver, &nut, "blind-after 1s\ndeadtime 1s\n");
    driver.kill();
    daemon.says("ups: contact lost");
    daemon.tells_nothing(Duration::from_secs(4));
}

/// Not there yet.
#[test]
fn what_is_absent_at_the_start_is_contact_lost_until_it_comes() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let watch = source.watch(&nut, "dummy");
        let mut daemon = started(&alone("", &watch), &nut);
        daemon.says("contact lost");
        let _running = running(source, &nut);
        daemon.says("ups: contact restored");
        nut.set("dummy", "OB");
        told_all(&mut daemon, &["powerfail"]);
    }
}

/// On battery already when the daemon starts.
#[test]
fn the_first_state_is_told_where_it_is_an_outage() {
    if !need_nut() {
        return;
    }
    for (status, name) in [("OB", "powerfail"), ("OB LB", "powerfailnow")] {
        for source in BOTH {
            let nut = Nut::new(&[]);
            nut.dummy("dummy", status);
            let _driver = nut.driver("dummy");
            let _upsd = (source == Source::Server).then(|| {
                let upsd = nut.upsd();
                nut.wait_status("dummy", status);
                upsd
            });
            let watch = source.watch(&nut, "dummy");
            let mut daemon = started(&alone("", &watch), &nut);
            told_all(&mut daemon, &[name]);
        }
    }
}

/// A dumb UPS on a line, one of a driver and one of a server: one of them is enough, or not.
#[test]
fn mixed_feeds_fold_as_any_others() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy", "other"]);
    let _drivers = [nut.driver("dummy"), nut.driver("other")];
    let _upsd = nut.upsd();
    nut.wait_status("other", "OL");
    let setup = Setup::new().port("a", rig::MAINS);
    let lines = format!(
        "need 2\n{}ups dumb\nwatch {}\nmodel power99\nups driven\n{}ups served\n{}",
        quick(""),
        setup.tty("a").display(),
        Source::Driver.watch(&nut, "dummy"),
        Source::Server.watch(&nut, "other"),
    );
    let conf = conf(&setup, &nut, &lines);
    let mut daemon = Daemon::on(setup, &conf);
    for name in ["dumb", "driven", "served"] {
        daemon.says(&format!("{name}: on mains"));
    }
    // Any two of the three keep it up.
    nut.set("dummy", "OB LB");
    daemon.says("driven: ");
    nut.set("dummy", "OL");
    daemon.set("set a cts=0");
    daemon.says("dumb: on battery");
    daemon.tells_nothing(Duration::from_secs(1));
    nut.set("other", "OB");
    daemon.told(1, "powerfail");
    nut.set("other", "OB LB");
    daemon.tells_nothing(Duration::from_secs(1));
    nut.set("dummy", "OB LB");
    daemon.told(2, "powerfailnow");
    nut.set("dummy", "OL");
    nut.set("other", "OL");
    daemon.told(3, "powerok");
}

/// A primary that goes down takes one of two feeds along: low for that one, and for the machine only where it needs both.
#[test]
fn fsd_of_one_feed_is_low_for_that_one() {
    if !need_nut() {
        return;
    }
    for (need, told) in [(1, &[][..]), (2, &["powerfailnow"][..])] {
        let nut = Nut::new(&["dummy", "other"]);
        let _drivers = [nut.driver("dummy"), nut.driver("other")];
        let _upsd = nut.upsd();
        nut.wait_status("other", "OL");
        let lines = format!(
            "need {need}\n{}ups driven\n{}ups served\n{}",
            quick(""),
            Source::Driver.watch(&nut, "dummy"),
            Source::Server.watch(&nut, "other"),
        );
        let mut daemon = started(&lines, &nut);
        daemon.says("driven: on mains");
        daemon.says("served: on mains");
        // With an empty battery at boot: for people only.
        nut.set("dummy", "OL FSD");
        daemon.says("driven: status OL FSD");
        nut.set("dummy", "OL");
        nut.force("other");
        daemon.says("served: LOW");
        told_all(&mut daemon, told);
        assert!(!daemon.rig.stderr().contains("driven: LOW"), "{}", daemon.rig.stderr());
        // With one of two needed the other one decides now.
        nut.set("dummy", "OB LB");
        daemon.says("driven: LOW");
        told_all(&mut daemon, &["powerfailnow"]);
    }
}

/// A daemon that init starts again whenever it ends, as the package's line of the inittab does.
fn respawned(nut: &Nut) -> Daemon {
    let setup = Setup::new();
    let watch = Source::Driver.watch(nut, "dummy");
    let conf = conf(&setup, nut, &alone("", &watch));
    let (mut daemon, command) = shell(setup, &conf);
    daemon.rig.input(&format!("while :; do {command}; sleep 0.2; done"));
    daemon
}

/// NUT was not started since the boot: there is no directory yet.
#[test]
fn a_directory_that_comes_later_is_found() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    fs::rename(nut.state(), nut.path("later")).expect("the directory");
    let mut daemon = respawned(&nut);
    daemon.says("contact lost");
    fs::rename(nut.path("later"), nut.state()).expect("the directory");
    let _driver = nut.driver("dummy");
    daemon.says("ups: on mains");
    nut.set("dummy", "OB");
    told_all(&mut daemon, &["powerfail"]);
}

/// A package that is installed anew may make a new one.
#[test]
fn a_directory_that_is_made_anew_is_found() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let mut driver = nut.driver("dummy");
    let mut daemon = respawned(&nut);
    daemon.says("ups: on mains");
    driver.kill();
    fs::remove_dir_all(nut.state()).expect("the directory");
    daemon.says("contact lost");
    nut.make_state();
    let _driver = nut.driver("dummy");
    let end = Instant::now() + Duration::from_secs(60);
    nut.set("dummy", "OB");
    while daemon.rig.inits().is_empty() {
        assert!(Instant::now() < end, "{}", daemon.all());
        std::thread::sleep(Duration::from_millis(50));
    }
    told_all(&mut daemon, &["powerfail"]);
}
