//! The upsentry.conf that is being made.

use std::fmt::{Display, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::config::{self, Purpose};

/// More UPSs, or remarks, are only counted.
pub(super) const MOST: usize = 1000;
/// Of a word that is repeated in a remark.
const SHOWN: usize = 60;
/// Of a UPS's name.
const LONGEST_NAME: usize = 63;

/// A UPS.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub name: String,
    /// Directives and comments.
    pub lines: Vec<String>,
}

/// Everything that will stand in the file.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Comments at the top.
    pub head: Vec<String>,
    /// Directives of the machine, and those of all UPSs.
    pub machine: Vec<String>,
    pub sections: Vec<Section>,
    /// By the line that each is of.
    notes: Vec<(usize, String)>,
    more: usize,
    left_out: usize,
}

impl Draft {
    /// Remarks on what a line said: why it has no equivalent, or what is different.
    pub(super) fn note(&mut self, line: usize, name: &str, why: impl Display) {
        if self.notes.len() < MOST {
            self.notes.push((line, format!("{line} {}: {why}", shown(name))));
        } else {
            self.more += 1;
        }
    }

    /// A remark on a UPS that is not in the result.
    pub(super) fn leave_out(&mut self, line: usize, name: &str, why: impl Display) {
        self.left_out += 1;
        self.note(line, name, format_args!("LEFT OUT: {why}"));
    }

    /// A name like this that upsentry takes and no other UPS has, in any case of letters.
    pub(super) fn name(&self, like: &str) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let plain: String =
            like.chars().map(|c| if fits(c) { c } else { '_' }).take(LONGEST_NAME - 5).collect();
        let plain = if plain.is_empty() { "ups".to_owned() } else { plain };
        let fits = like == plain || (like.len() <= LONGEST_NAME && like.chars().all(fits));
        let first = if fits && !like.is_empty() { like.to_owned() } else { plain.clone() };
        let numbered = (2..).map(|number: usize| format!("{plain}-{number}"));
        let taken = |name: &String| {
            self.sections.iter().any(|section| section.name.eq_ignore_ascii_case(name))
        };
        std::iter::once(first).chain(numbered).find(|name| !taken(name)).unwrap_or(plain)
    }

    /// The file.
    pub(super) fn text(mut self, path: &Path) -> String {
        let mut text = String::new();
        let mut add = |line: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        };
        self.head.iter().for_each(|line| add(&format!("# {line}")));
        if self.left_out > 0 {
            add(&format!(
                "# UPSs that are LEFT OUT: {}; the remarks at the end say why.",
                self.left_out
            ));
        }
        if !self.machine.is_empty() {
            add("");
            self.machine.iter().for_each(|line| add(line));
        }
        for section in &self.sections {
            add("");
            add(&format!("ups {}", section.name));
            section.lines.iter().for_each(|line| add(line));
        }
        if !self.notes.is_empty() {
            add("");
            let path = shown(&path.display().to_string());
            add(&format!(
                "# Of {path}, by its lines: what has no equivalent, or a different one, and why."
            ));
            self.notes.sort_by_key(|(line, _)| *line);
            self.notes.iter().for_each(|(_, note)| add(&format!("# {note}")));
        }
        if self.more > 0 {
            add(&format!("# And {} more such lines.", self.more));
        }
        text
    }
}

/// As it may stand in a comment: printable, and short.
pub(super) fn shown(text: &str) -> String {
    let printable = |c: char| if c.is_control() || c == '\u{feff}' { '?' } else { c };
    let mut short: String = text.chars().take(SHOWN).map(printable).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push_str("...");
    }
    short
}

/// A word as upsentry.conf takes it, in quotes where it must be; `None`: it cannot be written there.
pub(super) fn word(text: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || c == '\u{feff}' || c == '"';
    let quoted = text.is_empty() || text.starts_with('#') || text.contains([' ', '\t']);
    match (text.contains(odd), quoted) {
        (true, _) => None,
        (false, true) => Some(format!("\"{text}\"")),
        (false, false) => Some(text.to_owned()),
    }
}

/// Whether upsentry takes such lines of one UPS.
pub(super) fn takes(lines: &str) -> bool {
    config::parse(Path::new("lines"), lines, Purpose::Test).is_ok()
}

/// So many seconds as upsentry.conf has them, no more than it takes.
pub(super) fn seconds(count: i64, most: u64) -> String {
    config::time(Duration::from_secs(u64::try_from(count).unwrap_or(0).min(most)))
}

/// A whole number, as C reads one: what follows its digits does not count.
pub(super) fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    format!("{sign}{}", digits.get(..end)?).parse().ok()
}
