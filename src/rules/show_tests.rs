#![allow(clippy::expect_used)]

use super::super::Compiler;
use super::*;

fn program(lines: &[String], ups: &[String]) -> Program {
    let mut compiler = Compiler::new(ups);
    for (line, number) in lines.iter().zip(1..) {
        let problems = compiler.line(line, number, 1, false);
        assert!(problems.iter().all(|one| one.warning), "{line}: {problems:?}");
    }
    compiler.finish().0
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

/// What is shown is a rule again, and the same one.
#[test]
fn what_is_shown_means_the_same() {
    for (ups, rules) in [
        (
            names(&["ups"]),
            vec![
                "a: if battery.charge < 20 then shutdown",
                "b: if ups.model = \"SMART-UPS 700\" and battery.runtime < 5m then low",
                "c: if ups.temperature > 45.5 or ambient.humidity >= -80 for 90s then notify \"too hot\", log \"x\"",
                "d: if ups.status has OB then start timer grace 10m else clear timer grace",
                "e: on timer grace then shutdown",
                "f: if not (known ups.load and (ups.load > 1 or ups.load < 2)) then log \"f\"",
                "g: if (ups.load > 1 for 5s) or not not (ups.load != 3 for 1h) then log \"g\"",
                "h: if ups.load > 1 and ups.load > 2 and (ups.load > 3 and ups.load > 4) then log \"h\"",
                "i: if (ups.load > 1 or ups.load > 2) and ups.mfr != \"x\" for 1500ms then log \"i\"",
            ],
        ),
        (
            names(&["left", "right"]),
            vec!["a: if left.battery.charge <= 0.000001 or right.ups.load = 7 then shutdown"],
        ),
    ] {
        let lines: Vec<String> = rules.iter().map(|rule| format!(" {rule}")).collect();
        let first = program(&lines, &ups);
        let shown =
            first.shown(&ups).map(|(name, when, does)| format!(" {name}: {when} then {does}"));
        let shown: Vec<String> = shown.collect();
        assert_eq!(shown.len(), rules.len());
        assert_eq!(program(&shown, &ups), first, "{shown:#?}");
    }
}

#[test]
fn it_reads_as_it_was_written() {
    let ups = names(&["ups"]);
    let text =
        " hot: if ups.temperature > 45 or ambient.humidity > 80 for 5m then notify \"too hot\"";
    let program = program(&[text.to_owned()], &ups);
    let (name, when, does) = program.shown(&ups).next().expect("a rule");
    assert_eq!(format!(" {name}: {when} then {does}"), text);
}
