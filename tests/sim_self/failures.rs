//! Ports that fail.

use crate::common::need_root;
use crate::{LONG, called, ends, probe, traced};

#[test]
fn a_refused_wait_and_a_dead_adapter_fail_as_told() {
    if !need_root() {
        return;
    }
    let setup = traced("cts=1").option("--refuse-miwait=EINVAL");
    let mut rig = probe(setup, "wait=cts get sleep=300 wait=cts wait=cts get sleep=300 get");
    called(&mut rig, "get");
    rig.command("refuse a off");
    called(&mut rig, "wait");
    rig.command("refuse a on ENOTTY");
    rig.expect("a refuse ENOTTY");
    called(&mut rig, "get");
    rig.command("eio a on");
    rig.expect("a eio on");
    let want = ["wait=cts: EINVAL", "wait=cts: ENOTTY", "wait=cts: ENOTTY", "get: EIO"];
    assert_eq!(rig.wait_exit(LONG), Some(0), "{}", rig.stderr());
    let said = rig.stdout();
    let failed: Vec<&str> = said.lines().filter(|line| line.contains(": E")).collect();
    assert_eq!(failed, want, "{said}");
}

#[test]
fn an_unplugged_adapter_ends_the_wait_and_takes_its_file_along() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced("cts=1"), "wait=cts get sleep=300 get reopen get");
    called(&mut rig, "wait");
    rig.command("unplug a");
    called(&mut rig, "get");
    assert!(!rig.setup().tty("a").is_symlink());
    rig.command("plug a");
    rig.expect("a plug");
    ends(
        &mut rig,
        &[
            "wait=cts: EIO",
            "get: EIO",
            "sleep=300: ok",
            // Plugged again, but this descriptor is of the adapter that was there before.
            "get: EIO",
            "reopen: ok",
            "get: cts=1 dsr=0 dcd=0 rng=0 dtr=1 rts=1",
        ],
    );
}

#[test]
fn without_clocal_the_carrier_hangs_the_port_up() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced("dcd=1"), "clocal=0 wait=dcd get reopen get");
    called(&mut rig, "wait");
    rig.command("set a dcd=0");
    rig.expect("a hangup");
    ends(
        &mut rig,
        &[
            "clocal=0: ok",
            "wait=dcd: ok",
            "get: EIO",
            "reopen: ok",
            "get: cts=0 dsr=0 dcd=0 rng=0 dtr=1 rts=1",
        ],
    );
}
