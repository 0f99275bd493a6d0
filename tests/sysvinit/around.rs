//! Rows of the screen of `check` about what stands around the daemon: what cuts the load at the end of a halt, and what
//! starts the daemon again.

use crate::common::init::SysvInit;
use crate::scripts::{GOOD, INITTAB, boot, check, set_mode};
use std::fs;

/// What a hook of ours has in it.
const CALLS: &str = "#!/bin/sh\n# calls\n/usr/sbin/upsentry kill --wait\n";
const NOTHING: &str = "nothing cuts the load";

/// The screen has this row, and there is such a remark; all remarks.
fn is(rig: &mut SysvInit, config: &str, row: &str, remark: &str) -> String {
    let ran = check(rig, config);
    assert!(ran.stdout.contains(row), "{row}\n{}", ran.stdout);
    assert!(ran.stderr.contains(remark), "{remark}\n{}", ran.stderr);
    let failed = ran.stderr.contains(": error: ");
    assert_eq!(ran.status, if failed { 2 } else { 0 }, "{ran:?}");
    ran.stderr
}

#[test]
fn debian_s_hook_is_ours_or_another_s_or_missing() {
    let Some((mut rig, config)) = boot() else { return };
    let [init, default] = ["etc/init.d", "etc/default"].map(|name| rig.path(name));
    let (hook, halt) = (init.join("ups-monitor"), default.join("halt"));
    let mut is = |row: &str, remark: &str| is(&mut rig, &config, row, remark);
    is("kill hook        NONE: /etc/init.d/ups-monitor is not there", NOTHING);
    is("remember         set the firmware's", "");
    fs::create_dir(init).unwrap();
    fs::create_dir(default).unwrap();
    fs::write(&hook, "#!/bin/sh\n# not upsentry\n/sbin/upsdrvctl shutdown\n").unwrap();
    set_mode(&hook, 0o755);
    is("NONE: /etc/init.d/ups-monitor is not upsentry's", NOTHING);
    fs::write(&hook, CALLS).unwrap();
    set_mode(&hook, 0o644);
    is("NONE: /etc/init.d/ups-monitor is not executable", NOTHING);
    set_mode(&hook, 0o755);
    fs::write(&halt, "# HALT=halt\nHALT=halt\n").unwrap();
    let row =
        "kill hook        /etc/init.d/ups-monitor -> upsentry, called when INIT_HALT=POWEROFF";
    let said = is(row, "/etc/default/halt:2: warning: HALT=halt: a plain `shutdown -h'");
    assert!(!said.contains(NOTHING), "{said}");
    fs::write(&halt, "HALT=halt\nHALT=poweroff\n").unwrap();
    assert!(!is(row, "").contains("HALT="));
}

#[test]
fn hooks_of_other_systems_are_found() {
    let Some((mut rig, config)) = boot() else { return };
    let [init, rc] = ["etc/init.d", "etc/rc.d"].map(|name| rig.path(name));
    let openrc = rig.inside("/run/openrc");
    let mut is = |row: &str, remark: &str| is(&mut rig, &config, row, remark);
    fs::create_dir(&init).unwrap();
    fs::create_dir(&rc).unwrap();
    // Slackware's.
    let (last, called) = (rc.join("rc.0"), rc.join("rc.ups-monitor"));
    fs::write(&last, "#!/bin/sh\n").unwrap();
    is("NONE: /etc/rc.d/rc.0 does not run `upsentry kill'", NOTHING);
    fs::write(&last, "[ -x /sbin/upsentry ] && /sbin/upsentry kill --wait\n").unwrap();
    is("kill hook        /etc/rc.d/rc.0 -> upsentry", "");
    fs::write(&last, "/etc/rc.d/rc.ups-monitor poweroff\n").unwrap();
    is("NONE: /etc/rc.d/rc.0 does not run `upsentry kill'", NOTHING);
    fs::write(&called, CALLS).unwrap();
    set_mode(&called, 0o755);
    is("kill hook        /etc/rc.d/rc.0 -> upsentry", "");
    // OpenRC's.
    fs::create_dir(openrc).unwrap();
    is("NONE: no script in /etc/init.d or /etc/local.d runs", NOTHING);
    fs::write(init.join("upsentry-kill"), "\"$command\" kill --wait\n").unwrap();
    is("kill hook        /etc/init.d/upsentry-kill -> upsentry", "");
}

#[test]
fn the_line_that_starts_it_again_is_shown() {
    let Some((mut rig, config)) = boot() else { return };
    let path = rig.path(INITTAB);
    fs::copy(rig.path("respawn"), rig.path("upsentry")).unwrap();
    let mut is = |row: &str, remark: &str| is(&mut rig, &config, row, remark);
    is("restarted by     nothing that is known", "");
    let text = GOOD.replace("/run/rig/respawn", "/run/rig/upsentry -f");
    fs::write(&path, &text).unwrap();
    let said = is("restarted by     inittab 5 \"ue:0123456:respawn\"", "");
    assert!(!said.contains("/etc/inittab:5"), "{said}");
    fs::write(&path, text.replace("0123456", "12345")).unwrap();
    is("inittab 5 \"ue:12345:respawn\"", "/etc/inittab:5: warning: leaves out runlevel 0 or 6");
    fs::write(&path, text.replace("/run/rig/upsentry", "/nonexistent/upsentry")).unwrap();
    is("inittab 5", "/etc/inittab:5: error: /nonexistent/upsentry is not there");
}
