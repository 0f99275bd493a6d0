//! Measures the daemon on simulated ports and prints one table: what, how much, the goal, a mark.
//!
//! Nothing here fails because it is slow: what is measured depends on the machine, so the latency stands
//! beside that of the shortest possible loop, on the same machine in the same minute.

#[path = "../../structure/count.rs"]
mod count;
mod datagrams;
mod driver;
#[path = "../../common/event.rs"]
#[allow(dead_code)]
mod event;
mod fleet;
mod measure;
mod rules;
#[path = "../../common/sim.rs"]
#[allow(dead_code)]
mod sim;
mod source;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// A line of the table.
struct Row {
    what: String,
    is: String,
    goal: &'static str,
    /// `None`: there is no goal.
    met: Option<bool>,
}

impl Row {
    fn new(what: impl Into<String>, is: impl Into<String>) -> Self {
        Self { what: what.into(), is: is.into(), goal: "", met: None }
    }

    fn goal(mut self, goal: &'static str, met: bool) -> Self {
        (self.goal, self.met) = (goal, Some(met));
        self
    }
}

/// So much of what is counted or waited for: all of it, or a tenth with UPSENTRY_BENCH=quick, which only shows that
/// everything still runs.
fn much(all: usize) -> usize {
    let quick = std::env::var_os("UPSENTRY_BENCH").is_some_and(|how| how == "quick");
    if quick { all / 10 } else { all }
}

/// A program that cargo has built beside this one.
fn beside(name: &str) -> PathBuf {
    std::env::current_exe().expect("our own path").with_file_name(name)
}

/// A part of the table: the word for it, and what measures its rows.
type Part = (&'static str, fn() -> Vec<Row>);

const NOTES: &str = "\
Latency: from the line's change in the simulator to its reading the request; the loop is one process that
waits, reads the lines and writes the request; in two processes, the first passes a frame by a pipe and does
nothing else, and the second writes the request. All three in turn, under the same simulator. PSS depends
on what else on this machine uses the C library. A wake-up is a voluntary context switch of any thread; a
reading of the lines is one more here than on a real port, because the simulator answers it.
(1) Without blanks, comments and tests: all of src/notifier that runs before the drop, the hand, finding and
opening the configuration (a child without rights reads it). Listed in tests/structure/count.rs.";

const PARTS: [Part; 7] = [
    ("latency", measure::latency),
    ("driver", driver::rows),
    ("rest", measure::at_rest),
    ("datagrams", datagrams::rows),
    ("fleet", fleet::rows),
    ("rules", rules::rows),
    ("source", source::rows),
];

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let [word, socket, fifo] = words.as_slice() {
        if word == driver::LOOP {
            driver::bare(socket.as_ref(), fifo.as_ref());
            return ExitCode::SUCCESS;
        }
    }
    if std::env::var_os("UPSIM").is_none() {
        // The rig would have cargo build one; the release build of it lies here.
        let own = std::env::current_exe().expect("our own path");
        let error =
            Command::new(own).args(std::env::args().skip(1)).env("UPSIM", beside("upsim")).exec();
        eprintln!("upsentry-bench: {error}");
        return ExitCode::FAILURE;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("upsentry-bench: must be root; make bench sees to that");
        return ExitCode::FAILURE;
    }
    // A word picks one part of the table.
    let only = std::env::args().nth(1);
    let wanted = |part| only.as_deref().is_none_or(|only| only == part);
    let mut rows = Vec::new();
    for (part, of) in PARTS {
        if wanted(part) {
            rows.extend(of());
        }
    }
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (what, is) = (width(|row| row.what.len()), width(|row| row.is.len()));
    let goal = width(|row| row.goal.len());
    println!();
    println!("{:what$}  {:>is$}  {:goal$}", "", "measured", "goal");
    for row in &rows {
        let mark = match row.met {
            None => "",
            Some(true) => "met",
            Some(false) => "MISSED",
        };
        let line = format!("{:what$}  {:>is$}  {:goal$}  {mark}", row.what, row.is, row.goal);
        println!("{}", line.trim_end());
    }
    println!("\n{NOTES}");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    println!("Load of this machine at the end (1, 5, 15 minutes): {}", load.join(", "));
    ExitCode::SUCCESS
}
