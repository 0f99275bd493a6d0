//! Scripts: commands with times. Pure parsing.

use crate::command::{self, Command};
use std::time::Duration;

/// One command and when it is due, counted from the start of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Duration,
    /// What.
    pub command: Command,
}

/// Parses a whole script. `+200ms` counts from the line before, `1.5s` from the start; the times are
/// added up here, so a late command does not make those after it late.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut last = Duration::ZERO;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: String| format!("line {number}: {what}");
        let (time, rest) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| wrong("no command after the time".to_owned()))?;
        let at = match time.strip_prefix('+') {
            Some(time) => last.saturating_add(command::duration(time).map_err(wrong)?),
            None => command::duration(time).map_err(wrong)?,
        };
        if at < last {
            return Err(wrong(format!("`{time}` is before the line above it")));
        }
        last = at;
        match command::parse(rest).map_err(wrong)? {
            Some(command) => entries.push(Entry { at, command }),
            None => return Err(wrong("no command after the time".to_owned())),
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_add_up_and_absolute_ones_stand() {
        let script =
            parse("# an outage\n+200ms mark a\n\n+0.3s mark b\n1.5s mark c\n+1us mark d\n")
                .unwrap();
        let times: Vec<u128> = script.iter().map(|entry| entry.at.as_micros()).collect();
        assert_eq!(times, [200_000, 500_000, 1_500_000, 1_500_001]);
        assert_eq!(script[2].command, Command::Mark("c".to_owned()));
    }

    #[test]
    fn a_thousand_lines_end_where_they_should() {
        let script = parse(&"+200ms set a cts=1\n".repeat(1000)).unwrap();
        assert_eq!(script.last().unwrap().at, Duration::from_secs(200));
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, at) in [
            ("+1ms mark\nset a cts=1\n", 2),
            ("1s mark a\n0.5s mark b\n", 2),
            ("+1ms\n", 1),
            ("1s # nothing\n", 1),
            ("\n\n+1ms set a cts=7\n", 3),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("line {at}: ")), "{error}");
        }
    }
}
