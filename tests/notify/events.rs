//! Each event runs the command, with the right words, as the right user.

use crate::common::jail::{Status, descriptors, limits, signals};
use crate::common::need_root;
use crate::delivery::{Daemon, LONG, MAINS, POWER99, one};
use crate::rig::{USER, alone, printed, rig, start, theirs, wait};
use std::fs;
use std::time::{Duration, Instant};

/// Says all that the command is told.
const SAYS: &str = r#"echo "args $# $1 $2 $3/$4/$5/$6"
echo "env $UPSENTRY_EVENT/$UPSENTRY_UPS/$UPSENTRY_TEXT/$UPSENTRY_DURATION/""#;

/// An outage through to its end, and contact lost and found.
#[test]
fn each_event_runs_the_command() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let mut daemon = start(SAYS, "");
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    wait(&daemon, "fail ups: args 6 one two fail/ups/UPS ups is on battery/", LONG);
    wait(&daemon, "fail ups: env fail/ups/UPS ups is on battery//", LONG);
    daemon.set("set a dcd=0");
    daemon.told(2, "powerfailnow");
    wait(&daemon, "low ups: env low/ups/the battery of UPS ups is low, after 0s on", LONG);
    std::thread::sleep(Duration::from_millis(1100));
    daemon.set("set a cts=1 dcd=1");
    daemon.told(3, "powerok");
    let said = wait(&daemon, "ok ups: env ok/ups/UPS ups is back on mains after ", LONG);
    let seconds: u64 = said[0].rsplit('/').nth(1).unwrap().parse().unwrap();
    assert!((1..60).contains(&seconds), "{said:?}");
}

/// All inputs zero at once is a cable that is pulled, or may be.
#[test]
fn contact_lost_and_found_run_the_command() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let mut daemon = start(SAYS, "cable-grace 60s\n");
    daemon.set("set a cts=0 dcd=0");
    wait(&daemon, "fail ups: env fail/ups/", LONG);
    wait(&daemon, "lost ups: env lost/ups/contact with UPS ups is lost//", LONG);
    daemon.set("set a cts=1 dcd=1");
    wait(&daemon, "found ups: env found/ups/UPS ups is in contact again after ", LONG);
    wait(&daemon, "ok ups: env ok/ups/UPS ups is back on mains after ", LONG);
}

#[test]
fn a_shutdown_runs_the_command() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let mut daemon = start(SAYS, "shutdown-after 1s\nnotify shutdown low\n");
    daemon.set("set a cts=0");
    wait(
        &daemon,
        "shutdown ups: env shutdown/ups/this machine goes down, for UPS ups, after ",
        LONG,
    );
    // Only what is chosen.
    let fails = printed(&daemon).iter().filter(|line| line.starts_with("fail")).count();
    assert_eq!(fails, 0, "{}", daemon.rig.stderr());
}

/// Numbers and words of ours only: the monitor's words for it, which the file has, are not passed on.
#[test]
fn the_first_start_after_an_outage_runs_the_command() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let (setup, conf) = rig(SAYS, "");
    let line = "seq=0 2026-11-21T02:14:07Z boot=00000000-1 told=LOW cause=seen ups=ups battery=650 \
                why=\"of-the-monitor\"";
    fs::write(setup.path("history"), format!("{line:<255}\n")).unwrap();
    let daemon = Daemon::on(setup, &conf);
    let said = wait(&daemon, "started-after-outage ups: env ", LONG);
    let expected =
        "started again after an outage of UPS ups: 10m50s on battery; init was told LOW, ";
    assert!(said[0].contains(expected) && said[0].ends_with("/650/"), "{said:?}");
    assert!(printed(&daemon).iter().all(|line| !line.contains("of-the-monitor")));
}

