//! What follows from values and time. All memory is there from the start.

use core::fmt;
use core::time::Duration;

use super::index::{Index, compare, place};
use super::program::{Action, Op, Program, Rule, When, is_whole};
use super::text::{Text, has, number};

/// How sure a condition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It does not hold.
    False,
    /// A value is missing, or no number.
    #[default]
    Unknown,
    /// It holds.
    True,
}

impl From<bool> for Truth {
    fn from(is: bool) -> Truth {
        if is { Truth::True } else { Truth::False }
    }
}

/// What is to be done, and for which rule (its place in [`Program::rules`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Shut the machine down.
    Shutdown {
        /// Its place.
        rule: usize,
    },
    /// The battery is to be taken for low, or is not any more as far as this rule goes.
    Low {
        /// Its place.
        rule: usize,
        /// It begins.
        on: bool,
    },
    /// The notify hook is to say the text of this action.
    Notify {
        /// Its place.
        rule: usize,
        /// `then` (true) or `else`, and the action's place in it.
        action: (bool, usize),
    },
    /// The text of this action is to be logged.
    Log {
        /// Its place.
        rule: usize,
        /// `then` (true) or `else`, and the action's place in it.
        action: (bool, usize),
    },
}

/// Why a condition is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why<'p> {
    /// This variable (UPS and name) has no value.
    Missing(u16, &'p str),
    /// This variable's value is no number.
    NoNumber(u16, &'p str),
    /// It holds again after it was unknown, but not for so long yet as `for` wants.
    Again,
}

impl Why<'_> {
    /// The UPS, by its place in the configuration, whose variable it is.
    #[must_use]
    pub fn ups(&self) -> Option<u16> {
        match self {
            Why::Missing(ups, _) | Why::NoNumber(ups, _) => Some(*ups),
            Why::Again => None,
        }
    }
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Missing(_, name) => write!(f, "{name} is not known"),
            Why::NoNumber(_, name) => write!(f, "{name} is no number"),
            Why::Again => f.write_str("was unknown, and has not held for long enough again"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Value {
    text: Text,
    number: Option<i64>,
}

/// What `for` remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hold {
    /// What it waits for has held since then.
    since: Option<Duration>,
    /// It was true when it was last known.
    pub(super) was: bool,
    /// When it becomes true, if nothing changes.
    due: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// What the condition is now.
    now: Truth,
    /// What it was when it was last known.
    pub(super) was: Option<bool>,
    /// Its `low` is in force.
    pub(super) low: bool,
}

/// All rules at work.
#[derive(Debug)]
pub struct Engine<'p> {
    pub(super) program: &'p Program,
    values: Box<[Option<Value>]>,
    /// Variables by UPS and name.
    sorted: Box<[u16]>,
    /// Rules by variable.
    readers: Index,
    /// Rules by the timer that they wait for, in the same way.
    waiters: Index,
    /// Of each `for`, its rule.
    owners: Box<[u16]>,
    pub(super) states: Box<[State]>,
    pub(super) holds: Box<[Hold]>,
    pub(super) timers: Box<[Option<Duration>]>,
    /// A bit for each rule that is to be looked at.
    dirty: Box<[u64]>,
    changed: bool,
    /// The first time that something is due.
    pub(super) due: Option<Duration>,
    stack: Box<[Truth]>,
}

