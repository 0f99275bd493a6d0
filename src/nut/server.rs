//! The client of upsd: upsmon's side of the protocol.
//!
//! One request is under way at a time, and its answer must name what was asked. What is not an answer, or comes
//! unasked, ends the connection: there is no other way to know which answer is whose. A status counts as fresh as of
//! when it was asked for.

use core::fmt;
use core::time::Duration;

use crate::ipc::legal::Power;
use crate::nut::Secret;
use crate::nut::ask::{Ask, ROOM, Reply, Request, read};
use crate::nut::flags::{Seen, mains};
use crate::nut::known::Known;
use crate::nut::tokens::{self, Does, Token};
use crate::nut::values::Values;
use crate::nut::words::{Event, Lines};

/// An answer takes no longer, nor does a TLS handshake.
pub const REPLY: Duration = Duration::from_secs(5);
/// A log-in that was refused is tried again after this, on another connection.
pub const LOGIN_AGAIN: Duration = Duration::from_secs(60);
/// After FSD was set the log-ins are counted this often.
pub const COUNT: Duration = Duration::from_millis(250);
/// A poll on battery comes no later than this after the last.
pub const POLL_ON_BATTERY: Duration = Duration::from_secs(1);
/// FSD that was not set is asked for again after this.
const FSD_AGAIN: Duration = Duration::from_secs(1);
/// The pause between two tries to connect, at first and on battery ...
const DIAL_LEAST: Duration = Duration::from_secs(1);
/// ... and after it was doubled.
const DIAL_MOST: Duration = Duration::from_secs(30);
/// Polls are no closer together, whatever `poll` and `deadtime` are.
const POLL_LEAST: Duration = Duration::from_millis(10);
/// Variables asked for after each status, in turn.
const EACH_POLL: usize = 3;

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the log-in; none: only reads.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The UPS's name there.
    pub ups: String,
    /// Asks for leave to set FSD.
    pub primary: bool,
    /// Nothing is sent before TLS.
    pub starttls: bool,
    /// Between two polls on mains; at most a third of `deadtime`.
    pub poll: Duration,
    /// How long silence is borne on mains; a third of it on battery.
    pub deadtime: Duration,
    /// Variables to keep, beside [`crate::nut::values::ALWAYS`].
    pub wanted: Vec<String>,
}

/// Why the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It will not do TLS, and nothing is said in clear.
    Tls,
    /// No answer, or no handshake, within [`REPLY`].
    Timeout,
    /// An answer to something else.
    Garbled,
    /// A line that nobody asked for.
    Unasked,
    /// To try the log-in again.
    Login,
    /// A request with the configured names is too long to be sent.
    TooLong,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Tls => "it refuses TLS, and nothing is sent in clear",
            Why::Timeout => "it does not answer",
            Why::Garbled => "its answer does not fit what was asked",
            Why::Unasked => "it says what was not asked",
            Why::Login => "the log-in was refused and is tried again",
            Why::TooLong => "a name or password is too long for its protocol",
        })
    }
}

/// An error that stands: until the same request is answered well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What was asked.
    pub asked: Ask,
    /// The answer.
    pub token: Token,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Something of the greeting is to be asked.
    Entry(Ask),
    /// TLS is being set up, since then.
    Securing(Duration),
    /// Polls.
    In,
}

/// The client. It has no descriptor: the caller connects, reads, writes, and does TLS.
#[derive(Clone, Debug)]
pub struct Server {
    set: Settings,
    values: Values,
    lines: Lines<ROOM>,
    out: Request,
    known: Known,
    /// What OL and OB last said; outlives the connection.
    power: Option<Power>,
    fresh: bool,
    stage: Stage,
    /// The request under way, and since when.
    asked: Option<(Ask, Duration)>,
    hang: Option<Why>,
    tls: bool,
    polled: Option<Duration>,
    /// Variables still to be asked for in this poll, and the last one asked.
    more: usize,
    turn: usize,
    refused: Option<Duration>,
    forcing: bool,
    forced: bool,
    fsd_at: Duration,
    count_at: Duration,
    logins: Option<u32>,
    leaving: bool,
    gone: bool,
    trouble: Option<Trouble>,
    dialled: Option<Duration>,
    tries: u32,
    address: usize,
}

impl Server {
    /// Not connected. This allocates, and nothing else does.
    #[must_use]
    pub fn new(set: Settings) -> Server {
        Server {
            values: Values::new(&set.wanted),
            set,
            lines: Lines::new(),
            out: Request::EMPTY,
            known: Known::default(),
            power: None,
            fresh: false,
            stage: Stage::In,
            asked: None,
            hang: None,
            tls: false,
            polled: None,
            more: 0,
            turn: 0,
            refused: None,
            forcing: false,
            forced: false,
            fsd_at: Duration::ZERO,
            count_at: Duration::ZERO,
            logins: None,
            leaving: false,
            gone: false,
            trouble: None,
            dialled: None,
            tries: 0,
            address: 0,
        }
    }

    /// Whether to connect now: at once after a loss, then after 1 s, doubling to 30 s until a poll is answered; on
    /// battery each second. True counts as a try.
    pub fn dial(&mut self, now: Duration) -> bool {
        let wanted = !self.known.connected && !self.leaving;
        let due = wanted && self.dial_at().is_none_or(|due| now >= due);
        if due {
            self.address = self.address.wrapping_add(usize::from(self.tries > 0));
            self.dialled = Some(now);
            self.tries = self.tries.saturating_add(1);
        }
        due
    }

