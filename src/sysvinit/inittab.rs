//! The inittab as sysvinit reads it: which lines it takes, and what it runs for them. For `check` and the start.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What init reads at once; of a longer line the rest is a line of its own.
const PIECE: usize = 255;
/// More lines that init leaves out are not listed.
const MOST_REFUSED: usize = 16;
/// Any of these has init leave the line to a shell.
const SHELL: &str = "~`!$^&*()=|\\{}[];\"'<>?";
/// What is of interest here; there are more, none of which runs for the power.
const ACTIONS: [&str; 6] =
    ["initdefault", "powerfail", "powerfailnow", "powerokwait", "powerwait", "respawn"];
/// All others.
const OTHERS: [&str; 9] =
    ["boot", "bootwait", "ctrlaltdel", "kbrequest", "off", "once", "ondemand", "sysinit", "wait"];

/// One line: `id:runlevels:action:process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Line number, from 1.
    pub line: usize,
    /// The line's name.
    pub id: String,
    /// Empty: all.
    pub levels: String,
    /// One of those of power, `respawn` or `initdefault`; in small letters.
    pub action: String,
    /// What is run, as it is written.
    pub process: String,
}

/// What a line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program<'a> {
    /// This one: a path, or a name that init looks for.
    Named(&'a str),
    /// A shell decides.
    Shell,
    /// None.
    Nothing,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The lines of interest, in their order.
    pub entries: Vec<Entry>,
    /// Line numbers of such lines that init leaves out, and why it does.
    pub refused: Vec<(usize, String)>,
}

impl Entry {
    /// Init runs it in this runlevel.
    #[must_use]
    pub fn is_in(&self, level: char) -> bool {
        self.levels.is_empty() || self.levels.contains(level)
    }

    /// What it runs: without the signs that have init write no utmp (`+`) or start no shell (`@`).
    #[must_use]
    pub fn program(&self) -> Program<'_> {
        let text = self.process.strip_prefix('+').unwrap_or(&self.process);
        let (text, plain) = match text.strip_prefix('@') {
            Some(rest) => (rest, true),
            None => (text, !text.contains(|c| SHELL.contains(c))),
        };
        let text = text.trim_start_matches([' ', '\t']);
        let word = text.split([' ', '\t']).next().unwrap_or("");
        let word = word.split('#').next().unwrap_or("");
        if word.is_empty() {
            Program::Nothing
        } else if !plain && word.contains(|c| SHELL.contains(c)) {
            Program::Shell
        } else {
            Program::Named(word)
        }
    }

    /// The process, fit to be shown.
    #[must_use]
    pub fn shown(&self) -> String {
        let plain = |c: char| if c.is_control() { '?' } else { c };
        self.process.trim().chars().map(plain).collect()
    }
}

impl Table {
    /// Reads a file as init does. Two lines of one name in two files are not seen.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Table {
        let mut table = Table::default();
        // A tree: a file may have 100,000 names.
        let mut ids = BTreeSet::new();
        for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
            for piece in line.chunks(PIECE) {
                // To init's language the text ends there.
                let text = piece.split(|byte| *byte == 0).next().unwrap_or_default();
                table.piece(&String::from_utf8_lossy(text), number, &mut ids);
            }
        }
        table
    }

    fn piece(&mut self, text: &str, line: usize, ids: &mut BTreeSet<String>) {
        let text = text.trim_start_matches([' ', '\t']);
        if text.starts_with('#') {
            return;
        }
        let mut fields = text.splitn(4, ':');
        let mut field = || fields.next().unwrap_or("");
        let (id, levels, action) = (field(), field(), field().to_ascii_lowercase());
        let process = fields.next();
        let ours = ACTIONS.contains(&action.as_str());
        let why = match process {
            None => Some("has not four fields"),
            Some(_) if id.is_empty() => Some("has no name before the first colon"),
            Some(_) if id.len() > 4 => Some("has a name of more than 4 letters"),
            Some(_) if levels.len() > 11 => Some("has more than 11 runlevels"),
            Some(process) if process.len() > 127 => Some("has a command of more than 127 letters"),
            Some(_) if !ours && !OTHERS.contains(&action.as_str()) => {
                Some("has an action that it does not know")
            }
            Some(_) if ids.contains(id) => Some("has the name of a line before it"),
            Some(_) => None,
        };
        match why {
            Some(why) if ours || action.starts_with("power") => {
                if self.refused.len() < MOST_REFUSED {
                    self.refused.push((line, why.to_owned()));
                }
            }
            Some(_) => {}
            None => {
                ids.insert(id.to_owned());
                let process = process.unwrap_or("").to_owned();
                let (id, levels) = (id.to_owned(), levels.to_owned());
                if ours {
                    self.entries.push(Entry { line, id, levels, action, process });
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "inittab_tests.rs"]
mod tests;
