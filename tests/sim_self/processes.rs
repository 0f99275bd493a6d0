//! The command: what it may do under the filter, and how it ends.

use crate::common::need_root;
use crate::common::sim::Setup;
use crate::{LONG, called, ends, probe, traced};
use nix::sys::signal::Signal;
use std::fs;
use std::time::Duration;

#[test]
fn confined_programs_are_served() {
    if !need_root() {
        return;
    }
    // Root is gone, memory is not dumpable, a filter of its own lies over ours, and a thread calls.
    let mut rig = probe(traced("cts=1"), "drop filter get bic=rts threads=cts,dcd");
    called(&mut rig, "wait");
    called(&mut rig, "wait");
    let pid = rig.pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in
        ["Uid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000", "Seccomp_filters:\t2"]
    {
        assert!(status.contains(line), "no {line} in {status}");
    }
    rig.command("set a cts=0");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=0 woke=1");
    rig.command("set a dcd=1");
    rig.expect("a in cts=0 dsr=0 dcd=1 rng=0 woke=1");
    ends(
        &mut rig,
        &[
            "drop: ok",
            "filter: ok",
            "get: cts=1 dsr=0 dcd=0 rng=0 dtr=1 rts=1",
            "bic=rts: ok",
            "thread cts: Ok(())",
            "thread dcd: Ok(())",
            "threads=cts,dcd: ok",
        ],
    );
}

#[test]
fn rights_can_be_regained_under_the_filter() {
    if !need_root() {
        return;
    }
    let mut rig =
        Setup::new().start("grep", &["-E", "^(NoNewPrivs|Seccomp):", "/proc/self/status"]);
    ends(&mut rig, &["NoNewPrivs:\t0", "Seccomp:\t2"]);
}

#[test]
fn the_command_s_end_is_ours_and_nothing_is_left() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().port("a", "").start("sh", &["-c", "sleep 60 & exit 7"]);
    let (link, fifo) = (rig.setup().tty("a"), rig.setup().initctl());
    assert_eq!(rig.wait_exit(LONG), Some(7));
    rig.expect("exit 7");
    rig.expect("gone");
    assert!(!link.is_symlink() && !fifo.exists());
    let mut rig = Setup::new().start("sh", &["-c", "kill -9 $$"]);
    assert_eq!(rig.wait_exit(LONG), Some(137));
}

#[test]
fn what_daemonizes_is_waited_for_and_served() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced("cts=1").option("--until-gone"), "daemon sleep=200 wait=cts");
    rig.expect("exit 0");
    called(&mut rig, "wait");
    assert_eq!(rig.processes().len(), 1);
    rig.command("set a cts=0");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=0 woke=1");
    ends(&mut rig, &["sleep=200: ok", "wait=cts: ok"]);
}

#[test]
fn signals_go_through_and_the_command_does_not_outlive_us() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().start("sleep", &["60"]);
    let sim = nix::unistd::Pid::from_raw(i32::try_from(rig.sim_pid()).unwrap());
    nix::sys::signal::kill(sim, Signal::SIGTERM).unwrap();
    assert_eq!(rig.wait_exit(LONG), Some(143));
    rig.expect("exit signal 15");

    let mut rig = Setup::new().start("sleep", &["60"]);
    let pid = rig.pid();
    let sim = nix::unistd::Pid::from_raw(i32::try_from(rig.sim_pid()).unwrap());
    nix::sys::signal::kill(sim, Signal::SIGKILL).unwrap();
    rig.wait_exit(LONG);
    for _ in 0..100 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A zombie of a pid 1 that does not reap is as gone as it gets.
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{pid} outlived the simulator");
}

#[test]
fn wrong_commands_are_errors_in_the_log_and_nothing_else() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().port("a", "").start("sleep", &["60"]);
    for (command, error) in [
        ("sett a cts=1", "error no command `sett`"),
        ("set b cts=1", "error no port `b`"),
        ("set a cts=2", "error the level of cts is `2`, neither 0 nor 1"),
    ] {
        rig.command(command);
        rig.expect(error);
    }
    rig.command("mark still here");
    rig.expect("mark still here");
    assert_eq!(rig.stop(), Some(143));
}
