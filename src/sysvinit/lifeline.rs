//! The held descriptor of init's FIFO over months: when to write, when to wait, when to be loud.
//!
//! What happens to it was observed on sysvinit 3.06: a re-executed or signalled init (`telinit u`,
//! SIGUSR1, SIGUSR2) leaves a gap in which the descriptor shows POLLERR and its inode still has a link;
//! an unlinked FIFO (no link) never comes back for us.

use core::time::Duration;

/// First retry after a gap was seen; doubles up to [`RETRY_MOST`].
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest time between retries.
const RETRY_MOST: Duration = Duration::from_secs(1);
/// A gap so long is an emergency ...
const LOUD_AFTER: Duration = Duration::from_secs(10);
/// ... and again each so often.
const LOUD_AGAIN: Duration = Duration::from_secs(60);

/// What the descriptor shows when looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Somebody reads it.
    Reader,
    /// Nobody reads it (POLLERR, EPIPE), or it is full (EAGAIN); its inode has a link.
    Gap,
    /// Its inode has no link: nobody will ever read it again.
    Dead,
}

/// What the caller should log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loud {
    /// Init does not read for so long (EMERG).
    Gap(Duration),
    /// Init reads again after a gap of so long (NOTICE).
    Back(Duration),
    /// The FIFO is gone (EMERG, once).
    Dead,
}

/// State of the held descriptor.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub struct Lifeline {
    gap_since: Option<Duration>,
    retry: Duration,
    retry_at: Option<Duration>,
    loud_at: Option<Duration>,
    was_loud: bool,
    dead: bool,
}

impl Lifeline {
    /// Takes what was seen, says what to log.
    pub fn look(&mut self, now: Duration, look: Look) -> Option<Loud> {
        match look {
            _ if self.dead => None,
            Look::Dead => {
                *self = Lifeline { dead: true, ..Lifeline::default() };
                Some(Loud::Dead)
            }
            Look::Reader => {
                let ended = core::mem::take(self);
                let since = ended.gap_since.filter(|_| ended.was_loud)?;
                Some(Loud::Back(now.saturating_sub(since)))
            }
            Look::Gap => self.gap(now),
        }
    }

    fn gap(&mut self, now: Duration) -> Option<Loud> {
        let since = *self.gap_since.get_or_insert(now);
        let loud_at = *self.loud_at.get_or_insert(now.saturating_add(LOUD_AFTER));
        self.retry = self.retry.saturating_mul(2).clamp(RETRY_FIRST, RETRY_MOST);
        self.retry_at = Some(now.saturating_add(self.retry));
        if now < loud_at {
            return None;
        }
        self.loud_at = Some(now.saturating_add(LOUD_AGAIN));
        self.was_loud = true;
        Some(Loud::Gap(now.saturating_sub(since)))
    }

    /// Whether to watch the descriptor with poll: not in a gap, because POLLERR is level-triggered.
    pub fn watch(&self) -> bool {
        self.gap_since.is_none() && !self.dead
    }

    /// When to look again although nothing was reported.
    pub fn next(&self) -> Option<Duration> {
        self.retry_at
    }

    /// A request may be written now.
    pub fn open(&self) -> bool {
        self.watch()
    }

    /// The FIFO is gone for good.
    pub fn dead(&self) -> bool {
        self.dead
    }
}

#[cfg(test)]
#[path = "lifeline_tests.rs"]
mod tests;
