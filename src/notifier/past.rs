//! `upsentry history`: reads the file that the daemon wrote, without a right.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::unistd::Uid;

use crate::history::record::{BOUND, Ring};
use crate::history::view;
use crate::notifier::state::current_boot;
use crate::sys::{confine, raw, unix_time};

/// The file as a table, or as JSON.
///
/// # Errors
/// It cannot be opened or read.
pub fn show(path: &Path, json: bool) -> Result<String, String> {
    let said = |error: std::io::Error| format!("history {}: {error}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("history {}: not there: nothing was ever told", path.display()));
        }
        Err(error) => return Err(said(error)),
    };
    let boot = current_boot().tag();
    // What must be read from files for it is read now.
    let _ = raw::local(unix_time());
    if Uid::effective().is_root() {
        // The daemon's parent wrote the file, so what is in it is not root's to read.
        confine::to_nobody(&[file.as_raw_fd()])?;
    }
    let mut bytes = Vec::new();
    file.take(BOUND).read_to_end(&mut bytes).map_err(said)?;
    Ok(of(&bytes, &boot, json))
}

/// The same of bytes that may be anything. `boot`: the boot that now is.
pub fn of(bytes: &[u8], boot: &str, json: bool) -> String {
    let outages = view::outages(Ring::new(bytes).records(), boot);
    match (json, outages.is_empty()) {
        (true, _) => view::json(&outages),
        (false, true) => "no outage yet".to_owned(),
        (false, false) => view::table(&outages, local).trim_end().to_owned(),
    }
}

/// `2026-11-21 02:14:07`, where this machine is.
fn local(at: i64) -> String {
    let Some([year, month, day, hour, minute, second]) = raw::local(at) else {
        return at.to_string();
    };
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}
