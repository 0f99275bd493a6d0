//! Rules in words, as they could have been written; for `check`.

use super::program::{Action, Compare, Op, Program, Rule, When};
use super::text::ONE;

/// How strongly a condition binds; what binds less than its place asks for stands in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    For,
    Or,
    And,
    Not,
    Whole,
}

impl Program {
    /// Of each rule that stands in a line its name, when it acts and what it does. `ups`: names, in the order of the
    /// configuration.
    pub fn shown<'a>(
        &'a self,
        ups: &'a [String],
    ) -> impl Iterator<Item = (&'a str, String, String)> + 'a {
        let written = self.rules.iter().filter(|rule| rule.line != 0);
        written.map(|rule| (rule.name.as_str(), self.when(rule, ups), self.does(rule)))
    }

    fn when(&self, rule: &Rule, ups: &[String]) -> String {
        if let When::Timer(timer) = rule.when {
            return format!("on timer {}", self.timer_name(timer));
        }
        let mut stack: Vec<(Binds, String)> = Vec::new();
        for op in self.condition(rule) {
            // Each step leaves what it makes of those before it.
            let step = match op {
                Op::And => {
                    let (right, left) =
                        (last(&mut stack, Binds::Not), last(&mut stack, Binds::And));
                    (Binds::And, format!("{left} and {right}"))
                }
                Op::Or => {
                    let (right, left) = (last(&mut stack, Binds::And), last(&mut stack, Binds::Or));
                    (Binds::Or, format!("{left} or {right}"))
                }
                Op::Not => (Binds::Not, format!("not {}", last(&mut stack, Binds::Not))),
                Op::For(_, ms) => {
                    (Binds::For, format!("{} for {}", last(&mut stack, Binds::Or), time(*ms)))
                }
                plain => (Binds::Whole, self.plain(plain, ups)),
            };
            stack.push(step);
        }
        format!("if {}", last(&mut stack, Binds::For))
    }

    /// A step that looks at a variable.
    fn plain(&self, op: &Op, ups: &[String]) -> String {
        match op {
            Op::Number(variable, how, than) => {
                format!("{} {} {}", self.variable_name(*variable, ups), sign(*how), decimal(*than))
            }
            Op::Text(variable, is, text) => {
                let how = if *is { "=" } else { "!=" };
                format!("{} {how} \"{text}\"", self.variable_name(*variable, ups))
            }
            Op::Has(variable, word) => format!("{} has {word}", self.variable_name(*variable, ups)),
            Op::Known(variable) => format!("known {}", self.variable_name(*variable, ups)),
            Op::And | Op::Or | Op::Not | Op::For(..) => String::new(),
        }
    }

    fn does(&self, rule: &Rule) -> String {
        let all = |actions: &[Action]| {
            let each: Vec<String> =
                actions.iter().map(|action| self.action_words(action)).collect();
            each.join(", ")
        };
        match rule.otherwise.as_slice() {
            [] => all(&rule.then),
            otherwise => format!("{} else {}", all(&rule.then), all(otherwise)),
        }
    }

    fn action_words(&self, action: &Action) -> String {
        match action {
            Action::Shutdown => "shutdown".to_owned(),
            Action::Low => "low".to_owned(),
            Action::Notify(text) => format!("notify \"{text}\""),
            Action::Log(text) => format!("log \"{text}\""),
            Action::Start(timer, ms) => {
                format!("start timer {} {}", self.timer_name(*timer), time(*ms))
            }
            Action::Clear(timer) => format!("clear timer {}", self.timer_name(*timer)),
        }
    }

    fn timer_name(&self, timer: u16) -> &str {
        self.timers.get(usize::from(timer)).map_or("", |timer| &timer.name)
    }

    /// As it is written: with several UPSs, its UPS before it.
    fn variable_name(&self, number: u16, ups: &[String]) -> String {
        let Some(variable) = self.variables.get(usize::from(number)) else { return String::new() };
        match ups.get(usize::from(variable.ups)) {
            Some(of) if ups.len() > 1 => format!("{of}.{}", variable.name),
            _ => variable.name.clone(),
        }
    }
}

/// Takes the last one, fit for a place that asks for so much.
fn last(stack: &mut Vec<(Binds, String)>, least: Binds) -> String {
    match stack.pop() {
        Some((binds, text)) if binds < least => format!("({text})"),
        Some((_, text)) => text,
        None => String::new(),
    }
}

fn sign(how: Compare) -> &'static str {
    match how {
        Compare::Below => "<",
        Compare::AtMost => "<=",
        Compare::Above => ">",
        Compare::AtLeast => ">=",
        Compare::Equal => "=",
        Compare::Other => "!=",
    }
}

/// Of millionths.
fn decimal(value: i64) -> String {
    let (one, of) = (ONE.unsigned_abs(), value.unsigned_abs());
    let minus = if value < 0 { "-" } else { "" };
    let text = format!("{minus}{}.{:06}", of / one, of % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn time(ms: u64) -> String {
    for (unit, long) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if ms >= long && ms % long == 0 {
            return format!("{}{unit}", ms / long);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
