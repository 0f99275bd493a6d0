//! Rules as data: flat arrays that point into each other by number, and the check that they do.

use core::cmp::Ordering;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::LONGEST;

/// Rules of one machine.
pub const MOST_RULES: usize = 10_000;
/// Bytes of a rule's line.
pub const LONGEST_LINE: usize = 64 << 10;
/// Variables that all rules together may name.
pub const MOST_VARIABLES: usize = 4_096;
/// Timers of all rules together.
pub const MOST_TIMERS: usize = 4_096;
/// The shortest time of a timer or of `for`.
pub const SHORTEST_DELAY: Duration = Duration::from_secs(1);
/// The longest one.
pub const LONGEST_DELAY: Duration = Duration::from_secs(30 * 24 * 3600);
/// Places of the evaluator's stack: each of 32 parentheses may leave an `or` and an `and` open.
const DEEPEST: usize = 128;
/// Steps of all conditions together.
const MOST_OPS: usize = 1 << 20;

/// A variable of a UPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Which UPS, by its place in the configuration.
    pub ups: u16,
    /// NUT's name for it, in letters of any size.
    pub name: String,
}

/// A timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Its name.
    pub name: String,
    /// The longest time in ms that a rule starts it for; 0: none starts it.
    pub longest: u64,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compare {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `=`
    Equal,
    /// `!=`
    Other,
}

impl Compare {
    /// Whether it holds.
    #[must_use]
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Compare::Below => order.is_lt(),
            Compare::AtMost => order.is_le(),
            Compare::Above => order.is_gt(),
            Compare::AtLeast => order.is_ge(),
            Compare::Equal => order.is_eq(),
            Compare::Other => order.is_ne(),
        }
    }
}

/// A step of a condition. The first four leave a truth on the stack, the others take theirs from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// A variable's number against this one, in millionths.
    Number(u16, Compare, i64),
    /// A variable's text is (true) or is not this one.
    Text(u16, bool, String),
    /// A variable's text has this word.
    Has(u16, String),
    /// A variable has a value.
    Known(u16),
    /// Takes two.
    And,
    /// Takes two.
    Or,
    /// Takes one.
    Not,
    /// Takes one, which must have held for so many ms; the number is that of its memory, and each has its own.
    For(u16, u64),
}

/// When a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// When the condition in these steps (the first, and one after the last) becomes true.
    If(u32, u32),
    /// When this timer ends.
    Timer(u16),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Shut the machine down.
    Shutdown,
    /// Battery low.
    Low,
    /// Have the notify hook say this.
    Notify(String),
    /// Log this.
    Log(String),
    /// Start a timer, for so many ms.
    Start(u16, u64),
    /// Clear a timer.
    Clear(u16),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// 1..=63 bytes of `[A-Za-z0-9._-]`, no other rule's and no UPS's.
    pub name: String,
    /// The line that it stands in, from 1; 0: in none, upsentry itself wants it.
    pub line: u32,
    /// It stands in the file that `rules` names, not in the configuration.
    pub apart: bool,
    /// When it acts.
    pub when: When,
    /// What it does then.
    pub then: Vec<Action>,
    /// What it does when the condition becomes false.
    pub otherwise: Vec<Action>,
}

impl Rule {
    /// The action that an effect names: of `then` (true) or `else`, and its place there.
    #[must_use]
    pub fn action(&self, (then, place): (bool, usize)) -> Option<&Action> {
        let actions = if then { &self.then } else { &self.otherwise };
        actions.get(place)
    }

    /// It may shut the machine down.
    #[must_use]
    pub fn is_means(&self) -> bool {
        let all = || self.then.iter().chain(&self.otherwise);
        all().any(|action| matches!(action, Action::Shutdown | Action::Low))
    }
}

/// All rules, in their order. What is in here is consistent: each number is that of something that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Program {
    pub(super) rules: Vec<Rule>,
    pub(super) ops: Vec<Op>,
    pub(super) variables: Vec<Variable>,
    pub(super) timers: Vec<Timer>,
    pub(super) holds: u16,
}

/// As they come.
#[derive(Deserialize)]
struct Parts {
    rules: Vec<Rule>,
    ops: Vec<Op>,
    variables: Vec<Variable>,
    timers: Vec<Timer>,
    holds: u16,
}

impl TryFrom<Parts> for Program {
    type Error = &'static str;

    fn try_from(parts: Parts) -> Result<Program, &'static str> {
        let Parts { rules, ops, variables, timers, holds } = parts;
        let program = Program { rules, ops, variables, timers, holds };
        program.check().map(|()| program)
    }
}

impl Program {
    /// There is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// In their order; an [`super::Effect`] names one by its place.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// All timers; [`When::Timer`] names one by its place.
    #[must_use]
    pub fn timers(&self) -> &[Timer] {
        &self.timers
    }

