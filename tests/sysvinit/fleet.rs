//! A master below init: what a hand-typed poweroff does on battery, and on mains.

use crate::common::DAEMON;
use crate::common::init::{INSIDE, SOON, SysvInit};
use crate::{BATTERY, LOW};
use std::fs;

/// As the package's line: init must not kill it when the level changes, so in every level.
const MORE: &str = "ue:0123456:respawn:/run/rig/respawn\nls:0:wait:/run/rig/stop\n";

/// The stop script of runlevel 0, which waits for the daemon; then the one that ends all processes, and with them the
/// daemon that init has started again; then the last script of all.
const STOP: &str = r#"#!/bin/sh
stop() {
    kill -TERM "$1"
    while kill -0 "$1" 2>/dev/null; do sleep 0.1; done
}
first=$(cat /run/upsentry.pid)
stop "$first"
until pid=$(cat /run/upsentry.pid) && [ "${pid:-$first}" != "$first" ] &&
    grep -q "^pid $pid$" /run/upsentry.state; do sleep 0.1; done
stop "$pid"
DAEMON -k -c /run/rig/upsentry.conf >/run/rig/k 2>&1
echo "ended $?" >>/run/rig/k
"#;

/// What a slave's `halt` command does here.
const HALT: &str = "#!/bin/sh\necho halted >>/run/rig/halted\n";

struct Pair {
    rig: SysvInit,
}

impl Pair {
    /// Master below init, and a slave beside it.
    fn boot() -> Option<Pair> {
        let mut rig = SysvInit::boot(MORE)?;
        rig.executable("stop", &STOP.replace("DAEMON", DAEMON));
        rig.executable("halt", HALT);
        assert_eq!(rig.run("ip link set lo up").status, 0);
        let key = rig.path("key");
        fs::write(&key, [7; 32]).expect("a key");
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("its mode");
        let slave = format!(
            "watch 127.0.0.1\nkey-file {INSIDE}/key\nvia command\nhalt {INSIDE}/halt\ntell low none\ndeadtime 3s\n\
             halt-time 1s\nstate-file /run/slave.state\npid-file /run/slave.pid\nhistory-file /run/slave.history\n\
             status-socket none\nuser 64001\nnotifier-user 64002\n"
        );
        fs::write(rig.path("slave.conf"), slave).expect("a file of the rig");
        rig.config(&format!(
            "key-file {INSIDE}/key\nslave 127.0.0.1\nslave-wait 5s\nkill dtr 1\nkill-hold 100ms\nstatus-socket none\n"
        ));
        rig.expect_log("ready: 1 of 1");
        let ran = rig.run(&format!("{DAEMON} -c {INSIDE}/slave.conf --log stderr"));
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        rig.until("both on mains", SOON, || {
            (rig.log().matches("ready: 1 of 1").count() == 2).then_some(())
        });
        Some(Pair { rig })
    }

    fn slave_is_halted(&self) -> bool {
        self.rig.path("halted").exists()
    }

    /// What `-k` said and how it ended.
    fn k(&self) -> String {
        let path = self.rig.path("k");
        let ended = || fs::read_to_string(&path).ok().filter(|text| text.contains("ended"));
        self.rig.until("the end of -k", SOON * 2, ended)
    }
}

/// Nobody told init anything but `telinit 0`; the slave goes first, then the load is cut.
#[test]
fn a_poweroff_by_hand_on_battery_takes_the_slaves_along() {
    let Some(mut pair) = Pair::boot() else { return };
    pair.rig.lines(BATTERY);
    pair.rig.expect_fail();
    assert_eq!(pair.rig.run(&format!("{INSIDE}/telinit 0")).status, 0);
    pair.rig.until("the slave's halt", SOON, || pair.slave_is_halted().then_some(()));
    // As the slave's own init would.
    assert_eq!(pair.rig.run("sh -c 'kill -TERM $(cat /run/slave.pid)'").status, 0);
    let said = pair.k();
    assert!(said.contains("ended 0") && said.contains("DTR 1"), "{said}; {}", pair.rig.story());
}

#[test]
fn a_slave_that_stays_keeps_the_load_on() {
    let Some(mut pair) = Pair::boot() else { return };
    pair.rig.lines(LOW);
    pair.rig.expect("powerfailnow", "LOW");
    assert_eq!(pair.rig.run(&format!("{INSIDE}/telinit 0")).status, 0);
    let said = pair.k();
    assert!(said.contains("ended 4") && !said.contains("DTR"), "{said}; {}", pair.rig.story());
    assert!(pair.slave_is_halted());
}

/// On mains there is nothing to cut, and no slave has to go.
#[test]
fn a_poweroff_by_hand_on_mains_leaves_the_slaves_alone() {
    let Some(mut pair) = Pair::boot() else { return };
    assert_eq!(pair.rig.run(&format!("{INSIDE}/telinit 0")).status, 0);
    let said = pair.k();
    assert!(said.contains("ended 3"), "{said}; {}", pair.rig.story());
    assert!(!pair.slave_is_halted());
}
