//! Master, slave, and the network between them, which keeps everything that was ever sent.

use std::hash::Hash;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use upsentry::fleet::keys::Key;
use upsentry::fleet::master::{self, Listed, Master, Seen};
use upsentry::fleet::seal::Keyring;
use upsentry::fleet::slave::{self, Slave};
use upsentry::fleet::wire::{LARGEST, Refusal};
use upsentry::ipc::legal::Power;

use crate::law::{Law, Truth};

pub const DEADTIME: Duration = Duration::from_secs(15);
/// Where the clock starts: in the middle of a cookie's life.
const BASE: Duration = Duration::from_secs(1150);

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A datagram arrives, for the first time or again.
    Deliver(usize),
    /// A poll that has arrived before arrives from the attacker's address.
    Divert(usize),
    /// Time passes; or until something is due.
    Time(Duration),
    Due,
    /// The UPS shows something else, or the master sees it no more.
    Show(Power),
    Lose,
    /// Their next run begins.
    MasterDies,
    SlaveDies,
    /// They go down.
    MasterLeaves,
    SlaveLeaves,
}

/// What may happen, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub shows: &'static [Act],
    pub faults: &'static [Act],
    pub times: &'static [Duration],
    /// Of `shows` and `faults` together.
    pub events: usize,
}

impl Bounds {
    pub const ALL: Bounds = Bounds {
        shows: &[Act::Show(Power::Mains), Act::Show(Power::Battery), Act::Show(Power::Low)],
        faults: &[
            Act::Lose,
            Act::MasterDies,
            Act::SlaveDies,
            Act::SlaveDies,
            Act::MasterLeaves,
            Act::SlaveLeaves,
        ],
        times: &[
            Duration::from_millis(1),
            Duration::from_millis(30),
            Duration::from_secs(1),
            Duration::from_secs(5),
            Duration::from_millis(14_999),
            Duration::from_secs(15),
            Duration::from_secs(61),
            Duration::from_secs(301),
            Duration::from_secs(20 * 365 * 24 * 3600),
        ],
        events: usize::MAX,
    };
}

/// What a datagram is.
#[derive(Clone, Debug, Hash)]
pub enum What {
    /// Of this run of the slave.
    Poll { run: u8, halting: bool },
    /// Of this run of the master; the poll that it answers, and where it was sent.
    State { run: u8, truth: Truth, answers: Option<usize>, to: SocketAddr },
}

#[derive(Clone, Debug, Hash)]
pub struct Datagram {
    pub bytes: Vec<u8>,
    pub what: What,
    pub made: Duration,
    /// Rises with everything that is sent or changes.
    pub tick: u64,
}

#[derive(Clone, Hash)]
pub struct World {
    keys: [&'static [u8]; 2],
    pub bounds: NoHash<Bounds>,
    pub now: Duration,
    pub truth: Truth,
    pub master: Master,
    pub slave: Slave,
    /// Which of them it is.
    pub master_run: u8,
    pub slave_run: u8,
    polls: u8,
    pub sent: Vec<Rc<Datagram>>,
    /// Beside `sent`: it has arrived.
    pub arrived: Vec<bool>,
    /// What the last step sent, new or again.
    out: NoHash<Vec<usize>>,
    pub events: usize,
    pub law: Law,
}

/// Never changes.
#[derive(Clone, Copy, Debug)]
pub struct NoHash<T>(pub T);

impl<T> Hash for NoHash<T> {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

pub fn home() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 4711))
}

pub fn attacker() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 66], 4711))
}

fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4711))
}

fn ring(keys: &[u8]) -> Keyring {
    let keys: Vec<_> = keys.iter().filter_map(|key| Key::from_bytes(&[*key; 32])).collect();
    Keyring::new(&keys)
}

fn new_master(keys: &[u8], run: u8) -> Master {
    // Without keys the attacker has his address from a listed host.
    let listed = Listed { name: "web1".to_owned(), addresses: vec![home().ip(), attacker().ip()] };
    Master::new(master::Settings {
        ring: ring(keys),
        session: [0x80 | run; 16],
        secret: [run; 32],
        listed: vec![listed],
        groups: Vec::new(),
        wait: Duration::from_secs(10),
        capacity: 3,
    })
}

