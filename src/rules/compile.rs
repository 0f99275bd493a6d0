//! From a rule's text to a [`Program`]: what the names in it mean, and what can hardly be meant.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::grammar::{Act, Checked, Cond, Head, Than, Token, Written, Wrong, read};
use super::literals::{delay, is_name, is_variable, literal, short};
use super::names::{Sort, all, sort};
use super::near::{did_you_mean, suggest};
use super::program::{
    Action, Compare, LONGEST_LINE, MOST_RULES, MOST_TIMERS, MOST_VARIABLES, Op, Program, Rule,
    Timer, Variable, When,
};
use super::text::number;

/// Bytes of a text that is notified or logged.
const LONGEST_TEXT: usize = 200;

/// One thing to say about one place. Columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its line, from 1.
    pub line: usize,
    /// Where it begins in the line, from 1.
    pub column: usize,
    /// How many characters are meant; 0: no place in particular.
    pub width: usize,
    /// It is of a line of the file that `rules` names.
    pub apart: bool,
    /// What is wrong and how to mend it.
    pub message: String,
    /// It is only said.
    pub warning: bool,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    text: &'a str,
    line: usize,
    /// Characters before the text in its line.
    before: usize,
    apart: bool,
}

impl Place<'_> {
    fn problem(&self, Wrong { at, message }: Wrong, warning: bool) -> Problem {
        let count =
            |range: Range<usize>| self.text.get(range).map_or(0, |text| text.chars().count());
        let Place { line, before, apart, .. } = *self;
        let column = before + count(0..at.start) + 1;
        Problem { line, column, width: count(at), apart, message, warning }
    }
}

/// How timers are used, to warn of those that make no sense.
#[derive(Clone, Debug, Default)]
struct Use {
    awaited: bool,
    /// The first place that names it.
    place: Option<(usize, usize, usize, bool)>,
}

/// Takes rules line by line. No hash maps: their keys are a system call, which the confined reader may not make.
#[derive(Debug, Default)]
pub struct Compiler {
    ups: Vec<String>,
    program: Program,
    names: BTreeMap<String, usize>,
    variables: BTreeMap<(u16, String), u16>,
    timers: BTreeMap<String, u16>,
    uses: Vec<Use>,
    /// Variables that were warned of, once each.
    strange: BTreeSet<String>,
}

impl Compiler {
    /// For UPSs of these names, in the order of the configuration.
    #[must_use]
    pub fn new(ups: &[String]) -> Compiler {
        Compiler::resume(ups, Program::default())
    }

    /// Adds to the rules that are there already.
    #[must_use]
    pub fn resume(ups: &[String], program: Program) -> Compiler {
        let mut compiler = Compiler { ups: ups.to_vec(), ..Compiler::default() };
        for (variable, number) in program.variables.iter().zip(0..) {
            compiler.variables.insert((variable.ups, variable.name.to_ascii_lowercase()), number);
        }
        for (timer, number) in program.timers.iter().zip(0..) {
            compiler.timers.insert(timer.name.clone(), number);
            compiler.uses.push(Use::default());
        }
        for rule in &program.rules {
            let line = usize::try_from(rule.line).unwrap_or(0);
            compiler.names.insert(rule.name.clone(), line);
            let of_actions =
                rule.then.iter().chain(&rule.otherwise).filter_map(|action| match action {
                    Action::Start(timer, _) | Action::Clear(timer) => Some((*timer, false)),
                    _ => None,
                });
            let awaited = match rule.when {
                When::Timer(timer) => Some((timer, true)),
                When::If(..) => None,
            };
            for (timer, awaited) in of_actions.chain(awaited) {
                if let Some(one) = compiler.uses.get_mut(usize::from(timer)) {
                    one.awaited |= awaited;
                    one.place.get_or_insert((line, 1, 0, rule.apart));
                }
            }
        }
        compiler.program = program;
        compiler
    }

