//! A daemon with a notify command, and what that printed: all that it can do is print.

use crate::common::jail::Status;
use crate::common::sim::Setup;
use crate::delivery::{Daemon, MAINS, POWER99, one};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The notify command's user.
pub(crate) const USER: u32 = 64_995;

/// A rig with one port on mains and this shell script as the notify command; and its configuration, with `more`.
pub(crate) fn rig(script: &str, more: &str) -> (Setup, PathBuf) {
    let setup = Setup::new().port("a", MAINS);
    let command = setup.write("command", &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
    // Others may look for a program in it, as in any directory of programs.
    fs::set_permissions(setup.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let notify = format!("notify-command {} one two\nnotify-user {USER}\n", command.display());
    let grace = if more.contains("cable-grace") { "" } else { "cable-grace 0s\n" };
    let conf = one(&setup, &format!("{POWER99}low-after 0s\n{grace}{notify}{more}"));
    (setup, conf)
}

/// The daemon on such a rig, ready.
pub(crate) fn start(script: &str, more: &str) -> Daemon {
    let (setup, conf) = rig(script, more);
    Daemon::on(setup, &conf)
}

/// What the log says under the hook's tag.
pub(crate) fn printed(daemon: &Daemon) -> Vec<String> {
    let log = daemon.rig.stderr();
    let lines = log.lines().filter_map(|line| line.strip_prefix("upsentry-notify: "));
    lines.map(str::to_owned).collect()
}

/// Waits until a line under the hook's tag begins so; all that begin so.
pub(crate) fn wait(daemon: &Daemon, line: &str, time: Duration) -> Vec<String> {
    let end = Instant::now() + time;
    loop {
        let all = printed(daemon).into_iter().filter(|printed| printed.starts_with(line));
        let found: Vec<String> = all.collect();
        if !found.is_empty() {
            return found;
        }
        assert!(Instant::now() < end, "no `{line}` in {}", daemon.rig.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes of the notify command's user.
pub(crate) fn theirs() -> Vec<(u32, String)> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let own = pids.filter_map(|pid| {
        let status = Status::of(pid)?;
        let uid = status.get("Uid").split(' ').next()?.parse::<u32>().ok()?;
        (uid == USER && !status.get("State").starts_with('Z'))
            .then(|| (pid, status.get("Name").to_owned()))
    });
    own.collect()
}

/// Tests with a process limit for one user, and that look for processes of it, cannot run side by side.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
