//! What the status socket carries: snapshots, each a head, the UPSs with their variables, the slaves, an end.
//!
//! A message is its length (two bytes, little end first) and postcard's encoding. It is a format between a
//! daemon and the `upsentry status` of the same version: [`FORMAT`] is the second byte of a head, whatever
//! follows. Ages are in ms as of the moment of sending, because clocks may jump. Other programs read
//! `upsentry status --json`.

use core::net::SocketAddr;
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ipc::legal::Power;
use crate::ipc::told::Word;

/// The version of what follows it in a head.
pub const FORMAT: u8 = 2;
/// The longest message, its length included.
pub const LARGEST: usize = 1400;
/// The longest text in it.
pub const LONGEST: usize = 128;
/// The reasons for which a datagram is refused.
pub const REASONS: [&str; 7] =
    ["unlisted", "malformed", "version", "key", "forged", "stale", "full"];

/// One piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// The first.
    Head(Head<'a>),
    /// One UPS.
    Ups(Ups<'a>),
    /// A variable of the UPS before, by NUT's name: name and value.
    Variable(Cow<'a, str>, Cow<'a, str>),
    /// One slave of this master's.
    Slave(Slave<'a>),
    /// One of the administrator's rules.
    Rule(Rule<'a>),
    /// The last.
    End,
}

/// A power, or none known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Nothing was seen yet.
    #[default]
    Unknown,
    /// On mains.
    Mains,
    /// On battery.
    Battery,
    /// On battery, and low.
    Low,
}

/// A word for init.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Said {
    /// Mains returned.
    Ok,
    /// On battery.
    Fail,
    /// On battery and low.
    Low,
    /// Shut down now.
    Shutdown,
}

/// That this machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaving {
    /// Its masters are told.
    Goodbye,
    /// Its slaves too, that they must shut down.
    Shutdown,
}

/// The machine, and the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head<'a> {
    /// [`FORMAT`].
    pub format: u8,
    /// Of the daemon.
    pub version: Cow<'a, str>,
    /// The machine's name.
    pub host: Cow<'a, str>,
    /// The UPSs together, as they were last seen.
    pub machine: State,
    /// A UPS that feeds this machine is not seen.
    pub blind: bool,
    /// What init was last told in this boot.
    pub told: Option<Said>,
    /// How long ago, if it was this daemon.
    pub told_ago: Option<u64>,
    /// The first line of the state file.
    pub recorded: Option<Said>,
    /// How long the daemon runs.
    pub up: u64,
    /// A UPS had been last seen on battery when it started.
    pub outage: bool,
    /// Process ids of the notifier and of the monitor.
    pub pids: [u32; 2],
    /// Monitors that were replaced.
    pub replaced: u64,
    /// How long ago the last one was.
    pub replaced_ago: Option<u64>,
    /// This machine goes down.
    pub leaving: Option<Leaving>,
    /// Log lines that were lost.
    pub dropped: u64,
    /// This machine tells others.
    pub master: bool,
    /// Datagrams refused by this monitor, by [`REASONS`]; `None`: it speaks to no other machine.
    pub refused: Option<[u64; REASONS.len()]>,
}

/// How a UPS is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// By the lines of a serial port: CTS 1, DSR 2, DCD 4, RNG 8, DTR 16, RTS 32; `None`: the port is gone.
    Lines(Option<u8>),
    /// By asking another machine; how long ago it was last sent what it answered.
    Master(Option<u64>),
    /// By asking a driver or a server of NUT's; how long ago what is known of it was fresh.
    Nut(Option<u64>),
}

/// One UPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ups<'a> {
    /// Its name here.
    pub name: Cow<'a, str>,
    /// The cable; empty: none was named.
    pub model: Cow<'a, str>,
    /// The device, or the master's name.
    pub source: Cow<'a, str>,
    /// Likewise.
    pub way: Way,
    /// As last reported.
    pub state: State,
    /// Contact with it is lost.
    pub lost: bool,
    /// All inputs went to zero at once: perhaps the cable, not the mains.
    pub doubt: bool,
    /// Its weight in `need`.
    pub weight: u32,
    /// How long `state` holds, as far as this monitor has seen.
    pub since: u64,
    /// Time on battery since mains was last steady.
    pub spent: u64,
    /// `shutdown-after`, and what is left of it while it runs.
    pub limit: Option<u64>,
    /// What is left of it.
    pub left: Option<u64>,
    /// Changes too short to be believed.
    pub glitches: u32,
    /// How long the last outage lasted that this monitor saw the end of, and how long ago that was.
    pub outage: Option<[u64; 2]>,
}

