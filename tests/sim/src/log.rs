//! The log: one line per thing that happened, monotonic nanoseconds first, written line by line.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::fmt;
use std::io::Write;

/// Now, in nanoseconds of CLOCK_MONOTONIC.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(TimeSpec::new(0, 0));
    let part = |n: i64| u64::try_from(n).unwrap_or_default();
    part(time.tv_sec()) * 1_000_000_000 + part(time.tv_nsec())
}

/// Where the lines go.
pub struct Log {
    out: Box<dyn Write>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

impl Log {
    /// A log that writes to `out`, each line with one write.
    pub fn new(out: Box<dyn Write>) -> Self {
        Self { out }
    }

    /// Writes one line. A log that cannot be written is no reason to stop answering.
    pub fn line(&mut self, nanos: u64, what: fmt::Arguments<'_>) {
        let line = format!("{nanos} {what}\n");
        let _ = self.out.write_all(line.as_bytes());
        let _ = self.out.flush();
    }

    /// Writes one line with the time of now.
    pub fn note(&mut self, what: fmt::Arguments<'_>) {
        self.line(now(), what);
    }
}
