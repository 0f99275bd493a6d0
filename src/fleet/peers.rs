//! The slaves that a master knows: a table of fixed capacity, found by session.
//!
//! A run that is over stays in it until every cookie that it may have is no good any more, so that no datagram
//! of it can come back as a slave.

use core::net::SocketAddr;
use core::time::Duration;

use crate::fleet::cookie::EPOCH;
use crate::fleet::wire::{LONGEST_NAME, Poll, Session};

/// So long a cookie may be good.
const COOKIE: Duration = EPOCH.saturating_mul(2);
/// A slave that was silent for so long is forgotten.
const FORGET: Duration = Duration::from_secs(24 * 3600);
/// Between two looks for what can be forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// A name in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    bytes: [u8; LONGEST_NAME],
    length: u8,
}

impl Name {
    fn new(name: &str) -> Name {
        let mut bytes = [0; LONGEST_NAME];
        let length = name.len().min(LONGEST_NAME);
        for (slot, byte) in bytes.iter_mut().zip(name.bytes()) {
            *slot = byte;
        }
        Name { bytes, length: u8::try_from(length).unwrap_or(0) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }
}

/// A slave whose poll was bound to its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Of its monitor's run.
    pub session: Session,
    /// Its host's name.
    pub name: Name,
    /// Where its last poll came from.
    pub address: SocketAddr,
    /// The id of the key of its last poll: it knows this one, and perhaps no other.
    pub key: [u8; 4],
    /// Of its last poll: only higher ones are taken.
    pub sequence: u64,
    /// The newest state that it acts on.
    pub seen: u64,
    /// When its last poll came.
    pub heard: Duration,
    /// How often it polls, as it says.
    pub interval: Duration,
    /// It said that it goes down: when, and for how long its machine needs the power then.
    pub halting: Option<(Duration, Duration)>,
    /// Another run of the same slave has taken its place.
    pub superseded: bool,
    /// When that happened last.
    turned: Duration,
    /// The how many-th run it is that the master has taken.
    number: u64,
    /// The number of the run of the same slave before it, or of the newest since.
    turn: u64,
    free: bool,
}

impl Peer {
    /// It has missed three polls.
    pub fn silent(&self, now: Duration) -> bool {
        now.saturating_sub(self.heard) > self.patience()
    }

    /// So long after a poll it is not silent yet.
    pub fn patience(&self) -> Duration {
        self.interval.saturating_mul(3).saturating_add(Duration::from_secs(1))
    }

    /// It is shown: not another's past, and not forgotten; it may be gone.
    pub fn known(&self) -> bool {
        !self.free && !self.superseded
    }

    /// It counts: not another's past, and not gone.
    pub fn here(&self) -> bool {
        !self.free && !self.superseded && self.halting.is_none()
    }

    /// Nothing of it can come back, and nobody waits for it.
    fn forgotten(&self, now: Duration) -> bool {
        let since = |at| now.saturating_sub(at);
        let superseded = self.superseded && since(self.turned) > COOKIE;
        // At the end the power stays on for as long as it asked.
        let gone = self.halting.is_some_and(|(at, time)| since(at) > time);
        let gone = gone && since(self.heard) > COOKIE;
        superseded || gone || since(self.heard) > FORGET
    }
}

/// A poll whose cookie was good and whose sequence is new.
#[derive(Clone, Copy, Debug)]
pub struct Proven<'a> {
    /// When it came.
    pub now: Duration,
    /// Its header's.
    pub session: Session,
    /// Its header's.
    pub sequence: u64,
    /// Its header's.
    pub key: [u8; 4],
    /// Where it came from.
    pub from: SocketAddr,
    /// As [`Peers::turn`] had it.
    pub turn: u64,
    /// What it says.
    pub poll: &'a Poll<'a>,
}

/// All of them.
#[derive(Clone, Debug, Hash)]
pub struct Peers {
    all: Vec<Peer>,
    /// Of name and UPS, beside `all`: a compact column to search.
    names: Vec<u64>,
    /// Sorted.
    by_session: Vec<(Session, u32)>,
    free: Vec<u32>,
    capacity: usize,
    taken: u64,
    sweep_at: Duration,
}

impl Peers {
    /// What one slave takes: its row, and its place in the three columns beside.
    pub const BYTES: usize =
        size_of::<Peer>() + size_of::<u64>() + size_of::<(Session, u32)>() + size_of::<u32>();

    /// Room for so many; only what is used of it is ever touched.
    pub fn new(capacity: usize) -> Peers {
        Peers {
            all: Vec::with_capacity(capacity),
            names: Vec::with_capacity(capacity),
            by_session: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
            capacity,
            taken: 0,
            sweep_at: Duration::ZERO,
        }
    }

