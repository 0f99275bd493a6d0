//! Programs of NUT's that run, and the socket of a driver.

use super::LONG;
use crate::common::sim::below;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// A running program of NUT's; ended when dropped.
#[derive(Debug)]
pub struct Process {
    pub(super) child: Child,
    pub(super) log: PathBuf,
}

impl Process {
    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said this.
    pub fn says(&self, words: &str) {
        let end = Instant::now() + LONG;
        while !self.log().contains(words) {
            assert!(Instant::now() < end, "no `{words}` in: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops it where it stands, or lets it go on.
    pub fn freeze(&self, freeze: bool) {
        self.signal(if freeze { Signal::SIGSTOP } else { Signal::SIGCONT });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it and its children at once.
    pub fn kill(&mut self) {
        if self.runs() {
            let mut all = below(self.child.id());
            all.insert(0, self.child.id());
            all.into_iter().for_each(|pid| send(pid, Signal::SIGKILL));
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn send(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(i32::try_from(pid).expect("a process id")), signal);
}

/// A running upsmon, and what its shutdown command makes.
#[derive(Debug)]
pub struct Upsmon {
    pub process: Process,
    pub(super) marker: PathBuf,
}

impl Upsmon {
    /// Whether it has run its shutdown command.
    pub fn shut_down(&self) -> bool {
        self.marker.exists()
    }

    /// Tells it to shut down, UPS or no UPS, as `upsmon -c fsd` does.
    pub fn force(&self) {
        below(self.process.child.id()).into_iter().for_each(|pid| send(pid, Signal::SIGUSR1));
    }

    /// Waits until it has.
    pub fn expect_shutdown(&self) {
        let end = Instant::now() + LONG;
        while !self.shut_down() {
            assert!(Instant::now() < end, "upsmon does not shut down: {}", self.process.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A driver's socket, as a client such as upsd has it.
#[derive(Debug)]
pub(super) struct Line {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Line {
    pub(super) fn to(path: &Path) -> Option<Self> {
        let stream = UnixStream::connect(path).ok()?;
        stream.set_read_timeout(Some(LONG)).ok()?;
        let lines = BufReader::new(stream.try_clone().ok()?);
        Some(Self { stream, lines })
    }

    /// Sends a line, and reads until it was taken in.
    pub(super) fn ask(&mut self, request: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{request}\nPING\n").as_bytes())?;
        let mut line = String::new();
        while line != "PONG\n" {
            line.clear();
            if self.lines.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}
