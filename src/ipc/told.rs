//! What init is told, given what it was last told: the table of the design, as a function.

use crate::ipc::legal::Power;

/// The four words that init can be told, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// Mains returned.
    Ok,
    /// On battery.
    Fail,
    /// On battery and low.
    Low,
    /// Shut down now.
    Shutdown,
}

impl Word {
    /// The byte that the hand reads for it.
    pub fn byte(self) -> u8 {
        match self {
            Word::Ok => b'O',
            Word::Fail => b'F',
            Word::Low => b'L',
            Word::Shutdown => b'S',
        }
    }

    /// The word of a byte.
    pub fn from_byte(byte: u8) -> Option<Word> {
        [Word::Ok, Word::Fail, Word::Low, Word::Shutdown]
            .into_iter()
            .find(|word| word.byte() == byte)
    }

    /// As the first line of the state file says it.
    pub fn text(self) -> &'static str {
        match self {
            Word::Ok => "OK",
            Word::Fail => "FAIL",
            Word::Low => "LOW",
            Word::Shutdown => "SHUTDOWN",
        }
    }

    /// The word of a text of [`Word::text`].
    pub fn from_text(text: &str) -> Option<Word> {
        [Word::Ok, Word::Fail, Word::Low, Word::Shutdown]
            .into_iter()
            .find(|word| word.text() == text)
    }
}

/// What init was last told in this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// Nothing, or that power is back.
    Ok,
    /// On battery.
    Fail,
    /// Low, and mains can still take it back.
    Low,
    /// Shut down, or LOW where that is a runlevel or the halt command: final for this boot.
    Final,
}

/// What the machine's UPSs say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The fold.
    pub machine: Power,
    /// Blind for `blind-after` on feeds without which the machine has no power left.
    pub blind: bool,
    /// A monitor said `S`.
    pub shutdown: bool,
}

/// The next word for init; `None`: it knows.
pub fn next(told: Told, situation: Situation) -> Option<Word> {
    let on_battery = matches!(told, Told::Fail | Told::Low);
    match (told, situation.machine) {
        (Told::Final, _) => None,
        _ if situation.shutdown || (situation.blind && on_battery) => Some(Word::Shutdown),
        (Told::Ok, Power::Battery) => Some(Word::Fail),
        (Told::Ok | Told::Fail, Power::Low) => Some(Word::Low),
        (Told::Fail | Told::Low, Power::Mains) => Some(Word::Ok),
        (Told::Ok, Power::Mains) | (Told::Fail, Power::Battery) | (Told::Low, _) => None,
    }
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
