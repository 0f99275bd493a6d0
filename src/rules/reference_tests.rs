//! The engine against a reference that looks at everything at each second, recursively, and only at histories.

use std::time::Duration;

use proptest::prelude::*;

use super::{Effect, Engine};
use crate::rules::{Compiler, Program};

const VARIABLES: [&str; 3] = ["battery.charge", "ups.status", "battery.runtime"];
const VALUES: [Option<&str>; 6] =
    [None, Some("3"), Some("5.0"), Some("OB LB"), Some("ob"), Some("5 V")];
const TIMERS: usize = 3;

#[derive(Clone, Debug)]
enum Tree {
    Number(usize, usize, i64),
    Text(usize, bool, usize),
    Has(usize, bool),
    Known(usize),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    For(Box<Tree>, u64),
}

#[derive(Clone, Debug)]
enum Act {
    Shutdown,
    Low,
    Notify,
    Log,
    Start(usize, u64),
    Clear(usize),
}

#[derive(Clone, Debug)]
enum Rule {
    If(Tree, Vec<Act>, Vec<Act>),
    Timer(usize, Vec<Act>),
}

const SIGNS: [&str; 6] = ["<", "<=", ">", ">=", "=", "!="];

fn text(tree: &Tree) -> String {
    match tree {
        Tree::Number(variable, sign, than) => {
            format!("{} {} {than}", VARIABLES[*variable], SIGNS[*sign])
        }
        Tree::Text(variable, is, than) => {
            let than = VALUES[*than].unwrap_or("x");
            format!("{} {} \"{than}\"", VARIABLES[*variable], if *is { "=" } else { "!=" })
        }
        Tree::Has(variable, low) => {
            format!("{} has {}", VARIABLES[*variable], if *low { "LB" } else { "OB" })
        }
        Tree::Known(variable) => format!("known {}", VARIABLES[*variable]),
        Tree::Not(inner) => format!("not ({})", text(inner)),
        Tree::And(a, b) => format!("({}) and ({})", text(a), text(b)),
        Tree::Or(a, b) => format!("({}) or ({})", text(a), text(b)),
        Tree::For(inner, time) => format!("({}) for {time}s", text(inner)),
    }
}

fn acts(acts: &[Act]) -> String {
    let act = |act: &Act| match act {
        Act::Shutdown => "shutdown".to_owned(),
        Act::Low => "low".to_owned(),
        Act::Notify => "notify \"n\"".to_owned(),
        Act::Log => "log \"l\"".to_owned(),
        Act::Start(timer, time) => format!("start timer t{timer} {time}s"),
        Act::Clear(timer) => format!("clear timer t{timer}"),
    };
    acts.iter().map(act).collect::<Vec<_>>().join(", ")
}

fn compile(rules: &[Rule]) -> Program {
    let mut compiler = Compiler::new(&["left".to_owned()]);
    for (rule, number) in rules.iter().zip(0..) {
        let line = match rule {
            Rule::If(tree, then, otherwise) if otherwise.is_empty() => {
                format!("r{number}: if {} then {}", text(tree), acts(then))
            }
            Rule::If(tree, then, otherwise) => {
                format!("r{number}: if {} then {} else {}", text(tree), acts(then), acts(otherwise))
            }
            Rule::Timer(timer, then) => format!("r{number}: on timer t{timer} then {}", acts(then)),
        };
        let said = compiler.line(&line, number, 1, false);
        assert!(said.iter().all(|one| one.warning), "{line}: {said:?}");
    }
    compiler.finish().0
}

/// `None`: unknown. By second.
type History = Vec<Option<bool>>;

fn as_number(value: &str) -> Option<f64> {
    value.trim_end_matches([' ', 'V']).parse().ok()
}

