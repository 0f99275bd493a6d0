//! The slave's side: polls the master, and knows what of all that comes is its master's present state.
//!
//! Nothing is believed but (1) an answer that repeats the nonce of a poll sent less than `deadtime` ago, none of
//! them older than the last one answered, and (2) a push of the session whose answer was believed last, with a
//! higher sequence, while answers still come. Only an answer ends silence, counted from when its poll was sent.
//! So what is believed was true at most `deadtime` ago: a push with a higher sequence than the last answer's was
//! made after it, and that after its poll was sent.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::fleet::cookie::Cookie;
use crate::fleet::seal::Keyring;
use crate::fleet::wire::{
    Buffer, HEADER, Head, Kind, LARGEST, Nonce, Poll, Refusal, Session, State, Ups, Variables,
    Writer,
};
use crate::ipc::legal::Power;

/// Polls that may be answered at one time.
const ASKED: usize = 16;
/// A poll that is not answered is repeated no sooner than this ...
const RETRY_LEAST: Duration = Duration::from_millis(10);
/// ... and no later.
const RETRY_MOST: Duration = Duration::from_secs(1);
/// What an answer is allowed at first, and after tries that were not answered.
const ROOM: [usize; 2] = [512, LARGEST];
/// A push that proves nothing is followed by a poll no sooner than this after the last one.
const DOUBT: Duration = Duration::from_secs(1);
/// One that was seen already, but whose acknowledgement was not answered, is acknowledged again no sooner than this
/// after the last poll.
const AGAIN: Duration = Duration::from_millis(20);

/// What a slave is made of.
#[derive(Clone, Debug, Hash)]
pub struct Settings {
    /// Its keys; none: only `addresses` are heard.
    pub ring: Keyring,
    /// Random, of this run.
    pub session: Session,
    /// This host's name.
    pub name: String,
    /// The UPS of the master's; empty: the only one.
    pub ups: String,
    /// If the master has no UPS called `ups`, its only one is meant.
    pub or_only: bool,
    /// Where the master may be; not empty.
    pub addresses: Vec<SocketAddr>,
    /// Silence so long is loss of contact; on battery a third of it.
    pub deadtime: Duration,
}

/// A poll that may still be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asked {
    nonce: Nonce,
    at: Duration,
    seen: u64,
    halting: bool,
}

/// What is known of the UPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// `None`: nothing yet.
    pub power: Option<Power>,
    /// The master has no contact with it, or has no such UPS.
    pub lost: bool,
    /// Time on battery, as the master counts.
    pub spent: Duration,
    /// The master asked this machine to shut down. Never taken back, not by its next run either: what was begun
    /// then goes on.
    pub shutdown: bool,
}

/// The state machine for one UPS of one master.
#[derive(Clone, Debug, Hash)]
pub struct Slave {
    set: Settings,
    sequence: u64,
    /// Newest first.
    asked: [Option<Asked>; ASKED],
    verified: Option<Session>,
    cookie: Cookie,
    bound: bool,
    /// Answers in a row to polls that did not count: the address changes under way, or the master is new.
    unbound: u32,
    /// The sequence of the newest state that counts, and of what the master knows that this slave has seen.
    seen: u64,
    told: u64,
    /// When the newest poll was sent that was answered.
    contact: Option<Duration>,
    /// When it was learnt that the UPS is on battery.
    battery: Option<Duration>,
    known: Known,
    room: usize,
    /// Polls in vain since the last answer.
    tries: u32,
    polled: Option<Duration>,
    poll_at: Duration,
    /// What is due then cannot wait: an acknowledgement, or a goodbye.
    pressing: bool,
    /// If no answer has come by then, the last poll was in vain.
    vain_at: Duration,
    address: usize,
    halting: Option<u16>,
    gone: bool,
    excused: bool,
    /// The datagram of the state that counts, opened, and a place to open another.
    state: Buffer,
    opened: Buffer,
}

impl Slave {
    /// Has heard nothing; polls at `now`.
    pub fn new(set: Settings, now: Duration) -> Slave {
        Slave {
            set,
            sequence: 0,
            asked: [None; ASKED],
            verified: None,
            cookie: [0; 16],
            bound: false,
            unbound: 0,
            seen: 0,
            told: 0,
            contact: None,
            battery: None,
            known: Known::default(),
            room: 0,
            tries: 0,
            polled: None,
            poll_at: now,
            pressing: false,
            vain_at: now,
            address: 0,
            halting: None,
            gone: false,
            excused: false,
            state: Buffer::new(),
            opened: Buffer::new(),
        }
    }

    /// When to poll.
    pub fn next(&self) -> Duration {
        self.poll_at
    }