impl<'p> Engine<'p> {
    /// Nothing is known yet. The only allocations.
    #[must_use]
    pub fn new(program: &'p Program) -> Engine<'p> {
        let rules = program.rules.len();
        let mut sorted: Vec<u16> = (0..=u16::MAX).take(program.variables.len()).collect();
        sorted.sort_by(|a, b| compare(place(program, *a), place(program, *b)));
        let (mut pairs, mut ends) = (Vec::new(), Vec::new());
        let mut owners = vec![0; usize::from(program.holds)];
        let mut deepest = 1;
        for (rule, number) in program.rules.iter().zip(0..=u16::MAX) {
            if let When::Timer(timer) = rule.when {
                ends.push((timer, number));
            }
            let ops = program.condition(rule);
            deepest = deepest.max(is_whole(ops).unwrap_or(1));
            for op in ops {
                pairs.extend(variable(op).map(|variable| (variable, number)));
                if let Op::For(hold, _) = op
                    && let Some(owner) = owners.get_mut(usize::from(*hold))
                {
                    *owner = number;
                }
            }
        }
        let mut engine = Engine {
            program,
            values: vec![None; program.variables.len()].into_boxed_slice(),
            sorted: sorted.into_boxed_slice(),
            readers: Index::new(program.variables.len(), pairs),
            waiters: Index::new(program.timers.len(), ends),
            owners: owners.into_boxed_slice(),
            states: vec![State::default(); rules].into_boxed_slice(),
            holds: vec![Hold::default(); usize::from(program.holds)].into_boxed_slice(),
            timers: vec![None; program.timers.len()].into_boxed_slice(),
            dirty: vec![0; rules.div_ceil(64)].into_boxed_slice(),
            changed: false,
            due: None,
            stack: vec![Truth::Unknown; deepest].into_boxed_slice(),
        };
        // `not known X' holds before anything comes.
        (0..rules).for_each(|rule| engine.mark(rule));
        engine
    }

    /// What it was made of.
    #[must_use]
    pub fn program(&self) -> &'p Program {
        self.program
    }

    /// A variable's value, or that it has none; false: no rule names it, or it is as it was.
    pub fn set(&mut self, ups: usize, name: &str, value: Option<&str>) -> bool {
        let program = self.program;
        let wanted = (ups, name);
        let found = self.sorted.binary_search_by(|one| compare(place(program, *one), wanted));
        let number = found.ok().and_then(|at| self.sorted.get(at)).copied();
        number.is_some_and(|number| self.put(number, value))
    }

    /// Nothing is known of this UPS any more.
    pub fn forget(&mut self, ups: usize) {
        for (variable, number) in self.program.variables.iter().zip(0..=u16::MAX) {
            if usize::from(variable.ups) == ups {
                self.put(number, None);
            }
        }
    }