    /// All variables, each once.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The variables of one UPS.
    pub fn wanted(&self, ups: usize) -> impl Iterator<Item = &str> {
        let of = self.variables.iter().filter(move |one| usize::from(one.ups) == ups);
        of.map(|one| one.name.as_str())
    }

    /// Of each rule that stands in no line the UPS of its first variable; `None`: it is the administrator's.
    pub fn own(&self) -> impl Iterator<Item = Option<u16>> {
        self.rules.iter().map(|rule| {
            let variable = self.condition(rule).iter().find_map(|op| match op {
                Op::Has(variable, _) => self.variables.get(usize::from(*variable)),
                _ => None,
            });
            variable.filter(|_| rule.line == 0).map(|variable| variable.ups)
        })
    }

    /// Of each rule its name, and the first text that it has for the notify hook; empty: none.
    pub fn notices(&self) -> impl Iterator<Item = (String, String)> {
        self.rules.iter().map(|rule| {
            let text = rule.then.iter().chain(&rule.otherwise).find_map(|action| match action {
                Action::Notify(text) => Some(text.clone()),
                _ => None,
            });
            (rule.name.clone(), text.unwrap_or_default())
        })
    }

    /// A rule may shut the machine down.
    #[must_use]
    pub fn is_means(&self) -> bool {
        self.rules.iter().any(Rule::is_means)
    }

    /// A rule's condition; none: it waits for a timer.
    pub(super) fn condition(&self, rule: &Rule) -> &[Op] {
        let When::If(from, to) = rule.when else { return &[] };
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        range.and_then(|(from, to)| self.ops.get(from..to)).unwrap_or_default()
    }

    fn check(&self) -> Result<(), &'static str> {
        let sizes = self.rules.len() <= MOST_RULES
            && self.ops.len() <= MOST_OPS
            && self.variables.len() <= MOST_VARIABLES
            && self.timers.len() <= MOST_TIMERS;
        if !sizes {
            return Err("too much");
        }
        let longest = self.timers.iter().all(|timer| timer.longest == 0 || is_delay(timer.longest));
        if !longest {
            return Err("a timer's time");
        }
        let mut holds = 0;
        for op in &self.ops {
            let right = match op {
                Op::Number(variable, ..) | Op::Known(variable) => self.is_variable(*variable),
                Op::Text(variable, _, text) | Op::Has(variable, text) => {
                    self.is_variable(*variable) && text.len() <= LONGEST
                }
                Op::And | Op::Or | Op::Not => true,
                // Two with one memory would disturb each other.
                Op::For(hold, time) => {
                    let next = *hold == holds && *hold < self.holds && is_delay(*time);
                    holds = holds.saturating_add(1);
                    next
                }
            };
            if !right {
                return Err("a step");
            }
        }
        if holds != self.holds {
            return Err("memories of `for'");
        }
        let mut end = 0;
        for rule in &self.rules {
            self.check_rule(rule, &mut end)?;
        }
        Ok(())
    }

    /// Conditions follow each other, so that no step belongs to two.
    fn check_rule(&self, rule: &Rule, end: &mut u32) -> Result<(), &'static str> {
        match rule.when {
            When::Timer(timer) if self.timer(timer).is_none() => return Err("a rule's timer"),
            When::If(from, to) => {
                if from < *end || is_whole(self.condition(rule)).is_none() {
                    return Err("a condition");
                }
                *end = to;
            }
            When::Timer(_) => {}
        }
        let right = |action: &Action| match action {
            Action::Start(timer, time) => {
                let timer = self.timer(*timer);
                is_delay(*time) && timer.is_some_and(|timer| *time <= timer.longest)
            }
            Action::Clear(timer) => self.timer(*timer).is_some(),
            _ => true,
        };
        let all = rule.then.iter().chain(&rule.otherwise).all(right);
        if all { Ok(()) } else { Err("an action") }
    }

    fn timer(&self, number: u16) -> Option<&Timer> {
        self.timers.get(usize::from(number))
    }

    fn is_variable(&self, number: u16) -> bool {
        usize::from(number) < self.variables.len()
    }
}

/// Whether a timer or `for` may take so many ms.
pub(super) fn is_delay(ms: u64) -> bool {
    (SHORTEST_DELAY..=LONGEST_DELAY).contains(&Duration::from_millis(ms))
}

/// The places that these steps need, if they leave exactly one truth and never take what is not there.
pub(super) fn is_whole(ops: &[Op]) -> Option<usize> {
    let (mut depth, mut deepest) = (0_usize, 0);
    for op in ops {
        match op {
            Op::Number(..) | Op::Text(..) | Op::Has(..) | Op::Known(_) => depth += 1,
            Op::And | Op::Or => depth = depth.checked_sub(1).filter(|left| *left > 0)?,
            Op::Not | Op::For(..) => {
                depth.checked_sub(1)?;
            }
        }
        deepest = deepest.max(depth);
    }
    (depth == 1 && deepest <= DEEPEST).then_some(deepest)
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
