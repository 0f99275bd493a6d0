//! The manual pages against the program, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use upsentry::config::{self, Config, Purpose, UserSpec, time};

use crate::audit::is_top;
use crate::count;
use crate::mdoc::{section, seen, word};
use crate::{Scratch, UPSENTRY_8, UPSENTRY_CONF_5, helped, read, root, run, set};

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
    let helped = helped();
    let mut documented = BTreeSet::new();
    for line in section(UPSENTRY_8, "DESCRIPTION") {
        let Some(rest) = line.strip_prefix(".It ") else { continue };
        documented.extend(words(rest.split(" Ar ").next().unwrap_or_default()));
    }
    assert_eq!(documented, helped);
    assert!(helped.is_superset(&set(["test", "-t", "--log", "-c"])), "{helped:?}");
    // What the synopsis shows; the short names of two commands, and those of a command of its own, are below.
    let mut shown = BTreeSet::new();
    for line in section(UPSENTRY_8, "SYNOPSIS") {
        let parts = line.trim_start_matches(".Op ").trim_start_matches('.').split(" Ar ");
        shown.extend(parts.flat_map(words));
    }
    let below = set(["-t", "-k", "-h", "-V"]);
    let helped: BTreeSet<_> = helped.difference(&below).cloned().collect();
    let of_rules = set(["replay"]);
    assert_eq!(shown.difference(&of_rules).cloned().collect::<BTreeSet<_>>(), helped);
}

/// The words of an mdoc line that are typed as they stand: `Fl -json | Cm test` has `--json` and `test`.
fn words(line: &str) -> Vec<String> {
    let mut flag = None;
    let mut found = Vec::new();
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        match (word, flag) {
            ("Fl", _) => flag = Some(true),
            ("Cm", _) => flag = Some(false),
            ("Ar" | "Nm" | "Op", _) => flag = None,
            (",." | "," | "|" | ".", _) | (_, None) => {}
            (word, Some(flag)) => found.push(format!("{}{word}", if flag { "-" } else { "" })),
        }
    }
    found
}

/// What the command line takes is what `--help` lists. `help` is there for whoever guesses it, and another word is
/// between two processes of the program.
#[test]
fn help_has_every_word_that_is_taken() {
    let mut taken = BTreeSet::new();
    let tops = count::sources(&root(""), "src");
    let tops = tops.iter().filter(|source| is_top(source));
    let main = tops.map(|source| source.text.as_str()).collect::<String>();
    let (status, import) = (read("src/status/command.rs"), read("src/import/mod.rs"));
    for (text, dashes, begin) in [
        (&main, "-", "Short('"),
        (&main, "--", "Long(\""),
        (&main, "", "\" => Command::"),
        (&main, "--", "\" => &mut self."),
        (&status, "--", "\" => self."),
        (&import, "", "=> \"import-"),
    ] {
        for line in text.lines() {
            let mut parts = line.split(begin);
            let before = parts.next().unwrap_or_default();
            let quoted = |text: &str| text.split(['"', '\'']).next().unwrap_or("").to_owned();
            let words: Vec<String> = match begin {
                "\" => Command::" | "\" => self." | "\" => &mut self." if line.contains(begin) => {
                    before.rsplit('"').take(1).map(str::to_owned).collect()
                }
                "=> \"import-" => parts.map(|rest| format!("import-{}", quoted(rest))).collect(),
                "Short('" | "Long(\"" => parts.map(quoted).collect(),
                _ => Vec::new(),
            };
            taken.extend(words.into_iter().map(|word| format!("{dashes}{word}")));
        }
    }
    assert!(taken.remove("help"));
    assert_eq!(taken, helped());
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
        let file = scratch.file("upsentry.conf", text);
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
