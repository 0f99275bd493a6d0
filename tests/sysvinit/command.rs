//! The halt command, run by the hand with root's rights.

use crate::common::init::{SOON, SysvInit};
use crate::{BATTERY, LOW, assert_filtered};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Notes how it was run, then ends as it is told. Its own status it reads by itself: a shell that waits for
/// another command blocks signals for a moment.
const HALT: &str = r#"#!/bin/sh
read -r at rest </proc/uptime
while IFS= read -r line; do echo "$line"; done </proc/$$/status >/run/rig/halt.status
cp /proc/$$/environ /run/rig/halt.environ
ls -l /proc/self/fd >/run/rig/halt.fds
pwd >/run/rig/halt.cwd
readlink /proc/$$/root >/run/rig/halt.root
echo "$at $*" >>/run/rig/halts
"#;

/// With that as the halt command, and a daemon that runs.
fn boot(status: u8) -> Option<SysvInit> {
    let mut rig = SysvInit::boot("")?;
    let path = rig.executable("halt", &format!("{HALT}exit {status}\n"));
    let config = rig.config(&format!("via command\nhalt {path} -h now \"two words\""));
    let ran = rig.daemon(&config);
    assert_eq!(ran.status, 0, "{}", rig.story());
    Some(rig)
}

fn read(rig: &SysvInit, name: &str) -> String {
    fs::read_to_string(rig.path(name)).unwrap_or_default()
}

/// When the command was run, in seconds.
fn halts(rig: &SysvInit) -> Vec<f64> {
    let text = read(rig, "halts");
    text.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
}

#[test]
fn low_runs_the_halt_command_once_as_root_and_with_nothing_of_ours() {
    let Some(rig) = boot(0) else { return };
    let hand = rig.our("upsentry-hand");
    rig.lines(BATTERY);
    rig.until("FAIL in the state file", SOON, || (rig.state() == "FAIL").then_some(()));
    assert!(halts(&rig).is_empty());
    rig.lines(LOW);
    rig.expect_log("the halt command ended with status 0");
    assert_eq!(rig.state(), "LOW");
    let halts_line = read(&rig, "halts");
    assert!(halts_line.trim_end().ends_with(" -h now two words"), "{halts_line}");

    let status = read(&rig, "halt.status");
    assert_eq!(field(&status, "Uid"), "0\t0\t0\t0");
    assert_eq!(field(&status, "PPid"), hand.inner().to_string());
    assert_eq!(field(&status, "NoNewPrivs"), "0");
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(&status, set), rig.init().field(set), "{set}");
    }
    assert_eq!(field(&status, "SigBlk"), "0000000000000000");
    // As whoever started us had it, but for SIGPIPE, which Rust ignores and exec would hand on.
    let ignored = |mask: &str| u64::from_str_radix(mask, 16).unwrap();
    let (ours, its) = (ignored(hand.field("SigIgn")), ignored(field(&status, "SigIgn")));
    let pipe = 1 << (nix::libc::SIGPIPE - 1);
    assert_eq!((ours & pipe, its), (pipe, ours & !pipe));
    assert_eq!(field(&status, "Seccomp_filters"), rig.init().field("Seccomp_filters"));
    // A session of its own: nothing that ends the daemon's ends it.
    assert_eq!(field(&status, "NSsid"), field(&status, "NSpid"));

    let environment = read(&rig, "halt.environ");
    let mut environment: Vec<_> = environment.split_terminator('\0').collect();
    environment.sort_unstable();
    assert_eq!(environment, ["HOME=/", "LANG=C", "PATH=/sbin:/usr/sbin:/bin:/usr/bin"]);
    assert_eq!(read(&rig, "halt.cwd").trim(), "/");
    assert_eq!(read(&rig, "halt.root").trim(), "/");
    // `ls` has what the script handed on, its own output, and the directory that it lists.
    let fds = read(&rig, "halt.fds");
    let fds: Vec<_> = fds.lines().filter(|line| line.contains(" -> ")).collect();
    let ends = |number: &str, target: &str| {
        let end = format!(" {number} -> {target}");
        fds.iter().any(|line| line.ends_with(&end))
    };
    assert!(ends("0", "/dev/null") && ends("2", "/dev/null"), "{fds:?}");
    assert!(ends("1", "/run/rig/halt.fds"), "{fds:?}");
    assert!(fds.len() == 4 && fds.iter().any(|line| line.contains(" 3 -> /proc/")), "{fds:?}");

    // Once: a further try would come after 10 s.
    std::thread::sleep(Duration::from_millis(11_000));
    assert_eq!(halts(&rig).len(), 1, "{}", rig.story());
    let entries: Vec<_> = rig.scripts().into_iter().map(|script| script.entry).collect();
    assert_eq!(entries, ["rc2"], "init itself is told nothing");
}

