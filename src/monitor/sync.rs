//! As a NUT server's primary: who else draws power from its UPSs goes down first. Before this machine says that it has
//! to go down, it sets FSD, and waits for the others to log out; for at most `host-sync`. Pure.

use core::time::Duration;

use crate::ipc::fold::fold;
use crate::ipc::legal::Power;

/// What a primary's server says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Primary {
    /// It can be asked.
    pub(super) reached: bool,
    /// FSD is set there.
    pub(super) forced: bool,
    /// Who is logged in, with this machine; `None`: not known since FSD was set.
    pub(super) logins: Option<u32>,
}

/// One UPS, whatever watches it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Feed {
    /// Its weight.
    pub(super) weight: u32,
    /// What is reported of it; `None`: nothing yet.
    pub(super) reported: Option<Power>,
    /// L is due or said.
    pub(super) low: bool,
    /// S is due or said.
    pub(super) over: bool,
}

/// The machine for the others.
#[derive(Clone, Debug)]
pub(super) struct Sync {
    need: u32,
    wait: Duration,
    /// Since when this machine has to go down.
    begun: Option<Duration>,
    /// The others have gone, or had their time.
    released: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing: what is due does not take the machine down, or nothing is.
    None,
    /// FSD is to be set, and L and S wait.
    Hold,
    /// L and S go; FSD is to be set where it is not yet.
    Release,
}

impl Sync {
    pub(super) fn new(need: u32, wait: Duration) -> Sync {
        Sync { need, wait, begun: None, released: false }
    }

    /// Looks at all UPSs and at the servers that this machine is a primary of. `leaving`: this machine goes down
    /// whatever the UPSs say now.
    pub(super) fn turn(
        &mut self,
        now: Duration,
        leaving: bool,
        feeds: impl Iterator<Item = Feed> + Clone,
        mut primaries: impl Iterator<Item = Primary>,
    ) -> Act {
        let over = feeds.clone().any(|feed| feed.over && feed.weight > 0);
        let powers = feeds.map(|feed| {
            let power = if feed.low { Power::Low } else { feed.reported.unwrap_or(Power::Mains) };
            (feed.weight, power)
        });
        let down = over || fold(powers, self.need) == Power::Low;
        if leaving {
            // Others decide about the time.
            (self.begun, self.released) = (self.begun.or(Some(now)), true);
        } else if !down && self.begun.is_none() {
            return Act::None;
        }
        // FSD is not taken back: what has begun is brought to its end, also when the mains return.
        let begun = *self.begun.get_or_insert(now);
        let gone = |primary: Primary| {
            !primary.reached || (primary.forced && primary.logins.is_some_and(|logins| logins <= 1))
        };
        let over = now.saturating_sub(begun) >= self.wait;
        self.released |= over || primaries.all(gone);
        if self.released { Act::Release } else { Act::Hold }
    }

    /// When the wait is over.
    pub(super) fn next(&self) -> Option<Duration> {
        let begun = self.begun.filter(|_| !self.released)?;
        Some(begun.saturating_add(self.wait))
    }
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
