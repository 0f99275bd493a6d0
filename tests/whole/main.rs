//! From the plug to the power-off, on a whole machine: Debian's kernel and sysvinit in QEMU, Debian's package of
//! upsentry installed in it, and a UPS on its serial port. `make machine` runs all of it and prints what happened when;
//! `make test` only what covers most (`UPSENTRY_MACHINE=all` asks for the rest).
//!
//! ```text
//! UPSENTRY_MACHINE=all cargo test --test whole -- --nocapture [NAME]
//! ```
//!
//! Needs root, QEMU and what `tests/install` unpacks. Times are of an emulated processor: a real machine takes a tenth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod causes;
mod outage;
mod passing;

use common::whole::Whole;
use std::time::Duration;

/// Longer than anything takes that has no time of its own.
const SOON: Duration = Duration::from_secs(20);

/// Times that a scenario need not wait for.
const QUICK: &str = "settle 500ms\nlow-after 500ms\nkill-hold 2s\n";

/// Whether all scenarios are asked for; says so if not.
fn all() -> bool {
    let all = std::env::var("UPSENTRY_MACHINE").is_ok_and(|value| value == "all");
    if !all {
        println!("not asked for: UPSENTRY_MACHINE=all");
    }
    all
}

/// Writes the file's directives anew: the three lines, and more.
fn configure(machine: &mut Whole, more: &str) {
    let lines = common::whole::THREE_LINES;
    machine.story_of(&format!("configured: {}", more.trim().replace('\n', "; ")));
    machine.must(&format!("cat >/etc/upsentry.conf <<'END'\n{lines}{more}\nEND"));
    machine.must("service upsentry restart");
    machine.hears("ready: 1 of 1 UPS on mains", SOON);
}

/// What the power script does after some time on battery.
fn shutdown_after(machine: &mut Whole, time: &str) {
    machine.must(&format!("sed -i '/^#*SHUTDOWN_AFTER=/d' /etc/default/upsentry; echo 'SHUTDOWN_AFTER={time}' >>/etc/default/upsentry"));
}
