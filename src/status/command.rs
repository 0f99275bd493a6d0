//! `upsentry status`: connects, gives its rights up, reads, prints. Needs no root, but leave to connect.

use std::io::IsTerminal as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::unistd::Uid;

use crate::status::check::{self, UNKNOWN};
use crate::status::collect::{Collector, Snapshot};
use crate::status::report::Broken;
use crate::status::{json, prometheus, screen, watch};
use crate::sys::text::{complain, show};
use crate::sys::{confine, now, process};

/// Where the daemon's socket is, if nothing else is said.
pub const DEFAULT: &str = "/run/upsentry/status";
/// A snapshot comes within this, or nobody serves the socket now: a monitor that is replaced needs a moment.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(50);

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// For people.
    #[default]
    Screen,
    /// A JSON object on a line.
    Json,
    /// Prometheus' text format.
    Prometheus,
    /// One line, and an exit status.
    Check,
    /// A line for each change of a variable.
    Record,
}

/// What the command line wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// How it is shown.
    pub form: Form,
    /// Again at each change, until ^C; with a screen or JSON only.
    pub watch: bool,
}

/// What the command line says of it.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--socket`.
    pub socket: Option<PathBuf>,
    /// `--watch`.
    pub watch: bool,
    /// `--check`.
    pub check: bool,
    /// `--prometheus`.
    pub prometheus: bool,
    /// `--record`.
    pub record: bool,
}

impl Flags {
    /// Sets the one of this name; false: there is none.
    pub fn set(&mut self, name: &str) -> bool {
        match name {
            "watch" => self.watch = true,
            "check" => self.check = true,
            "prometheus" => self.prometheus = true,
            "record" => self.record = true,
            _ => return false,
        }
        true
    }

    /// Some were given, and make sense for `status` only.
    pub fn any(&self) -> bool {
        self.socket.is_some() || self.watch || self.check || self.prometheus || self.record
    }

    /// The form that they ask for, `--json` among them.
    ///
    /// # Errors
    /// They do not go together.
    pub fn form(&self, json: bool) -> Result<Form, &'static str> {
        match (json, self.prometheus, self.check) {
            (false, false, false) if self.record && self.watch => Ok(Form::Record),
            _ if self.record => Err("--record goes with --watch, and no other form"),
            (false, false, false) => Ok(Form::Screen),
            (true, false, false) => Ok(Form::Json),
            (false, true, false) if !self.watch => Ok(Form::Prometheus),
            (false, false, true) if !self.watch => Ok(Form::Check),
            (false, ..) if self.watch => Err("--watch goes with the screen or --json"),
            _ => Err("one of --json, --prometheus and --check"),
        }
    }
}

/// Shows the status. Exit status 0: shown; 1: the daemon cannot be reached; with [`Form::Check`] as
/// [`check::line`] says.
pub fn run(wanted: &Wanted) -> u8 {
    if wanted.watch {
        return watch::run(wanted);
    }
    let shown = reach(&wanted.socket).and_then(|fd| {
        give_up_rights(&fd)?;
        first(&fd)
    });
    let snapshot = match shown {
        Ok(snapshot) => snapshot,
        Err(error) => return refuse(wanted, &error),
    };
    let (text, status) = match wanted.form {
        // A record without `--watch` is refused before.
        Form::Screen | Form::Record => {
            (screen::draw(&snapshot, std::io::stdout().is_terminal()), 0)
        }
        Form::Json => (json::write(&snapshot), 0),
        Form::Prometheus => (prometheus::write(&snapshot), 0),
        Form::Check => check::line(&snapshot),
    };
    show(format_args!("{}", text.trim_end()));
    status
}

fn refuse(wanted: &Wanted, error: &str) -> u8 {
    match wanted.form {
        Form::Check => {
            show(format_args!("UPSENTRY UNKNOWN - {error}"));
            return UNKNOWN;
        }
        Form::Prometheus => show(format_args!("{}", prometheus::DOWN.trim_end())),
        Form::Screen | Form::Json | Form::Record => {}
    }
    complain(format_args!("upsentry: {error}"));
    1
}

/// Connects; the socket does not block.
///
/// # Errors
/// Why not, in words.
pub(super) fn reach(path: &Path) -> Result<OwnedFd, String> {
    let shown = path.display();
    let said = |error: Errno| match error {
        Errno::ENOENT | Errno::ECONNREFUSED => format!(
            "{shown}: nobody answers ({}): is the daemon running, and with a `status-socket'?",
            error.desc()
        ),
        Errno::EACCES => format!(
            "{shown}: permission denied: `status-socket' says who may connect, by mode and group"
        ),
        Errno::EAGAIN => format!("{shown}: the daemon does not answer: no monitor runs now"),
        error => format!("{shown}: {}", error.desc()),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(said)?;
    let address = UnixAddr::new(path.as_os_str().as_bytes()).map_err(said)?;
    let end = now().saturating_add(PATIENCE);
    loop {
        match connect(fd.as_raw_fd(), &address) {
            Ok(()) => return Ok(fd),
            // Others wait already.
            Err(Errno::EAGAIN | Errno::EINTR) if now() < end => {
                process::wait(&mut [], Some(AGAIN)).map_err(said)?;
            }
            Err(error) => return Err(said(error)),
        }
    }
}

/// What comes from there was made in a jail that may have been taken over: it is not root's to read.
pub(super) fn give_up_rights(fd: &OwnedFd) -> Result<(), String> {
    if Uid::effective().is_root() { confine::to_nobody(&[fd.as_raw_fd()]) } else { Ok(()) }
}

/// The first snapshot.
fn first(fd: &OwnedFd) -> Result<Snapshot, String> {
    let mut collector = Collector::default();
    let mut found = None;
    let end = now().saturating_add(PATIENCE);
    while found.is_none() {
        let left = end.saturating_sub(now());
        if left.is_zero() {
            return Err(
                "the daemon does not answer: no monitor runs now, so it is blind".to_owned()
            );
        }
        receive(fd, left, &mut collector, &mut |snapshot| found = found.take().or(Some(snapshot)))?;
    }
    found.ok_or_else(String::new)
}

/// Waits for at most so long, and takes what has come.
///
/// # Errors
/// The connection is over, or what came is no report.
pub(super) fn receive(
    fd: &OwnedFd,
    wait: Duration,
    collector: &mut Collector,
    whole: &mut dyn FnMut(Snapshot),
) -> Result<(), String> {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    process::wait(&mut fds, Some(wait)).map_err(|error| error.to_string())?;
    let mut buffer = [0; 8192];
    let length = match process::read_some(fd.as_fd(), &mut buffer) {
        Ok(None) => return Ok(()),
        Ok(Some(length @ 1..)) => length,
        Ok(Some(0)) | Err(_) => return Err("the daemon's monitor has ended".to_owned()),
    };
    let broken = |broken| match broken {
        Broken::Version => "the daemon is of another version of upsentry: restart it".to_owned(),
        Broken::Shape => "what the daemon says is no status".to_owned(),
        Broken::TooMuch => "what the daemon says has no end".to_owned(),
    };
    collector.take(buffer.get(..length).unwrap_or_default(), whole).map_err(broken)
}
