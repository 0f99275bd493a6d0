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
    /// The empty directory that becomes its root.
    pub root: PathBuf,
    /// The monitor's user.
    pub uid: Uid,
    /// And group.
    pub gid: Gid,
    /// What else it may reach.
    pub reach: Reach,
}

/// What the jail may reach beside what it is left.
#[derive(Debug, Default)]
pub struct Reach {
    /// The only directory that its root shows: that of NUT's drivers.
    pub shown: Option<PathBuf>,
    /// The groups that it needs there; never 0.
    pub groups: Vec<Gid>,
    /// TCP ports that it may connect to.
    pub ports: Vec<u16>,
}
