//! Where the log goes: a sink for the `log` crate that was opened at the start, never blocks, never
//! opens anything again, and counts what it had to drop.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::time::TimeSpec;

use crate::sys::text::Text;
use crate::sys::{datagram, process};

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

/// Logs at a syslog severity (0..=7), which the `log` crate's levels cannot tell apart.
pub fn say(severity: u8, line: fmt::Arguments<'_>) {
    pass_on(severity, "01234567", line);
}

/// Logs a line that the monitor sent, under a tag of its own: no line of its making looks like ours.
pub fn quote(severity: u8, line: &[u8]) {
    // The pipe lets only 0x20..=0x7e pass.
    if let Ok(line) = core::str::from_utf8(line) {
        pass_on(severity, "abcdefgh", format_args!("{line}"));
    }
}

/// Logs under the tag that these eight targets stand for, one for each severity.
pub(super) fn pass_on(severity: u8, targets: &'static str, line: fmt::Arguments<'_>) {
    let level = match severity {
        0..=ERROR => log::Level::Error,
        WARNING => log::Level::Warn,
        5 | 6 => log::Level::Info,
        _ => log::Level::Debug,
    };
    let index = usize::from(severity.min(7));
    let target = targets.get(index..=index).unwrap_or("7");
    log::log!(target: target, level, "{line}");
}

#[derive(Debug)]
enum Route {
    Stderr,
    /// A datagram socket connected to /dev/log, and /dev/kmsg for when its reader has died.
    Syslog {
        socket: Option<OwnedFd>,
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
    /// Opens and registers the sink for the rest of the process's life. With `stderr` not, it goes to
    /// syslog, else the kernel's log, else (neither is there) stderr.
    pub fn open(stderr: bool) -> &'static Sink {
        let route = if stderr { Route::Stderr } else { Route::syslog() };
        let sink = Sink { route, dead: AtomicBool::new(false), dropped: AtomicU64::new(0) };
        let sink: &'static Sink = Box::leak(Box::new(sink));
        // Fails only if there is one already, which was made here.
        let _ = log::set_logger(sink);
        log::set_max_level(log::LevelFilter::Debug);
        sink
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
                let sent = socket.map(|socket| datagram::tell(socket.as_fd(), text.bytes()));
                match (sent, kmsg) {
                    (Some(Ok(())), _) => true,
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
        let socket = datagram::connect("/dev/log".as_ref()).ok();
        let kmsg = OpenOptions::new().write(true).open("/dev/kmsg").ok().map(OwnedFd::from);
        if socket.is_none() && kmsg.is_none() {
            return Route::Stderr;
        }
        Route::Syslog { socket, kmsg }
    }
}

impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (severity, tag) = match (record.target().as_bytes(), record.level()) {
            ([digit @ b'0'..=b'7'], _) => (digit.saturating_sub(b'0'), "upsentry"),
            ([letter @ b'a'..=b'h'], _) => (letter.saturating_sub(b'a'), "upsentry-mon"),
            ([letter @ b'i'..=b'p'], _) => (letter.saturating_sub(b'i'), "upsentry-notify"),
            (_, log::Level::Error) => (ERROR, "upsentry"),
            (_, log::Level::Warn) => (WARNING, "upsentry"),
            (_, log::Level::Info) => (6, "upsentry"),
            _ => (7, "upsentry"),
        };
        if !self.write(severity, tag, *record.args()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// A stopped terminal must not stop the daemon. That we cannot even ask is no reason for silence.
fn ready(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    let polled = nix::poll::ppoll(&mut fds, Some(TimeSpec::new(0, 0)), None);
    polled.is_err() || fds.iter().all(|fd| fd.any() == Some(true))
}
