//! What the parent leaves to the jail beside its ports.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::unistd::{Gid, Uid};

use crate::sys::board::Notices;

/// Descriptors, place and user of the jail.
#[derive(Debug)]
pub struct Cage {
    /// Write end of the event pipe.
    pub events: OwnedFd,
    /// Write end of the log pipe.
    pub log: OwnedFd,
    /// The warden's end of its socket to the parent.
    pub link: OwnedFd,
    /// What the parent lets the jail know.
    pub notices: Notices,
    /// /dev/null, for descriptors 0 to 2.
    pub null: OwnedFd,
    /// The empty root.
    pub root: PathBuf,
    /// The monitor's user.
    pub uid: Uid,
    /// And group.
    pub gid: Gid,
}
