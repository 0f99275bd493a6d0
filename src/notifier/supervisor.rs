//! What a supervisor of systemd's protocol hears from the parent: that the start is over, that a monitor lives, what
//! init was told last, that we stop.

use core::fmt;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::ipc::heartbeat::{ENOUGH, Heartbeat};
use crate::notifier::logging::{WARNING, say};
use crate::sys::supervisor::{LIVES, Line};
use crate::sys::text::Text;

/// The parent's side of it.
#[derive(Debug)]
pub(super) struct Supervisor {
    line: Line,
    heartbeat: Option<Heartbeat>,
    /// It knows that the start is over.
    pub(super) ready: bool,
}

impl Supervisor {
    pub(super) fn new(line: Line) -> Supervisor {
        if let Some(limit) = line.watchdog().filter(|limit| *limit < ENOUGH) {
            let (limit, enough) = (limit.as_secs(), ENOUGH.as_secs());
            say(
                WARNING,
                format_args!(
                    "watchdog of {limit}s: it should be {enough}s, else it may end us for a monitor's death"
                ),
            );
        }
        let heartbeat = line.watchdog().map(Heartbeat::new);
        Supervisor { line, heartbeat, ready: false }
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.line.descriptor()
    }

    /// A frame of life was let pass.
    pub(super) fn heard(&mut self) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.heard();
        }
    }

    /// The start is over.
    pub(super) fn started(&mut self, status: fmt::Arguments<'_>) {
        self.ready = self.ready || self.send(format_args!("READY=1\nSTATUS={status}"));
    }

    /// For people, who ask the supervisor.
    pub(super) fn status(&self, status: fmt::Arguments<'_>) {
        self.send(format_args!("STATUS={status}"));
    }

    /// Once a round.
    pub(super) fn feed(&mut self, now: Duration, outage: bool) {
        if self.heartbeat.as_mut().is_some_and(|heartbeat| heartbeat.due(now, outage)) {
            self.line.say(LIVES);
        }
    }

    /// When a round has to come for it.
    pub(super) fn next(&self, outage: bool) -> Option<Duration> {
        self.heartbeat.as_ref().and_then(|heartbeat| heartbeat.next(outage))
    }

    /// We were told to end.
    pub(super) fn stopping(&self) {
        self.send(format_args!("STOPPING=1\nSTATUS=stopping"));
    }

    fn send(&self, words: fmt::Arguments<'_>) -> bool {
        self.line.say(Text::<512>::new(words).bytes())
    }
}
