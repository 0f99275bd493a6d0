//! `make install`, and what the tools of packages say of ours and of the scripts.

use crate::common::debian::{build, package};
use crate::common::{DAEMON, skip};
use crate::scratch::{Scratch, root, said};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Is it there, and runs it with this argument?
fn has(command: &str, argument: &str) -> bool {
    Command::new(command).arg(argument).output().is_ok()
}

fn make_install(to: &Scratch, words: &[&str]) {
    // Not the program of 60 MB: what is in it does not matter here.
    let program = to.0.with_extension("program");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    let done = Command::new("make")
        .current_dir(root())
        .arg("install")
        .arg(format!("DESTDIR={}", to.0.display()))
        .arg(format!("BINARY={}", program.display()))
        .args(words)
        .output()
        .unwrap();
    fs::remove_file(program).unwrap();
    assert!(done.status.success(), "{}", said(&done));
}

#[test]
fn without_an_init_all_scripts_are_examples() {
    let to = Scratch::new("install-none");
    make_install(&to, &[]);
    let files = to.files();
    assert!(files.keys().all(|name| name.starts_with("usr/")), "{files:?}");
    assert_eq!(files["usr/sbin/upsentry"], 0o755);
    assert_eq!(files["usr/share/man/man8/upsentry.8"], 0o644);
    let examples = "usr/share/doc/upsentry/examples";
    assert_eq!(files[&format!("{examples}/sysvinit/ups-monitor")], 0o755);
    assert!(files.contains_key(&format!("{examples}/upsentry.conf")));
    // Each of the inits that there are scripts for.
    for init in ["sysvinit", "openrc", "runit", "systemd"] {
        let there = root().join("packaging").join(init).exists();
        let shown = files.keys().any(|name| name.starts_with(&format!("{examples}/{init}/")));
        assert_eq!(there, shown, "{init}");
    }
}

#[test]
fn sysvinit_s_scripts_are_put_in_their_places() {
    let to = Scratch::new("install-sysvinit");
    make_install(&to, &["INIT=sysvinit", "PREFIX=/usr/local", "SBINDIR=/sbin"]);
    let files = to.files();
    for (name, mode) in [
        ("sbin/upsentry", 0o755),
        ("sbin/upsentry.power", 0o755),
        ("etc/init.d/upsentry", 0o755),
        ("etc/init.d/ups-monitor", 0o755),
        ("etc/default/upsentry", 0o644),
        ("etc/upsentry.conf", 0o600),
    ] {
        assert_eq!(files.get(name), Some(&mode), "{name}: {files:?}");
    }
    for name in ["fail", "ok", "low", "dumb"] {
        let link = fs::read_link(to.0.join(format!("sbin/upsentry.{name}"))).unwrap();
        assert_eq!(link, Path::new("upsentry.power"));
    }
    let link = fs::read_link(to.0.join("etc/init.d/powerfail")).unwrap();
    assert_eq!(link, Path::new("/sbin/upsentry.power"));
    // What is called is what was installed.
    let tab = to.read("usr/local/share/doc/upsentry/examples/sysvinit/inittab");
    assert!(tab.contains("respawn:/sbin/upsentry -f") && !tab.contains("/usr/sbin"), "{tab}");
    assert!(!to.read("etc/init.d/upsentry").contains("/usr/sbin/upsentry"));
}

/// Twice, over what an administrator and other packages have there.
#[test]
fn what_is_there_stays() {
    let to = Scratch::new("install-over");
    to.write("etc/default/upsentry", "WALL=\n");
    to.write("etc/upsentry.conf", "# mine\n");
    to.write("etc/init.d/ups-monitor", "#!/bin/sh\n# apcupsd's\n");
    to.write("etc/init.d/powerfail", "#!/bin/sh\n# mine\n");
    for _ in 0..2 {
        make_install(&to, &["INIT=sysvinit"]);
        assert_eq!(to.read("etc/default/upsentry"), "WALL=\n");
        assert_eq!(to.read("etc/upsentry.conf"), "# mine\n");
        assert_eq!(to.read("etc/init.d/ups-monitor"), "#!/bin/sh\n# apcupsd's\n");
        assert_eq!(to.read("etc/init.d/powerfail"), "#!/bin/sh\n# mine\n");
    }
}

#[test]
fn a_powstatd_conf_stays_in_force() {
    let to = Scratch::new("install-powstatd");
    to.write("etc/powstatd.conf", "watch ttyS0\n");
    make_install(&to, &["INIT=sysvinit"]);
    assert!(!to.files().contains_key("etc/upsentry.conf"));
}

/// Which program is in it does not matter here; `make reproducible` compiles it twice.
#[test]
fn two_packages_are_the_same_bytes() {
    let Some(one) = package() else { return };
    let place = Scratch::new("another-place");
    let Some(two) = build(&place.0.join("deeper"), "0.1.0") else { return };
    assert!(fs::read(one).unwrap() == fs::read(two).unwrap(), "they differ");
}

#[test]
fn lintian_finds_nothing() {
    if !has("lintian", "--version") {
        skip("needs lintian: `tests/install` installs it");
        return;
    }
    let Some(package) = package() else { return };
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--info", "--fail-on", "error,warning"]);
    if !root().join("packaging/systemd/upsentry.service").exists() {
        lintian.args(["--suppress-tags", "missing-systemd-service-for-init.d-script"]);
    }
    let done = lintian.arg(package).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
}

/// All scripts for a shell below `packaging`, found by their first lines.
fn scripts(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            scripts(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let first = text.lines().next().unwrap_or_default();
            let shell = ["#!/bin/sh", "#!/sbin/openrc-run", "#!/bin/bash", "#!/usr/bin/env bash"];
            if shell.iter().any(|shell| first.starts_with(shell)) {
                found.push(path);
            }
        }
    }
}

#[test]
fn shellcheck_finds_nothing() {
    if !has("shellcheck", "--version") {
        skip("needs shellcheck: `tests/install` installs it");
        return;
    }
    let mut found = vec![root().join("tests/install")];
    scripts(&root().join("packaging"), &mut found);
    assert!(found.len() >= 12, "{found:?}");
    for path in found {
        let mut command = Command::new("shellcheck");
        if fs::read_to_string(&path).unwrap().starts_with("#!/sbin/openrc-run") {
            command.args(["-s", "sh", "-e", "SC2034"]);
        }
        let done = command.arg(&path).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
    }
}

/// The program that the package has is the one that the tests run.
#[test]
fn the_package_s_program_runs() {
    let Some(package) = package() else { return };
    let to = Scratch::new("unpacked");
    let done = Command::new("dpkg").arg("-x").arg(package).arg(&to.0).status().unwrap();
    assert!(done.success());
    let version = |program: &Path| said(&Command::new(program).arg("--version").output().unwrap());
    assert_eq!(version(&to.0.join("usr/sbin/upsentry")), version(Path::new(DAEMON)));
}
