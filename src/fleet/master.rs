//! The master's side: answers polls, and pushes every change to all slaves until they acknowledge it.

use core::net::SocketAddr;
use core::time::Duration;

use crate::fleet::cookie::{Bearer, Cookie, Cookies};
use crate::fleet::peers::{Peer, Peers, Proven};
use crate::fleet::roll::Roll;
use crate::fleet::seal::{Keyring, MOST_KEYS};
use crate::fleet::wire::{
    self, Answer, Buffer, HEAD_MOST, HEADER, Head, Header, Kind, LARGEST, MOST_UPS, MOST_VARIABLES,
    Poll, Refusal, Session, Writer,
};
use crate::ipc::legal::Power;

pub use crate::fleet::roll::Listed;

/// A push is first repeated so much later, then after twice the time, and so on ...
const REPEAT: Duration = Duration::from_millis(100);
/// ... up to this ...
const REPEAT_MOST: Duration = Duration::from_secs(5);
/// ... and to slaves that fell silent no longer than this: their next poll is answered with it anyway.
const REPEAT_SILENT: Duration = Duration::from_secs(60);
/// After a push to the groups their members have so long to acknowledge it before each is told by itself.
const GROUP: Duration = Duration::from_millis(30);
/// A slave that was heard so shortly before the outage is waited for at the end. So long after its start a master
/// may not know yet whom the one before it knew.
const BEFORE: Duration = Duration::from_secs(60);

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

/// What a master is made of.
#[derive(Clone, Debug, Hash)]
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

/// The change that is being told.
#[derive(Clone, Debug, Hash)]
struct Push {
    /// Sealed once for each key: a slave that is being re-keyed may know one of them only.
    datagrams: [Buffer; MOST_KEYS],
    sequence: u64,
    begun: Duration,
    /// The next slave of this round; `None`: the round is over.
    cursor: Option<usize>,
    /// The key whose slaves are being told, and whether one of the next has been seen.
    lane: usize,
    more: bool,
    /// A slave was told in this round.
    told: bool,
    /// Groups that were told of this change, once for each key.
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
#[derive(Clone, Debug, Hash)]
pub struct Master {
    set: Settings,
    sequence: u64,
    peers: Peers,
    cookies: Cookies,
    roll: Roll,
    turned_away: u64,
    count: u8,
    /// With variables, and without.
    full: Buffer,
    bare: Buffer,
    material: [(u8, bool); MOST_UPS],
    begun: Option<Duration>,
    outage_since: Option<Duration>,
    leaving: Option<Duration>,
    push: Push,
}

impl Master {
    /// Knows nothing yet; all memory that it will ever use is taken here.
    pub fn new(mut set: Settings) -> Master {
        Master {
            peers: Peers::new(set.capacity),
            cookies: Cookies::new(&set.secret),
            roll: Roll::new(core::mem::take(&mut set.listed)),
            set,
            sequence: 0,
            turned_away: 0,
            count: 0,
            full: Buffer::new(),
            bare: Buffer::new(),
            material: [(0, false); MOST_UPS],
            begun: None,
            outage_since: None,
            leaving: None,
            push: Push {
                datagrams: [Buffer::new(), Buffer::new()],
                sequence: 0,
                begun: Duration::ZERO,
                cursor: None,
                lane: 0,
                more: false,
                told: false,
                groups: 0,
                rounds: 0,
                next: None,
            },
        }
    }

