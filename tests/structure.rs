//! What the layout of the code promises to a reader, held by tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "structure/count.rs"]
#[allow(unreachable_pub)]
mod count;

use count::{KILL, PRIVILEGED, Source, UNPRIVILEGED, lines_of, sources, unsafe_blocks};
use std::fs;
use std::path::Path;

/// Who may name whom; `main.rs` and `lib.rs` stand above all.
const ARROWS: [(&str, &[&str]); 12] = [
    ("config", &["config", "fleet", "nut", "rules"]),
    ("fleet", &["fleet", "ipc"]),
    ("history", &["history", "ipc"]),
    ("import", &["import", "config", "nut"]),
    ("ipc", &["ipc"]),
    ("nut", &["nut", "ipc"]),
    ("rules", &["rules", "ipc"]),
    ("status", &["status", "ipc", "config", "sys"]),
    ("sysvinit", &["sysvinit"]),
    ("sys", &["sys"]),
    ("monitor", &["monitor", "ipc", "config", "fleet", "nut", "rules", "sys", "status"]),
    (
        "notifier",
        &["notifier", "ipc", "sysvinit", "config", "fleet", "history", "import", "rules", "sys"],
    ),
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ours() -> Vec<Source> {
    let found = sources(top(), "src");
    assert!(found.len() > 40, "only {} files in src", found.len());
    found
}

/// Every line of code that breaks a rule, as `FILE:LINE: it`.
fn breaches(sources: &[Source], mut wrong: impl FnMut(&Source, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.code() {
            if wrong(source, line) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    found
}

#[test]
fn arrows_point_down() {
    let modules: Vec<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
    let found = breaches(&ours(), |source, line| {
        let Some(module) = source.path.split('/').nth(1).filter(|name| !name.ends_with(".rs"))
        else {
            return false;
        };
        let (_, may) = ARROWS.iter().find(|(name, _)| *name == module).expect("a known module");
        let named = line.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            rest.get(..end.unwrap_or(rest.len())).unwrap_or("")
        });
        // `use crate::{…}` would hide what is named; `super::super` reaches over the module's edge.
        named.into_iter().any(|name| !may.contains(&name) || !modules.contains(&name))
            || line.contains("super::super::super")
            || line.contains("upsentry::")
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn unsafe_stands_in_one_file() {
    let mut all = ours();
    assert!(unsafe_blocks(&all) > 0, "nothing was counted");
    all.retain(|source| source.path != "src/sys/raw.rs");
    let found = breaches(&all, |_, line| line.contains("unsafe"));
    assert_eq!(found, [""; 0]);
}

/// What this stands before cannot be left out: a panic in the parent is an outage that nobody tells.
#[test]
fn nothing_unwraps() {
    let found = breaches(&ours(), |_, line| {
        let panics = [".unwrap()", ".expect(", ".unwrap_err()", ".expect_err("];
        // In a constant it is the compiler that panics.
        panics.iter().any(|call| line.contains(call)) && !line.trim_start().starts_with("const ")
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn no_file_is_too_long_to_read_at_once() {
    let mut all = ours();
    all.extend(sources(top(), "tests/sim/src"));
    let long = all.iter().filter(|source| source.text.lines().count() > 500);
    let long: Vec<&str> = long.map(|source| source.path.as_str()).collect();
    assert_eq!(long, [""; 0]);
}

#[test]
fn little_code_runs_with_privilege() {
    let all = ours();
    let most = |paths: &[&str], most| {
        let lines = lines_of(&all, paths);
        assert!(lines < most, "{lines} lines of code in {paths:?}");
    };
    most(&PRIVILEGED, 1_500);
    let [lines, command, wait] = KILL;
    most(&[lines], 170);
    // Beside driving lines it runs a program, and kills that.
    most(&[lines, command], 200);
    // And knows what to do where the configuration does not.
    most(&[wait], 150);
    most(&["src/notifier/hand.rs"], 100);
    // Each file of the notifier is counted, or is known not to need it.
    let unknown = all.iter().map(|source| source.path.as_str()).filter(|path| {
        path.starts_with("src/notifier/")
            && !KILL.contains(path)
            && !PRIVILEGED.contains(path)
            && !UNPRIVILEGED.contains(path)
    });
    assert_eq!(unknown.collect::<Vec<_>>(), [""; 0], "say in tests/structure/count.rs what it is");
}

#[test]
fn every_crate_has_its_reason_above_it() {
    for path in [
        "Cargo.toml",
        "tests/sim/Cargo.toml",
        "tests/bench/Cargo.toml",
        "tests/demo/Cargo.toml",
        "tests/evil/Cargo.toml",
    ] {
        let Ok(text) = fs::read_to_string(top().join(path)) else {
            panic!("no {path}");
        };
        let mut section = "";
        let mut above = "";
        let mut crates = 0;
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") && line.contains(" = ") {
                crates += 1;
                assert!(above.starts_with('#'), "{path}: no reason above `{line}`");
            }
            above = line;
        }
        assert!(crates > 0, "{path}: no crate was seen");
    }
}

/// `8upsentry8notifier6parent` and `upsentry..notifier..parent` are src/notifier/parent.rs, and may be followed by a
/// function. What has another name by now would lie anywhere again, and nothing but the memory would tell.
#[test]
fn what_is_laid_together_is_there() {
    let script = fs::read_to_string(top().join("rest.ld")).expect("rest.ld");
    let files: Vec<Source> = ours();
    let mut seen = 0;
    for pattern in
        script.split([' ', '(', ')', '\t', '\n']).filter(|word| word.starts_with(".text"))
    {
        let Some((_, path)) = pattern.split_once("upsentry") else { continue };
        let parts = path.split(|end: char| !end.is_ascii_lowercase() && end != '_');
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        let (last, above) = parts.split_last().expect("a module");
        let (whole, above) =
            (format!("src/{}", parts.join("/")), format!("src/{}", above.join("/")));
        let within = |file: &Source, module: &str| {
            file.path
                .strip_prefix(module)
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        let found = files.iter().any(|file| {
            within(file, &whole)
                || within(file, &above) && file.text.contains(&format!("fn {last}("))
        });
        assert!(found, "rest.ld: {pattern}");
        seen += 1;
    }
    assert!(seen > 20, "only {seen} of ours in rest.ld");
}
