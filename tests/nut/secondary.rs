//! Another machine is the primary: it sets FSD, and goes when we have gone.

use crate::common::nut::{Nut, need_nut};
use crate::{Source, told_all, watching};
use nix::sys::signal::Signal;
use std::time::Duration;

/// A real upsmon is the primary. It is told to shut down while all is well, waits for us to leave, and goes.
#[test]
fn fsd_of_a_real_primary_is_low() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let primary = nut.upsmon("dummy", "primary");
    let mut daemon = watching(Source::Server, &nut, "");
    nut.wait_logins("dummy", 2);
    primary.force();
    daemon.told(1, "powerfailnow");
    assert_eq!(nut.upsc("dummy", "ups.status").as_deref(), Some("FSD OL"));
    // We are still there: init has to end us.
    assert!(!primary.shut_down(), "{}", primary.process.log());
    daemon.rig.signal(Signal::SIGTERM);
    primary.expect_shutdown();
}

/// Low, seen by both at once: still one request.
#[test]
fn low_and_then_fsd_is_told_once() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let primary = nut.upsmon("dummy", "primary");
    let mut daemon = watching(Source::Server, &nut, "");
    nut.set("dummy", "OB");
    daemon.told(1, "powerfail");
    nut.set("dummy", "OB LB");
    nut.wait_status("dummy", "FSD OB LB");
    told_all(&mut daemon, &["powerfail", "powerfailnow"]);
    drop(daemon);
    primary.expect_shutdown();
}

/// FSD stays until upsd is restarted. That the mains is back is no news then: the primary is going down.
#[test]
fn fsd_stays_low_when_the_mains_is_back() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let mut daemon = watching(Source::Server, &nut, "");
    nut.set("dummy", "OB");
    daemon.told(1, "powerfail");
    nut.force("dummy");
    daemon.told(2, "powerfailnow");
    nut.set("dummy", "OL");
    nut.wait_status("dummy", "FSD OL");
    daemon.tells_nothing(Duration::from_secs(2));
}
