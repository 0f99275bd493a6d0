//! What one monitor leaves to the next: when timers end, and what conditions were when they were last known.

use core::time::Duration;

use super::engine::Engine;

/// Rules in a word: each takes four bits.
const RULES: usize = 16;
/// The condition was known, ...
const KNOWN: u64 = 1;
/// ... and was true.
const TRUE: u64 = 2;
/// `low` is in force.
const LOW: u64 = 4;
/// `for`s in a word.
const HOLDS: usize = 64;

impl Engine<'_> {
    /// Words of [`Self::snapshot`].
    #[must_use]
    pub fn words(&self) -> usize {
        let Engine { timers, states, holds, .. } = self;
        1 + timers.len() + states.len().div_ceil(RULES) + holds.len().div_ceil(HOLDS)
    }

    /// What [`Self::restore`] takes: which rules these are, the end of each timer in ms on the clock of `turn` (0: it
    /// does not run), and the bits. It changes only by a turn that does something.
    pub fn snapshot(&self) -> impl Iterator<Item = u64> {
        let ends = self.timers.iter().map(|end| {
            // A timer may end at 0 only on a clock that has just begun.
            end.map_or(0, |end| u64::try_from(end.as_millis()).unwrap_or(u64::MAX).max(1))
        });
        let states = self.states.chunks(RULES).map(|states| {
            let bits = states.iter().map(|state| {
                let was = state.was.map_or(0, |was| if was { KNOWN | TRUE } else { KNOWN });
                if state.low { was | LOW } else { was }
            });
            bits.rev().fold(0, |word, bits| word << 4 | bits)
        });
        let holds = self.holds.chunks(HOLDS).map(|holds| {
            let bits = holds.iter().map(|hold| u64::from(hold.was));
            bits.rev().fold(0, |word, bit| word << 1 | bit)
        });
        [self.fingerprint()].into_iter().chain(ends).chain(states).chain(holds)
    }

    /// Goes on where another one with the same rules stopped; with other rules, or too few words, nothing is taken
    /// (false). The words may be anything: a timer ends no later than if it were started now.
    pub fn restore(&mut self, now: Duration, words: &[u64]) -> bool {
        let Some((first, rest)) = words.split_first() else { return false };
        if *first != self.fingerprint() || words.len() < self.words() {
            return false;
        }
        let program = self.program;
        let (ends, rest) = rest.split_at_checked(self.timers.len()).unwrap_or_default();
        for ((place, timer), end) in self.timers.iter_mut().zip(&program.timers).zip(ends) {
            let latest = now.saturating_add(Duration::from_millis(timer.longest));
            let runs = *end != 0 && timer.longest != 0;
            *place = runs.then(|| Duration::from_millis(*end).min(latest));
        }
        let count = self.states.len().div_ceil(RULES);
        let (states, holds) = rest.split_at_checked(count).unwrap_or_default();
        for (states, word) in self.states.chunks_mut(RULES).zip(states) {
            for (state, shift) in states.iter_mut().zip((0..64).step_by(4)) {
                let bits = word >> shift;
                state.was = (bits & KNOWN != 0).then_some(bits & TRUE != 0);
                state.low = bits & LOW != 0;
            }
        }
        for (holds, word) in self.holds.chunks_mut(HOLDS).zip(holds) {
            for (hold, bit) in holds.iter_mut().zip(0..64) {
                hold.was = word >> bit & 1 != 0;
            }
        }
        self.due = self.timers.iter().flatten().copied().min();
        true
    }

    /// FNV-1a of all names, so that what is kept of other rules is not taken for these rules'.
    fn fingerprint(&self) -> u64 {
        let rules = self.program.rules.iter().map(|rule| &rule.name);
        let names = rules.chain(self.program.timers.iter().map(|timer| &timer.name));
        let bytes = names.flat_map(|name| name.bytes().chain([0]));
        let bytes = bytes.chain(self.program.holds.to_le_bytes());
        let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        bytes.fold(0xcbf2_9ce4_8422_2325, hash)
    }
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