    /// Takes the state as it is now; a change is pushed. What no slave would read is left out.
    pub fn update<'a>(&mut self, now: Duration, seen: impl Iterator<Item = Seen<'a>>) {
        self.begun.get_or_insert(now);
        // Whatever is in it must fit into an answer.
        let room = self.set.ring.room(LARGEST).saturating_sub(HEAD_MOST);
        let mut material = [(0, false); MOST_UPS];
        let mut slots = material.iter_mut();
        let mut count: u8 = 0;
        let mut whole = true;
        let Master { full, bare, .. } = self;
        full.fill(|full| {
            let mut full = Writer::new(full.get_mut(..room).unwrap_or_default());
            bare.fill(|bare| {
                let mut bare = Writer::new(bare.get_mut(..room).unwrap_or_default());
                for one in seen.filter(|one| wire::is_name(one.name)) {
                    let spent = u64::try_from(one.spent.as_millis()).unwrap_or(u64::MAX);
                    let power = wire::number(one.power);
                    let name = one.name;
                    let ups = wire::Ups { name, power, lost: one.lost, spent, variables: 0 };
                    let Some(slot) = slots.next() else { break };
                    if bare.put(&ups).is_none() {
                        break;
                    }
                    whole &= with_variables(&mut full, ups, one.variables).is_some();
                    *slot = (power, one.lost);
                    count = count.saturating_add(1);
                }
                bare.length()
            });
            full.length()
        });
        if !whole {
            self.full.copy(self.bare.used());
        }
        let outage = material.iter().any(|(power, _)| *power > 1);
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
        if self.set.ring.is_empty() && !self.roll.has(from.ip()) {
            return Err(Refusal::Unlisted);
        }
        if self.begun.is_none() {
            // It knows no UPS yet, and a slave would take that for the truth.
            return Ok(None);
        }
        let length = datagram.len();
        let (header, body) = self.set.ring.open(Kind::Poll, datagram)?;
        let poll = Poll::read(body).ok_or(Refusal::Shape)?;
        let known = self.peers.find(&header.session);
        if known.is_some_and(|peer| header.sequence <= peer.sequence) {
            return Err(Refusal::Stale);
        }
        let turn = self.peers.turn(&header.session, &poll);
        let bearer = Bearer { session: header.session, turn, from };
        let mut bound = self.cookies.is_good(now, &bearer, &poll.cookie);
        if bound {
            let Header { session, sequence, key, .. } = header;
            bound = self.bind(&Proven { now, session, sequence, key, from, turn, poll: &poll });
        }
        let cookie = self.cookies.make(now, &bearer);
        Ok(self.answer(&header, &poll, cookie, bound, length.min(out.len()), out))
    }

    /// False: there is no room. The slave is answered all the same, but nobody will wait for it.
    fn bind(&mut self, proven: &Proven<'_>) -> bool {
        let mut bound = self.peers.bind(proven);
        if !bound && self.peers.forget_superseded() {
            self.cookies.renew();
            bound = self.peers.bind(proven);
        }
        if bound {
            self.roll.hear(proven.from.ip(), proven.poll.name);
        } else {
            self.turned_away = self.turned_away.saturating_add(1);
        }
        bound
    }

    /// Polls that were answered, but for lack of room do not count ([`Refusal::Full`]).
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Fills `to` with the next slaves to be told of a change, at most `most` and no more than it has capacity
    /// for; the datagram for them all. Again, until it gives nothing.
    pub fn fan(&mut self, now: Duration, to: &mut Vec<SocketAddr>, most: usize) -> Option<&[u8]> {
        to.clear();
        let most = most.min(to.capacity());
        if self.push.next.is_some_and(|at| now >= at) {
            self.push.next = None;
            self.push.cursor = Some(0);
            (self.push.lane, self.push.more, self.push.told) = (0, false, false);
        }
        let lane = match self.groups(to, most) {
            Some(lane) => lane,
            None => self.round(now, to, most),
        };
        let datagram = self.push.datagrams.get(lane).map(Buffer::used)?;
        (!to.is_empty()).then_some(datagram)
    }

    /// The groups that were not told yet, once for each key; which key.
    fn groups(&mut self, to: &mut Vec<SocketAddr>, most: usize) -> Option<usize> {
        let groups = self.set.groups.len();
        let lane = self.push.groups.checked_div(groups).filter(|_| self.groups_left())?;
        while to.len() < most && self.groups_left() && self.push.groups / groups == lane {
            to.extend(self.set.groups.get(self.push.groups % groups));
            self.push.groups = self.push.groups.saturating_add(1);
        }
        Some(lane)
    }

    fn groups_left(&self) -> bool {
        self.push.groups < self.set.groups.len().saturating_mul(self.set.ring.ids().count())
    }

    /// The next slaves of this round that know one and the same key; which one.
    fn round(&mut self, now: Duration, to: &mut Vec<SocketAddr>, most: usize) -> usize {
        let mut lane = self.push.lane;
        while let Some(place) = self.push.cursor.filter(|_| to.len() < most) {
            if let Some(peer) = self.peers.at(place) {
                if self.wants(now, peer) {
                    if self.lane(peer) == lane {
                        to.push(peer.address);
                    } else {
                        self.push.more |= self.lane(peer) > lane;
                    }
                    self.push.told = true;
                }
                self.push.cursor = Some(place.saturating_add(1));
            } else if self.push.more {
                self.push.cursor = Some(0);
                (self.push.lane, self.push.more) = (lane.saturating_add(1), false);
                if !to.is_empty() {
                    break;
                }
                lane = self.push.lane;
            } else {
                self.end_round(now);
            }
        }
        lane
    }

    /// The place of the key that it knows for certain.
    fn lane(&self, peer: &Peer) -> usize {
        self.set.ring.ids().position(|id| id == peer.key).unwrap_or(0)
    }

