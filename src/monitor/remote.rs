//! One UPS that another machine watches: what its master says, through the same delays as a line's status.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use std::sync::atomic::AtomicU64;

use crate::config::wiring::Status;
use crate::fleet::slave::{Known, Slave};
use crate::fleet::wire::Refusal;
use crate::ipc::frame::Kind;
use crate::ipc::legal::Power;
use crate::monitor::Distant;
use crate::monitor::power::Ups;
use crate::monitor::told::Told;
use crate::monitor::voice::Voice;

/// A UPS in the jail whose master is asked over UDP.
#[derive(Debug)]
pub(super) struct Remote<'a> {
    /// The master, as the configuration calls it.
    host: &'a str,
    /// The protocol's state.
    pub(super) slave: Slave,
    told: Told<'a>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(
        plan: &'a Distant,
        slave: Slave,
        memory: [Option<&'static AtomicU64>; 2],
        now: Duration,
    ) -> Remote<'a> {
        let Distant { name, host, feeds, settings, .. } = plan;
        Remote { host, slave, told: Told::new(name, *feeds, *settings, memory, now) }
    }

    /// Takes a datagram; true: it was for this one.
    pub(super) fn receive(
        &mut self,
        now: Duration,
        from: IpAddr,
        datagram: &mut [u8],
    ) -> Result<bool, Refusal> {
        self.slave.receive(now, from, datagram)
    }

    /// Says what follows from what is known now, and from the time that passed.
    pub(super) fn look(&mut self, now: Duration, voice: &mut Voice<'_>) {
        let known = self.slave.known();
        let status = status(&known, self.slave.age(now).is_some(), self.slave.in_contact(now));
        let said = self.told.follow(now, status, known.shutdown, voice.may_speak(now));
        if known.shutdown && !self.told.feeds {
            self.slave.excuse(now);
        }
        self.told.say(said, known.shutdown, voice, |kind| Reason { remote: self, kind, now });
    }

    /// When to look again if nothing comes.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let lost = self.slave.lost_at().filter(|at| *at > now);
        [self.told.ups.next(now), lost].into_iter().flatten().min()
    }

    /// The parent knows it to be on mains.
    pub(super) fn on_mains(&self) -> bool {
        self.told.on_mains()
    }

    /// The machine for its times.
    pub(super) fn ups(&self) -> &Ups {
        &self.told.ups
    }

    /// The same, to hold it back.
    pub(super) fn ups_mut(&mut self) -> &mut Ups {
        &mut self.told.ups
    }
}

/// What a master's word is worth; `None`: it has said nothing yet.
fn status(known: &Known, heard: bool, contact: bool) -> Option<Status> {
    match (heard, contact && !known.lost, known.power) {
        (false, ..) | (true, true, None) => None,
        (true, false, _) => Some(Status::Lost),
        (true, true, Some(Power::Mains)) => Some(Status::Mains),
        (true, true, Some(Power::Battery)) => Some(Status::Battery),
        (true, true, Some(Power::Low)) => Some(Status::Low),
    }
}

/// Why an event is told, for the log.
struct Reason<'a> {
    remote: &'a Remote<'a>,
    kind: Kind,
    now: Duration,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Remote { host, slave, told } = self.remote;
        let known = slave.known();
        match (slave.age(self.now), slave.in_contact(self.now)) {
            (None, _) => return write!(f, "{host} has not answered yet"),
            (Some(age), false) => {
                return write!(f, "no answer of {host} for {}s", age.as_secs());
            }
            _ => {}
        }
        write!(f, "{host} says so")?;
        match self.kind {
            Kind::Lost => f.write_str(": it sees the UPS no more")?,
            Kind::Shutdown if !known.shutdown => {
                write!(f, ", {}s on battery", told.ups.spent(self.now).as_secs())?;
            }
            Kind::Fail | Kind::Low | Kind::Shutdown if !known.spent.is_zero() => {
                write!(f, ", {}s on battery", known.spent.as_secs())?;
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