fn history(tree: &Tree, values: &[[Option<&str>; 3]]) -> History {
    let each = |of: &dyn Fn([Option<&str>; 3]) -> Option<bool>| {
        values.iter().map(|values| of(*values)).collect()
    };
    match tree {
        Tree::Number(variable, sign, than) => each(&|values| {
            let (value, than) =
                (as_number(values[*variable]?)?, f64::from(i32::try_from(*than).ok()?));
            Some(match SIGNS[*sign] {
                "<" => value < than,
                "<=" => value <= than,
                ">" => value > than,
                ">=" => value >= than,
                "=" => value == than,
                _ => value != than,
            })
        }),
        Tree::Text(variable, is, than) => {
            each(&|values| Some((values[*variable]? == VALUES[*than].unwrap_or("x")) == *is))
        }
        Tree::Has(variable, low) => each(&|values| {
            let word = if *low { "LB" } else { "OB" };
            Some(values[*variable]?.to_uppercase().split(' ').any(|one| one == word))
        }),
        Tree::Known(variable) => each(&|values| Some(values[*variable].is_some())),
        Tree::Not(inner) => {
            history(inner, values).into_iter().map(|truth| truth.map(|is| !is)).collect()
        }
        Tree::And(a, b) => both(a, b, values, false),
        Tree::Or(a, b) => both(a, b, values, true),
        Tree::For(inner, time) => lasting(&history(inner, values), *time),
    }
}

/// One that is `wins` decides, whatever the other is.
fn both(a: &Tree, b: &Tree, values: &[[Option<&str>; 3]], wins: bool) -> History {
    let pairs = history(a, values).into_iter().zip(history(b, values));
    pairs
        .map(|pair| match pair {
            (Some(a), Some(b)) => Some(if wins { a || b } else { a && b }),
            (Some(one), None) | (None, Some(one)) if one == wins => Some(wins),
            _ => None,
        })
        .collect()
}

fn lasting(inner: &[Option<bool>], time: u64) -> History {
    let mut all: History = Vec::new();
    for at in 0..inner.len() {
        let run = inner[..=at].iter().rev().take_while(|one| **one == Some(true)).count();
        let last_known = all.iter().rev().find_map(|one| *one);
        all.push(match inner[at] {
            Some(true) if run as u64 > time => Some(true),
            Some(true) if last_known == Some(true) => None,
            Some(true) => Some(false),
            other => other,
        });
    }
    all
}

/// What happens, as text: second, rule, what.
fn expected(rules: &[Rule], values: &[[Option<&str>; 3]]) -> Vec<String> {
    let histories: Vec<Option<History>> = rules
        .iter()
        .map(|rule| match rule {
            Rule::If(tree, ..) => Some(history(tree, values)),
            Rule::Timer(..) => None,
        })
        .collect();
    // Timers that end together end in the order in which they were first written.
    let mut order: Vec<usize> = Vec::new();
    for rule in rules {
        let (timer, then, otherwise): (_, &[Act], &[Act]) = match rule {
            Rule::If(_, then, otherwise) => (None, then, otherwise),
            Rule::Timer(timer, then) => (Some(*timer), then, &[]),
        };
        let of_acts = then.iter().chain(otherwise).filter_map(|act| match act {
            Act::Start(timer, _) | Act::Clear(timer) => Some(*timer),
            _ => None,
        });
        order.extend(timer.into_iter().chain(of_acts));
    }
    let mut world =
        World { rules, ends: [None; TIMERS], low: vec![false; rules.len()], said: Vec::new() };
    for now in 0..values.len() {
        for (number, rule) in rules.iter().enumerate() {
            let (Rule::If(_, then, otherwise), Some(history)) = (rule, &histories[number]) else {
                continue;
            };
            let before = history[..now].iter().rev().find_map(|one| *one);
            match (before, history[now]) {
                (None | Some(false), Some(true)) => world.act(now, number, then),
                (Some(true), Some(false)) => {
                    world.rise(now, number);
                    world.act(now, number, otherwise);
                }
                _ => {}
            }
        }
        while let Some((_, _, timer)) = (0..TIMERS)
            .filter_map(|timer| {
                let end = world.ends[timer].filter(|end| *end <= now as u64)?;
                Some((end, order.iter().position(|one| *one == timer)?, timer))
            })
            .min()
        {
            world.ends[timer] = None;
            for (number, rule) in rules.iter().enumerate() {
                if let Rule::Timer(of, then) = rule
                    && *of == timer
                {
                    world.act(now, number, then);
                }
            }
        }
    }
    world.said
}

