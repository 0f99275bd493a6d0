use std::fmt::Write as _;
use std::time::Duration;

use super::{Log, play};
use crate::rules::{Compiler, Effect};

const RULES: [&str; 4] = [
    "charge: if battery.charge < 20 then low",
    "grace: if ups.status has OB then start timer grace 10s else clear timer grace",
    "over: on timer grace then shutdown",
    "hot: if ups.temperature > 45 for 5s then notify \"too hot\"",
];

/// What fires: seconds and rule.
fn fired(text: &str, ups: &[String]) -> Result<String, (usize, String)> {
    let log = Log::read(text, ups)?;
    let mut compiler = Compiler::new(&log.ups);
    for (rule, number) in RULES.iter().zip(1..) {
        assert_eq!(compiler.line(rule, number, 1, false), []);
    }
    let program = compiler.finish().0;
    let mut said = String::new();
    let mut act = |at: Duration, effect| {
        let rule = match effect {
            Effect::Low { rule, on: false } => format!("-{}", program.rules()[rule].name),
            Effect::Low { rule, .. }
            | Effect::Shutdown { rule }
            | Effect::Notify { rule, .. }
            | Effect::Log { rule, .. } => program.rules()[rule].name.clone(),
        };
        let _ = write!(said, "{} {rule}, ", at.as_secs_f64());
    };
    assert!(play(&program, &log, &mut act).is_some());
    Ok(said)
}

#[test]
fn three_formats_of_one_outage_are_the_same() {
    let record = "# upsentry record 1\n\
        100 left ups.status OL\n100 left battery.charge 100\n100 left ups.temperature 46\n\
        110 left ups.status OB\n# comment\n\n115.5 left battery.charge 19\n118 left battery.charge 20\n\
        125 left ups.status OL\n";
    assert_eq!(fired(record, &[]), Ok("105 hot, 115.5 charge, 118 -charge, 120 over, ".to_owned()));
    let seq = "# an outage\nups.status: OL\nbattery.charge: 100\nups.temperature: \"46\"\nTIMER 10\n\
        ups.status: OB\nTIMER 5.5\nbattery.charge:19\nTIMER 2.5\nbattery.charge: 20\nTIMER 7\nups.status: OL\n";
    assert_eq!(fired(seq, &[]), Ok("5 hot, 15.5 charge, 18 -charge, 20 over, ".to_owned()));
    assert_eq!(fired("battery.charge: 5\n", &["left".to_owned()]), Ok("0 charge, ".to_owned()));
}

#[test]
fn the_mains_that_return_as_the_timer_ends_win() {
    let seq = "ups.status: OB\nTIMER 10\nups.status: OL\nTIMER 100\n";
    assert_eq!(fired(seq, &[]), Ok(String::new()));
}

#[test]
fn a_record_that_begins_anew_knows_nothing() {
    let record = "1 left ups.temperature 46\n# upsentry record 1\n9 left battery.charge 5\n";
    assert_eq!(fired(record, &[]), Ok("9 charge, ".to_owned()));
    let others = "1 left battery.charge 5\n2 right battery.charge 5\n3 right battery.charge\n";
    assert_eq!(fired(others, &["right".to_owned()]), Ok("2 charge, ".to_owned()));
}

#[test]
fn what_is_no_log_is_named_by_its_line() {
    let why = |text: &str| fired(text, &[]).expect_err(text).0;
    assert_eq!(why("1 left ups.status OL\n0.5 left ups.status OB\n"), 2);
    assert_eq!(why("1 left\n"), 1);
    assert_eq!(why("1 left x y\n1e5 left x y\n"), 2);
    assert_eq!(why("9999999999999 left x y\n"), 1);
    assert_eq!(why("ups.status: OL\nTIMER x\n"), 2);
    assert_eq!(why("ups.status: OL\nhello\n"), 2);
    assert_eq!(why("ups.status: OL\nTIMER 1.é\n"), 2);
}
