//! The last act of a halt, decided by why the machine goes down and by what its UPSs say now: `kill --wait`.
//!
//! A machine that an outage took down must come back by itself. While it is on battery it stays halted with its
//! power on (a firmware that restores the last state must find it on), until the UPS cuts that. Where the mains is back
//! no UPS will cut it, so it reboots. A machine that somebody halted, or a rule, is turned off.

use core::time::Duration;

use crate::ipc::cause::{Cause, MEMORY};
use crate::ipc::legal::Power;
use crate::ipc::record::Record;
use crate::ipc::told::Word;

/// The mains must be back so long before the machine starts again.
pub const STEADY: Duration = Duration::from_secs(10);
/// The kill signal is sent again so often: a UPS may have ignored the first.
pub const AGAIN: Duration = Duration::from_secs(30);

/// What the UPSs of the machine say, folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Lines were read, and so it stands.
    Seen(Power),
    /// No line of this machine's can be read; so it was last seen by a daemon.
    Recorded(Power),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The machine turns itself off.
    PowerOff,
    /// The lines are as in normal operation, and the machine starts again.
    Reboot,
    /// Every UPS on battery is sent the kill signal; so long, then it is read again.
    Kill(Duration),
    /// Nothing, for so long; then it is read again.
    Look(Duration),
}

/// Why this machine goes down; `None`: somebody halts it.
///
/// `marked`: a power script of ours has called for the halt, not long ago.
pub fn cause(record: Option<&Record>, now: Duration, marked: bool) -> Option<Cause> {
    let word = record.map_or(Word::Ok, |record| record.word);
    let told = record.and_then(|record| record.cause);
    match (word, told) {
        (Word::Shutdown, Some((Cause::Rule, _))) => Some(Cause::Rule),
        (Word::Fail | Word::Low | Word::Shutdown, _) => Some(Cause::Outage),
        // Mains came back, but perhaps only after the halt had begun.
        (Word::Ok, Some((Cause::Outage, at))) if now.saturating_sub(at) < MEMORY => {
            Some(Cause::Outage)
        }
        (Word::Ok, _) => marked.then_some(Cause::Outage),
    }
}

/// The decisions of one last act, from its beginning.
#[derive(Clone, Debug, Hash)]
pub struct LastAct {
    cause: Option<Cause>,
    /// The machine was seen on battery: it must not be turned off any more.
    committed: bool,
    mains_since: Option<Duration>,
    /// Where nothing can be read, it reboots then.
    blind_until: Duration,
}

impl LastAct {
    /// `blind_for`: how long others may take to cut the power, where nothing can be read.
    pub fn new(cause: Option<Cause>, now: Duration, blind_for: Duration) -> LastAct {
        let blind_until = now.saturating_add(blind_for);
        LastAct { cause, committed: false, mains_since: None, blind_until }
    }

    /// What to do after this reading.
    pub fn next(&mut self, now: Duration, reading: Reading) -> Step {
        const STEP: Duration = Duration::from_millis(100);
        match reading {
            Reading::Seen(Power::Mains) => {
                if !self.committed && self.cause != Some(Cause::Outage) {
                    return Step::PowerOff;
                }
                let since = *self.mains_since.get_or_insert(now);
                let steady = now.saturating_sub(since) >= STEADY;
                if steady { Step::Reboot } else { Step::Look(STEP) }
            }
            Reading::Seen(Power::Battery | Power::Low) => {
                (self.committed, self.mains_since) = (true, None);
                Step::Kill(AGAIN)
            }
            Reading::Recorded(power) => {
                self.mains_since = None;
                let outage = self.committed || self.cause == Some(Cause::Outage);
                match power {
                    Power::Mains if !outage => Step::PowerOff,
                    _ if now >= self.blind_until => Step::Reboot,
                    Power::Mains => Step::Look(STEP),
                    Power::Battery | Power::Low => {
                        self.committed = true;
                        // A kill-command may be there.
                        Step::Kill(AGAIN.min(self.blind_until.saturating_sub(now)))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "last_act_tests.rs"]
mod tests;
