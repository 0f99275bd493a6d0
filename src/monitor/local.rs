//! The socket of a NUT driver: connected from inside the jail, as often as the driver is started anew.

use core::fmt;
use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use crate::monitor::Fed;
use crate::monitor::fed::Connection;
use crate::nut::driver::{Driver, Settings};
use crate::nut::known::Known;
use crate::nut::server::Trouble;
use crate::nut::values::Values;
use crate::sys::{process, raw};

/// A driver, and the connection to it.
#[derive(Debug)]
pub(super) struct Local<'a> {
    /// Where it listens, in the jail.
    path: &'a str,
    /// The directory of that; once it is removed, no driver can be found in it any more. `None`: it is not there yet.
    directory: Option<&'a OwnedFd>,
    /// The numbers that a connection may have, by the filter.
    numbers: &'a [RawFd],
    driver: Driver,
    socket: Option<OwnedFd>,
    /// Why there was no connection the last time.
    error: Option<Errno>,
}

impl<'a> Local<'a> {
    pub(super) fn new(
        path: &'a str,
        directory: Option<&'a OwnedFd>,
        numbers: &'a [RawFd],
        plan: &Fed,
    ) -> Local<'a> {
        let Fed { deadtime, wanted, .. } = plan;
        let driver = Driver::new(&Settings { deadtime: *deadtime, wanted: wanted.clone() });
        Local { path, directory, numbers, driver, socket: None, error: None }
    }

    fn dial(&mut self, now: Duration) -> Result<(), Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        if !self.numbers.contains(&fd.as_raw_fd()) {
            // The filter would not even let it be closed. The next monitor begins anew.
            raw::exit(1)
        }
        if let Err(error) = UnixAddr::new(self.path).and_then(|to| connect(fd.as_raw_fd(), &to)) {
            process::close(fd);
            return Err(error);
        }
        self.socket = Some(fd);
        self.driver.connected(now);
        Ok(())
    }

    fn hang_up(&mut self, now: Duration, error: Option<Errno>) {
        if let Some(socket) = self.socket.take() {
            process::close(socket);
            self.error = error;
            self.driver.disconnected(now);
        }
    }
}

impl Connection for Local<'_> {
    fn attend(&mut self, now: Duration) {
        if self.socket.is_none() && self.directory.is_some() && self.driver.dial(now) {
            self.error = self.dial(now).err();
        }
        while let (Some(socket), Some(request)) = (&self.socket, self.driver.output(now)) {
            match nix::unistd::write(socket, request) {
                Ok(written) if written == request.len() => {}
                // It has not read what is smaller than any buffer.
                Ok(_) => self.hang_up(now, Some(Errno::EAGAIN)),
                Err(error) => self.hang_up(now, Some(error)),
            }
        }
    }

    fn receive(&mut self, now: Duration, buffer: &mut [u8]) -> usize {
        let Some(socket) = &self.socket else { return 0 };
        match nix::unistd::read(socket, buffer) {
            Ok(0) => self.hang_up(now, None),
            Ok(length) => return length,
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => self.hang_up(now, Some(error)),
        }
        0
    }

    fn take(&mut self, now: Duration, bytes: &[u8]) -> usize {
        self.driver.receive(now, bytes)
    }

    fn known(&self) -> Known {
        self.driver.known()
    }

    fn values(&self) -> &Values {
        self.driver.values()
    }

    fn poll(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.socket.as_ref().map(|socket| (socket.as_fd(), PollFlags::POLLIN))
    }

    fn next(&self, now: Duration) -> Option<Duration> {
        // Without a directory nothing is ever tried, and what is always due would be a spin.
        self.directory?;
        self.driver.next(now)
    }

    fn refusal(&self) -> Option<Trouble> {
        None
    }

    fn trouble(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.socket, self.error) {
            (Some(_), _) => f.write_str("it is silent, or has no fresh data"),
            (None, Some(Errno::ENOENT)) => f.write_str("it does not run: no socket"),
            (None, Some(Errno::ECONNREFUSED)) => f.write_str("it does not run: a dead socket"),
            (None, Some(Errno::EACCES)) => f.write_str(
                "its socket or the directory does not let in the directory's group, which is all that we have",
            ),
            (None, Some(error)) => write!(f, "its socket says {error}"),
            (None, None) if self.directory.is_none() => {
                f.write_str("the directory of its socket is not there")
            }
            (None, None) => f.write_str("it has ended"),
        }
    }

    /// NUT's directory was removed: another one of the same name cannot be seen from here.
    fn gone(&self) -> bool {
        let removed = |directory: &OwnedFd| raw::links(directory.as_fd()) == Ok(0);
        self.error == Some(Errno::ENOENT) && self.directory.is_some_and(removed)
    }
}
