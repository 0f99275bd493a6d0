//! Plays init: its end of the control FIFO.

use crate::log::{Log, now};
use crate::request;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// init's control FIFO.
#[derive(Debug)]
pub struct Init {
    path: PathBuf,
    end: Option<OwnedFd>,
    stopped: bool,
}

impl Init {
    /// Makes the FIFO and opens it as init does.
    pub fn new(path: &Path) -> io::Result<Self> {
        let end = Some(open_fifo(path)?);
        Ok(Self { path: path.to_owned(), end, stopped: false })
    }

    /// What to wait on, unless init is stopped or has closed its end.
    pub fn end(&self) -> Option<&OwnedFd> {
        self.end.as_ref().filter(|_| !self.stopped)
    }

    /// Reads and logs all that is there.
    pub fn read(&self, log: &mut Log) {
        let Some(end) = self.end() else { return };
        let mut bytes = [0u8; request::SIZE];
        while let Ok(size) = nix::unistd::read(end, &mut bytes) {
            let nanos = now();
            log.line(
                nanos,
                format_args!("{}", request::describe(bytes.get(..size).unwrap_or_default())),
            );
            if size == 0 {
                break;
            }
        }
    }

    /// Stops or starts to read.
    pub fn stop(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// Closes init's end.
    pub fn close(&mut self) {
        self.end = None;
    }

    /// Opens what stands at the path now, making it where there is nothing.
    pub fn open(&mut self) -> io::Result<()> {
        self.end = Some(open_fifo(&self.path)?);
        Ok(())
    }

    /// Removes the FIFO; who has it open keeps it.
    pub fn unlink(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        remove_fifo(&self.path);
    }
}

/// Makes a FIFO for root only, if there is none, and opens it for reading and writing, so that writers may come and go.
pub fn open_fifo(path: &Path) -> io::Result<OwnedFd> {
    let name =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match fs::symlink_metadata(path) {
        Ok(old) if old.file_type().is_fifo() => {}
        Ok(_) => return Err(name(io::Error::other("exists and is no FIFO"))),
        Err(_) => {
            mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|error| name(error.into()))?
        }
    }
    let how = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    open(path, how, Mode::empty()).map_err(|error| name(error.into()))
}

/// Removes a FIFO and nothing else.
pub fn remove_fifo(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|old| old.file_type().is_fifo()) {
        let _ = fs::remove_file(path);
    }
}
