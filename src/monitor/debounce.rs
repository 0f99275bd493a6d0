//! Which status to believe while a line bounces.

use core::time::Duration;

use crate::config::wiring::Status;

/// Chatter at least so long is reported as the worst status seen in it.
const CHATTER: Duration = Duration::from_secs(1);

/// A status is believed once it has held for the debounce time without a break. Chatter that keeps
/// anything from holding ends in the worst status seen, so that it cannot hide an outage.
#[derive(Clone, Debug, Hash)]
pub(super) struct Debounce {
    hold: Duration,
    chatter: Duration,
    current: Option<Status>,
    /// Since when `current` holds.
    held_since: Duration,
    believed: Option<Status>,
    /// Since when `believed` is true to the lines.
    since: Duration,
    /// Since when the readings differ from what is believed, the worst of them, and when that came first.
    unrest: Option<(Duration, Status, Duration)>,
    glitches: u32,
}

impl Debounce {
    /// With this debounce time; zero: every reading is believed.
    pub(super) fn new(hold: Duration) -> Debounce {
        Debounce {
            hold,
            chatter: CHATTER.max(hold.saturating_mul(10)),
            current: None,
            held_since: Duration::ZERO,
            believed: None,
            since: Duration::ZERO,
            unrest: None,
            glitches: 0,
        }
    }

    /// Takes a reading.
    pub(super) fn reading(&mut self, now: Duration, status: Status) {
        if self.current == Some(status) {
            return;
        }
        self.current = Some(status);
        self.held_since = now;
        if self.believed == Some(status) {
            self.glitches = self.glitches.saturating_add(1);
        }
        self.unrest = Some(match self.unrest {
            None => (now, status, now),
            Some((since, worst, _)) if status > worst => (since, status, now),
            Some(unrest) => unrest,
        });
    }

    /// What to believe at `now`; `None`: nothing has held yet.
    pub(super) fn status(&mut self, now: Duration) -> Option<Status> {
        let held = now.saturating_sub(self.held_since) >= self.hold;
        let chattered = |since| now.saturating_sub(since) >= self.chatter;
        match (self.current, self.unrest) {
            (Some(current), _) if held => {
                self.believe(current, self.held_since);
                self.unrest = None;
            }
            (Some(current), Some((since, worst, first))) if chattered(since) => {
                self.believe(worst, first);
                self.unrest = Some((now, current, now));
            }
            _ => {}
        }
        self.believed
    }

    fn believe(&mut self, status: Status, since: Duration) {
        if self.believed != Some(status) {
            self.believed = Some(status);
            self.since = since;
        }
    }

    /// Since when the believed status holds.
    pub(super) fn since(&self) -> Duration {
        self.since
    }

    /// The lines have just left what is believed: too early to act on it, too early to act on them.
    pub(super) fn unsure(&self, now: Duration) -> bool {
        let young = self.unrest.is_some_and(|(since, ..)| now.saturating_sub(since) < self.hold);
        self.current != self.believed && young
    }

    /// When [`Debounce::status`] or [`Debounce::unsure`] may change without a reading.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let (since, ..) = self.unrest?;
        let times = [(self.held_since, self.hold), (since, self.hold), (since, self.chatter)];
        let times = times.into_iter().map(|(from, delay)| from.saturating_add(delay));
        times.filter(|at| *at > now).min()
    }

    /// A pulse that no reading saw: counted, and what has not held long enough begins again.
    pub(super) fn pulse(&mut self, now: Duration) {
        self.glitches = self.glitches.saturating_add(1);
        if self.current != self.believed {
            self.held_since = now;
        }
    }

    /// Changes too short to be believed, so far.
    pub(super) fn glitches(&self) -> u32 {
        self.glitches
    }
}

#[cfg(test)]
#[path = "debounce_tests.rs"]
mod tests;
