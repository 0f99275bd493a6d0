//! What rules cost: an update in the jail, and reading a long file of them.

use crate::Row;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use upsentry::config::check_rules;
use upsentry::rules::{Engine, Program};

const UPS: usize = 8;
const VARIABLES: usize = 200;
const UPDATES: usize = 20_000;

/// So many rules over [`VARIABLES`], of all kinds.
fn text(rules: usize) -> String {
    let mut text = String::new();
    for number in 0..rules {
        let variable = |step: usize| {
            let one = (number + step) % VARIABLES;
            format!("ups{}.outlet.{}.current", one % UPS, one / UPS)
        };
        let (a, b) = (variable(0), variable(7));
        let _ = match number % 4 {
            0 => writeln!(text, "rule r{number}: if {a} < {} then log \"x\"", number % 90),
            1 => writeln!(
                text,
                "rule r{number}: if {a} > 45 or {b} > 80 for 5m then notify \"too hot\""
            ),
            2 => writeln!(
                text,
                "rule r{number}: if {a} >= 1.5 and not ({b} = 3) then log \"x\" else log \"y\""
            ),
            _ => writeln!(
                text,
                "rule r{number}: if ({a} > 9) and known {b} then start timer t{} 10m else clear timer t{}",
                number % 50,
                number % 50
            ),
        };
    }
    text
}

fn names() -> Vec<String> {
    (0..UPS).map(|number| format!("ups{number}")).collect()
}

fn program(rules: usize) -> (Program, Duration) {
    let text = text(rules);
    let began = Instant::now();
    let checked = check_rules(Path::new("bench.rules"), &text, &names());
    let took = began.elapsed();
    (checked.expect("the rules are right").0, took)
}

/// The mean and the longest of updates of one variable each.
fn updates(program: &Program) -> [Duration; 2] {
    let mut engine = Engine::new(program);
    let values: Vec<String> = (0..100).map(|value| value.to_string()).collect();
    let mut effects = 0_usize;
    let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
    for number in 0..crate::much(UPDATES) {
        let variable = &program.variables()[number * 31 % program.variables().len()];
        // Another one each time that a variable has its turn again.
        let value = &values[(number * 17 + number / VARIABLES * 29) % values.len()];
        let now = Duration::from_millis(u64::try_from(number).expect("few") * 100);
        let began = Instant::now();
        engine.set(usize::from(variable.ups), &variable.name, Some(value));
        engine.turn(now, &mut |_| effects += 1);
        black_box(engine.next(now));
        let took = began.elapsed();
        sum += took;
        longest = longest.max(took);
    }
    black_box(effects);
    [sum / u32::try_from(crate::much(UPDATES)).expect("few"), longest]
}

fn micros(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}

pub fn rows() -> Vec<Row> {
    let (program, _) = program(1000);
    assert_eq!(program.variables().len(), VARIABLES);
    let [mean, longest] = updates(&program);
    let best = (0..3).map(|_| self::program(10_000).1).min().unwrap_or_default();
    let (most, parsed) = (Duration::from_micros(50), Duration::from_millis(100));
    vec![
        Row::new("1,000 rules over 200 variables: an update", micros(mean))
            .goal("< 50 us", mean < most),
        Row::new("the longest of them", micros(longest)),
        Row::new("10,000 rules read", format!("{:.1} ms", best.as_secs_f64() * 1e3))
            .goal("< 100 ms", best < parsed),
    ]
}