    /// Takes what stands after the word `rule`, from the character `column` (from 1) of this line on. `apart`: of the
    /// file that `rules` names. What is wrong with it; then, unless those are only warnings, the rule is left out.
    pub fn line(&mut self, text: &str, line: usize, column: usize, apart: bool) -> Vec<Problem> {
        let place = Place { text, line, before: column.saturating_sub(1), apart };
        let mut warnings = Vec::new();
        let error = self.rule(place, &mut warnings).err().map(|wrong| (wrong, false));
        let warnings = warnings.into_iter().map(|wrong| (wrong, true));
        let all = error.into_iter().chain(warnings);
        all.map(|(wrong, warning)| place.problem(wrong, warning)).collect()
    }

    /// All rules, and what is strange about them together.
    #[must_use]
    pub fn finish(self) -> (Program, Vec<Problem>) {
        let timers = self.program.timers.iter().zip(&self.uses);
        let problems = timers.filter_map(|(timer, Use { awaited, place })| {
            let name = &timer.name;
            let message = match (timer.longest != 0, awaited) {
                (true, true) => return None,
                (true, false) => format!("no rule waits for the timer `{name}'; write one, like `rule NAME: on timer {name} then …'"),
                (false, true) => format!("no rule starts the timer `{name}', so this never acts"),
                (false, false) => format!("no rule starts the timer `{name}'"),
            };
            let (line, column, width, apart) = (*place)?;
            Some(Problem { line, column, width, apart, message, warning: true })
        });
        let problems = problems.collect();
        (self.program, problems)
    }

    fn rule(&mut self, place: Place<'_>, warnings: &mut Vec<Wrong>) -> Checked<()> {
        if place.text.len() > LONGEST_LINE {
            return Err(Wrong { at: 0..0, message: "a rule's line has 64 KiB at most".to_owned() });
        }
        let written = read(place.text)?;
        self.check_name(&written.name)?;
        if self.program.rules.len() >= MOST_RULES {
            return Err(written.name.wrong(format!("more than {MOST_RULES} rules")));
        }
        // What a rule that is wrong in its second half has added is taken back.
        let (ops, holds) = (self.program.ops.len(), self.program.holds);
        let added = self.add(&written, place, warnings);
        if added.is_err() {
            self.program.ops.truncate(ops);
            self.program.holds = holds;
        }
        added
    }

    fn add(
        &mut self,
        written: &Written<'_>,
        place: Place<'_>,
        warnings: &mut Vec<Wrong>,
    ) -> Checked<()> {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let from = number(self.program.ops.len());
        let when = match &written.head {
            Head::Timer(timer) => {
                let number = self.timer(timer, place)?;
                if let Some(one) = self.uses.get_mut(usize::from(number)) {
                    one.awaited = true;
                }
                When::Timer(number)
            }
            Head::If(cond) => {
                self.emit(cond, warnings)?;
                When::If(from, number(self.program.ops.len()))
            }
        };
        let then = self.actions(&written.then, place)?;
        for act in &written.otherwise {
            if let Act::Low(token) = act {
                return Err(token.wrong("`low' ends by itself; it stands after `then' only"));
            }
        }
        let otherwise = self.actions(&written.otherwise, place)?;
        let name = written.name.text.to_owned();
        self.names.insert(name.clone(), place.line);
        let line = u32::try_from(place.line).unwrap_or(u32::MAX);
        self.program.rules.push(Rule { name, line, apart: place.apart, when, then, otherwise });
        Ok(())
    }

    fn check_name(&self, name: &Token<'_>) -> Checked<()> {
        if !is_name(name.text) {
            return Err(name.wrong("a name is 1 to 63 of the characters A-Z a-z 0-9 . _ -"));
        }
        if let Some(line) = self.names.get(name.text) {
            return Err(name.wrong(format!("this rule is already there in line {line}")));
        }
        if self.ups.iter().any(|ups| ups == name.text) {
            return Err(name.wrong("a UPS is called so; a rule needs a name of its own"));
        }
        Ok(())
    }

