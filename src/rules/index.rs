//! Finding rules and variables by number and by name.

use core::cmp::Ordering;
use core::ops::Range;

use super::program::Program;

/// Rules by the number of what they depend on.
#[derive(Debug)]
pub(super) struct Index {
    /// Those of the number n are `rules[starts[n]..starts[n + 1]]`, in their order.
    starts: Box<[usize]>,
    rules: Box<[u16]>,
}

impl Index {
    /// Of so many numbers, from pairs of a number and a rule.
    pub(super) fn new(count: usize, mut pairs: Vec<(u16, u16)>) -> Index {
        pairs.sort_unstable();
        pairs.dedup();
        let before = |limit: usize| pairs.partition_point(|(one, _)| usize::from(*one) < limit);
        let starts = (0..=count).map(before).collect();
        Index { starts, rules: pairs.iter().map(|(_, rule)| *rule).collect() }
    }

    pub(super) fn range(&self, number: usize) -> Range<usize> {
        let start = |at: usize| self.starts.get(at).copied().unwrap_or(0);
        start(number)..start(number + 1)
    }

    pub(super) fn rule(&self, at: usize) -> usize {
        self.rules.get(at).copied().map_or(usize::MAX, usize::from)
    }
}

/// A variable's UPS and name.
pub(super) fn place(program: &Program, variable: u16) -> (usize, &str) {
    let variable = program.variables.get(usize::from(variable));
    variable.map_or((usize::MAX, ""), |one| (usize::from(one.ups), &one.name))
}

/// Case does not count in names.
pub(super) fn compare((ups, name): (usize, &str), (other_ups, other): (usize, &str)) -> Ordering {
    let letters = name.bytes().map(|letter| letter.to_ascii_lowercase());
    let others = other.bytes().map(|letter| letter.to_ascii_lowercase());
    ups.cmp(&other_ups).then_with(|| letters.cmp(others))
}
