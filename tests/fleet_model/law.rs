//! What must hold. It knows what was sent when and why, and asks both sides only what a user can see.

use std::net::SocketAddr;
use std::time::Duration;

use upsentry::fleet::master::Master;
use upsentry::fleet::peers::Peer;
use upsentry::fleet::slave::Known;
use upsentry::ipc::legal::Power;

use crate::world::{DEADTIME, What, World, attacker, home};

/// No cookie is good for longer.
const COOKIE: Duration = Duration::from_secs(600);

/// What the master sees, and whether it goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Truth {
    pub power: Power,
    pub lost: bool,
    pub leaving: bool,
}

#[derive(Clone, Debug, Hash)]
pub struct Law {
    /// When (as a tick) the master's state last changed.
    changed: u64,
    /// The newest state that this run of the slave took, per run of the master.
    taken: Vec<(u8, u64)>,
    /// The same for all runs of the slave, for what the master may believe of them.
    acted: Vec<(u8, u8, u64)>,
    /// When the newest poll was sent whose answer this run of the slave took.
    contact: Option<Duration>,
    /// When this run learnt of the outage.
    outage: Option<Duration>,
    /// It took an answer that was sent to the attacker.
    relayed: bool,
    /// Runs that said goodbye, and those of which a master knows it.
    left: Vec<u8>,
    let_go: Vec<u8>,
    /// Polls that counted, per run of the master, and the newest run of the slave among them.
    bound: Vec<(u8, usize)>,
    newest: Vec<(u8, u8)>,
}

fn check(holds: bool, law: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(law()) }
}

impl Law {
    pub fn new() -> Law {
        Law {
            changed: 0,
            taken: Vec::new(),
            acted: Vec::new(),
            contact: None,
            outage: None,
            relayed: false,
            left: Vec::new(),
            let_go: Vec::new(),
            bound: Vec::new(),
            newest: Vec::new(),
        }
    }

    pub fn changed(&mut self, tick: u64) {
        self.changed = tick;
    }

    pub fn left(&mut self, run: u8) {
        self.left.push(run);
    }

    pub fn has_left(&self, run: u8) -> bool {
        self.left.contains(&run)
    }

    pub fn slave_began(&mut self) {
        self.taken.clear();
        (self.contact, self.outage, self.relayed) = (None, None, false);
    }

    pub fn peers(&self, master: &Master) -> Vec<Peer> {
        master.peers().copied().collect()
    }

    /// A state has reached the slave.
    ///
    /// Seen to fail with any nonce accepted, with older nonces kept, with the age of a poll not looked at, with pushes
    /// of any session accepted, with pushes accepted after silence, and with the sequence not looked at.
    pub fn told(
        &mut self,
        world: &World,
        before: Known,
        taken: bool,
        place: usize,
    ) -> Result<(), String> {
        let state = &world.sent[place];
        let What::State { run, truth, answers, to } = state.what else { panic!("not what it was") };
        let known = world.slave.known();
        let age = world.now.saturating_sub(state.made);
        let news = known != before;
        let newest = self.taken.iter().find(|(of, _)| *of == run).map_or(0, |(_, tick)| *tick);
        check(!news || taken, || "what was refused was believed".to_owned())?;
        check(!news || age <= DEADTIME, || format!("{known:?} is {age:?} old"))?;
        check(!news || state.tick > newest, || format!("{known:?} is older than what was known"))?;
        let wanted = Known {
            power: Some(truth.power),
            lost: truth.lost,
            spent: Duration::ZERO,
            shutdown: truth.leaving || before.shutdown,
        };
        check(!news || known == wanted, || format!("{known:?} never was: {wanted:?}"))?;
        check(news || !taken || known == wanted || state.tick <= newest, || {
            format!("{wanted:?} was taken and not believed")
        })?;
        if !taken {
            return Ok(());
        }
        raise(&mut self.taken, run, state.tick);
        let both =
            |(slave, master, _): &&mut (u8, u8, u64)| (*slave, *master) == (world.slave_run, run);
        match self.acted.iter_mut().find(both) {
            Some((_, _, tick)) => *tick = state.tick.max(*tick),
            None => self.acted.push((world.slave_run, run, state.tick)),
        }
        if let Some(poll) = answers {
            let poll = &world.sent[poll];
            let What::Poll { run, .. } = poll.what else { panic!("not what it was") };
            check(run == world.slave_run, || "an answer to another run was taken".to_owned())?;
            self.contact = self.contact.max(Some(poll.made));
            self.relayed |= to == attacker();
        }
        self.outage = match known.power {
            Some(Power::Battery | Power::Low) => self.outage.or(Some(world.now)),
            _ => None,
        };
        Ok(())
    }

