//! The status socket's server in the jail. Clients only listen: nothing that one sends is ever read, and none
//! makes the monitor wait. A turn of the loop does a bounded part of the work.

use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{Shutdown, shutdown};

use crate::status::report::{Head, LARGEST, Message, Rule, Slave, Ups, encode};
use crate::sys::{process, raw};

/// Clients at a time. More wait until one has its snapshot; who has one and stays makes room for them.
pub(super) const CLIENTS: usize = 4;
/// What is encoded before it is written.
const BUFFER: usize = 4096;
/// Writes to one client in a turn.
const WRITES: usize = 4;
/// Places of slaves that are looked at for one client in a turn, used or not.
const PLACES: usize = 512;
/// A client that reads nothing for so long is let go ...
const STALLED: Duration = Duration::from_secs(2);
/// ... and one that has no whole snapshot by then.
const LONGEST: Duration = Duration::from_secs(10);
/// Between two looks for whether something has changed.
const PACE: Duration = Duration::from_millis(200);
/// What a client has is sent anew after this, for the ages in it.
const REFRESH: Duration = Duration::from_secs(5);
/// After a client could not be taken (no memory) the next is tried so much later.
const DEAF: Duration = Duration::from_secs(1);

/// What is served, piece by piece.
pub(super) trait Shown {
    /// The machine, and the daemon.
    fn head(&self, now: Duration) -> Head<'_>;
    /// By place; `None`: behind the last.
    fn ups(&self, now: Duration, place: usize) -> Option<Ups<'_>>;
    /// A variable of a UPS, both by place; `None`: behind the last.
    fn variable(&self, ups: usize, place: usize) -> Option<(&str, &str)>;
    /// By place; `None`: behind the last; `Some(None)`: nobody is there.
    fn slave(&self, now: Duration, place: usize) -> Option<Option<Slave<'_>>>;
    /// By place; `None`: behind the last.
    fn rule(&self, now: Duration, place: usize) -> Option<Rule<'_>>;
    /// Another number whenever something changed that a client should hear of at once.
    fn stamp(&self, now: Duration) -> u64;
}

/// What a client gets next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    Head,
    Ups(usize),
    Variable(usize, usize),
    Slave(usize),
    Rule(usize),
    End,
    /// It has all.
    Idle,
}

#[derive(Debug)]
struct Client {
    fd: OwnedFd,
    cursor: Cursor,
    /// When this snapshot was begun, and when some of it was last taken.
    begun: Duration,
    moved: Duration,
    /// It has had a whole snapshot.
    served: bool,
}

/// A place for a client, with its buffer.
#[derive(Debug)]
struct Slot {
    client: Option<Client>,
    buffer: Vec<u8>,
    /// What of the buffer is still to be written.
    from: usize,
    to: usize,
}

/// The server.
#[derive(Debug)]
pub(super) struct Server<'a> {
    listener: &'a OwnedFd,
    slots: [Slot; CLIENTS],
    /// The numbers that a client's descriptor may have, by the filter; `None`: there is no filter.
    numbers: Option<&'a [RawFd]>,
    deaf_until: Duration,
    stamp: u64,
    stamped: Duration,
    /// Something may have changed since.
    doubt: bool,
}

