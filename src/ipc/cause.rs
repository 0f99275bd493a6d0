//! Why a machine goes down, as the state file keeps it for the last act of the halt.

use core::time::Duration;

/// Mains that returned so long before the end of the halt has nothing to do with it any more: somebody halts a
/// machine that got over an outage.
pub const MEMORY: Duration = Duration::from_secs(15 * 60);

/// What had init told to go down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The power.
    Outage,
    /// A rule, with mains on (too hot, say): the machine must not come back by itself.
    Rule,
}

/// A cause, and when init was last told something: the clock of [`crate::ipc::judge`].
pub type Caused = (Cause, Duration);

impl Cause {
    /// As it stands in the state file.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Outage => "outage",
            Cause::Rule => "rule",
        }
    }

    /// `outage SECONDS` or `rule SECONDS`, of the state file.
    pub fn read(text: &str) -> Option<Caused> {
        let (word, seconds) = text.split_once(' ')?;
        let cause = [Cause::Outage, Cause::Rule].into_iter().find(|cause| cause.word() == word)?;
        Some((cause, Duration::from_secs(seconds.parse().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_read_as_it_was_written() {
        for cause in [Cause::Outage, Cause::Rule] {
            let text = format!("{} 77", cause.word());
            assert_eq!(Cause::read(&text), Some((cause, Duration::from_secs(77))));
        }
        for text in ["", "outage", "outage ", "outage -1", "flood 3", "outage 3 4"] {
            assert_eq!(Cause::read(text), None, "{text}");
        }
    }
}