    /// Writes the poll that is due: its length and where it goes. `nonce`: fresh and random.
    pub fn poll(
        &mut self,
        now: Duration,
        nonce: Nonce,
        out: &mut [u8],
    ) -> Option<(usize, SocketAddr)> {
        if now < self.poll_at {
            return None;
        }
        let vain = self.tries > 0 && now >= self.vain_at;
        if vain {
            self.address = self.address.wrapping_add(1);
        }
        if vain || self.tries == 0 {
            self.tries = self.tries.saturating_add(1).min(16);
        }
        let interval = self.interval(now);
        let retry = (interval / 4).clamp(RETRY_LEAST, RETRY_MOST);
        let shift = self.tries.saturating_sub(1);
        let retry = retry.saturating_mul(1_u32.checked_shl(shift).unwrap_or(u32::MAX));
        let most = if self.in_contact(now) { interval } else { interval.min(RETRY_MOST) };
        self.vain_at = now.saturating_add(retry.min(most).max(RETRY_LEAST));
        self.poll_at = self.vain_at;
        self.pressing = false;
        self.polled = Some(now);
        let place = self.address.checked_rem(self.set.addresses.len())?;
        let to = *self.set.addresses.get(place)?;
        let length = self.write(nonce, out)?;
        self.asked.rotate_right(1);
        if let Some(newest) = self.asked.first_mut() {
            let halting = self.halting.is_some();
            *newest = Some(Asked { nonce, at: now, seen: self.seen, halting });
        }
        Some((length, to))
    }

