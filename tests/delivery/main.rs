//! From the line to init, with the real daemon on simulated ports: what init is told, and what it is not.
//!
//! No test here asserts that something is fast: a machine may be busy. They assert what is told, in which
//! order, and that nothing is told too early.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod delays;
mod flapping;
mod history;
mod kill;
mod kill_wait;
mod log;
mod ports;
mod restart;
mod rig;
mod rules;
mod storm;
mod table;
mod thousand;
mod watch;
mod ways;
