//! Opening a serial port so that its output lines stay as they are set, before, while and after we
//! hold it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::termios::{self, BaudRate, ControlFlags, SetArg};

use crate::config::Outputs;
use crate::sys::raw;
use crate::sys::tty::{Lines, drive};

/// How long another holder may take to let go: a daemon that is just being restarted.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a port could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no such device, now.
    Absent,
    /// Another program holds it.
    Busy,
    /// Anything else.
    Failed(Errno),
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Problem::Absent => "no such device",
            Problem::Busy => {
                "another program holds it (NUT, apcupsd, a getty, or another upsentry?)"
            }
            Problem::Failed(Errno::ENOTTY | Errno::EINVAL) => "not a serial port with modem lines",
            Problem::Failed(error) => return error.fmt(f),
        })
    }
}

/// Opens the port for us alone and drives `init`. Must be root's doing: the jail cannot.
///
/// # Errors
/// What is wrong with it.
pub fn watch(path: &Path, init: Outputs) -> Result<OwnedFd, Problem> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let port = prepare(path, init)?;
        match raw::adopt(port) {
            Ok(port) => return Ok(raw::release(port)),
            // Dropping it gives up nothing: the other holder's exclusive lock stands.
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(100)),
            Err(_) => return Err(Problem::Busy),
        }
    }
}

/// Opens the port beside whoever holds it, for `-k`, and leaves the lines as they are.
///
/// # Errors
/// What is wrong with it.
pub fn seize(path: &Path, init: Outputs) -> Result<OwnedFd, Problem> {
    prepare(path, init)
}

fn prepare(path: &Path, init: Outputs) -> Result<OwnedFd, Problem> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let tty = open(path, flags, Mode::empty()).map_err(|error| match error {
        Errno::ENOENT | Errno::ENXIO | Errno::ENODEV => Problem::Absent,
        Errno::EBUSY => Problem::Busy,
        other => Problem::Failed(other),
    })?;
    let lines = Lines::read(tty.as_fd()).map_err(Problem::Failed)?;
    quiet(&tty).map_err(Problem::Failed)?;
    // Going to B0 lowers both lines, so those that nobody named are put back as they were.
    let dtr = init.dtr.unwrap_or(lines.dtr());
    let rts = init.rts.unwrap_or(lines.rts());
    drive(tty.as_fd(), Some(dtr), Some(rts)).map_err(Problem::Failed)?;
    Ok(tty)
}

/// Raw, CLOCAL (no hangup when DCD falls), no HUPCL (the lines stay when we go), and speed B0: with any
/// other speed the kernel raises DTR and RTS at every later open, which is the kill signal of some cables.
fn quiet(tty: &OwnedFd) -> nix::Result<()> {
    let mut modes = termios::tcgetattr(tty)?;
    termios::cfmakeraw(&mut modes);
    modes.control_flags.insert(ControlFlags::CLOCAL);
    modes.control_flags.remove(ControlFlags::HUPCL | ControlFlags::CRTSCTS | ControlFlags::CREAD);
    termios::cfsetspeed(&mut modes, BaudRate::B0)?;
    match termios::tcsetattr(tty, SetArg::TCSANOW, &modes) {
        // Also where all but CREAD was so before (a restart) and the driver insists on that: see below.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(error) => return Err(error),
    }
    let is = termios::tcgetattr(tty)?;
    let flags = is.control_flags & (ControlFlags::CLOCAL | ControlFlags::HUPCL);
    match flags == ControlFlags::CLOCAL && termios::cfgetospeed(&is) == BaudRate::B0 {
        true => Ok(()),
        false => Err(Errno::EINVAL),
    }
}
