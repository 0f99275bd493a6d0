use std::collections::BTreeSet;

use super::*;
use crate::status::sample::{calm, outage};

const DOCUMENT: &str = include_str!("../../docs/status.md");

/// Every sample belongs to a metric that was announced just before, and is a number.
fn metrics(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut name = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            name = help.split(' ').next().expect("a name").to_owned();
            let kind = lines.next().expect("a type");
            let kind = kind.strip_prefix(&format!("# TYPE {name} ")).expect("of the same");
            assert!(found.insert((name.clone(), kind.to_owned())), "{name} twice");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a sample");
        let (metric, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        assert_eq!(metric, name);
        assert!(labels.ends_with('}') && value.parse::<f64>().is_ok(), "{line}");
    }
    found
}

#[test]
fn the_document_has_every_metric() {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `upsentry_")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`');
        Some((format!("upsentry_{name}"), cells.next()?.to_owned()))
    });
    assert_eq!(metrics(&write(&outage())), rows.collect());
}

#[test]
fn samples() {
    let text = write(&outage());
    for line in [
        "upsentry_state{state=\"battery\"} 1",
        "upsentry_state{state=\"mains\"} 0",
        "upsentry_told{word=\"FAIL\"} 1",
        "upsentry_told_age_seconds 252.000",
        "upsentry_ups_line{ups=\"ups\",line=\"DCD\"} 1",
        "upsentry_ups_shutdown_left_seconds{ups=\"ups\"} 348.000",
        "upsentry_ups_heard_age_seconds{ups=\"rack\"} 0.240",
        "upsentry_ups_variable{ups=\"rack\",name=\"battery.charge\"} 97.5",
        "upsentry_slave_silent{slave=\"nod3\",address=\"192.0.2.3:4386\"} 1",
        "upsentry_slave_silent{slave=\"nod5\",address=\"\"} 1",
        "upsentry_refused_total{reason=\"forged\"} 5",
    ] {
        assert!(text.lines().any(|one| one == line), "no `{line}` in\n{text}");
    }
    let calm = metrics(&write(&calm()));
    assert!(calm.iter().all(|(name, _)| !name.contains("slave") && !name.contains("refused")));
    assert_eq!(metrics(DOWN).len(), 1);
}

#[test]
fn what_a_master_says_cannot_break_out_of_a_label() {
    let mut snapshot = outage();
    snapshot.ups[1].1 = vec![("x".to_owned(), "1".to_owned())];
    snapshot.ups[1].0.name = "a\"} 1\\".into();
    let text = write(&snapshot);
    assert!(text.contains("upsentry_ups_contact{ups=\"a\\\"} 1\\\\\"} 1\n"), "{text}");
}
