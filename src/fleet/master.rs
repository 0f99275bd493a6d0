//! The master's side: answers polls, and pushes every change to all slaves until they acknowledge it.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::fleet::peers::{EPOCH, Peer, Peers};
use crate::fleet::seal::Keyring;
use crate::fleet::wire::{
    self, Answer, HEADER, Head, Kind, LARGEST, MOST_UPS, Nonce, Poll, Refusal, Session, Writer,
};
use crate::ipc::legal::Power;

/// A push is first repeated so much later, then after twice the time, and so on ...
const REPEAT: Duration = Duration::from_millis(100);
/// ... up to this ...
const REPEAT_MOST: Duration = Duration::from_secs(5);
/// ... and to slaves that fell silent no longer than this: their next poll is answered with it anyway.
const REPEAT_SILENT: Duration = Duration::from_secs(60);
/// After a push to the groups their members have so long to acknowledge it before each is told by itself.
const GROUP: Duration = Duration::from_millis(30);
/// A slave that was heard so shortly before the outage is waited for at the end.
const BEFORE: Duration = Duration::from_secs(60);

/// The head of an answer is never longer.
const HEAD_MOST: usize = 1 + 16 + 16 + 1 + 3 + 1 + 1;
/// Between two polls the time on battery may grow by a byte or two for each UPS.
const SLACK: usize = 32;

/// One UPS as the master sees it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// `None`: not known yet.
    pub power: Option<Power>,
    /// There is no contact with it.
    pub lost: bool,
    /// Time on battery since mains was last steady.
    pub spent: Duration,
    /// By NUT's names.
    pub variables: &'a [(&'a str, &'a str)],
}

/// A slave of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listed {
    /// As it stands there.
    pub name: String,
    /// All its addresses; none: the name did not resolve.
    pub addresses: Vec<IpAddr>,
}

/// What a master is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its keys; none: only `listed` addresses are answered.
    pub ring: Keyring,
    /// Random, of this run.
    pub session: Session,
    /// Random, of this run: makes the cookies.
    pub secret: [u8; 32],
    /// `slave HOST` lines that are no group.
    pub listed: Vec<Listed>,
    /// Broadcast and multicast addresses that pushes go to as well.
    pub groups: Vec<SocketAddr>,
    /// `slave-wait`.
    pub wait: Duration,
    /// The most slaves.
    pub capacity: usize,
}

/// UPSs as they are sent.
#[derive(Clone, Debug, Hash)]
struct Body {
    bytes: Vec<u8>,
    length: usize,
}

/// The change that is being told.
#[derive(Clone, Debug, Hash)]
struct Push {
    datagram: Vec<u8>,
    length: usize,
    sequence: u64,
    begun: Duration,
    /// The next slave of this round; `None`: the round is over.
    cursor: Option<usize>,
    /// A slave was told in this round.
    told: bool,
    /// Groups that were told of this change.
    groups: usize,
    rounds: u32,
    /// When the next round begins; `None`: all have acknowledged it.
    next: Option<Duration>,
}

/// Whether all slaves have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Not yet: ask again then.
    Wait(Duration),
    /// All said goodbye, and the time is over that they asked for.
    All,
    /// `slave-wait` is over; so many did not say goodbye.
    Missing(usize),
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Master {
    set: Settings,
    sequence: u64,
    peers: Peers,
    count: u8,
    /// With variables, and without.
    full: Body,
    bare: Body,
    material: [(u8, bool); MOST_UPS],
    outage_since: Option<Duration>,
    leaving: Option<Duration>,
    push: Push,
}

impl Master {
    /// Knows nothing yet; all memory that it will ever use is taken here.
    pub fn new(set: Settings) -> Master {
        let body = || Body { bytes: vec![0; LARGEST], length: 0 };
        Master {
            peers: Peers::new(set.capacity),
            set,
            sequence: 0,
            count: 0,
            full: body(),
            bare: body(),
            material: [(0, false); MOST_UPS],
            outage_since: None,
            leaving: None,
            push: Push {
                datagram: vec![0; LARGEST],
                length: 0,
                sequence: 0,
                begun: Duration::ZERO,
                cursor: None,
                told: false,
                groups: 0,
                rounds: 0,
                next: None,
            },
        }
    }

