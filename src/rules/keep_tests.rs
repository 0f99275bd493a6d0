use std::time::Duration;

use crate::rules::{Compiler, Effect, Engine, Program};

fn program(lines: &[&str]) -> Program {
    let mut compiler = Compiler::new(&["left".to_owned()]);
    for (line, number) in lines.iter().zip(1..) {
        assert_eq!(compiler.line(line, number, 1, false), []);
    }
    compiler.finish().0
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const GRACE: [&str; 2] = [
    "grace: if ups.status has OB then start timer grace 10m else clear timer grace",
    "over: on timer grace then shutdown",
];

#[test]
fn a_timer_keeps_what_is_left_of_it() {
    let program = program(&GRACE);
    let mut one = Engine::new(&program);
    one.set(0, "ups.status", Some("OB"));
    one.turn(at(100), &mut |_| {});
    let words: Vec<u64> = one.snapshot().collect();
    let mut next = Engine::new(&program);
    assert!(next.restore(at(400), &words));
    assert_eq!(next.timer(0), Some(at(700)));
    // Nothing is known yet; then the outage that goes on starts nothing anew.
    next.turn(at(400), &mut |effect| panic!("{effect:?}"));
    next.set(0, "ups.status", Some("OB DISCHRG"));
    next.turn(at(401), &mut |effect| panic!("{effect:?}"));
    assert_eq!(next.next(at(401)), Some(at(700)));
    let mut said = Vec::new();
    next.turn(at(700), &mut |effect| said.push(effect));
    assert_eq!(said, [Effect::Shutdown { rule: 1 }]);
}

#[test]
fn what_was_left_may_be_anything() {
    let program = program(&GRACE);
    let mut engine = Engine::new(&program);
    let first = engine.snapshot().next().expect("a word");
    assert!(!engine.restore(at(5), &[]));
    assert!(!engine.restore(at(5), &[first]));
    assert!(!engine.restore(at(5), &[first ^ 1, 1, 1]));
    assert_eq!(engine.timer(0), None);
    assert!(engine.restore(at(5), &[first, u64::MAX, u64::MAX]));
    assert_eq!(engine.timer(0), Some(at(605)));
}

#[test]
fn other_rules_take_nothing() {
    let (one, other) = (program(&GRACE), program(&GRACE[1..]));
    let words: Vec<u64> = Engine::new(&one).snapshot().collect();
    assert!(!Engine::new(&other).restore(at(0), &words));
}
