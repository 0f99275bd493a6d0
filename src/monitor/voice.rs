//! The monitor's two pipes, and the limit that it puts on itself.

use core::fmt;
use core::time::Duration;
use std::os::fd::{AsFd, OwnedFd};

use crate::ipc::frame::{Frame, Kind};
use crate::sys::raw;
use crate::sys::text::Text;

/// Frames in a burst; well under what convicts.
const BURST: u32 = 20;
/// One more frame is earned each so often (50 a second).
const REFILL: Duration = Duration::from_millis(20);
/// Unread bytes in the pipe above which only L and S are said: the parent is stopped, and a backlog
/// would convict us when it goes on.
const BACKLOG: usize = 512;

/// Writes frames and log lines.
#[derive(Debug)]
pub(super) struct Voice<'a> {
    events: &'a OwnedFd,
    log: &'a OwnedFd,
    tokens: u32,
    refilled: Duration,
}

impl<'a> Voice<'a> {
    pub(super) fn new(events: &'a OwnedFd, log: &'a OwnedFd, now: Duration) -> Voice<'a> {
        Voice { events, log, tokens: BURST, refilled: now }
    }

    /// Whether an event that can wait may be said now; if not, look again in [`REFILL`].
    pub(super) fn may_speak(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.refilled).as_millis() / REFILL.as_millis();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.tokens = self.tokens.saturating_add(earned).min(BURST);
            self.refilled = now;
        }
        self.tokens > 0 && raw::unread(self.events.as_fd()).is_ok_and(|unread| unread < BACKLOG)
    }

    /// When to ask again after a no.
    pub(super) fn again(now: Duration) -> Duration {
        now.saturating_add(REFILL)
    }

    /// An event about a UPS.
    pub(super) fn event(&mut self, kind: Kind, name: &str) {
        self.tokens = self.tokens.saturating_sub(1);
        if let Some(frame) = Frame::event(kind, name) {
            // The only error is that the parent is gone; the loop sees that by poll.
            let _ = nix::unistd::write(self.events.as_fd(), frame.bytes());
        }
    }

    /// A sign of life, unless the parent has not even read the last one.
    pub(super) fn alive(&self, name: &str) {
        let idle = raw::unread(self.events.as_fd()) == Ok(0);
        if let Some(frame) = Frame::event(Kind::Alive, name).filter(|_| idle) {
            let _ = nix::unistd::write(self.events.as_fd(), frame.bytes());
        }
    }

    /// A line for the log; severity as in syslog (4 warning, 5 notice, 6 info).
    pub(super) fn log(&self, severity: u8, line: fmt::Arguments<'_>) {
        log(self.log, severity, line);
    }
}

/// A line on the log pipe.
pub(super) fn log(pipe: &OwnedFd, severity: u8, line: fmt::Arguments<'_>) {
    let text = Text::<255>::new(line);
    if let Some(frame) = Frame::log(severity, text.bytes()) {
        // The log never stops the monitor: a line that does not fit in the pipe is lost.
        let _ = nix::unistd::write(pipe, frame.bytes());
    }
}