impl<'a> Server<'a> {
    /// Takes all the memory that it will ever use. `listener`: non-blocking.
    pub(super) fn new(listener: &'a OwnedFd, numbers: Option<&'a [RawFd]>) -> Server<'a> {
        let slot = |_| Slot { client: None, buffer: vec![0; BUFFER], from: 0, to: 0 };
        Server {
            listener,
            slots: core::array::from_fn(slot),
            numbers,
            deaf_until: Duration::ZERO,
            stamp: 0,
            stamped: Duration::ZERO,
            doubt: false,
        }
    }

    /// Takes clients, writes to those that are there, lets go of those that are late.
    pub(super) fn turn(&mut self, now: Duration, shown: &impl Shown) {
        let (knock, gone) = self.look(now);
        for (slot, gone) in self.slots.iter_mut().zip(gone) {
            if gone || slot.late(now) {
                slot.close();
            }
        }
        if knock {
            self.admit(now);
        }
        self.refresh(now, shown);
        for slot in &mut self.slots {
            slot.write(now, shown);
        }
    }

    /// What [`Server::turn`] has to be called for.
    pub(super) fn polls(&self, now: Duration) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let listener = self.listens(now).then(|| (self.listener.as_fd(), PollFlags::POLLIN));
        let clients = self.slots.iter().filter_map(|slot| {
            let client = slot.client.as_ref()?;
            // A hang-up comes unasked.
            let idle = client.cursor == Cursor::Idle && slot.from == slot.to;
            let flags = if idle { PollFlags::empty() } else { PollFlags::POLLOUT };
            Some((client.fd.as_fd(), flags))
        });
        listener.into_iter().chain(clients)
    }

    /// When [`Server::turn`] has something to do although nothing came.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let clients = self.slots.iter().filter_map(|slot| {
            let client = slot.client.as_ref()?;
            let late = client.moved.saturating_add(STALLED);
            let late = late.min(client.begun.saturating_add(LONGEST));
            Some(match (client.cursor, self.doubt) {
                (Cursor::Idle, true) => self.stamped.saturating_add(PACE),
                (Cursor::Idle, false) => client.begun.saturating_add(REFRESH),
                _ => late,
            })
        });
        let deaf = (self.deaf_until > now).then_some(self.deaf_until);
        clients.chain(deaf).min()
    }

    /// Somebody could be taken.
    fn listens(&self, now: Duration) -> bool {
        let room = |slot: &Slot| slot.client.as_ref().is_none_or(|client| client.served);
        now >= self.deaf_until && self.slots.iter().any(room)
    }

    /// Whether somebody waits to be taken, and which clients are gone.
    fn look(&self, now: Duration) -> (bool, [bool; CLIENTS]) {
        let none = PollFlags::empty();
        let open = |slot: &Slot| slot.client.is_some();
        if !self.listens(now) && !self.slots.iter().any(open) {
            return (false, [false; CLIENTS]);
        }
        let listener = (self.listener.as_fd(), PollFlags::POLLIN);
        let clients = self.slots.each_ref().map(|slot| slot.client.as_ref());
        let mut all = [listener; CLIENTS + 1];
        for (place, client) in all.iter_mut().skip(1).zip(clients) {
            *place =
                client.map_or((self.listener.as_fd(), none), |client| (client.fd.as_fd(), none));
        }
        let mut fds = all.map(|(fd, flags)| PollFd::new(fd, flags));
        if process::wait(&mut fds, Some(Duration::ZERO)).is_err() {
            return (false, [false; CLIENTS]);
        }
        let [listener, rest @ ..] = &fds;
        let came = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
        let mut gone = [false; CLIENTS];
        for ((gone, fd), client) in gone.iter_mut().zip(rest).zip(clients) {
            *gone = client.is_some() && came(fd);
        }
        (self.listens(now) && came(listener), gone)
    }

    fn admit(&mut self, now: Duration) {
        for place in 0..CLIENTS {
            let free = self.slots.iter().position(|slot| slot.client.is_none());
            // Nobody is let go for the sake of one who may not be there: that one waits is known of the first.
            let slot = if place == 0 { free.or_else(|| self.room()) } else { free };
            let Some(slot) = slot else { return };
            let fd = match raw::accept(self.listener.as_fd()) {
                Ok(fd) => fd,
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => return,
                Err(_) => {
                    self.deaf_until = now.saturating_add(DEAF);
                    return;
                }
            };
            if self.numbers.is_some_and(|numbers| !numbers.contains(&fd.as_raw_fd())) {
                // The filter would not even let it be closed. The next monitor begins anew.
                raw::exit(1)
            }
            // From here on the kernel refuses what it sends.
            if shutdown(fd.as_raw_fd(), Shutdown::Read).is_err() {
                process::close(fd);
                continue;
            }
            let client = Client { fd, cursor: Cursor::Head, begun: now, moved: now, served: false };
            if let Some(slot) = self.slots.get_mut(slot) {
                (slot.client, slot.from, slot.to) = (Some(client), 0, 0);
            }
        }
    }

    /// Makes a place: of those that have had a whole snapshot, the one whose last was begun first is let go.
    fn room(&mut self) -> Option<usize> {
        let served = self.slots.iter().enumerate().filter_map(|(place, slot)| {
            let client = slot.client.as_ref().filter(|client| client.served)?;
            Some((client.begun, place))
        });
        let (_, place) = served.min()?;
        self.slots.get_mut(place)?.close();
        Some(place)
    }

    /// Begins a new snapshot for whoever has one that is old.
    fn refresh(&mut self, now: Duration, shown: &impl Shown) {
        let idle = |slot: &Slot| slot.client.as_ref().is_some_and(|c| c.cursor == Cursor::Idle);
        if !self.slots.iter().any(idle) {
            self.doubt = false;
            return;
        }
        if now.saturating_sub(self.stamped) < PACE {
            self.doubt = true;
            return;
        }
        let stamp = shown.stamp(now);
        let changed = stamp != self.stamp;
        (self.stamp, self.stamped, self.doubt) = (stamp, now, false);
        for client in self.slots.iter_mut().filter_map(|slot| slot.client.as_mut()) {
            let old = now.saturating_sub(client.begun) >= REFRESH;
            if client.cursor == Cursor::Idle && (changed || old) {
                (client.cursor, client.begun, client.moved) = (Cursor::Head, now, now);
            }
        }
    }
}

