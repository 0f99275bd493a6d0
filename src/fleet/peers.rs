//! The slaves that a master knows: a table of fixed capacity, found by session.

use core::net::SocketAddr;
use core::time::Duration;

use crate::fleet::wire::{LONGEST_NAME, Poll, Session};

/// A cookie is good for this and the next span of so long; a session that is over is remembered for both, so
/// that no recorded poll of it can come back as a slave.
pub const EPOCH: Duration = Duration::from_secs(300);
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
    free: bool,
}

impl Peer {
    /// It has missed three polls.
    pub fn silent(&self, now: Duration) -> bool {
        let limit = self.interval.saturating_mul(3).saturating_add(Duration::from_secs(1));
        now.saturating_sub(self.heard) > limit
    }

    /// It counts: not another's past, and not gone.
    pub fn here(&self) -> bool {
        !self.free && !self.superseded && self.halting.is_none()
    }
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
    sweep_at: Duration,
}

impl Peers {
    /// Room for so many; only what is used of it is ever touched.
    pub fn new(capacity: usize) -> Peers {
        Peers {
            all: Vec::with_capacity(capacity),
            names: Vec::with_capacity(capacity),
            by_session: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
            capacity,
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

    /// Takes over a poll whose cookie was good and whose sequence is new. False: there is no room.
    pub fn bind(
        &mut self,
        now: Duration,
        session: Session,
        sequence: u64,
        from: SocketAddr,
        poll: &Poll<'_>,
    ) -> bool {
        self.sweep(now);
        let place = match self.place(&session) {
            Some(place) => place,
            None => match self.add(now, session, from, poll) {
                Some(place) => place,
                None => return false,
            },
        };
        let Some(peer) = self.all.get_mut(place) else { return false };
        peer.address = from;
        peer.sequence = sequence;
        peer.seen = peer.seen.max(poll.seen);
        peer.heard = now;
        peer.interval = Duration::from_millis(u64::from(poll.interval));
        // Only what is of now could have a higher sequence: it is not over after all.
        peer.superseded = false;
        let halting = poll.halting.map(|seconds| Duration::from_secs(u64::from(seconds)));
        peer.halting = halting.map(|time| peer.halting.unwrap_or((now, time)));
        true
    }

    fn add(
        &mut self,
        now: Duration,
        session: Session,
        from: SocketAddr,
        poll: &Poll<'_>,
    ) -> Option<usize> {
        let name = column(poll);
        self.supersede(now, name, from, poll.name);
        let peer = Peer {
            session,
            name: Name::new(poll.name),
            address: from,
            sequence: 0,
            seen: 0,
            heard: now,
            interval: Duration::ZERO,
            halting: None,
            superseded: false,
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
        let found = self.by_session.binary_search_by(|(other, _)| other.cmp(&session));
        let slot = found.unwrap_or_else(|slot| slot);
        self.by_session.insert(slot, (session, u32::try_from(place).ok()?));
        Some(place)
    }

    /// An older run of the same slave is over: it polls no more, or this is its address.
    fn supersede(&mut self, now: Duration, name: u64, from: SocketAddr, text: &str) {
        for (other, peer) in self.names.iter().zip(&mut self.all) {
            let same = *other == name && !peer.free && peer.name.as_str() == text;
            if same && (peer.address.ip() == from.ip() || peer.silent(now)) {
                peer.superseded = true;
            }
        }
    }

    /// Forgets what no cookie can bring back.
    fn sweep(&mut self, now: Duration) {
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now.saturating_add(SWEEP);
        for (place, peer) in self.all.iter_mut().enumerate() {
            let over = peer.superseded || peer.halting.is_some();
            let limit = if over { EPOCH.saturating_mul(2) } else { FORGET };
            if !peer.free && now.saturating_sub(peer.heard) > limit {
                peer.free = true;
                let found = self.by_session.binary_search_by(|(other, _)| other.cmp(&peer.session));
                if let (Ok(found), Ok(place)) = (found, u32::try_from(place)) {
                    self.by_session.remove(found);
                    self.free.push(place);
                }
            }
        }
    }
}

/// FNV-1a: a hint, behind which the names themselves are compared.
fn column(poll: &Poll<'_>) -> u64 {
    let bytes = poll.name.bytes().chain([0]).chain(poll.ups.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
