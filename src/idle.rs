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

/// When a file was last written, and its size; `None`: there is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written(Option<(SystemTime, u64)>);

impl Written {
    /// Now: to be asked before the file is read, because somebody may write it meanwhile.
    pub(crate) fn of(path: &Path) -> Self {
        let meta = fs::metadata(path).ok();
        Self(meta.and_then(|meta| Some((meta.modified().ok()?, meta.len()))))
    }

    /// Waits until the file has been written, or made, since then; or is no longer the one that counts.
    pub(crate) fn wait(&self, path: &Path, counts: impl Fn() -> bool) {
        let spared = spare();
        while counts() && Self::of(path) == *self {
            std::thread::sleep(LONG_STEP);
        }
        if spared {
            let _ = fs::remove_file(SPARED);
        }
    }
}

/// Where there is no such directory, nobody looks into it.
fn spare() -> bool {
    let file = fs::File::create(SPARED);
    file.and_then(|mut file| writeln!(file, "{}", std::process::id())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an administrator writes while the program reads it is not waited for once more.
    #[test]
    fn what_was_written_meanwhile_is_enough() -> std::io::Result<()> {
        let path = std::env::temp_dir().join(format!("upsentry-idle-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        for text in ["# nothing yet\n", "watch /dev/ttyS0\n"] {
            let before = Written::of(&path);
            assert_eq!(Written::of(&path), before);
            fs::write(&path, text)?;
            let (done, is_done) = std::sync::mpsc::channel();
            let waited = path.clone();
            std::thread::spawn(move || {
                before.wait(&waited, || true);
                done.send(())
            });
            assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(()));
        }
        fs::remove_file(&path)
    }
}
