//! What the pages refer to is there: files, tests, make's targets.

use std::collections::BTreeSet;

use upsentry::config::cables;

use crate::{markdown, read, root, set};

#[test]
fn relative_links_lead_somewhere() {
    let mut count = 0;
    for file in markdown() {
        let text = read(&file);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            let path = target.split('#').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") || path.is_empty() {
                continue;
            }
            let from = root(&file);
            let there = from.parent().expect("a directory").join(path).exists();
            assert!(there, "{file}: there is no {target}");
            count += 1;
        }
    }
    assert!(count >= 1);
}

/// The evidence that docs/initctl.md names, `FILE::TEST` of the tests under sysvinit, is there; and each test
/// of the FIFO's life is in its table.
#[test]
fn the_tests_that_are_named_as_evidence_exist() {
    let tests = |file: &str| -> BTreeSet<String> {
        let source = read(&format!("tests/sysvinit/{file}.rs"));
        let after = source.split("#[test]").skip(1);
        let names = after.filter_map(|text| text.split_once("fn ")?.1.split_once("()"));
        names.map(|(name, _)| name.to_owned()).collect()
    };
    let page = read("docs/initctl.md");
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let named = rows.flat_map(|row| row.split('`')).filter_map(|code| code.split_once("::"));
    let mut of_fifo = BTreeSet::new();
    for (file, test) in named {
        assert!(tests(file).contains(test), "{file}::{test}");
        if file == "fifo" {
            of_fifo.insert(test.to_owned());
        }
    }
    assert_eq!(of_fifo, tests("fifo"));
}

#[test]
fn every_make_in_the_documentation_is_a_target() {
    let makefile = read("Makefile");
    let targets = makefile.lines().filter_map(|line| line.split_once(':'));
    let targets =
        set(targets.map(|(name, _)| name).filter(|name| !name.contains([' ', '\t', '='])));
    assert!(targets.contains("test"), "{targets:?}");
    let name_like = |c: char| c.is_ascii_lowercase() || c == '-';
    for file in markdown() {
        let mut code = false;
        for line in read(&file).lines() {
            code ^= line.starts_with("```");
            let begins = code || line.starts_with("    ");
            let quoted = line.split("`make ").skip(1);
            let lines = line.trim_start().strip_prefix("make ").filter(|_| begins);
            for rest in quoted.chain(lines) {
                let words = rest.split('`').next().unwrap_or_default().split(' ');
                // One target at a time, as the README has it; what follows is a comment or a variable.
                for word in words.take(1) {
                    let is_target = !word.is_empty() && word.chars().all(name_like);
                    assert!(!is_target || targets.contains(word), "{file}: make {word}");
                }
            }
        }
    }
}

#[test]
fn the_changelog_s_newest_version_is_this_one() {
    let text = read("CHANGELOG.md");
    let newest = text.lines().find_map(|line| line.strip_prefix("## [")?.split(']').next());
    assert_eq!(newest, Some(env!("CARGO_PKG_VERSION")));
    let cables = format!("{} known cables", cables::CABLES.len());
    assert!(text.contains(&cables), "there are {cables}");
}
