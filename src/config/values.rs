//! What may follow a directive's name: from words to a value.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::cables::{self, Cable};
use super::diagnostic::{Diagnostic, Span};
use super::directives::{Directive, Kind};
use super::hosts::{address, host, status_socket};
use super::notify::Occasion;
use super::source::{Watched, watch};
use super::types::{Action, Condition, Input, StatusSocket, UserSpec, Via, time};
use super::words::{Word, choose, did_you_mean, duration, number, suggest};
use crate::nut::Secret;
use crate::nut::flags::Meaning;

/// What one directive said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Watch(Watched),
    Model(&'static Cable),
    Input(Condition),
    Output(Output, bool),
    Break,
    Time(Duration),
    Number(u32),
    Path(PathBuf),
    Words(Vec<String>),
    User(UserSpec),
    Via(Via),
    Tell(Event, Action),
    Slave(String),
    Address(IpAddr),
    Secret(Secret),
    StatusSocket(Option<StatusSocket>),
    Flag(Flag, Meaning),
    Occasion(Occasion),
    Pin([u8; 32]),
    /// The directive was there, and says no more.
    Said,
    /// Something wrong: the directive was there.
    Void,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Dtr,
    Rts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Ok,
    Fail,
    Low,
    Shutdown,
}

/// A flag of NUT's that does not speak for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    Off,
    Bypass,
    Alarm,
}

const FLAGS: &[(&str, Flag)] =
    &[("off", Flag::Off), ("bypass", Flag::Bypass), ("alarm", Flag::Alarm)];
const MEANINGS: &[(&str, Meaning)] = &[
    ("ignore", Meaning::Ignore),
    ("battery", Meaning::Battery),
    ("low", Meaning::Low),
    ("lost", Meaning::Lost),
];
const INPUTS: &[(&str, Input)] = &[
    ("cts", Input::Cts),
    ("dsr", Input::Dsr),
    ("dcd", Input::Dcd),
    ("rng", Input::Rng),
    ("cd", Input::Dcd),
    ("ri", Input::Rng),
];
const OUTPUTS: &[(&str, Output)] = &[("dtr", Output::Dtr), ("rts", Output::Rts)];
const LEVELS: &[(&str, bool)] = &[("0", false), ("1", true)];
const VIAS: &[(&str, Via)] =
    &[("initctl", Via::Initctl), ("signal", Via::Signal), ("command", Via::Command)];
const EVENTS: &[(&str, Event)] =
    &[("ok", Event::Ok), ("fail", Event::Fail), ("low", Event::Low), ("shutdown", Event::Shutdown)];
const ACTIONS: &[(&str, Action)] = &[
    ("none", Action::None),
    ("ok", Action::Ok),
    ("fail", Action::Fail),
    ("low", Action::Low),
    ("runlevel", Action::Runlevel(b'0')),
    ("halt", Action::Halt),
];

/// A line of the file: a directive, its name as it stands there, and what follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub directive: &'static Directive,
    pub word: &'a Word,
    pub arguments: &'a [Word],
}

type Values = Result<Vec<(Span, Value)>, Diagnostic>;

impl<'a> Line<'a> {
    /// Its values, each with the place that a contradiction is said of. What is wrong in only a part
    /// of it, or only worth a warning, goes to `said`.
    pub(super) fn values(self, mode: u32, said: &mut Vec<Diagnostic>) -> Values {
        let value = match self.directive.kind {
            Kind::Inputs | Kind::Outputs => return self.pairs(said),
            Kind::Tell => return self.tell(),
            Kind::Occasions => return self.occasions(said),
            Kind::Watch => Value::Watch(watch(self.one()?)?),
            Kind::Model => Value::Model(model(self.one()?, said)?),
            Kind::Time(least, most) => Value::Time(self.bounded(least, most)?),
            Kind::Number(least, most) => Value::Number(number(self.one()?, least, most)?),
            Kind::Path | Kind::KeyFile => Value::Path(absolute(self.one()?)?),
            Kind::User => Value::User(user(self.one()?)?),
            Kind::Via => Value::Via(choose(self.one()?, "way", "ways", VIAS)?),
            Kind::Command => {
                absolute(self.arguments.first().ok_or_else(|| self.missing())?)?;
                Value::Words(self.arguments.iter().map(|word| word.text.clone()).collect())
            }
            Kind::Slave => {
                let word = self.one()?;
                Value::Slave(host(word, &word.text)?)
            }
            Kind::Address => Value::Address(address(self.one()?)?),
            Kind::StatusSocket => {
                self.arguments.first().ok_or_else(|| self.missing())?;
                Value::StatusSocket(status_socket(self.arguments, absolute)?)
            }
            Kind::Password => {
                self.arguments.first().ok_or_else(|| self.missing())?;
                if mode & 0o044 != 0 {
                    let message = "this is a password, and others may read the file; chmod 600 it";
                    return Err(self.word.error(message));
                }
                let words: Vec<&str> = self.arguments.iter().map(|word| &*word.text).collect();
                Value::Secret(Secret::new(words.join(" ")))
            }
            Kind::Bare => match self.arguments {
                [] => Value::Said,
                [extra, ..] => {
                    let name = self.directive.name;
                    return Err(extra.error(format!("nothing follows `{name}'")));
                }
            },
            Kind::Flag => self.flag()?,
            Kind::Pin => Value::Pin(fingerprint(self.one()?)?),
            Kind::Ups | Kind::Rule => Value::Void,
        };
        Ok(vec![(self.word.span, value)])
    }

