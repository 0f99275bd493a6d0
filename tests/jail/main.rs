//! The system call lists: what they can allow at all (a second reading of the compiled programs), what the
//! kernel makes of them (an evil process that makes one call each), and that the running daemon has exactly
//! these.
//!
//! How each test fails: add `.any(SYS_openat)` to a list, swap two arguments of a rule, leave out
//! `seccomp::install` or `confine` in one process; `prctl`'s `Is(0, …)` made `any` falls to the matrix only.
//! Those of the network: add `.any(SYS_recvmsg)` to `monitor::filter::network`, leave out a flag or a descriptor there,
//! or `IP_FREEBIND`'s end in `sys::bind`. Those of NUT: leave out an argument of `socket` or a descriptor in
//! `monitor::filter::drivers`, a mount flag or the old root's end in `sys::room`, `ports` in `sys::confine`.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "tables of numbers as the kernel's headers have them"
)]

#[path = "../common/mod.rs"]
mod common;
mod evil;
mod ground;
mod lists;
mod live;
mod matrix;
mod network;
mod nut;
mod room;
mod who;

use common::jail::{Outcome, Way, make};
use ground::Ground;
use who::Who;

/// Makes each call in a process confined as this one.
fn run(who: Who, ground: &Ground, ways: &[Way]) -> Vec<Outcome> {
    let programs = who.programs(ground);
    make(ways, &|| who.become_it(ground, &programs))
}
