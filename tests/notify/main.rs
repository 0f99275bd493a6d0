//! The notify hook, with the real daemon on simulated ports: what is run when, as whom, with what in hand; and
//! commands that mean harm, none of which changes what init is told.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../delivery/rig.rs"]
#[allow(dead_code)]
mod delivery;

mod events;
mod evil;
mod rig;
mod scripts;
