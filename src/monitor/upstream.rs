//! A NUT server over TCP. The sockets were made before the fork: each is connected anew, as often as it must be.

use core::fmt;
use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{SockaddrStorage, connect};

use crate::monitor::fed::Connection;
use crate::monitor::sync::Primary;
use crate::monitor::{Secured, Upsd};
use crate::nut::known::Known;
use crate::nut::server::Server;
use crate::nut::tls::Tls;
use crate::nut::values::Values;
use crate::sys::raw;

/// A host that does not answer for so long is not there; the next address is tried.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of one read under TLS.
const ROOM: usize = 2048;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Away,
    Connecting(Duration),
    Up,
}

/// Why there is no connection.
#[derive(Debug)]
enum Trouble {
    /// None was tried.
    None,
    /// The name does not resolve.
    NoAddress,
    Failed(Errno),
    /// It ended the connection.
    Ended,
    /// We did, for what the protocol's side says of it.
    Refused,
    Tls(String),
}

/// A server, and the connection to it.
#[derive(Debug)]
pub(super) struct Upstream<'a> {
    plan: &'a Upsd,
    server: Server,
    stage: Stage,
    /// The place of its address.
    at: usize,
    tls: Option<Tls>,
    trouble: Trouble,
}

impl<'a> Upstream<'a> {
    pub(super) fn new(plan: &'a Upsd) -> Upstream<'a> {
        let server = Server::new(plan.settings.clone());
        Upstream { plan, server, stage: Stage::Away, at: 0, tls: None, trouble: Trouble::None }
    }

    /// As a primary: whoever is logged in shall go down.
    pub(super) fn force(&mut self, now: Duration) {
        self.server.force(now);
    }

    /// What has come of that.
    pub(super) fn primary(&self) -> Primary {
        Primary {
            reached: self.stage == Stage::Up && self.server.known().heard,
            forced: self.server.forced(),
            logins: self.server.logins(),
        }
    }

    /// The socket of the present address, and the address.
    fn here(&self) -> Option<(&'a OwnedFd, SockaddrStorage)> {
        let address = self.plan.addresses.get(self.at)?;
        let four = self.plan.addresses.iter().any(|one| one.is_ipv4());
        let place = usize::from(four && address.is_ipv6());
        Some((self.plan.sockets.get(place)?, SockaddrStorage::from(*address)))
    }

    /// Begins, or asks how it stands.
    fn connect(&mut self, now: Duration, since: Duration) {
        let Some((socket, address)) = self.here() else {
            self.trouble = Trouble::NoAddress;
            self.server.disconnected(now);
            return;
        };
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) | Err(Errno::EISCONN) => {
                self.stage = Stage::Up;
                self.server.connected(now);
            }
            Err(Errno::EINPROGRESS | Errno::EALREADY | Errno::EINTR)
                if now.saturating_sub(since) < PATIENCE =>
            {
                self.stage = Stage::Connecting(since);
            }
            Err(Errno::EINPROGRESS | Errno::EALREADY | Errno::EINTR) => {
                self.leave(now, Trouble::Failed(Errno::ETIMEDOUT));
            }
            Err(error) => self.leave(now, Trouble::Failed(error)),
        }
    }

    /// Lets the connection go; the next one is to the next address.
    fn leave(&mut self, now: Duration, trouble: Trouble) {
        if let Some((socket, _)) = self.here() {
            // Whatever it says, the socket is as new after it.
            let _ = raw::disconnect(socket.as_fd());
        }
        self.at = self.at.saturating_add(1).checked_rem(self.plan.addresses.len()).unwrap_or(0);
        (self.stage, self.tls, self.trouble) = (Stage::Away, None, trouble);
        self.server.disconnected(now);
    }

    /// Under TLS from here on.
    fn secure(&mut self, now: Duration) {
        let Some(Secured { made: Some(config), host, .. }) = &self.plan.tls else {
            return self.leave(now, Trouble::Refused);
        };
        match Tls::new(config, host) {
            Ok(tls) => self.tls = Some(tls),
            Err(error) => self.leave(now, Trouble::Tls(error)),
        }
    }

    /// What has come, under TLS.
    fn open(&mut self, now: Duration, socket: &OwnedFd, buffer: &mut [u8]) -> usize {
        let mut sealed = [0; ROOM];
        let mut length = 0;
        loop {
            let Some(tls) = &mut self.tls else { return 0 };
            let secured = tls.handshaking();
            match tls.receive(sealed.get(..length).unwrap_or_default(), buffer) {
                Ok(0) => {}
                Ok(opened) => return opened,
                Err(error) => {
                    // It has a right to know why.
                    self.send(now);
                    self.leave(now, Trouble::Tls(error.to_string()));
                    return 0;
                }
            }
            if secured && !tls.handshaking() {
                self.server.secured(now);
            }
            length = match nix::unistd::read(socket, &mut sealed) {
                Ok(0) => {
                    self.leave(now, Trouble::Ended);
                    return 0;
                }
                Ok(length) => length,
                Err(Errno::EAGAIN | Errno::EINTR) => return 0,
                Err(error) => {
                    self.leave(now, Trouble::Failed(error));
                    return 0;
                }
            };
        }
    }

    /// Sends what there is to send, as far as it can be taken now.
    fn send(&mut self, now: Duration) {
        if let Some(tls) = self.tls.as_mut().filter(|tls| !tls.handshaking()) {
            let sealed = tls.seal(self.server.output());
            self.server.sent(sealed);
        }
        let Some((socket, _)) = self.here() else { return };
        loop {
            let bytes = self.tls.as_ref().map_or(self.server.output(), Tls::output);
            if self.stage != Stage::Up || bytes.is_empty() {
                return;
            }
            match nix::unistd::write(socket, bytes) {
                Ok(written) => match &mut self.tls {
                    Some(tls) => tls.sent(written),
                    None => self.server.sent(written),
                },
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                Err(error) => return self.leave(now, Trouble::Failed(error)),
            }
        }
    }

    /// Something waits to be sent.
    fn waits(&self) -> bool {
        !self.tls.as_ref().map_or(self.server.output(), Tls::output).is_empty()
    }
}

