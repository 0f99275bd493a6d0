//! Init's FIFO and a halt command, together: neither waits for the other.

use crate::common::sim::Setup;
use crate::common::{DAEMON, need_root};
use crate::rig::{Daemon, POWER99, one};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// A daemon with a halt command that leaves a file and then takes this many seconds.
fn start(seconds: u32, more: &str, how: &[&str]) -> Daemon {
    let setup = Setup::new().port("a", "cts=1,dcd=1,dsr=1");
    let ran = setup.path("ran").display().to_string();
    let halt = setup.write("halt", &format!("#!/bin/sh\ntouch {ran}\nexec sleep {seconds}\n"));
    fs::set_permissions(&halt, fs::Permissions::from_mode(0o755)).expect("its mode");
    let conf = one(&setup, &format!("{POWER99}\nhalt {}\n{more}\n", halt.display()));
    let conf = conf.display().to_string();
    let words = [&["-c", &conf, "--log", "stderr"], how].concat();
    let daemon = Daemon { rig: setup.option("--until-gone").start(DAEMON, &words) };
    daemon.says("ready: ");
    daemon
}

fn halts(daemon: &Daemon) {
    let ran = daemon.rig.setup().path("ran");
    let end = Instant::now() + Duration::from_secs(10);
    while !ran.exists() {
        assert!(Instant::now() < end, "no halt: {}", daemon.rig.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// That init reads nothing is what somebody has a halt command for.
#[test]
fn a_halt_command_runs_while_init_does_not_read() {
    if !need_root() {
        return;
    }
    let mut daemon = start(0, "tell low halt", &["-f"]);
    daemon.set("close-init");
    daemon.set("set a cts=0 dcd=0");
    halts(&daemon);
}

/// In the background: where somebody restarts it, it ends instead.
#[test]
fn a_hand_that_is_gone_is_not_missed_by_what_goes_to_the_fifo() {
    if !need_root() {
        return;
    }
    let mut daemon = start(0, "tell shutdown halt", &[]);
    let hand = daemon.process("upsentry-hand");
    let hand = i32::try_from(hand.expect("a hand")).expect("a process id");
    kill(Pid::from_raw(hand), Signal::SIGKILL).expect("our own process");
    let gone = "the hand is gone";
    daemon.says_times(gone, 1);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.set("set a dcd=0");
    daemon.told(2, "powerfailnow");
    assert_eq!(daemon.rig.stderr().matches(gone).count(), 1, "{}", daemon.rig.stderr());
}

/// What hangs in the halt command does not keep init from being asked.
#[test]
fn a_halt_command_that_hangs_is_insisted_on_by_the_fifo() {
    if !need_root() {
        return;
    }
    let mut daemon = start(60, "tell shutdown halt\nshutdown-after 1s\ninsist 10s", &["-f"]);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    halts(&daemon);
    daemon.told(3, "runlevel");
}
