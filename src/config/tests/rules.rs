use crate::nut::values::MOST_WANTED;
use std::fs::{self, File};
use std::path::PathBuf;

use super::*;
use crate::rules::Program;

const CHARGE: &str =
    "rule charge: if battery.charge < 20 then shutdown, notify \"#1\", log \"x\" # why";

fn tested(text: &str) -> Config {
    parse(Path::new(FILE), text, Purpose::Test).expect("it is right")
}

/// A file of rules, to be read for this configuration; what was said of it.
fn read(config: &Config, name: &str, text: &str) -> Result<(Program, Vec<String>), String> {
    let path = std::env::temp_dir().join(format!("upsentry-{}-{name}", std::process::id()));
    fs::write(&path, text).expect("a file");
    let file = File::open(&path).expect("it is there");
    let config = Config { rules_file: Some("t.rules".into()), ..config.clone() };
    let read = config.read_rules(file, 0o600);
    let _ = fs::remove_file(path);
    read
}

#[test]
fn a_rule_is_the_rest_of_its_line() {
    let config = tested(
        &format!("{BASE}  {CHARGE}\nups right\nwatch ttyS1\nmodel power99\n")
            .replace("if b", "if ups.b"),
    );
    let [rule] = config.rules.rules() else { panic!("one rule") };
    assert_eq!((&*rule.name, rule.line, rule.then.len()), ("charge", 3, 3));
    assert_eq!(config.rules.wanted(0).collect::<Vec<_>>(), ["battery.charge"]);
    let errors = errors_for(
        &format!("{BASE}\trule x: if battery.charge << 20 then low\nrule\nruler\n\"rule\" x"),
        Purpose::Test,
    );
    assert_eq!(
        errors,
        [
            "3:29: a number, a time or a text in quotes must stand here, not `<'",
            "4:5: a name must follow this",
            "5:1: no such directive `ruler' (did you mean `rule'?)",
            "6:1: `rule' stands without quotes",
        ]
    );
}

#[test]
fn a_kill_needs_no_rules() {
    let text = format!("{BASE}{CHARGE}\nrules /etc/upsentry.rules\n");
    let config = parse(Path::new(FILE), &text, Purpose::Kill).expect("it is right");
    assert!(config.rules.is_empty() && config.rules_file.is_none());
    assert_eq!(tested(&text).rules_file, Some(PathBuf::from("/etc/upsentry.rules")));
}

#[test]
fn more_rules_come_from_their_own_file() {
    let text = format!("{BASE}{CHARGE}\nrule a: on timer t then low\nrules /r\n");
    let config = tested(&text);
    let (rules, warnings) = read(
        &config,
        "more",
        "# more\n\nrule b: if known ups.load then start timer t 5s\r\nrule c: on timer u then low\n",
    )
    .expect("right");
    let names: Vec<_> = rules.rules().iter().map(|rule| (&*rule.name, rule.apart)).collect();
    assert_eq!(names, [("charge", false), ("a", false), ("b", true), ("c", true)]);
    assert_eq!(
        warnings,
        ["t.rules:4:18: warning: no rule starts the timer `u', so this never acts"]
    );
    let wrong = read(&config, "wrong", "need 1\nrule charge: if known ups.load then low\n");
    assert_eq!(
        wrong.expect_err("wrong"),
        "t.rules:1:1: only lines like `rule NAME: if …' stand in this file\n    need 1\n    ^\n\
         t.rules:2:6: this rule is already there in line 3\n    rule charge: if known ups.load then low\n    \
         \x20    ^^^^^^\n2 errors; nothing was started\n"
    );
}

#[test]
fn no_more_is_wanted_than_is_kept() {
    let rules = |count: usize| {
        let one = |number| format!("rule r{number}: if known outlet.{number}.status then low\n");
        (1..=count).map(one).collect::<String>()
    };
    let charge = format!("{BASE}rule c: if battery.charge < 5 then low\n");
    let (most, more) = (rules(MOST_WANTED), rules(MOST_WANTED + 1));
    let kept = tested(&format!("{charge}{most}"));
    assert_eq!(kept.rules.wanted(0).count(), MOST_WANTED + 1);
    let count = MOST_WANTED + 1;
    let said = format!(
        "rules name {count} variables of ups beside the usual ones; {MOST_WANTED} are kept at most"
    );
    assert_eq!(errors_for(&format!("{charge}{more}"), Purpose::Test), [format!("3:1: {said}")]);
    assert!(read(&tested(&charge), "more", &more).expect_err("too many").contains(&said));
}

/// What a start will take once it takes rules: now only that it is not said to be missing.
#[test]
fn a_rule_can_be_what_shuts_the_machine_down() {
    let nothing = "nothing could ever shut this machine down";
    let text = "watch ttyS0\nfail cts 0\n";
    assert!(errors(text)[0].contains(nothing));
    let mut config = tested(text);
    config.means = Some(nothing.to_owned());
    let wrong = read(&config, "means", "rule a: if known ups.load then log \"x\"\n");
    assert!(wrong.expect_err("wrong").starts_with(nothing));
    assert!(read(&config, "means2", "rule a: if known ups.load then low\n").is_ok());
}
