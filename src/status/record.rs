//! `upsentry status --watch --record`: each change of a variable as a line, for `upsentry rules replay`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::status::collect::Snapshot;

/// The first line, and where recording begins anew; `rules::replay` reads it.
pub(super) const HEAD: &str = "# upsentry record 1";

/// What was last written.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    begun: bool,
    latest: i64,
    known: BTreeMap<(String, String), String>,
}

impl Recorder {
    /// Lines for what has changed: seconds (since 1970), UPS, variable, value, and nothing for what is not known any
    /// more. The first time they begin with [`HEAD`].
    pub(super) fn lines(&mut self, snapshot: &Snapshot, at: i64) -> String {
        let mut lines = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            let _ = writeln!(lines, "{HEAD}");
        }
        // Where the clock was set back, time stands still.
        let at = at.max(self.latest);
        self.latest = at;
        let mut now = BTreeMap::new();
        for (ups, variables) in &snapshot.ups {
            for (name, value) in variables {
                now.insert((plain(&ups.name), plain(name)), plain_text(value));
            }
        }
        let gone = self.known.keys().filter(|key| !now.contains_key(*key));
        for (ups, name) in gone {
            let _ = writeln!(lines, "{at} {ups} {name}");
        }
        for (key, value) in &now {
            if self.known.get(key) != Some(value) {
                let (ups, name) = key;
                let _ = writeln!(lines, "{at} {ups} {name} {value}");
            }
        }
        self.known = now;
        lines
    }
}

/// A jail that was taken over may say anything: nothing of it may make a line or a word.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).collect()
}

fn plain_text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
