//! `upsentry keygen`: a new key for a master and its slaves. Needs no right but to make the file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, absolute};

use nix::libc::O_NOFOLLOW;
use nix::unistd::Uid;

use crate::sys::raw;

/// Makes the file; what to do next.
///
/// # Errors
/// It is there already, or cannot be made.
pub fn make(path: &Path) -> Result<String, String> {
    let path = absolute(path).map_err(|error| format!("keygen: {}: {error}", path.display()))?;
    let shown = path.display();
    let failed = |error: &dyn std::fmt::Display| format!("keygen: {shown}: {error}");
    let mut key = [0; 32];
    raw::random(&mut key).map_err(|error| failed(&error))?;
    let mut options = OpenOptions::new();
    // Whatever the caller's mask.
    options.write(true).create_new(true).mode(0o600).custom_flags(O_NOFOLLOW);
    let mut file = options.open(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!(
            "keygen: {shown} is there already, and other machines may have it; it is not overwritten.\n\
             Make the new key elsewhere (upsentry keygen {shown}.new); for a while every machine can\n\
             understand both: see `key-file' in upsentry.conf(5)"
        ),
        _ => failed(&error),
    })?;
    if let Err(error) = file.write_all(&key).and_then(|()| file.sync_all()) {
        // Half a key must not stay.
        let _ = std::fs::remove_file(&path);
        return Err(failed(&error));
    }
    let owner = match Uid::effective().is_root() {
        true => "",
        false => "On every machine it must be root's: chown root it.\n",
    };
    Ok(format!(
        "{shown}: a new key; only its owner can read it.\n{owner}\
         Copy it to every other machine, where nobody can read along:\n    \
         scp -p {shown} root@SLAVE:{shown}\n\
         and write into the configuration of the master and of each slave:\n    \
         key-file {shown}"
    ))
}

#[cfg(test)]
#[path = "keygen_tests.rs"]
mod tests;
