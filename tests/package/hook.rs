//! The kill hook: what it makes of each answer of `upsentry kill --wait`, and both together.

use crate::common::debian::{CONFIG, Debian};
use crate::installed;

/// The hook with a program that answers so, beside another's hook; then what was left by an outage, if anything.
fn answered(status: i32, outage: &str) -> Option<Debian> {
    let stand_in = format!("#!/bin/sh\\necho \"asked $*\"\\nexit {status}\\n");
    let prepare = format!(
        "dpkg -i /run/rig/upsentry.deb\nsed -i /^ue:/d /etc/inittab\nprintf '{stand_in}' >/usr/sbin/upsentry\n\
         printf '#!/bin/sh\\necho \"the other $*\"\\n' >/etc/init.d/ups-monitor.distrib\n\
         chmod 755 /etc/init.d/ups-monitor.distrib\n\
         printf '#!/bin/sh\\necho \"slept $*\" >>/run/rig/said\\n' >/usr/sbin/sleep\nchmod 755 /usr/sbin/sleep\n"
    );
    let mut rig = Debian::boot(&prepare)?;
    rig.must(&format!("rm -f /run/upsentry.stop; {outage}"));
    // As at the end of a halt.
    rig.must("mount -o remount,ro /");
    assert_ne!(rig.run("touch /etc/anything").status, 0);
    Some(rig)
}

const HOOK: &str = "/etc/init.d/ups-monitor poweroff";

#[test]
fn zero_is_to_turn_the_machine_off() {
    let Some(mut rig) = answered(0, "echo LOW >/run/upsentry.state") else { return };
    assert_eq!(rig.must(HOOK), "asked kill --wait\n");
}

#[test]
fn five_is_to_boot_again() {
    let Some(mut rig) = answered(5, ":") else { return };
    rig.spawn(HOOK);
    assert_eq!(rig.ending(), Some(true), "{}", rig.story());
}

#[test]
fn two_is_the_other_s_turn() {
    let Some(mut rig) = answered(2, ":") else { return };
    assert_eq!(rig.must(HOOK), "asked kill --wait\nthe other poweroff\n");
}

#[test]
fn a_failure_after_somebody_s_halt_turns_the_machine_off() {
    let Some(mut rig) = answered(1, "echo OK >/run/upsentry.state") else { return };
    let said = rig.must(HOOK);
    assert!(said.contains("failed (1); the UPS goes on, this machine is turned off"), "{said}");
}

/// By the mark, or by the state.
#[test]
fn a_failure_after_an_outage_boots_again() {
    for outage in ["touch /run/upsentry.halt", "echo SHUTDOWN >/run/upsentry.state"] {
        let Some(mut rig) = answered(1, outage) else { return };
        rig.spawn(HOOK);
        assert_eq!(rig.ending(), Some(true), "{}", rig.story());
        assert!(rig.said().contains("slept 300"), "{}", rig.said());
    }
}

/// Its machine would do the same again.
#[test]
fn a_failure_after_a_rule_s_halt_turns_the_machine_off() {
    let state = "printf 'SHUTDOWN\\ncause rule 5\\n' >/run/upsentry.state";
    let Some(mut rig) = answered(1, state) else { return };
    let said = rig.must(HOOK);
    assert!(said.contains("this machine is turned off"), "{said}");
}

/// Off would be for good, and another's hook knows nothing of this outage.
#[test]
fn a_configuration_that_is_faulty_by_then_boots_again_after_an_outage() {
    let Some(mut rig) = installed() else { return };
    rig.expect_state("OK");
    rig.must("echo 'fial-after 5s' >>/etc/upsentry.conf");
    let wait = "timeout 3 upsentry kill --wait";
    assert_eq!(rig.run(wait).status, 2);
    rig.lines("cts=0");
    rig.expect_state("FAIL");
    let ran = rig.run(wait);
    assert_eq!(ran.status, 124, "{ran:?}");
    assert!(ran.said.contains("no UPS can be told: rebooting in 300s"), "{ran:?}");
}

#[test]
fn other_words_do_nothing() {
    let Some(mut rig) = answered(5, ":") else { return };
    for word in ["start", "stop", "restart", "force-reload", "status"] {
        assert_eq!(rig.must(&format!("/etc/init.d/ups-monitor {word}")), "");
    }
    assert_eq!(rig.run("/etc/init.d/ups-monitor").status, 2);
}

/// Nothing configured: the program itself says so, by a 2.
#[test]
fn unconfigured_it_hands_over() {
    let prepare = "dpkg -i /run/rig/upsentry.deb\nsed -i /^ue:/d /etc/inittab\n\
                   printf '#!/bin/sh\\necho \"the other $*\"\\n' >/etc/init.d/ups-monitor.distrib\n\
                   chmod 755 /etc/init.d/ups-monitor.distrib\n";
    let Some(mut rig) = Debian::boot(prepare) else { return };
    let said = rig.must(HOOK);
    assert!(said.ends_with("the other poweroff\n"), "{said}");
}

/// From the plug on: an outage, the battery low, the halt with all its scripts, and the mains back in that moment.
#[test]
fn mains_that_returns_during_the_halt_boots_the_machine_again() {
    let Some(mut rig) = installed() else { return };
    rig.expect_state("OK");
    rig.lines("cts=0");
    rig.expect_state("FAIL");
    // The last script before the hook: the mains comes back there.
    rig.must("sed -i '2i touch /run/rig/last; until [ -e /run/rig/go ]; do sleep 0.1; done' /etc/init.d/umountroot");
    rig.lines("cts=0 dcd=1");
    rig.until("the last script", |rig| rig.outside("last").exists().then_some(()));
    rig.lines("cts=1 dcd=0");
    std::fs::write(rig.outside("go"), "").unwrap();
    assert_eq!(rig.ending(), Some(true), "{}", rig.story());
}

/// The machine stays halted, with its power on, and the signal is on the line.
#[test]
fn on_battery_the_machine_stays_and_the_signal_is_sent() {
    let Some(mut rig) = installed() else { return };
    rig.expect_state("OK");
    rig.lines("cts=0");
    rig.expect_state("FAIL");
    rig.lines("cts=0 dcd=1");
    rig.expect_signal();
    assert!(!rig.outside("ended").exists(), "{}", rig.story());
}

/// Somebody's halt, with the mains on: off, and no signal.
#[test]
fn an_administrator_s_halt_is_only_that() {
    let Some(mut rig) = Debian::installed(CONFIG) else { return };
    rig.expect_state("OK");
    rig.spawn("shutdown -h -P now");
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
}
