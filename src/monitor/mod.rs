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
use std::path::PathBuf;

use nix::unistd::{Gid, Uid};

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
    /// Write end of the event pipe.
    pub events: OwnedFd,
    /// Write end of the log pipe.
    pub log: OwnedFd,
    /// The warden's end of its socket to the parent.
    pub link: OwnedFd,
    /// /dev/null, for descriptors 0 to 2.
    pub null: OwnedFd,
    /// The jail's empty root.
    pub root: PathBuf,
    /// The monitor's user.
    pub uid: Uid,
    /// And group.
    pub gid: Gid,
}
