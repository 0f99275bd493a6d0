//! The monitor's two pipes, and the limit that it puts on itself.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::os::fd::{AsFd, OwnedFd};

use crate::ipc::frame::{Frame, Kind};
use crate::ipc::guard::steps;
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
        let earned = steps(now.saturating_sub(self.refilled), REFILL);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(BURST);
            self.refilled = now;
        }
        self.tokens > 0 && raw::unread(self.events.as_fd()).is_ok_and(|unread| unread < BACKLOG)
    }

    /// When to ask again after a no.
    pub(super) fn again(now: Duration) -> Duration {
        now.saturating_add(REFILL)
    }

    /// An event about a UPS, and before it the line that says why.
    pub(super) fn say(
        &mut self,
        kind: Kind,
        name: &str,
        demanded: bool,
        reason: &dyn fmt::Display,
    ) {
        let (severity, words) = match kind {
            Kind::Ok => (5, "on mains"),
            Kind::Fail => (4, "on battery"),
            Kind::Low => (1, "LOW"),
            Kind::Lost => (4, "contact lost"),
            Kind::Restored => (5, "contact restored"),
            Kind::Shutdown if demanded => (1, "its master goes down: shut down"),
            Kind::Shutdown => (1, "long enough on battery: shut down"),
            Kind::Alive | Kind::Notice => return,
        };
        self.log(severity, format_args!("{name}: {words} ({reason})"));
        self.event(kind, name);
    }

    /// A rule has something for people to hear.
    pub(super) fn notice(&mut self, rule: &str) {
        let now = self.refilled;
        if self.may_speak(now) {
            self.event(Kind::Notice, rule);
        }
    }

    /// The machine has to go down by a rule; what is said of this UPS.
    pub(super) fn demanded(&mut self, ups: &str, rule: &str) {
        self.log(1, format_args!("rule {rule}: shut down"));
        self.event(Kind::Shutdown, ups);
    }

    fn event(&mut self, kind: Kind, name: &str) {
        self.tokens = self.tokens.saturating_sub(1);
        let Some(frame) = Frame::event(kind, name) else { return };
        if let Err(error) = nix::unistd::write(self.events.as_fd(), frame.bytes()) {
            // An event must not be lost: the next monitor begins with the state as it is then.
            log(self.log, 3, format_args!("an event could not be written: {error}"));
            raw::exit(1)
        }
    }

    /// A sign of life, unless the parent has not even read the last one.
    pub(super) fn alive(&self, name: &str) {
        let idle = raw::unread(self.events.as_fd()) == Ok(0);
        if let Some(frame) = Frame::event(Kind::Alive, name).filter(|_| idle) {
            // Two may be missing; of the parent's end the loop learns by poll.
            let _ = nix::unistd::write(self.events.as_fd(), frame.bytes());
        }
    }

    /// A line for the log; severity as in syslog (4 warning, 5 notice, 6 info).
    pub(super) fn log(&self, severity: u8, line: fmt::Arguments<'_>) {
        log(self.log, severity, line);
    }
}

/// Lines that the pipe did not take; only the main thread writes lines.
static LOST: AtomicU32 = AtomicU32::new(0);

/// A line on the log pipe. The log never stops the monitor: what the pipe does not take is lost, and the
/// number of lines said before the next one that it takes.
pub(super) fn log(pipe: &OwnedFd, severity: u8, line: fmt::Arguments<'_>) {
    let lost = LOST.load(Ordering::Relaxed);
    if lost > 0 && put(pipe, 4, format_args!("{lost} log lines of the monitor were lost")) {
        LOST.store(0, Ordering::Relaxed);
    }
    if !put(pipe, severity, line) {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

fn put(pipe: &OwnedFd, severity: u8, line: fmt::Arguments<'_>) -> bool {
    let text = Text::<255>::new(line);
    let frame = Frame::log(severity, text.bytes());
    frame.is_none_or(|frame| nix::unistd::write(pipe, frame.bytes()).is_ok())
}
