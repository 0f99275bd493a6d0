//! The client of a driver's own socket, without upsd between.
//!
//! What arrives is believed after the first complete dump, and as long as the driver does not call it stale. A
//! message that makes sense proves that the driver lives, so it is asked for one when it is quiet; noise proves
//! nothing. Each change of what is believed is shown to the caller before the next is read.

use core::time::Duration;

use crate::ipc::legal::Power;
use crate::nut::flags::{Seen, mains};
use crate::nut::known::Known;
use crate::nut::values::Values;
use crate::nut::words::Lines;

/// Bytes of the longest line of a driver. A longer one it sends cut to this, without LF: what follows is another line.
pub const LONGEST_LINE: usize = 511;

/// Tries to connect that are [`SOON`] apart; the ones after them [`LATER`], but on battery never.
const TRIES: u32 = 10;
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(2);
/// The driver is asked no more often than this, whatever `deadtime` is.
const LEAST_QUIET: Duration = Duration::from_millis(10);

/// What a driver may say beside SETINFO, and the words that it has at least. SETFLAGS has two when it clears all flags.
const KNOWN: [(&str, usize); 16] = [
    ("DELINFO", 2),
    ("ADDENUM", 3),
    ("DELENUM", 3),
    ("ADDRANGE", 4),
    ("DELRANGE", 4),
    ("SETAUX", 3),
    ("SETFLAGS", 2),
    ("ADDCMD", 2),
    ("DELCMD", 2),
    ("DUMPDONE", 1),
    ("DATAOK", 1),
    ("DATASTALE", 1),
    ("PONG", 1),
    ("TRACKING", 3),
    ("PID", 2),
    ("OK", 2),
];

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long silence is borne on mains; a third of it on battery.
    pub deadtime: Duration,
    /// Variables to keep, beside [`crate::nut::values::ALWAYS`].
    pub wanted: Vec<String>,
}

/// The client. It has no descriptor: the caller connects, reads and writes.
#[derive(Clone, Debug)]
pub struct Driver {
    deadtime: Duration,
    values: Values,
    line: Physical,
    known: Known,
    /// What OL and OB last said; outlives the connection.
    power: Option<Power>,
    /// The newest status of this connection, believed or not.
    status: Option<Seen>,
    dumped: bool,
    stale: bool,
    /// A dump is to be asked for.
    ask: bool,
    /// When something was last heard or asked.
    lively: Duration,
    dialled: Option<Duration>,
    tries: u32,
}

impl Driver {
    /// Not connected. This allocates, and nothing else does.
    #[must_use]
    pub fn new(set: &Settings) -> Driver {
        Driver {
            deadtime: set.deadtime,
            values: Values::new(&set.wanted),
            line: Physical::new(),
            known: Known::default(),
            power: None,
            status: None,
            dumped: false,
            stale: false,
            ask: false,
            lively: Duration::ZERO,
            dialled: None,
            tries: 0,
        }
    }

    /// Whether to connect now: at once after a loss, then a second apart, after ten tries two seconds on mains. True
    /// counts as a try.
    pub fn dial(&mut self, now: Duration) -> bool {
        let due = !self.known.connected && self.dial_at().is_none_or(|due| now >= due);
        if due {
            self.dialled = Some(now);
            self.tries = self.tries.saturating_add(1);
        }
        due
    }

    /// There is a connection, and a new one: a dump is asked for.
    pub fn connected(&mut self, now: Duration) {
        self.reset();
        self.known.connected = true;
        self.ask = true;
        self.lively = now;
    }

    /// There is none any more. What was last believed stays in [`Driver::known`]; the variables go.
    pub fn disconnected(&mut self, _now: Duration) {
        self.reset();
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.known.connected
    }