    /// The poll itself, as long as its answer may be.
    fn write(&mut self, nonce: Nonce, out: &mut [u8]) -> Option<usize> {
        self.sequence = self.sequence.saturating_add(1);
        // If it is answered, the next one is not sooner because this one did not count.
        let interval = self.calm_interval();
        let poll = Poll {
            name: &self.set.name,
            ups: &self.set.ups,
            nonce,
            cookie: self.cookie,
            seen: self.seen,
            interval: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX),
            halting: self.halting,
        };
        let [small, large] = ROOM;
        let room = match (self.tries, self.room) {
            (3.., room) => room.max(large),
            (_, 0) => small,
            (_, room) => room,
        };
        let ring = &self.set.ring;
        let body_room = ring.room(out.len());
        let mut writer = Writer::new(out.get_mut(HEADER..)?.get_mut(..body_room)?);
        writer.put(&poll)?;
        writer.pad(ring.room(room))?;
        ring.seal(Kind::Poll, None, (self.set.session, self.sequence), writer.length(), out)
    }

    /// Takes a datagram, and leaves it as it is for another. True: something that counts may have changed.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn receive(
        &mut self,
        now: Duration,
        from: IpAddr,
        datagram: &[u8],
    ) -> Result<bool, Refusal> {
        let listed = self.set.addresses.iter().any(|address| address.ip() == from);
        if self.set.ring.is_empty() && !listed {
            return Err(Refusal::Unlisted);
        }
        if !self.opened.copy(datagram) {
            return Err(Refusal::Shape);
        }
        let mut opened = core::mem::take(&mut self.opened);
        let result = self.take(now, &mut opened);
        self.opened = opened;
        // What was believed last stays readable.
        if result == Ok(true) {
            core::mem::swap(&mut self.state, &mut self.opened);
        }
        self.opened.keep(0, 0);
        result.map(|_| true)
    }

    /// True: it is newer than what was known.
    fn take(&mut self, now: Duration, datagram: &mut Buffer) -> Result<bool, Refusal> {
        let (header, body) = self.set.ring.open(Kind::State, datagram.used_mut())?;
        let length = body.len();
        let state = State::read(body).ok_or(Refusal::Shape)?;
        match state.head.answer {
            Some(_) => self.answered(now, header.session, &state)?,
            None => self.pushed(now, header.session, header.sequence)?,
        }
        // Else an answer to an earlier poll than the push that came first: contact, but no news.
        let news = header.sequence > self.seen;
        if news {
            self.seen = header.sequence;
            let before = Known { spent: Duration::ZERO, ..self.known };
            self.apply(now, &state);
            if before != (Known { spent: Duration::ZERO, ..self.known }) {
                // By an answer too: the push may have been lost, and its repetitions be over.
                (self.poll_at, self.pressing) = (now, true);
            }
            datagram.keep(HEADER, length);
        }
        Ok(news)
    }

    /// This machine goes down, and needs so much more time: tells the master until it knows.
    pub fn leave(&mut self, now: Duration, time: Duration) {
        if self.halting.is_none() {
            let seconds = u16::try_from(time.as_secs()).unwrap_or(u16::MAX).min(3600);
            self.halting = Some(seconds);
            self.tries = 0;
            (self.poll_at, self.pressing) = (now, true);
        }
    }

    /// This machine is not fed by the UPS: a master that goes down need not wait for it.
    pub fn excuse(&mut self, now: Duration) {
        self.excused = true;
        self.leave(now, Duration::ZERO);
    }

    /// The master knows that this machine goes down.
    pub fn gone(&self) -> bool {
        self.gone
    }

    /// What was last known of the UPS, also when contact is lost since.
    pub fn known(&self) -> Known {
        self.known
    }

    /// The master answers.
    pub fn in_contact(&self, now: Duration) -> bool {
        self.contact_ends().is_some_and(|end| now <= end)
    }

    /// When contact is lost, if no answer comes.
    pub fn lost_at(&self) -> Option<Duration> {
        Some(self.contact_ends()?.saturating_add(Duration::from_millis(1)))
    }

    /// `deadtime` after the last answer's poll; on battery a third of it, but so long at least after the outage
    /// was learnt of: until then there was no reason to poll as often.
    fn contact_ends(&self) -> Option<Duration> {
        let contact = self.contact?;
        let end = contact.saturating_add(self.set.deadtime);
        let outage = |since: Duration| since.max(contact).saturating_add(self.set.deadtime / 3);
        Some(self.battery.map_or(end, |since| end.min(outage(since))))
    }

    /// How long ago the poll was sent that was answered last.
    pub fn age(&self, now: Duration) -> Option<Duration> {
        self.contact.map(|at| now.saturating_sub(at))
    }

    /// The session whose answers are believed.
    pub fn verified(&self) -> Option<Session> {
        self.verified
    }

    /// The variables of the UPS.
    pub fn variables(&self) -> Option<Variables<'_>> {
        let state = State::read(self.state.used())?;
        self.find(&state).map(|(_, variables)| variables)
    }

    fn calm_interval(&self) -> Duration {
        let interval = self.set.deadtime / if self.battery.is_some() { 9 } else { 3 };
        // Going down it has no time to lose.
        if self.halting.is_some() { interval.min(DOUBT) } else { interval }
    }

    fn interval(&self, now: Duration) -> Duration {
        let interval = self.calm_interval();
        let hurry = self.in_contact(now) && !self.bound;
        if hurry { interval.min(DOUBT) } else { interval }
    }

    fn answered(
        &mut self,
        now: Duration,
        session: Session,
        state: &State<'_>,
    ) -> Result<(), Refusal> {
        let answer = state.head.answer.ok_or(Refusal::Shape)?;
        let is = |asked: &Option<Asked>| asked.is_some_and(|asked| asked.nonce == answer.nonce);
        let place = self.asked.iter().position(is).ok_or(Refusal::Stale)?;
        let asked = self.asked.get(place).copied().flatten().ok_or(Refusal::Stale)?;
        if now.saturating_sub(asked.at) >= self.set.deadtime {
            return Err(Refusal::Stale);
        }
        // Neither this nor an older one can be answered again.
        for old in self.asked.iter_mut().skip(place) {
            *old = None;
        }
        if self.verified != Some(session) {
            self.verified = Some(session);
            (self.seen, self.told) = (0, 0);
            if core::mem::take(&mut self.excused) {
                // It is up again, and this machine never went down.
                (self.halting, self.gone, self.known.shutdown) = (None, false, false);
            }
        }
        if answer.bound {
            self.told = self.told.max(asked.seen);
        }
        self.contact = Some(asked.at);
        (self.cookie, self.bound) = (answer.cookie, answer.bound);
        self.room = usize::from(answer.room).min(LARGEST);
        self.tries = 0;
        self.gone |= answer.bound && asked.halting;
        self.unbound = if answer.bound { 0 } else { self.unbound.saturating_add(1) };
        let pause = match self.unbound {
            // This answer was under way before it.
            _ if self.pressing => Duration::ZERO,
            0 => self.interval(now),
            // With the cookie that just came the next one counts.
            1 => Duration::ZERO,
            _ => self.interval(now).min(DOUBT),
        };
        self.poll_at = asked.at.saturating_add(pause).max(now);
        Ok(())
    }

    fn pushed(&mut self, now: Duration, session: Session, sequence: u64) -> Result<(), Refusal> {
        let polled = |pause| self.polled.map_or(now, |at: Duration| at.saturating_add(pause));
        if self.verified != Some(session) || !self.in_contact(now) {
            // A master that was started anew, or a recording: the next answer tells.
            self.poll_at = self.poll_at.min(polled(DOUBT));
            return Err(Refusal::Stale);
        }
        if sequence <= self.seen {
            // Once the master has answered the acknowledgement, it is a recording.
            if sequence > self.told {
                self.poll_at = self.poll_at.min(polled(AGAIN));
            }
            return Err(Refusal::Stale);
        }
        // Acknowledged at once.
        (self.poll_at, self.pressing) = (now, true);
        Ok(())
    }

    fn find<'b>(&self, state: &State<'b>) -> Option<(Ups<'b>, Variables<'b>)> {
        let named = state.all().find(|(ups, _)| ups.name == self.set.ups);
        let Head { count, .. } = state.head;
        let only = || state.all().next().filter(|_| count == 1 && self.set.or_only);
        named.or_else(only)
    }

    fn apply(&mut self, now: Duration, state: &State<'_>) {
        self.known.shutdown |= state.head.shutdown;
        let Some((ups, _)) = self.find(state) else {
            self.known.lost = true;
            return;
        };
        self.known.lost = ups.lost;
        self.known.power = ups.power().or(self.known.power);
        self.known.spent = Duration::from_millis(ups.spent);
        self.battery = match self.known.power {
            Some(Power::Battery | Power::Low) => self.battery.or(Some(now)),
            _ => None,
        };
    }
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod asking_tests;
#[cfg(test)]
#[path = "slave_tests.rs"]
mod tests;