#[test]
fn a_halt_command_that_fails_is_run_three_times_10_s_apart() {
    // A status of which the lower seven bits are 0, as those of success.
    let Some(rig) = boot(128) else { return };
    rig.lines(LOW);
    rig.until("three runs", Duration::from_secs(40), || (halts(&rig).len() == 3).then_some(()));
    rig.expect_log("the halt command failed with status 128; no more tries");
    assert_eq!(
        rig.log().matches("the halt command failed with status 128; again in 10s").count(),
        2
    );
    let at = halts(&rig);
    for pair in at.windows(2) {
        let apart = pair[1] - pair[0];
        assert!((9.9..13.0).contains(&apart), "{apart} s apart: {at:?}");
    }
    std::thread::sleep(Duration::from_millis(10_500));
    assert_eq!(halts(&rig).len(), 3, "{}", rig.story());
    // The daemon lives and watches on.
    assert_eq!(rig.ours().len(), 4, "{}", rig.story());
}

/// Until then the hand is uid 0 and nothing more: it regains its rights only by running the command.
#[test]
fn the_hand_holds_no_right_and_only_its_socket() {
    let Some(rig) = boot(0) else { return };
    let hand = rig.our("upsentry-hand");
    assert_eq!(hand.uids(), [0; 4]);
    assert_eq!(hand.field("Groups"), "");
    let [inheritable, permitted, effective, bounding, ambient] = hand.capabilities();
    assert_eq!([inheritable, permitted, effective, ambient], [0; 4]);
    assert_eq!(bounding, rig.init().capabilities()[3]);
    // The command would inherit both.
    assert_eq!(hand.number("NoNewPrivs"), 0);
    assert_eq!(hand.number("Seccomp_filters"), rig.init().number("Seccomp_filters"));
    let fds = hand.descriptors();
    let numbers: Vec<_> = fds.iter().filter(|(number, _)| *number < 3).collect();
    assert!(numbers.len() == 3 && numbers.iter().all(|(_, target)| target == "/dev/null"));
    assert!(fds.len() == 4 && fds[3].1.starts_with("socket:"), "{fds:?}");
    for name in ["upsentry", "upsentry-warden", "upsentry-mon"] {
        assert_filtered(&rig.our(name), &rig);
        assert_eq!(rig.our(name).capabilities(), [0; 5], "{name}");
    }
}

/// A halt command that others may change would make them root.
#[test]
fn a_halt_command_that_is_not_roots_alone_is_refused() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let Some(mut rig) = SysvInit::boot("") else { return };
    let path = rig.executable("halt", "#!/bin/sh\n");
    let config = rig.config(&format!("via command\nhalt {path}"));
    let refused = |rig: &mut SysvInit, why: &str| {
        let ran = rig.daemon(&config);
        assert_eq!(ran.status, 1, "{why}: {}", rig.story());
        assert!(ran.stderr.contains(path.as_str()), "{why}: {}", ran.stderr);
        rig.until("the end of all", SOON, || rig.ours().is_empty().then_some(()));
    };
    let outside = rig.path("halt");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    mode(&outside, 0o777).unwrap();
    refused(&mut rig, "writable to all");
    mode(&outside, 0o644).unwrap();
    refused(&mut rig, "not executable");
    mode(&outside, 0o755).unwrap();
    chown(&outside, Some(64001), None).unwrap();
    refused(&mut rig, "the monitor's");
    fs::remove_file(&outside).unwrap();
    refused(&mut rig, "absent");
}
