//! The history as people and programs read it: outages, made of the words that were told.

use core::fmt::Write as _;

use crate::history::record::{Cause, Event, Record};
use crate::ipc::told::Word;

/// A word that was told.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Which.
    pub word: Word,
    /// Why.
    pub cause: Cause,
    /// The rest of its line.
    pub record: Record<'a>,
}

/// One outage.
#[derive(Clone, Debug)]
pub struct Outage<'a> {
    /// Its words, oldest first; at least one.
    pub told: Vec<Told<'a>>,
    /// How it ended.
    pub end: End,
}

/// How an outage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Init was told that power is back.
    Mains,
    /// The machine was told to go down, and did.
    Halted,
    /// Nobody watched its end: the machine or upsentry went without having been told to.
    Unknown,
    /// It has not ended.
    Open,
}

impl End {
    fn text(self) -> &'static str {
        match self {
            End::Mains => "mains returned",
            End::Halted => "halted by us",
            End::Unknown => "not seen: the machine went down meanwhile",
            End::Open => "not yet",
        }
    }

    fn word(self) -> &'static str {
        match self {
            End::Mains => "mains",
            End::Halted => "halted",
            End::Unknown => "unknown",
            End::Open => "open",
        }
    }
}

impl<'a> Outage<'a> {
    /// Seconds away from mains, as far as it was told.
    pub fn seconds(&self) -> u64 {
        self.told.iter().map(|told| told.record.battery).max().unwrap_or(0)
    }

    /// The worst word.
    pub fn worst(&self) -> Word {
        self.told.iter().map(|told| told.word).max().unwrap_or(Word::Ok)
    }

    /// The boot in which its last word was told.
    fn boot(&self) -> Option<&'a str> {
        self.told.last().map(|told| told.record.boot)
    }

    /// When the machine went on battery, seconds since 1970.
    pub fn began(&self) -> i64 {
        let first = self.told.first().map(|told| told.record);
        first.map_or(0, |first| first.at.saturating_sub_unsigned(first.battery))
    }
}

/// Groups lines, oldest first. `boot`: the boot that now is.
pub fn outages<'a>(records: impl Iterator<Item = Record<'a>>, boot: &str) -> Vec<Outage<'a>> {
    let mut all: Vec<Outage<'_>> = Vec::new();
    for record in records {
        let Event::Told(word, cause) = record.event else { continue };
        let told = Told { word, cause, record };
        let open = all
            .last_mut()
            .filter(|outage| outage.end == End::Open && outage.boot() == Some(record.boot));
        let end = if word == Word::Ok { End::Mains } else { End::Open };
        match open {
            Some(outage) => {
                outage.told.push(told);
                outage.end = end;
            }
            None => all.push(Outage { told: vec![told], end }),
        }
    }
    for outage in all.iter_mut().filter(|outage| outage.end == End::Open) {
        if outage.boot() != Some(boot) {
            let asked = matches!(outage.worst(), Word::Low | Word::Shutdown);
            outage.end = if asked { End::Halted } else { End::Unknown };
        }
    }
    all
}

/// `10m50s`, `2d03h`: two units are enough.
pub fn length(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (hours / 24, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        (days, _, _) => format!("{days}d{:02}h", hours % 24),
    }
}

/// A table, newest first. `local`: how a time is shown.
pub fn table(outages: &[Outage<'_>], local: impl Fn(i64) -> String) -> String {
    let mut text = format!(
        "{:<19}  {:>15}  {:<8}  {:<19}  why it ended\n",
        "began", "away from mains", "worst", "what was told"
    );
    for outage in outages.iter().rev() {
        let words: Vec<String> =
            outage.told.iter().map(|told| told.word.text().to_ascii_lowercase()).collect();
        let away = match outage.end {
            End::Open => format!("{} so far", length(outage.seconds())),
            _ => length(outage.seconds()),
        };
        let (began, worst) = (local(outage.began()), outage.worst().text());
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{began:<19}  {away:>15}  {worst:<8}  {:<19}  {}",
            words.join(", "),
            outage.end.text()
        );
        let mut told = outage.told.iter();
        let worst = told.rfind(|t| t.word == outage.worst() && t.cause != Cause::Insist);
        if let Some(told) = worst.map(|told| told.record).filter(|told| !told.why.is_empty()) {
            let _ = writeln!(text, "{:<19}  {}: {}", "", told.ups, told.why);
        }
    }
    text
}

/// An array of objects, oldest first, times in seconds since 1970.
pub fn json(outages: &[Outage<'_>]) -> String {
    let one = |outage: &Outage<'_>| {
        let told: Vec<String> = outage.told.iter().map(told_json).collect();
        format!(
            "{{\"began\":{},\"seconds\":{},\"worst\":\"{}\",\"ended\":\"{}\",\"told\":[{}]}}",
            outage.began(),
            outage.seconds(),
            outage.worst().text(),
            outage.end.word(),
            told.join(",")
        )
    };
    let all: Vec<String> = outages.iter().map(one).collect();
    format!("[{}]", all.join(",\n "))
}

fn told_json(told: &Told<'_>) -> String {
    let Told { word, cause, record } = told;
    // Lines are printable ASCII, so two letters are all that JSON wants escaped.
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    format!(
        "{{\"at\":{},\"word\":\"{}\",\"cause\":\"{}\",\"ups\":{},\"battery\":{},\"why\":{},\"boot\":{}}}",
        record.at,
        word.text(),
        cause.text(),
        quoted(record.ups),
        record.battery,
        quoted(record.why),
        quoted(record.boot)
    )
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