    fn missing(self) -> Diagnostic {
        let Directive { name, example, .. } = self.directive;
        self.word.error(format!("`{name}' needs more words, like `{example}'"))
    }

    /// The only argument.
    pub(super) fn one(self) -> Result<&'a Word, Diagnostic> {
        match self.arguments {
            [] => Err(self.missing()),
            [argument] => Ok(argument),
            [_, extra, ..] => {
                let example = self.directive.example;
                Err(extra.error(format!("one word too many; write it like `{example}'")))
            }
        }
    }

    /// `LINE 0|1 …`, and for `kill` also `break`.
    fn pairs(self, said: &mut Vec<Diagnostic>) -> Values {
        let mut values = Vec::new();
        let mut rest = self.arguments.iter().peekable();
        while let Some(line) = rest.next() {
            let name = line.lowercase();
            if self.directive.name == "kill" && name.text == "break" {
                values.push((line.span, Value::Break));
                continue;
            }
            let is_level = |word: &&Word| !is_line(&word.lowercase());
            let level = match rest.next_if(is_level) {
                Some(level) => choose(level, "level", "levels", LEVELS),
                None => Err(line.error(format!("`{}' needs a level, 0 or 1, after it", line.text))),
            };
            let value = match self.directive.kind {
                Kind::Inputs => input(&name, level),
                _ => output(&name, level),
            };
            match value {
                Ok(value) => values.push((line.span, value)),
                Err(one) => said.push(one),
            }
        }
        match (values.is_empty(), self.arguments.is_empty()) {
            (true, true) => Err(self.missing()),
            (true, false) => Ok(vec![(self.word.span, Value::Void)]),
            _ => Ok(values),
        }
    }

    /// A duration within these bounds, in ms; init counts `sleep-time` in seconds.
    fn bounded(self, least: u64, most: u64) -> Result<Duration, Diagnostic> {
        let word = self.one()?;
        let name = self.directive.name;
        let value = duration(word)?;
        let bounds = Duration::from_millis(least)..=Duration::from_millis(most);
        if !bounds.contains(&value) {
            let (least, most) = (time(*bounds.start()), time(*bounds.end()));
            return Err(
                word.error(format!("`{name}' is from {least} to {most}, not {}", word.text))
            );
        }
        if name == "sleep-time" && value.subsec_nanos() != 0 {
            return Err(word.error("`sleep-time' is in whole seconds"));
        }
        Ok(value)
    }

    /// `FLAG MEANING`, in capital letters too, as NUT writes flags.
    fn flag(self) -> Result<Value, Diagnostic> {
        match self.arguments {
            [flag, meaning] => {
                let flag =
                    choose(&flag.lowercase(), "flag", "flags with a meaning to choose", FLAGS)?;
                Ok(Value::Flag(flag, choose(meaning, "meaning", "meanings", MEANINGS)?))
            }
            [_, _, extra, ..] => Err(extra.error("one word too many")),
            _ => Err(self.missing()),
        }
    }

    /// `EVENT…`.
    fn occasions(self, said: &mut Vec<Diagnostic>) -> Values {
        self.arguments.first().ok_or_else(|| self.missing())?;
        let table = Occasion::ALL.map(|occasion| (occasion.word(), occasion));
        let all = self.arguments.iter().filter_map(|word| {
            let chosen = choose(word, "event", "events", &table);
            let chosen = chosen.map_err(|error| said.push(error)).ok()?;
            Some((word.span, Value::Occasion(chosen)))
        });
        Ok(all.collect())
    }

    /// `EVENT ACTION`, or `EVENT runlevel C`.
    fn tell(self) -> Values {
        let [event, action, rest @ ..] = self.arguments else {
            return Err(self.missing());
        };
        let chosen = choose(event, "event", "events", EVENTS)?;
        let value = match (choose(action, "action", "actions", ACTIONS)?, rest) {
            (Action::Runlevel(_), []) => {
                return Err(action.error("which runlevel? write 0 to 6, s or S after it"));
            }
            (Action::Runlevel(_), [level]) => Action::Runlevel(runlevel(level)?),
            (Action::Runlevel(_), [_, extra, ..]) | (_, [extra, ..]) => {
                return Err(extra.error("one word too many"));
            }
            (action, []) => action,
        };
        Ok(vec![(event.span, Value::Tell(chosen, value))])
    }
}

