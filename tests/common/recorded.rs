//! A record of a daemon's values, and what its rules make of it when it is played again.

use super::DAEMON;
use super::sim::Rig;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `upsentry status --watch --record` on a socket, into a file; ended when dropped.
#[derive(Debug)]
pub struct Recorder(Child);

impl Recorder {
    /// Returns once something was written.
    pub fn start(socket: &Path, file: &Path) -> Self {
        let out = File::create(file).expect("a file");
        let mut status = Command::new(DAEMON);
        status.args(["status", "--watch", "--record", "--socket"]).arg(socket);
        let recorder = Self(status.stdout(out).stderr(Stdio::null()).spawn().expect("a recorder"));
        let end = Instant::now() + Duration::from_secs(10);
        while fs::metadata(file).map_or(0, |meta| meta.len()) == 0 {
            assert!(Instant::now() < end, "nothing is recorded");
            std::thread::sleep(Duration::from_millis(10));
        }
        recorder
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `rules replay` says that these rules would have said, as the daemon's log has it.
pub fn replayed(rules: &Path, record: &Path) -> Vec<String> {
    let output = Command::new(DAEMON).args(["rules", "replay"]).args([rules, record]).output();
    let output = output.expect("replay");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}{error}");
    // `TIME NAME: log "TEXT"`.
    let said = text.lines().filter_map(|line| {
        let (_, said) = line.split_once(' ')?;
        let (name, action) = said.split_once(": ")?;
        let text = action.strip_prefix("log \"").or_else(|| action.strip_prefix("notify \""))?;
        Some(format!("{name}: {}", text.strip_suffix('"')?))
    });
    said.collect()
}

/// What the rules of a running daemon have said.
pub fn said(rig: &Rig) -> Vec<String> {
    let log = rig.stderr();
    let lines = log.lines().filter_map(|line| line.strip_prefix("upsentry-mon: rule "));
    lines.map(str::to_owned).collect()
}
