//! The manual pages, as far as these tests must understand mdoc(7).

use std::fs;
use std::process::Command;

use crate::common::skip;
use crate::{read, root};

/// The lines of one section; all of them with "".
pub(crate) fn section(page: &str, name: &str) -> Vec<String> {
    let text = read(page);
    let mut current = "";
    let mut lines = Vec::new();
    for line in text.lines() {
        current = line.strip_prefix(".Sh ").unwrap_or(current);
        if name.is_empty() || current == name {
            lines.push(line.to_owned());
        }
    }
    assert!(!lines.is_empty(), "{page} has no section {name}");
    lines
}

/// What a reader sees of a line of text.
pub(crate) fn seen(line: &str) -> String {
    line.replace("\\&", "").replace("\\(dq", "\"").replace("\\-", "-").replace("\\e", "\\")
}

/// The literal displays, without their marks.
pub(crate) fn displays(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut display = None::<String>;
    for line in section(page, "") {
        if line.starts_with(".Bd -literal") {
            display = Some(String::new());
        } else if line == ".Ed" {
            found.extend(display.take());
        } else if let Some(text) = &mut display {
            text.push_str(&seen(&line));
            text.push('\n');
        }
    }
    found
}

/// The words of an mdoc line without its macros: `.Cm 20ms .` is `20ms`.
pub(crate) fn word(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    let known = matches!(words.next()?, ".Cm" | ".Pa");
    words.next().filter(|_| known)
}

/// Each page below packaging/man.
fn pages() -> Vec<String> {
    let files = fs::read_dir(root("packaging/man")).expect("the pages");
    let names = files.map(|file| file.expect("an entry").file_name());
    names.map(|name| format!("packaging/man/{}", name.to_str().expect("text"))).collect()
}

#[test]
fn the_manual_is_clean_mdoc() {
    let pages = pages();
    assert!(pages.len() >= 3, "{pages:?}");
    for page in pages {
        let lint = Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(root(&page)).output();
        let Ok(done) = lint else { return skip("needs mandoc") };
        let said = [done.stdout, done.stderr].concat();
        assert!(said.is_empty(), "{page}:\n{}", String::from_utf8_lossy(&said));
    }
}

/// A page that another one, or this one's header, names is there: `.Xr upsentry.conf 5`.
#[test]
fn pages_of_ours_that_are_named_exist() {
    for page in pages() {
        let lines = section(&page, "");
        let named = lines.iter().filter_map(|line| line.strip_prefix(".Xr upsentry"));
        for rest in named {
            let mut words = rest.split(' ');
            let (name, number) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let file = format!("packaging/man/upsentry{name}.{number}");
            assert!(root(&file).exists(), "{page}: no {file}");
        }
    }
}
