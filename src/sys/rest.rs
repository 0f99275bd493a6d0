//! When a process is at rest: it then gives back what only the start, or an outage, needed of the program.

use core::time::Duration;

/// Nothing has happened for so long.
const QUIET: Duration = Duration::from_secs(5);

/// Notices once that a process has come to rest. Wakes nobody: who wakes anyhow asks it.
#[derive(Debug)]
pub struct Rest(Option<Duration>);

impl Rest {
    /// Of a process that starts now.
    pub const fn new(time: Duration) -> Self {
        Self(Some(time.saturating_add(QUIET)))
    }

    /// Whether the rest begins with this turn, of a process in which something happens or not.
    pub fn begins(&mut self, time: Duration, busy: bool) -> bool {
        if busy {
            *self = Self::new(time);
        }
        self.0.take_if(|at| *at <= time).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In each second: whether something happens, and whether the rest begins.
    fn rests(busy: &str) -> String {
        let mut rest = Rest::new(Duration::ZERO);
        let turn = |(second, busy)| {
            if rest.begins(Duration::from_secs(second), busy == 'x') { 'r' } else { '.' }
        };
        (0..).zip(busy.chars()).map(turn).collect()
    }

    #[test]
    fn it_begins_once_after_the_start_and_after_each_thing_that_happened() {
        assert_eq!(rests("..........."), ".....r.....");
        assert_eq!(rests("..x........"), ".......r...");
        assert_eq!(rests("......xx......."), ".....r......r..");
        assert_eq!(rests("xxxxxxxx"), "........");
    }
}
