//! Calls that are made to fail.

use crate::common::need_root;
use crate::{called, ends, probe, traced};

/// Seen to fail with `fd` and `arg` not compared, and with the count not counted.
#[test]
fn a_call_fails_as_often_as_told_and_for_whom_it_was_told() {
    if !need_root() {
        return;
    }
    let setup = traced("cts=1").option("--faults").option("ioctl,write,ppoll,brk");
    let mut rig = probe(setup, "wait=cts get get get icount get get get");
    called(&mut rig, "wait");
    // TIOCMGET of a descriptor that is not the port's, of another process, and of another request: none.
    rig.command("fail probe ioctl ENOMEM 1 fd=999");
    rig.command("fail other ioctl ENOMEM");
    rig.command("fail probe ioctl ENOMEM arg=1");
    rig.command("fail probe ioctl EINTR 2 arg=21525");
    rig.command("fail probe read EIO");
    rig.expect("error the call is not among --faults");
    rig.command("set a cts=0");
    let fault = "fault probe ioctl EINTR fd=3 ";
    for _ in 0..2 {
        let found = rig.wait_for(|event| event.text.starts_with(fault), crate::LONG);
        assert!(found.is_some(), "{}", rig.log_text());
    }
    let get = "get: cts=0 dsr=0 dcd=0 rng=0 dtr=1 rts=1";
    // Without --icount this fails as ever, although the simulator sees it.
    let none = "icount: ENOTTY";
    ends(&mut rig, &["wait=cts: ok", "get: EINTR", "get: EINTR", get, none, get, get, get]);
}

#[test]
fn what_fails_always_fails_until_it_is_off() {
    if !need_root() {
        return;
    }
    let setup = traced("cts=1").option("--faults").option("ioctl");
    let mut rig = probe(setup, "wait=cts get get wait=cts get");
    called(&mut rig, "wait");
    rig.command("fail probe ioctl EIO always arg=21525");
    rig.command("set a cts=0");
    called(&mut rig, "wait");
    rig.command("fail off");
    rig.expect("fault off");
    rig.command("set a cts=1");
    let get = "get: cts=1 dsr=0 dcd=0 rng=0 dtr=1 rts=1";
    ends(&mut rig, &["wait=cts: ok", "get: EIO", "get: EIO", "wait=cts: ok", get]);
}