    /// Takes the state as it is now; a change is pushed.
    pub fn update<'a>(&mut self, now: Duration, seen: impl Iterator<Item = Seen<'a>>) {
        let mut full = Writer::new(&mut self.full.bytes);
        let mut bare = Writer::new(&mut self.bare.bytes);
        let mut material = [(0, false); MOST_UPS];
        let mut count: u8 = 0;
        let mut outage = false;
        for (one, slot) in seen.zip(&mut material) {
            let spent = u64::try_from(one.spent.as_millis()).unwrap_or(u64::MAX);
            let power = wire::number(one.power);
            let ups = wire::Ups { name: one.name, power, lost: one.lost, spent, variables: 0 };
            if bare.put(&ups).is_none() {
                break;
            }
            with_variables(&mut full, ups, one.variables);
            *slot = (power, one.lost);
            count = count.saturating_add(1);
            outage |= power > 1;
        }
        (self.full.length, self.bare.length) = (full.length(), bare.length());
        let since = self.outage_since.filter(|_| outage);
        self.outage_since = since.or(outage.then_some(now));
        let changed = material != self.material || count != self.count;
        (self.material, self.count) = (material, count);
        if changed {
            self.begin_push(now);
        }
    }

    /// The master goes down while on battery: all slaves are told to shut down.
    pub fn leave(&mut self, now: Duration) {
        if self.leaving.is_none() {
            self.leaving = Some(now);
            self.begin_push(now);
        }
    }

    /// Takes a datagram; the length of the answer in `out`, if there is one. It is never longer than what it
    /// answers.
    ///
    /// # Errors
    /// Why nothing is answered.
    pub fn receive(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &mut [u8],
        out: &mut [u8],
    ) -> Result<Option<usize>, Refusal> {
        let keyless = self.set.ring.is_empty();
        if keyless && !self.set.listed.iter().any(|one| one.addresses.contains(&from.ip())) {
            return Err(Refusal::Unlisted);
        }
        let length = datagram.len();
        let (header, body) = self.set.ring.open(Kind::Poll, datagram)?;
        let poll = Poll::read(body).ok_or(Refusal::Shape)?;
        let known = self.peers.find(&header.session);
        if known.is_some_and(|peer| header.sequence <= peer.sequence) {
            return Err(Refusal::Stale);
        }
        let bound = self.is_cookie(now, &header.session, from, &poll.cookie);
        if bound && !self.peers.bind(now, header.session, header.sequence, from, &poll) {
            return Err(Refusal::Full);
        }
        let cookie = self.cookie(epoch(now), &header.session, from);
        Ok(self.answer(poll.nonce, cookie, bound, header.key, length, out))
    }

    /// Fills `to` with the next slaves to be told of a change, at most `most`; the datagram for them all.
    pub fn fan(&mut self, now: Duration, to: &mut Vec<SocketAddr>, most: usize) -> Option<&[u8]> {
        to.clear();
        if self.push.next.is_some_and(|at| now >= at) {
            self.push.next = None;
            self.push.cursor = Some(0);
            self.push.told = false;
        }
        let most = most.min(to.capacity());
        while self.push.groups < self.set.groups.len() && to.len() < most {
            to.extend(self.set.groups.get(self.push.groups));
            self.push.groups = self.push.groups.saturating_add(1);
        }
        while let Some(place) = self.push.cursor.filter(|_| to.len() < most) {
            match self.peers.at(place) {
                Some(peer) => {
                    if self.wants(now, peer) {
                        to.push(peer.address);
                        self.push.told = true;
                    }
                    self.push.cursor = Some(place.saturating_add(1));
                }
                None => self.end_round(now),
            }
        }
        if to.is_empty() { None } else { self.push.datagram.get(..self.push.length) }
    }

    /// When [`Master::fan`] has something to do.
    pub fn next(&self, now: Duration) -> Option<Duration> {
        let more = self.push.cursor.is_some() || self.push.groups < self.set.groups.len();
        if more { Some(now) } else { self.push.next }
    }

    /// After [`Master::leave`]: whether it may go.
    pub fn served(&self, now: Duration) -> Served {
        let left = self.leaving.unwrap_or(now);
        let since = self.outage_since.unwrap_or(left).saturating_sub(BEFORE);
        let awaited = self.peers.iter().filter(|peer| peer.here() && peer.heard >= since).count();
        let never = self.never_heard().count();
        let missing = awaited.saturating_add(never);
        let ends = self.peers.iter().filter_map(|peer| peer.halting);
        let end = ends.map(|(at, time)| at.saturating_add(time)).max().unwrap_or(left);
        let deadline = left.saturating_add(self.set.wait);
        if missing > 0 && now < deadline {
            return Served::Wait(deadline);
        }
        match (now < end, missing) {
            (true, _) => Served::Wait(end),
            (false, 0) => Served::All,
            (false, missing) => Served::Missing(missing),
        }
    }

    /// `slave` lines of whose addresses no poll has come.
    pub fn never_heard(&self) -> impl Iterator<Item = &Listed> {
        self.set.listed.iter().filter(|listed| {
            !self.peers.iter().any(|peer| {
                let host = listed.name.split('.').next();
                let named = peer.name.as_str() == listed.name || Some(peer.name.as_str()) == host;
                listed.addresses.contains(&peer.address.ip()) || named
            })
        })
    }

    /// All slaves that were ever bound and are not forgotten.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// This slave acts on the newest change.
    pub fn acknowledged(&self, peer: &Peer) -> bool {
        peer.seen >= self.push.sequence
    }

    /// Of this run.
    pub fn session(&self) -> Session {
        self.set.session
    }

    fn wants(&self, now: Duration, peer: &Peer) -> bool {
        let old = now.saturating_sub(self.push.begun) > REPEAT_SILENT && peer.silent(now);
        peer.here() && !old && peer.seen < self.push.sequence
    }

    fn begin_push(&mut self, now: Duration) {
        let shutdown = self.leaving.is_some();
        let head = Head { answer: None, shutdown, count: self.count };
        self.sequence = self.sequence.saturating_add(1);
        let bare = self.bare.bytes.get(..self.bare.length).unwrap_or(&[]);
        let id = (self.set.session, self.sequence);
        let sealed = seal(&self.set.ring, None, id, head, bare, &mut self.push.datagram);
        // All UPSs without variables fit: the configuration's check sees to it.
        self.push.length = sealed.unwrap_or(0);
        self.push.sequence = self.sequence;
        self.push.begun = now;
        (self.push.rounds, self.push.groups, self.push.cursor) = (0, 0, None);
        let head_start = if self.set.groups.is_empty() { Duration::ZERO } else { GROUP };
        self.push.next = Some(now.saturating_add(head_start));
    }

    fn end_round(&mut self, now: Duration) {
        self.push.cursor = None;
        let pause = REPEAT.saturating_mul(1_u32.checked_shl(self.push.rounds).unwrap_or(u32::MAX));
        self.push.rounds = self.push.rounds.saturating_add(1);
        let told = self.push.told;
        self.push.next = told.then(|| now.saturating_add(pause.min(REPEAT_MOST)));
    }

    fn answer(
        &mut self,
        nonce: Nonce,
        cookie: [u8; 16],
        bound: bool,
        key: [u8; 4],
        most: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        self.sequence = self.sequence.saturating_add(1);
        let id = (self.set.session, self.sequence);
        let needed =
            |body: &Body| self.set.ring.sealed_length(HEAD_MOST.saturating_add(body.length));
        let room = u16::try_from(needed(&self.full).saturating_add(SLACK)).unwrap_or(u16::MAX);
        let answer = Some(Answer { nonce, cookie, bound, room });
        let head = Head { answer, shutdown: self.leaving.is_some(), count: self.count };
        let body = if needed(&self.full) <= most { &self.full } else { &self.bare };
        let bytes = body.bytes.get(..body.length)?;
        if needed(body) > most {
            return None;
        }
        seal(&self.set.ring, Some(key), id, head, bytes, out)
    }

    fn is_cookie(&self, now: Duration, session: &Session, from: SocketAddr, is: &[u8; 16]) -> bool {
        let this = epoch(now);
        let good = |epoch| self.cookie(epoch, session, from) == *is;
        good(this) || this.checked_sub(1).is_some_and(good)
    }

    /// Proves that the slave of this session heard an answer at this address not long ago.
    fn cookie(&self, epoch: u64, session: &Session, from: SocketAddr) -> [u8; 16] {
        let mut cookie = [0; 16];
        // Takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.set.secret) else {
            return cookie;
        };
        mac.update(session);
        mac.update(&epoch.to_be_bytes());
        match from.ip() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(&from.port().to_be_bytes());
        for (slot, byte) in cookie.iter_mut().zip(mac.finalize().into_bytes()) {
            *slot = byte;
        }
        cookie
    }
}

