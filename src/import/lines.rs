//! Lines of other programs' files, one after the other: nothing of a file is kept here.

use crate::nut::words::{Event, FULL, Lines};

/// A line that says something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Where it begins, from 1.
    pub number: usize,
    /// At least one.
    pub words: &'a [&'a str],
    /// What NUT cannot read in it, or may read otherwise than was meant; empty: nothing.
    pub odd: &'static str,
    /// NUT takes nothing from it.
    pub broken: bool,
}

impl<'a> Line<'a> {
    /// The first word; empty where there is none.
    pub(super) fn name(&self) -> &'a str {
        self.word(0)
    }

    /// The word of this number; empty where there is none.
    pub(super) fn word(&self, number: usize) -> &'a str {
        self.words.get(number).copied().unwrap_or("")
    }
}

/// The lines of a file of NUT's.
pub(super) fn nut(text: &[u8], mut take: impl FnMut(&Line<'_>)) {
    let mut lines = Lines::<FULL>::new();
    let mut here = 1;
    let mut number = None;
    let mut unread = 0;
    let mut give = |lines: &Lines<FULL>, number: usize, event| {
        let words: Vec<&str> = lines.words().collect();
        let notes = lines.notes();
        let odd = match event {
            Event::Error => "a `#' between quotes: NUT cannot read it",
            Event::Line if notes.spread => "a quote that goes on over a line's end: is one lost?",
            Event::Line if notes.cut => "too long: NUT drops the rest",
            Event::Line if notes.dropped => "not ASCII: NUT drops such letters",
            Event::Line => "",
        };
        // What stands behind such a `#` was meant to be no line.
        let rest = unread == number && !notes.spread;
        if event == Event::Error {
            unread = number;
        }
        if !words.is_empty() && !rest {
            take(&Line { number, words: &words, odd, broken: event == Event::Error });
        }
    };
    for byte in text {
        if !byte.is_ascii_whitespace() {
            number.get_or_insert(here);
        }
        if let Some(event) = lines.push(*byte) {
            give(&lines, number.take().unwrap_or(here), event);
        }
        here += usize::from(*byte == b'\n');
    }
    if let Some(event) = lines.finish_file() {
        give(&lines, number.unwrap_or(here), event);
    }
}

/// The lines of apcupsd.conf: a name, which is given in capitals, and a value, which may hold blanks and ends before
/// a `#`.
pub(super) fn apcupsd(text: &[u8], mut take: impl FnMut(&Line<'_>)) {
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let line = String::from_utf8_lossy(line);
        let line = line.split('#').next().unwrap_or("").trim();
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if !name.is_empty() {
            let name = name.to_ascii_uppercase();
            take(&Line { number, words: &[&name, value.trim()], odd: "", broken: false });
        }
    }
}
