//! One UPS, many machines: hosts in network namespaces, one of them somebody's who sees and can send everything.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod attacker;
#[path = "../common/mod.rs"]
mod common;
mod flood;
mod leave;
mod outage;
mod partition;
mod replay;
mod rig;
mod secret;
mod shown;
