//! /etc/init.d/upsentry, with init's own line and without.

use crate::common::debian::{CONFIG, Debian};
use crate::installed;

const MARKER: &str = "/run/upsentry.stop";

#[test]
fn it_works_the_one_that_init_runs() {
    let Some(mut rig) = installed() else { return };
    rig.expect_state("OK");
    let first = rig.text("/run/upsentry.pid");
    rig.must("service upsentry stop");
    assert_eq!(rig.text("/run/upsentry.pid"), "");
    let ran = rig.run("service upsentry status");
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.said.contains("is stopped"), "{ran:?}");
    // Init has started another, which waits, and which a halt passes over.
    rig.until("one that waits", |rig| {
        let waits = rig.text("/run/sendsigs.omit.d/upsentry");
        let all = rig.ours();
        all.iter().any(|process| process.inner().to_string() == waits.trim()).then_some(())
    });
    // It does so for good.
    rig.must("sleep 3");
    assert_eq!(rig.text("/run/upsentry.pid"), "");
    rig.must(&format!("test -e {MARKER}; service upsentry start; test ! -e {MARKER}"));
    rig.must("service upsentry status");
    let second = rig.text("/run/upsentry.pid");
    assert!(!second.is_empty() && second != first);
    for word in ["restart", "force-reload"] {
        let before = rig.text("/run/upsentry.pid");
        rig.must(&format!("service upsentry {word}"));
        let after = rig.text("/run/upsentry.pid");
        assert!(!after.is_empty() && before != after, "{word}");
    }
    // Twice is as once.
    rig.must("service upsentry start && service upsentry stop && service upsentry stop");
    assert_eq!(rig.run("service upsentry nonsense").status, 2);
}

#[test]
fn it_runs_the_daemon_where_init_does_not() {
    let prepare = format!(
        "dpkg -i /run/rig/upsentry.deb\nsed -i 's/^ue:/#&/' /etc/inittab\n\
         cat >>/etc/upsentry.conf <<'END'\n{CONFIG}END\n"
    );
    let Some(mut rig) = Debian::boot(&prepare) else { return };
    // Started by its link in the runlevel.
    rig.expect_state("OK");
    rig.must("service upsentry status");
    rig.must("service upsentry stop");
    rig.until("its end", |rig| rig.ours().is_empty().then_some(()));
    rig.must(&format!("test ! -e {MARKER}"));
    assert_eq!(rig.run("service upsentry status").status, 3);
    // Killed, it leaves its number.
    rig.must("service upsentry start && kill -9 $(pidof upsentry); sleep 1");
    let ran = rig.run("service upsentry status");
    assert_eq!(ran.status, 1, "{ran:?}");
    rig.must("service upsentry restart && service upsentry status");
}

/// At a halt it ends before all others are ended, and what init starts again is not in the way.
#[test]
fn a_halt_ends_it_first() {
    let Some(mut rig) = installed() else { return };
    rig.expect_state("OK");
    // In the place of what kills all, and after it.
    rig.must(
        "sed -i '2i ps ax >/run/rig/at-sendsigs; cp /run/upsentry.pid /run/rig/pid' /etc/init.d/sendsigs\n\
         printf '#!/bin/sh\\nps ax >/run/rig/at-hook\\n' >/etc/init.d/ups-monitor",
    );
    rig.spawn("shutdown -h -P now");
    assert_eq!(rig.ending(), Some(false), "{}", rig.story());
    let read = |name: &str| std::fs::read_to_string(rig.outside(name)).unwrap();
    assert_eq!(read("pid"), "", "it was still running when all were killed");
    // Neither killed nor waited for.
    let waits = |name: &str| read(name).matches("/usr/sbin/upsentry -f").count();
    assert!(waits("at-hook") <= 1, "{}", read("at-hook"));
    assert!(waits("at-sendsigs") <= 1, "{}", read("at-sendsigs"));
}

/// The slave's `halt`: its machine goes down, which its own stop script would do.
const SLAVE_HALTS: &str =
    "#!/bin/sh\ntouch /run/rig/slave-halts\nsleep 1\nkill $(cat /run/slave.pid)\n";
const SLAVE: &str = "watch 127.0.0.1\nkey-file /etc/upsentry.key\nvia command\nhalt /run/rig/halt\ntell low none\n\
                     deadtime 3s\nhalt-time 3s\nstate-file /run/slave.state\npid-file /run/slave.pid\n\
                     history-file /run/slave.history\nstatus-socket none\n";

/// On battery, the slaves are told and waited for while there is a network; then the UPS cuts the power.
#[test]
fn a_halt_waits_for_the_slaves() {
    let Some(mut rig) = Debian::boot("dpkg -i /run/rig/upsentry.deb; upsentry keygen") else {
        return;
    };
    rig.loopback();
    let master = format!("{CONFIG}key-file /etc/upsentry.key\nslave 127.0.0.1\nslave-wait 8s\n");
    rig.must(&format!(
        "cat >>/etc/upsentry.conf <<'END'\n{master}END\nservice upsentry start\n\
         cat >/etc/slave.conf <<'END'\n{SLAVE}END\nchmod 600 /etc/slave.conf\n\
         printf '%s' '{SLAVE_HALTS}' >/run/rig/halt; chmod 755 /run/rig/halt\n\
         sed -i '2i exec >>/run/rig/stop 2>&1' /etc/init.d/upsentry\n\
         sed -i '2i cp /run/upsentry.state /run/rig/at-sendsigs' /etc/init.d/sendsigs\n\
         upsentry -c /etc/slave.conf"
    ));
    rig.until("a slave on mains", |rig| {
        (rig.text("/run/slave.state").starts_with("OK\n")).then_some(())
    });
    rig.must("sleep 2");
    rig.lines("cts=0");
    rig.until("a slave on battery", |rig| {
        rig.text("/run/slave.state").starts_with("FAIL").then_some(())
    });
    rig.lines("cts=0 dcd=1");
    rig.expect_signal();
    let read = |name: &str| std::fs::read_to_string(rig.outside(name)).unwrap_or_default();
    assert!(rig.outside("slave-halts").exists(), "{}", rig.story());
    let stop = read("stop");
    assert!(stop.contains("waiting for it to tell its slaves, and for their halt"), "{stop}");
    assert!(read("at-sendsigs").contains("\nslaves served\n"), "{}", read("at-sendsigs"));
}
