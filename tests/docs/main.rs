//! What the manual pages, `docs/`, the README, the completions and the examples say, compared with the program.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` writes the generated tables anew; read the difference before it
//! is committed.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../structure/count.rs"]
mod count;

mod audit;
mod calls;
mod completions;
mod examples;
mod fleet;
mod links;
mod manual;
mod mdoc;
mod nut;
mod tables;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Scratch, run, skip};

const UPSENTRY_8: &str = "packaging/man/upsentry.8";
const UPSENTRY_CONF_5: &str = "packaging/man/upsentry.conf.5";
const UPSENTRY_PROTOCOL_7: &str = "packaging/man/upsentry-protocol.7";
const AUDIT: &str = "docs/audit.md";
const PROTOCOL: &str = "docs/protocol.md";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// The commands and options that `--help` lists; an option's value and what follows a command are left out.
fn helped() -> BTreeSet<String> {
    let help = String::from_utf8(run(&["--help"]).stdout).expect("text");
    let mut helped = BTreeSet::new();
    for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
        let head = line.split("  ").next().unwrap_or_default();
        let words = head.split(", ").filter_map(|word| word.split(' ').next());
        let words = words.filter(|word| !word.is_empty() && *word != "(none)");
        helped.extend(words.map(str::to_owned));
    }
    helped
}

/// Our pages in Markdown, as far as they are there.
fn markdown() -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(root("docs"))
        .expect("docs")
        .filter_map(|entry| Some(format!("docs/{}", entry.ok()?.file_name().to_str()?)))
        .filter(|name| name.ends_with(".md"))
        .collect();
    files.extend(
        ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "tests/sim/README.md"]
            .map(str::to_owned),
    );
    files.extend(root("README.md").exists().then(|| "README.md".to_owned()));
    files
}

#[test]
fn the_generated_parts_are_current() {
    let state = tables::state_example();
    if state.is_none() {
        skip("the state file's example needs root");
    }
    let mut tables = vec![];
    for (list, source) in calls::LISTS {
        tables.push((AUDIT, *list, Some(calls::call_table(source, list))));
    }
    tables.extend([
        (PROTOCOL, "requests", Some(tables::requests())),
        (PROTOCOL, "told", Some(tables::told_table())),
        (PROTOCOL, "legal", Some(tables::legal_table())),
        (PROTOCOL, "state", state),
        ("README.md", "beside", Some(tables::beside())),
    ]);
    tables.extend(audit::parts().map(|(name, table)| (AUDIT, name, Some(table))));
    tables.extend(fleet::parts().map(|(name, table)| (PROTOCOL, name, Some(table))));
    tables.extend(nut::parts().map(|(name, table)| (nut::FILE, name, Some(table))));
    let mut stale = String::new();
    for (file, name, table) in tables {
        let Some(table) = table else { continue };
        let text = read(file);
        let mark = format!("<!-- generated: {name} -->\n");
        let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("{file}: no {mark}"));
        let (there, after) = rest.split_once("<!-- end -->").expect("it ends");
        if there == table {
            continue;
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let whole = format!("{before}{mark}{table}<!-- end -->{after}");
            fs::write(root(file), whole).expect("the file can be written");
        } else {
            let _ = writeln!(stale, "{file}, {name}, should be\n{table}");
        }
    }
    assert!(stale.is_empty(), "UPDATE_DOCS=1 cargo test --test docs writes them anew\n{stale}");
}
