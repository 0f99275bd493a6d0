//! The datagrams: a header in clear, and a body in postcard's encoding.

use serde::{Deserialize, Serialize};

use crate::fleet::seal::TAG;
use crate::ipc::legal::Power;

/// What every datagram begins with: three letters and the version.
pub const MAGIC: [u8; 3] = *b"ups";
/// This version of the protocol.
pub const VERSION: u8 = 1;
/// The header's length: magic 3, version 1, kind 1, key id 4, session 16, sequence 8.
pub const HEADER: usize = 33;
/// The longest datagram: IPv6 carries it everywhere in one piece.
pub const LARGEST: usize = 1232;
/// The longest name of a UPS or of a slave.
pub const LONGEST_NAME: usize = 63;
/// UPSs in one state.
pub const MOST_UPS: usize = 16;
/// Variables of one UPS.
pub const MOST_VARIABLES: u8 = 32;
/// The longest value of a variable.
pub const LONGEST_VALUE: usize = 128;

/// The head of an answer is never longer.
pub(super) const HEAD_MOST: usize = 1 + 16 + 16 + 1 + 3 + 1 + 1;

/// 16 random bytes of one run of a monitor.
pub type Session = [u8; 16];
/// 16 random bytes that a poll carries and its answer repeats.
pub type Nonce = [u8; 16];

/// The two kinds of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Slave to master.
    Poll,
    /// Master to slave.
    State,
}

impl Kind {
    /// As the header says it.
    pub fn byte(self) -> u8 {
        match self {
            Kind::Poll => b'P',
            Kind::State => b'S',
        }
    }
}

/// Why a datagram was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Too short, too long, or not what the format says.
    Shape,
    /// Of another version.
    Version,
    /// Under a key that is not ours, or without one where we have one.
    Key,
    /// The seal is broken.
    Forged,
    /// Seen before, or older than what was seen, or not asked for.
    Stale,
    /// From an address that is not configured, where there is no key.
    Unlisted,
    /// There is no room for one more slave.
    Full,
}

/// What stands in clear, and is under the seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Which key seals it; zeros: none.
    pub key: [u8; 4],
    /// The sender's.
    pub session: Session,
    /// Rises with each datagram that the session sealed.
    pub sequence: u64,
}

impl Header {
    /// Its bytes.
    pub fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let parts: [&[u8]; 6] = [
            &MAGIC,
            &[VERSION, self.kind.byte()],
            &self.key,
            &self.session,
            &self.sequence.to_be_bytes(),
            &[],
        ];
        let all = parts.iter().flat_map(|part| part.iter());
        for (slot, byte) in bytes.iter_mut().zip(all) {
            *slot = *byte;
        }
        bytes
    }

    /// Reads it; `kind`: the only one that is taken here.
    ///
    /// # Errors
    /// Not ours, or of another version.
    pub fn read(bytes: &[u8; HEADER], kind: Kind) -> Result<Header, Refusal> {
        let [a, b, c, version, letter, rest @ ..] = bytes;
        if [*a, *b, *c] != MAGIC {
            return Err(Refusal::Shape);
        }
        if *version != VERSION {
            return Err(Refusal::Version);
        }
        let (key, rest) = rest.split_first_chunk().ok_or(Refusal::Shape)?;
        let (session, rest) = rest.split_first_chunk().ok_or(Refusal::Shape)?;
        let sequence = rest.first_chunk().ok_or(Refusal::Shape)?;
        if *letter != kind.byte() {
            return Err(Refusal::Shape);
        }
        let sequence = u64::from_be_bytes(*sequence);
        Ok(Header { kind, key: *key, session: *session, sequence })
    }
}

/// What a slave says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll<'a> {
    /// Its host name, 1..=63 of `[A-Za-z0-9._-]`.
    pub name: &'a str,
    /// The UPS of the master's that it is fed by, likewise; empty: the only one.
    pub ups: &'a str,
    /// Fresh with each poll.
    pub nonce: Nonce,
    /// From the master's newest answer; zeros: none.
    pub cookie: [u8; 16],
    /// The sequence of the newest state that it acts on; 0: none.
    pub seen: u64,
    /// Until its next poll, in ms, if this one is answered.
    pub interval: u32,
    /// It is going down, and its machine needs so many seconds more (0..=3600).
    pub halting: Option<u16>,
}

/// What makes a state an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The poll's.
    pub nonce: Nonce,
    /// For the next poll.
    pub cookie: [u8; 16],
    /// This poll counts: its cookie was good. Else the next one will.
    pub bound: bool,
    /// So long must a poll be at least, that its answer is not longer.
    pub room: u16,
}

/// The head of a state; as many UPSs as it says follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// `None`: a push.
    pub answer: Option<Answer>,
    /// The master goes down, and the load is cut at the end: shut down now.
    pub shutdown: bool,
    /// At most [`MOST_UPS`].
    pub count: u8,
}

/// One UPS of the master's; as many pairs of strings as it says follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ups<'a> {
    /// 1..=63 of `[A-Za-z0-9._-]`.
    pub name: &'a str,
    /// 0 not known yet, 1 on mains, 2 on battery, 3 low.
    pub power: u8,
    /// The master has no contact with it.
    pub lost: bool,
    /// Time on battery in ms, since mains was last steady.
    pub spent: u64,
    /// At most [`MOST_VARIABLES`].
    pub variables: u8,
}

impl Ups<'_> {
    /// `power` in words; `None`: not known yet.
    pub fn power(&self) -> Option<Power> {
        match self.power {
            1 => Some(Power::Mains),
            2 => Some(Power::Battery),
            3 => Some(Power::Low),
            _ => None,
        }
    }
}

