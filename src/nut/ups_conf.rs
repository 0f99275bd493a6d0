//! ups.conf, as NUT's programs read it - not as it looks, and not as the shell script reads it that makes the
//! drivers' services. Where the two differ, or a line does nothing, a warning says so.

use crate::nut::words::{Event, FULL, Lines, Notes};

/// Bytes of a file that are read.
pub const LARGEST: usize = 1 << 20;
/// Sections that are kept.
pub const MOST_SECTIONS: usize = 1000;
/// Keys of a section that are kept.
pub const MOST_KEYS: usize = 200;
/// Warnings that are kept.
pub const MOST_WARNINGS: usize = 100;
/// Bytes of a socket's whole path: a `sockaddr_un` has 108, the last of them 0.
pub const LONGEST_PATH: usize = 107;

/// One UPS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Its name, without brackets.
    pub name: String,
    /// Its first line, from 1.
    pub line: usize,
    /// The driver's name; the last one given.
    pub driver: Option<String>,
    /// The port; the last one given.
    pub port: Option<String>,
    /// All keys in order, those two with them; no value: a flag.
    pub keys: Vec<(String, Option<String>)>,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpsConf {
    /// Where sockets are; none: as NUT was built.
    pub state_path: Option<String>,
    /// Where drivers are.
    pub driver_path: Option<String>,
    /// In the order of the file; those without driver or port too.
    pub sections: Vec<Section>,
    /// Line, from 1, and what is odd there.
    pub warnings: Vec<(usize, String)>,
}

impl UpsConf {
    /// The section of this name; in any case if none has it exactly, as NUT's clients ask.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Section> {
        let exactly = self.sections.iter().find(|section| section.name == name);
        exactly.or_else(|| {
            self.sections.iter().find(|section| section.name.eq_ignore_ascii_case(name))
        })
    }

    fn warn(&mut self, line: usize, text: impl Into<String>) {
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push((line, text.into()));
        }
    }
}

/// The name of a driver's socket in the state directory; `None` if it would be in another directory, or has no
/// name, or the path under `state_path` would be too long for a socket.
#[must_use]
pub fn socket_name(state_path: &str, driver: &str, ups: &str) -> Option<String> {
    let fits = state_path.len() + 1 + driver.len() + 1 + ups.len() <= LONGEST_PATH;
    let good = |part: &str| !part.is_empty() && !part.contains(['/', '\0']);
    (fits && good(driver) && good(ups)).then(|| format!("{driver}-{ups}"))
}

/// Reads the file. No text is an error: what NUT does not understand it ignores.
#[must_use]
pub fn read(text: &[u8]) -> UpsConf {
    let mut reader = Reader { lexer: Lines::new(), conf: UpsConf::default(), section: None };
    let (mut line, mut begun) = (1, 1);
    for byte in text.iter().take(LARGEST) {
        if let Some(event) = reader.lexer.push(*byte) {
            reader.line(begun, event);
            // The rest after an error is a line of its own, but in the same place.
            begun = line + usize::from(*byte == b'\n');
        }
        line += usize::from(*byte == b'\n');
    }
    if let Some(event) = reader.lexer.finish_file() {
        reader.line(begun, event);
    } else if reader.lexer.is_within() {
        reader.conf.warn(begun, "the last line has no end, and its only word is lost");
    }
    if text.len() > LARGEST {
        reader.conf.warn(line, "the file is too long: the rest is not read");
    }
    reader.missing();
    reader.conf
}

struct Reader {
    lexer: Lines<FULL>,
    conf: UpsConf,
    /// The section that lines belong to; `None`: none yet.
    section: Option<usize>,
}

