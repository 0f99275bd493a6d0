//! One line of the history file.
//!
//! `seq=42 2026-11-21T02:14:07Z boot=6f3c1d2a-14 told=FAIL cause=seen ups=ups battery=0 why="..."`, filled up
//! with blanks to 255 bytes and a newline. Line `seq` stands at `seq % LINES`, so the file is bounded, every
//! line is one write that is never moved, and nothing is lost but the oldest.

use core::fmt;
use core::str::Split;
use std::time::{Duration, UNIX_EPOCH};

use humantime::{Rfc3339Timestamp, format_rfc3339_seconds, parse_rfc3339};

use crate::ipc::told::Word;

/// Bytes of a line with its newline.
pub const SIZE: usize = 256;
/// Lines that are kept.
pub const LINES: u64 = 1024;

/// What the file may grow to, in bytes.
pub const BOUND: u64 = LINES * SIZE as u64;

/// Where the line of this number stands.
pub fn offset(seq: u64) -> u64 {
    seq % LINES * SIZE as u64
}

/// Why a word was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The UPSs were seen so.
    Seen,
    /// The monitor asked for a shutdown (`shutdown-after`).
    Asked,
    /// Nobody saw the UPS for too long, on battery.
    Blind,
    /// The machine was still up (`insist`).
    Insist,
}

impl Cause {
    const ALL: [Cause; 4] = [Cause::Seen, Cause::Asked, Cause::Blind, Cause::Insist];

    /// As the file says it.
    pub fn text(self) -> &'static str {
        match self {
            Cause::Seen => "seen",
            Cause::Asked => "asked",
            Cause::Blind => "blind",
            Cause::Insist => "insist",
        }
    }
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Init was told a word.
    Told(Word, Cause),
    /// An outage, written anew in its place with each word; `battery` is its length so far.
    Outage {
        /// When it began, seconds since 1970.
        began: i64,
        /// The worst word that was told in it.
        worst: Word,
        /// Mains returned.
        over: bool,
    },
    /// The first start in a boot.
    Start,
}

/// One line, its texts borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Counts from 0 without end.
    pub seq: u64,
    /// Seconds since 1970.
    pub at: i64,
    /// The boot in which it was written.
    pub boot: &'a str,
    /// What happened.
    pub event: Event,
    /// The UPS by which it happened.
    pub ups: &'a str,
    /// Seconds since the machine went on battery.
    pub battery: u64,
    /// The monitor's words for it, with the levels of the lines.
    pub why: &'a str,
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq={} {} boot={} ", self.seq, utc(self.at), self.boot)?;
        match self.event {
            Event::Told(word, cause) => write!(f, "told={} cause={}", word.text(), cause.text())?,
            Event::Outage { began, worst, over } => {
                let over = if over { "yes" } else { "no" };
                write!(f, "outage={} began={} over={over}", worst.text(), utc(began))?;
            }
            Event::Start => f.write_str("start=OK")?,
        }
        write!(f, " ups={} battery={} why=\"", self.ups, self.battery)?;
        // A quote would end the text early.
        for part in self.why.split_inclusive('"') {
            match part.strip_suffix('"') {
                Some(part) => write!(f, "{part}'")?,
                None => f.write_str(part)?,
            }
        }
        f.write_str("\"")
    }
}

impl<'a> Record<'a> {
    /// Reads a line; `None`: it is torn, or none of ours. `why` may have been cut off by the line's length.
    pub fn read(line: &'a str) -> Option<Record<'a>> {
        let line = line.trim_end();
        let (head, why) = line.split_once(" why=\"")?;
        let why = why.strip_suffix('"').unwrap_or(why);
        let mut words = head.split(' ');
        let seq = number(field(&mut words, "seq")?)?;
        let at = seconds(words.next()?)?;
        let boot = field(&mut words, "boot")?;
        let (kind, word) = words.next()?.split_once('=')?;
        let word = Word::from_text(word)?;
        let event = match kind {
            "told" => {
                let cause = field(&mut words, "cause")?;
                Event::Told(word, Cause::ALL.into_iter().find(|one| one.text() == cause)?)
            }
            "outage" => {
                let began = seconds(field(&mut words, "began")?)?;
                let over = field(&mut words, "over")? == "yes";
                Event::Outage { began, worst: word, over }
            }
            "start" => Event::Start,
            _ => return None,
        };
        let ups = field(&mut words, "ups")?;
        let battery = number(field(&mut words, "battery")?)?;
        let plain = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        let whole = words.next().is_none() && plain(line);
        whole.then_some(Record { seq, at, boot, event, ups, battery, why })
    }
}

/// The whole file.
#[derive(Debug)]
pub struct Ring<'a> {
    bytes: &'a [u8],
    /// The number of the next line.
    pub next: u64,
    /// Whole lines that cannot be read.
    pub foreign: u64,
}

impl<'a> Ring<'a> {
    /// Of its bytes, which may be anything.
    pub fn new(bytes: &'a [u8]) -> Ring<'a> {
        let mut ring = Ring { bytes, next: 0, foreign: 0 };
        for line in bytes.chunks_exact(SIZE) {
            match read_bytes(line) {
                Some(record) => ring.next = ring.next.max(record.seq.saturating_add(1)),
                None => ring.foreign = ring.foreign.saturating_add(1),
            }
        }
        ring
    }

    /// The lines that stand in their place, oldest first.
    pub fn records(&self) -> impl Iterator<Item = Record<'a>> {
        let bytes = self.bytes;
        let all = self.next.saturating_sub(LINES)..self.next;
        all.filter_map(move |seq| {
            let start = usize::try_from(offset(seq)).ok()?;
            let record = read_bytes(bytes.get(start..start.checked_add(SIZE)?)?)?;
            Some(record).filter(|record| record.seq == seq)
        })
    }
}

fn read_bytes(line: &[u8]) -> Option<Record<'_>> {
    core::str::from_utf8(line).ok().and_then(Record::read)
}

fn field<'a>(words: &mut Split<'a, char>, name: &str) -> Option<&'a str> {
    words.next()?.strip_prefix(name)?.strip_prefix('=').filter(|text| !text.is_empty())
}

/// Digits only: a sign or more digits than a line has room for is not ours.
fn number(text: &str) -> Option<u64> {
    let digits = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A time as the file writes it: UTC, to the second.
fn utc(at: i64) -> Rfc3339Timestamp {
    format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(at.clamp(0, LATEST).unsigned_abs()))
}

/// 9999-12-31T23:59:59Z, after which the form would be another.
const LATEST: i64 = 253_402_300_799;

/// Seconds since 1970 of a time as [`utc`] writes it.
fn seconds(text: &str) -> Option<i64> {
    let since = parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
