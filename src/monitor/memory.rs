//! What one monitor leaves to the next in a shared page: the time that a UPS has spent on battery.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::monitor::power::Ups;

/// Words of one UPS.
pub(super) const WORDS: usize = 2;
/// No outage lasts longer than this in our memory.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Two words of the page, in ms: the time spent, and since when it runs on (0: it does not).
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory([Option<&'static AtomicU64>; 2]);

impl Memory {
    pub(super) fn new(words: [Option<&'static AtomicU64>; 2]) -> Memory {
        Memory(words)
    }

    /// What the monitor before left. It may have been hostile, but can do no more with this than it could
    /// with an `S`, or by keeping silent.
    pub(super) fn spent(self, now: Duration) -> Duration {
        let [Some(word), Some(at)] = self.0 else {
            return Duration::ZERO;
        };
        let spent = Duration::from_millis(word.load(Ordering::Relaxed)).min(LONGEST);
        let running = match at.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            at => now.saturating_sub(Duration::from_millis(at)),
        };
        spent.saturating_add(running).min(LONGEST)
    }

    /// Leaves the time on battery to the next monitor, should this one die.
    pub(super) fn remember(self, now: Duration, ups: &Ups) {
        let [Some(word), Some(at)] = self.0 else {
            return;
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        word.store(millis(ups.spent(now)), Ordering::Relaxed);
        at.store(if ups.on_battery() { millis(now) } else { 0 }, Ordering::Relaxed);
    }
}
