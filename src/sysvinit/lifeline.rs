//! The held descriptor of init's FIFO over months: when to write, when to wait, when to be loud.
//!
//! What happens to it was observed on sysvinit 3.06: a re-executed or signalled init (`telinit u`,
//! SIGUSR1, SIGUSR2) leaves a gap in which the descriptor shows POLLERR and its inode still has a link;
//! an unlinked FIFO (no link) never comes back for us once init has let go of it. docs/initctl.md tells all.

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
    /// Somebody has it open, and has not read what was written last.
    Unread,
    /// Nobody has it open for reading (POLLERR, EPIPE); its inode has a link.
    Gap,
    /// Its inode has no link; whoever has it open still reads it, until init looks at its path.
    Removed,
    /// Its inode has no link, and nobody has it open: nobody will ever read it again.
    Dead,
}

/// What the caller should log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loud {
    /// Init does not read for so long (EMERG).
    Gap(Duration),
    /// Init reads again after a gap of so long (NOTICE).
    Back(Duration),
    /// The FIFO was removed (EMERG, once): soon, or now, nobody reads it.
    Dead,
}

/// What to have poll report of the descriptor. POLLERR comes unasked, and is level-triggered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Nothing at all: in a gap it would wake us without end.
    Not,
    /// That the last reader has gone.
    Reader,
    /// That it has been read empty.
    Room,
}

/// State of the held descriptor.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub struct Lifeline {
    gap_since: Option<Duration>,
    retry: Duration,
    retry_at: Option<Duration>,
    loud_at: Option<Duration>,
    was_loud: bool,
    unread: bool,
    full: bool,
    removed: bool,
    /// A write failed although somebody reads and there is room: only a write shows that this is over.
    refused: bool,
    dead: bool,
}

impl Lifeline {
    /// Takes what was seen, says what to log.
    pub fn look(&mut self, now: Duration, look: Look) -> Option<Loud> {
        match look {
            _ if self.dead => None,
            Look::Removed | Look::Dead => {
                let said = self.removed;
                let dead = look == Look::Dead;
                *self = Lifeline { removed: true, dead, ..Lifeline::default() };
                (!said).then_some(Loud::Dead)
            }
            Look::Reader if self.refused => {
                self.retry_at = None;
                None
            }
            Look::Reader => self.back(now),
            Look::Gap | Look::Unread => {
                self.unread = look == Look::Unread;
                self.full &= self.unread;
                self.refused = false;
                self.gap(now)
            }
        }
    }

    fn back(&mut self, now: Duration) -> Option<Loud> {
        let ended = core::mem::take(self);
        let since = ended.gap_since.filter(|_| ended.was_loud)?;
        Some(Loud::Back(now.saturating_sub(since)))
    }

    /// A request was written.
    pub fn took(&mut self, now: Duration) -> Option<Loud> {
        if self.refused { self.back(now) } else { None }
    }

    /// A request could not be written, whatever the descriptor shows.
    pub fn refused(&mut self, now: Duration, look: Look) -> Option<Loud> {
        let refused = look == Look::Reader;
        let said = self.look(now, if refused { Look::Gap } else { look });
        self.refused = refused && !self.dead;
        said
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

    /// What to wait for.
    pub fn watch(&self) -> Watch {
        match (self.gap_since, self.unread) {
            _ if self.dead => Watch::Not,
            (None, _) => Watch::Reader,
            (Some(_), true) => Watch::Room,
            (Some(_), false) => Watch::Not,
        }
    }

    /// When to look again although nothing was reported.
    pub fn next(&self) -> Option<Duration> {
        self.retry_at
    }

    /// Whether to look now: what poll would report may have happened each time that we are awake.
    pub fn due(&self, now: Duration) -> bool {
        self.watch() != Watch::Not || self.retry_at.is_some_and(|at| now >= at)
    }

    /// A request was refused (EAGAIN): none is written until all have been read.
    pub fn full(&mut self) {
        self.full = true;
    }

    /// A request may be written now: also behind others, for a while. An init that is only busy hears every
    /// word; of what happens to one that does not read, the newest is enough.
    pub fn open(&self) -> bool {
        let queue = self.unread && !self.full && !self.was_loud;
        let retry = self.refused && self.retry_at.is_none();
        !self.dead && (self.gap_since.is_none() || queue || retry)
    }

    /// The FIFO is gone for good.
    pub fn dead(&self) -> bool {
        self.dead
    }
}

#[cfg(test)]
#[path = "lifeline_tests.rs"]
mod tests;
