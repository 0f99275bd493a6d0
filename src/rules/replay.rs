//! Recorded values, and what rules would have done with them.
//!
//! Three formats are understood. What `upsentry status --watch --record` writes:
//!
//! ```text
//! # upsentry record 1
//! 1764338400 left ups.status OL
//! 1764338460.250 left ups.status OB DISCHRG
//! 1764338470 left battery.charge
//! ```
//!
//! that is seconds, UPS, variable and its value, nothing for one that is not known any more; the first line again
//! where recording began anew, with nothing known. And the files of NUT's dummy-ups: lines `battery.charge: 90`, and in
//! a `.seq` file `TIMER 5` where seconds pass.

use core::time::Duration;

use super::engine::{Effect, Engine};
use super::program::Program;

/// The first line of a record.
pub const HEAD: &str = "# upsentry record 1";
/// Seconds that a time may have: some 3,000 years.
const LATEST: u64 = 100_000_000_000;
/// Times that something may be due between two lines, or a timer that starts itself would keep this busy for years.
const MOST_TURNS: usize = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
enum What<'a> {
    /// Nothing is known any more.
    Anew,
    /// A variable of a UPS.
    Value(usize, &'a str, Option<&'a str>),
    /// Time has passed.
    Nothing,
}

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Log<'a> {
    /// Names of the UPSs, as [`Log::read`] was given them or as they came.
    pub ups: Vec<String>,
    steps: Vec<(Duration, What<'a>)>,
}

impl<'a> Log<'a> {
    /// Reads a log of these UPSs; without any, of all that are in it (`ups`, where none is named). What is of others is
    /// left out; dummy-ups' files are of the first.
    ///
    /// # Errors
    /// The first line, from 1, that makes no sense, and why.
    pub fn read(text: &'a str, ups: &[String]) -> Result<Log<'a>, (usize, String)> {
        let mut log = Log { ups: ups.to_vec(), steps: Vec::new() };
        let mut lines = text.lines().map(str::trim).zip(1..);
        let is_record = |line: &str| line == HEAD || line.starts_with(|c: char| c.is_ascii_digit());
        let first = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && (*line == HEAD || !line.starts_with('#')));
        let record = first.is_some_and(is_record);
        if !record && ups.is_empty() {
            log.ups.push("ups".to_owned());
        }
        let mut now = Duration::ZERO;
        lines.try_for_each(|(line, number)| {
            let done = if record {
                log.record(line, &mut now, ups.is_empty())
            } else {
                log.dummy(line, &mut now)
            };
            done.map_err(|why| (number, why))
        })?;
        Ok(log)
    }

    fn record(&mut self, line: &'a str, now: &mut Duration, any: bool) -> Result<(), String> {
        if line == HEAD {
            self.steps.push((*now, What::Anew));
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let mut words = line.splitn(4, [' ', '\t']);
        let [Some(at), Some(ups), Some(name)] = [words.next(), words.next(), words.next()] else {
            return Err("a line is: SECONDS UPS VARIABLE VALUE".to_owned());
        };
        let at = seconds(at).ok_or_else(|| format!("`{at}' is no number of seconds"))?;
        if at < *now {
            return Err("time goes back here".to_owned());
        }
        *now = at;
        let value = words.next().map(str::trim).filter(|value| !value.is_empty());
        let mut known = self.ups.iter().position(|one| one == ups);
        if known.is_none() && any {
            known = Some(self.ups.len());
            self.ups.push(ups.to_owned());
        }
        let what = known.map_or(What::Nothing, |known| What::Value(known, name, value));
        self.steps.push((at, what));
        Ok(())
    }

    fn dummy(&mut self, line: &'a str, now: &mut Duration) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(time) = line.strip_prefix("TIMER") {
            let time = seconds(time.trim()).ok_or("TIMER needs a number of seconds")?;
            *now = now.saturating_add(time);
            self.steps.push((*now, What::Nothing));
            return Ok(());
        }
        let Some((name, value)) = line.split_once(':').filter(|(name, _)| !name.contains(' '))
        else {
            return Err("a line is `VARIABLE: VALUE', `TIMER SECONDS' or a comment".to_owned());
        };
        let value = value.trim().trim_matches('"');
        let value = Some(value).filter(|value| !value.is_empty());
        self.steps.push((*now, What::Value(0, name.trim(), value)));
        Ok(())
    }
}

/// `12` or `12.345`, to the ms.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let part = part.get(..part.len().min(3)).filter(|part| digits(part) && digits(whole))?;
    let whole: u64 = whole.parse().ok().filter(|whole| *whole <= LATEST)?;
    let part: u64 = format!("{part:0<3}").parse().ok()?;
    Some(Duration::from_millis(whole * 1000 + part))
}

/// Plays a log: what happens, and when. The engine as it is then, and the time; `None`: rules wake each other without
/// end.
pub fn play<'p>(
    program: &'p Program,
    log: &Log<'_>,
    act: &mut dyn FnMut(Duration, Effect),
) -> Option<(Engine<'p>, Duration)> {
    let mut engine = Engine::new(program);
    let (mut begun, mut now) = (false, Duration::ZERO);
    let mut steps = log.steps.iter().peekable();
    while let Some((at, _)) = steps.peek().copied() {
        let mut turns = 0;
        // Before the first line there was no time.
        while let Some(due) = engine.next(now).filter(|due| begun && due < at) {
            engine.turn(due, &mut |effect| act(due, effect));
            turns += 1;
            if turns > MOST_TURNS {
                return None;
            }
        }
        (begun, now) = (true, *at);
        while let Some((_, what)) = steps.next_if(|(other, _)| other == at) {
            match what {
                What::Anew => (0..log.ups.len()).for_each(|ups| engine.forget(ups)),
                What::Value(ups, name, value) => {
                    engine.set(*ups, name, *value);
                }
                What::Nothing => {}
            }
        }
        engine.turn(now, &mut |effect| act(now, effect));
    }
    Some((engine, now))
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
