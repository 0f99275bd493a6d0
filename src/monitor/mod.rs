//! The jail and all that runs in it: the warden, which only forks and kills monitors, and the monitor,
//! which reads the lines and decides.

mod debounce;
pub mod filter;
mod lines;
pub mod power;
mod run;
pub mod test;
mod voice;
mod waiter;
pub mod warden;

use std::os::fd::OwnedFd;

use crate::sys::cage::Cage;

/// One UPS for the monitor.
#[derive(Debug)]
pub struct Line {
    /// Its name on the pipe.
    pub name: String,
    /// Its port, opened and set; `None`: the device is absent.
    pub tty: Option<OwnedFd>,
    /// Conditions and times.
    pub settings: power::Settings,
}

/// Everything that the jail gets.
#[derive(Debug)]
pub struct Plan {
    /// At least one.
    pub lines: Vec<Line>,
    /// All else that was left to it.
    pub cage: Cage,
}
