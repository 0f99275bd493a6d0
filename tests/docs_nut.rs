//! What docs/nut.md says of NUT's flags, errors and limits, compared with the code.
//!
//! `UPDATE_DOCS=1 cargo test --test docs_nut` writes the generated parts anew; read the difference before it is
//! committed.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use upsentry::nut::{ask, driver, flags, server, tokens, ups_conf, values, words};

const FILE: &str = "docs/nut.md";

fn flag_table() -> String {
    let mut text =
        "| flag | says | upsentry | upsmon | why not the same |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in &flags::TABLE {
        let flags::Row { word, says, here, upsmon, why, .. } = row;
        let _ = writeln!(text, "| {word} | {says} | {here} | {upsmon} | {why} |");
    }
    text
}

fn token_table() -> String {
    let mut text = "| `ERR` | says | upsentry |\n|---|---|---|\n".to_owned();
    for tokens::Token { name, means, does } in tokens::TOKENS {
        let _ = writeln!(text, "| `{name}` | {means} | {} |", does.text());
    }
    let tokens::Token { means, does, .. } = tokens::OTHER;
    let _ = writeln!(text, "| any other | {means} | {} |", does.text());
    text
}

fn limits() -> String {
    let rows = [
        ("a driver's line", format!("{} bytes; more is another line", driver::LONGEST_LINE)),
        (
            "a line of upsd",
            format!("{} words, {} bytes of them; more is dropped", words::MOST, ask::ROOM),
        ),
        ("a word", format!("{} bytes; more is dropped", words::LONGEST)),
        ("a request to upsd", format!("{} bytes; more is not sent", ask::LONGEST)),
        ("requests under way", "1".to_owned()),
        ("an answer, a TLS handshake", format!("{} s; then it hangs up", server::REPLY.as_secs())),
        (
            "variables",
            format!(
                "{}, and {} that rules name; others are dropped",
                values::ALWAYS.len(),
                values::MOST_WANTED
            ),
        ),
        ("a value", format!("{} bytes, printable; more is dropped", values::LONGEST)),
        ("ups.conf", format!("{} KiB; more is not read", ups_conf::LARGEST / 1024)),
        (
            "its sections, keys in each",
            format!("{}, {}", ups_conf::MOST_SECTIONS, ups_conf::MOST_KEYS),
        ),
        ("a socket's path", format!("{} bytes", ups_conf::LONGEST_PATH)),
    ];
    let rows = rows.map(|(what, limit)| format!("| {what} | {limit} |\n"));
    format!("| what | at most |\n|---|---|\n{}", rows.concat())
}

#[test]
fn the_generated_parts_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let mut text = fs::read_to_string(&path).expect("the page");
    let mut stale = String::new();
    for (name, table) in [("flags", flag_table()), ("tokens", token_table()), ("limits", limits())]
    {
        let mark = format!("<!-- generated: {name} -->\n");
        let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("{FILE}: no {mark}"));
        let (there, after) = rest.split_once("<!-- end -->").expect("it ends");
        if there != table {
            let _ = writeln!(stale, "{FILE}, {name}, should be\n{table}");
            text = format!("{before}{mark}{table}<!-- end -->{after}");
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, text).expect("the file can be written");
    } else {
        assert!(stale.is_empty(), "UPDATE_DOCS=1 cargo test --test docs_nut writes it\n{stale}");
    }
}

/// The page names each flag that has a meaning of its own, as the configuration does.
#[test]
fn meanings_are_all_named() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let text = fs::read_to_string(path).expect("the page");
    for meaning in flags::Meaning::ALL {
        assert!(text.contains(&format!("`{}`", meaning.name())), "{meaning:?}");
    }
}
