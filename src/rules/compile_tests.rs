use super::super::program::{Action, Compare, Op, Program, When};
use super::{Compiler, Problem};

/// Rules of one file, for these UPSs.
fn compile(ups: &[&str], lines: &[&str]) -> (Program, Vec<Problem>) {
    let ups: Vec<String> = ups.iter().map(|ups| (*ups).to_owned()).collect();
    let mut compiler = Compiler::new(&ups);
    let mut said = Vec::new();
    for (line, number) in lines.iter().zip(1..) {
        said.extend(compiler.line(line, number, 1, false));
    }
    let (program, more) = compiler.finish();
    said.extend(more);
    (program, said)
}

/// What is wrong with one rule: column, width, and what is said.
fn wrong(text: &str) -> (usize, usize, String) {
    let (_, said) = compile(&["left"], &[text]);
    let first = said.into_iter().next().unwrap_or_else(|| panic!("nothing is said of {text}"));
    (first.column, first.width, first.message)
}

fn right(ups: &[&str], lines: &[&str]) -> Program {
    let (program, said) = compile(ups, lines);
    assert_eq!(said, []);
    program
}

#[test]
fn the_examples_of_the_design_are_right() {
    let program = right(
        &["left"],
        &[
            "charge: if battery.charge < 20 then shutdown",
            "model:  if ups.model = \"SMART-UPS 700\" and battery.runtime < 5m then shutdown",
            "hot:    if ups.temperature > 45 or ambient.humidity > 80 for 5m then notify \"too hot\"",
            "grace:  if ups.status has OB then start timer grace 10m else clear timer grace",
            "over:   on timer grace then shutdown # a comment",
        ],
    );
    assert_eq!(program.rules().len(), 5);
    let ops = [
        Op::Number(0, Compare::Below, 20_000_000),
        Op::Text(1, true, "SMART-UPS 700".to_owned()),
        Op::Number(2, Compare::Below, 300_000_000),
        Op::And,
        Op::Number(3, Compare::Above, 45_000_000),
        Op::Number(4, Compare::Above, 80_000_000),
        Op::Or,
        Op::For(0, 300_000),
        Op::Has(5, "OB".to_owned()),
    ];
    assert_eq!(program.ops, ops);
    let [_, _, hot, grace, over] = program.rules() else { panic!("five") };
    assert_eq!(hot.then, [Action::Notify("too hot".to_owned())]);
    assert_eq!(
        (&*grace.then, &*grace.otherwise),
        (&[Action::Start(0, 600_000)][..], &[Action::Clear(0)][..])
    );
    assert_eq!((over.when, over.line), (When::Timer(0), 5));
    assert!(program.wanted(0).any(|name| name == "ambient.humidity"));
    assert_eq!(program.wanted(1).count(), 0);
}

#[test]
fn what_binds_closer() {
    let steps = |text: &str| {
        let program = right(&["left"], &[&format!("a: if {text} then shutdown")]);
        let step = |op: &Op| match op {
            Op::Known(variable) => variable.to_string(),
            Op::And => "and".to_owned(),
            Op::Or => "or".to_owned(),
            Op::Not => "not".to_owned(),
            Op::For(_, ms) => format!("for{}", ms / 1000),
            op => panic!("{op:?}"),
        };
        program.ops.iter().map(step).collect::<Vec<_>>().join(" ")
    };
    let [a, b, c] = ["known ups.load", "known ups.status", "known ups.model"];
    assert_eq!(steps(&format!("{a} or {b} and {c}")), "0 1 2 and or");
    assert_eq!(steps(&format!("({a} or {b}) and not {c}")), "0 1 or 2 not and");
    assert_eq!(steps(&format!("not {a} and {b}")), "0 not 1 and");
    assert_eq!(steps(&format!("not not {a}")), "0");
    assert_eq!(steps(&format!("{a} or {b} for 5s")), "0 1 or for5");
    assert_eq!(steps(&format!("{a} or ({b} for 5s)")), "0 1 for5 or");
    assert_eq!(steps(&format!("not ({a} for 2s) for 5s")), "0 for2 not for5");
}

