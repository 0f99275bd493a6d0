//! One simulated port: a pty, the link to it, its lines, and what a serial driver does with DTR and RTS
//! when the tty is opened, closed and set to speed 0.

use crate::lines::{self, Drive, Lines, Waiters};
use crate::log::Log;
use crate::options::PortOption;
use crate::sys;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::inotify::{AddWatchFlags, Inotify, WatchDescriptor};
use nix::sys::stat::{Mode, stat};
use nix::sys::termios::{ControlFlags, SetArg, tcgetattr, tcsetattr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What a serial port's driver starts with.
const FRESH: u32 = libc::B9600 | libc::CS8 | libc::CREAD | libc::HUPCL | libc::CLOCAL;

/// One simulated port.
#[derive(Debug)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Levels.
    pub lines: Lines,
    /// Threads inside TIOCMIWAIT.
    pub waiters: Waiters,
    /// What TIOCMIWAIT fails with.
    pub refuse: Option<Errno>,
    /// Every modem call fails.
    pub eio: bool,
    /// The tty was hung up while open, so some of the descriptors on it may be dead.
    pub hung: bool,
    /// TIOCEXCL was called.
    pub exclusive: bool,
    /// Device number of the tty.
    pub device: u64,
    master: PtyMaster,
    tty: PathBuf,
    link: PathBuf,
    watch: WatchDescriptor,
    open: bool,
}

impl Port {
    /// Makes the pty and the link.
    pub fn new(option: &PortOption, refuse: Option<Errno>, inotify: &Inotify) -> io::Result<Self> {
        let master =
            posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let tty = PathBuf::from(ptsname_r(&master)?);
        let mut settings = tcgetattr(&master)?;
        settings.control_flags = ControlFlags::from_bits_retain(FRESH);
        tcsetattr(&master, SetArg::TCSANOW, &settings)?;
        let mut lines = Lines::default();
        lines.inputs = option.lines.apply(0);
        let port = Self {
            name: option.name.clone(),
            lines,
            waiters: Waiters::default(),
            refuse,
            eio: false,
            hung: false,
            exclusive: false,
            device: stat(&tty)?.st_rdev,
            watch: watch(inotify, &tty)?,
            master,
            tty,
            link: option.path.clone(),
            open: false,
        };
        port.make_link()?;
        Ok(port)
    }

    /// The side of the pty that the UPS would be on.
    pub fn master(&self) -> &PtyMaster {
        &self.master
    }

    /// True when an inotify event is about this port.
    pub fn watched_as(&self, watch: WatchDescriptor) -> bool {
        self.watch == watch
    }

