//! `upsentry status`: what the jail says of itself on a Unix socket, and what a client makes of it. All of it is
//! pure but [`command`], which connects and prints; the jail's side of the socket is in `monitor`.

pub mod check;
pub mod collect;
pub mod command;
pub mod json;
pub mod prometheus;
mod record;
pub mod report;
#[cfg(test)]
#[path = "sample_tests.rs"]
mod sample;
pub mod screen;
pub mod text;
mod watch;
