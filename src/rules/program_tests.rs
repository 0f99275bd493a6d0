use super::super::engine::Engine;
use super::{Action, Compare, Op, Parts, Program, Rule, Timer, Variable, When};

/// A program of one rule, with one variable and one timer.
fn parts(ops: Vec<Op>) -> Parts {
    let end = u32::try_from(ops.len()).expect("few");
    let rule = Rule {
        name: "a".to_owned(),
        line: 1,
        apart: false,
        when: When::If(0, end),
        then: vec![Action::Start(0, 5_000)],
        otherwise: vec![Action::Clear(0)],
    };
    let holds = ops.iter().filter(|op| matches!(op, Op::For(..))).count();
    Parts {
        rules: vec![rule],
        ops,
        variables: vec![Variable { ups: 0, name: "ups.load".to_owned() }],
        timers: vec![Timer { name: "t".to_owned(), longest: 5_000 }],
        holds: u16::try_from(holds).expect("few"),
    }
}

fn taken(parts: Parts) -> bool {
    Program::try_from(parts).is_ok_and(|program| {
        Engine::new(&program).turn(std::time::Duration::ZERO, &mut |_| {});
        true
    })
}

#[test]
fn only_what_is_consistent_is_a_program() {
    let number = |variable| Op::Number(variable, Compare::Below, 1);
    let right = || vec![number(0), Op::Known(0), Op::And, Op::For(0, 1_000), Op::Not];
    assert!(taken(parts(right())));
    let wrong: Vec<Vec<Op>> = vec![
        vec![],
        vec![number(1)],
        vec![Op::Known(7)],
        vec![Op::Has(1, String::new())],
        vec![Op::Text(0, true, "x".repeat(65))],
        vec![Op::And],
        vec![Op::Not],
        vec![number(0), Op::Or],
        vec![number(0), number(0)],
        vec![Op::Not, number(0)],
        vec![number(0), Op::For(1, 1_000)],
        vec![number(0), Op::For(0, 999)],
        vec![number(0), Op::For(0, u64::MAX)],
        // One memory for two.
        vec![number(0), Op::For(0, 1_000), Op::For(0, 1_000)],
    ];
    for ops in wrong {
        let said = format!("{ops:?}");
        assert!(!taken(parts(ops)), "{said}");
    }
    let mut deep = vec![Op::Known(0); 129];
    deep.extend(vec![Op::Or; 128]);
    assert!(!taken(parts(deep)));
}

#[test]
fn rules_point_at_what_is_there() {
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = parts(vec![Op::Known(0)]);
        change(&mut parts);
        taken(parts)
    };
    assert!(with(&|_| {}));
    assert!(!with(&|parts| parts.rules[0].when = When::If(1, 0)));
    assert!(!with(&|parts| parts.rules[0].when = When::If(0, 2)));
    assert!(!with(&|parts| parts.rules[0].when = When::If(u32::MAX, u32::MAX)));
    assert!(!with(&|parts| parts.rules[0].when = When::Timer(1)));
    assert!(!with(&|parts| parts.rules[0].then = vec![Action::Start(1, 5_000)]));
    assert!(!with(&|parts| parts.rules[0].then = vec![Action::Start(0, 6_000)]));
    assert!(!with(&|parts| parts.rules[0].then = vec![Action::Start(0, 0)]));
    assert!(!with(&|parts| parts.rules[0].otherwise = vec![Action::Clear(1)]));
    assert!(!with(&|parts| parts.timers[0].longest = u64::MAX));
    assert!(!with(&|parts| parts.holds = 1));
    // Two rules with one condition would share its memories.
    assert!(!with(&|parts| parts.rules.push(parts.rules[0].clone())));
    assert!(!with(&|parts| parts.rules = vec![parts.rules[0].clone(); 10_001]));
}