    /// A poll has reached the master.
    ///
    /// Seen to fail with any cookie accepted, with the address or the turn left out of it, with a cookie that is good
    /// for ever or for the next run of the master, and with any sequence accepted.
    pub fn heard(
        &mut self,
        world: &World,
        before: &[Peer],
        place: usize,
        from: SocketAddr,
    ) -> Result<(), String> {
        let poll = &world.sent[place];
        let What::Poll { run, halting } = poll.what else { panic!("not what it was") };
        let age = world.now.saturating_sub(poll.made);
        for peer in world.master.peers() {
            let old = before.iter().find(|old| old.session == peer.session);
            // Only another run's poll may say that this one is over.
            if old.is_some_and(|old| old.sequence == peer.sequence) {
                let old = old.map(|old| (old.address, old.halting, old.seen, old.heard));
                let new = Some((peer.address, peer.halting, peer.seen, peer.heard));
                check(old == new, || format!("{peer:?} has changed without a poll"))?;
                continue;
            }
            let key = (world.master_run, place);
            check(peer.session == [run; 16], || format!("{peer:?} by a poll of {run}"))?;
            check(!self.bound.contains(&key), || format!("{peer:?} by a replay"))?;
            check(age <= COOKIE, || format!("{peer:?} by a poll that is {age:?} old"))?;
            check(peer.address == from, || format!("{peer:?} polled from {from}"))?;
            check(peer.halting.is_some() == halting, || format!("{peer:?}: halting {halting}"))?;
            self.bound.push(key);
            let newest = self.newest.iter().find(|(of, _)| *of == world.master_run);
            let later = newest.is_some_and(|(_, newest)| *newest > run);
            check(!later || !peer.here(), || format!("{peer:?} is a ghost"))?;
            raise(&mut self.newest, world.master_run, run);
            if halting {
                self.let_go.push(run);
            }
        }
        Ok(())
    }

    /// At any time.
    pub fn holds(&self, world: &World) -> Result<(), String> {
        self.silence(world)?;
        for peer in world.master.peers() {
            let run = peer.session[0];
            let acted = self
                .acted
                .iter()
                .find(|(slave, master, _)| (*slave, *master) == (run, world.master_run));
            let acted = acted.map_or(0, |(_, _, tick)| *tick);
            let knows = world.master.acknowledged(peer);
            // Seen to fail with `seen` of a poll whose cookie is no good taken over.
            check(!knows || acted >= self.changed, || format!("{peer:?} has not acknowledged"))?;
            let left = peer.halting.is_none() || self.left.contains(&run);
            check(left, || format!("{peer:?} did not say goodbye"))?;
            let astray = peer.address != home() && !self.relayed && run == world.slave_run;
            check(!astray, || format!("{peer:?} is elsewhere"))?;
        }
        // Seen to fail with any answer taken for one to a goodbye.
        let gone = world.slave.gone();
        check(!gone || self.let_go.contains(&world.slave_run), || "nobody knows of it".to_owned())
    }

    /// Seen to fail with contact counted from when an answer came, with pushes taken for contact, and with no less time
    /// on battery.
    fn silence(&self, world: &World) -> Result<(), String> {
        let in_contact = world.slave.in_contact(world.now);
        let since = |at: Duration| world.now.saturating_sub(at);
        let Some(contact) = self.contact else {
            return check(!in_contact, || "contact before the first answer".to_owned());
        };
        let outage = self.outage.is_none_or(|at| since(at.max(contact)) <= DEADTIME / 3);
        let may = since(contact) <= DEADTIME && outage;
        check(may || !in_contact, || format!("silent for {:?}", since(contact)))?;
        let must = since(contact) <= DEADTIME / 3;
        check(in_contact || !must, || format!("answered {:?} ago", since(contact)))?;
        let lost = world.slave.lost_at();
        let end = lost.map(|at| at - Duration::from_millis(1));
        check(in_contact == end.is_some_and(|at| world.now <= at), || format!("until {lost:?}"))
    }

    /// Nothing was lost or late for a while.
    ///
    /// Seen to fail with pushes or polls never repeated, and with the sequence of the master's last run kept.
    pub fn at_rest(&self, world: &World) -> Result<(), String> {
        let Truth { power, lost, leaving } = world.truth;
        let known = world.slave.known();
        let right = known.power == Some(power) && known.lost == lost;
        let asked = known.shutdown || !leaving;
        check(right && asked, || format!("{known:?} is known, true is {:?}", world.truth))?;
        check(world.slave.in_contact(world.now), || "no contact".to_owned())?;
        let mut peers = world.master.peers();
        let Some(peer) = peers.find(|peer| peer.session == [world.slave_run; 16]) else {
            return Err("the master does not know the slave".to_owned());
        };
        let left = self.has_left(world.slave_run);
        check(peer.here() != left, || format!("{peer:?}, left: {left}"))?;
        check(peer.address == home(), || format!("{peer:?} is still elsewhere"))?;
        check(world.master.acknowledged(peer), || format!("{peer:?} has not acknowledged"))?;
        check(world.slave.gone() == left, || "the slave does not know that it may go".to_owned())
    }
}

fn raise<K: PartialEq, V: Ord>(all: &mut Vec<(K, V)>, key: K, value: V) {
    match all.iter_mut().find(|(of, _)| *of == key) {
        Some((_, old)) if *old < value => *old = value,
        Some(_) => {}
        None => all.push((key, value)),
    }
}