/// SHA-256 in hexadecimal digits, with or without colons between bytes.
fn fingerprint(word: &Word) -> Result<[u8; 32], Diagnostic> {
    let digits: Vec<u32> = word.text.chars().filter_map(|c| c.to_digit(16)).collect();
    let others = word.text.chars().filter(|c| !c.is_ascii_hexdigit() && *c != ':').count();
    let pairs = digits.chunks_exact(2).map(|pair| {
        let byte = pair.iter().fold(0, |byte, digit| byte * 16 + digit);
        u8::try_from(byte).unwrap_or(0)
    });
    let bytes: Vec<u8> = pairs.collect();
    match <[u8; 32]>::try_from(bytes) {
        Ok(bytes) if others == 0 && digits.len() == 64 => Ok(bytes),
        _ => Err(word.error(
            "not a fingerprint: the SHA-256 of the server's public key in 64 hexadecimal digits",
        )),
    }
}

fn is_line(word: &Word) -> bool {
    let named = |name: &str| name == word.text;
    INPUTS.iter().any(|(name, _)| named(name)) || OUTPUTS.iter().any(|(name, _)| named(name))
}

fn input(word: &Word, level: Result<bool, Diagnostic>) -> Result<Value, Diagnostic> {
    if OUTPUTS.iter().any(|(name, _)| *name == word.text) {
        let message = format!("`{}' is an output; inputs are cts dsr dcd rng", word.text);
        return Err(word.error(message));
    }
    let line = choose(word, "line", "inputs", INPUTS)?;
    Ok(Value::Input(Condition { line, level: level? }))
}

fn output(word: &Word, level: Result<bool, Diagnostic>) -> Result<Value, Diagnostic> {
    if INPUTS.iter().any(|(name, _)| *name == word.text) {
        return Err(word.error(format!("`{}' is an input; outputs are dtr rts", word.text)));
    }
    Ok(Value::Output(choose(word, "line", "outputs", OUTPUTS)?, level?))
}

fn runlevel(word: &Word) -> Result<u8, Diagnostic> {
    match word.text.as_bytes() {
        [level @ (b'0'..=b'6' | b's' | b'S')] => Ok(*level),
        _ => {
            Err(word
                .error(format!("no such runlevel `{}'; runlevels are 0 to 6, s and S", word.text)))
        }
    }
}

fn model(word: &Word, said: &mut Vec<Diagnostic>) -> Result<&'static Cable, Diagnostic> {
    let Some(cable) = cables::find(&word.text) else {
        let near = suggest(&word.text, cables::CABLES.iter().map(|cable| cable.name));
        let message = format!(
            "no such model `{}'; `upsentry models' lists them{}",
            word.text,
            did_you_mean(near)
        );
        return Err(word.error(message));
    };
    // A part number alone does not say whose reading of the cable is meant.
    let by_part = cable.apcupsd && !cable.name.eq_ignore_ascii_case(&word.text);
    if let Some(twin) = cable.twins().find(|twin| by_part && !twin.behaves_like(cable)) {
        said.push(word.span.warning(format!(
            "`{}' is read as apcupsd does, and NUT reads it otherwise; say which: `model {}' or `model {}'",
            word.text, cable.name, twin.name
        )));
    }
    Ok(cable)
}

fn absolute(word: &Word) -> Result<PathBuf, Diagnostic> {
    match word.text.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => Ok(PathBuf::from(&word.text)),
        _ => {
            Err(word.error(format!("`{}' is not a whole path; it must begin with `/'", word.text)))
        }
    }
}

fn user(word: &Word) -> Result<UserSpec, Diagnostic> {
    let name = word.text.as_str();
    let number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-$".contains(&b);
    match name.parse() {
        Ok(0) if number => {
            Err(word.error("uid 0 is root, and no process of upsentry may stay root"))
        }
        Ok(id) if number && id != u32::MAX => Ok(UserSpec::Id(id)),
        _ if name == "root" => Err(word.error("no process of upsentry may stay root")),
        _ if number
            || !(1..=32).contains(&name.len())
            || name.starts_with('-')
            || !name.bytes().all(fits) =>
        {
            Err(word.error(format!("`{name}' is neither a user's name nor a uid")))
        }
        _ => Ok(UserSpec::Name(name.to_owned())),
    }
}