impl Reader {
    fn line(&mut self, at: usize, event: Event) {
        let notes = self.lexer.notes();
        self.doubts(at, notes);
        if event == Event::Error {
            let text = "`#' in quotes without a backslash: NUT drops this line up to there and takes the rest for another";
            return self.conf.warn(at, text);
        }
        let word = |number| self.lexer.word(number).unwrap_or_default().to_owned();
        let (first, count) = (word(0), self.lexer.count());
        if count == 0 {
            return;
        }
        if let Some(name) = first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.to_owned();
            if count > 1 {
                self.conf.warn(at, "words after a section's name are ignored");
            }
            return self.begin(at, name);
        }
        if first.starts_with('[') {
            let text = "no section: a name with blanks must be quoted with its brackets; what follows belongs to the section before";
            return self.conf.warn(at, text);
        }
        if count == 1 {
            return self.key(at, first, None);
        }
        if !self.lexer.is(1, "=") {
            return self.conf.warn(at, "ignored: more than one word, and no `=' after the first");
        }
        if count == 2 {
            return self.conf.warn(at, "ignored: no value after `='");
        }
        let value = word(2);
        self.value_doubts(at, notes, &value);
        self.key(at, first, Some(value));
    }

    /// What is odd on any line.
    fn doubts(&mut self, at: usize, notes: Notes) {
        for (is, text) in [
            (notes.dropped, "bytes outside of ASCII are dropped"),
            (notes.cut, "too long: words after the 32nd and bytes after the 512th are dropped"),
            (notes.spread, "a quoted word goes on over the end of a line: a quote may be missing"),
        ] {
            if is {
                self.conf.warn(at, text);
            }
        }
    }

    /// What is odd about a value, which is word 2.
    fn value_doubts(&mut self, at: usize, notes: Notes, value: &str) {
        let quoted = notes.quoted & 0b100 != 0;
        let single = !quoted && value.starts_with('\'');
        let blanks = quoted && value.trim() != value;
        let more = self.lexer.count() > 3;
        let cut = more && self.lexer.is(3, "=");
        let comment = !quoted && notes.comment_after;
        for (is, text) in [
            (single, "single quotes are part of the value, which ends at the first blank"),
            (blanks, "the blanks at the ends are part of the value"),
            (cut, "the value ends before `=': it must be quoted"),
            (more && !cut, "words after the value are ignored: it must be quoted"),
            (
                notes.comment_in_word,
                "the value ends before `#': it must be quoted, and `#' escaped",
            ),
            (comment, "a comment after the value: nut-driver-enumerator takes it for a part"),
        ] {
            if is {
                self.conf.warn(at, text);
            }
        }
    }

    fn begin(&mut self, at: usize, name: String) {
        let there = self.conf.sections.iter().position(|section| section.name == name);
        let full = there.is_none() && self.conf.sections.len() == MOST_SECTIONS;
        if there.is_some() {
            self.conf.warn(at, format!("[{name}] is there twice: a later key counts"));
        } else if self.conf.find(&name).is_some() {
            self.conf.warn(at, format!("[{name}] differs from another only in case"));
        }
        if full {
            self.conf.warn(at, "too many sections: the rest is not read");
        } else if there.is_none() {
            self.conf.sections.push(Section { name, line: at, ..Section::default() });
        }
        let last = self.conf.sections.len().saturating_sub(1);
        // Lines of one that is not kept belong to nothing.
        self.section = if full { Some(usize::MAX) } else { there.or(Some(last)) };
    }

    fn key(&mut self, at: usize, key: String, value: Option<String>) {
        let Some(section) = self.section else {
            return self.global(at, &key, value);
        };
        let Some(section) = self.conf.sections.get_mut(section) else { return };
        if section.keys.len() == MOST_KEYS {
            return self.conf.warn(at, "too many keys: the rest of the section is not read");
        }
        match key.as_str() {
            "driver" if value.is_some() => section.driver.clone_from(&value),
            "port" if value.is_some() => section.port.clone_from(&value),
            _ => {}
        }
        let other = ["driver", "port"].iter().find(|one| key.eq_ignore_ascii_case(one));
        let misspelt = other.filter(|one| **one != key || value.is_none());
        section.keys.push((key, value));
        if let Some(one) = misspelt {
            self.conf.warn(at, format!("upsd takes only `{one} = VALUE', in lower case"));
        }
    }

    fn global(&mut self, at: usize, key: &str, value: Option<String>) {
        let place = if key.eq_ignore_ascii_case("statepath") {
            &mut self.conf.state_path
        } else if key.eq_ignore_ascii_case("driverpath") {
            &mut self.conf.driver_path
        } else {
            return;
        };
        match value {
            Some(value) => *place = Some(value),
            None => self.conf.warn(at, format!("{key} has no value")),
        }
    }

    /// upsd drops an entry without driver or port.
    fn missing(&mut self) {
        let mut found = Vec::new();
        for section in &self.conf.sections {
            for (key, value) in [("driver", &section.driver), ("port", &section.port)] {
                if value.is_none() {
                    let text = format!("[{}] has no {key}: upsd drops it", section.name);
                    found.push((section.line, text));
                }
            }
        }
        found.into_iter().for_each(|(line, text)| self.conf.warn(line, text));
    }
}

#[cfg(test)]
#[path = "ups_conf_tests.rs"]
mod tests;
