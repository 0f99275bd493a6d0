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
use crate::nut::server::{Server, Trouble, Why};
use crate::nut::tls::Session;
use crate::nut::values::Values;
use crate::sys::raw;

/// A host that does not answer for so long is not there; the next address is tried.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of one read under TLS.
const ROOM: usize = 2048;
/// More than what so much can hold: one record ends in it, at most, and some short ones.
const RECORD: usize = (16 << 10) + ROOM;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Away,
    Connecting(Duration),
    Up,
}

/// How the last connection ended, or the try to make it.
#[derive(Debug)]
enum Ended {
    /// None was tried.
    Never,
    /// The name does not resolve.
    NoAddress,
    Failed(Errno),
    /// It ended the connection.
    ByIt,
    /// We did.
    Refused(Why),
    Tls(String),
}

/// A server, and the connection to it.
#[derive(Debug)]
pub(super) struct Upstream<'a> {
    plan: &'a Upsd,
    server: Server,
    stage: Stage,
    tls: Option<Box<dyn Session>>,
    /// What came under TLS and is not taken yet; at most [`RECORD`] bytes, which it has from the start.
    plain: Vec<u8>,
    ended: Ended,
}

impl<'a> Upstream<'a> {
    pub(super) fn new(plan: &'a Upsd) -> Upstream<'a> {
        let server = Server::new(plan.settings.clone());
        let plain = Vec::with_capacity(if plan.tls.is_some() { RECORD } else { 0 });
        Upstream { plan, server, stage: Stage::Away, tls: None, plain, ended: Ended::Never }
    }

    /// The socket of the present address, and the address.
    fn here(&self) -> Option<(&'a OwnedFd, SockaddrStorage)> {
        let all = &self.plan.addresses;
        let address = all.get(self.server.tried_address().checked_rem(all.len())?)?;
        let four = self.plan.addresses.iter().any(|one| one.is_ipv4());
        let place = usize::from(four && address.is_ipv6());
        Some((self.plan.sockets.get(place)?, SockaddrStorage::from(*address)))
    }

    /// Begins, or asks how it stands.
    fn connect(&mut self, now: Duration, since: Duration) {
        let Some((socket, address)) = self.here() else {
            self.ended = Ended::NoAddress;
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
                self.leave(now, Ended::Failed(Errno::ETIMEDOUT));
            }
            Err(error) => self.leave(now, Ended::Failed(error)),
        }
    }

    /// Lets the connection go.
    fn leave(&mut self, now: Duration, ended: Ended) {
        if let Some((socket, _)) = self.here() {
            // Whatever it says, the socket is as new after it.
            let _ = raw::disconnect(socket.as_fd());
        }
        (self.stage, self.tls, self.ended) = (Stage::Away, None, ended);
        self.plain.clear();
        self.server.disconnected(now);
    }

    /// Under TLS from here on.
    fn secure(&mut self, now: Duration) {
        let Some(Secured { made: Some(config), host, .. }) = &self.plan.tls else {
            return self.leave(now, Ended::Refused(Why::Tls));
        };
        match config.connect(host) {
            Ok(tls) => self.tls = Some(tls),
            Err(error) => self.leave(now, Ended::Tls(error)),
        }
    }

    /// Reads what has come under TLS into `plain`.
    fn open(&mut self, now: Duration, socket: &OwnedFd) {
        let mut sealed = [0; ROOM];
        let length = match nix::unistd::read(socket, &mut sealed) {
            Ok(0) => return self.leave(now, Ended::ByIt),
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            Err(error) => return self.leave(now, Ended::Failed(error)),
        };
        let Some(tls) = &mut self.tls else { return };
        let (shaking, plain) = (tls.handshaking(), &mut self.plain);
        let mut fits = true;
        let opened = tls.receive(sealed.get(..length).unwrap_or_default(), &mut |bytes| {
            fits &= plain.len().saturating_add(bytes.len()) <= RECORD;
            if fits {
                plain.extend_from_slice(bytes);
            }
        });
        let (shaken, closed) = (shaking && !tls.handshaking(), tls.closed());
        match opened {
            Ok(()) if !fits => self.leave(now, Ended::Refused(Why::Garbled)),
            Ok(()) if closed => self.leave(now, Ended::ByIt),
            Ok(()) if shaken => self.server.secured(now),
            Ok(()) => {}
            Err(error) => {
                // It is told why, as far as it can be.
                self.send(now);
                self.leave(now, Ended::Tls(error.to_string()));
            }
        }
    }

    /// Sends what there is to send, as far as it can be taken now.
    fn send(&mut self, now: Duration) {
        if let Some(tls) = self.tls.as_mut().filter(|tls| !tls.handshaking()) {
            let request = self.server.output();
            let length = request.len();
            match tls.seal(request) {
                Ok(()) => self.server.sent(length),
                Err(error) => return self.leave(now, Ended::Tls(error.to_string())),
            }
        }
        let Some((socket, _)) = self.here() else { return };
        loop {
            let bytes = self.tls.as_ref().map_or(self.server.output(), |tls| tls.output());
            if self.stage != Stage::Up || bytes.is_empty() {
                return;
            }
            match nix::unistd::write(socket, bytes) {
                Ok(written) => match &mut self.tls {
                    Some(tls) => tls.sent(written),
                    None => self.server.sent(written),
                },
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                Err(error) => return self.leave(now, Ended::Failed(error)),
            }
        }
    }

    /// Something waits to be sent.
    fn waits(&self) -> bool {
        !self.tls.as_ref().map_or(self.server.output(), |tls| tls.output()).is_empty()
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
            self.server.tick(now);
            if self.server.take_tls() {
                self.secure(now);
            }
            self.send(now);
            if let Some(why) = self.server.hang_up() {
                self.leave(now, Ended::Refused(why));
            }
        }
    }

    fn receive(&mut self, now: Duration, buffer: &mut [u8]) -> usize {
        let Some((socket, _)) = self.here().filter(|_| self.stage == Stage::Up) else { return 0 };
        if self.tls.is_some() {
            if self.plain.is_empty() {
                self.open(now, socket);
            }
            let length = self.plain.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..length), self.plain.get(..length)) {
                to.copy_from_slice(from);
            }
            self.plain.drain(..length);
            return length;
        }
        match nix::unistd::read(socket, buffer) {
            Ok(0) => self.leave(now, Ended::ByIt),
            Ok(length) => return length,
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => self.leave(now, Ended::Failed(error)),
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

    fn refusal(&self) -> Option<Trouble> {
        self.server.trouble()
    }

    fn trouble(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Trouble { asked, token }) = self.server.trouble() {
            return write!(f, "{} was answered {}: {}", asked.name(), token.name, token.means);
        }
        match (&self.ended, self.stage) {
            (_, Stage::Up) => f.write_str("it is silent"),
            (Ended::NoAddress, _) => f.write_str("its name does not resolve"),
            (Ended::Failed(error), _) => write!(f, "{error}"),
            (Ended::ByIt, _) => f.write_str("it has ended the connection"),
            (Ended::Tls(error), _) => f.write_str(error),
            (Ended::Refused(why), _) => write!(f, "{why}"),
            (Ended::Never, _) => f.write_str("it does not answer"),
        }
    }

    fn primary(&self) -> Option<Primary> {
        self.plan.settings.primary.then(|| Primary {
            reached: self.stage == Stage::Up && self.server.known().heard,
            forced: self.server.forced(),
            logins: self.server.logins(),
        })
    }

    fn force(&mut self, now: Duration) {
        if self.plan.settings.primary {
            self.server.force(now);
        }
    }
}