impl Connection for Upstream<'_> {
    fn attend(&mut self, now: Duration) {
        match self.stage {
            Stage::Away if self.server.dial(now) => self.connect(now, now),
            Stage::Connecting(since) => self.connect(now, since),
            Stage::Away | Stage::Up => {}
        }
        if self.stage == Stage::Up {
            if self.server.take_tls() {
                self.secure(now);
            }
            self.send(now);
            if self.server.hang_up().is_some() {
                self.leave(now, Trouble::Refused);
            }
        }
    }

    fn receive(&mut self, now: Duration, buffer: &mut [u8]) -> usize {
        let Some((socket, _)) = self.here().filter(|_| self.stage == Stage::Up) else { return 0 };
        if self.tls.is_some() {
            return self.open(now, socket, buffer);
        }
        match nix::unistd::read(socket, buffer) {
            Ok(0) => self.leave(now, Trouble::Ended),
            Ok(length) => return length,
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => self.leave(now, Trouble::Failed(error)),
        }
        0
    }

    fn take(&mut self, now: Duration, bytes: &[u8]) -> usize {
        self.server.receive(now, bytes)
    }

    fn known(&self) -> Known {
        self.server.known()
    }

    fn values(&self) -> &Values {
        self.server.values()
    }

    fn poll(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let (socket, _) = self.here()?;
        let flags = match self.stage {
            Stage::Away => return None,
            Stage::Connecting(_) => PollFlags::POLLOUT,
            Stage::Up if self.waits() => PollFlags::POLLIN | PollFlags::POLLOUT,
            Stage::Up => PollFlags::POLLIN,
        };
        Some((socket.as_fd(), flags))
    }

    fn next(&self, now: Duration) -> Option<Duration> {
        let patience = match self.stage {
            Stage::Connecting(since) => Some(since.saturating_add(PATIENCE)),
            Stage::Away | Stage::Up => None,
        };
        [patience, self.server.next(now)].into_iter().flatten().min()
    }

    fn trouble(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.server.trouble(), &self.trouble, self.stage) {
            (Some(trouble), Trouble::None | Trouble::Refused, _) => write!(f, "{trouble}"),
            (Some(trouble), _, Stage::Up) => write!(f, "{trouble}"),
            (None, _, Stage::Up) => f.write_str("it is silent"),
            (_, Trouble::NoAddress, _) => f.write_str("its name does not resolve"),
            (_, Trouble::Failed(error), _) => write!(f, "{error}"),
            (_, Trouble::Ended, _) => f.write_str("it has ended the connection"),
            (_, Trouble::Tls(error), _) => f.write_str(error),
            (_, Trouble::None, _) => f.write_str("it does not answer"),
            (_, Trouble::Refused, _) => f.write_str("the connection was given up"),
        }
    }
}
