use std::collections::BTreeSet;

use super::*;
use crate::status::sample::{calm, outage};

const DOCUMENT: &str = include_str!("../../docs/status.md");

/// A reader of JSON that is no part of what it reads: the paths of all values, `ups[].name`.
struct Reader<'a> {
    rest: &'a str,
    paths: BTreeSet<String>,
}

impl Reader<'_> {
    fn eat(&mut self, begin: &str) -> bool {
        let rest = self.rest.strip_prefix(begin);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn must(&mut self, begin: &str) {
        assert!(self.eat(begin), "no `{begin}` at `{}`", self.rest);
    }

    fn string(&mut self) -> String {
        self.must("\"");
        let mut text = String::new();
        loop {
            let mut letters = self.rest.chars();
            let letter = letters.next().expect("an end");
            self.rest = letters.as_str();
            match letter {
                '"' => return text,
                '\\' => {
                    let escaped = letters.next().expect("a letter");
                    assert!(matches!(escaped, '"' | '\\'), "\\{escaped}");
                    self.rest = letters.as_str();
                    text.push(escaped);
                }
                letter => {
                    assert!(letter >= ' ', "a control character");
                    text.push(letter);
                }
            }
        }
    }

    fn value(&mut self, path: &str) {
        self.paths.insert(path.to_owned());
        if self.rest.starts_with('"') {
            self.string();
        } else if self.eat("{") {
            let mut names = BTreeSet::new();
            while !self.eat("}") {
                if !names.is_empty() {
                    self.must(",");
                }
                let name = self.string();
                self.must(":");
                let dot = if path.is_empty() { "" } else { "." };
                self.value(&format!("{path}{dot}{name}"));
                assert!(names.insert(name), "twice in {path}");
            }
        } else if self.eat("[") {
            let mut first = true;
            while !self.eat("]") {
                if !first {
                    self.must(",");
                }
                first = false;
                self.value(&format!("{path}[]"));
            }
        } else if !["null", "true", "false"].into_iter().any(|word| self.eat(word)) {
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).expect("something after it");
            assert!(end > 0, "no value at `{}`", self.rest);
            self.rest = &self.rest[end..];
        }
    }
}

fn paths(text: &str) -> BTreeSet<String> {
    let mut reader = Reader { rest: text, paths: BTreeSet::new() };
    reader.value("");
    assert_eq!(reader.rest, "");
    reader.paths
}

/// Of the paths those of values, not of what holds them, and of the variables no name.
fn fields(text: &str) -> BTreeSet<String> {
    let holders = ["", "daemon", "ups", "ups[]", "slaves", "slaves[]", "rules", "rules[]"];
    let mut found = paths(text);
    found.retain(|path| !holders.contains(&path.as_str()) && !path.contains("variables."));
    found
}

#[test]
fn the_document_has_every_field() {
    let (_, document) = DOCUMENT.split_once("## `--json`").expect("the section");
    let (document, _) = document.split_once("## ").expect("it ends");
    let rows = document.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
        Some(name.to_owned())
    });
    assert_eq!(fields(&write(&outage())), rows.collect());
}

/// What there is nothing of is null, or an empty list: the fields are the same.
#[test]
fn a_machine_alone_has_the_same_fields() {
    let (alone, all) = (fields(&write(&calm())), fields(&write(&outage())));
    assert!(alone.is_subset(&all));
    let missing: Vec<&String> = all.difference(&alone).collect();
    let below = ["slaves[].", "rules[].", "refused.", "ups[].last_outage."];
    let held = |path: &&&String| below.iter().any(|holder| path.starts_with(holder));
    assert_eq!(missing.iter().filter(held).count(), missing.len(), "{missing:?}");
}

#[test]
fn values() {
    let text = write(&outage());
    for part in [
        "\"format\":1,\"host\":\"mina.example\"",
        "\"state\":\"battery\",\"blind\":false,\"told\":\"FAIL\",\"told_ago_ms\":252000",
        "\"monitors_replaced\":2,\"replaced_ago_ms\":259200000",
        "\"lines\":{\"cts\":0,\"dsr\":0,\"dcd\":1,\"rng\":0,\"dtr\":0,\"rts\":1}",
        "\"last_outage\":{\"lasted_ms\":11000,\"ended_ago_ms\":1900800000}",
        "\"variables\":{\"ups.status\":\"OL\",\"battery.charge\":\"97.5\"}",
        "{\"name\":\"nod5\",\"address\":null,\"heard_ago_ms\":null,\"acknowledged\":false,\"silent\":true",
        "\"version\":2,\"key\":0,\"forged\":5,\"stale\":1",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn quotes_in_what_a_master_says_end_no_string() {
    let mut snapshot = outage();
    snapshot.ups[0].1 = vec![("a".to_owned(), "x\",\"y\":\"\\".to_owned())];
    assert!(paths(&write(&snapshot)).contains("ups[].variables.a"));
}
