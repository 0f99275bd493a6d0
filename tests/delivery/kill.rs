//! `upsentry -k`: the last act of a halt.

use crate::common::sim::{Kind, Rig, Setup};
use crate::common::{DAEMON, need_root};
use crate::rig::{LONG, between, one};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use upsentry::ipc::legal::Power;
use upsentry::ipc::record::{Boot, Entry};
use upsentry::ipc::told::{Told, Word};
use upsentry::notifier::state::current_boot;

const SHORT: &str = "settle 200ms\nkill-hold 400ms\n";

/// Runs `-k` alone on port `a`.
fn run(ups: &str, lines: &str) -> (Rig, Option<i32>) {
    let setup = Setup::new().port("a", lines);
    let conf = one(&setup, &format!("{ups}{SHORT}"));
    let mut rig = setup.start(DAEMON, &["-c", conf.to_str().unwrap(), "-k"]);
    let code = rig.wait_exit(LONG);
    (rig, code)
}

/// Every level of DTR and RTS since the speed was first 0, with its time.
fn outputs(rig: &mut Rig) -> Vec<(u64, bool, bool)> {
    let from = rig.log().iter().position(|event| event.text.starts_with("a termios speed=0"));
    let events = rig.log().iter().skip(from.unwrap_or(0));
    let outs = events.filter_map(|event| match event.kind {
        Kind::Out { dtr, rts, .. } => Some((event.nanos, dtr, rts)),
        _ => None,
    });
    outs.collect()
}

/// When the port was closed for the last time.
fn closed(rig: &mut Rig) -> u64 {
    rig.log().iter().rfind(|event| event.is("a close")).map(|event| event.nanos).expect("closed")
}

#[test]
fn on_battery_it_is_sent_and_left_so() {
    if !need_root() {
        return;
    }
    for lines in ["cts=0,dcd=1", "cts=0,dcd=0,dsr=1", ""] {
        let (mut rig, code) = run("model power99\n", lines);
        assert_eq!(code, Some(0), "{lines}: {}{}", rig.stdout(), rig.stderr());
        let outputs = outputs(&mut rig);
        let (sent, dtr, rts) = *outputs.last().expect("outputs were driven");
        assert!(dtr && !rts, "{}", rig.log_text());
        let before = outputs.iter().rev().skip(1);
        assert!(
            before.clone().all(|(_, dtr, _)| !dtr),
            "it was raised too early: {}",
            rig.log_text()
        );
        assert!(between(sent, closed(&mut rig)) >= Duration::from_millis(400), "not held");
    }
}

#[test]
fn on_mains_it_is_not_sent() {
    if !need_root() {
        return;
    }
    for (lines, more) in
        [("cts=1,dcd=1", ""), ("cts=1,dcd=0", ""), ("cts=0,dcd=0", "sense dsr 1\n")]
    {
        let (mut rig, code) = run(&format!("model power99\n{more}"), lines);
        assert_eq!(code, Some(3), "{lines}: {}{}", rig.stdout(), rig.stderr());
        assert!(outputs(&mut rig).iter().all(|(_, dtr, _)| !dtr), "{}", rig.log_text());
        assert!(rig.stdout().contains("not sent"), "{}", rig.stdout());
    }
}

#[test]
fn a_cable_without_a_kill_line_is_left_alone() {
    if !need_root() {
        return;
    }
    let (mut rig, code) = run("model nitram-elite-500\n", "cts=0,dcd=0");
    assert_eq!(code, Some(3), "{}{}", rig.stdout(), rig.stderr());
    assert!(rig.stdout().contains("no line to drive"), "{}", rig.stdout());
    assert!(!rig.log_text().contains("a open"), "{}", rig.log_text());
}

#[test]
fn a_device_that_is_not_there_is_a_failure() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", "");
    let gone = setup.path("gone");
    let conf = crate::rig::write(&setup, &format!("watch {}\nmodel power99\n", gone.display()));
    let mut rig = setup.start(DAEMON, &["-c", conf.to_str().unwrap(), "-k"]);
    assert_eq!(rig.wait_exit(LONG), Some(1), "{}", rig.stderr());
    assert!(rig.stderr().contains("no such device"), "{}", rig.stderr());
}