#[test]
fn the_longest_name_of_a_ups_is_meant() {
    let ups = ["left", "left.1", "ups", "other"];
    let of = |name: &str| {
        let program = right(&ups, &[&format!("a: if known {name} then shutdown")]);
        let one = program.variables.first().expect("a variable").clone();
        (ups[usize::from(one.ups)], one.name)
    };
    assert_eq!(of("left.battery.charge"), ("left", "battery.charge".to_owned()));
    assert_eq!(of("left.1.battery.charge"), ("left.1", "battery.charge".to_owned()));
    assert_eq!(of("ups.ups.status"), ("ups", "ups.status".to_owned()));
    let (_, said) = compile(&ups, &["a: if ups.power.nominal > 5 then shutdown"]);
    assert_eq!(said[0].message, "of which UPS? write for instance `left.ups.power.nominal'");
    let (_, said) = compile(&ups, &["a: if othr.ups.status has OB then shutdown"]);
    assert_eq!(
        said[0].message,
        "`othr.ups.status' does not begin with a UPS's name, like `left.ups.status' (did you mean `other'?)"
    );
    // A single one needs no name, and may have it.
    let program = right(
        &["ups"],
        &["a: if ups.power.nominal > 5 and ups.ups.power.nominal > 6 then shutdown"],
    );
    assert_eq!(program.variables.len(), 1);
}

/// A rule, where it is wrong, and how.
const MISTAKES: &[(&str, (usize, usize), &str)] = &[
    ("a: if ups.status has then low", (22, 4), "a word must stand here, not `then'"),
    ("", (1, 0), "a name must follow this"),
    ("a", (1, 1), "`:' must follow this"),
    ("a b", (3, 1), "`:' must stand here, not `b'"),
    (
        "a: iff known ups.load then low",
        (4, 3),
        "`if' or `on timer' must stand here, not `iff' (did you mean `if'?)",
    ),
    (
        "a: IF known ups.load then low",
        (4, 2),
        "`if' or `on timer' must stand here, not `IF' (did you mean `if'?)",
    ),
    (
        "a: if battery.charge < 20 than low",
        (27, 4),
        "`and', `or', `for' or `then' must stand here, not `than' (did you mean `then'?)",
    ),
    (
        "a: if battery.charge < 20 then shutdwon",
        (32, 8),
        "an action must stand here, not `shutdwon' (did you mean `shutdown'?)",
    ),
    ("a: if battery.charge < 20 then", (27, 4), "an action must follow this"),
    (
        "a: if battery.charge < 20 then low low",
        (36, 3),
        "`,', `else' or the end must stand here, not `low'",
    ),
    (
        "a: if battery.charge 20 then low",
        (22, 2),
        "`has' or a comparison must stand here, not `20'",
    ),
    (
        "a: if battery.charge == 20 then low",
        (23, 1),
        "a number, a time or a text in quotes must stand here, not `='",
    ),
    ("a: if battery.charge < x then low", (24, 1), "`x' is no number; a text stands in quotes"),
    (
        "a: if battery.charge < 20x then low",
        (24, 3),
        "`20x' is no number; one may have a unit (% A Ah C F Hz V VA W s) or be a time (5m)",
    ),
    (
        "a: if 20 > battery.charge then low",
        (7, 2),
        "a variable stands on the left side of a comparison",
    ),
    (
        "a: if charge < 20 then low",
        (7, 6),
        "`charge' is no variable; they are called like battery.charge",
    ),
    (
        "a: if ups.model < \"x\" then low",
        (17, 1),
        "texts are compared by `=' and `!=' only; a number stands without quotes",
    ),
    ("a: if ups.status has \"O B\" then low", (22, 5), "`has' looks for one word"),
    (
        "a: if ups.load > 5 for 5 then low",
        (24, 1),
        "`5' is not a time; write it like 20s, 5m or 1h",
    ),
    ("a: if ups.load > 5 for 10ms then low", (24, 4), "this time is from 1s to 30 days, not 10ms"),
    (
        "a: if ups.load > 5 for 5m and ups.load < 9 then low",
        (27, 3),
        "`for' is of all that stands before it; put that in parentheses: `(… for 5m) and …'",
    ),
    (
        "a: if (ups.load > 5 then low",
        (21, 4),
        "`and', `or', `for' or `)' must stand here, not `then'",
    ),
    ("a: if ups.load > 5 then notify hot", (32, 3), "a text in quotes must stand here, not `hot'"),
    (
        "a: if ups.load > 5 then notify \"hot",
        (32, 1),
        "this quote is not closed; it must end in the same line",
    ),
    ("a: if ups.load > 5 && ups.load < 6 then low", (20, 1), "write `and'"),
    (
        "a: if ups.load > 5 then log \"x\" else low",
        (38, 3),
        "`low' ends by itself; it stands after `then' only",
    ),
    ("a: if ups.load > 5 then start timer x", (37, 1), "a time, like `10m', must follow this"),
    (
        "a: on tmier x then low",
        (7, 5),
        "`timer' must stand here, not `tmier' (did you mean `timer'?)",
    ),
    (
        "left: if ups.load > 5 then low",
        (1, 4),
        "a UPS is called so; a rule needs a name of its own",
    ),
    (
        "a+b: if ups.load > 5 then low",
        (1, 3),
        "a name is 1 to 63 of the characters A-Z a-z 0-9 . _ -",
    ),
    ("ä: if ups.load > 5 then low", (1, 1), "`ä' does not belong in a rule"),
];

