//! Other inits than sysvinit: what a supervisor of systemd's protocol hears, and the real programs with the files of
//! `packaging/`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod house;
mod notify;
mod openrc;
mod runit;
mod systemd;
