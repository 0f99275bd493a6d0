//! The hand, `via signal` and with a halt command.

use crate::common::need_root;
use crate::common::sim::{Rig, Setup};
use crate::rig::{Bench, Daemon, LONG, Told};
use crate::table::{HAND, On, Row, Then, When};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Plays init for the powerstatus file: takes it, as init does on SIGPWR.
#[derive(Default)]
struct Powerstatus {
    words: Vec<String>,
}

impl Told for Powerstatus {
    fn words(&mut self, rig: &mut Rig) -> Vec<String> {
        let file = rig.setup().path("powerstatus");
        if let Ok(word) = fs::read_to_string(&file) {
            fs::remove_file(&file).expect("the powerstatus file");
            self.words.push(word.to_lowercase());
        }
        self.words.clone()
    }
}

/// Seen to fail with a word that failed not asked for again, and with one that could not be written to the
/// hand taken for asked.
#[test]
fn by_signal() {
    if need_root() {
        let make = Powerstatus::default;
        Bench::new("via signal\n", HAND, make).try_all(HAND);
    }
}

/// What the hand with a halt command calls; it has no list that these would be on.
const HALT: &[Row] = &[
    Row { on: On::Any, ..row("read", &["EINTR"], Then::Recovers("")) },
    row("clone", &["EAGAIN", "ENOMEM"], Then::Recovers("could not be run or was killed; again")),
    row("wait4", &["EINTR"], Then::Recovers("ended with status 0")),
    row("setsid", &["EPERM"], Then::Recovers("ended with status 0")),
    row("close_range", &["ENOMEM", "EINVAL"], Then::Recovers("ended with status 0")),
    row("rt_sigprocmask", &["EINVAL"], Then::Recovers("ended with status 0")),
    row("rt_sigaction", &["EINVAL"], Then::Recovers("ended with status 0")),
    row("write", &["EINTR", "ENOBUFS"], Then::Recovers("ended with status 0")),
];

const fn row(call: &'static str, errors: &'static [&'static str], then: Then) -> Row {
    Row { list: "hand", call, on: On::Any, errors, when: When::Outage, then }
}

/// One shutdown with one failure; the command is to run once.
fn shut_down(row: &Row, errno: &str) {
    let setup = Setup::new();
    let ran: PathBuf = setup.path("ran");
    let script = format!("#!/bin/sh\necho ran >>{}\n", ran.display());
    let command = setup.write("halt", &script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&command, mode).expect("the command");
    let machine =
        format!("via command\nhalt {}\nshutdown-after 300ms\ninsist 1h\n", command.display());
    let mut daemon = Daemon::start(&machine, row.call);
    daemon.arm(row, errno, "1");
    daemon.set("set a cts=0");
    let Then::Recovers(said) = row.then else { panic!("the hand does not end") };
    if !said.is_empty() {
        daemon.says(said, 1);
    }
    let end = Instant::now() + LONG + Duration::from_secs(10);
    while !ran.exists() {
        assert!(Instant::now() < end, "the command did not run: {}", daemon.all());
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.says("the halt command ended with status 0", 1);
    assert_eq!(daemon.failed(row), 1, "{}", daemon.all());
    assert_eq!(fs::read_to_string(&ran).expect("what ran"), "ran\n", "{}", daemon.all());
}

/// Seen to fail with `waitpid` not made again: the command is taken for killed, and tried again.
///
/// Each in its own daemon, because a shutdown is final; at once, because one of them waits 10 s.
#[test]
fn with_a_halt_command() {
    if !need_root() {
        return;
    }
    std::thread::scope(|scope| {
        for row in HALT {
            for errno in row.errors {
                scope.spawn(move || shut_down(row, errno));
            }
        }
    });
}
