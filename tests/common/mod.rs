//! What the integration tests share: skips that CI does not let pass, and the rig of [`sim`].
//!
//! Each test file is a program of its own and uses a part of this, hence `dead_code`.
#![allow(dead_code, unused_imports, unreachable_pub)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

pub mod counting;
pub mod debian;
mod event;
pub mod guest;
pub mod init;
pub mod jail;
pub mod lists;
pub mod machine;
pub mod memory;
pub mod net;
pub mod nut;
pub mod nut_cert;
pub mod nut_fake;
pub mod recorded;
mod scratch;
pub mod sim;
pub mod whole;

pub use scratch::Scratch;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Output};

/// The daemon's command, as cargo built it for these tests.
pub const DAEMON: &str = env!("CARGO_BIN_EXE_upsentry");

/// Runs it with these words, to its end.
pub fn run(words: &[&str]) -> Output {
    Command::new(DAEMON).args(words).output().expect("the program starts")
}

/// Says that a test cannot run here, and why. Where CI is `true` that is a failure: a test that is
/// skipped there would be skipped for ever.
///
/// The reason goes to standard output and, for a count at the end of `make test`, to the file named by
/// `UPSENTRY_SKIPS`. The caller returns afterwards.
pub fn skip(reason: &str) {
    println!("SKIPPED: {reason}");
    if let Some(path) = std::env::var_os("UPSENTRY_SKIPS") {
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        let mut file =
            OpenOptions::new().create(true).append(true).open(path).expect("the list of skips");
        writeln!(file, "{name}: {reason}").expect("the list of skips");
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "skipped in CI: {reason}");
}

/// True when the test may go on: we are root and have what the simulator needs (CAP_SYS_ADMIN for its
/// filter, CAP_SYS_PTRACE for its callers' memory). Else it is skipped: `if !need_root() { return; }`.
pub fn need_root() -> bool {
    const NEEDED: u64 = 1 << 21 | 1 << 19;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
        .unwrap_or(0);
    let enough = nix::unistd::geteuid().is_root() && effective & NEEDED == NEEDED;
    if !enough {
        skip("needs root with CAP_SYS_ADMIN and CAP_SYS_PTRACE");
    }
    enough
}
