//! The words of a line, as NUT's own lexer finds them in its files and on its sockets; bounded.
//!
//! - LF ends a line; blanks separate words; `=` is a word by itself.
//! - `#` starts a comment, inside a bare word too.
//! - `"` at the start of a word opens a quoted one, over line ends, until the next `"`. A `#` in it is an error: the
//!   words so far are the line's, and what follows begins another.
//! - `\` takes the next byte literally; before LF it joins lines, and begins a word.
//! - Bytes outside of 0x20 to 0x7f are dropped from words.
//! - A line has 32 words of 512 bytes at most. What is more is dropped.

use core::fmt;

/// Words of a line.
pub const MOST: usize = 32;
/// Bytes of a word.
pub const LONGEST: usize = 512;
/// Bytes of all words of a line that can never be more than is kept.
pub const FULL: usize = MOST * LONGEST;

/// A line has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// As it should.
    Line,
    /// By an unescaped `#` in quotes; NUT's programs take nothing from such a line.
    Error,
}

/// What a line had that its words do not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// A comment that began right in a word.
    pub comment_in_word: bool,
    /// A comment after a word and a blank.
    pub comment_after: bool,
    /// Bytes outside of ASCII, or control characters, were dropped.
    pub dropped: bool,
    /// Words or bytes beyond what is kept were dropped.
    pub cut: bool,
    /// A quoted word went on over a line end.
    pub spread: bool,
    /// Bit n: word n was quoted.
    pub quoted: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Bare,
    Quoted,
    BareNext,
    QuotedNext,
    Comment,
    Ended,
}

/// The lexer, with room for `ROOM` bytes in all words of a line.
#[derive(Clone, Debug)]
pub struct Lines<const ROOM: usize> {
    text: [u8; ROOM],
    ends: [usize; MOST],
    count: usize,
    /// End of the word that is being read; the finished ones end at `ends`.
    used: usize,
    state: State,
    notes: Notes,
}

impl<const ROOM: usize> Default for Lines<ROOM> {
    fn default() -> Lines<ROOM> {
        Lines::new()
    }
}

impl<const ROOM: usize> Lines<ROOM> {
    /// Before the first byte.
    #[must_use]
    pub const fn new() -> Lines<ROOM> {
        let notes = Notes {
            comment_in_word: false,
            comment_after: false,
            dropped: false,
            cut: false,
            spread: false,
            quoted: 0,
        };
        let (ends, state) = ([0; MOST], State::Between);
        Lines { text: [0; ROOM], ends, count: 0, used: 0, state, notes }
    }

    /// Takes one byte. If it ends a line, its words stand until the next byte.
    pub fn push(&mut self, byte: u8) -> Option<Event> {
        if self.state == State::Ended {
            self.clear();
        }
        match (self.state, byte) {
            (State::Comment | State::Between | State::Ended, b'\n') => {
                return self.end(Event::Line);
            }
            (State::Comment, _) => {}
            (State::Between | State::Ended, _) => self.between(byte),
            (State::Bare, b'\n') => {
                self.finish(false);
                return self.end(Event::Line);
            }
            (State::Bare, _) => self.bare(byte),
            (State::Quoted, b'#') => {
                self.finish(true);
                return self.end(Event::Error);
            }
            (State::Quoted, b'"') => {
                self.finish(true);
                self.state = State::Between;
            }
            (State::Quoted, b'\\') => self.state = State::QuotedNext,
            (State::Quoted, _) => self.keep(byte),
            (State::BareNext, _) => self.literal(byte, State::Bare),
            (State::QuotedNext, _) => self.literal(byte, State::Quoted),
        }
        None
    }

    /// The end of a file: a last line without LF counts if it has a finished word. A last word that was begun is
    /// then taken too, if there is anything in it.
    pub fn finish_file(&mut self) -> Option<Event> {
        if self.state == State::Ended || self.count == 0 {
            return None;
        }
        if self.used > self.begun() {
            self.finish(matches!(self.state, State::Quoted | State::QuotedNext));
        }
        self.end(Event::Line)
    }