/// `power` as a number.
pub fn number(power: Option<Power>) -> u8 {
    match power {
        None => 0,
        Some(Power::Mains) => 1,
        Some(Power::Battery) => 2,
        Some(Power::Low) => 3,
    }
}

/// A name as both sides take it.
pub fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits)
}

/// A variable as both sides take it.
pub fn is_variable(name: &str, value: &str) -> bool {
    let printable = value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    is_name(name) && value.len() <= LONGEST_VALUE && printable
}

/// How many of these UPSs, in their order, slaves can hear of: what one datagram holds, whatever there is to say of
/// them.
pub fn heard_of<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    // A name and its length, power, contact, time, and the number of variables.
    let longest = |name: &str| name.len().saturating_add(1 + 1 + 1 + 10 + 1);
    let room = LARGEST.saturating_sub(HEADER + TAG + HEAD_MOST);
    let ends = names.take(MOST_UPS).scan(0, |end: &mut usize, name| {
        *end = end.saturating_add(longest(name));
        Some(*end)
    });
    ends.take_while(|end| *end <= room).count()
}

impl<'a> Poll<'a> {
    /// From a body; zeros may follow.
    pub fn read(body: &'a [u8]) -> Option<Poll<'a>> {
        let (poll, rest) = postcard::take_from_bytes::<Poll<'a>>(body).ok()?;
        let named = is_name(poll.name) && (poll.ups.is_empty() || is_name(poll.ups));
        let zeros = rest.iter().all(|byte| *byte == 0);
        let halting = poll.halting.is_none_or(|seconds| seconds <= 3600);
        (named && zeros && halting).then_some(poll)
    }
}

/// A state that was read: its head, and the UPSs still as bytes.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// What is common to all.
    pub head: Head,
    rest: &'a [u8],
}

impl<'a> State<'a> {
    /// From a body; every part of it is checked, and nothing may follow.
    pub fn read(body: &'a [u8]) -> Option<State<'a>> {
        let (head, rest) = postcard::take_from_bytes::<Head>(body).ok()?;
        let state = State { head, rest };
        let mut all = All { left: head.count, rest };
        let few = usize::from(head.count) <= MOST_UPS;
        let whole = few && all.by_ref().count() == usize::from(head.count);
        (whole && all.rest.is_empty()).then_some(state)
    }

    /// Every UPS, and its variables.
    pub fn all(&self) -> impl Iterator<Item = (Ups<'a>, Variables<'a>)> + use<'a> {
        All { left: self.head.count, rest: self.rest }
    }
}

/// UPSs, still as bytes.
struct All<'a> {
    left: u8,
    rest: &'a [u8],
}

impl<'a> Iterator for All<'a> {
    type Item = (Ups<'a>, Variables<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (ups, after) = postcard::take_from_bytes::<Ups<'a>>(self.rest).ok()?;
        let variables = Variables { left: ups.variables, rest: after };
        let mut end = variables;
        let whole = end.by_ref().count() == usize::from(ups.variables);
        let few = ups.variables <= MOST_VARIABLES && whole;
        self.rest = end.rest;
        (is_name(ups.name) && ups.power <= 3 && few).then_some((ups, variables))
    }
}

/// Variables by NUT's names, still as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    left: u8,
    rest: &'a [u8],
}

impl<'a> Iterator for Variables<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        self.left = self.left.checked_sub(1)?;
        let ((name, value), rest) =
            postcard::take_from_bytes::<(&'a str, &'a str)>(self.rest).ok()?;
        if !is_variable(name, value) {
            self.left = 0;
            return None;
        }
        self.rest = rest;
        Some((name, value))
    }
}

/// Writes a body piece by piece.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// Into this buffer, from its beginning.
    pub fn new(buffer: &'a mut [u8]) -> Writer<'a> {
        Writer { buffer, length: 0 }
    }

    /// Adds a value; `None`: no room, and the body stays as it was.
    pub fn put<T: Serialize>(&mut self, value: &T) -> Option<()> {
        let free = self.buffer.get_mut(self.length..)?;
        let used = postcard::to_slice(value, free).ok()?.len();
        self.length = self.length.checked_add(used)?;
        Some(())
    }

    /// Fills up with zeros to this length; `None`: no room.
    pub fn pad(&mut self, length: usize) -> Option<()> {
        if length > self.length {
            self.buffer.get_mut(self.length..length)?.fill(0);
            self.length = length;
        }
        Some(())
    }

    /// Bytes so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Takes back all after this length.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

/// Bytes in a place of fixed size: only those in use count.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// Empty; a datagram fits.
    pub(super) fn new() -> Buffer {
        Buffer { bytes: vec![0; LARGEST], length: 0 }
    }

    /// Those in use.
    pub(super) fn used(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// Those in use, to be opened in place.
    pub(super) fn used_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }

    /// Only so many of them, from there on, stay in use.
    pub(super) fn keep(&mut self, from: usize, length: usize) {
        let end = from.saturating_add(length).min(self.length);
        let from = from.min(end);
        self.bytes.copy_within(from..end, 0);
        self.length = end.saturating_sub(from);
    }

    /// The place, to be written anew; `write` gives how much of it is then in use.
    pub(super) fn fill(&mut self, write: impl FnOnce(&mut [u8]) -> usize) {
        self.length = write(&mut self.bytes).min(self.bytes.len());
    }

    /// These bytes; false: they do not fit, and nothing is in use.
    pub(super) fn copy(&mut self, from: &[u8]) -> bool {
        let room = self.bytes.get_mut(..from.len());
        let fits = room.map(|room| room.copy_from_slice(from)).is_some();
        self.length = if fits { from.len() } else { 0 };
        fits
    }
}

impl core::hash::Hash for Buffer {
    fn hash<H: core::hash::Hasher>(&self, to: &mut H) {
        self.used().hash(to);
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
