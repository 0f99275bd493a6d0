//! What is still to happen and when: pure, time is a number handed in.

use std::collections::BTreeMap;

/// Steps by deadline in monotonic nanoseconds; equal deadlines keep the order in which they came.
#[derive(Debug)]
pub struct Schedule<T> {
    steps: BTreeMap<(u64, u64), T>,
    serial: u64,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { steps: BTreeMap::new(), serial: 0 }
    }
}

impl<T> Schedule<T> {
    /// Adds a step.
    pub fn add(&mut self, at: u64, step: T) {
        self.serial += 1;
        self.steps.insert((at, self.serial), step);
    }

    /// The next deadline.
    pub fn next(&self) -> Option<u64> {
        self.steps.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next step that is due, with the deadline it had.
    pub fn due(&mut self, now: u64) -> Option<(u64, T)> {
        if self.next()? > now {
            return None;
        }
        self.steps.pop_first().map(|((at, _), step)| (at, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_order_and_not_early() {
        let mut schedule = Schedule::default();
        schedule.add(20, "c");
        schedule.add(10, "a");
        schedule.add(10, "b");
        assert_eq!(schedule.due(9), None);
        assert_eq!(schedule.due(15), Some((10, "a")));
        assert_eq!(schedule.due(15), Some((10, "b")));
        assert_eq!(schedule.due(15), None);
        assert_eq!(schedule.next(), Some(20));
        assert_eq!(schedule.due(20), Some((20, "c")));
        assert_eq!(schedule.next(), None);
    }
}
