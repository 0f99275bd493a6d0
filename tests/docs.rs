//! What the manual pages, `docs/`, the README and the examples say, compared with the program.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` writes the generated tables anew; read the difference before it
//! is committed.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{DAEMON, skip};
use upsentry::config::{self, Config, Purpose, UserSpec, cables, time};
use upsentry::ipc::cause::Cause;
use upsentry::ipc::frame::Kind;
use upsentry::ipc::legal::{Power, Track};
use upsentry::ipc::parting::Slaves;
use upsentry::ipc::record::Entry;
use upsentry::ipc::told::{self, Situation, Told, Word};
use upsentry::notifier::state::StateFile;
use upsentry::sys::filter::Allow;
use upsentry::sysvinit::{inittab, request};
use upsentry::{monitor, notifier};

const UPSENTRY_8: &str = "packaging/man/upsentry.8";
const UPSENTRY_CONF_5: &str = "packaging/man/upsentry.conf.5";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// A directory of this test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path =
            std::env::temp_dir().join(format!("upsentry-docs-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for the test");
        Scratch(path)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("upsentry.conf");
        fs::write(&path, text).expect("the file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(DAEMON).args(arguments).output().expect("the daemon's program starts")
}

// The manual pages, as far as these tests must understand mdoc(7).

/// The lines of one section; all of them with "".
fn section(page: &str, name: &str) -> Vec<String> {
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
fn seen(line: &str) -> String {
    line.replace("\\&", "").replace("\\(dq", "\"").replace("\\-", "-").replace("\\e", "\\")
}

/// The literal displays, without their marks.
fn displays(page: &str) -> Vec<String> {
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
fn word(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    let known = matches!(words.next()?, ".Cm" | ".Pa");
    words.next().filter(|_| known)
}

/// One `.It Ic NAME` of upsentry.conf(5).
#[derive(Debug, Default)]
struct Item {
    later: bool,
    default: Option<String>,
    bounds: Option<(String, String)>,
}

fn items() -> BTreeMap<String, Item> {
    let mut items: BTreeMap<String, Item> = BTreeMap::new();
    let mut names: Vec<String> = Vec::new();
    let lines = section(UPSENTRY_CONF_5, "");
    let mut later = false;
    for (index, line) in lines.iter().enumerate() {
        if let Some(name) = line.strip_prefix(".Sh ") {
            later = name == "NOT YET";
            names.clear();
        }
        let next = |ahead: usize| word(lines.get(index + ahead)?).map(str::to_owned);
        if let Some(rest) = line.strip_prefix(".It Ic ") {
            let ends = |word: &&str| !matches!(*word, "Ar" | "Cm");
            let words = rest.split(' ').take_while(ends).filter(|word| *word != ",");
            names = words.map(str::to_owned).collect();
            for name in &names {
                let item = Item { later, ..Item::default() };
                assert!(items.insert(name.clone(), item).is_none(), "{name} is there twice");
            }
        }
        let Some(item) = names.first().and_then(|name| items.get_mut(name)) else { continue };
        match line.as_str() {
            "Default" => item.default = next(1),
            "Bounds" => item.bounds = next(1).zip(next(3)),
            _ => {}
        }
    }
    items
}

/// Name and kind of each directive, as src/config/directives.rs has them.
fn directives() -> BTreeMap<String, String> {
    let source = read("src/config/directives.rs");
    let rows = source.lines().filter_map(|line| {
        let line = line.trim();
        let row = line.strip_prefix("ups(\"").or_else(|| line.strip_prefix("machine(\""))?;
        let (name, rest) = row.split_once("\", Kind::")?;
        let kind = rest.split([',', '(']).next()?;
        Some((name.to_owned(), kind.to_owned()))
    });
    let found: BTreeMap<_, _> = rows.collect();
    assert!(found.len() >= 40, "only {} directives", found.len());
    found
}

fn parse(more: &str) -> Result<Config, Vec<config::Diagnostic>> {
    let text = format!("watch ttyS0\nmodel power99\n{more}");
    config::parse(Path::new("upsentry.conf"), &text, Purpose::Run)
}

#[test]
fn the_manual_has_every_directive_and_no_other() {
    let items = items();
    let table = directives();
    let documented: BTreeMap<_, _> = items.iter().map(|(name, item)| (name, item.later)).collect();
    let known: BTreeMap<_, _> = table.iter().map(|(name, kind)| (name, kind == "Later")).collect();
    // A difference in the second place: the page says that it works, or that it does not yet.
    assert_eq!(documented, known);
}

#[test]
fn the_manual_has_the_defaults_of_the_parser() {
    let config = parse("").expect("the smallest file is right");
    let ups = config.ups.first().expect("a UPS");
    let path = |path: &Path| path.display().to_string();
    let user = |spec: &UserSpec| match spec {
        UserSpec::Name(name) => name.clone(),
        UserSpec::Id(id) => id.to_string(),
    };
    let notify = parse("notify-command /bin/true\n").expect("it is right").notify.expect("it");
    let shutdown_after = ups.shutdown_after.map_or("none".to_owned(), time);
    let parsed = [
        ("debounce", time(ups.debounce)),
        ("settle", time(ups.settle)),
        ("fail-after", time(ups.fail_after)),
        ("ok-after", time(ups.ok_after)),
        ("low-after", time(ups.low_after)),
        ("cable-grace", time(ups.cable_grace)),
        ("shutdown-after", shutdown_after),
        ("deadtime", time(ups.deadtime)),
        ("blind-after", time(ups.blind_after)),
        ("power", ups.power.to_string()),
        ("need", config.need.to_string()),
        // Init's place is looked for at the start.
        ("initctl", config.initctl.as_deref().map_or("/run/initctl".to_owned(), path)),
        ("powerstatus", path(&config.powerstatus)),
        ("insist", time(config.insist)),
        ("sleep-time", format!("{}s", config.sleep_time)),
        ("user", user(&config.user)),
        ("notifier-user", user(&config.notifier_user)),
        ("notify-user", user(&notify.user)),
        ("chroot", path(&config.chroot)),
        ("state-file", path(&config.state_file)),
        ("pid-file", path(&config.pid_file)),
        ("history-file", path(&config.history_file)),
        ("kill-hold", time(config.kill_hold)),
        ("kill-wait", time(config.kill_wait)),
        ("status-socket", config.status_socket.map_or_else(String::new, |one| path(&one.path))),
        ("port", config.port.to_string()),
        ("poll", time(ups.nut.poll)),
        ("ca-file", ups.nut.ca_file.as_deref().map_or("none".to_owned(), path)),
        ("ups-conf", path(&config.ups_conf)),
        ("rules", config.rules_file.as_deref().map_or("none".to_owned(), path)),
        ("host-sync", time(config.host_sync)),
        ("slave-wait", time(config.slave_wait)),
        ("halt-time", time(config.halt_time)),
    ];
    let parsed: BTreeMap<_, _> =
        parsed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let items = items();
    let documented: BTreeMap<_, _> = items
        .into_iter()
        .filter_map(|(name, item)| item.default.map(|default| (name, default)))
        .collect();
    assert_eq!(documented, parsed);
    let valued = ["Time", "Number", "Path", "User", "StatusSocket"];
    let need_one = directives().into_iter().filter(|(_, kind)| valued.contains(&kind.as_str()));
    let need_one: BTreeSet<_> = need_one.map(|(name, _)| name).collect();
    assert_eq!(need_one, parsed.into_keys().collect(), "a directive without a default");
}

#[test]
fn the_manual_has_the_bounds_of_the_parser() {
    let items = items();
    for (name, kind) in directives() {
        let told = match kind.as_str() {
            "Time" => "` is from ",
            "Number" => "' is not a number from ",
            _ => continue,
        };
        let told = told.trim_start_matches('`');
        let value = if kind == "Time" { "9999999h" } else { "999999999" };
        let said = parse(&format!("{name} {value}\n")).expect_err("out of bounds");
        let bounds = said.iter().find_map(|one| one.message.split_once(told));
        let (_, bounds) = bounds.unwrap_or_else(|| panic!("{name}: no bounds in {said:?}"));
        let bounds = bounds.split(',').next().and_then(|bounds| bounds.split_once(" to "));
        let bounds = bounds.map(|(least, most)| (least.to_owned(), most.to_owned()));
        assert_eq!(items.get(&name).and_then(|item| item.bounds.clone()), bounds, "{name}");
    }
}

#[test]
fn the_manual_has_every_command_and_option_and_no_other() {
    let help = String::from_utf8(run(&["--help"]).stdout).expect("text");
    let mut helped = BTreeSet::new();
    for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
        let head = line.split("  ").next().unwrap_or_default();
        let words = head.split(", ").filter_map(|word| word.split(' ').next());
        helped
            .extend(words.filter(|word| !word.is_empty() && *word != "(none)").map(str::to_owned));
    }
    let mut documented = BTreeSet::new();
    for line in section(UPSENTRY_8, "DESCRIPTION") {
        let Some(rest) = line.strip_prefix(".It ") else { continue };
        let mut flag = false;
        for word in rest.split(' ').take_while(|word| *word != "Ar") {
            match word {
                "Fl" => flag = true,
                "Cm" => flag = false,
                "," => {}
                _ => drop(documented.insert(format!("{}{word}", if flag { "-" } else { "" }))),
            }
        }
    }
    assert_eq!(documented, helped);
    assert!(helped.is_superset(&set(["test", "-t", "--log", "-c"])), "{helped:?}");
}

/// The numbers that head a list.
fn statuses(name: &str) -> BTreeSet<String> {
    let lines = section(UPSENTRY_8, name);
    let numbers = lines.iter().filter_map(|line| line.strip_prefix(".It "));
    set(numbers.filter(|word| word.parse::<u8>().is_ok()))
}

#[test]
fn exit_statuses_are_as_documented() {
    assert_eq!(statuses("EXIT STATUS"), set(["0", "1", "2", "3", "4", "5"]));
    assert_eq!(statuses("CUTTING THE LOAD"), set(["0", "1", "2", "3", "4"]));
    let help = String::from_utf8(run(&["--help"]).stdout).expect("text");
    for words in ["exit 0 sent, 1 failed, 3 mains is on", "Exit: 2 usage or configuration; 1 a"] {
        assert!(help.contains(words), "--help does not say `{words}'");
    }
    let scratch = Scratch::new("exit");
    let status = |command: &str, text: &str| {
        let file = scratch.file(text);
        let path = file.to_str().expect("a plain path");
        run(&[command, "-c", path]).status.code()
    };
    let absent = "via initctl\nwatch /nonexistent/tty\nmodel power99\n";
    assert_eq!(status("check", absent), Some(0), "warnings");
    assert_eq!(status("check", "watch\n"), Some(2), "configuration");
    assert_eq!(run(&["--nonsense"]).status.code(), Some(2), "usage");
    assert_eq!(run(&["rules"]).status.code(), Some(2), "not yet");
    assert_eq!(run(&["models"]).status.code(), Some(0));
    assert_eq!(status("test", "watch /nonexistent/tty\n"), Some(1), "test without a device");
    assert_eq!(status("kill", absent), Some(1), "kill without a device, or without root");
    if nix::unistd::geteuid().is_root() {
        assert_eq!(status("kill", "watch ttyS0\nfail cts 0\n"), Some(3), "no kill line");
    }
}

/// Each configuration that a page or the README shows, and what to call it.
fn examples() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for page in [UPSENTRY_8, UPSENTRY_CONF_5] {
        let displays = displays(page).into_iter();
        let displays: Vec<_> =
            displays.filter(|text| text.starts_with("# upsentry.conf")).collect();
        assert!(displays.len() >= 2, "{page}: only {} examples", displays.len());
        found.extend(displays.into_iter().map(|text| (page.to_owned(), text)));
    }
    for file in markdown() {
        let text = read(&file);
        let mut rest = text.as_str();
        while let Some((_, begun)) = rest.split_once("```upsentry\n") {
            let (block, after) = begun.split_once("```").expect("the block ends");
            found.push((file.clone(), block.to_owned()));
            rest = after;
        }
    }
    found
}

#[test]
fn check_accepts_every_example() {
    let scratch = Scratch::new("examples");
    for (place, text) in examples() {
        let says = |name: &str| text.lines().any(|line| line.split(' ').next() == Some(name));
        // What init is here must not decide.
        let via = if says("via") || says("halt") { "" } else { "via initctl\n" };
        // Whatever NUT has here: the drivers that the example names.
        let drivers = text.lines().filter_map(|line| line.strip_prefix("watch driver:"));
        let drivers = drivers.filter_map(|rest| rest.split(' ').next());
        let drivers: String = drivers.map(|name| format!("[{name}]\ndriver = x\n")).collect();
        let ups_conf = scratch.0.join("ups.conf");
        fs::write(&ups_conf, drivers).expect("a file of ours");
        let ups_conf = format!("ups-conf {}\n", ups_conf.display());
        let file = scratch.file(&format!("{text}{via}{ups_conf}"));
        let done = run(&["check", "-c", file.to_str().expect("a plain path")]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{place}:\n{text}\n{said}");
    }
}

/// Nothing but comment, and right once the lines are uncommented that stand there for it: with each of the cables, and
/// with the lines in place of one.
#[test]
fn check_accepts_the_packaged_file_uncommented() {
    let text = read("packaging/upsentry.conf");
    assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
    let plain = text.lines().filter_map(|line| line.strip_prefix('#'));
    let plain = plain.filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    let (models, rest): (Vec<_>, Vec<_>) = plain.partition(|line| line.starts_with("model "));
    let wired = |line: &&str| {
        ["fail ", "low ", "init ", "kill ", "sense "].iter().any(|word| line.starts_with(word))
    };
    let (lines, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(wired);
    assert!(models.len() >= 4 && lines.len() == 5 && rest.len() >= 4, "{text}");
    let scratch = Scratch::new("packaged");
    let ways = models.iter().map(|model| vec![*model]).chain([lines]);
    for way in ways {
        let path = scratch.file(&[rest.as_slice(), &way].concat().join("\n"));
        let done = run(&["check", "-c", path.to_str().expect("a path")]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{way:?}: {said}");
    }
}

#[test]
fn the_manual_s_scripts_parse_and_its_inittab_is_in_order() {
    let displays = displays(UPSENTRY_8);
    let scripts: Vec<_> = displays.iter().filter(|text| text.starts_with("#!/bin/sh")).collect();
    assert_eq!(scripts.len(), 2, "one for init, one for the hook");
    let scratch = Scratch::new("scripts");
    for script in scripts {
        let file = scratch.file(script);
        let done = Command::new("sh").arg("-n").arg(file).output().expect("sh runs");
        assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
    }
    let tab = displays.iter().find(|text| text.starts_with("# /etc/inittab")).expect("an inittab");
    let actions = ["powerfail", "powerwait", "powerokwait", "powerfailnow"];
    let order: Vec<&str> = inittab::entries(tab, &actions).map(|entry| entry.action).collect();
    assert_eq!(order, ["powerfail", "powerokwait", "powerfailnow"]);
}

fn sources(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).expect("the sources") {
        let path = entry.expect("an entry").path();
        let tests = path.file_stem().is_some_and(|name| name.to_string_lossy().contains("tests"));
        match path.is_dir() {
            _ if tests => {}
            true => sources(&path, text),
            false => text.push_str(&fs::read_to_string(path).expect("a source is text")),
        }
    }
}

/// `.It` lines of `-diag` lists are what the program says; words in capitals stand for others.
#[test]
fn the_manual_s_diagnostics_are_words_of_the_program() {
    let mut source = String::new();
    sources(&root("src"), &mut source);
    // A string that goes on in the next line.
    let mut whole = String::new();
    for part in source.split("\\\n") {
        whole.push_str(part.trim_start());
    }
    let mut count = 0;
    for page in [UPSENTRY_8, UPSENTRY_CONF_5] {
        let lines = section(page, "DIAGNOSTICS");
        for line in lines.iter().filter_map(|line| line.strip_prefix(".It ")) {
            let mut rest = seen(line);
            for name in ["NUMBER", "FILE", "NAME", "REASON", "ACTION", "LINES", "MEANING", "CABLE"]
            {
                rest = rest.replace(name, "\n");
            }
            for words in rest.lines().map(|part| part.trim_matches(['`', '\'', '(', ')', ' '])) {
                assert!(whole.contains(words), "{page}: the program never says: {words}");
            }
            count += 1;
        }
    }
    assert!(count >= 30, "only {count} diagnostics");
}

#[test]
fn the_manual_is_clean_mdoc() {
    let there = |program: &str| Command::new(program).arg("-V").output().is_ok();
    let page = |page: &str| root(page).to_str().expect("a path").to_owned();
    for name in [UPSENTRY_8, UPSENTRY_CONF_5] {
        let mut command = if there("mandoc") {
            let mut command = Command::new("mandoc");
            command.args(["-Tlint", "-Wwarning", &page(name)]);
            command
        } else if Command::new("groff").arg("--version").output().is_ok() {
            let mut command = Command::new("groff");
            command.args(["-ww", "-mdoc", "-Tascii", "-z", &page(name)]);
            command
        } else {
            return skip("needs mandoc or groff");
        };
        let done = command.output().expect("it runs");
        let said = [done.stdout, done.stderr].concat();
        assert!(said.is_empty(), "{name}:\n{}", String::from_utf8_lossy(&said));
    }
}

/// Our pages in Markdown, as far as they are there.
fn markdown() -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(root("docs"))
        .expect("docs")
        .filter_map(|entry| Some(format!("docs/{}", entry.ok()?.file_name().to_str()?)))
        .filter(|name| name.ends_with(".md"))
        .collect();
    files.extend(["CHANGELOG.md", "tests/sim/README.md"].map(str::to_owned));
    files.extend(root("README.md").exists().then(|| "README.md".to_owned()));
    files
}

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

// Tables made from the code.

/// One allowed call, as its list's source has it.
#[derive(Debug)]
struct Allowed {
    call: String,
    on: String,
    with: String,
    why: String,
}

/// Reasons that no comment gives: of a call in one list, or in every list.
const WHY: &[(&str, &str)] = &[
    ("monitor read", "that a waiting thread poked; that the parent wrote on its page"),
    ("monitor write", "a poke; events and log lines for the parent"),
    ("warden read", "one byte from the parent; that the monitor died"),
    ("warden write", "that it is ready, that the monitor died"),
    ("warden close", "the monitor gives up what is the warden's"),
    ("warden kill", "ending the monitor"),
    ("warden mmap", "a thread's stack, the heap"),
    ("warden mprotect", "a thread's stack"),
    ("parent read", "frames, log lines, signals, answers"),
    (
        "parent write",
        "requests to init, one byte to warden or hand, the log, that the page changed",
    ),
    ("parent newfstatat", "the other of the two"),
    ("parent pwrite64", "what init is told, and was"),
    ("parent ftruncate", "stopping"),
    ("parent sendto", "the log"),
    ("parent shutdown", "the end of warden and hand"),
    ("hand read", "one byte of four"),
    ("hand openat", "the new powerstatus file"),
    ("hand renameat", "putting it in place in one step"),
    ("hand newfstatat", "whether init has taken it"),
    ("hand kill", "telling init"),
    ("reader read", "the configuration"),
    ("reader write", "the result, or what is wrong"),
    ("brk", "the heap"),
    ("mmap", "the heap"),
    ("munmap", "the heap"),
    ("mremap", "the heap"),
    ("ppoll", "sleeping until something is there or due"),
    ("clock_gettime", "only with a clock source that the vDSO cannot read (hpet)"),
    ("exit_group", "ending"),
    ("close", "giving up a descriptor"),
    ("fcntl", "debug builds ask whether a descriptor is open before they close it"),
    ("wait4", "how the monitor ended"),
    ("futex", "making a thread"),
    ("gettid", "making a thread"),
    ("rseq", "making a thread"),
    ("rt_sigaction", "making a thread"),
    ("rt_sigprocmask", "making a thread"),
    ("sched_getaffinity", "making a thread"),
    ("set_robust_list", "making a thread"),
    ("sigaltstack", "making a thread"),
    ("prlimit64", "the monitor may make no process"),
    ("seccomp", "the monitor's own, shorter list"),
];

/// Words for the expressions of the lists. An expression that is not here stops the test: give it words.
const WORDS: &[(&str, &str)] = &[
    ("fds.poke", "the eventfd that wakes the main loop"),
    ("fds.events", "the event pipe"),
    ("fds.log", "the log pipe"),
    ("listener", "the status socket"),
    ("fds.pool", "numbers that only its clients and its connections to drivers have"),
    ("taken", "`SOCK_CLOEXEC`, `SOCK_NONBLOCK`"),
    ("reading", "`SHUT_RD`"),
    ("fds.news", "the eventfd beside the parent's page"),
    (
        "fds.write",
        "init's FIFO, the warden's and the hand's socket, the kernel's log or stderr, the start's and the \
         history's pipe, the eventfd beside its page",
    ),
    ("fds.ttys", "the serial ports"),
    ("fds.udp", "the UDP sockets"),
    ("fds.tcp", "the TCP sockets"),
    ("shown", "NUT's directory"),
    ("local", "`AF_UNIX`"),
    ("stream", "`SOCK_STREAM`, `SOCK_NONBLOCK`, `SOCK_CLOEXEC`"),
    ("Arg::Is(2, 0)", "no protocol"),
    ("fds.pread", "process 1's command line"),
    ("no_flags", "no flags"),
    ("flags", "`MSG_DONTWAIT`"),
    ("link", "the socket to the parent"),
    ("children", "news of children"),
    ("file", "the file"),
    ("result", "the pipe for the result"),
    ("2", "standard error"),
    ("directory", "the directory of `powerstatus`"),
    ("writable", "not executable"),
    ("empty_path", "`AT_EMPTY_PATH`"),
    ("signal", "`SIGPWR`"),
    ("ASKED_BEFORE_CLOSE", "`F_GETFD`"),
    ("Arg::Is(0, 1)", "process 1"),
    ("Arg::Is(0, 0)", "itself"),
    ("Arg::Is(2, new_directory)", "within the same directory"),
];

/// In small letters, unless the first word is all capitals.
fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            format!("{}{second}{}", first.to_ascii_lowercase(), chars.as_str())
        }
        _ => text.to_owned(),
    }
}