    /// A word or a quote has been begun that is not finished.
    #[must_use]
    pub fn is_within(&self) -> bool {
        !matches!(self.state, State::Between | State::Comment | State::Ended)
    }

    /// Forgets the line that is being read.
    pub fn clear(&mut self) {
        self.count = 0;
        self.used = 0;
        self.state = State::Between;
        self.notes = Notes::default();
    }

    /// Words of the line that has ended.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Its word of this number, from 0.
    #[must_use]
    pub fn word(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(..self.count)?.get(number)?;
        let begin = number.checked_sub(1).and_then(|before| self.ends.get(before));
        let bytes = self.text.get(begin.copied().unwrap_or(0)..end)?;
        core::str::from_utf8(bytes).ok()
    }

    /// Its words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        (0..self.count).filter_map(|number| self.word(number))
    }

    /// Whether its word of this number is this, in any case.
    #[must_use]
    pub fn is(&self, number: usize, word: &str) -> bool {
        self.word(number).is_some_and(|there| there.eq_ignore_ascii_case(word))
    }

    /// What else it had.
    #[must_use]
    pub fn notes(&self) -> Notes {
        self.notes
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b'#' => {
                self.notes.comment_after |= self.count > 0;
                self.state = State::Comment;
            }
            b'\\' => self.state = State::BareNext,
            b'"' => self.state = State::Quoted,
            b'=' => self.equals(),
            _ if blank(byte) => {}
            _ => {
                self.state = State::Bare;
                self.keep(byte);
            }
        }
    }

    fn bare(&mut self, byte: u8) {
        match byte {
            b'#' => {
                self.finish(false);
                self.notes.comment_in_word = true;
                self.state = State::Comment;
            }
            b'=' => {
                self.finish(false);
                self.equals();
            }
            b'\\' => self.state = State::BareNext,
            _ if blank(byte) => {
                self.finish(false);
                self.state = State::Between;
            }
            _ => self.keep(byte),
        }
    }

    fn equals(&mut self) {
        self.keep(b'=');
        self.finish(false);
        self.state = State::Between;
    }

    fn literal(&mut self, byte: u8, then: State) {
        if byte != b'\n' {
            self.keep(byte);
        }
        self.state = then;
    }

    fn begun(&self) -> usize {
        self.count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0)
    }

    /// Adds a byte to the word that is being read.
    fn keep(&mut self, byte: u8) {
        if !(0x20..=0x7f).contains(&byte) {
            self.notes.spread |= byte == b'\n';
            self.notes.dropped |= byte != b'\n';
            return;
        }
        let fits = self.used - self.begun() < LONGEST && self.count < MOST;
        match self.text.get_mut(self.used) {
            Some(place) if fits => {
                *place = byte;
                self.used += 1;
            }
            _ => self.notes.cut = true,
        }
    }

    fn finish(&mut self, quoted: bool) {
        match self.ends.get_mut(self.count) {
            Some(end) => {
                *end = self.used;
                self.notes.quoted |= u32::from(quoted) << self.count;
                self.count += 1;
            }
            None => self.notes.cut = true,
        }
    }

    fn end(&mut self, event: Event) -> Option<Event> {
        self.state = State::Ended;
        Some(event)
    }
}

/// What C's `isspace` takes.
fn blank(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

/// Writes a word for sending: in quotes, with what has a meaning in them escaped. Bytes that the lexer would drop are
/// left out.
///
/// # Errors
/// Those of `out`.
pub fn quote(out: &mut impl fmt::Write, word: &str) -> fmt::Result {
    out.write_char('"')?;
    for letter in word.chars().filter(|letter| matches!(letter, ' '..='\u{7f}')) {
        if matches!(letter, '"' | '\\' | '#') {
            out.write_char('\\')?;
        }
        out.write_char(letter)?;
    }
    out.write_char('"')
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
