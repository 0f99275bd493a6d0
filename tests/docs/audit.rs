//! Tables of docs/audit.md that are counted: privileged lines, `unsafe`, dependencies.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use crate::count::{KILL, PRIVILEGED, Source, lines_of, sources, unsafe_blocks};
use crate::{read, root};

/// The tables, and what is in them.
pub(crate) fn parts() -> [(&'static str, String); 4] {
    let all = sources(&root(""), "src");
    [
        ("privileged", privileged(&all)),
        ("unsafe", blocks(&all)),
        ("dependencies", dependencies()),
        ("beneath", beneath()),
    ]
}

/// The first sentence of a source's own comment.
fn purpose(source: &Source) -> String {
    let lines = source.text.lines().map_while(|line| line.strip_prefix("//!"));
    let text = lines.map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>();
    let text = text.join(" ");
    let end = text.find(". ").map_or(text.trim_end_matches('.'), |end| &text[..end]);
    assert!(!end.is_empty(), "{}: say in its first line what it is", source.path);
    end.to_owned()
}

/// Of the program, and of no module of the library.
pub(crate) fn is_top(source: &Source) -> bool {
    source.path.matches('/').count() == 1 && source.path != "src/lib.rs"
}

fn privileged(all: &[Source]) -> String {
    let mut text = "| file | lines | what |\n|---|---|---|\n".to_owned();
    let mut row = |path: &str| {
        let source = all.iter().find(|source| source.path == path).expect("it is in the list");
        let _ = writeln!(text, "| {path} | {} | {} |", source.lines(), purpose(source));
    };
    PRIVILEGED.iter().chain(&KILL).for_each(|path| row(path));
    let below: Vec<&str> = all.iter().map(|source| source.path.as_str()).collect();
    let below: Vec<&str> = below.into_iter().filter(|path| path.starts_with("src/sys/")).collect();
    let _ = writeln!(
        text,
        "\nThe daemon's: {} lines, of which the hand, all that is left of root after the start and only where it is needed, \
         has {}. In `upsentry kill`: {} more. Beneath both, wrappers of system calls in src/sys: {}; the command line and \
         what else is right below src, such as waiting for a configuration: {}. A line is one that is neither blank nor comment.",
        lines_of(all, &PRIVILEGED),
        lines_of(all, &["src/notifier/hand.rs"]),
        lines_of(all, &KILL),
        lines_of(all, &below),
        all.iter().filter(|source| is_top(source)).map(Source::lines).sum::<usize>(),
    );
    text
}

/// Each block with the comment above it that says why it is sound.
fn blocks(all: &[Source]) -> String {
    let mut text = "| in | sound, because |\n|---|---|\n".to_owned();
    let mut count = 0;
    for source in all {
        let (mut function, mut why, mut going) = (String::new(), String::new(), false);
        for (line, (_, code)) in source.text.lines().map(str::trim).zip(source.code()) {
            // One within another is a part of it.
            let outer = code.starts_with("pub ") || code.starts_with("fn ");
            if let Some((_, rest)) = code.split_once("fn ").filter(|_| outer) {
                function = rest.split(['(', '<']).next().unwrap_or_default().to_owned();
            }
            if let Some(words) = line.strip_prefix("// SAFETY: ") {
                (why, going) = (words.to_owned(), true);
            } else if let Some(words) = line.strip_prefix("// ").filter(|_| going) {
                why = format!("{why} {words}");
            } else {
                going = false;
            }
            for _ in 0..code.matches("unsafe {").count() {
                assert!(!why.is_empty(), "{}, {function}: no reason", source.path);
                let _ = writeln!(text, "| {function} | {} |", why.trim_end_matches('.'));
                count += 1;
            }
        }
    }
    assert_eq!(count, unsafe_blocks(all));
    let _ = writeln!(text, "\n{count} blocks.");
    text
}

/// Who runs a crate's code. One that is not here stops the test: say it.
const WHERE: &[(&str, &str)] = &[
    ("nix", "root and all others"),
    ("caps", "each process, as it gives up its rights"),
    ("seccompiler", "each process, as it gives up its rights"),
    ("landlock", "each process, as it gives up its rights"),
    ("serialport", "root: opens the ports; `kill`"),
    ("log", "root and all others"),
    ("serde", "the reader without rights writes, root decodes; the jail"),
    ("postcard", "the reader without rights writes, root decodes; the jail"),
    ("humantime", "the parent after its drop; `history`, without rights"),
    ("chacha20poly1305", "the jail"),
    ("hkdf", "the jail"),
    ("hmac", "the jail"),
    ("sha2", "the jail"),
    ("argon2", "the reader without rights"),
    ("winnow", "the reader without rights"),
    ("lexopt", "root, or whoever calls: the command line"),
    ("rustls", "the jail, of `upsentry-tls` only"),
    ("rustls-webpki", "the jail, of `upsentry-tls` only"),
];

/// A crate with its version and licence, as cargo knows them.
type Crate = (String, String, String);

/// What cargo takes for a build, from Cargo.lock.
fn tree(edges: &str, more: &[&str]) -> BTreeSet<Crate> {
    let done = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p}|{l}|"])
        .args(["--package", "upsentry", "--target", "x86_64-unknown-linux-gnu", "--edges", edges])
        .args(more)
        .current_dir(root(""))
        .output()
        .expect("cargo runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).expect("text");
    let rows = text.lines().filter_map(|line| {
        let (package, rest) = line.split_once('|')?;
        let (name, rest_of_name) = package.split_once(" v")?;
        let version = rest_of_name.split(' ').next()?;
        let licence = rest.split('|').next()?;
        Some((name.to_owned(), version.to_owned(), licence.replace('/', " OR ")))
    });
    rows.filter(|(name, ..)| name != "upsentry").collect()
}

/// Name and reason of each dependency in Cargo.toml: the comment above it.
fn reasons() -> Vec<(String, String)> {
    let manifest = read("Cargo.toml");
    let (_, part) = manifest.split_once("\n[dependencies]\n").expect("dependencies");
    let (part, _) = part.split_once("\n[").expect("they end");
    let mut why = String::new();
    let mut found = Vec::new();
    for line in part.lines() {
        if let Some(words) = line.strip_prefix('#') {
            why = format!("{why} {}", words.trim());
        } else if let Some((name, _)) = line.split_once(" = ") {
            assert!(!why.is_empty(), "Cargo.toml: why {name}?");
            found.push((name.to_owned(), why.trim().trim_end_matches('.').to_owned()));
            why.clear();
        }
    }
    found
}

fn dependencies() -> String {
    let all = tree("normal", &["--depth", "1"]);
    let mut text =
        "| crate | version | licence | why | run by |\n|---|---|---|---|---|\n".to_owned();
    let reasons = reasons();
    for (name, why) in &reasons {
        let one = all.iter().find(|one| one.0 == *name);
        let (_, version, licence) = one.unwrap_or_else(|| panic!("cargo tree has no {name}"));
        let by = WHERE.iter().find(|(known, _)| known == name);
        let (_, by) = by.unwrap_or_else(|| panic!("say in WHERE who runs {name}"));
        let _ = writeln!(text, "| {name} | {version} | {licence} | {why} | {by} |");
    }
    let _ = writeln!(text, "\n{} crates.", reasons.len());
    text
}

/// What the dependencies depend on, and what only makes the program.
fn beneath() -> String {
    let direct: BTreeSet<String> = reasons().into_iter().map(|(name, _)| name).collect();
    let within = tree("normal,no-proc-macro", &[]);
    let plain = tree("normal,no-proc-macro", &["--no-default-features"]);
    let all = tree("normal,build", &[]);
    let row = |(name, version, licence): &Crate, place| {
        format!("| {name} | {version} | {licence} | {place} |\n")
    };
    let brought = within.iter().filter(|one| !direct.contains(&one.0));
    let place = |one: &Crate| if plain.contains(one) { "both programs" } else { "`upsentry-tls`" };
    let brought: Vec<String> = brought.map(|one| row(one, place(one))).collect();
    let build: Vec<String> = all.difference(&within).map(|one| row(one, "the build")).collect();
    format!(
        "| crate | version | licence | part of |\n|---|---|---|---|\n{}{}\n{} more in the programs, {} that run at its build only.\n",
        brought.concat(),
        build.concat(),
        brought.len(),
        build.len(),
    )
}
