//! `upsentry import-…`: another program's file in our words. It is opened with the caller's rights and read without.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use nix::unistd::Uid;

use crate::config;
use crate::import::{Source, convert, refused};
use crate::sys::confine;

/// More is no configuration.
const LARGEST: u64 = 1 << 20;

/// The equivalent upsentry.conf, and what upsentry would have against it.
///
/// # Errors
/// The file cannot be read, or says of nothing that can be watched.
pub fn make(source: Source, path: &Path) -> Result<(String, Vec<String>), String> {
    let (name, shown) = (source.command(), path.display());
    let (file, _) = config::open_plain(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!(
            "{name}: {shown} is not there; Debian's package {} brings it. If it is elsewhere: upsentry {name} FILE",
            source.package()
        ),
        _ => format!("{name}: {shown} {error}"),
    })?;
    let mut text = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("{name}: {shown} cannot be read: {error}"))?;
    if text.len() as u64 > LARGEST {
        return Err(format!("{name}: {shown} has more than 1 MiB; a configuration is shorter"));
    }
    if Uid::effective().is_root() {
        // Whoever wrote the file is not root.
        confine::to_nobody(&[])?;
    }
    let result =
        convert(source, path, &text).map_err(|error| format!("{name}: {shown}: {error}"))?;
    let refused = refused(&result);
    Ok((result, refused))
}