/// Splits at commas that stand in no bracket.
fn parts(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for c in text.chars() {
        depth += i32::from(matches!(c, '(' | '[')) - i32::from(matches!(c, ')' | ']'));
        match (c, parts.last_mut()) {
            (',', _) if depth == 0 => parts.push(String::new()),
            (_, Some(part)) => part.push(c),
            _ => {}
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// The words for each of a list of expressions; a field of `Fds` without words is its own doc comment.
fn words(source: &str, list: &str) -> String {
    let list = list.trim_start_matches('&');
    let list = list.strip_prefix('[').map_or(list, |list| list.trim_end_matches(']'));
    let one = |expression: String| {
        if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == expression) {
            return (*words).to_owned();
        }
        if let Some(field) = expression.strip_prefix("fds.") {
            let (before, _) = source.split_once(&format!("    pub {field}: ")).expect("a field");
            let doc = before.trim_end().rsplit("/// ").next().unwrap_or_default();
            return uncapitalised(doc.split([':', '.']).next().unwrap_or_default());
        }
        let constants =
            expression.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
        let constants: Vec<String> = constants
            .filter(|word| word.len() > 3 && word.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(|word| format!("`{word}`"))
            .collect();
        assert!(!constants.is_empty(), "words for `{expression}` in WORDS, please");
        constants.join(" ")
    };
    parts(list).into_iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The calls of a list's function, in the order of the source.
fn allowed(source: &str, function: &str) -> Vec<Allowed> {
    let (_, body) = source.split_once(&format!("pub fn {function}(")).expect("the function");
    let (body, _) = body.split_once("\n}").expect("it ends");
    let mut comment = String::new();
    let mut call = String::new();
    let mut found = Vec::new();
    for line in body.lines().map(str::trim) {
        if call.is_empty() {
            if let Some(words) = line.strip_prefix("// ") {
                comment = format!("{comment} {words}");
                continue;
            }
            if ![".on(", ".any(", ".when("].iter().any(|begin| line.starts_with(begin)) {
                comment.clear();
                continue;
            }
        }
        call.push_str(line);
        if call.matches('(').count() > call.matches(')').count() {
            continue;
        }
        let (method, arguments) = call.split_once('(').expect("a call");
        let arguments = parts(arguments.strip_suffix(')').expect("a call"));
        let at = |index: usize| arguments.get(index).map_or("", String::as_str);
        let name = at(0).trim_start_matches("SYS_").to_owned();
        let (on, with) = match method {
            ".on" => (words(source, at(1)), at(2)),
            _ => (String::new(), at(1)),
        };
        let known = |key: &str| WHY.iter().find(|(call, _)| *call == key).map(|(_, why)| *why);
        let known = known(&format!("{function} {name}")).or_else(|| known(&name));
        let above = found.last().filter(|row: &&Allowed| row.call == name);
        let above = above.map(|row| row.why.as_str());
        let why = match comment.trim().trim_end_matches('.') {
            "" => known.or(above).unwrap_or_else(|| panic!("a reason for {name} in WHY, please")),
            comment => comment,
        };
        let (why, with) = (uncapitalised(why), words(source, with));
        found.push(Allowed { call: name, with, on, why });
        call.clear();
        comment.clear();
    }
    found
}

fn call_table(file: &str, function: &str) -> String {
    let rows = allowed(&read(file), function);
    let calls: BTreeSet<&str> = rows.iter().map(|row| row.call.as_str()).collect();
    let mut text = "| call | on | with | for |\n|---|---|---|---|\n".to_owned();
    for Allowed { call, on, with, why } in &rows {
        let _ = writeln!(text, "| {call} | {on} | {with} | {why} |");
    }
    let _ = writeln!(text, "\n{} system calls.", calls.len());
    text
}

/// What was read from the source must be what the program compiles.
#[test]
fn the_source_s_lists_are_the_program_s() {
    let fds = monitor::filter::Fds {
        ttys: vec![5],
        poke: 6,
        events: 7,
        log: 8,
        news: 11,
        ..Default::default()
    };
    let speaking = monitor::filter::Fds { udp: vec![12], ..fds.clone() };
    let serving = monitor::filter::Fds { status: Some(12), pool: vec![3, 4, 9, 10], ..fds.clone() };
    let driven = monitor::filter::Fds { shown: Some(12), pool: vec![3, 4, 9, 10], ..fds.clone() };
    let plain = monitor::filter::Fds { tcp: vec![12], ..fds.clone() };
    let sealed = monitor::filter::Fds { tls: true, ..plain.clone() };
    let served = monitor::filter::status(Allow::new(), &serving);
    let all = vec![5];
    let parent = notifier::filter::Fds {
        read: all.clone(),
        write: all.clone(),
        pread: all.clone(),
        stat: all.clone(),
        pwrite: all.clone(),
        truncate: all.clone(),
        send: all.clone(),
        shutdown: all,
    };
    let jail = read("src/monitor/filter.rs");
    let notifier = read("src/notifier/filter.rs");
    let names = |source: &str, functions: &[&str]| {
        let rows = functions.iter().flat_map(|function| allowed(source, function));
        rows.map(|row| row.call).collect::<BTreeSet<_>>().len()
    };
    let lists = [
        (names(&jail, &["monitor"]), monitor::filter::monitor(&fds)),
        (names(&jail, &["network"]), monitor::filter::network(&speaking)),
        (names(&jail, &["monitor", "network"]), monitor::filter::monitor(&speaking)),
        (names(&jail, &["status"]), served),
        (names(&jail, &["monitor", "status"]), monitor::filter::monitor(&serving)),
        (names(&jail, &["drivers"]), monitor::filter::drivers(Allow::new(), &driven)),
        (names(&jail, &["monitor", "drivers"]), monitor::filter::monitor(&driven)),
        (names(&jail, &["servers"]), monitor::filter::servers(Allow::new(), &plain)),
        (names(&jail, &["monitor", "servers"]), monitor::filter::monitor(&plain)),
        (names(&jail, &["monitor", "servers", "secured"]), monitor::filter::monitor(&sealed)),
        (names(&jail, &["monitor", "warden"]), monitor::filter::warden(&fds, 9, 10)),
        (names(&notifier, &["parent"]), notifier::filter::parent(&parent)),
        (names(&notifier, &["reader"]), notifier::filter::reader(5, 6)),
        (names(&notifier, &["hand"]), notifier::filter::hand(5, 6)),
    ];
    for (read, list) in lists {
        assert_eq!(read, list.calls().count(), "{list:?}");
    }
}

fn requests() -> String {
    use request::Command::{PowerFail, PowerFailNow, PowerOk, Runlevel};
    let mut text = "| word | bytes | magic | command | runlevel | sleep time | data |\n|---|---|---|---|---|---|---|\n".to_owned();
    for (name, command) in [
        ("mains on", PowerOk),
        ("on battery", PowerFail),
        ("low", PowerFailNow),
        ("shut down", Runlevel(b'0')),
    ] {
        let message = request::Message::new(command, 5);
        for (index, one) in message.bytes().chunks(request::SIZE).enumerate() {
            let number = |at: usize| {
                let bytes = one.get(4 * at..4 * at + 4).expect("four bytes");
                u32::from_ne_bytes(bytes.try_into().expect("four bytes"))
            };
            let data: Vec<u8> =
                one.iter().skip(16).copied().take_while(|byte| *byte != 0).collect();
            let data = match String::from_utf8(data).expect("text") {
                empty if empty.is_empty() => "zeros".to_owned(),
                text => format!("`{text}`, zeros"),
            };
            let level = match number(2) {
                0 => "0".to_owned(),
                level => format!("`{}`", char::from_u32(level).expect("a character")),
            };
            let and = if index > 0 { "... and in the same write" } else { name };
            let _ = writeln!(
                text,
                "| {and} | {} | {:#010x} | {} | {level} | {} | {data} |",
                one.len(),
                number(0),
                number(1),
                number(3)
            );
        }
    }
    text
}

fn told_table() -> String {
    let mut text =
        "| told | mains | on battery | low | blind | shut down |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for (name, told, same) in [
        ("nothing, or mains on", Told::Ok, Power::Mains),
        ("on battery", Told::Fail, Power::Battery),
        ("low", Told::Low, Power::Low),
        ("final", Told::Final, Power::Low),
    ] {
        let plain = |machine| Situation { machine, blind: false, shutdown: false };
        let situations = [
            plain(Power::Mains),
            plain(Power::Battery),
            plain(Power::Low),
            Situation { blind: true, ..plain(same) },
            Situation { shutdown: true, ..plain(same) },
        ];
        let _ = write!(text, "| {name}");
        for situation in situations {
            let word = match told::next(told, situation) {
                None => "–",
                Some(Word::Ok) => "mains on",
                Some(Word::Fail) => "on battery",
                Some(Word::Low) => "low",
                Some(Word::Shutdown) => "shut down",
            };
            let _ = write!(text, " | {word}");
        }
        text.push_str(" |\n");
    }
    text
}

fn legal_table() -> String {
    let name = |track: Track| {
        let power = track.power.map_or('?', Power::letter);
        format!("{power}{}", if track.lost { " lost" } else { "" })
    };
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Notice).collect();
    let mut text = "| said".to_owned();
    for kind in &kinds {
        let _ = write!(text, " | {}", char::from(kind.letter()));
    }
    let _ = writeln!(text, " |\n|---{}|", "|---".repeat(kinds.len()));
    for lost in [false, true] {
        for power in [None, Some(Power::Mains), Some(Power::Battery), Some(Power::Low)] {
            let track = Track { power, lost, shutdown: false };
            let _ = write!(text, "| {}", name(track));
            for kind in &kinds {
                let next = track.step(*kind).map(name);
                let cell = match next {
                    None => "–".to_owned(),
                    Some(next) if next == name(track) => "ok".to_owned(),
                    Some(next) => next,
                };
                let _ = write!(text, " | {cell}");
            }
            text.push_str(" |\n");
        }
    }
    text
}

/// What the daemon would write; only root can open the file.
fn state_example() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let scratch = Scratch::new("state");
    let path = scratch.0.join("state");
    let (file, _) = StateFile::open(&path, 2).expect("the state file opens");
    let seen = [("left", Some(Power::Battery), false), ("right", Some(Power::Mains), true)];
    let entry = Entry {
        now: Word::Fail,
        told: Told::Ok,
        at: 1_793_246_400,
        seen: &seen,
        slaves: Some(Slaves::Waiting),
        cause: Some((Cause::Outage, std::time::Duration::from_secs(7321))),
    };
    file.begin(entry).expect("it is written");
    let text = fs::read_to_string(&path).expect("it is text");
    let mut shown = "```\n".to_owned();
    for line in text.trim_end().lines() {
        let line = match line.split(' ').next() {
            Some("pid") => "pid 812",
            Some("boot") => "boot 75dda8ee-c166-469f-a887-be966ea9fd94",
            Some("init") => "init 25",
            _ => line,
        };
        let _ = writeln!(shown, "{line}");
    }
    let _ = writeln!(shown, "```\n\nWith two UPSs it has {} bytes.", text.len());
    Some(shown)
}

#[test]
fn the_generated_parts_are_current() {
    let state = state_example();
    if state.is_none() {
        skip("the state file's example needs root");
    }
    let tables = [
        ("docs/security.md", "monitor", Some(call_table("src/monitor/filter.rs", "monitor"))),
        ("docs/security.md", "status", Some(call_table("src/monitor/filter.rs", "status"))),
        ("docs/security.md", "network", Some(call_table("src/monitor/filter.rs", "network"))),
        ("docs/security.md", "drivers", Some(call_table("src/monitor/filter.rs", "drivers"))),
        ("docs/security.md", "servers", Some(call_table("src/monitor/filter.rs", "servers"))),
        ("docs/security.md", "secured", Some(call_table("src/monitor/filter.rs", "secured"))),
        ("docs/security.md", "warden", Some(call_table("src/monitor/filter.rs", "warden"))),
        ("docs/security.md", "parent", Some(call_table("src/notifier/filter.rs", "parent"))),
        ("docs/security.md", "hand", Some(call_table("src/notifier/filter.rs", "hand"))),
        ("docs/security.md", "reader", Some(call_table("src/notifier/filter.rs", "reader"))),
        ("docs/protocol.md", "requests", Some(requests())),
        ("docs/protocol.md", "told", Some(told_table())),
        ("docs/protocol.md", "legal", Some(legal_table())),
        ("docs/protocol.md", "state", state),
    ];
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
