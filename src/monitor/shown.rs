//! What the status socket shows of the live state.

use core::hash::{Hash as _, Hasher};
use core::time::Duration;

use crate::fleet::peers::Peer;
use crate::fleet::wire::Refusal;
use crate::ipc::legal::Power;
use crate::ipc::page::Page;
use crate::ipc::parting::Call;
use crate::monitor::fed::Asked;
use crate::monitor::lines::Watched;
use crate::monitor::net::Net;
use crate::monitor::power;
use crate::monitor::remote::Remote;
use crate::monitor::ruled::Ruled;
use crate::monitor::serve::Shown;
use crate::monitor::{About, Label};
use crate::status::report::{FORMAT, Head, LONGEST, Leaving, Rule, Slave, State, Ups, Way};
use crate::sys::process;

/// What is seen of one UPS over time; the machine for its events forgets it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Track {
    power: Option<Power>,
    since: Duration,
    left_mains: Option<Duration>,
    /// When the last outage ended, and how long it lasted.
    outage: Option<(Duration, Duration)>,
}

impl Track {
    /// Takes what is known of it now.
    pub(super) fn see(&mut self, now: Duration, power: Option<Power>) {
        if self.power == power {
            return;
        }
        match (power, self.left_mains) {
            (Some(Power::Mains), Some(at)) => {
                self.outage = Some((now, now.saturating_sub(at)));
                self.left_mains = None;
            }
            (Some(Power::Battery | Power::Low), None) => self.left_mains = Some(now),
            _ => {}
        }
        (self.power, self.since) = (power, now);
    }
}

/// The live state at one moment.
#[derive(Debug)]
pub(super) struct Live<'a> {
    pub(super) about: &'a About,
    pub(super) page: Option<Page>,
    pub(super) lines: &'a [Watched<'a>],
    pub(super) remotes: &'a [Remote<'a>],
    pub(super) asked: &'a [Asked<'a>],
    pub(super) ruled: Option<&'a Ruled<'a>>,
    pub(super) tracks: &'a [Track],
    pub(super) net: Option<&'a Net<'a>>,
}

/// A UPS of any kind.
enum One<'a> {
    Line(&'a Watched<'a>),
    Remote(&'a Remote<'a>),
    Asked(&'a Asked<'a>),
}

impl<'a> Live<'a> {
    /// Lines first, in the order of the plan.
    fn one(&self, place: usize) -> Option<One<'a>> {
        let Some(place) = place.checked_sub(self.lines.len()) else {
            return self.lines.get(place).map(One::Line);
        };
        let Some(place) = place.checked_sub(self.remotes.len()) else {
            return self.remotes.get(place).map(One::Remote);
        };
        self.asked.get(place).map(One::Asked)
    }
}