    fn actions(&mut self, acts: &[Act<'_>], place: Place<'_>) -> Checked<Vec<Action>> {
        acts.iter().map(|act| self.action(act, place)).collect()
    }

    fn action(&mut self, act: &Act<'_>, place: Place<'_>) -> Checked<Action> {
        let text = |token: &Token<'_>| {
            let strange = |c: char| c.is_control();
            if token.text.is_empty()
                || token.text.len() > LONGEST_TEXT
                || token.text.contains(strange)
            {
                return Err(token.wrong(format!("a text has 1 to {LONGEST_TEXT} bytes")));
            }
            Ok(token.text.to_owned())
        };
        Ok(match act {
            Act::Shutdown => Action::Shutdown,
            Act::Low(_) => Action::Low,
            Act::Notify(token) => Action::Notify(text(token)?),
            Act::Log(token) => Action::Log(text(token)?),
            Act::Clear(timer) => Action::Clear(self.timer(timer, place)?),
            Act::Start(name, time) => {
                let ms = delay(time)?;
                let number = self.timer(name, place)?;
                if let Some(timer) = self.program.timers.get_mut(usize::from(number)) {
                    timer.longest = timer.longest.max(ms);
                }
                Action::Start(number, ms)
            }
        })
    }

    fn timer(&mut self, token: &Token<'_>, place: Place<'_>) -> Checked<u16> {
        if !is_name(token.text) {
            return Err(token.wrong("a name is 1 to 63 of the characters A-Z a-z 0-9 . _ -"));
        }
        if let Some(number) = self.timers.get(token.text) {
            return Ok(*number);
        }
        let number = next(self.program.timers.len(), MOST_TIMERS)
            .ok_or_else(|| token.wrong(format!("more than {MOST_TIMERS} timers")))?;
        let name = token.text.to_owned();
        self.timers.insert(name.clone(), number);
        self.program.timers.push(Timer { name, longest: 0 });
        let Problem { line, column, width, apart, .. } = place.problem(token.wrong(""), true);
        self.uses.push(Use { awaited: false, place: Some((line, column, width, apart)) });
        Ok(number)
    }

    /// The steps of a condition; its depth was bounded by the grammar.
    fn emit(&mut self, cond: &Cond<'_>, warnings: &mut Vec<Wrong>) -> Checked<()> {
        let op = match cond {
            Cond::And(all) => return self.join(all, &Op::And, warnings),
            Cond::Or(all) => return self.join(all, &Op::Or, warnings),
            Cond::Not(inner) => {
                self.emit(inner, warnings)?;
                Op::Not
            }
            Cond::For(inner, time) => {
                self.emit(inner, warnings)?;
                let hold = self.program.holds;
                self.program.holds =
                    hold.checked_add(1).ok_or_else(|| time.wrong("more than 65535 `for's"))?;
                Op::For(hold, delay(time)?)
            }
            Cond::Known(variable) => Op::Known(self.variable(variable, warnings)?.0),
            Cond::Has(variable, word) => {
                let (number, sort) = self.variable(variable, warnings)?;
                if word.text.is_empty() || word.text.contains(char::is_whitespace) {
                    return Err(word.wrong("`has' looks for one word"));
                }
                if matches!(sort, Some(Sort::Number | Sort::Seconds)) {
                    warnings.push(word.wrong("this variable is a number; `has' looks for a word"));
                }
                Op::Has(number, short(word)?)
            }
            Cond::Compare(variable, sign, than) => self.compare(variable, sign, than, warnings)?,
        };
        self.program.ops.push(op);
        Ok(())
    }

