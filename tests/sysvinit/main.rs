//! The daemon under real sysvinit as process 1: an event on the line ends in a run of its line of the
//! inittab, by each way there is to tell init.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod around;
mod command;
mod fifo;
mod fleet;
mod initctl;
mod life;
mod powstatd;
mod scripts;
mod signal;
mod waiting;

use common::init::{Process, SysvInit};

/// Lines of the simulated UPS.
const MAINS: &str = "cts=1 dcd=0";
const BATTERY: &str = "cts=0 dcd=0";
const LOW: &str = "cts=0 dcd=1";

/// A rig with the daemon running in the background, all well.
fn started(more: &str) -> Option<SysvInit> {
    let mut rig = SysvInit::boot("")?;
    let config = rig.config(more);
    let ran = rig.daemon(&config);
    assert_eq!(ran.status, 0, "{}", rig.story());
    // On a busy machine the first state can be `contact lost`, because there has to be one in time.
    rig.expect_log("ready: ");
    rig.expect_log("ups: on mains");
    assert_eq!(rig.state(), "OK");
    Some(rig)
}

/// Not root, now or at any later exec.
fn assert_unprivileged(process: &Process, user: u32) {
    let name = &process.name;
    assert_eq!(process.uids(), [user; 4], "{name}");
    assert_eq!(process.capabilities(), [0; 5], "{name}");
    assert_eq!(process.number("NoNewPrivs"), 1, "{name}");
}

/// Has a system call filter of its own: one more than init, which the simulator has put under one.
fn assert_filtered(process: &Process, rig: &SysvInit) {
    assert_eq!(process.number("Seccomp"), 2, "{}", process.name);
    let own = process.number("Seccomp_filters") - rig.init().number("Seccomp_filters");
    assert!(own >= 1, "{}: no filter of its own", process.name);
}

/// Leaves no byte of the rig's /run free; `/run/filler` is what takes them.
fn fill_run(rig: &mut SysvInit) {
    let ran = rig.run("mount -o remount,size=256k /run");
    assert_eq!(ran.status, 0, "{ran:?}");
    rig.run("dd if=/dev/zero of=/run/filler bs=4k");
    let full = std::fs::write(rig.inside("/run/more"), "x").expect_err("there is room left");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    std::fs::remove_file(rig.inside("/run/more")).expect("an empty file");
}

/// Names of the daemon's processes, sorted.
fn names(rig: &SysvInit) -> Vec<String> {
    let mut names: Vec<_> = rig.ours().into_iter().map(|process| process.name).collect();
    names.sort_unstable();
    names
}

/// The rig itself: not even what ignores TERM is left of it, and no mount.
#[test]
fn nothing_of_the_rig_outlives_it() {
    let Some(mut rig) = started("via signal") else { return };
    // A process that ignores TERM, in a session of its own.
    rig.run("setsid /bin/sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' &");
    let namespace = std::fs::read_link(format!("/proc/{}/ns/pid", rig.init().pid)).unwrap();
    assert_ne!(namespace, std::fs::read_link("/proc/self/ns/pid").unwrap());
    let inside = || {
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter(|entry| {
            std::fs::read_link(entry.path().join("ns/pid")).is_ok_and(|its| its == namespace)
        })
        .count()
    };
    assert!(inside() >= 5, "{}", inside());
    let directory = rig.path("");
    drop(rig);
    common::init::until("the end of all", common::init::SOON, || (inside() == 0).then_some(()));
    assert!(!directory.exists());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(directory.to_str().unwrap()), "{mounts}");
}
