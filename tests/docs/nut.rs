//! What docs/nut.md says of NUT's flags, errors and limits, compared with the code.
#![allow(clippy::indexing_slicing)]

use std::fmt::Write as _;

use upsentry::nut::{ask, driver, flags, server, tokens, ups_conf, values, words};

use crate::read;

pub(crate) const FILE: &str = "docs/nut.md";

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

/// The parts of the page, and what is in them.
pub(crate) fn parts() -> [(&'static str, String); 3] {
    [("flags", flag_table()), ("tokens", token_table()), ("limits", limits())]
}

/// The page names each flag that has a meaning of its own, as the configuration does.
#[test]
fn meanings_are_all_named() {
    let text = read(FILE);
    for meaning in flags::Meaning::ALL {
        assert!(text.contains(&format!("`{}`", meaning.name())), "{meaning:?}");
    }
}