    /// Takes what was read, up to the first change of what is believed: returns how many of the bytes, at least one of
    /// any. The caller looks at [`Driver::known`] and comes again with the rest. It bounds what it reads at a time,
    /// because a driver can send without end.
    #[must_use = "the bytes after these are not taken yet"]
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) -> usize {
        if !self.known.connected {
            return bytes.len();
        }
        for (taken, byte) in bytes.iter().enumerate() {
            if !self.line.push(*byte) {
                continue;
            }
            let before = (self.known.seen, self.is_trusted());
            self.message(now);
            if before != (self.known.seen, self.is_trusted()) {
                return taken + 1;
            }
        }
        bytes.len()
    }

    /// What to send now, as a whole, else the connection must be dropped; to be called until `None`.
    pub fn output(&mut self, now: Duration) -> Option<&'static [u8]> {
        if !self.known.connected {
            return None;
        }
        if self.ask {
            self.ask = false;
            self.lively = now;
            return Some(b"DUMPALL\n");
        }
        (now >= self.ping_at()).then(|| {
            self.lively = now;
            b"PING\n".as_slice()
        })
    }

    /// When to call [`Driver::output`] or [`Driver::dial`] next; may be past.
    #[must_use]
    pub fn next(&self, now: Duration) -> Option<Duration> {
        if !self.known.connected {
            return Some(self.dial_at().unwrap_or(now));
        }
        Some(if self.ask { now } else { self.ping_at() })
    }

    /// What is known. `trusted_at` is when something was last heard while the status is believed.
    #[must_use]
    pub fn known(&self) -> Known {
        self.known
    }

    /// The variables as the driver says them on this connection, believed or not.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The status is believed as of the last message: there is one, from a driver that has told all and does not call
    /// it stale.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.status.is_some() && self.dumped && !self.stale
    }

    fn reset(&mut self) {
        self.values.clear();
        self.line.clear();
        self.known.heard = false;
        self.known.connected = false;
        self.status = None;
        self.dumped = false;
        self.stale = false;
        self.ask = false;
    }

    fn on_battery(&self) -> bool {
        self.power > Some(Power::Mains) || self.known.seen.is_some_and(Seen::on_battery)
    }

    fn dial_at(&self) -> Option<Duration> {
        let gap = if self.tries > TRIES && !self.on_battery() { LATER } else { SOON };
        Some(self.dialled?.saturating_add(gap))
    }

    /// Three questions are put before silence counts as a loss.
    fn ping_at(&self) -> Duration {
        let quiet = self.deadtime / if self.on_battery() { 9 } else { 3 };
        self.lively.saturating_add(quiet.max(LEAST_QUIET))
    }

    fn message(&mut self, now: Duration) {
        let mut words = Lines::<LONGEST_LINE>::new();
        let mut value = [0; LONGEST_LINE];
        match self.line.read(&mut words, &mut value) {
            Message::Set(value) => self.set(words.word(1).unwrap_or_default(), value),
            Message::Known if words.is(0, "DELINFO") => {
                let name = words.word(1).unwrap_or_default();
                self.values.remove(name);
                if is_status(name) {
                    self.status = None;
                }
            }
            Message::Known if words.is(0, "DUMPDONE") => {
                self.dumped = true;
                self.tries = 0;
            }
            Message::Known if words.is(0, "DATAOK") => self.stale = false,
            Message::Known if words.is(0, "DATASTALE") => self.stale = true,
            Message::Known => {}
            Message::Noise => return,
        }
        self.lively = now;
        self.known.heard = true;
        if let Some(seen) = self.status.filter(|_| self.is_trusted()) {
            self.power = mains(seen, self.power);
            self.known.seen = Some(seen);
            self.known.trusted_at = Some(now);
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.values.set(name, value);
        if is_status(name) {
            self.status = Some(Seen::read(value)).filter(|seen| !seen.is_silent());
        }
    }
}

fn is_status(name: &str) -> bool {
    name.eq_ignore_ascii_case("ups.status")
}

