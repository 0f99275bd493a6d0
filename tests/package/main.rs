//! The Debian package, as an administrator has it: installed, configured, upgraded, removed and purged in a Debian
//! with sysvinit that runs.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod divert;
mod hook;
mod install;
mod life;
mod power;
mod scratch;
mod service;
mod slackware;

use common::debian::{CONFIG, Debian};

/// Booted with the package installed and configured.
fn installed() -> Option<Debian> {
    Debian::installed(CONFIG)
}
