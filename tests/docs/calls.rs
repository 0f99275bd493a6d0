//! The lists of system calls, as tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use upsentry::sys::filter::Allow;
use upsentry::{monitor, notifier};

use crate::read;

/// Each list and the source that it is made in.
pub(crate) const LISTS: &[(&str, &str)] = &[
    ("monitor", "src/monitor/filter.rs"),
    ("status", "src/monitor/filter.rs"),
    ("network", "src/monitor/filter.rs"),
    ("drivers", "src/monitor/filter.rs"),
    ("servers", "src/monitor/filter.rs"),
    ("secured", "src/monitor/filter.rs"),
    ("warden", "src/monitor/filter.rs"),
    ("parent", "src/notifier/filter.rs"),
    ("hand", "src/notifier/filter.rs"),
    ("reader", "src/notifier/filter.rs"),
];

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
    ("parent sendto", "the log; that we are ready, and live"),
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

pub(crate) fn call_table(file: &str, function: &str) -> String {
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

/// The picture in the README has the numbers of the lists.
#[test]
fn the_readme_counts_as_the_lists_do() {
    let jail = read("src/monitor/filter.rs");
    let calls = |functions: &[&str]| -> BTreeSet<String> {
        let rows = functions.iter().flat_map(|function| allowed(&jail, function));
        rows.map(|row| row.call).collect()
    };
    let monitor = calls(&["monitor"]);
    let more = |functions: &[&str]| calls(functions).difference(&monitor).count();
    let parent: BTreeSet<String> = allowed(&read("src/notifier/filter.rs"), "parent")
        .into_iter()
        .map(|row| row.call)
        .collect();
    let readme = read("README.md");
    for words in [
        format!("{} system calls; {} more for `status`", monitor.len(), more(&["status"])),
        format!("{} for slaves, {} for NUT's drivers", more(&["network"]), more(&["drivers"])),
        format!("{} for its servers", more(&["servers", "secured"])),
        format!("│ {} system calls", parent.len()),
    ] {
        assert!(readme.contains(&words), "the README does not say: {words}");
    }
}