    /// Of a server's several addresses, take this one modulo their number: another at each try that follows a
    /// failure.
    #[must_use]
    pub fn tried_address(&self) -> usize {
        self.address
    }

    /// There is a connection, and a new one.
    pub fn connected(&mut self, now: Duration) {
        self.reset();
        self.known.connected = true;
        self.stage = if self.set.starttls { Stage::Entry(Ask::StartTls) } else { self.entry() };
        self.tick(now);
    }

    /// There is none any more. What was last believed stays in [`Server::known`]; the variables go.
    pub fn disconnected(&mut self, _now: Duration) {
        self.reset();
        self.gone = self.leaving;
    }

    /// Takes what was read (under TLS: the plain text), up to the first change of what is believed, or up to where TLS
    /// begins: returns how many of the bytes, at least one of any. The caller looks and comes again with the rest.
    #[must_use = "the bytes after these are not taken yet"]
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) -> usize {
        for (taken, byte) in bytes.iter().enumerate() {
            if !self.known.connected || self.hang.is_some() {
                break;
            }
            let Some(event) = self.lines.push(*byte) else { continue };
            let before = (self.known.seen, self.fresh);
            match event {
                Event::Line => self.line(now),
                Event::Error => self.hang = Some(Why::Garbled),
            }
            self.tick(now);
            if before != (self.known.seen, self.fresh) || self.tls {
                return taken + 1;
            }
        }
        bytes.len()
    }

    /// Bytes to send.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.out.rest()
    }

    /// So many of them were sent.
    pub fn sent(&mut self, bytes: usize) {
        self.out.sent(bytes);
    }

    /// True once, when the server is ready for TLS: the caller shakes hands and calls [`Server::secured`].
    #[must_use = "it is said once"]
    pub fn take_tls(&mut self) -> bool {
        core::mem::take(&mut self.tls)
    }

    /// TLS is set up, and the server's name was checked.
    pub fn secured(&mut self, now: Duration) {
        if matches!(self.stage, Stage::Securing(_)) {
            self.tls = false;
            self.stage = self.entry();
            self.tick(now);
        }
    }

    /// Why the caller must close the connection, and call [`Server::disconnected`]; `None`: it need not.
    #[must_use]
    pub fn hang_up(&self) -> Option<Why> {
        self.hang
    }

    /// When to call [`Server::tick`] or [`Server::dial`] next, if nothing arrives; may be past. `None`: never.
    #[must_use]
    pub fn next(&self, now: Duration) -> Option<Duration> {
        if !self.known.connected {
            return (!self.leaving).then(|| self.dial_at().unwrap_or(now));
        }
        match (self.hang, self.asked, self.stage) {
            (Some(_), ..) => Some(now),
            (_, Some((_, since)), _) | (_, _, Stage::Securing(since)) => {
                Some(since.saturating_add(REPLY))
            }
            _ if self.gone => None,
            (_, _, Stage::Entry(_)) => Some(now),
            _ if self.leaving || self.more > 0 => Some(now),
            _ => {
                let poll = self.poll_at().unwrap_or(now);
                let others = self.force_at().into_iter().chain(self.login_at());
                Some(others.fold(poll, Duration::min))
            }
        }
    }

    /// Does what is due: asks what is next, or finds that an answer is late.
    pub fn tick(&mut self, now: Duration) {
        if !self.known.connected || self.hang.is_some() {
            return;
        }
        if let Some((_, since)) = self.asked {
            self.expire(now, since);
            return;
        }
        if let Stage::Securing(since) = self.stage {
            self.expire(now, since);
            return;
        }
        if self.login_at().is_some_and(|again| now >= again) {
            self.hang = Some(Why::Login);
            return;
        }
        if let Some(ask) = self.choose(now) {
            match self.ask(ask) {
                Ok(()) => self.asked = Some((ask, now)),
                Err(fmt::Error) => self.hang = Some(Why::TooLong),
            }
        }
    }

    /// Sets FSD, as soon as upsd takes it and on each connection anew; then counts the log-ins. Only a primary may.
    pub fn force(&mut self, now: Duration) {
        self.forcing = true;
        self.tick(now);
    }

    /// upsd has FSD set by us, on this connection.
    #[must_use]
    pub fn forced(&self) -> bool {
        self.forced
    }

    /// How many are logged in, ourselves with them, as last counted after FSD; `None`: not known.
    #[must_use]
    pub fn logins(&self) -> Option<u32> {
        self.logins
    }

    /// Logs out, and does not connect any more.
    pub fn goodbye(&mut self, now: Duration) {
        self.leaving = true;
        self.gone |= !self.known.connected;
        self.tick(now);
    }

    /// The log-out is answered, or there is no connection any more.
    #[must_use]
    pub fn gone(&self) -> bool {
        self.gone
    }

    /// What is known. `trusted_at` is when the last status that was answered freshly had been asked for.
    #[must_use]
    pub fn known(&self) -> Known {
        self.known
    }

    /// The variables as last answered on this connection.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The status was fresh in the last answer.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.fresh
    }

    /// The last error, with what it leads to.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }
}

mod session;

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
