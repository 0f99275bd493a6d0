//! The administrator's rules in the jail: what is known of the UPSs goes in, and what follows is done.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::monitor::voice::Voice;
use crate::rules::{Action, Effect, Engine, Program, Truth, When, Why};
use crate::status::report::{Doubt, Holds, Rule};

/// Lines of rules in the log, at once; the pipe takes no more of us than this either.
const LINES: usize = 20;

/// All rules at work.
#[derive(Debug)]
pub(super) struct Ruled<'a> {
    program: &'a Program,
    engine: Engine<'a>,
    /// Of each UPS, in the order of the status, its number in the rules.
    numbers: &'a [usize],
    /// Where it leaves what the next monitor goes on with.
    memory: &'static [AtomicU64],
    /// The rule that wants the machine down.
    down: Option<usize>,
    /// Rules whose `low` is in force.
    lows: usize,
}

impl<'a> Ruled<'a> {
    /// With what the monitor before left. All memory that it takes.
    pub(super) fn new(
        program: &'a Program,
        numbers: &'a [usize],
        memory: &'static [AtomicU64],
        now: Duration,
    ) -> Ruled<'a> {
        let mut engine = Engine::new(program);
        let words: Vec<u64> = memory.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let _ = engine.restore(now, &words);
        let lows = (0..program.rules().len()).filter(|rule| engine.is_low(*rule)).count();
        Ruled { program, engine, numbers, memory, down: None, lows }
    }

    /// What is known of a UPS, by its place in the status; a lost one has no values.
    pub(super) fn feed<'v>(&mut self, place: usize, of: impl Fn(&str) -> Option<&'v str>) {
        let Some(number) = self.numbers.get(place).copied() else { return };
        for name in self.program.wanted(number) {
            self.engine.set(number, name, of(name).filter(|value| !value.is_empty()));
        }
    }

    /// Does what follows, but for the shutdown and `low`, which are the UPSs' to say.
    pub(super) fn turn(&mut self, now: Duration, voice: &mut Voice<'_>) {
        let mut lines = 0;
        let Ruled { program, engine, down, lows, .. } = self;
        let before = engine.next(now).is_none_or(|at| at > now);
        engine.turn(now, &mut |effect| match effect {
            Effect::Shutdown { rule } => *down = down.or(Some(rule)),
            Effect::Low { on: true, .. } => *lows = lows.saturating_add(1),
            Effect::Low { on: false, .. } => *lows = lows.saturating_sub(1),
            Effect::Notify { rule, action } | Effect::Log { rule, action } => {
                let Some(rule) = program.rules().get(rule) else { return };
                lines += 1;
                let (then, place) = action;
                let actions = if then { &rule.then } else { &rule.otherwise };
                match actions.get(place) {
                    Some(Action::Log(text)) if lines <= LINES => {
                        voice.log(5, format_args!("rule {}: {text}", rule.name));
                    }
                    Some(Action::Notify(text)) if lines <= LINES => {
                        voice.log(5, format_args!("rule {}: {text}", rule.name));
                        voice.notice(&rule.name);
                    }
                    _ => {}
                }
            }
        });
        if !before {
            self.remember();
        }
    }

    /// A rule has it that the battery is low.
    pub(super) fn low(&self) -> bool {
        self.lows > 0
    }

    /// The rule that wants the machine down; `None`: none does.
    pub(super) fn down(&self) -> Option<&'a str> {
        self.program.rules().get(self.down?).map(|rule| rule.name.as_str())
    }

    /// When there is something to do although nothing came.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        self.engine.next(now)
    }

    /// For the status, by place; `None`: behind the last.
    pub(super) fn shown(&self, now: Duration, place: usize) -> Option<Rule<'a>> {
        let rule = self.program.rules().get(place)?;
        let timer = match rule.when {
            When::Timer(timer) => Some(self.engine.timer(usize::from(timer))),
            When::If(..) => None,
        };
        let holds = match (timer, self.engine.truth(place)) {
            (Some(_), _) => Holds::Idle,
            (None, Truth::True) => Holds::Yes,
            (None, Truth::False) => Holds::No,
            (None, Truth::Unknown) => Holds::Unknown,
        };
        let left = timer.flatten().map(|at| at.saturating_sub(now));
        let left = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let why = match self.engine.why(place) {
            None => Doubt::None,
            Some(Why::Missing(_, name)) => Doubt::Missing(name.into()),
            Some(Why::NoNumber(_, name)) => Doubt::NoNumber(name.into()),
            Some(Why::Again) => Doubt::Again,
        };
        Some(Rule { name: rule.name.as_str().into(), holds, why, left })
    }

    /// Other numbers whenever one of them stands otherwise.
    pub(super) fn stamp(&self) -> impl Iterator<Item = u64> {
        let truths = (0..self.program.rules().len()).map(|rule| self.engine.truth(rule) as u64);
        self.engine.snapshot().chain(truths)
    }

    fn remember(&self) {
        for (place, word) in self.memory.iter().zip(self.engine.snapshot()) {
            place.store(word, Ordering::Relaxed);
        }
    }
}