struct World<'a> {
    rules: &'a [Rule],
    ends: [Option<u64>; TIMERS],
    low: Vec<bool>,
    said: Vec<String>,
}

impl World<'_> {
    fn act(&mut self, now: usize, number: usize, acts: &[Act]) {
        for act in acts {
            match act {
                Act::Shutdown => self.said.push(format!("{now} {number} shutdown")),
                Act::Notify => self.said.push(format!("{now} {number} notify")),
                Act::Log => self.said.push(format!("{now} {number} log")),
                Act::Low if self.low[number] => {}
                Act::Low => {
                    self.low[number] = true;
                    self.said.push(format!("{now} {number} low"));
                }
                Act::Start(timer, time) => self.wind(now, *timer, Some(now as u64 + time)),
                Act::Clear(timer) => self.wind(now, *timer, None),
            }
        }
    }

    fn wind(&mut self, now: usize, timer: usize, end: Option<u64>) {
        self.ends[timer] = end;
        for number in 0..self.rules.len() {
            if matches!(self.rules[number], Rule::Timer(of, _) if of == timer) {
                self.rise(now, number);
            }
        }
    }

    fn rise(&mut self, now: usize, number: usize) {
        if std::mem::take(&mut self.low[number]) {
            self.said.push(format!("{now} {number} not low"));
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0..3_usize, 0..6_usize, 2..6_i64).prop_map(|(a, b, c)| Tree::Number(a, b, c)),
        (0..3_usize, any::<bool>(), 0..6_usize).prop_map(|(a, b, c)| Tree::Text(a, b, c)),
        (0..3_usize, any::<bool>()).prop_map(|(a, b)| Tree::Has(a, b)),
        (0..3_usize).prop_map(Tree::Known),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            inner.clone().prop_map(|a| Tree::Not(Box::new(a))),
            two.clone().prop_map(|(a, b)| Tree::And(Box::new(a), Box::new(b))),
            two.prop_map(|(a, b)| Tree::Or(Box::new(a), Box::new(b))),
            (inner, 1..4_u64).prop_map(|(a, time)| Tree::For(Box::new(a), time)),
        ]
    })
}

fn act(low: bool) -> BoxedStrategy<Act> {
    prop_oneof![
        Just(Act::Shutdown),
        Just(Act::Notify),
        Just(if low { Act::Low } else { Act::Log }),
        (0..TIMERS, 1..6_u64).prop_map(|(timer, time)| Act::Start(timer, time)),
        (0..TIMERS).prop_map(Act::Clear),
    ]
    .boxed()
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let then = || prop::collection::vec(act(true), 1..4);
    let otherwise = prop::collection::vec(act(false), 0..3);
    let rule = prop_oneof![
        3 => (tree(), then(), otherwise).prop_map(|(tree, then, otherwise)| Rule::If(tree, then, otherwise)),
        1 => (0..TIMERS, then()).prop_map(|(timer, then)| Rule::Timer(timer, then)),
    ];
    prop::collection::vec(rule, 1..8)
}

/// Changes: which second, variable and value.
fn changes() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    prop::collection::vec((0..30_usize, 0..3_usize, 0..6_usize), 0..25)
}

fn values(changes: &[(usize, usize, usize)]) -> Vec<[Option<&'static str>; 3]> {
    let mut now = [None; 3];
    let second = |second| {
        for (at, variable, value) in changes {
            if *at == second {
                now[*variable] = VALUES[*value];
            }
        }
        now
    };
    (0..40).map(second).collect()
}

fn seconds(count: usize) -> Duration {
    Duration::from_secs(count as u64)
}

