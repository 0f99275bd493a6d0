//! From accepted events to what init is told: last seen per UPS, blindness, the fold, the told table,
//! spacing and insistence. Outlives every generation of the monitor.

use core::time::Duration;

use crate::ipc::cause::{Cause, Caused};
use crate::ipc::fold::fold;
use crate::ipc::frame::Kind;
use crate::ipc::guard::Event;
use crate::ipc::legal::Power;
use crate::ipc::told::{self, Situation, Told, Word};

/// Unlike events are told at least so far apart, because init merges and reorders those that meet.
pub const SPACING: Duration = Duration::from_millis(100);
/// Contact lost so soon after going on battery is one jump: perhaps the cable, not the mains.
const JUMP: Duration = Duration::from_secs(2);

/// What the configuration says of one UPS's weight and of blindness on it.
#[derive(Clone, Copy, Debug, Hash)]
pub struct FeedSettings {
    /// Its weight in `need`; 0: watch only.
    pub weight: u32,
    /// Blind on battery so long counts as low.
    pub blind_after: Duration,
    /// A monitor's first look may take so long; only then is a UPS that was on battery before a restart blind.
    pub first_state: Duration,
    /// More patience where going on battery and losing contact were one jump on wiring that cannot tell
    /// a pulled cable (`cable-grace`; zero where it can).
    pub cable_grace: Duration,
}

/// One UPS as the parent knows it.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Feed {
    settings: FeedSettings,
    /// What was last seen of it; survives blindness and generations.
    pub last: Option<Power>,
    /// Since when nobody sees it.
    pub blind_since: Option<Duration>,
    /// When it was last seen to leave mains.
    left_mains: Option<Duration>,
    jumped: bool,
    /// `last` is what a process before this one saw: until then somebody should have looked.
    look_by: Option<Duration>,
}

impl Feed {
    /// A feed that was last seen so, if ever, and that nobody has seen since `now`.
    pub fn new(settings: FeedSettings, last: Option<Power>, now: Duration) -> Feed {
        let look_by = last.map(|_| now.saturating_add(settings.first_state));
        Feed { settings, last, look_by, blind_since: Some(now), left_mains: None, jumped: false }
    }

    fn seen(&self) -> Power {
        self.last.unwrap_or(Power::Mains)
    }

    /// When being blind becomes as bad as low; `None`: it is seen, or was last seen on mains.
    fn expiry(&self) -> Option<Duration> {
        let since = self.blind_since.filter(|_| self.seen() != Power::Mains)?;
        let grace = if self.jumped { self.settings.cable_grace } else { Duration::ZERO };
        let blind = since.saturating_add(self.settings.blind_after).saturating_add(grace);
        Some(self.look_by.map_or(blind, |at| at.max(blind)))
    }

    /// Nobody has looked since this process began, and there still is time for that.
    fn unlooked(&self, now: Duration) -> bool {
        self.look_by.is_some_and(|at| now < at)
    }

    fn expired(&self, now: Duration) -> bool {
        self.settings.weight > 0 && self.expiry().is_some_and(|at| now >= at)
    }

    fn event(&mut self, now: Duration, kind: Kind) {
        // All but these say how it is, or that it cannot be seen.
        self.look_by =
            self.look_by.filter(|_| matches!(kind, Kind::Shutdown | Kind::Alive | Kind::Notice));
        match kind {
            Kind::Ok => self.see(now, Power::Mains),
            Kind::Fail => self.see(now, Power::Battery),
            Kind::Low => self.see(now, Power::Low),
            Kind::Restored => self.contact(),
            Kind::Lost => {
                self.jumped = self.left_mains.is_some_and(|at| now.saturating_sub(at) < JUMP);
                self.blind_since = self.blind_since.or(Some(now));
            }
            Kind::Shutdown | Kind::Alive | Kind::Notice => {}
        }
    }

    fn see(&mut self, now: Duration, power: Power) {
        if power != Power::Mains && self.seen() == Power::Mains {
            self.left_mains = Some(now);
        }
        self.last = Some(power);
        self.contact();
    }

