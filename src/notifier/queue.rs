//! What the parent tells the notify hook, and the events that wait there for a command to end. No byte of it is
//! the monitor's: a record is made of numbers, and what they stand for says the configuration.

use crate::config::Occasion;
use crate::ipc::told::Word;

/// Bytes of a record: few enough that a pipe takes it whole or not at all.
pub(super) const SIZE: usize = 16;
/// Records that wait; one UPS and occasion has one.
pub(super) const MOST: usize = 1024;

/// Something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// What.
    pub(super) occasion: Occasion,
    /// Index of the UPS; `None`: it is the machine's.
    pub(super) ups: Option<u16>,
    /// Index of the rule, for a notice.
    pub(super) rule: Option<u16>,
    /// Seconds that it had lasted (on battery, without contact); `None`: not known.
    pub(super) lasted: Option<u32>,
    /// Of a start after an outage: what init was told, and how many seconds before.
    pub(super) told: Option<(Word, u32)>,
}

impl Record {
    /// Of a UPS, and nothing else is known.
    pub(super) fn new(occasion: Occasion, ups: usize) -> Record {
        let ups = u16::try_from(ups).ok();
        Record { occasion, ups, rule: None, lasted: None, told: None }
    }

    /// As it goes through the pipe: occasion and word a byte each, UPS and rule two, two of nothing, times four.
    pub(super) fn bytes(&self) -> [u8; SIZE] {
        let place = Occasion::ALL.iter().position(|one| *one == self.occasion);
        let [ups0, ups1] = self.ups.unwrap_or(u16::MAX).to_ne_bytes();
        let [rule0, rule1] = self.rule.unwrap_or(u16::MAX).to_ne_bytes();
        let (word, ago) = self.told.map_or((0, u32::MAX), |(word, ago)| (word.byte(), ago));
        let [a, b, c, d] = self.lasted.unwrap_or(u32::MAX).to_ne_bytes();
        let [e, f, g, h] = ago.to_ne_bytes();
        let place = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX);
        [place, word, ups0, ups1, rule0, rule1, 0, 0, a, b, c, d, e, f, g, h]
    }

    /// The same back; `None`: it is no record.
    pub(super) fn read(bytes: [u8; SIZE]) -> Option<Record> {
        let [place, word, ups0, ups1, rule0, rule1, _, _, a, b, c, d, e, f, g, h] = bytes;
        let number = |bytes| Some(u16::from_ne_bytes(bytes)).filter(|number| *number != u16::MAX);
        let time = |bytes| Some(u32::from_ne_bytes(bytes)).filter(|time| *time != u32::MAX);
        Some(Record {
            occasion: *Occasion::ALL.get(usize::from(place))?,
            ups: number([ups0, ups1]),
            rule: number([rule0, rule1]),
            lasted: time([a, b, c, d]),
            told: Word::from_byte(word).zip(time([e, f, g, h])),
        })
    }

    fn replaces(&self, other: &Record) -> bool {
        (self.occasion, self.ups, self.rule) == (other.occasion, other.ups, other.rule)
    }
}

/// Records that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Record>,
    /// Were replaced by a newer one or found no room, since the last [`Queue::dropped`].
    dropped: u64,
}

impl Queue {
    /// Adds one. The newest of a UPS and occasion takes the place of the one that waits.
    pub(super) fn add(&mut self, record: Record) {
        if let Some(old) = self.waiting.iter_mut().find(|old| record.replaces(old)) {
            *old = record;
        } else if self.waiting.len() < MOST {
            self.waiting.push(record);
            return;
        }
        self.dropped = self.dropped.saturating_add(1);
    }

    /// Takes the oldest whose occasion is free.
    pub(super) fn take(&mut self, free: impl Fn(Occasion) -> bool) -> Option<Record> {
        let place = self.waiting.iter().position(|record| free(record.occasion))?;
        Some(self.waiting.remove(place))
    }

    /// Puts one back that could not be worked off; a newer one wins.
    pub(super) fn put_back(&mut self, record: Record) {
        if !self.waiting.iter().any(|newer| newer.replaces(&record)) {
            self.waiting.insert(0, record);
        }
    }

    /// None waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many were dropped since the last call.
    pub(super) fn dropped(&mut self) -> u64 {
        core::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