    fn join(&mut self, all: &[Cond<'_>], op: &Op, warnings: &mut Vec<Wrong>) -> Checked<()> {
        for (at, one) in all.iter().enumerate() {
            self.emit(one, warnings)?;
            if at > 0 {
                self.program.ops.push(op.clone());
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        variable: &Token<'_>,
        (sign, compare): &(Token<'_>, Compare),
        than: &Than<'_>,
        warnings: &mut Vec<Wrong>,
    ) -> Checked<Op> {
        let (number, sort) = self.variable(variable, warnings)?;
        match than {
            Than::Number(token) => {
                let (value, is_time) = literal(token)?;
                match sort {
                    Some(Sort::Text) => {
                        let message = "this variable is a text, which is a number only by chance; write the value in quotes";
                        warnings.push(variable.wrong(message));
                    }
                    Some(Sort::Number) if is_time => {
                        warnings.push(
                            token.wrong("this variable is no time; a time is compared as seconds"),
                        );
                    }
                    _ => {}
                }
                Ok(Op::Number(number, *compare, value))
            }
            Than::Text(token) => {
                let is = match compare {
                    Compare::Equal => true,
                    Compare::Other => false,
                    _ => return Err(sign.wrong(
                        "texts are compared by `=' and `!=' only; a number stands without quotes",
                    )),
                };
                if matches!(sort, Some(Sort::Number | Sort::Seconds)) {
                    let message =
                        "this variable is a number; without quotes 20 and 20.0 are the same";
                    warnings.push(token.wrong(message));
                }
                Ok(Op::Text(number, is, short(token)?.trim().to_owned()))
            }
        }
    }

    /// A variable's number, and what is known of its value.
    fn variable(
        &mut self,
        token: &Token<'_>,
        warnings: &mut Vec<Wrong>,
    ) -> Checked<(u16, Option<Sort>)> {
        let (ups, name) = self.resolve(token)?;
        let sort = sort(name);
        if sort.is_none() && self.strange.insert(name.to_owned()) {
            let names: Vec<String> = all().collect();
            let near = did_you_mean(suggest(name, names.iter().map(String::as_str)));
            warnings.push(
                token.wrong(format!("`{name}' is no name of NUT's that is known here{near}")),
            );
        }
        let key = (ups, name.to_ascii_lowercase());
        if let Some(number) = self.variables.get(&key) {
            return Ok((*number, sort));
        }
        let number = next(self.program.variables.len(), MOST_VARIABLES)
            .ok_or_else(|| token.wrong(format!("more than {MOST_VARIABLES} variables")))?;
        self.variables.insert(key, number);
        self.program.variables.push(Variable { ups, name: name.to_owned() });
        Ok((number, sort))
    }

    /// Which UPS, and its variable. A UPS's name may have dots: the longest that fits is meant, unless the whole is a
    /// name of NUT's and the rest is none (a UPS may be called `ups`).
    fn resolve<'a>(&self, token: &Token<'a>) -> Checked<(u16, &'a str)> {
        let text = token.text;
        if number(text).is_some() {
            return Err(token.wrong("a variable stands on the left side of a comparison"));
        }
        let fits = self.ups.iter().zip(0..).filter_map(|(ups, at): (_, u16)| {
            let rest = text.strip_prefix(ups.as_str())?.strip_prefix('.')?;
            rest.contains('.').then_some((ups.len(), at, rest))
        });
        let (mut named, mut any) = (None, None);
        for fit in fits {
            let longer =
                |than: Option<(usize, _, _)>| than.is_none_or(|(length, ..)| fit.0 > length);
            if longer(any) {
                any = Some(fit);
            }
            if sort(fit.2).is_some() && longer(named) {
                named = Some(fit);
            }
        }
        let meant = named.or_else(|| any.filter(|_| sort(text).is_none()));
        if let Some((_, ups, name)) = meant {
            return self.checked(token, ups, name);
        }
        match self.ups.as_slice() {
            [_] => self.checked(token, 0, text),
            [] => Err(token.wrong("there is no UPS")),
            [first, ..] if is_variable(text) && sort(text).is_some() => {
                Err(token.wrong(format!("of which UPS? write for instance `{first}.{text}'")))
            }
            [first, ..] => {
                let near = text
                    .split('.')
                    .next()
                    .and_then(|word| suggest(word, self.ups.iter().map(String::as_str)));
                let near = did_you_mean(near);
                Err(token.wrong(format!(
                    "`{text}' does not begin with a UPS's name, like `{first}.ups.status'{near}"
                )))
            }
        }
    }

    fn checked<'a>(&self, token: &Token<'a>, ups: u16, name: &'a str) -> Checked<(u16, &'a str)> {
        if is_variable(name) {
            return Ok((ups, name));
        }
        let names: Vec<String> = all().collect();
        let near = did_you_mean(suggest(name, names.iter().map(String::as_str)));
        Err(token
            .wrong(format!("`{name}' is no variable; they are called like battery.charge{near}")))
    }
}

fn next(length: usize, most: usize) -> Option<u16> {
    u16::try_from(length).ok().filter(|_| length < most)
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
