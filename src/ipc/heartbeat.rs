//! When a supervisor hears that the daemon lives.

use core::time::Duration;

/// It is fed so often in the time after which it would act.
const PARTS: u32 = 3;
/// Less than this and one replacement of a hanging monitor is too much: on mains three frames of life are
/// missed, then the next generation has to say its first one, and a third of the time may have passed before.
pub const ENOUGH: Duration = Duration::from_secs(90);

/// Feeds a watchdog with the monitor's frames of life, and with nothing else while the mains is on.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    every: Duration,
    fed_at: Option<Duration>,
    heard: bool,
}

impl Heartbeat {
    /// The supervisor acts when it was not fed for so long.
    pub fn new(limit: Duration) -> Heartbeat {
        Heartbeat { every: limit / PARTS, fed_at: None, heard: false }
    }

    /// A frame of life was let pass.
    pub fn heard(&mut self) {
        self.heard = true;
    }

    /// Once a round: is it to be fed now? In an outage it is, whatever becomes of monitors: a daemon that was
    /// ended would count anew how long it is blind, and its next start may be too late to tell init.
    pub fn due(&mut self, now: Duration, outage: bool) -> bool {
        let lives = core::mem::take(&mut self.heard) || outage;
        let due = lives && self.fed_at.is_none_or(|at| now >= at.saturating_add(self.every));
        if due {
            self.fed_at = Some(now);
        }
        due
    }

    /// When a round has to come for it: never while the mains is on, because frames come by themselves.
    pub fn next(&self, outage: bool) -> Option<Duration> {
        self.fed_at.filter(|_| outage).map(|at| at.saturating_add(self.every))
    }
}

#[cfg(test)]
#[path = "heartbeat_tests.rs"]
mod tests;