    /// Says what follows from what was [`Self::set`] and from the time, in the order of the rules; timers that have
    /// ended come after all conditions. `now` does not go back.
    pub fn turn(&mut self, now: Duration, act: &mut dyn FnMut(Effect)) {
        let due = self.due.is_some_and(|due| now >= due);
        if !due && !self.changed {
            return;
        }
        if due {
            for at in 0..self.holds.len() {
                let ended =
                    self.holds.get(at).and_then(|hold| hold.due).is_some_and(|due| now >= due);
                if let (true, Some(owner)) = (ended, self.owners.get(at)) {
                    self.mark(usize::from(*owner));
                }
            }
        }
        self.changed = false;
        for word in 0..self.dirty.len() {
            let mut bits = self.dirty.get_mut(word).map(core::mem::take).unwrap_or_default();
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                self.judge(word * 64 + usize::try_from(bit).unwrap_or(0), now, act);
            }
        }
        self.end_timers(now, act);
        let holds = self.holds.iter().filter_map(|hold| hold.due);
        self.due = holds.chain(self.timers.iter().flatten().copied()).min();
    }

    /// When to call [`Self::turn`] although nothing changes; `None`: not at all.
    #[must_use]
    pub fn next(&self, now: Duration) -> Option<Duration> {
        if self.changed { Some(now) } else { self.due }
    }

    /// What a rule's condition is.
    #[must_use]
    pub fn truth(&self, rule: usize) -> Truth {
        self.states.get(rule).map_or(Truth::Unknown, |state| state.now)
    }

    /// A rule's `low` is in force.
    #[must_use]
    pub fn is_low(&self, rule: usize) -> bool {
        self.states.get(rule).is_some_and(|state| state.low)
    }

    /// When a timer ends; `None`: it does not run.
    #[must_use]
    pub fn timer(&self, timer: usize) -> Option<Duration> {
        self.timers.get(timer).copied().flatten()
    }

    /// Why a rule's condition is unknown; `None`: it is not.
    #[must_use]
    pub fn why(&self, rule: usize) -> Option<Why<'p>> {
        if self.states.get(rule)?.now != Truth::Unknown {
            return None;
        }
        let rule = self.program.rules.get(rule).filter(|rule| matches!(rule.when, When::If(..)))?;
        for op in self.program.condition(rule) {
            let Some(number) = variable(op).filter(|_| self.leaf(op) == Truth::Unknown) else {
                continue;
            };
            let one = self.program.variables.get(usize::from(number))?;
            let known = self.value(number).is_some();
            let why = if known { Why::NoNumber } else { Why::Missing };
            return Some(why(one.ups, &one.name));
        }
        Some(Why::Again)
    }

    fn put(&mut self, variable: u16, value: Option<&str>) -> bool {
        let variable = usize::from(variable);
        let Some(place) = self.values.get_mut(variable) else { return false };
        let text = value.map(Text::new);
        if place.map(|value| value.text) == text {
            return false;
        }
        *place = text.map(|text| Value { text, number: number(text.as_str()) });
        for at in self.readers.range(variable) {
            self.mark(self.readers.rule(at));
        }
        true
    }

    fn mark(&mut self, rule: usize) {
        if let Some(word) = self.dirty.get_mut(rule / 64) {
            *word |= 1 << (rule % 64);
            self.changed = true;
        }
    }

    fn value(&self, variable: u16) -> Option<&Value> {
        self.values.get(usize::from(variable))?.as_ref()
    }

    /// One comparison, `has` or `known`.
    fn leaf(&self, op: &Op) -> Truth {
        let known = |variable: &u16| self.value(*variable);
        let truth = match op {
            Op::Number(variable, compare, than) => {
                let number = known(variable).and_then(|value| value.number);
                number.map(|number| compare.holds(number.cmp(than)))
            }
            Op::Text(variable, is, text) => {
                known(variable).map(|value| (value.text.as_str() == text) == *is)
            }
            Op::Has(variable, word) => known(variable).map(|value| has(value.text.as_str(), word)),
            Op::Known(variable) => Some(known(variable).is_some()),
            Op::And | Op::Or | Op::Not | Op::For(..) => None,
        };
        truth.map_or(Truth::Unknown, Truth::from)
    }

    /// A condition's value, step by step.
    fn evaluate(&mut self, ops: &[Op], now: Duration) -> Truth {
        let mut depth = 0_usize;
        for op in ops {
            let top = self.stack.get(depth.wrapping_sub(1)).copied().unwrap_or_default();
            let below = self.stack.get(depth.wrapping_sub(2)).copied().unwrap_or_default();
            let (taken, truth) = match op {
                Op::And => (2, below.min(top)),
                Op::Or => (2, below.max(top)),
                Op::Not => (1, !top),
                Op::For(hold, time) => (1, self.held(*hold, *time, top, now)),
                leaf => (0, self.leaf(leaf)),
            };
            depth = depth.saturating_sub(taken);
            if let Some(place) = self.stack.get_mut(depth) {
                *place = truth;
            }
            depth += 1;
        }
        self.stack.first().copied().unwrap_or_default()
    }

    /// What `for` makes of its condition.
    fn held(&mut self, hold: u16, time: u64, truth: Truth, now: Duration) -> Truth {
        let Some(hold) = self.holds.get_mut(usize::from(hold)) else { return Truth::Unknown };
        hold.due = None;
        match truth {
            Truth::False => *hold = Hold::default(),
            // A break, but no evidence that it ended.
            Truth::Unknown => hold.since = None,
            Truth::True => {
                let since = *hold.since.get_or_insert(now);
                let due = since.saturating_add(Duration::from_millis(time));
                if now >= due {
                    hold.was = true;
                    return Truth::True;
                }
                hold.due = Some(due);
                return if hold.was { Truth::Unknown } else { Truth::False };
            }
        }
        truth
    }

    fn judge(&mut self, number: usize, now: Duration, act: &mut dyn FnMut(Effect)) {
        let program = self.program;
        let Some(rule) = program.rules.get(number) else { return };
        let When::If(..) = rule.when else { return };
        let truth = self.evaluate(program.condition(rule), now);
        let Some(state) = self.states.get_mut(number) else { return };
        state.now = truth;
        let is = match truth {
            Truth::Unknown => return,
            Truth::True => true,
            Truth::False => false,
        };
        let was = state.was.replace(is);
        match (was, is) {
            (None | Some(false), true) => self.act(number, rule, true, now, act),
            (Some(true), false) => {
                self.rise(number, act);
                self.act(number, rule, false, now, act);
            }
            _ => {}
        }
    }

    /// A rule's `low` ends.
    fn rise(&mut self, rule: usize, act: &mut dyn FnMut(Effect)) {
        if let Some(state) = self.states.get_mut(rule).filter(|state| state.low) {
            state.low = false;
            act(Effect::Low { rule, on: false });
        }
    }

    fn act(
        &mut self,
        number: usize,
        rule: &Rule,
        then: bool,
        now: Duration,
        act: &mut dyn FnMut(Effect),
    ) {
        let actions = if then { &rule.then } else { &rule.otherwise };
        for (at, action) in actions.iter().enumerate() {
            let (rule, action_at) = (number, (then, at));
            match action {
                Action::Shutdown => act(Effect::Shutdown { rule }),
                Action::Low => {
                    if let Some(state) = self.states.get_mut(number).filter(|state| !state.low) {
                        state.low = true;
                        act(Effect::Low { rule, on: true });
                    }
                }
                Action::Notify(_) => act(Effect::Notify { rule, action: action_at }),
                Action::Log(_) => act(Effect::Log { rule, action: action_at }),
                Action::Start(timer, time) => {
                    let end = now.saturating_add(Duration::from_millis(*time));
                    self.wind(*timer, Some(end), act);
                }
                Action::Clear(timer) => self.wind(*timer, None, act),
            }
        }
    }

    /// A timer runs from now, or not any more: what followed from its last end is over.
    fn wind(&mut self, timer: u16, end: Option<Duration>, act: &mut dyn FnMut(Effect)) {
        if let Some(place) = self.timers.get_mut(usize::from(timer)) {
            *place = end;
        }
        for at in self.waiters.range(usize::from(timer)) {
            self.rise(self.waiters.rule(at), act);
        }
    }

    /// Those that have ended, the earliest first; one that is started by this has not ended yet.
    fn end_timers(&mut self, now: Duration, act: &mut dyn FnMut(Effect)) {
        loop {
            let running = self.timers.iter().zip(0..=u16::MAX);
            let ended = running.filter_map(|(end, timer)| Some(((*end)?, timer)));
            let Some((_, timer)) = ended.filter(|(end, _)| now >= *end).min() else { return };
            if let Some(place) = self.timers.get_mut(usize::from(timer)) {
                *place = None;
            }
            for at in self.waiters.range(usize::from(timer)) {
                let number = self.waiters.rule(at);
                if let Some(rule) = self.program.rules.get(number) {
                    self.act(number, rule, true, now, act);
                }
            }
        }
    }
}

impl core::ops::Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

fn variable(op: &Op) -> Option<u16> {
    match op {
        Op::Number(variable, ..)
        | Op::Text(variable, ..)
        | Op::Has(variable, _)
        | Op::Known(variable) => Some(*variable),
        Op::And | Op::Or | Op::Not | Op::For(..) => None,
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "reference_tests.rs"]
mod reference_tests;
