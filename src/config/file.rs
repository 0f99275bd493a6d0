//! Finding and opening the file: all of the configuration that may run as root. What it says is read by a
//! child without rights.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Failure;

/// The file to read: the one given, else upsentry's own, else powstatd's.
#[must_use]
pub fn find(explicit: Option<&Path>) -> PathBuf {
    let own = Path::new("/etc/upsentry.conf");
    let powstatd = Path::new("/etc/powstatd.conf");
    match explicit {
        Some(path) => path.to_owned(),
        None if !own.exists() && powstatd.exists() => powstatd.to_owned(),
        None => own.to_owned(),
    }
}

/// Opens the file for [`load_open`](super::load_open); gives its permission bits too. Nothing that is not a regular file is
/// even opened: opening a FIFO would wait for ever.
///
/// # Errors
/// It cannot be read.
pub fn open(path: &Path) -> Result<(File, u32), Failure> {
    open_plain(path).map_err(|error| Failure::unreadable(path, &format!(" {error}")))
}

/// As [`open`], of any file.
///
/// # Errors
/// Why it cannot be read.
pub fn open_plain(path: &Path) -> io::Result<(File, u32)> {
    let problem =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot be read: {error}"));
    let regular = |found: &fs::Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("not a regular file")),
    };
    regular(&fs::metadata(path).map_err(problem)?)?;
    let file = File::open(path).map_err(problem)?;
    let metadata = file.metadata().map_err(problem)?;
    regular(&metadata)?;
    Ok((file, metadata.permissions().mode()))
}