/// A monitor that takes another's place says what was known before.
#[test]
fn a_new_monitor_is_no_event() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let mut daemon = start(SAYS, "");
    daemon.set("set a cts=0");
    wait(&daemon, "fail ups: env", LONG);
    let old = daemon.process("upsentry-mon").unwrap();
    let pid = nix::unistd::Pid::from_raw(old.try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let end = Instant::now() + LONG;
    let again = "upsentry-mon: ups: on battery";
    while daemon.rig.stderr().matches(again).count() < 2 {
        assert!(Instant::now() < end, "{}", daemon.rig.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.set("set a cts=1");
    wait(&daemon, "ok ups: env", LONG);
    assert_eq!(wait(&daemon, "fail ups: env", LONG).len(), 1, "{}", daemon.rig.stderr());
}

#[test]
fn without_a_command_there_is_no_process() {
    if !need_root() {
        return;
    }
    let daemon = Daemon::start(POWER99, MAINS);
    assert_eq!(daemon.process("upsentry-notify"), None);
}

/// What no other uid of ours may be, and what nobody but root may write.
#[test]
fn what_is_refused_at_start() {
    if !need_root() {
        return;
    }
    for (user, command, expected) in [
        ("64998", "/bin/true", "`notify-user' and `user' must differ"),
        ("64999", "/bin/true", "`notify-user' and `notifier-user' must differ"),
        ("0", "/bin/true", "uid 0 is root"),
        ("64995", "/nonexistent", "notify-command /nonexistent: No such file"),
        ("64995", "OWN", "must be root's, and nobody else may write to it"),
    ] {
        let setup = crate::common::sim::Setup::new().port("a", MAINS);
        let own = setup.write("own", "#!/bin/sh\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(&own, mode).unwrap();
        let command = command.replace("OWN", own.to_str().unwrap());
        let text = format!("{POWER99}notify-command {command}\nnotify-user {user}\n");
        let conf = one(&setup, &text);
        let daemon = Daemon::unready(setup, &conf);
        daemon.says(expected);
    }
}

/// In /proc, while a command runs; and what it says of itself.
#[test]
fn command_and_process_have_no_right() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let script = "tr '\\0' ' ' </proc/self/environ; echo; ls -l /proc/self/fd; touch /tmp/x /x; exec sleep 20";
    let mut daemon = start(script, "");
    daemon.set("set a cts=0");
    wait(&daemon, "fail ups: touch: cannot touch '/x'", LONG);
    wait(&daemon, "fail ups: touch: cannot touch '/tmp/x'", LONG);
    let end = Instant::now() + LONG;
    let sleeps = || theirs().into_iter().find(|(_, name)| name == "sleep").map(|(pid, _)| pid);
    let command = loop {
        match sleeps() {
            Some(pid) => break pid,
            None => assert!(Instant::now() < end, "{:?} {}", theirs(), daemon.rig.stderr()),
        }
    };
    let watcher = daemon.process("upsentry-notify").unwrap();
    for pid in [command, watcher] {
        let status = Status::of(pid).unwrap();
        for field in ["Uid", "Gid"] {
            assert_eq!(status.get(field), [USER.to_string().as_str(); 4].join(" "));
        }
        assert_eq!((status.get("Groups"), status.get("NoNewPrivs")), ("", "1"));
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status.mask(set), 0, "{set}");
        }
        let limits = limits(pid);
        assert_eq!(limits["Max processes"].1, "64");
        assert_eq!(limits["Max core file size"].1, "0");
    }
    let open: Vec<(i32, String)> =
        descriptors(command).into_iter().map(|(fd, (target, _))| (fd, target)).collect();
    let [(0, null), (1, out), (2, err)] = open.as_slice() else { panic!("{open:?}") };
    assert!(null == "/dev/null" && out.starts_with("pipe:") && out == err, "{open:?}");
    let status = Status::of(command).unwrap();
    // 32 and 33 are the C library's: it lets nobody touch them.
    let known = signals(&[32, 33]);
    assert_eq!((status.mask("SigBlk") & !known, status.mask("SigIgn") & !known), (0, 0));
    let environment = wait(&daemon, "fail ups: PATH=", LONG);
    assert!(environment[0].starts_with(
        "fail ups: PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LANG=C UPSENTRY_EVENT=fail UPSENTRY_UPS=ups "
    ));
}

/// The rule's name and its text, which no byte of the monitor's has touched.
#[test]
fn a_rule_s_words_run_the_command() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let rule =
        "rule cold: if ups.status has OB then notify \"no mains; rm -rf $HOME\"\nnotify notice\n";
    let script = "echo \"args $# $3/$4/$5/$6 rule $UPSENTRY_RULE\"";
    let mut daemon = start(script, rule);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    let said = wait(&daemon, "notice cold: args", LONG);
    assert_eq!(said, ["notice cold: args 6 notice//no mains; rm -rf $HOME/ rule cold"]);
}
