//! Slackware's package: made and put in place by what stands in for makepkg and installpkg, which no Debian has.

use crate::common::need_root;
use crate::scratch::{Scratch, root, said};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The package, made by what stands in for makepkg. `None`: that needs root.
fn made() -> Option<(Scratch, PathBuf)> {
    if !need_root() {
        return None;
    }
    let work = Scratch::new("slackware");
    let done = Command::new(root().join("packaging/slackware/upsentry.SlackBuild"))
        .env("BINARY", root().join("packaging/install"))
        .env("TMP", work.0.join("tmp"))
        .env("OUTPUT", work.0.join("out"))
        .env("ARCH", "x86_64")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let package = work.0.join(format!("out/upsentry-{VERSION}-x86_64-1_upsentry.tgz"));
    Some((work, package))
}

/// Puts it in place, as installpkg does.
fn install(package: &Path, to: &Scratch) {
    let script = format!("tar xzf {} && sh install/doinst.sh && rm -r install", package.display());
    let done = Command::new("sh").arg("-ec").arg(script).current_dir(&to.0).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
}

#[test]
fn it_holds_what_belongs_there_and_keeps_what_was_changed() {
    let Some((_work, package)) = made() else { return };
    let to = Scratch::new("slackware-root");
    install(&package, &to);
    let files = to.files();
    for (name, mode) in [
        ("sbin/upsentry", 0o755),
        ("sbin/upsentry.power", 0o755),
        ("etc/rc.d/rc.upsentry", 0o755),
        ("etc/rc.d/rc.ups-monitor", 0o755),
        ("etc/upsentry.conf", 0o600),
        ("usr/man/man8/upsentry.8.gz", 0o644),
    ] {
        assert_eq!(files.get(name), Some(&mode), "{name}: {files:?}");
    }
    assert!(files.keys().all(|name| !name.ends_with(".new")), "{files:?}");
    assert!(fs::read_link(to.0.join("sbin/upsentry.dumb")).unwrap().ends_with("upsentry.power"));
    // Once more, over what was changed; the mode that switches a script off is kept.
    to.write("etc/upsentry.conf", "watch ttyS0\n");
    let off = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(to.0.join("etc/rc.d/rc.upsentry"), off).unwrap();
    install(&package, &to);
    let files = to.files();
    assert_eq!(to.read("etc/upsentry.conf"), "watch ttyS0\n");
    assert_eq!(files["etc/upsentry.conf.new"], 0o600);
    assert_eq!(files["etc/rc.d/rc.upsentry"], 0o644);
    // A powstatd.conf is not put out of force.
    fs::remove_file(to.0.join("etc/upsentry.conf")).unwrap();
    to.write("etc/powstatd.conf", "watch ttyS0\n");
    install(&package, &to);
    assert!(!to.files().contains_key("etc/upsentry.conf"));
}

/// The lines for rc.6, put there as the README says, in both of its lives.
#[test]
fn the_lines_for_rc_6_call_the_hook_at_a_halt_only() {
    let Some((_work, package)) = made() else { return };
    let to = Scratch::new("slackware-halt");
    install(&package, &to);
    let doc = format!("usr/doc/upsentry-{VERSION}");
    let readme = to.read(&format!("{doc}/README.slackware"));
    let edit = readme.lines().find_map(|line| line.trim().strip_prefix("sed -i ")).unwrap();
    to.write(
        "rc.0",
        "shutdown_command=poweroff\n# Now halt (poweroff with APM or ACPI enabled kernels) or reboot.\necho off\n",
    );
    let edit =
        edit.replace("rc.6.lines", &format!("{doc}/rc.6.lines")).replace("/etc/rc.d/rc.6", "rc.0");
    to.write("hook", "#!/bin/sh\necho hook $1\n");
    let script = format!(
        "sed -i {edit}\nsed -i 's,/etc/rc.d/rc.ups-monitor,./hook,g' rc.0\nchmod 755 hook\nsh ./rc.0\ncp rc.0 rc.6; sh ./rc.6"
    );
    let done = Command::new("sh").arg("-ec").arg(script).current_dir(&to.0).output().unwrap();
    assert_eq!(said(&done), "hook poweroff\noff\noff\n");
}
