//! UDP in the jail: what master and slaves say goes through sockets that were bound before the fork. A turn
//! of the loop does a bounded part of the work, so that a flood never keeps the lines waiting.

use core::net::SocketAddr;
use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};

use crate::fleet::master::{self, Master, Seen, Served};
use crate::fleet::refused::Refused;
use crate::fleet::slave::{self, Slave};
use crate::fleet::wire::{LARGEST, Refusal};
use crate::ipc::parting::Call;
use crate::monitor::remote::Remote;
use crate::monitor::{Distant, Network};
use crate::sys::udp::{Burst, Udp};
use crate::sys::{at, raw};

/// Datagrams taken in one turn from each socket.
const TAKEN: usize = 16;
/// Datagrams of a push in one turn.
const PUSHED: usize = 256;
/// The most slaves; with keys nobody has to list them.
const SLAVES: usize = 10_000;
/// One byte more than the longest datagram: what fills it was longer, and is refused.
const ROOM: usize = LARGEST + 1;
/// A slave that goes down says so for so long, whether or not its master answers.
const GOODBYE: Duration = Duration::from_secs(3);

/// Both roles' sockets, and the master's state.
#[derive(Debug)]
pub(super) struct Net<'a> {
    plan: &'a Network,
    master: Option<Master>,
    /// The next slaves of a push.
    to: Vec<SocketAddr>,
    burst: Burst,
    buffer: [u8; ROOM],
    out: [u8; LARGEST],
    refused: Refused,
    /// Since when this machine goes down, and who has to hear of it.
    leaving: Option<(Duration, Call)>,
}

/// Why a monitor may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parted {
    /// Whoever had to know of it does.
    All,
    /// So many slaves did not say goodbye, or the master did not answer.
    Missing(usize),
}

