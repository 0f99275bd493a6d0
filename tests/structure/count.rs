//! The source as text: what is code, and which of it runs with privilege. `make bench` counts with it too.

use std::fs;
use std::path::{Path, PathBuf};

/// What runs as root in the daemon: opening the configuration (a child without rights reads it), the start up to
/// the drop, what is done while a device or a name is awaited, the hand. Not in it: the wrappers of `src/sys`, the
/// command line, and what only computes with the configuration, without touching the system (`src/config`).
pub const PRIVILEGED: [&str; 14] = [
    "src/config/file.rs",
    "src/notifier/absent.rs",
    "src/notifier/hand.rs",
    "src/notifier/logging.rs",
    "src/notifier/mod.rs",
    "src/notifier/names.rs",
    "src/notifier/net.rs",
    "src/notifier/open.rs",
    "src/notifier/port.rs",
    "src/notifier/reader.rs",
    "src/notifier/start.rs",
    "src/notifier/state.rs",
    "src/notifier/users.rs",
    "src/notifier/via.rs",
];

/// What runs as root in `-k`, with the port of the above; the last in `-k --wait` only.
pub const KILL: [&str; 3] =
    ["src/notifier/kill.rs", "src/notifier/kill_command.rs", "src/notifier/kill_wait.rs"];

/// What of `src/notifier` runs only after the drop (`filter`: the lists of system calls, made when all else is
/// given up; `notify`, `run`: called by
/// `start` once the process has no right), in a program or child without rights (`resolver`; `before`, with `rivals` and
/// `scripts`), or needs no privilege (`check`, `check_nut`, `installed`, `import`, `keygen`, `rules`).
#[allow(dead_code)]
pub const UNPRIVILEGED: [&str; 27] = [
    "src/notifier/before.rs",
    "src/notifier/begin.rs",
    "src/notifier/check.rs",
    "src/notifier/check_nut.rs",
    "src/notifier/chronicle.rs",
    "src/notifier/doubts.rs",
    "src/notifier/entry.rs",
    "src/notifier/farewell.rs",
    "src/notifier/filter.rs",
    "src/notifier/hook.rs",
    "src/notifier/import.rs",
    "src/notifier/installed.rs",
    "src/notifier/keygen.rs",
    "src/notifier/link.rs",
    "src/notifier/notice.rs",
    "src/notifier/notify.rs",
    "src/notifier/parent.rs",
    "src/notifier/past.rs",
    "src/notifier/queue.rs",
    "src/notifier/resolver.rs",
    "src/notifier/rules.rs",
    "src/notifier/rivals.rs",
    "src/notifier/run.rs",
    "src/notifier/scripts.rs",
    "src/notifier/supervisor.rs",
    "src/notifier/teller.rs",
    "src/notifier/trouble.rs",
];

/// A source file, its path from the top.
#[derive(Debug)]
pub struct Source {
    /// `src/notifier/hand.rs`.
    pub path: String,
    /// All of it.
    pub text: String,
}

impl Source {
    /// Lines without comments (blank ones stay, so that numbers hold). Tests live in files of their own.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let bare = |line| strip(line).trim_end();
        (1..).zip(self.text.lines().map(bare))
    }

    /// Lines that are neither blank nor comment.
    pub fn lines(&self) -> usize {
        self.code().filter(|(_, line)| !line.trim().is_empty()).count()
    }
}

/// The line up to its comment; a `//` in a string is none.
fn strip(line: &str) -> &str {
    let mut quoted = false;
    let mut before = ' ';
    for (at, letter) in line.char_indices() {
        match letter {
            '"' if before != '\\' && before != '\'' => quoted = !quoted,
            '/' if before == '/' && !quoted => return line.get(..at - 1).unwrap_or(""),
            _ => {}
        }
        before = letter;
    }
    line
}

/// All Rust files below a directory but tests, sorted.
pub fn sources(top: &Path, directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&top.join(directory), &mut found);
    found.sort();
    let read = |path: PathBuf| Source {
        text: fs::read_to_string(&path).expect("a source file"),
        path: path.strip_prefix(top).expect("below the top").display().to_string(),
    };
    found.into_iter().map(read).collect()
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources").flatten() {
        let path = entry.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        let test = stem == "tests" || stem.ends_with("_tests");
        if test {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Lines of code in these files.
pub fn lines_of(sources: &[Source], paths: &[&str]) -> usize {
    let count = |path: &&str| {
        let source = sources.iter().find(|source| source.path == **path);
        source.unwrap_or_else(|| panic!("{path} is gone: mend the list")).lines()
    };
    paths.iter().map(count).sum()
}

/// Blocks of `unsafe`.
pub fn unsafe_blocks(sources: &[Source]) -> usize {
    let lines = sources.iter().flat_map(Source::code);
    lines.map(|(_, line)| line.matches("unsafe {").count()).sum()
}