fn epoch(now: Duration) -> u64 {
    // From 1 on, so that the first has one before it and no cookie is good for ever.
    (now.as_secs() / EPOCH.as_secs()).saturating_add(1)
}

fn with_variables(full: &mut Writer<'_>, ups: wire::Ups<'_>, variables: &[(&str, &str)]) {
    let before = full.length();
    let count = u8::try_from(variables.len().min(32)).unwrap_or(0);
    let mut put = || {
        full.put(&wire::Ups { variables: count, ..ups })?;
        variables.iter().take(32).try_for_each(|pair| full.put(pair))
    };
    if put().is_none() {
        full.truncate(before);
        let _ = full.put(&ups);
    }
}

/// Writes and seals a state; `None`: no room.
fn seal(
    ring: &Keyring,
    key: Option<[u8; 4]>,
    id: (Session, u64),
    head: Head,
    ups: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let room = ring.room(out.len());
    let body = out.get_mut(HEADER..)?.get_mut(..room)?;
    let mut writer = Writer::new(body);
    writer.put(&head)?;
    let begin = writer.length();
    let end = begin.checked_add(ups.len())?;
    body.get_mut(begin..end)?.copy_from_slice(ups);
    ring.seal(Kind::State, key, id, end, out)
}

#[cfg(test)]
#[path = "master_tests.rs"]
mod tests;
