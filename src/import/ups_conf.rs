//! ups.conf: genericups sections become lines, all others drivers that are watched.

use std::path::Path;

use crate::config::UPS_CONF;

use super::contacts::{self, Key};
use super::lines::{self, Line};
use super::output::{Draft, MOST, Section, number, seconds, shown, word};

/// More keys in all sections are not kept.
const MOST_KEYS: usize = 10_000;
/// What -k holds a signal for, at most.
const LONGEST_HOLD: u64 = 600;

/// A section as the file has it.
#[derive(Debug)]
struct Found {
    line: usize,
    name: String,
    keys: Vec<Key>,
}

impl Found {
    /// The last word on it; NUT's server takes these two in small letters only.
    fn last(&self, name: &str) -> Option<&str> {
        let mut said = self.keys.iter().rev();
        said.find(|(_, key, _)| key == name).map(|(_, _, value)| value.as_str())
    }
}

/// The file, one line after the other.
#[derive(Debug, Default)]
struct Reader {
    draft: Draft,
    globals: Vec<(usize, String)>,
    found: Vec<Found>,
    /// The section that lines belong to; `None` before the first.
    current: Option<usize>,
    /// Too many sections: what follows belongs to none that is kept.
    over: bool,
    keys: usize,
}

impl Reader {
    fn line(&mut self, line: &Line<'_>) {
        if !line.odd.is_empty() {
            self.draft.note(line.number, line.name(), line.odd);
        }
        if line.broken {
            return;
        }
        let bracketed = line.name().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let (key, value) = match line.words {
            _ if bracketed.is_some() => return self.section(line.number, bracketed.unwrap_or("")),
            [flag] => (*flag, ""),
            [key, "=", rest @ ..] => (*key, rest.first().copied().unwrap_or("")),
            [other, ..] => {
                let why = "neither a section nor `KEY = VALUE': NUT takes no notice of it";
                return self.draft.note(line.number, other, why);
            }
            [] => return,
        };
        if self.over || self.keys >= MOST_KEYS {
            return self.draft.note(line.number, key, "too many lines: left out");
        }
        self.keys += 1;
        match self.current.and_then(|at| self.found.get_mut(at)) {
            Some(found) => found.keys.push((line.number, key.to_owned(), value.to_owned())),
            None => self.globals.push((line.number, key.to_owned())),
        }
    }

    /// One that comes again goes on.
    fn section(&mut self, line: usize, name: &str) {
        let there = self.found.iter().position(|found| found.name == name);
        self.over = there.is_none() && self.found.len() >= MOST;
        if self.over {
            return self.draft.leave_out(line, name, "too many UPSs");
        }
        if there.is_none() {
            self.found.push(Found { line, name: name.to_owned(), keys: Vec::new() });
        }
        self.current = there.or(self.found.len().checked_sub(1));
    }
}

/// The equivalent upsentry.conf.
///
/// # Errors
/// No section is a UPS that can be watched.
pub(super) fn convert(path: &Path, text: &[u8]) -> Result<String, String> {
    let mut reader = Reader::default();
    lines::nut(text, |line| reader.line(line));
    let Reader { mut draft, globals, found, .. } = reader;
    let (mut drivers, mut hold) = (false, None);
    for found in found {
        drivers |= ups(&mut draft, &found);
        for (line, _, value) in found.keys.iter().filter(|(_, key, _)| key == "sdtime") {
            let time = number(value).filter(|time| *time > 0);
            if hold.is_some() || time.is_none() {
                draft.note(*line, "sdtime", "there is one `kill-hold' for all, the longest");
            }
            hold = hold.max(time);
        }
    }
    if draft.sections.is_empty() {
        return Err(
            "no UPS of it can be watched; it has no section with a `driver' and a `port' of use"
                .to_owned(),
        );
    }
    for (line, key) in globals {
        let why = match (key.to_ascii_lowercase().as_str(), drivers) {
            ("statepath" | "driverpath", true) => "upsentry reads it where it stands",
            (_, true) => "said to NUT's drivers, which go on reading it where it stands",
            (_, false) => "said to NUT's drivers, and none is needed for these UPSs",
        };
        draft.note(line, &key, why);
    }
    head(&mut draft, path, drivers);
    draft.machine.extend(hold.map(|time| format!("kill-hold {}", seconds(time, LONGEST_HOLD))));
    Ok(draft.text(path))
}

fn head(draft: &mut Draft, path: &Path, drivers: bool) {
    let from = shown(&path.display().to_string());
    draft.head.push(format!(
        "Made of {from} by `upsentry import-ups-conf'. Look it over, then try `upsentry check -c FILE' with it."
    ));
    draft.head.push(
        "Stop upsmon, and genericups where a line is watched: two monitors are two shutdowns, and two kills.".to_owned(),
    );
    if drivers && path != Path::new(UPS_CONF) {
        if let Some(path) = path.to_str().filter(|_| path.is_absolute()).and_then(word) {
            draft.machine.push(format!("ups-conf {path}"));
        }
    }
    if draft.sections.len() > 1 {
        draft.machine.push(
            "# One UPS is enough, as by upsmon's default; if each feeds a part of this machine, write the sum.".to_owned(),
        );
        draft.machine.push("need 1".to_owned());
    }
}

/// A section of ours; whether NUT's driver is watched.
fn ups(draft: &mut Draft, found: &Found) -> bool {
    let Found { line, name, keys } = found;
    let bracketed = format!("[{name}]");
    let (Some(driver), Some(_)) = (found.last("driver"), found.last("port")) else {
        draft.leave_out(*line, &bracketed, "no `driver' or no `port'; NUT's server does so, too");
        return false;
    };
    let own = draft.name(name);
    if draft.sections.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
        let why = format!("differs from another only in its case; it became `{own}'");
        draft.note(*line, &bracketed, why);
    } else if own != *name {
        draft.note(*line, &bracketed, format_args!("not a name here; it became `{own}'"));
    }
    if driver == "genericups" {
        if let Some(lines) = contacts::section(draft, *line, name, keys) {
            let same = |other: &Section| other.lines.first() == lines.first();
            if draft.sections.iter().any(same) {
                draft.leave_out(*line, &bracketed, "its port is watched already");
            } else {
                draft.sections.push(Section { name: own, lines });
            }
        }
        return false;
    }
    let mut lines = vec![format!("watch driver:{own}")];
    if own != *name {
        lines.push("# rename the section in ups.conf, too: it must be called so there".to_owned());
    }
    for (line, key, value) in keys {
        let spared = key == "sdorder" && number(value).is_some_and(|order| order < 0);
        let why = match key.as_str() {
            "driver" | "port" => continue,
            "sdorder" if spared => "-1: not to be cut; `kill-command' does nothing then",
            "sdorder" => "upsentry -k has no order of UPSs",
            _ => "said to its driver, which goes on reading it where it stands",
        };
        if spared && !lines.iter().any(|line| line.starts_with("kill-command")) {
            lines.push("kill-command /bin/true".to_owned());
        }
        draft.note(*line, key, why);
    }
    draft.sections.push(Section { name: own, lines });
    true
}
