//! What the state file says, as text: what init was told in this boot, for the scripts that init runs and for
//! the next start.

use core::fmt::Write as _;

use crate::ipc::cause::{Cause, Caused};
use crate::ipc::legal::Power;
use crate::ipc::parting::Slaves;
use crate::ipc::told::{Told, Word};

/// What this boot is: a record of another one is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The kernel's boot id.
    pub id: String,
    /// When process 1 started, in ticks: tells containers apart, which share the kernel's boot.
    pub init: String,
}

impl Boot {
    /// In a word, for the history.
    pub fn tag(&self) -> String {
        format!("{}-{}", self.id.get(..8).unwrap_or("?"), self.init)
    }
}

/// What a state file of this boot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What init was last told.
    pub told: Told,
    /// Its first line, for scripts; a shutdown that was decided stands there, perhaps not told.
    pub word: Word,
    /// Per UPS name, what was last seen of it.
    pub seen: Vec<(String, Power)>,
    /// Nothing was written in this boot before.
    pub fresh: bool,
    /// On a master: what became of its slaves.
    pub slaves: Option<Slaves>,
    /// What last had init told to go down.
    pub cause: Option<Caused>,
}

impl Default for Record {
    fn default() -> Record {
        Record {
            told: Told::Ok,
            word: Word::Ok,
            seen: Vec::new(),
            fresh: true,
            slaves: None,
            cause: None,
        }
    }
}

/// Why there is no usable record, when there might have been one.
#[derive(Debug)]
pub enum Unusable {
    /// Written in another boot.
    OtherBoot,
    /// Torn, or not ours.
    Foreign,
}

/// What the file is to say.
#[derive(Debug)]
pub struct Entry<'a> {
    /// For scripts: what init is being told, or was last told.
    pub now: Word,
    /// What init has been told.
    pub told: Told,
    /// Wall-clock seconds since 1970.
    pub at: i64,
    /// Every UPS: name, last seen, and whether nobody sees it now.
    pub seen: &'a [(&'a str, Option<Power>, bool)],
    /// On a master: what became of its slaves.
    pub slaves: Option<Slaves>,
    /// What last had init told to go down.
    pub cause: Option<Caused>,
}

impl Entry<'_> {
    /// As it stands in the file.
    pub fn text(&self, boot: &Boot, pid: u32) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{}\ntold {}\nat {}\npid {}\nboot {}\ninit {}\n",
            self.now.text(),
            told_text(self.told),
            self.at,
            pid,
            boot.id,
            boot.init
        );
        for (name, power, blind) in self.seen {
            let power = power.map_or('?', Power::letter);
            let _ = writeln!(text, "ups {name} {power}{}", if *blind { " blind" } else { "" });
        }
        if let Some(slaves) = self.slaves {
            let _ = writeln!(text, "slaves {}", slaves.word());
        }
        if let Some((cause, at)) = self.cause {
            let _ = writeln!(text, "cause {} {}", cause.word(), at.as_secs());
        }
        text.push_str("end\n");
        text
    }
}

fn told_text(told: Told) -> &'static str {
    match told {
        Told::Ok => "OK",
        Told::Fail => "FAIL",
        Told::Low => "LOW",
        Told::Final => "SHUTDOWN",
    }
}

/// The rest of the first line that begins with this word.
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

impl Record {
    /// Reads a record; an empty file is a record of nothing.
    ///
    /// # Errors
    /// It is not usable.
    pub fn read(text: &str, boot: &Boot) -> Result<Record, Unusable> {
        if text.is_empty() {
            return Ok(Record::default());
        }
        let foreign = Unusable::Foreign;
        if !text.lines().any(|line| line == "end") {
            return Err(foreign);
        }
        if field(text, "boot") != Some(&boot.id) || field(text, "init") != Some(&boot.init) {
            return Err(Unusable::OtherBoot);
        }
        let told = [Told::Ok, Told::Fail, Told::Low, Told::Final];
        let told = told.into_iter().find(|told| Some(told_text(*told)) == field(text, "told"));
        let seen = text.lines().filter_map(|line| {
            let mut words = line.strip_prefix("ups ")?.split(' ');
            let (name, letter) = (words.next()?, words.next()?);
            let powers = [Power::Mains, Power::Battery, Power::Low];
            let power = powers.into_iter().find(|power| letter == power.letter().to_string())?;
            Some((name.to_owned(), power))
        });
        let word = text.lines().next().and_then(Word::from_text).ok_or(Unusable::Foreign)?;
        let slaves = [Slaves::Waiting, Slaves::Served, Slaves::Missing];
        let slaves = slaves.into_iter().find(|all| Some(all.word()) == field(text, "slaves"));
        Ok(Record {
            told: told.ok_or(foreign)?,
            word,
            seen: seen.collect(),
            fresh: false,
            slaves,
            cause: field(text, "cause").and_then(Cause::read),
        })
    }

    /// What was last seen of this UPS; `None`: nothing.
    pub fn last(&self, name: &str) -> Option<Power> {
        self.seen.iter().find(|(seen, _)| seen == name).map(|(_, power)| *power)
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
