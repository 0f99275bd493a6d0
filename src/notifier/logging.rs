//! Where the log goes: a sink that was opened at the start, never blocks, never opens anything again, and counts
//! what it had to drop.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::time::TimeSpec;

use crate::sys::process;
use crate::sys::text::Text;

/// Syslog severities.
pub const EMERG: u8 = 0;
/// Action must be taken at once.
pub const ALERT: u8 = 1;
/// An error.
pub const ERROR: u8 = 3;
/// A warning.
pub const WARNING: u8 = 4;
/// Normal, but worth reading.
pub const NOTICE: u8 = 5;
/// The `daemon` facility, shifted as syslog wants it.
const FACILITY: u8 = 3 << 3;
/// The longest line that is sent.
const LONGEST: usize = 512;

/// Where this process and those that it forks log to; empty: nowhere yet.
static SINK: OnceLock<Sink> = OnceLock::new();

/// Logs at a syslog severity (0..=7).
pub fn say(severity: u8, line: fmt::Arguments<'_>) {
    pass_on(severity, "upsentry", line);
}

/// Logs a line that the monitor sent, under a tag of its own: no line of its making looks like ours.
pub fn quote(severity: u8, line: &[u8]) {
    // The pipe lets only 0x20..=0x7e pass.
    if let Ok(line) = core::str::from_utf8(line) {
        pass_on(severity, "upsentry-mon", format_args!("{line}"));
    }
}

fn pass_on(severity: u8, tag: &str, line: fmt::Arguments<'_>) {
    if let Some(sink) = SINK.get().filter(|sink| !sink.write(severity.min(7), tag, line)) {
        sink.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Route {
    Stderr,
    /// A datagram socket connected to /dev/log, and /dev/kmsg for when its reader has died.
    Syslog {
        socket: Option<UnixDatagram>,
        kmsg: Option<OwnedFd>,
    },
}

/// The sink.
#[derive(Debug)]
pub struct Sink {
    route: Route,
    /// The syslog socket has no reader any more; it never gets one again.
    dead: AtomicBool,
    dropped: AtomicU64,
}

impl Sink {
    /// Opens the sink for the rest of the process's life. With `stderr` not, it goes to syslog, else the
    /// kernel's log, else (neither is there) stderr.
    pub fn open(stderr: bool) -> &'static Sink {
        SINK.get_or_init(|| Sink {
            route: if stderr { Route::Stderr } else { Route::syslog() },
            dead: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        })
    }

    /// The descriptor it writes to, and the one it sends on.
    pub fn descriptors(&self) -> (Option<RawFd>, Option<RawFd>) {
        match &self.route {
            Route::Stderr => (Some(2), None),
            Route::Syslog { socket, kmsg } => {
                (kmsg.as_ref().map(AsRawFd::as_raw_fd), socket.as_ref().map(AsRawFd::as_raw_fd))
            }
        }
    }

    /// Standard error is where the log goes.
    pub fn uses_stderr(&self) -> bool {
        matches!(self.route, Route::Stderr)
    }

    /// Lines that could not be written since the last call.
    pub fn dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    fn write(&self, severity: u8, tag: &str, line: fmt::Arguments<'_>) -> bool {
        let id = process::id();
        let priority = FACILITY | severity;
        match &self.route {
            Route::Stderr => {
                let text = Text::<LONGEST>::new(format_args!("{tag}: {line}\n"));
                let stderr = std::io::stderr();
                ready(stderr.as_fd()) && nix::unistd::write(stderr.as_fd(), text.bytes()).is_ok()
            }
            Route::Syslog { socket, kmsg } => {
                let text = Text::<LONGEST>::new(format_args!("<{priority}>{tag}[{id}]: {line}"));
                let socket = socket.as_ref().filter(|_| !self.dead.load(Ordering::Relaxed));
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                let sent = socket.map(|socket| send(socket.as_raw_fd(), text.bytes(), flags));
                match (sent, kmsg) {
                    (Some(Ok(_)), _) => true,
                    (
                        Some(Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM)),
                        _,
                    ) => false,
                    (_, Some(kmsg)) => {
                        self.dead.store(true, Ordering::Relaxed);
                        // Without its end the kernel shows a line only when the next one comes.
                        let line = Text::<{ LONGEST + 1 }>::new(format_args!("{text}\n"));
                        nix::unistd::write(kmsg, line.bytes()).is_ok()
                    }
                    _ => false,
                }
            }
        }
    }
}

impl Route {
    fn syslog() -> Route {
        let socket = UnixDatagram::unbound().ok();
        let socket = socket.filter(|socket| socket.connect("/dev/log").is_ok());
        let kmsg = OpenOptions::new().write(true).open("/dev/kmsg").ok().map(OwnedFd::from);
        if socket.is_none() && kmsg.is_none() {
            return Route::Stderr;
        }
        Route::Syslog { socket, kmsg }
    }
}

/// A stopped terminal must not stop the daemon. That we cannot even ask is no reason for silence.
fn ready(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    let polled = nix::poll::ppoll(&mut fds, Some(TimeSpec::new(0, 0)), None);
    polled.is_err() || fds.iter().all(|fd| fd.any() == Some(true))
}
