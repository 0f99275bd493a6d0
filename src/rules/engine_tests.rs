use std::time::Duration;

use super::{Effect, Engine, Truth, Why};
use crate::rules::{Compiler, Program};

fn program(lines: &[&str]) -> Program {
    let ups = ["left".to_owned(), "right".to_owned()];
    let mut compiler = Compiler::new(&ups);
    for (line, number) in lines.iter().zip(1..) {
        assert_eq!(compiler.line(line, number, 1, false), []);
    }
    let (program, said) = compiler.finish();
    assert_eq!(said, []);
    program
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn turn(engine: &mut Engine<'_>, now: u64) -> Vec<Effect> {
    let mut said = Vec::new();
    engine.turn(at(now), &mut |effect| said.push(effect));
    said
}

#[test]
fn unknown_never_acts_and_says_why() {
    let program = program(&["a: if left.battery.charge < 20 then shutdown else log \"x\""]);
    let mut engine = Engine::new(&program);
    assert_eq!(turn(&mut engine, 0), []);
    assert_eq!(engine.why(0), Some(Why::Missing(0, "battery.charge")));
    engine.set(0, "battery.charge", Some("full"));
    assert_eq!(turn(&mut engine, 1), []);
    assert_eq!(engine.why(0), Some(Why::NoNumber(0, "battery.charge")));
    engine.set(0, "BATTERY.charge", Some("19.9"));
    assert_eq!(turn(&mut engine, 2), [Effect::Shutdown { rule: 0 }]);
    assert_eq!((engine.why(0), engine.truth(0)), (None, Truth::True));
    // Unknown in between does not arm it again.
    engine.forget(0);
    assert_eq!(turn(&mut engine, 3), []);
    engine.set(0, "battery.charge", Some("10"));
    assert_eq!(turn(&mut engine, 4), []);
    engine.set(0, "battery.charge", Some("20"));
    assert_eq!(turn(&mut engine, 5), [Effect::Log { rule: 0, action: (false, 0) }]);
    engine.set(0, "battery.charge", Some("10"));
    assert_eq!(turn(&mut engine, 6), [Effect::Shutdown { rule: 0 }]);
}

#[test]
fn nothing_is_due_while_nothing_is_pending() {
    let program = program(&[
        "a: if left.ups.load > 5 for 5m then low",
        "b: if known right.ups.load then low",
    ]);
    let mut engine = Engine::new(&program);
    assert_eq!(engine.next(at(3)), Some(at(3)));
    turn(&mut engine, 3);
    assert_eq!(engine.next(at(3)), None);
    assert!(engine.set(0, "ups.load", Some("6")) && !engine.set(0, "ups.load", Some("6")));
    assert!(!engine.set(0, "ups.model", Some("x")) && !engine.set(2, "ups.load", Some("6")));
    turn(&mut engine, 4);
    assert_eq!(engine.next(at(4)), Some(at(304)));
    assert_eq!(turn(&mut engine, 303), []);
    assert_eq!(turn(&mut engine, 304), [Effect::Low { rule: 0, on: true }]);
    assert_eq!(engine.next(at(304)), None);
    assert!(engine.is_low(0) && !engine.is_low(1));
    engine.set(0, "ups.load", Some("5"));
    assert_eq!(turn(&mut engine, 305), [Effect::Low { rule: 0, on: false }]);
}

#[test]
fn a_break_starts_the_time_anew() {
    let program = program(&["a: if left.ups.load > 5 for 10s then log \"x\" else log \"y\""]);
    let mut engine = Engine::new(&program);
    let mut play = |now, value| {
        engine.set(0, "ups.load", value);
        (turn(&mut engine, now).len(), engine.truth(0))
    };
    assert_eq!(play(0, Some("6")), (0, Truth::False));
    assert_eq!(play(9, Some("5")), (0, Truth::False));
    assert_eq!(play(10, Some("6")), (0, Truth::False));
    assert_eq!(play(20, Some("7")), (1, Truth::True));
    // What was true is not false because it is not known for a moment.
    assert_eq!(play(21, None), (0, Truth::Unknown));
    assert_eq!(play(22, Some("7")), (0, Truth::Unknown));
    assert_eq!(play(32, Some("8")), (0, Truth::True));
    assert_eq!(play(33, Some("1")), (1, Truth::False));
}

#[test]
fn a_timer_is_started_anew_and_the_mains_win() {
    let program = program(&[
        "over: on timer grace then shutdown",
        "grace: if left.ups.status has OB then start timer grace 10s else clear timer grace",
        "more: if right.ups.status has OB then start timer grace 20s",
    ]);
    let mut engine = Engine::new(&program);
    engine.set(0, "ups.status", Some("OB"));
    assert_eq!((turn(&mut engine, 0), engine.next(at(0))), (vec![], Some(at(10))));
    engine.set(1, "ups.status", Some("OB"));
    assert_eq!((turn(&mut engine, 5), engine.next(at(5))), (vec![], Some(at(25))));
    // At the same moment: conditions come before timers that end.
    engine.set(0, "ups.status", Some("OL"));
    assert_eq!((turn(&mut engine, 25), engine.next(at(25))), (vec![], None));
}

#[test]
fn low_by_a_timer_lasts_until_it_is_wound_again() {
    let program = program(&[
        "grace: if left.ups.status has OB then start timer grace 10s else clear timer grace",
        "over: on timer grace then low",
    ]);
    let mut engine = Engine::new(&program);
    engine.set(0, "ups.status", Some("OB"));
    turn(&mut engine, 0);
    assert_eq!(turn(&mut engine, 10), [Effect::Low { rule: 1, on: true }]);
    engine.set(0, "ups.status", Some("OL"));
    assert_eq!(turn(&mut engine, 11), [Effect::Low { rule: 1, on: false }]);
}
