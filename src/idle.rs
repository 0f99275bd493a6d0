//! Waiting under init, whose respawn line would start a daemon again and again that must not run.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Debian's sendsigs, at a halt, neither ends nor waits for the processes that are listed in these files.
const SPARED: &str = "/run/sendsigs.omit.d/upsentry";
/// So often a marker is looked for.
const STEP: Duration = Duration::from_secs(1);
/// So often a file is looked at that nobody may ever write.
const LONG_STEP: Duration = Duration::from_secs(5);

/// Waits while there is a marker: an init script stopped the daemon for good, or for the rest of a halt. False: there is
/// none.
pub(crate) fn while_stopped(marker: &Path) -> bool {
    if !marker.exists() {
        return false;
    }
    let spared = spare();
    while marker.exists() {
        std::thread::sleep(STEP);
    }
    if spared {
        let _ = fs::remove_file(SPARED);
    }
    true
}

/// Waits until the file is written, or made.
pub(crate) fn until_written(path: &Path) {
    let before = stamp(path);
    let spared = spare();
    while stamp(path) == before {
        std::thread::sleep(LONG_STEP);
    }
    if spared {
        let _ = fs::remove_file(SPARED);
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Where there is no such directory, nobody looks into it.
fn spare() -> bool {
    let file = fs::File::create(SPARED);
    file.and_then(|mut file| writeln!(file, "{}", std::process::id())).is_ok()
}