    /// Those that count, and those that are over; not those that are forgotten.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.all.iter().filter(|peer| !peer.free)
    }

    /// By place, for a walk in parts; `None`: behind the last.
    pub fn at(&self, place: usize) -> Option<&Peer> {
        self.all.get(place)
    }

    /// How many places there are, those of the forgotten included.
    pub fn places(&self) -> usize {
        self.all.len()
    }

    /// Of this session.
    pub fn find(&self, session: &Session) -> Option<&Peer> {
        let place = self.place(session)?;
        self.all.get(place)
    }

    fn place(&self, session: &Session) -> Option<usize> {
        let found = self.by_session.binary_search_by(|(other, _)| other.cmp(session)).ok()?;
        let (_, place) = self.by_session.get(found)?;
        usize::try_from(*place).ok()
    }

    /// The run of the same slave that this one follows. A cookie holds for the two of them: once yet another has been
    /// taken, it does no more, and what was held back until then cannot come back.
    pub fn turn(&self, session: &Session, poll: &Poll<'_>) -> u64 {
        if let Some(peer) = self.find(session) {
            return peer.turn;
        }
        let name = column(poll);
        let same = self.names.iter().zip(&self.all).filter(|(other, _)| **other == name);
        let same = same.filter(|(_, peer)| !peer.free && peer.name.as_str() == poll.name);
        same.map(|(_, peer)| peer.number).max().unwrap_or(0)
    }

    /// Takes over what a poll says. False: there is no room.
    pub fn bind(&mut self, proven: &Proven<'_>) -> bool {
        let Proven { now, sequence, key, from, poll, .. } = *proven;
        self.sweep(now);
        let place = self.place(&proven.session).or_else(|| self.add(proven));
        let Some(peer) = place.and_then(|place| self.all.get_mut(place)) else { return false };
        peer.address = from;
        peer.key = key;
        peer.sequence = sequence;
        peer.seen = peer.seen.max(poll.seen);
        peer.heard = now;
        peer.interval = Duration::from_millis(u64::from(poll.interval));
        // Its cookie is from after that: it lives, under another's name.
        peer.superseded = false;
        let halting = poll.halting.map(|seconds| Duration::from_secs(u64::from(seconds)));
        peer.halting = halting.map(|time| peer.halting.unwrap_or((now, time)));
        true
    }

    /// Forgets all runs that are over, to make room. Then every cookie must be made anew, or their datagrams could
    /// come back. False: there is none.
    pub fn forget_superseded(&mut self) -> bool {
        self.forget(|peer| peer.superseded)
    }

    fn add(&mut self, proven: &Proven<'_>) -> Option<usize> {
        let Proven { now, session, from, key, turn, poll, .. } = *proven;
        let name = column(poll);
        let number = self.taken.saturating_add(1);
        self.taken = number;
        self.supersede(now, name, from, poll.name);
        let peer = Peer {
            session,
            name: Name::new(poll.name),
            address: from,
            key,
            sequence: 0,
            seen: 0,
            heard: now,
            interval: Duration::ZERO,
            halting: None,
            superseded: false,
            turned: Duration::ZERO,
            number,
            turn,
            free: false,
        };
        let place = match self.free.pop() {
            Some(place) => {
                let place = usize::try_from(place).ok()?;
                *self.all.get_mut(place)? = peer;
                *self.names.get_mut(place)? = name;
                place
            }
            None if self.all.len() < self.capacity => {
                self.all.push(peer);
                self.names.push(name);
                self.all.len().checked_sub(1)?
            }
            None => return None,
        };
        // As many as there are rows in use, so within the capacity.
        let slot = self.by_session.partition_point(|(other, _)| *other < session);
        self.by_session.insert(slot, (session, u32::try_from(place).ok()?));
        Some(place)
    }

    /// An older run of the same slave is over: it polls no more, or this is its address. Elsewhere it may be another
    /// machine of that name: then it lives, and has a new cookie with its next answer.
    fn supersede(&mut self, now: Duration, name: u64, from: SocketAddr, text: &str) {
        for (other, peer) in self.names.iter().zip(&mut self.all) {
            let same = *other == name && !peer.free && peer.name.as_str() == text;
            if same {
                peer.turn = self.taken;
            }
            if same && (peer.address.ip() == from.ip() || peer.silent(now)) {
                peer.superseded = true;
                peer.turned = now;
            }
        }
    }

    fn sweep(&mut self, now: Duration) {
        if now >= self.sweep_at {
            self.sweep_at = now.saturating_add(SWEEP);
            self.forget(|peer| peer.forgotten(now));
        }
    }

    fn forget(&mut self, over: impl Fn(&Peer) -> bool) -> bool {
        let mut some = false;
        for (place, peer) in (0..).zip(&mut self.all) {
            if !peer.free && over(peer) {
                peer.free = true;
                self.free.push(place);
                some = true;
            }
        }
        if some {
            let all = &self.all;
            let used = |place: u32| all.get(usize::try_from(place).ok()?).map(|peer| !peer.free);
            self.by_session.retain(|(_, place)| used(*place).unwrap_or(false));
        }
        some
    }
}

/// FNV-1a: a hint, behind which the names themselves are compared.
fn column(poll: &Poll<'_>) -> u64 {
    let bytes = poll.name.bytes().chain([0]).chain(poll.ups.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