    /// True while the program has it open.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The link, made or replaced; what is no link is left alone.
    pub fn make_link(&self) -> io::Result<()> {
        if fs::symlink_metadata(&self.link).is_ok_and(|old| !old.is_symlink()) {
            let text = format!("{} exists and is no symbolic link", self.link.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let mut new = self.link.clone().into_os_string();
        new.push(format!(".{}", std::process::id()));
        symlink(&self.tty, &new)?;
        fs::rename(&new, &self.link)
    }

    /// Removes the link if it is still ours.
    pub fn remove_link(&self) {
        if fs::read_link(&self.link).is_ok_and(|tty| tty == self.tty) {
            let _ = fs::remove_file(&self.link);
        }
    }

    fn cflag(&self) -> u32 {
        tcgetattr(&self.master).map_or(FRESH, |settings| settings.control_flags.bits())
    }

    fn speed_is_zero(&self) -> bool {
        self.cflag() & libc::CBAUD == libc::B0
    }

    /// True when the port follows DCD, that is, CLOCAL is off.
    pub fn follows_carrier(&self) -> bool {
        self.cflag() & libc::CLOCAL == 0
    }

    /// Logs the outputs and the settings that matter to them.
    pub fn log_outputs(&self, log: &mut Log, nanos: u64, by: &str, cflag: Option<u32>) {
        let outputs = self.lines.show_outputs();
        let settings = show_settings(cflag.unwrap_or_else(|| self.cflag()));
        log.line(nanos, format_args!("{} out {outputs} by={by} {settings}", self.name));
    }

    /// The tty was opened: at any speed but 0 the driver raises DTR and RTS, each time.
    pub fn opened(&mut self, log: &mut Log, nanos: u64) {
        self.open = true;
        log.line(nanos, format_args!("{} open", self.name));
        if !self.speed_is_zero() {
            self.lines.drive(Drive::Raise, lines::DTR | lines::RTS);
            self.log_outputs(log, nanos, "open", None);
        }
    }

    /// If the last descriptor is gone: the driver lowers DTR and RTS where HUPCL is on, and exclusive use ends.
    pub fn check_closed(&mut self, log: &mut Log, inotify: &Inotify, nanos: u64) {
        if !self.open || !self.nobody_has_it() {
            return;
        }
        self.open = false;
        self.hung = false;
        log.line(nanos, format_args!("{} close", self.name));
        if self.cflag() & libc::HUPCL != 0 {
            self.lines.drive(Drive::Lower, lines::DTR | lines::RTS);
            self.log_outputs(log, nanos, "close", None);
        }
        if std::mem::take(&mut self.exclusive) {
            let _ = self.unseen(inotify, |tty| sys::not_exclusive(tty.as_fd()));
            if !self.nobody_has_it() {
                self.opened(log, nanos);
            }
        }
    }

    /// Hangs the tty up, as a driver does when the carrier or the adapter goes.
    pub fn hang_up(&mut self, log: &mut Log, inotify: &Inotify, nanos: u64) {
        log.line(nanos, format_args!("{} hangup", self.name));
        if let Err(error) = self.unseen(inotify, |tty| sys::hang_up(tty.as_fd())) {
            log.line(nanos, format_args!("error hangup {}: {error}", self.name));
        }
        self.hung = self.open;
        if self.open && self.cflag() & libc::HUPCL != 0 {
            self.lines.drive(Drive::Lower, lines::DTR | lines::RTS);
            self.log_outputs(log, nanos, "close", None);
        }
    }

    /// New settings are on their way to the kernel: speed 0 lowers the outputs, leaving it raises them.
    pub fn settings(&mut self, log: &mut Log, nanos: u64, new: u32) {
        let old = self.cflag();
        let shown = libc::CBAUD | libc::CLOCAL | libc::HUPCL;
        if (old ^ new) & shown != 0 {
            log.line(nanos, format_args!("{} termios {}", self.name, show_settings(new)));
        }
        let zero = |cflag: u32| cflag & libc::CBAUD == libc::B0;
        let how = match (zero(old), zero(new)) {
            (false, true) => Drive::Lower,
            (true, false) => Drive::Raise,
            _ => return,
        };
        self.lines.drive(how, lines::DTR | lines::RTS);
        self.log_outputs(log, nanos, "speed", Some(new));
    }

    /// Reads away what the program wrote and says how much it was.
    pub fn drain(&mut self, log: &mut Log) {
        let mut bytes = [0u8; 4096];
        let mut total = 0;
        while let Ok(size @ 1..) = nix::unistd::read(&self.master, &mut bytes) {
            total += size;
        }
        if total > 0 {
            log.note(format_args!("{} data {total}", self.name));
        }
    }

    /// The pty's master reports a hang-up exactly while no descriptor of the tty is open.
    fn nobody_has_it(&self) -> bool {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::empty())];
        let ready = poll(&mut fds, PollTimeout::ZERO).unwrap_or(0);
        ready > 0
            && fds.iter().any(|fd| fd.revents().is_some_and(|r| r.contains(PollFlags::POLLHUP)))
    }

    /// Opens the tty for a moment without taking that for an open of the program.
    fn unseen(
        &mut self,
        inotify: &Inotify,
        act: impl FnOnce(&OwnedFd) -> nix::Result<()>,
    ) -> nix::Result<()> {
        let _ = inotify.rm_watch(self.watch);
        let result =
            open(&self.tty, OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty())
                .and_then(|tty| act(&tty));
        self.watch = watch(inotify, &self.tty)?;
        result
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.remove_link();
    }
}

fn watch(inotify: &Inotify, tty: &Path) -> nix::Result<WatchDescriptor> {
    let what =
        AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_CLOSE_NOWRITE;
    inotify.add_watch(tty, what)
}

/// `speed=9600 clocal=1 hupcl=1`.
fn show_settings(cflag: u32) -> String {
    const SPEEDS: [u32; 16] =
        [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
    let speed = usize::try_from(cflag & libc::CBAUD).unwrap_or(usize::MAX);
    let speed = SPEEDS.get(speed).map_or_else(|| "other".to_owned(), ToString::to_string);
    let flag = |bit| u8::from(cflag & bit != 0);
    format!("speed={speed} clocal={} hupcl={}", flag(libc::CLOCAL), flag(libc::HUPCL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_as_numbers() {
        assert_eq!(show_settings(FRESH), "speed=9600 clocal=1 hupcl=1");
        assert_eq!(show_settings(libc::B0 | libc::CLOCAL), "speed=0 clocal=1 hupcl=0");
        assert_eq!(show_settings(libc::B115200), "speed=other clocal=0 hupcl=0");
    }
}
