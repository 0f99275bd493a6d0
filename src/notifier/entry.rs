//! Writing the state file: the parent's doing, once it has no right left.

use std::os::unix::fs::FileExt as _;

use crate::ipc::record::Entry;
use crate::notifier::state::{LARGEST, StateFile};
use crate::sys::process;

impl StateFile {
    /// Writes the first entry, and makes the file as long as every later one: a full /run can then not
    /// stop them.
    ///
    /// # Errors
    /// What pwrite(2) and ftruncate(2) say.
    pub fn begin(&self, entry: Entry<'_>) -> std::io::Result<()> {
        self.write(entry)?;
        self.file.set_len(u64::try_from(self.size).unwrap_or(LARGEST))
    }

    /// Writes the whole entry in one call.
    ///
    /// # Errors
    /// What pwrite(2) says.
    pub fn write(&self, entry: Entry<'_>) -> std::io::Result<()> {
        // Always the same length, so that no tail of an older entry is left.
        let mut bytes = entry.text(&self.boot, process::id()).into_bytes();
        bytes.resize(bytes.len().max(self.size), b'\n');
        self.file.write_all_at(&bytes, 0)
    }
}
