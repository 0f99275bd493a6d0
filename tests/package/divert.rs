//! The kill hook beside other packages', in both orders of installation.

use crate::common::debian::Debian;

/// Installs another package from what lies in /mnt.
fn other(name: &str) -> String {
    let rival = if name == "apcupsd" { "nut-client" } else { "apcupsd" };
    format!("dpkg -i $(ls /mnt/*.deb | grep -v '/{rival}_') >/dev/null\n")
}

const OURS: &str = "dpkg -i /run/rig/upsentry.deb\n";

/// Ours is called, and hands over as long as it has nothing to do; `said` is what the other says then.
fn hands_over(rig: &mut Debian, prepare: &str, said: &str) {
    rig.must("grep -q 'upsentry.* kill --wait' /etc/init.d/ups-monitor");
    rig.must("test -e /etc/init.d/ups-monitor.distrib");
    let ran = rig.run(&format!("{prepare}\n/etc/init.d/ups-monitor poweroff"));
    assert!(ran.said.contains(said), "{ran:?}");
}

/// In the order of `first` and `second`; after a purge of ours the other's is in its place.
fn beside(name: &str, ours_first: bool, prepare: &str, said: &str) {
    let (first, second) =
        if ours_first { (OURS.into(), other(name)) } else { (other(name), OURS.into()) };
    let Some(mut rig) = Debian::boot("") else { return };
    rig.must(&first);
    rig.must(&second);
    hands_over(&mut rig, prepare, said);
    // An upgrade of either changes nothing.
    rig.must(&second);
    hands_over(&mut rig, prepare, said);
    rig.must("dpkg -r upsentry");
    let ran = rig.run("/etc/init.d/ups-monitor poweroff");
    assert!(ran.said.contains(said), "{ran:?}");
    rig.must("dpkg -P upsentry");
    assert_eq!(rig.must("dpkg-divert --list upsentry"), "");
    rig.must(
        "test ! -e /etc/init.d/ups-monitor.distrib && ! grep -q upsentry /etc/init.d/ups-monitor",
    );
    let ran = rig.run("/etc/init.d/ups-monitor poweroff");
    assert!(ran.said.contains(said), "{ran:?}");
}

const NUT: &str = "echo MODE=netclient >/etc/nut/nut.conf";
const NUT_SAYS: &str = "'netclient' configuration does not require UPS poweroff";
const APCUPSD: &str =
    "touch /etc/apcupsd/powerfail; printf '#!/bin/sh\\n' >/etc/apcupsd/apccontrol";
const APCUPSD_SAYS: &str = "apcupsd: Ordering UPS to kill power";

#[test]
fn after_nut_client() {
    beside("nut-client", false, NUT, NUT_SAYS);
}

#[test]
fn before_nut_client() {
    beside("nut-client", true, NUT, NUT_SAYS);
}

#[test]
fn after_apcupsd() {
    beside("apcupsd", false, APCUPSD, APCUPSD_SAYS);
}

#[test]
fn before_apcupsd() {
    beside("apcupsd", true, APCUPSD, APCUPSD_SAYS);
}

/// Theirs is removed first: nothing of it comes back.
#[test]
fn nothing_is_left_of_a_rival_that_went_first() {
    let Some(mut rig) = Debian::boot("") else { return };
    rig.must(&other("nut-client"));
    rig.must(OURS);
    rig.must("dpkg -P nut-client >/dev/null");
    rig.must("grep -q 'kill --wait' /etc/init.d/ups-monitor");
    rig.must("dpkg -P upsentry && test ! -e /etc/init.d/ups-monitor && test ! -e /etc/init.d/ups-monitor.distrib");
}
