//! One UPS that NUT watches: what its driver or a server of NUT's says, through the same delays as a line's status.

use core::fmt;
use core::time::Duration;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use nix::poll::PollFlags;

use crate::config::wiring::Status;
use crate::fleet::master;
use crate::ipc::frame::Kind;
use crate::ipc::legal::Power;
use crate::monitor::Fed;
use crate::monitor::lines::status_words;
use crate::monitor::power::Ups;
use crate::monitor::sync::Primary;
use crate::monitor::told::Told;
use crate::monitor::voice::Voice;
use crate::nut::ask::Ask;
use crate::nut::flags::{Flags, Seen, Verdict, judge};
use crate::nut::known::{Known, lost_at};
use crate::nut::server::Trouble;
use crate::nut::tokens::Does;
use crate::nut::values::Values;

/// Reads of one connection in a turn.
const READS: usize = 8;
/// Bytes of one read.
const ROOM: usize = 2048;

/// A connection to a driver or a server. Nothing of it waits.
pub(super) trait Connection: fmt::Debug {
    /// Connects where it is time to, and sends what there is to send.
    fn attend(&mut self, now: Duration);
    /// What has come, so many bytes of it; 0: nothing for now. A connection that has ended is let go.
    fn receive(&mut self, now: Duration, buffer: &mut [u8]) -> usize;
    /// Takes a part of it, up to a change of the status; how much.
    fn take(&mut self, now: Duration, bytes: &[u8]) -> usize;
    /// What is known.
    fn known(&self) -> Known;
    /// By NUT's names.
    fn values(&self) -> &Values;
    /// What it is polled for.
    fn poll(&self) -> Option<(BorrowedFd<'_>, PollFlags)>;
    /// When there is something to do although nothing came.
    fn next(&self, now: Duration) -> Option<Duration>;
    /// What a server refused, until it does not any more.
    fn refusal(&self) -> Option<Trouble>;
    /// Why there is no fresh status.
    fn trouble(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    /// It cannot be found any more, whatever is started.
    fn gone(&self) -> bool {
        false
    }
    /// What has come of being primary there; `None`: this machine is not.
    fn primary(&self) -> Option<Primary> {
        None
    }
    /// As a primary: whoever is logged in shall go down.
    fn force(&mut self, _now: Duration) {}
}

/// A UPS in the jail that NUT watches.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    plan: &'a Fed,
    link: Box<dyn Connection + 'a>,
    told: Told<'a>,
    /// What the last status came to.
    verdict: Verdict,
    /// The status and the refusal that were last looked at.
    seen: Option<Seen>,
    refusal: Option<Trouble>,
    /// By NUT's names, as slaves hear of it.
    variables: [(&'static str, &'static str); 1],
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        plan: &'a Fed,
        link: Box<dyn Connection + 'a>,
        memory: [Option<&'static AtomicU64>; 2],
        now: Duration,
    ) -> Asked<'a> {
        let told = Told::new(&plan.name, plan.feeds, plan.settings, memory, now);
        let variables = [("ups.status", "")];
        Asked {
            plan,
            link,
            told,
            verdict: Verdict::default(),
            seen: None,
            refusal: None,
            variables,
        }
    }

    /// Takes what has come, says what follows from each change of it and from the time that passed, and asks.
    pub(super) fn look(&mut self, now: Duration, voice: &mut Voice<'_>) {
        self.link.attend(now);
        let mut buffer = [0; ROOM];
        for _ in 0..READS {
            let length = self.link.receive(now, &mut buffer);
            let mut rest = buffer.get(..length).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            while !rest.is_empty() {
                let taken = self.link.take(now, rest).max(1);
                rest = rest.get(taken..).unwrap_or_default();
                self.step(now, voice);
            }
        }
        self.link.attend(now);
        self.step(now, voice);
    }

    /// Says what follows from what is known now.
    pub(super) fn step(&mut self, now: Duration, voice: &mut Voice<'_>) {
        let status = self.status(now);
        let said = self.told.follow(now, status, false, voice.may_speak(now));
        self.told.say(said, false, voice, |kind| Reason { asked: self, kind, now });
        self.variables = [("ups.status", status_words(self.told.ups.reported()))];
        self.notice(voice);
    }