    /// When [`Master::fan`] has something to do.
    pub fn next(&self, now: Duration) -> Option<Duration> {
        let more = self.push.cursor.is_some() || self.groups_left();
        if more { Some(now) } else { self.push.next }
    }

    /// After [`Master::leave`]: whether it may go.
    pub fn served(&self, now: Duration) -> Served {
        let left = self.leaving.unwrap_or(now);
        let missing = self.awaited().count().saturating_add(self.roll.never_heard().count());
        let ends = self.peers.iter().filter_map(|peer| peer.halting);
        let end = ends.map(|(at, time)| at.saturating_add(time)).max().unwrap_or(left);
        let deadline = left.saturating_add(self.set.wait);
        // Slaves of the master before this one need a moment to be known, if they are not listed.
        let young = self.begun.is_none_or(|begun| left.saturating_sub(begun) < BEFORE);
        let young = young && !self.set.ring.is_empty();
        if (missing > 0 || young) && now < deadline {
            return Served::Wait(deadline);
        }
        match (now < end, missing) {
            (true, _) => Served::Wait(end),
            (false, 0) => Served::All,
            (false, missing) => Served::Missing(missing),
        }
    }

    /// Slaves that were there when the outage began, or came since, and have not said goodbye.
    fn awaited(&self) -> impl Iterator<Item = &Peer> {
        let since = self.outage_since.or(self.leaving).unwrap_or(Duration::ZERO);
        self.peers.iter().filter(move |peer| {
            let until = peer.heard.saturating_add(peer.patience().max(BEFORE));
            peer.here() && until >= since
        })
    }

    /// `slave` lines of which no poll has come in this run, by address or by name.
    pub fn never_heard(&self) -> impl Iterator<Item = &Listed> {
        self.roll.never_heard()
    }

    /// The same by place, for a walk in parts; `None`: behind the last `slave` line; `Some(None)`: it was heard.
    pub fn listed(&self, place: usize) -> Option<Option<&Listed>> {
        self.roll.at(place)
    }

    /// A slave by place, for a walk in parts; places of those that are forgotten come with the rest.
    pub fn peer(&self, place: usize) -> Option<&Peer> {
        self.peers.at(place)
    }

    /// Places of slaves.
    pub fn places(&self) -> usize {
        self.peers.places()
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
        let id = (self.set.session, self.sequence);
        let Master { set, bare, push, .. } = self;
        for (datagram, key) in push.datagrams.iter_mut().zip(set.ring.ids()) {
            // It fits: there is room for an answer.
            datagram.fill(|out| seal(&set.ring, key, id, head, bare.used(), out).unwrap_or(0));
        }
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
        header: &Header,
        poll: &Poll<'_>,
        cookie: Cookie,
        bound: bool,
        most: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        let needed = |body: &Buffer| {
            self.set.ring.sealed_length(HEAD_MOST.saturating_add(body.used().len()))
        };
        let room = needed(&self.full).saturating_add(SLACK).min(LARGEST);
        let room = u16::try_from(room).unwrap_or(u16::MAX);
        let body = [&self.full, &self.bare].into_iter().find(|body| needed(body) <= most)?;
        self.sequence = self.sequence.saturating_add(1);
        let id = (self.set.session, self.sequence);
        let answer = Some(Answer { nonce: poll.nonce, cookie, bound, room });
        let head = Head { answer, shutdown: self.leaving.is_some(), count: self.count };
        seal(&self.set.ring, header.key, id, head, body.used(), out)
    }
}

/// One UPS with all of its variables, or, if they do not fit, with none; `None`: not even that fits.
fn with_variables(
    full: &mut Writer<'_>,
    ups: wire::Ups<'_>,
    variables: &[(&str, &str)],
) -> Option<()> {
    let fit = |pair: &&(&str, &str)| wire::is_variable(pair.0, pair.1);
    let good = || variables.iter().filter(fit).take(usize::from(MOST_VARIABLES));
    let count = u8::try_from(good().count()).unwrap_or(0);
    let before = full.length();
    let mut put = || {
        full.put(&wire::Ups { variables: count, ..ups })?;
        good().try_for_each(|pair| full.put(pair))
    };
    if put().is_some() {
        return Some(());
    }
    full.truncate(before);
    full.put(&ups)
}

/// Writes and seals a state; `None`: no room.
fn seal(
    ring: &Keyring,
    key: [u8; 4],
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
    ring.seal(Kind::State, Some(key), id, end, out)
}

#[cfg(test)]
#[path = "served_tests.rs"]
mod served_tests;
#[cfg(test)]
#[path = "master_tests.rs"]
mod tests;
