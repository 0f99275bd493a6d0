//! When the next monitor may start: the slow-down after convictions and crashes.

use core::time::Duration;

/// So many replacements in a [`WINDOW`] are free.
const FREE: usize = 20;
/// The window; more than [`FREE`] in it, and there is one a window until a monitor outlives one.
const WINDOW: Duration = Duration::from_secs(60);
/// A monitor killed from outside is replaced at once, but no faster than this.
const SPACING: Duration = Duration::from_millis(100);

/// Remembers the last replacements; never gives up.
#[derive(Clone, Debug, Default, Hash)]
pub struct Respawn {
    /// Starts after a conviction or crash, the oldest at `oldest`.
    counted: [Option<Duration>; FREE],
    oldest: usize,
    started: Option<Duration>,
    slow: bool,
}

impl Respawn {
    /// When a monitor that ended at `now` is to be followed by the next. `counted`: a conviction or a
    /// crash; not so for a SIGKILL from outside.
    pub fn after(&mut self, now: Duration, counted: bool) -> Duration {
        let since = |at: Duration| now.saturating_sub(at);
        let mut start = self.started.map_or(now, |at| now.max(at.saturating_add(SPACING)));
        if counted {
            let full = self.counted.get(self.oldest).copied().flatten();
            self.slow &= self.started.is_some_and(|at| since(at) < WINDOW);
            self.slow |= full.is_some_and(|oldest| since(oldest) < WINDOW);
            if let (true, Some(at)) = (self.slow, self.started) {
                start = start.max(at.saturating_add(WINDOW));
            }
            if let Some(slot) = self.counted.get_mut(self.oldest) {
                *slot = Some(start);
                self.oldest = (self.oldest + 1) % FREE;
            }
        }
        self.started = Some(start);
        start
    }
}

#[cfg(test)]
#[path = "respawn_tests.rs"]
mod tests;
