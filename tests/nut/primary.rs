//! `primary`: we set FSD, let the others go first, and tell init then.

use crate::common::nut::{Nut, need_nut};
use crate::{Source, goes_down, told_all, watching};
use std::time::{Duration, Instant};

#[test]
fn a_real_secondary_goes_first() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let secondary = nut.upsmon("dummy", "secondary");
    let mut daemon = watching(Source::Server, &nut, "primary\nhost-sync 15s\n");
    // On the same machine this would be a mistake.
    daemon.says("warning: upsmon is running");
    nut.wait_logins("dummy", 2);
    nut.set("dummy", "OB");
    daemon.told(1, "powerfail");
    assert!(!secondary.shut_down());
    nut.set("dummy", "OB LB");
    secondary.expect_shutdown();
    told_all(&mut daemon, &["powerfail", "powerfailnow"]);
    assert_eq!(nut.upsc("dummy", "ups.status").as_deref(), Some("FSD OB LB"));
    assert_eq!(nut.logins("dummy"), 1);
}

/// It stays although it should go: `host-sync` ends the wait.
#[test]
fn a_secondary_that_stays_is_waited_for_so_long() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let stays = nut.login("dummy");
    let mut daemon = watching(Source::Server, &nut, "primary\nhost-sync 4s\n");
    nut.wait_logins("dummy", 2);
    let from = Instant::now();
    nut.set("dummy", "OB LB");
    nut.wait_status("dummy", "FSD OB LB");
    told_all(&mut daemon, &["powerfail", "powerfailnow"]);
    let took = from.elapsed();
    assert!(took >= Duration::from_secs(4), "{took:?}: {}", daemon.all());
    drop(stays);
}

#[test]
fn a_secondary_that_goes_is_waited_for_no_longer() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let stays = nut.login("dummy");
    // Longer than `told` waits.
    let mut daemon = watching(Source::Server, &nut, "primary\nhost-sync 60s\n");
    nut.wait_logins("dummy", 2);
    nut.set("dummy", "OB LB");
    nut.wait_status("dummy", "FSD OB LB");
    daemon.told(1, "powerfail");
    daemon.tells_nothing(Duration::from_secs(2));
    drop(stays);
    told_all(&mut daemon, &["powerfail", "powerfailnow"]);
}

/// upsd dies while we wait for its clients: nobody can be asked any more, and `host-sync` ends it.
#[test]
fn a_server_that_dies_in_the_wait_does_not_hold_us() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, mut upsd) = Nut::served();
    let _stays = nut.login("dummy");
    let mut daemon = watching(Source::Server, &nut, "primary\nhost-sync 4s\n");
    nut.wait_logins("dummy", 2);
    nut.set("dummy", "OB LB");
    nut.wait_status("dummy", "FSD OB LB");
    upsd.kill();
    told_all(&mut daemon, &["powerfail", "powerfailnow"]);
}

/// Nobody else is there: nothing to wait for.
#[test]
fn alone_it_waits_for_nobody() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let mut daemon = watching(Source::Server, &nut, "primary\nhost-sync 60s\n");
    nut.wait_logins("dummy", 1);
    nut.set("dummy", "OB LB");
    told_all(&mut daemon, &["powerfail", "powerfailnow"]);
    nut.wait_status("dummy", "FSD OB LB");
}

/// A time on battery, not the battery, shuts down: the secondaries have to go too.
#[test]
fn shutdown_after_takes_the_secondaries_along() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let secondary = nut.upsmon("dummy", "secondary");
    let more = "primary\nhost-sync 15s\nshutdown-after 2s\n";
    let mut daemon = watching(Source::Server, &nut, more);
    nut.wait_logins("dummy", 2);
    nut.set("dummy", "OB");
    secondary.expect_shutdown();
    goes_down(&mut daemon);
}

/// Without `primary` it is not for us to say.
#[test]
fn a_secondary_sets_no_fsd() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let mut daemon = watching(Source::Server, &nut, "");
    nut.set("dummy", "OB LB");
    daemon.told(1, "powerfailnow");
    daemon.tells_nothing(Duration::from_secs(1));
    assert_eq!(nut.upsc("dummy", "ups.status").as_deref(), Some("OB LB"));
}

/// upsd does not let us: said, and init is told all the same.
#[test]
fn a_primary_that_may_not_set_fsd_shuts_down_alone() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    nut.users("secondary");
    let _driver = nut.driver("dummy");
    let _upsd = nut.upsd();
    nut.wait_status("dummy", "OL");
    let mut daemon = watching(Source::Server, &nut, "primary\nhost-sync 3s\n");
    daemon.says("ACCESS-DENIED");
    daemon.says("; a primary's user has `upsmon primary' there");
    nut.set("dummy", "OB LB");
    told_all(&mut daemon, &["powerfail", "powerfailnow"]);
}
