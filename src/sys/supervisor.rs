//! A supervisor of systemd's protocol: who starts us names a socket in the environment. The crate sd-notify looks for
//! that socket, by its path, at each word; here environment and paths are gone by then, and the words are few.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use crate::sys::datagram;
use crate::sys::text::complain;

/// Says that the start is over, although a device or a name is still awaited.
pub const WAITS: &[u8] = b"READY=1\nSTATUS=waiting for a device or a name";
/// Feeds the watchdog.
pub const LIVES: &[u8] = b"WATCHDOG=1";

/// Whom the environment names as supervisor.
#[derive(Debug)]
pub struct Named {
    socket: OsString,
    /// Microseconds.
    watchdog: Option<OsString>,
}

impl Named {
    /// From the environment, before that is forgotten; `None`: there is no supervisor that wants to hear of us.
    pub fn find() -> Option<Named> {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        Some(Named { socket, watchdog: std::env::var_os("WATCHDOG_USEC") })
    }

    /// Of the environment what is known here, for a program that takes our place.
    pub fn environment(&self) -> Vec<CString> {
        let word = |name: &str, value: &OsString| {
            CString::new([name.as_bytes(), value.as_bytes()].concat()).ok()
        };
        let watchdog = self.watchdog.iter().filter_map(|limit| word("WATCHDOG_USEC=", limit));
        word("NOTIFY_SOCKET=", &self.socket).into_iter().chain(watchdog).collect()
    }

    /// Connects to it; what cannot be done is said, and changes nothing else.
    pub fn connect(&self) -> Option<Line> {
        let watchdog = self.watchdog.as_ref().and_then(|word| word.to_str()?.parse().ok());
        let watchdog = watchdog.filter(|limit| *limit > 0).map(Duration::from_micros);
        let socket = datagram::connect(&self.socket);
        let socket = socket.inspect_err(|error| {
            let name = Path::new(&self.socket).display();
            complain(format_args!("upsentry: NOTIFY_SOCKET {name}: {error}"));
        });
        Some(Line { socket: socket.ok()?, watchdog })
    }
}

/// An open socket to the supervisor.
#[derive(Debug)]
pub struct Line {
    socket: OwnedFd,
    watchdog: Option<Duration>,
}

impl Line {
    /// Its descriptor.
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// After how long without a word it acts; `None`: never.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Says it, if it can be said now.
    pub fn say(&self, words: &[u8]) -> bool {
        // A reader that is gone is asked no more than one that hears.
        !matches!(
            datagram::tell(self.socket.as_fd(), words),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM)
        )
    }
}
