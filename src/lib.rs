//! upsentry: a UPS monitor of which no process keeps root.
//!
//! The command is `src/main.rs`; this library exists so that the tests and fuzz targets can reach
//! the pure parts. Arrows point down only:
//!
//! | module | runs | imports |
//! |---|---|---|
//! | [`notifier`] | as root until all is open, then as the parent and the hand | `ipc`, `sysvinit`, `config`, `history`, `sys` |
//! | [`monitor`] | in the jail: the warden and the monitor | `ipc`, `config`, `status`, `sys` |
//! | [`config`] | before the fork | `fleet`, `nut`, `rules` |
//! | [`fleet`] | what master and slaves say to each other; pure | `ipc` |
//! | [`import`] | other programs' configurations in our words; pure | `config`, `nut` |
//! | [`history`] | the history file's lines; pure | `ipc` |
//! | [`nut`] | the words, files and sockets of Network UPS Tools; pure | `ipc` |
//! | [`status`] | `upsentry status`: what the jail says of itself, and the client | `ipc`, `config`, `sys` |
//! | [`nut`] | NUT's drivers and servers; pure | `ipc` |
//! | [`rules`] | the rules: their text before the fork, their values in the jail; pure | nothing of ours |
//! | [`ipc`] | both sides of the pipe; pure | nothing of ours |
//! | [`sysvinit`] | init's formats; pure | nothing of ours |
//! | [`sys`] | the only `unsafe` code, and confinement | nothing of ours |

pub mod config;
pub mod fleet;
pub mod history;
pub mod import;
pub mod ipc;
pub mod monitor;
pub mod notifier;
pub mod nut;
pub mod rules;
pub mod status;
pub mod sys;
pub mod sysvinit;
