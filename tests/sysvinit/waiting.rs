//! A respawn line, while the daemon must not run: an init script stopped it, or nothing is configured yet.

use crate::common::init::{Process, SOON, SysvInit};
use nix::sys::signal::Signal;
use std::fs;
use std::time::Duration;

const RESPAWN: &str = "ue:0123456:respawn:/run/rig/respawn\n";

/// The only process of ours, which waits.
fn waiter(rig: &SysvInit) -> Option<Process> {
    match rig.ours().as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

#[test]
fn a_stopped_daemon_waits_for_its_init_script_and_sendsigs_is_told() {
    let Some(rig) = SysvInit::boot(RESPAWN) else { return };
    fs::create_dir(rig.inside("/run/sendsigs.omit.d")).unwrap();
    rig.config("");
    rig.expect_log("ready: ");
    let daemon = rig.our("upsentry").pid;
    fs::write(rig.inside("/run/upsentry.stop"), "").unwrap();
    rig.signal("upsentry", Signal::SIGTERM);
    let waits = rig.until("who waits", SOON, || waiter(&rig).filter(|one| one.pid != daemon));
    let spared = rig.inside("/run/sendsigs.omit.d/upsentry");
    let pid = rig.until("its pid", SOON, || fs::read_to_string(&spared).ok());
    assert_eq!(pid, format!("{}\n", waits.inner()));
    let before = rig.scripts().len();
    // It holds nothing: an outage meanwhile is not its business.
    rig.lines("cts=0");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(waiter(&rig).map(|one| one.pid), Some(waits.pid), "{}", rig.story());
    assert_eq!(rig.scripts().len(), before, "{}", rig.story());
    rig.lines("cts=1");
    fs::remove_file(rig.inside("/run/upsentry.stop")).unwrap();
    rig.until("the next start", SOON, || (rig.log().matches("ready: ").count() == 2).then_some(()));
    assert!(!spared.exists());
}

#[test]
fn without_a_configuration_it_waits_for_one_and_says_so_once() {
    let Some(rig) = SysvInit::boot(RESPAWN) else { return };
    // What a package installs: examples in comments.
    fs::write(rig.path("upsentry.conf"), "# watch ttyS0\n\n  # model power99\n").unwrap();
    rig.expect_log("waiting for /run/rig/upsentry.conf");
    let waits = rig.until("who waits", SOON, || waiter(&rig));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(waiter(&rig).map(|one| one.pid), Some(waits.pid), "{}", rig.story());
    assert_eq!(rig.log().matches("nothing to watch").count(), 1, "{}", rig.log());
    rig.config("");
    rig.expect_log("ready: ");
}