    fn contact(&mut self) {
        self.blind_since = None;
        self.jumped = false;
    }
}

/// Something for init, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tell {
    /// The word of the table.
    pub word: Word,
    /// A repetition, because the machine is still up (`insist`).
    pub insist: bool,
    /// The parent's own decision, because it is blind on battery.
    pub blind: bool,
}

/// Machine-wide settings.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Settings {
    /// OK while at least this weight is on mains.
    pub need: u32,
    /// LOW is a runlevel or the halt command here, and so final.
    pub low_is_final: bool,
    /// After L or S: again each so often.
    pub insist: Duration,
    /// LOW is told to init (`tell low` is not `none`), and so can be insisted on.
    pub low_is_told: bool,
    /// So is SHUTDOWN.
    pub shutdown_is_told: bool,
}

/// Judges what init must hear.
#[derive(Clone, Debug, Hash)]
pub struct Judge {
    settings: Settings,
    feeds: Box<[Feed]>,
    told: Told,
    told_at: Option<Duration>,
    shutdown: bool,
    insist_at: Option<Duration>,
    cause: Option<Caused>,
}

impl Judge {
    /// `told`: what this boot's init was last told.
    pub fn new(settings: Settings, feeds: impl Iterator<Item = Feed>, told: Told) -> Judge {
        Judge {
            settings,
            feeds: feeds.collect(),
            told,
            told_at: None,
            shutdown: false,
            insist_at: None,
            cause: None,
        }
    }

    /// A shutdown was decided before, and init may or may not have been told.
    pub fn shut_down(&mut self) {
        self.shutdown = true;
    }

    /// What a daemon before this one knew of [`Judge::cause`].
    pub fn recall(&mut self, cause: Option<Caused>) {
        self.cause = cause;
    }

    /// What last had init told to go down, in this boot, and when it was told so or that mains is back.
    pub fn cause(&self) -> Option<Caused> {
        self.cause
    }

    /// An event that the guard let pass.
    pub fn event(&mut self, now: Duration, event: Event) {
        if let Some(feed) = self.feeds.get_mut(event.ups) {
            feed.event(now, event.kind);
        }
        self.shutdown |= event.kind == Kind::Shutdown;
        if event.kind == Kind::Ok && self.machine() == Power::Mains {
            self.insist_at = None;
        }
        self.keep_insisting(now);
    }

    /// The generation ended: every UPS is unseen from now.
    pub fn blinded(&mut self, now: Duration) {
        for feed in &mut self.feeds {
            feed.blind_since = feed.blind_since.or(Some(now));
        }
        self.keep_insisting(now);
    }

    /// Without mains, L or S as the last word is insisted on, also where mains came and went since, or
    /// where a daemon before this one said it.
    fn keep_insisting(&mut self, now: Duration) {
        let urgent = match self.told {
            Told::Ok | Told::Fail => false,
            Told::Low => self.settings.low_is_told,
            Told::Final => self.settings.shutdown_is_told || self.settings.low_is_final,
        };
        if urgent && self.machine() != Power::Mains {
            let at = now.saturating_add(self.settings.insist);
            self.insist_at.get_or_insert(at);
        }
    }

    /// What to tell init at `now`, if anything. Call [`Judge::told`] once it has been done.
    pub fn due(&self, now: Duration) -> Option<Tell> {
        let spaced = self.spaced_at().is_none_or(|at| now >= at);
        // After a restart and before a look, nothing final follows from what was seen before, and nothing is over. An
        // outage is told: perhaps it has been, and only an OK after it ends it.
        let at_best = told::next(self.told, self.situation(now, |seen| seen.min(Power::Battery)));
        let certain = match at_best {
            Some(Word::Ok) => told::next(self.told, self.situation(now, |_| Power::Low)),
            word => word,
        };
        if let Some(word) = at_best.filter(|_| certain == at_best) {
            let urgent = matches!(word, Word::Low | Word::Shutdown);
            let blind = word == Word::Shutdown && !self.shutdown;
            return (urgent || spaced).then_some(Tell { word, insist: false, blind });
        }
        let insist = self.insist_at.is_some_and(|at| now >= at);
        insist.then_some(Tell { word: Word::Shutdown, insist: true, blind: false })
    }