impl Shown for Live<'_> {
    fn head(&self, now: Duration) -> Head<'_> {
        let page = self.page.unwrap_or_default();
        let ago = |at: Duration| millis(now.saturating_sub(at));
        let refused =
            self.net.map(Net::refused).map(|counts| Refusal::ALL.map(|why| counts.of(why)));
        Head {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            host: self.about.host.as_str().into(),
            machine: State::from(page.machine),
            // Before the parent has written anything, nothing is known.
            blind: self.page.is_none_or(|page| page.blind),
            told: page.told.map(Into::into),
            told_ago: page.told_at.map(ago),
            recorded: page.recorded.map(Into::into),
            up: ago(page.started),
            outage: page.outage,
            pids: [page.pid, process::id()],
            replaced: page.replaced(),
            replaced_ago: page.replaced_at.map(ago),
            leaving: page.leave.map(|call| match call {
                Call::Goodbye => Leaving::Goodbye,
                Call::Shutdown => Leaving::Shutdown,
            }),
            dropped: page.dropped,
            master: self.net.is_some_and(|net| net.master().is_some()),
            refused,
        }
    }

    fn ups(&self, now: Duration, place: usize) -> Option<Ups<'_>> {
        let (ups, way): (&power::Ups, Way) = match self.one(place)? {
            One::Line(line) => (line.ups(), Way::Lines(line.levels())),
            One::Remote(remote) => (remote.ups(), Way::Master(remote.slave.age(now).map(millis))),
            One::Asked(asked) => (asked.ups(), Way::Nut(asked.age(now).map(millis))),
        };
        let Label { name, model, source, weight, shutdown_after } = self.about.labels.get(place)?;
        let track = self.tracks.get(place).copied().unwrap_or_default();
        let ago = |at: Duration| millis(now.saturating_sub(at));
        Some(Ups {
            name: name.as_str().into(),
            model: model.as_str().into(),
            source: source.as_str().into(),
            way,
            state: State::from(ups.reported()),
            lost: ups.is_lost(),
            doubt: ups.in_doubt(),
            weight: *weight,
            since: ago(track.since),
            spent: millis(ups.spent(now)),
            limit: shutdown_after.map(millis),
            left: ups.shutdown_at().map(|at| millis(at.saturating_sub(now))),
            glitches: ups.glitches(),
            outage: track.outage.map(|(ended, lasted)| [millis(lasted), ago(ended)]),
        })
    }

    fn variable(&self, ups: usize, place: usize) -> Option<(&str, &str)> {
        match self.one(ups)? {
            One::Line(line) => line.variables().get(place).copied(),
            One::Remote(remote) => remote.slave.variables()?.nth(place),
            One::Asked(asked) => asked.variables().nth(place),
        }
    }

    /// First those that polled, then those of the configuration that never did.
    fn slave(&self, now: Duration, place: usize) -> Option<Option<Slave<'_>>> {
        let master = self.net?.master()?;
        let places = master.places();
        let Some(past) = place.checked_sub(places) else {
            let peer = master.peer(place).filter(|peer| peer.known());
            return Some(peer.map(|peer| Slave {
                name: peer.name.as_str().into(),
                heard: Some((peer.address, millis(now.saturating_sub(peer.heard)))),
                acknowledged: master.acknowledged(peer),
                silent: peer.silent(now),
                leaving: peer.halting.is_some(),
            }));
        };
        let listed = master.listed(past)?;
        Some(listed.map(|listed| Slave {
            name: fitting(&listed.name).into(),
            heard: None,
            acknowledged: false,
            silent: true,
            leaving: false,
        }))
    }

    fn rule(&self, now: Duration, place: usize) -> Option<Rule<'_>> {
        self.ruled?.shown(now, place)
    }

    fn stamp(&self, now: Duration) -> u64 {
        let mut hash = Fnv::default();
        if let Some(page) = self.page {
            page.words().hash(&mut hash);
        }
        for line in self.lines {
            (line.levels(), line.variables(), line.ups().glitches()).hash(&mut hash);
            of(line.ups(), &mut hash);
        }
        for remote in self.remotes {
            remote.slave.in_contact(now).hash(&mut hash);
            remote.slave.variables().into_iter().flatten().for_each(|pair| pair.hash(&mut hash));
            of(remote.ups(), &mut hash);
        }
        for one in self.asked {
            one.variables().for_each(|pair| pair.hash(&mut hash));
            of(one.ups(), &mut hash);
        }
        if let Some(master) = self.net.and_then(Net::master) {
            let one = |peer: &Peer| {
                let is = [peer.here(), master.acknowledged(peer), peer.silent(now)];
                (peer.session, is)
            };
            master.peers().for_each(|peer| one(peer).hash(&mut hash));
        }
        if let Some(ruled) = self.ruled {
            ruled.stamp().for_each(|word| word.hash(&mut hash));
        }
        hash.finish()
    }
}

fn of(ups: &power::Ups, hash: &mut Fnv) {
    (ups.reported(), ups.is_lost(), ups.in_doubt(), ups.on_battery()).hash(hash);
}

/// A host's name may be longer than a text of the report.
fn fitting(name: &str) -> &str {
    name.get(..name.len().min(LONGEST)).unwrap_or("")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// FNV-1a: small, and without the random numbers that the library's own wants.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
