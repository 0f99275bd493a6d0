//! `upsentry.power` under real sysvinit: Debian's own inittab runs it as /etc/init.d/powerfail.

use crate::common::debian::Debian;
use crate::installed;

const TIMER: &str = "/run/upsentry.timer";
const MARK: &str = "/run/upsentry.halt";

/// A machine on mains, with these settings of the script's.
fn on_mains(settings: &str) -> Option<Debian> {
    let mut rig = installed()?;
    rig.until("mains", |rig| (rig.run("upsentry status --check").status == 0).then_some(()));
    rig.must(&format!("cat >>/etc/default/upsentry <<'END'\n{settings}\nEND"));
    Some(rig)
}

fn fails(rig: &mut Debian) {
    rig.lines("cts=0");
    rig.expect_said("on battery");
}

/// Is the process still there?
fn runs(rig: &mut Debian, pid: &str) -> bool {
    rig.run(&format!("kill -0 {pid}")).status == 0
}

#[test]
fn a_low_battery_turns_the_machine_off() {
    let Some(mut rig) = on_mains("") else { return };
    // What was there when the hook was called; the hook itself has tests of its own.
    rig.must(
        "cat >/etc/init.d/ups-monitor <<'END'\n#!/bin/sh\n\
         { echo \"hook $1 $INIT_HALT $(head -n 1 /run/upsentry.state)\"; ls /run/upsentry.halt; } >/run/rig/hook\nEND\n",
    );
    fails(&mut rig);
    assert_eq!(rig.text(TIMER), "", "no time was given");
    rig.lines("cts=0 dcd=1");
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
    let hook = std::fs::read_to_string(rig.outside("hook")).unwrap();
    assert_eq!(hook, "hook poweroff POWEROFF LOW\n/run/upsentry.halt\n");
    assert!(rig.said().contains("wall: UPS: the battery is low"), "{}", rig.said());
}

/// Nobody reads the log, and whoever writes to it waits.
#[test]
fn a_log_that_hangs_delays_nothing() {
    let Some(mut rig) = on_mains("SHUTDOWN_AFTER=2s") else { return };
    rig.must(
        "printf '#!/bin/sh\\nsleep 1000\\n' >/usr/bin/logger; printf '#!/bin/sh\\n' >/etc/init.d/ups-monitor",
    );
    rig.lines("cts=0");
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
}

/// What other scripts can live with this one can, and what ends a script does not keep the machine up.
#[test]
fn settings_that_end_a_script_keep_no_machine_up() {
    let last_fails =
        "SHUTDOWN_AFTER=2s\nDAEMON_OPTIONS=$NOWHERE\n[ -x /nowhere ] && DAEMON_OPTIONS=-v";
    let Some(mut rig) = on_mains(last_fails) else { return };
    rig.must("printf '#!/bin/sh\\n' >/etc/init.d/ups-monitor");
    rig.lines("cts=0");
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
    let Some(mut rig) = on_mains("exit 0") else { return };
    rig.must("printf '#!/bin/sh\\n' >/etc/init.d/ups-monitor");
    fails(&mut rig);
    rig.expect_said("does not come to its end");
    rig.lines("cts=0 dcd=1");
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
}

#[test]
fn the_timer_turns_the_machine_off() {
    let Some(mut rig) = on_mains("SHUTDOWN_AFTER=2s") else { return };
    rig.must(
        "printf '#!/bin/sh\\nls /run/upsentry.halt >/run/rig/hook\\n' >/etc/init.d/ups-monitor",
    );
    fails(&mut rig);
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
    assert!(rig.said().contains("on battery for 2s"), "{}", rig.said());
    assert!(rig.outside("hook").exists());
}