fn new_slave(keys: &[u8], run: u8, now: Duration) -> Slave {
    let settings = slave::Settings {
        ring: ring(keys),
        session: [run; 16],
        name: "web1".to_owned(),
        ups: "rack".to_owned(),
        or_only: false,
        addresses: vec![server()],
        deadtime: DEADTIME,
    };
    Slave::new(settings, now)
}

impl World {
    /// Nothing has been said yet.
    pub fn new(keys: [&'static [u8]; 2], bounds: Bounds) -> World {
        let mut world = World {
            keys,
            bounds: NoHash(bounds),
            now: BASE,
            truth: Truth { power: Power::Mains, lost: false, leaving: false },
            master: new_master(keys[0], 1),
            slave: new_slave(keys[1], 1, BASE),
            master_run: 1,
            slave_run: 1,
            polls: 0,
            sent: Vec::new(),
            arrived: Vec::new(),
            out: NoHash(Vec::new()),
            events: 0,
            law: Law::new(),
        };
        world.update();
        world.due().expect("a fresh start is lawful");
        world
    }

    /// The slave is bound, and knows all.
    pub fn warm_up(&mut self) {
        for act in [0, 1, 2, 3] {
            self.act(Act::Deliver(act)).expect("a handshake is lawful");
        }
        assert_eq!(self.master.peers().filter(|peer| peer.here()).count(), 1);
    }

    fn update(&mut self) {
        let Truth { power, lost, .. } = self.truth;
        let spent = Duration::ZERO;
        let seen = Seen { name: "rack", power: Some(power), lost, spent, variables: &[] };
        self.master.update(self.now, [seen].into_iter());
        self.law.changed(self.tick());
    }

    fn tick(&self) -> u64 {
        (self.sent.len() + self.events) as u64
    }

    fn send(&mut self, bytes: &[u8], what: What) {
        let (made, tick) = (self.now, self.tick());
        // A repetition is as old as the first.
        let old = self.sent.iter().position(|old| old.bytes == bytes);
        self.out.0.push(old.unwrap_or(self.sent.len()));
        if old.is_none() {
            self.sent.push(Rc::new(Datagram { bytes: bytes.to_vec(), what, made, tick }));
            self.arrived.push(false);
        }
    }

    /// Both do what is due.
    fn due(&mut self) -> Result<(), String> {
        let mut out = [0; LARGEST];
        let mut nonce = [self.slave_run; 16];
        nonce[0] = self.polls;
        if let Some((length, to)) = self.slave.poll(self.now, nonce, &mut out) {
            assert_eq!(to, server());
            self.polls = self.polls.wrapping_add(1);
            let halting = self.law.has_left(self.slave_run);
            self.send(&out[..length], What::Poll { run: self.slave_run, halting });
        }
        let mut to = Vec::with_capacity(2);
        while let Some(push) = self.master.fan(self.now, &mut to, 2) {
            let push = push.to_vec();
            for to in &to {
                let (run, truth) = (self.master_run, self.truth);
                self.send(&push, What::State { run, truth, answers: None, to: *to });
            }
        }
        self.law.holds(self)
    }

    /// When something is due.
    pub fn next(&self) -> Duration {
        let push = self.master.next(self.now);
        push.into_iter().chain([self.slave.next()]).min().unwrap_or(self.now)
    }

    fn deliver(&mut self, place: usize, diverted: bool) -> Result<(), String> {
        let datagram = self.sent[place].clone();
        self.arrived[place] = true;
        match &datagram.what {
            What::Poll { .. } => {
                let from = if diverted { attacker() } else { home() };
                let before = self.law.peers(&self.master);
                let mut out = [0; LARGEST];
                let mut bytes = datagram.bytes.clone();
                let answer = self.master.receive(self.now, from, &mut bytes, &mut out);
                let answer: Result<Option<usize>, Refusal> = answer;
                if let Ok(Some(length)) = answer {
                    if length > datagram.bytes.len() {
                        return Err(format!("{length} bytes answer {}", datagram.bytes.len()));
                    }
                    let (run, truth) = (self.master_run, self.truth);
                    let what = What::State { run, truth, answers: Some(place), to: from };
                    self.send(&out[..length], what);
                }
                let mut law = self.law.clone();
                law.heard(self, &before, place, from)?;
                self.law = law;
            }
            What::State { .. } => {
                let known = self.slave.known();
                let taken = self.slave.receive(self.now, server().ip(), &datagram.bytes);
                let mut law = self.law.clone();
                law.told(self, known, taken.is_ok(), place)?;
                self.law = law;
            }
        }
        Ok(())
    }

    /// All that can happen.
    pub fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        for (place, arrived) in self.arrived.iter().enumerate() {
            acts.push(Act::Deliver(place));
            if *arrived && matches!(self.sent[place].what, What::Poll { .. }) {
                acts.push(Act::Divert(place));
            }
        }
        acts.push(Act::Due);
        acts.extend(self.bounds.0.times.iter().copied().map(Act::Time));
        if self.events < self.bounds.0.events {
            acts.extend(self.bounds.0.shows.iter().chain(self.bounds.0.faults));
        }
        acts
    }