impl<'a> Net<'a> {
    /// Takes all the memory that it will ever use.
    pub(super) fn new(plan: &'a Network) -> Result<Net<'a>, String> {
        let master = plan.master.as_ref().map(|set| {
            let (session, secret) = (random()?, random()?);
            let settings = master::Settings {
                ring: set.ring.clone(),
                session,
                secret,
                listed: set.listed.clone(),
                groups: set.groups.clone(),
                wait: set.wait,
                capacity: SLAVES,
            };
            Ok::<_, String>(Master::new(settings))
        });
        Ok(Net {
            plan,
            master: master.transpose()?,
            to: Vec::with_capacity(PUSHED),
            burst: Burst::default(),
            buffer: [0; ROOM],
            out: [0; LARGEST],
            refused: Refused::default(),
            leaving: None,
        })
    }

    /// Everything that a datagram can come from.
    pub(super) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'a>> + use<'a> {
        self.plan.sockets().map(AsFd::as_fd)
    }

    /// As a master.
    pub(super) fn master(&self) -> Option<&Master> {
        self.master.as_ref()
    }

    /// What was refused so far.
    pub(super) fn refused(&self) -> Refused {
        let mut refused = self.refused;
        refused.add(Refusal::Full, self.master.as_ref().map_or(0, Master::turned_away));
        refused
    }

    /// Takes what has come, and answers polls.
    pub(super) fn receive(&mut self, now: Duration, remotes: &mut [Remote<'_>]) {
        for udp in &self.plan.serve {
            for _ in 0..TAKEN {
                let Some((length, from)) = udp.receive(&mut self.buffer) else { break };
                let Some(master) = &mut self.master else { break };
                let datagram = self.buffer.get_mut(..length).unwrap_or_default();
                match master.receive(now, from, datagram, &mut self.out) {
                    Ok(Some(length)) => {
                        let answer = self.out.get(..length).unwrap_or_default();
                        udp.send(answer, from);
                    }
                    Ok(None) => {}
                    Err(refusal) => self.refused.count(refusal),
                }
            }
        }
        for udp in self.plan.ask.iter().chain(&self.plan.hear) {
            for _ in 0..TAKEN {
                let Some((length, from)) = udp.receive(&mut self.buffer) else { break };
                let datagram = self.buffer.get_mut(..length).unwrap_or_default();
                // A push is for all of them, an answer for one.
                let (mut taken, mut refusal) = (false, Refusal::Stale);
                for remote in remotes.iter_mut() {
                    match remote.receive(now, from.ip(), datagram) {
                        Ok(_) => taken = true,
                        Err(why) => refusal = why,
                    }
                }
                if !taken {
                    self.refused.count(refusal);
                }
            }
        }
    }

    /// Tells slaves what has changed, and asks masters.
    pub(super) fn send<'s>(
        &mut self,
        now: Duration,
        seen: impl Iterator<Item = Seen<'s>>,
        remotes: &mut [Remote<'_>],
    ) {
        if let Some(master) = &mut self.master {
            master.update(now, seen);
            if let Some(datagram) = master.fan(now, &mut self.to, PUSHED) {
                push(&self.plan.serve, &mut self.burst, datagram, &self.to);
            }
        }
        for remote in remotes {
            if now < remote.slave.next() {
                continue;
            }
            // Without a nonce nothing can be asked; the next turn tries again.
            let Ok(nonce) = random() else { continue };
            let Some((length, to)) = remote.slave.poll(now, nonce, &mut self.out) else { continue };
            let poll = self.out.get(..length).unwrap_or_default();
            if let Some(udp) = self.plan.ask.iter().find(|udp| udp.reaches(&to)) {
                udp.send(poll, to);
            }
        }
    }

    /// When there is something to send although nothing came.
    pub(super) fn next(&self, now: Duration, remotes: &[Remote<'_>]) -> Option<Duration> {
        let master = self.master.as_ref();
        let push = master.and_then(|master| master.next(now));
        let polls = remotes.iter().map(|remote| remote.slave.next());
        let served = match self.served(now) {
            Served::Wait(at) => Some(at),
            _ => None,
        };
        let goodbye = self.leaving.map(|(at, _)| at.saturating_add(GOODBYE)).filter(|at| *at > now);
        polls.chain(push).chain(served).chain(goodbye).min()
    }

    /// This machine goes down: its masters hear of it, and its slaves too if they have to.
    pub(super) fn leave(&mut self, now: Duration, call: Call, remotes: &mut [Remote<'_>]) {
        if self.leaving.is_none() {
            self.leaving = Some((now, call));
            if let Some(master) = self.master.as_mut().filter(|_| call == Call::Shutdown) {
                master.leave(now);
            }
            for remote in remotes {
                remote.slave.leave(now, self.plan.halt_time);
            }
        }
    }

    /// What slaves are waited for, if they were told to shut down.
    fn served(&self, now: Duration) -> Served {
        let told = self.leaving.is_some_and(|(_, call)| call == Call::Shutdown);
        let master = self.master.as_ref().filter(|_| told);
        master.map_or(Served::All, |master| master.served(now))
    }

    /// After [`Net::leave`]: whether it may go.
    pub(super) fn parted(&self, now: Duration, remotes: &[Remote<'_>]) -> Option<Parted> {
        let (left, _) = self.leaving?;
        let masters = remotes.iter().filter(|remote| !remote.slave.gone()).count();
        let over = now.saturating_sub(left) >= GOODBYE;
        match (self.served(now), masters) {
            (Served::Wait(_), _) => None,
            (_, 1..) if !over => None,
            (Served::Missing(missing), _) => Some(Parted::Missing(missing)),
            (Served::All, _) => Some(Parted::All),
        }
    }
}

/// The protocol's state for one UPS of another machine.
pub(super) fn slave(plan: &Distant, network: &Network, now: Duration) -> Result<Slave, String> {
    let settings = slave::Settings {
        ring: plan.ring.clone(),
        session: random()?,
        name: network.host.clone(),
        ups: plan.ups.clone(),
        or_only: plan.or_only,
        addresses: plan.addresses.clone(),
        deadtime: plan.deadtime,
    };
    Ok(Slave::new(settings, now))
}

/// One datagram to all of them, each by the first socket that reaches it.
fn push(sockets: &[Udp], burst: &mut Burst, datagram: &[u8], mut to: &[SocketAddr]) {
    while let Some(first) = to.first() {
        let udp = sockets.iter().find(|udp| udp.reaches(first));
        let same = |to: &&SocketAddr| {
            let other = sockets.iter().position(|udp| udp.reaches(to));
            other == sockets.iter().position(|udp| udp.reaches(first))
        };
        let count = to.iter().take_while(same).count().max(1);
        let (run, rest) = to.split_at_checked(count).unwrap_or((to, &[]));
        if let Some(udp) = udp {
            burst.send(udp, datagram, run);
        }
        to = rest;
    }
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    raw::random(&mut bytes).map_err(at("getrandom"))?;
    Ok(bytes)
}
