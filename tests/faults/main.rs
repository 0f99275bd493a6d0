//! Every call of every process fails once with each error that it can plausibly have, and
//! some fail for a while. The daemon recovers, or ends with a message and a status that is not 0: never a
//! spin, never silence, and no event lost or told twice.
//!
//! The simulator fails the calls (`--faults`): strace cannot, because it replaces the call's number by -1,
//! for which the daemon's own list kills. What a test here says was "seen to fail" was seen with that
//! change in the daemon.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod hand;
mod lasting;
mod lists;
mod nut;
mod rig;
mod table;
