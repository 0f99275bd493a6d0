//! The simulator's own tests: small unmodified programs on its ports. If these hold, what the daemon's
//! tests say about lines and init can be believed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod failures;
mod faults;
mod init;
mod lines;
mod outputs;
mod processes;

use common::sim::{Rig, Setup, tool};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(10);

/// Runs `probe` with these steps on port `a`.
fn probe(setup: Setup, steps: &str) -> Rig {
    let tty = setup.tty("a").to_str().unwrap().to_owned();
    let words: Vec<&str> = std::iter::once(tty.as_str()).chain(steps.split(' ')).collect();
    setup.start(tool("probe"), &words)
}

/// A traced port `a`, so that a test can wait until the program is inside a call.
fn traced(levels: &str) -> Setup {
    Setup::new().port("a", levels).option("--trace")
}

/// Waits until the program has called this.
fn called(rig: &mut Rig, name: &str) {
    let call = format!("a call {name} ");
    let found = rig.wait_for(|event| event.text.starts_with(&call), LONG);
    assert!(found.is_some(), "no {call}: {} {}", rig.log_text(), rig.stderr());
}

fn ends(rig: &mut Rig, output: &[&str]) {
    assert_eq!(rig.wait_exit(LONG), Some(0), "{} {}", rig.log_text(), rig.stderr());
    assert_eq!(rig.stdout().lines().collect::<Vec<_>>(), output, "{}", rig.log_text());
}
