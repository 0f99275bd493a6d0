//! The state file: what init was told in this boot, for the scripts that init runs, for the next start,
//! and for a second instance, which its lock keeps out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::O_NOFOLLOW;

use crate::ipc::record::{Boot, Record, Unusable, field};

/// The largest file that is read.
pub(super) const LARGEST: u64 = 64 << 10;
/// Room for one UPS's line, and for all else.
const PER_UPS: usize = 96;
const REST: usize = 1024;

/// The open, locked file.
#[derive(Debug)]
pub struct StateFile {
    pub(super) file: Flock<File>,
    pub(super) boot: Boot,
    /// Of every entry: none leaves the tail of an older one.
    pub(super) size: usize,
}

/// Of this system.
pub fn current_boot() -> Boot {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/1/stat");
    // After the command in parentheses, which may hold anything: field 22 of the whole.
    let init = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
    Boot {
        id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
        init: init.unwrap_or("").to_owned(),
    }
}

/// Opens a file to read and write, making it if it is not there; it must be a plain file of root's.
pub(super) fn plain(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    let file = options.custom_flags(O_NOFOLLOW).open(path)?;
    let meta = file.metadata()?;
    let plain = meta.is_file() && meta.uid() == 0;
    plain.then_some(file).ok_or_else(|| io::Error::other("is not a plain file of root's"))
}

impl StateFile {
    /// Opens, locks and preallocates it, and reads what this boot left in it.
    ///
    /// # Errors
    /// It cannot be opened, is not root's plain file, or another instance holds it.
    pub fn open(path: &Path, ups: usize) -> Result<(StateFile, Result<Record, Unusable>), String> {
        let shown = path.display();
        let file = plain(path).map_err(|error| format!("state file {shown}: {error}"))?;
        let mut text = String::new();
        let readable = (&file).take(LARGEST).read_to_string(&mut text).is_ok();
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
            let holder = field(&text, "pid").unwrap_or("?");
            match error {
                Errno::EAGAIN => format!("already running (pid {holder} holds {shown})"),
                other => format!("state file {shown}: {other}"),
            }
        })?;
        let boot = current_boot();
        let size = REST.saturating_add(PER_UPS.saturating_mul(ups));
        let record = if readable { Record::read(&text, &boot) } else { Err(Unusable::Foreign) };
        Ok((StateFile { file, boot, size }, record))
    }

    /// Reads again what another process with this file has written.
    ///
    /// # Errors
    /// It is not usable.
    pub fn reread(&self) -> Result<Record, Unusable> {
        let mut bytes = vec![0; self.size];
        self.file.read_exact_at(&mut bytes, 0).map_err(|_| Unusable::Foreign)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| Unusable::Foreign)?;
        Record::read(text, &self.boot)
    }

    /// The boot in a word, for the history.
    pub fn boot(&self) -> String {
        self.boot.tag()
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