#[test]
fn each_mistake_is_shown_where_it_is() {
    for (text, (column, width), message) in MISTAKES {
        assert_eq!(wrong(text), (*column, *width, (*message).to_owned()), "{text}");
    }
    // Columns count characters, also behind what has several bytes.
    assert_eq!(wrong("a: if ups.model = \"ää\" than low").0, 24);
}

mod any_text {
    use super::super::Compiler;
    use crate::rules::{Engine, LONGEST_LINE, Truth};
    use proptest::prelude::*;

    /// Of pieces of the language, so that much of it is nearly right.
    fn nearly() -> impl Strategy<Value = String> {
        static WORDS: &[&str] = &[
            "if",
            "on",
            "timer",
            "then",
            "else",
            "and",
            "or",
            "not",
            "for",
            "has",
            "known",
            "(",
            ")",
            ",",
            ":",
            "<",
            "=",
            "!=",
            "\"x\"",
            "\"",
            "#",
            "20",
            "5m",
            "-1.5%",
            "ups.load",
            "left.ups.status",
            "right.",
            "a",
            "shutdown",
            "low",
            "notify",
            "log",
            "start",
            "clear",
            "é",
            "\t",
        ];
        let word = prop::sample::select(WORDS);
        prop::collection::vec(word, 0..30).prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_taken_or_refused_in_its_place(
            text in prop_oneof![nearly(), nearly().prop_map(|text| format!("a: if {text}")), "\\PC{0,60}"],
        ) {
            let length = text.chars().count();
            let mut compiler = Compiler::new(&["left".to_owned(), "right".to_owned()]);
            let said = compiler.line(&text, 7, 5, false);
            for one in &said {
                prop_assert!(one.line == 7 && one.column >= 5 && one.column - 5 + one.width <= length);
            }
            let (program, _) = compiler.finish();
            prop_assert_eq!(program.rules().is_empty(), said.iter().any(|one| !one.warning));
            let mut engine = Engine::new(&program);
            engine.turn(core::time::Duration::ZERO, &mut |_| {});
            prop_assert!(program.is_empty() || engine.truth(0) <= Truth::True);
        }
    }

    #[test]
    fn what_is_large_is_bounded() {
        let mut compiler = Compiler::new(&["left".to_owned()]);
        let deep = |depth: usize| {
            format!(
                "r{depth}: if {}known ups.load{} then low",
                "(".repeat(depth),
                ")".repeat(depth)
            )
        };
        assert_eq!(compiler.line(&deep(32), 1, 1, false), []);
        let said = compiler.line(&deep(33), 2, 1, false);
        assert_eq!(
            (said[0].column, &*said[0].message),
            (41, "more than 32 parentheses in each other")
        );
        // As deep as it may be on all levels at once.
        let mut text = "known ups.load".to_owned();
        for _ in 0..31 {
            text = format!("known ups.load or known ups.load and not ({text})");
        }
        assert_eq!(compiler.line(&format!("deep: if {text} then low"), 3, 1, false), []);
        let long =
            format!("long: if {}known ups.load then low", "known ups.load or ".repeat(3_000));
        assert_eq!(compiler.line(&long, 4, 1, false), []);
        let long = format!("longer: if {}known ups.load then low", "not ".repeat(LONGEST_LINE / 4));
        assert_eq!(compiler.line(&long, 5, 1, false).len(), 1);
        let (program, _) = compiler.finish();
        let bytes = postcard::to_allocvec(&program).expect("bytes");
        assert_eq!(postcard::from_bytes::<super::Program>(&bytes), Ok(program));
    }
}
