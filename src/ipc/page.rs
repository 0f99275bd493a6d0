//! What the parent lets the jail know: a page that it writes and the jail can only read, as plain numbers.
//!
//! The jail owes it no trust in return: whatever stands there becomes a value of its type, or none.

use core::time::Duration;

use crate::ipc::legal::Power;
use crate::ipc::parting::Call;
use crate::ipc::told::Word;

/// Numbers in the page.
pub const SLOTS: usize = 13;

/// What the page says. Times are on the monotonic clock that both sides read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What init was last told in this boot; `None`: nothing, or a daemon before this one told it that
    /// power is back.
    pub told: Option<Word>,
    /// When, if it was this daemon.
    pub told_at: Option<Duration>,
    /// The first line of the state file.
    pub recorded: Option<Word>,
    /// The UPSs together, as they were last seen.
    pub machine: Option<Power>,
    /// When the parent began.
    pub started: Duration,
    /// Monitors started so far, the present one included.
    pub generation: u64,
    /// When the present one was started, if it took another's place.
    pub replaced_at: Option<Duration>,
    /// The parent's process id.
    pub pid: u32,
    /// A UPS that feeds this machine is not seen.
    pub blind: bool,
    /// When the daemon started, a UPS had been last seen on battery.
    pub outage: bool,
    /// What the monitor has to tell other machines before it ends; `None`: it goes on.
    pub leave: Option<Call>,
    /// Log lines that were lost.
    pub dropped: u64,
}

impl Page {
    /// As it stands in the page.
    pub fn words(&self) -> [u64; SLOTS] {
        [
            word(self.told),
            time(self.told_at),
            word(self.recorded),
            self.machine.map_or(0, |power| number(power.letter())),
            millis(self.started),
            self.generation,
            time(self.replaced_at),
            u64::from(self.pid),
            u64::from(self.blind),
            u64::from(self.outage),
            self.leave.map_or(0, Call::number),
            self.dropped,
            // So that a page that nobody wrote is known.
            1,
        ]
    }

    /// From its numbers, by place; `None`: nobody has written it yet.
    pub fn read(get: impl Fn(usize) -> u64) -> Option<Page> {
        let powers = [Power::Mains, Power::Battery, Power::Low];
        let said = |place| u8::try_from(get(place)).ok();
        let word = |place| said(place).and_then(Word::from_byte);
        let power = |power: &Power| said(3) == u8::try_from(power.letter()).ok();
        let at = |place| Some(get(place)).filter(|at| *at > 0).map(Duration::from_millis);
        (get(SLOTS - 1) == 1).then(|| Page {
            told: word(0),
            told_at: at(1),
            recorded: word(2),
            machine: powers.into_iter().find(power),
            started: Duration::from_millis(get(4)),
            generation: get(5),
            replaced_at: at(6),
            pid: u32::try_from(get(7)).unwrap_or(0),
            blind: get(8) != 0,
            outage: get(9) != 0,
            leave: Call::from_number(get(10)),
            dropped: get(11),
        })
    }

    /// Monitors that another had to follow.
    pub fn replaced(&self) -> u64 {
        self.generation.saturating_sub(1)
    }
}

fn word(word: Option<Word>) -> u64 {
    word.map_or(0, |word| u64::from(word.byte()))
}

fn number(letter: char) -> u64 {
    u64::from(u32::from(letter))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// 0 stands for none, and no time is 0: the first millisecond of a boot counts as the second.
fn time(time: Option<Duration>) -> u64 {
    time.map_or(0, |time| millis(time).max(1))
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
