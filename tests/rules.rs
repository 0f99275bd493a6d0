//! What `docs/rules.md` says of rules, and the commands that try them out.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says by panicking what is missing")]

mod common;

use std::fs;
use std::path::Path;

use common::{Scratch, run};
use upsentry::config::check_rules;
use upsentry::notifier::rules::{Done, replayed};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    fs::read_to_string(path).expect("the page")
}

/// The page's blocks of a kind.
fn blocks(kind: &str) -> Vec<String> {
    let page = page();
    let begin = format!("```{kind}\n");
    let rest = page.split(&begin).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

fn replay(rules: &str, log: &str) -> Done {
    let path = Path::new("rules");
    replayed((path, rules), (Path::new("log"), log), &[]).expect("a log")
}

#[test]
fn every_example_is_right() {
    let examples = blocks("rules");
    assert!(examples.len() >= 6, "only {} examples", examples.len());
    for text in examples {
        let checked = check_rules(Path::new("example"), &text, &["ups".to_owned()]);
        let (program, warnings) = checked.unwrap_or_else(|failure| panic!("{failure}"));
        assert!(!program.is_empty() && warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn replay_says_what_the_page_says() {
    let [rules, ..] = &blocks("rules")[..] else { panic!("no rules") };
    let [log] = &blocks("seq")[..] else { panic!("one log") };
    let [said] = &blocks("replay")[..] else { panic!("one answer") };
    assert_eq!(&replay(rules, log).text, said);
}

/// The uses that upssched's manual has, on one outage of a quarter of an hour.
#[test]
fn upssched_s_uses_do_what_they_did() {
    let log = "ups.status: OL\nTIMER 100\nups.status: OB DISCHRG\nTIMER 20\nups.status: OL\nTIMER 100\n\
        ups.status: OB\nTIMER 200\nups.status: OB LB\nTIMER 5\nups.status:\nTIMER 30\nups.status: OL RB\nTIMER 10\n";
    let all: Vec<String> = blocks("rules").into_iter().skip(1).collect();
    let said = |name: &str| {
        let rules = all.iter().find(|text| text.contains(&format!("rule {name}:")));
        let text = replay(rules.expect(name), log).text;
        let lines = text.lines().filter_map(|line| line.split_once(&format!(" {name}: ")));
        lines.map(|(at, what)| format!("{at} {what}")).collect::<Vec<_>>().join("; ")
    };
    // Twenty seconds are too short for it.
    assert_eq!(said("warn"), "250.000 notify \"on battery for half a minute\"");
    assert_eq!(said("early"), "340.000 shutdown");
    assert_eq!(said("forced"), "420.000 shutdown");
    assert_eq!(
        said("gone"),
        "435.000 notify \"the UPS is gone\"; 455.000 notify \"the UPS is back\""
    );
    assert_eq!(said("replace"), "455.000 notify \"replace the battery\"");
    assert_eq!(
        said("mains"),
        "100.000 notify \"on battery\"; 120.000 notify \"on mains\"; 220.000 notify \"on battery\"; \
         455.000 notify \"on mains\""
    );
    let hours = "ups.status: OB\nTIMER 9000\nups.status: OL\nTIMER 9000\n";
    let rules = all.iter().find(|text| text.contains("rule remind:")).expect("it is there");
    let text = replay(rules, hours).text;
    assert_eq!(
        text,
        "3600.000 remind: notify \"still on battery\"\n7200.000 remind: notify \"still on battery\"\n\
         18000.000 the log ends\n"
    );
}

/// Writes a file; its path.
fn file(scratch: &Scratch, name: &str, text: &str) -> String {
    scratch.file(name, text).to_str().expect("a plain path").to_owned()
}

#[test]
fn the_commands_say_what_is_wrong_and_what_would_happen() {
    let scratch = Scratch::new("commands");
    let rules = file(&scratch, "rules", "rule a: if left.ups.load > 5 then low\n");
    let wrong = file(&scratch, "wrong", "rule a: if ups.load > 5 than low\n");
    let log = file(&scratch, "log", "# upsentry record 1\n1764338400 left ups.load 6\n");
    let conf = file(
        &scratch,
        "conf",
        "ups left\nwatch ttyS0\nmodel power99\nups right\nwatch ttyS1\nmodel power99\n",
    );
    let said = |words: &[&str]| {
        let done = run(words);
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code(), out, error)
    };
    let (status, out, error) = said(&["rules", "check", &rules, "-c", &conf]);
    assert_eq!((status, &*error), (Some(0), ""));
    assert!(out.ends_with(": 1 rules, 1 variables, 0 timers\n"), "{out}");
    let (status, _, error) = said(&["rules", "check", &wrong]);
    assert_eq!(status, Some(2));
    assert!(error.contains(":1:25: ") && error.contains("(did you mean `then'?)"), "{error}");
    let (status, out, error) = said(&["rules", "replay", &rules, &log]);
    assert_eq!((status, &*error), (Some(0), ""));
    assert_eq!(out, "2025-11-28T14:00:00.000Z a: low\n2025-11-28T14:00:00.000Z the log ends\n");
    assert_eq!(said(&["rules", "replay", &rules, &rules]).0, Some(1), "no log");
    assert_eq!(said(&["rules", "replay", &rules]).0, Some(2), "usage");
    assert_eq!(said(&["rules", "check", "/nonexistent"]).0, Some(1));
    let with = file(
        &scratch,
        "with",
        "watch ttyS0\nmodel power99\nvia initctl\nrule a: if known ups.load then lov\n",
    );
    let (status, _, error) = said(&["check", "-c", &with]);
    assert_eq!(status, Some(2));
    assert!(error.contains("did you mean `low'"), "{error}");
}

/// `rules PATH` is opened, and read by a child without rights where this is root.
#[test]
fn a_configuration_brings_its_file_of_rules() {
    let scratch = Scratch::new("named");
    let more = file(
        &scratch,
        "more",
        "rule b: if known ups.load then low\nrule b: if known ups.load then low\n",
    );
    let conf = file(&scratch, "named", &format!("watch ttyS0\nmodel power99\nrules {more}\n"));
    let rules = file(&scratch, "tried", "rule a: if known ups.load then low\n");
    let done = run(&["rules", "check", &rules, "-c", &conf]);
    assert_eq!(done.status.code(), Some(2));
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(error.contains("more:2:6: this rule is already there in line 1"), "{error}");
}