/// One slave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slave<'a> {
    /// As it calls itself, or as the configuration does.
    pub name: Cow<'a, str>,
    /// Where its last poll came from, and how long ago; `None`: none came yet.
    pub heard: Option<(SocketAddr, u64)>,
    /// It acts on the newest state.
    pub acknowledged: bool,
    /// It missed three polls.
    pub silent: bool,
    /// It said that it goes down.
    pub leaving: bool,
}

/// Whether a rule's condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holds {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// A value is missing, or no number.
    Unknown,
    /// It waits for a timer that does not run.
    Idle,
}

/// Why a condition is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt<'a> {
    /// It is not.
    #[default]
    None,
    /// This variable has no value.
    Missing(Cow<'a, str>),
    /// This variable's value is no number.
    NoNumber(Cow<'a, str>),
    /// It has not held for long enough since it was unknown.
    Again,
}

impl core::fmt::Display for Doubt<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Doubt::None => Ok(()),
            Doubt::Missing(name) => write!(f, "{name} is not known"),
            Doubt::NoNumber(name) => write!(f, "{name} is no number"),
            Doubt::Again => f.write_str("was unknown, and has not held for long enough again"),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Of its condition, or of the timer that it waits for.
    pub holds: Holds,
    /// Why it is unknown.
    pub why: Doubt<'a>,
    /// The timer that it waits for ends in so long.
    pub left: Option<u64>,
}

impl From<Option<Power>> for State {
    fn from(power: Option<Power>) -> State {
        match power {
            None => State::Unknown,
            Some(Power::Mains) => State::Mains,
            Some(Power::Battery) => State::Battery,
            Some(Power::Low) => State::Low,
        }
    }
}

impl From<Word> for Said {
    fn from(word: Word) -> Said {
        match word {
            Word::Ok => Said::Ok,
            Word::Fail => Said::Fail,
            Word::Low => Said::Low,
            Word::Shutdown => Said::Shutdown,
        }
    }
}

/// Writes a message, its length before it, and gives the number of bytes; `None`: no room, or too long.
pub fn encode(message: &Message<'_>, out: &mut [u8]) -> Option<usize> {
    let room = out.len().min(LARGEST);
    let (length, body) = out.get_mut(..room)?.split_first_chunk_mut()?;
    let bytes = postcard::to_slice(message, body).ok()?.len();
    *length = u16::try_from(bytes).ok()?.to_le_bytes();
    bytes.checked_add(length.len())
}

/// Text as [`decode`] takes it: printable ASCII, at most [`LONGEST`]; all else becomes `?`.
pub fn fit(text: &str) -> String {
    let fitting = |letter: char| if matches!(letter, ' '..='~') { letter } else { '?' };
    text.chars().take(LONGEST).map(fitting).collect()
}

/// Why bytes are not a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Of another version of upsentry.
    Version,
    /// Not what a daemon of any version says.
    Shape,
    /// More of it than a daemon has.
    TooMuch,
}

/// Reads a message without its length.
///
/// # Errors
/// It is none.
pub fn decode(body: &[u8]) -> Result<Message<'static>, Broken> {
    // A head of another version cannot be read further.
    if matches!(body, [0, format, ..] if *format != FORMAT) {
        return Err(Broken::Version);
    }
    let (message, rest) =
        postcard::take_from_bytes::<Message<'static>>(body).map_err(|_| Broken::Shape)?;
    let text = |text: &str| text.len() <= LONGEST && text.bytes().all(|b| matches!(b, 0x20..=0x7e));
    let texts: [&str; 3] = match &message {
        Message::Head(head) => [&head.version, &head.host, ""],
        Message::Ups(ups) => [&ups.name, &ups.model, &ups.source],
        Message::Variable(name, value) => [name, value, ""],
        Message::Slave(slave) => [&slave.name, "", ""],
        Message::Rule(rule) => match &rule.why {
            Doubt::Missing(name) | Doubt::NoNumber(name) => [&rule.name, name, ""],
            Doubt::None | Doubt::Again => [&rule.name, "", ""],
        },
        Message::End => [""; 3],
    };
    if rest.is_empty() && texts.into_iter().all(text) { Ok(message) } else { Err(Broken::Shape) }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