    /// Lets it happen.
    ///
    /// # Errors
    /// The law that this breaks.
    pub fn act(&mut self, act: Act) -> Result<(), String> {
        self.out.0.clear();
        match act {
            Act::Deliver(place) => self.deliver(place, false)?,
            Act::Divert(place) => self.deliver(place, true)?,
            Act::Time(time) => self.now += time,
            Act::Due => self.now = self.now.max(self.next()),
            event => {
                self.events += 1;
                self.event(event);
            }
        }
        self.due()
    }

    fn event(&mut self, event: Act) {
        let before = self.truth;
        match event {
            Act::Show(power) => self.truth = Truth { power, lost: false, ..self.truth },
            Act::Lose => self.truth.lost = true,
            Act::MasterDies => {
                self.master_run += 1;
                self.master = new_master(self.keys[0], self.master_run);
                self.truth.leaving = false;
                return self.update();
            }
            Act::SlaveDies => {
                self.slave_run += 1;
                self.polls = 0;
                self.slave = new_slave(self.keys[1], self.slave_run, self.now);
                self.law.slave_began();
            }
            Act::MasterLeaves => {
                self.truth.leaving = true;
                self.master.leave(self.now);
            }
            Act::SlaveLeaves => {
                self.slave.leave(self.now, Duration::from_secs(30));
                self.law.left(self.slave_run);
            }
            _ => {}
        }
        if self.truth != before {
            self.update();
        }
    }

    /// From here on the network loses and delays nothing; what was sent before may still arrive at any time. Soon both
    /// know all.
    pub fn calm(mut self, noise: impl FnMut(usize) -> usize) -> Result<(), String> {
        let mut story = String::new();
        let held = self.settle(noise, &mut story).and_then(|()| self.law.at_rest(&self));
        held.map_err(|broken| format!("in a calm network: {broken}, after{story}\n before"))
    }

    fn settle(
        &mut self,
        mut noise: impl FnMut(usize) -> usize,
        story: &mut String,
    ) -> Result<(), String> {
        let begin = self.now;
        let mut act = |world: &mut World, act| {
            story.push_str(&format!("\n {:?} {act:?}", world.now - begin));
            world.act(act)
        };
        let old = self.sent.len();
        let end = self.now + DEADTIME / 3 + Duration::from_secs(2);
        self.bounds.0.events = self.events;
        let mut under_way = std::mem::take(&mut self.out.0);
        loop {
            if noise(4) == 0 && old > 0 {
                // What the attacker gets for it does not reach the slave, unless it is a poll's of its own.
                let place = noise(old);
                let again = if noise(3) == 0 { self.again(place) } else { Act::Deliver(place) };
                act(self, again)?;
                let answer = |place: &usize| {
                    matches!(self.sent[*place].what, What::State { answers: Some(_), .. })
                };
                let sent = std::mem::take(&mut self.out.0);
                under_way.extend(sent.into_iter().filter(|place| !answer(place)));
            }
            if under_way.is_empty() {
                if self.next() > end {
                    return Ok(());
                }
                act(self, Act::Due)?;
            } else {
                let place = under_way.remove(0);
                act(self, Act::Deliver(place))?;
            }
            under_way.append(&mut self.out.0);
        }
    }

    fn again(&self, place: usize) -> Act {
        match self.sent[place].what {
            What::Poll { .. } => Act::Divert(place),
            What::State { .. } => Act::Deliver(place),
        }
    }
}