#[test]
fn power_that_returns_cancels_the_timer() {
    let Some(mut rig) = on_mains("SHUTDOWN_AFTER=1h") else { return };
    fails(&mut rig);
    let pid = rig.until("a timer", |rig| Some(rig.text(TIMER)).filter(|pid| !pid.is_empty()));
    // A second run (init has two lines of an outage, somebody has a hand) makes no second timer.
    rig.must("upsentry.fail; upsentry.power fail; sleep 1");
    assert_eq!(rig.text(TIMER), pid);
    rig.lines("cts=1");
    rig.expect_said("the timed shutdown is cancelled");
    rig.until("its end", |rig| (!runs(rig, &pid)).then_some(()));
    rig.must(&format!("test ! -e {TIMER} && test ! -e {MARK} && test ! -e /run/shutdown.pid"));
    // The next outage has the whole time again.
    rig.lines("cts=0");
    let next = rig.until("a timer", |rig| Some(rig.text(TIMER)).filter(|pid| !pid.is_empty()));
    assert_ne!(next, pid);
    assert_eq!(rig.must("runlevel"), "N 2\n");
}

/// A number in the file that is somebody else's by now.
#[test]
fn no_process_of_others_is_taken_for_the_timer() {
    let Some(mut rig) = on_mains("SHUTDOWN_AFTER=1h") else { return };
    rig.must(&format!("sleep 1000 & echo $! >{TIMER}; cp {TIMER} /run/other"));
    let other = rig.text("/run/other");
    rig.must("upsentry.power ok");
    assert!(runs(&mut rig, &other));
    assert!(!rig.said().contains("cancelled"), "{}", rig.said());
    // Nor does it keep one of our own from starting.
    fails(&mut rig);
    rig.until("a timer", |rig| {
        let pid = rig.text(TIMER);
        (!pid.is_empty() && pid != other).then_some(())
    });
    assert!(runs(&mut rig, &other));
}

/// An outage and its end leave an administrator's shutdown alone; a low battery cannot wait for it.
#[test]
fn an_administrator_s_shutdown_is_cancelled_by_a_low_battery_only() {
    let Some(mut rig) = on_mains("SHUTDOWN_AFTER=1h") else { return };
    rig.must("setsid shutdown -r +60 >/dev/null 2>&1 & sleep 1; test -s /run/shutdown.pid");
    let pid = rig.text("/run/shutdown.pid");
    fails(&mut rig);
    rig.until("a timer", |rig| (!rig.text(TIMER).is_empty()).then_some(()));
    rig.lines("cts=1");
    rig.expect_said("the timed shutdown is cancelled");
    assert!(runs(&mut rig, &pid));
    assert_eq!(rig.text("/run/shutdown.pid"), pid);
    rig.must("printf '#!/bin/sh\\n' >/etc/init.d/ups-monitor");
    rig.lines("cts=0 dcd=1");
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
    assert!(rig.said().contains("another shutdown is pending; it is cancelled"), "{}", rig.said());
    assert!(!rig.said().contains("shutdown failed"), "{}", rig.said());
}

/// The state counts, not the name or the word that init's line calls it by.
#[test]
fn names_and_words_do_not_count() {
    let Some(mut rig) = on_mains("") else { return };
    for call in ["upsentry.low", "upsentry.dumb", "upsentry.fail fail", "/etc/init.d/powerfail now"]
    {
        rig.must(call);
    }
    rig.must(&format!("test ! -e {MARK}"));
    assert_eq!(rig.must("runlevel"), "N 2\n");
    fails(&mut rig);
    rig.must("upsentry.ok && upsentry.low");
    rig.must(&format!("test ! -e {MARK}"));
}

#[test]
fn without_a_state_nothing_is_done() {
    let Some(mut rig) = Debian::boot("dpkg -i /run/rig/upsentry.deb") else { return };
    let ran = rig.run("upsentry.low");
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(rig.said().contains("no state in /run/upsentry.state"), "{}", rig.said());
    rig.must(&format!("test ! -e {MARK}"));
}

/// A file of settings that is no shell script keeps no machine from its shutdown.
#[test]
fn broken_settings_do_not_matter() {
    let Some(mut rig) = on_mains("SHUTDOWN_AFTER=\"5m\nif") else { return };
    rig.must("printf '#!/bin/sh\\n' >/etc/init.d/ups-monitor");
    fails(&mut rig);
    rig.lines("cts=0 dcd=1");
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
}
