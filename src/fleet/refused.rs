//! How many datagrams were refused, and why: a flood must not make a line of the log each.

use crate::fleet::wire::Refusal;

impl Refusal {
    /// All of them, in the order of the checks.
    pub const ALL: [Refusal; 7] = [
        Refusal::Unlisted,
        Refusal::Shape,
        Refusal::Version,
        Refusal::Key,
        Refusal::Forged,
        Refusal::Stale,
        Refusal::Full,
    ];

    /// Its counter's name, one word.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Unlisted => "unlisted",
            Refusal::Shape => "malformed",
            Refusal::Version => "version",
            Refusal::Key => "key",
            Refusal::Forged => "forged",
            Refusal::Stale => "stale",
            Refusal::Full => "full",
        }
    }
}

/// A counter for each reason; at the end of its range it stands still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Refused {
    counts: [u64; Refusal::ALL.len()],
}

impl Refused {
    /// One more.
    pub fn count(&mut self, why: Refusal) {
        self.add(why, 1);
    }

    /// So many more, that were counted elsewhere.
    pub fn add(&mut self, why: Refusal, more: u64) {
        for (count, one) in self.counts.iter_mut().zip(Refusal::ALL) {
            *count = count.saturating_add(if one == why { more } else { 0 });
        }
    }

    /// Name and count of each reason.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        Refusal::ALL.into_iter().map(Refusal::name).zip(self.counts)
    }

    /// For this reason.
    pub fn of(&self, why: Refusal) -> u64 {
        let place = Refusal::ALL.iter().position(|one| *one == why);
        place.and_then(|place| self.counts.get(place)).copied().unwrap_or(0)
    }

    /// For whatever reason.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

#[cfg(test)]
#[path = "refused_tests.rs"]
mod tests;