impl Slot {
    fn close(&mut self) {
        if let Some(client) = self.client.take() {
            process::close(client.fd);
        }
    }

    fn late(&self, now: Duration) -> bool {
        self.client.as_ref().is_some_and(|client| {
            let stalled = now.saturating_sub(client.moved) >= STALLED;
            let long = now.saturating_sub(client.begun) >= LONGEST;
            client.cursor != Cursor::Idle && (stalled || long)
        })
    }

    /// Writes a part.
    fn write(&mut self, now: Duration, shown: &impl Shown) {
        let mut places = PLACES;
        for _ in 0..WRITES {
            let Slot { client: Some(client), buffer, from, to } = self else { return };
            if from == to {
                if client.cursor == Cursor::Idle {
                    return;
                }
                (*from, *to) = (0, fill(client, buffer, now, shown, &mut places));
            }
            let bytes = buffer.get(*from..*to).unwrap_or_default();
            if bytes.is_empty() {
                // Of many places none was used: that is no fault of the client's.
                client.moved = now;
                return;
            }
            match nix::unistd::write(&client.fd, bytes) {
                Ok(written) => {
                    *from = from.saturating_add(written);
                    client.moved = now;
                    if *from == *to && client.cursor == Cursor::End {
                        // Its last message was in the buffer.
                        (client.cursor, client.served) = (Cursor::Idle, true);
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                Err(_) => return self.close(),
            }
        }
    }
}

/// Fills the buffer with whole messages; how far.
fn fill(
    client: &mut Client,
    buffer: &mut [u8],
    now: Duration,
    shown: &impl Shown,
    places: &mut usize,
) -> usize {
    let mut to = 0;
    while buffer.len().saturating_sub(to) >= LARGEST {
        let (message, next) = match client.cursor {
            Cursor::Head => (Some(Message::Head(shown.head(now))), Cursor::Ups(0)),
            Cursor::Ups(place) => match shown.ups(now, place) {
                Some(ups) => (Some(Message::Ups(ups)), Cursor::Variable(place, 0)),
                None => (None, Cursor::Slave(0)),
            },
            Cursor::Variable(ups, place) => match shown.variable(ups, place) {
                Some((name, value)) => {
                    let message = Message::Variable(name.into(), value.into());
                    (Some(message), Cursor::Variable(ups, place.saturating_add(1)))
                }
                None => (None, Cursor::Ups(ups.saturating_add(1))),
            },
            Cursor::Slave(_) | Cursor::Rule(_) if *places == 0 => return to,
            Cursor::Slave(place) => {
                *places = places.saturating_sub(1);
                match shown.slave(now, place) {
                    Some(slave) => {
                        (slave.map(Message::Slave), Cursor::Slave(place.saturating_add(1)))
                    }
                    None => (None, Cursor::Rule(0)),
                }
            }
            Cursor::Rule(place) => {
                *places = places.saturating_sub(1);
                match shown.rule(now, place) {
                    Some(rule) => {
                        (Some(Message::Rule(rule)), Cursor::Rule(place.saturating_add(1)))
                    }
                    None => (Some(Message::End), Cursor::End),
                }
            }
            Cursor::End | Cursor::Idle => return to,
        };
        client.cursor = next;
        let room = buffer.get_mut(to..).unwrap_or_default();
        // What is too long for a message is left out; nothing that we make is.
        let written = message.and_then(|message| encode(&message, room)).unwrap_or(0);
        to = to.saturating_add(written);
    }
    to
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