#[test]
fn a_break_is_sent_and_held() {
    if !need_root() {
        return;
    }
    // Powerware 5119: `kill break`.
    let (mut rig, code) = run("model powerware-5119\n", "cts=0,dcd=1");
    assert_eq!(code, Some(0), "{}{}", rig.stdout(), rig.stderr());
    let breaks: Vec<(u64, bool)> = rig
        .log()
        .iter()
        .filter_map(|event| match event.kind {
            Kind::Break { on, .. } => Some((event.nanos, on)),
            _ => None,
        })
        .collect();
    let [(on, true), (off, false)] = breaks[..] else { panic!("{}", rig.log_text()) };
    assert!(between(on, off) >= Duration::from_millis(400), "{}", rig.log_text());
}

/// A shell under the simulator with a configuration for port `a`.
fn shell(lines: &str) -> (Rig, String) {
    let setup = Setup::new().port("a", lines);
    let conf = one(&setup, &format!("model power99\n{SHORT}"));
    let command = format!("{DAEMON} -c {}", conf.display());
    (setup.start("sh", &[""; 0]), command)
}

fn says(rig: &Rig, words: &str) {
    let end = std::time::Instant::now() + LONG;
    while !rig.stderr().contains(words) {
        assert!(std::time::Instant::now() < end, "no `{words}`: {}{}", rig.stdout(), rig.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_daemon_that_holds_the_port_does_not_keep_it_away() {
    if !need_root() {
        return;
    }
    let (mut rig, command) = shell("cts=0,dcd=1");
    rig.input(&format!("{command} -f --log stderr </dev/null &"));
    says(&rig, "ready: ");
    rig.input(&format!("{command} -k; echo code $? >&2"));
    says(&rig, "code 0");
    assert!(matches!(outputs(&mut rig).last(), Some((_, true, _))), "{}", rig.log_text());
}

#[test]
fn nothing_needs_to_be_writable() {
    if !need_root() {
        return;
    }
    let (mut rig, command) = shell("cts=0,dcd=1");
    let dir = rig.setup().path("");
    let dir = dir.display();
    rig.input(&format!(
        "unshare --mount sh -c '\
         cut -d \" \" -f 2 /proc/self/mounts | while read -r at; do mount -o remount,bind,ro \"$at\"; done 2>/dev/null; \
         touch {dir}/x /run/x /tmp/x && echo writable >&2; {command} -k; echo code $? >&2'"
    ));
    says(&rig, "code ");
    assert!(rig.stderr().contains("code 0"), "{}{}", rig.stdout(), rig.stderr());
    assert!(!rig.stderr().contains("writable"), "the namespace is not read-only: {}", rig.stderr());
    assert!(matches!(outputs(&mut rig).last(), Some((_, true, _))), "{}", rig.log_text());
}

/// Runs `-k` for a UPS without lines: `last` is what the state file of this boot says of it, `program` the body of a
/// shell script that is the driver's own program, and `more` goes into the configuration.
fn run_driver(last: Option<Power>, program: &str, more: &str) -> (Rig, Option<i32>) {
    run_driver_after(&current_boot(), last, program, more)
}

/// The same, with the state file of this boot.
fn run_driver_after(
    boot: &Boot,
    last: Option<Power>,
    program: &str,
    more: &str,
) -> (Rig, Option<i32>) {
    let setup = Setup::new().port("a", "");
    let path = setup.write("dummy-ups", &format!("#!/bin/sh\n{program}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    let home = setup.path("").display().to_string();
    let driver = format!("driverpath = {home}\n[rack]\ndriver = dummy-ups\n");
    let ups_conf = setup.write("ups.conf", &driver);
    let ups = format!("ups-conf {}\n{more}ups ups\nwatch driver:rack\n", ups_conf.display());
    let conf = crate::rig::write(&setup, &ups);
    let (now, told) = (Word::Low, Told::Low);
    let seen = [("other", Some(Power::Low), false), ("ups", last, true)];
    let entry = Entry { now, told, at: 0, seen: &seen, slaves: None, cause: None };
    setup.write("state", &entry.text(boot, 1));
    let mut rig = setup.start(DAEMON, &["-c", conf.to_str().unwrap(), "-k"]);
    let code = rig.wait_exit(Duration::from_secs(40));
    (rig, code)
}

/// What a driver's program was called with.
const TELLS: &str = "echo \"$@ $PATH $HOME $LANG\"; ls /proc/self/fd; touch \"${0%/*}/sent\"";

#[test]
fn a_driver_cuts_the_load_if_it_was_last_seen_on_battery() {
    if !need_root() {
        return;
    }
    for last in [Some(Power::Battery), Some(Power::Low)] {
        let (rig, code) = run_driver(last, TELLS, "");
        assert_eq!(code, Some(0), "{}{}", rig.stdout(), rig.stderr());
        let said = rig.stdout();
        assert!(said.contains("-a rack -k /sbin:/usr/sbin:/bin:/usr/bin / C\n"), "{said}");
        // ls opens one more.
        assert!(said.ends_with("\n0\n1\n2\n3\n"), "{said}");
        assert!(rig.setup().path("sent").exists());
    }
    for last in [Some(Power::Mains), None] {
        let (rig, code) = run_driver(last, TELLS, "");
        assert_eq!(code, Some(3), "{}{}", rig.stdout(), rig.stderr());
        assert!(rig.stdout().contains("not sent") && !rig.setup().path("sent").exists());
    }
    // Of another boot.
    let other = Boot { id: "another".to_owned(), ..current_boot() };
    let (rig, code) = run_driver_after(&other, Some(Power::Low), TELLS, "");
    assert_eq!(code, Some(3), "{}{}", rig.stdout(), rig.stderr());
    assert!(!rig.setup().path("sent").exists());
}

#[test]
fn a_driver_waits_for_slaves() {
    if !need_root() {
        return;
    }
    let (rig, code) = run_driver(Some(Power::Low), TELLS, "slave 127.0.0.2\n");
    assert_eq!(code, Some(4), "{}{}", rig.stdout(), rig.stderr());
    assert!(!rig.setup().path("sent").exists());
}

#[test]
fn a_program_that_fails_or_hangs_is_a_failure() {
    if !need_root() {
        return;
    }
    let (rig, code) = run_driver(Some(Power::Low), "exit 7", "");
    assert_eq!(code, Some(1), "{}{}", rig.stdout(), rig.stderr());
    assert!(rig.stderr().contains("kill-command: status 7"), "{}", rig.stderr());
    let hangs = "trap '' TERM; sleep 1000 & echo $! >\"${0%/*}/pid\"; sleep 1000";
    let begin = std::time::Instant::now();
    let (rig, code) = run_driver(Some(Power::Low), hangs, "");
    assert_eq!(code, Some(1), "{}{}", rig.stdout(), rig.stderr());
    assert!(rig.stderr().contains("killed after 30 seconds"), "{}", rig.stderr());
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(35), "{took:?}");
    // And with it all that it started.
    let pid = fs::read_to_string(rig.setup().path("pid")).expect("it ran");
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z"), "{state}");
}

#[test]
fn a_program_that_others_can_write_is_not_run() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", "cts=0,dcd=0");
    let program = setup.write("cut", &format!("#!/bin/sh\n{TELLS}\n"));
    let conf =
        one(&setup, &format!("{SHORT}model power99\nkill-command {} now\n", program.display()));
    let mut rig = setup.start("sh", &[""; 0]);
    let step = |rig: &mut Rig, mode: u32, code: i32| {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).expect("its mode");
        rig.input(&format!("{DAEMON} -c {} -k; echo code $? mode {mode} >&2", conf.display()));
        says(rig, &format!("code {code} mode {mode}"));
    };
    for (mode, code) in [(0o777, 1), (0o755, 0)] {
        step(&mut rig, mode, code);
        assert_eq!(rig.setup().path("sent").exists(), code == 0);
    }
    assert!(rig.stderr().contains("must be root's"), "{}", rig.stderr());
    // The lines say that it is on battery; driving them is the program's business.
    assert!(outputs(&mut rig).iter().all(|(_, dtr, _)| !dtr), "{}", rig.log_text());
}