/// What happens; the engine is looked after only when it asks for it. At the second `restart` another takes over.
fn happens(
    program: &Program,
    values: &[[Option<&str>; 3]],
    mut restart: Option<usize>,
) -> Vec<String> {
    let mut engine = Engine::new(program);
    let mut said = Vec::new();
    for (now, all) in values.iter().enumerate() {
        if restart.take_if(|at| *at == now).is_some() {
            let words: Vec<u64> = engine.snapshot().collect();
            assert_eq!(words.len(), engine.words());
            engine = Engine::new(program);
            assert!(engine.restore(seconds(now), &words));
            assert_eq!(engine.snapshot().collect::<Vec<_>>(), words);
        }
        for (name, value) in VARIABLES.iter().zip(all) {
            engine.set(0, &name.to_uppercase(), *value);
        }
        if engine.next(seconds(now)).is_none_or(|at| at > seconds(now)) {
            continue;
        }
        engine.turn(seconds(now), &mut |effect| {
            said.push(match effect {
                Effect::Shutdown { rule } => format!("{now} {rule} shutdown"),
                Effect::Low { rule, on: true } => format!("{now} {rule} low"),
                Effect::Low { rule, on: false } => format!("{now} {rule} not low"),
                Effect::Notify { rule, .. } => format!("{now} {rule} notify"),
                Effect::Log { rule, .. } => format!("{now} {rule} log"),
            });
        });
        assert!(
            engine.next(seconds(now)).is_none_or(|at| at > seconds(now)),
            "nothing is left to do"
        );
        for rule in 0..program.rules().len() {
            let unknown = engine.truth(rule) == super::Truth::Unknown;
            let by_timer = matches!(program.rules()[rule].when, crate::rules::When::Timer(_));
            assert_eq!(engine.why(rule).is_some(), unknown && !by_timer);
        }
    }
    said
}

fn without_for(tree: Tree) -> Tree {
    let inner = |tree: Box<Tree>| Box::new(without_for(*tree));
    match tree {
        Tree::For(a, _) => without_for(*a),
        Tree::Not(a) => Tree::Not(inner(a)),
        Tree::And(a, b) => Tree::And(inner(a), inner(b)),
        Tree::Or(a, b) => Tree::Or(inner(a), inner(b)),
        leaf => leaf,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_reference_does(rules in rules(), changes in changes()) {
        let values = values(&changes);
        prop_assert_eq!(happens(&compile(&rules), &values, None), expected(&rules, &values));
    }

    /// Whatever does not depend on how long something held goes on as if nothing had been.
    #[test]
    fn a_restart_changes_nothing(rules in rules(), changes in changes(), restart in 0..40_usize) {
        let rules: Vec<Rule> = rules
            .into_iter()
            .map(|rule| match rule {
                Rule::If(tree, then, otherwise) => Rule::If(without_for(tree), then, otherwise),
                timer => timer,
            })
            .collect();
        let values = values(&changes);
        let program = compile(&rules);
        prop_assert_eq!(happens(&program, &values, Some(restart)), expected(&rules, &values));
    }

    #[test]
    fn a_program_survives_its_bytes(rules in rules()) {
        let program = compile(&rules);
        let bytes = postcard::to_allocvec(&program).expect("bytes");
        prop_assert_eq!(postcard::from_bytes::<Program>(&bytes).expect("a program"), program);
    }

    /// Whatever decodes can be evaluated, saved and restored.
    #[test]
    fn hostile_bytes_do_no_harm(
        rules in rules(),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        words in prop::collection::vec(any::<u64>(), 0..20),
        changes in changes(),
    ) {
        let mut bytes = postcard::to_allocvec(&compile(&rules)).expect("bytes");
        for (at, byte) in spoilt {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(program) = postcard::from_bytes::<Program>(&bytes) {
            let _ = happens(&program, &values(&changes), Some(5));
            let mut engine = Engine::new(&program);
            let mut left = engine.snapshot().take(1).chain(words).collect::<Vec<_>>();
            left.resize(left.len().max(engine.words()), u64::MAX);
            prop_assert!(engine.restore(seconds(7), &left));
            for timer in 0..program.timers().len() {
                let latest = seconds(7) + Duration::from_millis(program.timers()[timer].longest);
                prop_assert!(engine.timer(timer).is_none_or(|end| end <= latest));
            }
            engine.turn(seconds(8), &mut |_| {});
        }
    }
}