enum Message<'a> {
    /// SETINFO: its name is word 1, its value this.
    Set(&'a str),
    /// Any other of [`KNOWN`].
    Known,
    /// None that we know.
    Noise,
}

/// One line as it was sent. Not the lexer's: a value that is broadcast unescaped may hold a quote or end in a
/// backslash, and would then swallow the next line, which may be the status.
#[derive(Clone, Debug)]
struct Physical {
    bytes: [u8; LONGEST_LINE],
    used: usize,
    ended: bool,
}

impl Physical {
    const fn new() -> Physical {
        Physical { bytes: [0; LONGEST_LINE], used: 0, ended: false }
    }

    fn clear(&mut self) {
        self.used = 0;
        self.ended = false;
    }

    /// Takes a byte; true: it ends a line, which stands until the next byte.
    fn push(&mut self, byte: u8) -> bool {
        if self.ended {
            self.clear();
        }
        if byte == b'\n' {
            self.ended = true;
        } else if let Some(place) = self.bytes.get_mut(self.used) {
            *place = byte;
            self.used += 1;
            self.ended = self.used == LONGEST_LINE;
        }
        self.ended
    }

    fn read<'a>(
        &self,
        words: &mut Lines<LONGEST_LINE>,
        value: &'a mut [u8; LONGEST_LINE],
    ) -> Message<'a> {
        let line = self.bytes.get(..self.used).unwrap_or_default();
        let quote = |byte: &u8| *byte == b'"';
        if let Some(first) = line.iter().position(quote) {
            let (before, after) = line.split_at(first);
            if lex(words, before) && words.count() == 2 && words.is(0, "SETINFO") {
                let text = after.iter().rposition(quote).and_then(|last| after.get(1..last));
                return text.map_or(Message::Noise, |text| Message::Set(plain(text, value)));
            }
        }
        if !lex(words, line) {
            return Message::Noise;
        }
        if words.is(0, "SETINFO") {
            let text = words.word(2).map(str::as_bytes);
            return text.map_or(Message::Noise, |text| Message::Set(copy(text.iter(), value)));
        }
        let known = KNOWN.iter().any(|(word, least)| words.is(0, word) && words.count() >= *least);
        if known { Message::Known } else { Message::Noise }
    }
}

/// Reads the words of a whole line; false: it does not end as one.
fn lex(words: &mut Lines<LONGEST_LINE>, line: &[u8]) -> bool {
    words.clear();
    // An error within the line would begin another.
    let within = line.iter().find_map(|byte| words.push(*byte));
    within.is_none() && words.push(b'\n') == Some(crate::nut::words::Event::Line)
}

/// A value that was between quotes. In a dump it is escaped; in a broadcast it is not, and is told from one that is
/// by what escaping would not have left.
fn plain<'a>(text: &[u8], value: &'a mut [u8; LONGEST_LINE]) -> &'a str {
    let special = |byte: u8| matches!(byte, b'"' | b'\\' | b'#');
    let mut escape = false;
    let mut escaped = true;
    for byte in text {
        escaped &= special(*byte) || !escape;
        escaped &= escape || !matches!(byte, b'"' | b'#');
        escape = !escape && *byte == b'\\';
    }
    if !escaped || escape {
        return copy(text.iter(), value);
    }
    let mut escape = false;
    let kept = text.iter().filter(|byte| {
        escape = !escape && **byte == b'\\';
        !escape
    });
    copy(kept, value)
}

/// What NUT's lexer would keep of it.
fn copy<'a, 'b>(text: impl Iterator<Item = &'b u8>, value: &'a mut [u8; LONGEST_LINE]) -> &'a str {
    let mut used = 0;
    for (place, byte) in value.iter_mut().zip(text.filter(|byte| (0x20..=0x7f).contains(*byte))) {
        *place = *byte;
        used += 1;
    }
    let bytes = value.get(..used).unwrap_or_default();
    core::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
