//! What can be counted without running anything.

use crate::count::{KILL, PRIVILEGED, lines_of, sources, unsafe_blocks};
use crate::{Row, beside};
use std::path::Path;
use upsentry::{monitor, notifier};

/// Size, lines, `unsafe`, system calls.
pub fn rows() -> Vec<Row> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let all = sources(&top, "src");
    let size = std::fs::metadata(beside("upsentry")).map_or(0, |meta| meta.len());
    let lines = lines_of(&all, &PRIVILEGED);
    let below: Vec<&str> = all
        .iter()
        .map(|source| source.path.as_str())
        .filter(|path| path.starts_with("src/sys/"))
        .collect();
    let jail = monitor::filter::Fds {
        ttys: vec![3],
        poke: 4,
        events: 5,
        log: 6,
        news: 7,
        ..Default::default()
    };
    let in_jail = monitor::filter::monitor(&jail).calls().count();
    let warden = monitor::filter::warden(&jail, 7, 8).calls().count();
    let parent = notifier::filter::parent(&notifier::filter::Fds {
        read: vec![3],
        write: vec![4],
        stat: vec![4],
        pwrite: vec![5],
        truncate: vec![6],
        send: vec![7],
        shutdown: vec![8],
        ..Default::default()
    });
    vec![
        Row::new("release binary", format!("{} kB", size / 1024)),
        Row::new("code that runs with privilege (1)", format!("{lines} lines"))
            .goal("under 1500", lines < 1500),
        Row::new(
            "  what has it after the start: the hand",
            format!("{} lines", lines_of(&all, &["src/notifier/hand.rs"])),
        )
        .goal("under 150", lines_of(&all, &["src/notifier/hand.rs"]) < 150),
        Row::new("  more, in `-k`", format!("{} lines", lines_of(&all, &KILL))),
        Row::new(
            "  more, beneath: src/sys; the command line",
            format!("{}; {} lines", lines_of(&all, &below), lines_of(&all, &["src/main.rs"])),
        ),
        Row::new("unsafe blocks, all in src/sys/raw.rs", unsafe_blocks(&all).to_string()),
        Row::new(
            "system calls: monitor, warden, parent",
            format!("{in_jail}, {warden}, {}", parent.calls().count()),
        ),
    ]
}