    /// When to look again if nothing comes.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let lost = self.lost_at().filter(|at| *at > now);
        let link = self.link.next(now).map(|at| at.max(now));
        [self.told.ups.next(now), lost, link].into_iter().flatten().min()
    }

    /// What it is polled for.
    pub(super) fn poll(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.link.poll()
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

    /// It cannot be found any more, whatever is started.
    pub(super) fn gone(&self) -> bool {
        self.link.gone()
    }

    /// What has come of being primary there; `None`: this machine is not.
    pub(super) fn primary(&self) -> Option<Primary> {
        self.link.primary()
    }

    /// As a primary: sets FSD.
    pub(super) fn force(&mut self, now: Duration) {
        self.link.force(now);
    }

    /// How old what is known is; `None`: nothing is.
    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        let at = self.link.known().trusted_at?;
        Some(now.saturating_sub(at))
    }

    /// A variable, by NUT's name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.link.values().get(name)
    }

    /// By NUT's names.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.link.values().iter()
    }

    /// As slaves hear of it.
    pub(super) fn seen(&self, now: Duration) -> master::Seen<'_> {
        master::Seen {
            name: &self.plan.name,
            power: self.told.ups.reported(),
            lost: self.told.ups.is_lost(),
            spent: self.told.ups.spent(now),
            variables: &self.variables,
        }
    }

    /// What is known is believed until then.
    fn lost_at(&self) -> Option<Duration> {
        let battery = matches!(self.verdict.power, Some(Power::Battery | Power::Low));
        lost_at(&self.link.known(), self.plan.deadtime, battery)
    }

    /// What is known is worth this; `None`: nothing is known yet.
    fn status(&mut self, now: Duration) -> Option<Status> {
        let known = self.link.known();
        let seen = known.seen?;
        let verdict = judge(seen, self.plan.treat, self.verdict.line);
        self.verdict = verdict;
        if verdict.lost || self.lost_at().is_none_or(|at| now >= at) {
            return Some(Status::Lost);
        }
        Some(match verdict.power? {
            Power::Mains => Status::Mains,
            Power::Battery => Status::Battery,
            Power::Low => Status::Low,
        })
    }

    /// What a status says beside the power is for people.
    fn notice(&mut self, voice: &Voice<'_>) {
        let seen = self.link.known().seen;
        if notable(seen) != notable(self.seen) {
            let name = &self.plan.name;
            let alarm = self.link.values().get("ups.alarm").unwrap_or_default();
            let (open, close) = if alarm.is_empty() { ("", "") } else { (" (", ")") };
            if let Some(seen) = seen {
                voice.log(5, format_args!("{name}: status {seen}{open}{alarm}{close}"));
            }
        }
        self.seen = seen;
        let refusal = self.link.refusal();
        // PRIMARY is asked for again in its old word; the same answer to that is no news.
        let before = self.refusal;
        let again = |one: &Trouble| {
            one.asked == Ask::Master
                && before.is_some_and(|it| it == Trouble { asked: Ask::Primary, ..*one })
        };
        let new = |trouble: &Trouble| refusal != before && !again(trouble);
        if let Some(Trouble { asked, token }) = refusal.filter(new) {
            let leads = matches!(asked, Ask::Primary | Ask::Master) && token.does == Does::Refused;
            let needs = if leads { "; a primary's user has `upsmon primary' there" } else { "" };
            let (name, source) = (&self.plan.name, &self.plan.source);
            let (asked, answer, means) = (asked.name(), token.name, token.means);
            voice.log(
                4,
                format_args!("{name}: {source} answers {asked} with {answer}: {means}{needs}"),
            );
        }
        self.refusal = refusal;
    }
}

/// What a status says beside what becomes an event.
fn notable(seen: Option<Seen>) -> Flags {
    let Some(seen) = seen else { return Flags::NONE };
    let usual = Flags::OL.with(Flags::OB).with(Flags::CHRG).with(Flags::DISCHRG);
    let usual = if seen.on_battery() { usual.with(Flags::LB) } else { usual };
    seen.flags.without(usual)
}

/// Why an event is told, for the log.
struct Reason<'a> {
    asked: &'a Asked<'a>,
    kind: Kind,
    now: Duration,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { plan, link, told, .. } = self.asked;
        let source = &plan.source;
        let known = link.known();
        let fresh = self.asked.lost_at().is_some_and(|at| self.now < at);
        match (known.seen, self.asked.age(self.now)) {
            (Some(seen), _) if fresh => write!(f, "{source} says {seen}")?,
            (_, Some(age)) => {
                write!(f, "nothing fresh of {source} for {}s: ", age.as_secs())?;
                link.trouble(f)?;
            }
            (_, None) => {
                write!(f, "nothing of {source} yet: ")?;
                link.trouble(f)?;
            }
        }
        if matches!(self.kind, Kind::Low | Kind::Shutdown) {
            write!(f, ", {}s on battery", told.ups.spent(self.now).as_secs())?;
        }
        Ok(())
    }
}