    /// Init has been told this.
    pub fn told(&mut self, now: Duration, tell: Tell) {
        self.told_at = Some(now);
        if !tell.insist {
            self.cause = match (tell.word, self.cause) {
                (Word::Low, _) => Some((Cause::Outage, now)),
                (Word::Shutdown, _) => Some((self.shuts_down_for(tell), now)),
                (Word::Ok, Some((cause, _))) => Some((cause, now)),
                (Word::Ok | Word::Fail, cause) => cause,
            };
            self.told = match tell.word {
                Word::Ok => Told::Ok,
                Word::Fail => Told::Fail,
                Word::Low if !self.settings.low_is_final => Told::Low,
                Word::Low | Word::Shutdown => Told::Final,
            };
        }
        let urgent = match tell.word {
            Word::Ok | Word::Fail => false,
            Word::Low => self.settings.low_is_told,
            Word::Shutdown => self.settings.shutdown_is_told,
        };
        self.insist_at = urgent.then(|| now.saturating_add(self.settings.insist));
    }

    fn shuts_down_for(&self, tell: Tell) -> Cause {
        let battery = self.feeds.iter().any(|feed| feed.seen() != Power::Mains);
        if tell.blind || battery { Cause::Outage } else { Cause::Rule }
    }

    /// When [`Judge::due`] may change its answer without a new event.
    pub fn next(&self, now: Duration) -> Option<Duration> {
        let spaced = self.spaced_at();
        let expiries = self.feeds.iter().filter_map(Feed::expiry);
        let looks = self.feeds.iter().filter_map(|feed| feed.look_by);
        let times = expiries.chain(looks).chain(spaced).chain(self.insist_at);
        times.filter(|at| *at > now).min()
    }

    /// What init was last told.
    pub fn last_told(&self) -> Told {
        self.told
    }

    /// The same as a word, as the state file says it; a shutdown once decided stays on its first line.
    pub fn last_word(&self) -> Word {
        match self.told {
            _ if self.shutdown => Word::Shutdown,
            Told::Ok => Word::Ok,
            Told::Fail => Word::Fail,
            Told::Low => Word::Low,
            Told::Final => Word::Shutdown,
        }
    }

    /// The machine as its UPSs were last seen.
    pub fn machine(&self) -> Power {
        let feeds = self.feeds.iter().map(|feed| (feed.settings.weight, feed.seen()));
        fold(feeds, self.settings.need)
    }

    /// A UPS that feeds this machine is not seen now.
    pub fn blind(&self) -> bool {
        self.feeds.iter().any(|feed| feed.settings.weight > 0 && feed.blind_since.is_some())
    }

    /// Every UPS was last seen on mains.
    pub fn all_on_mains(&self) -> bool {
        self.feeds.iter().all(|feed| feed.last == Some(Power::Mains))
    }

    /// The UPSs, in the order of the configuration.
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// With those that nobody has looked at yet taken for this instead of what was seen of them before.
    fn situation(&self, now: Duration, unlooked: impl Fn(Power) -> Power) -> Situation {
        let seen = |feed: &Feed| {
            let seen = feed.seen();
            if feed.unlooked(now) { unlooked(seen) } else { seen }
        };
        let of = |power: &dyn Fn(&Feed) -> Power| {
            let feeds = self.feeds.iter().map(|feed| (feed.settings.weight, power(feed)));
            fold(feeds, self.settings.need)
        };
        let as_low = |feed: &Feed| if feed.expired(now) { Power::Low } else { seen(feed) };
        let blind = self.feeds.iter().any(|feed| feed.expired(now)) && of(&as_low) == Power::Low;
        Situation { machine: of(&seen), blind, shutdown: self.shutdown }
    }

    fn spaced_at(&self) -> Option<Duration> {
        self.told_at.map(|at| at.saturating_add(SPACING))
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "judge_restart_tests.rs"]
mod restart_tests;
