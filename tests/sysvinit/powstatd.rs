//! A machine that powstatd watched, as its manual says to set it up: everything goes on with upsentry, from the file and
//! the lines of the inittab as they are.

use crate::common::DAEMON;
use crate::common::init::{Ran, SOON, SysvInit, until};
use crate::{BATTERY, LOW, MAINS};
use nix::sys::signal::Signal;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The manual's example, for the rig's lines.
const CONF: &str = "watch ttyS0\nfail cts 0\nlow dcd 1\ninit rts 1\ninit dtr 0\nkill dtr 1\n";
/// The manual's lines, with what started the daemon itself.
const INITTAB: &str = "id:2:initdefault:\nl2:2:wait:/run/rig/script rc2\n\
    # UPS signals a power outage.\n\
    pf:12345:powerfail:/etc/powstatd.fail\n\
    # UPS signals power restored before the shutdown kicks in.\n\
    pr:12345:powerokwait:/etc/powstatd.ok\n\
    # UPS signals low battery power: emergency shutdown.\n\
    pn:12345:powerfailnow:/etc/powstatd.low\n";

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// That machine, with what a package of ours adds: two users.
fn boot(inittab: &str) -> Option<SysvInit> {
    let mut rig = SysvInit::boot("")?;
    fs::write(rig.path("etc/powstatd.conf"), CONF).unwrap();
    for name in ["fail", "ok", "low"] {
        let script = format!("#!/bin/sh\nexec /run/rig/script powstatd.{name}\n");
        executable(&rig.path(&format!("etc/powstatd.{name}")), &script);
    }
    for (file, more) in [
        ("etc/passwd", "_upsentry:x:64001:64001::/:/x\n_upsentryd:x:64002:64002::/:/x\n"),
        ("etc/group", "_upsentry:x:64001:\n_upsentryd:x:64002:\n"),
    ] {
        let mut file = OpenOptions::new().append(true).create(true).open(rig.path(file)).unwrap();
        file.write_all(more.as_bytes()).unwrap();
    }
    fs::write(rig.path("etc/inittab"), inittab).unwrap();
    assert!(!rig.inside("/etc/upsentry.conf").exists());
    // The history stays in the rig, too.
    for command in ["telinit q", "ln -s /run/rig/ups /dev/ttyS0", "mount -t tmpfs rig /var/lib"] {
        let command = command.replace("telinit", "/run/rig/telinit");
        assert_eq!(rig.run(&command).status, 0, "{command}: {}", rig.story());
    }
    Some(rig)
}

fn upsentry(rig: &mut SysvInit, words: &str) -> Ran {
    rig.run(&format!("{DAEMON} {words}"))
}

#[test]
fn its_file_its_scripts_and_its_options_go_on() {
    let Some(mut rig) = boot(INITTAB) else { return };
    let ran = upsentry(&mut rig, "check");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("/etc/powstatd.conf: 6 lines, 1 UPS, no errors"), "{ran:?}");
    for row in [
        "  mains on       power ok         -> inittab 6 powerokwait   /etc/powstatd.ok\n",
        "  on battery     power fail       -> inittab 4 powerfail     /etc/powstatd.fail\n",
        "  low            power fail now   -> inittab 8 powerfailnow  /etc/powstatd.low\n",
    ] {
        assert!(ran.stdout.contains(row), "{row}{}", ran.stdout);
    }
    // -t: as powstatd's, with the time.
    let ran = rig.run(&format!("timeout -s INT 4 {DAEMON} -t"));
    let rows: Vec<Vec<&str>> =
        ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let head = ["CTS", "DSR", "DCD", "RNG", "RxD", "TxD", "DTR", "RTS", "STATUS"];
    assert_eq!(rows.first().map(|row| &row[1..]), Some(&head[..]), "{ran:?}");
    assert_eq!(rows.last().and_then(|row| row.last()), Some(&"OK"), "{ran:?}");
    // The daemon: a whole outage, told to the old scripts.
    let ran = upsentry(&mut rig, "--log stderr");
    assert_eq!(ran.status, 0, "{}", rig.story());
    assert!(!ran.stderr.contains("/etc/inittab"), "{}", ran.stderr);
    rig.expect_log("ups: on mains");
    for (lines, script, state) in [
        (BATTERY, "powstatd.fail", "FAIL"),
        (MAINS, "powstatd.ok", "OK"),
        (BATTERY, "powstatd.fail", "FAIL"),
        (LOW, "powstatd.low", "LOW"),
    ] {
        rig.lines(lines);
        rig.expect(script, state);
    }
    rig.signal("upsentry", Signal::SIGTERM);
    rig.until("the end of all", SOON, || rig.ours().is_empty().then_some(()));
    // -k, at the end of a halt: on battery it sends, on mains it does not.
    let ran = upsentry(&mut rig, "-k");
    assert_eq!(ran.status, 0, "{ran:?}");
    rig.lines(MAINS);
    let ran = upsentry(&mut rig, "-k");
    assert_eq!(ran.status, 3, "{ran:?}");
}

/// Its daemon, and the line that starts it again.
#[test]
fn one_that_still_runs_is_warned_of() {
    let respawn = "po:2345:respawn:/run/rig/powstatd 1000\n";
    let Some(mut rig) = boot(&format!("{INITTAB}{respawn}")) else { return };
    // Under the name that the kernel shows.
    fs::copy("/bin/sleep", rig.path("powstatd")).unwrap();
    let ran = upsentry(&mut rig, "check");
    let line =
        "/etc/inittab:9: warning: starts powstatd: two monitors are two shutdowns, and two kills";
    assert!(ran.status == 0 && ran.stderr.contains(line), "{ran:?}");
    rig.spawn("/run/rig/powstatd 1000");
    let runs = "warning: powstatd is running (process ";
    until("its powstatd", SOON, || upsentry(&mut rig, "check").stderr.contains(runs).then_some(()));
    let ran = upsentry(&mut rig, "--log stderr");
    assert_eq!(ran.status, 0, "{}", rig.story());
    assert!(ran.stderr.contains(runs), "{}", ran.stderr);
}

/// An empty file of our own would leave the machine unwatched: that is said.
#[test]
fn a_file_of_ours_with_nothing_in_it_is_said_to_hide_it() {
    let Some(mut rig) = boot(INITTAB) else { return };
    fs::write(rig.path("etc/upsentry.conf"), "# watch ttyS0\n").unwrap();
    let ran = upsentry(&mut rig, "check");
    assert_eq!(ran.status, 2, "{ran:?}");
    let hides = "/etc/upsentry.conf: remove it, or /etc/powstatd.conf is not read\n";
    assert!(ran.stderr.contains(hides), "{ran:?}");
    fs::remove_file(rig.path("etc/upsentry.conf")).unwrap();
    assert_eq!(upsentry(&mut rig, "check").status, 0);
}
