//! The parent's view of one generation of the monitor: every byte of the event pipe passes here, and
//! the first that breaks a rule convicts it.

use core::time::Duration;

use crate::ipc::frame::{Decoder, Events, Kind, Malformed};
use crate::ipc::legal::{Power, Track};

/// Frames that may come at once.
const BURST: u32 = 200;
/// One more frame is allowed each so often (100 a second).
const REFILL: Duration = Duration::from_millis(10);
/// `H` comes so often while some UPS is on battery, low, or not known yet ...
const ALIVE_ON_BATTERY: Duration = Duration::from_secs(1);
/// ... and so often while every UPS is on mains.
const ALIVE_ON_MAINS: Duration = Duration::from_secs(10);
/// Three missing `H`, and this for a busy machine.
const SLACK: Duration = Duration::from_millis(200);
/// From the start of a generation to the first O, F, L or C of each UPS.
const FIRST_STATE: Duration = Duration::from_secs(3);

/// A monitor has said a first state, or that there is none, of a UPS with this `settle` within so long.
pub fn first_state_within(settle: Duration) -> Duration {
    FIRST_STATE.max(settle.saturating_add(Duration::from_secs(1)))
}

/// How often an honest monitor says `H`.
pub fn alive_interval(all_on_mains: bool) -> Duration {
    if all_on_mains { ALIVE_ON_MAINS } else { ALIVE_ON_BATTERY }
}

/// How many whole `step`s have passed in `time`. In 64 bits of milliseconds: a division of 128 bits would be a
/// function at the far end of the program, and a page of the jail's memory for it.
pub fn steps(time: Duration, step: Duration) -> u32 {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let steps = millis(time).checked_div(millis(step));
    steps.and_then(|steps| u32::try_from(steps).ok()).unwrap_or(u32::MAX)
}

/// Why a monitor is convicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A byte that no frame has there.
    Malformed(Malformed),
    /// The same on the log pipe.
    LogLine(Malformed),
    /// A name that is not configured, or for `H` not the first UPS's.
    UnknownName(Kind),
    /// The table forbids this kind in this state.
    Illegal {
        /// What came.
        kind: Kind,
        /// Index of the UPS.
        ups: usize,
    },
    /// The bucket was empty.
    TooFast,
    /// No valid frame for three times the interval of `H`.
    Silent,
    /// This UPS (index) has no first state in time.
    NoState(usize),
    /// The writing end was closed, or could not be read.
    Closed,
}

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Violation::Malformed(error) => write!(f, "malformed frame: {error}"),
            Violation::LogLine(error) => write!(f, "malformed log line: {error}"),
            Violation::UnknownName(kind) => {
                write!(f, "{} for an unknown name", char::from(kind.letter()))
            }
            Violation::Illegal { kind, ups } => {
                let (letter, number) = (char::from(kind.letter()), ups.saturating_add(1));
                write!(f, "{letter} is not legal now for UPS {number}")
            }
            Violation::TooFast => write!(f, "too many frames"),
            Violation::Silent => write!(f, "no sign of life"),
            Violation::NoState(ups) => {
                write!(f, "no state of UPS {} in time", ups.saturating_add(1))
            }
            Violation::Closed => write!(f, "closed its pipe"),
        }
    }
}

/// A frame that passed: what, and about which UPS (an index).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// Index of the UPS; 0 for `H`; for `N` the rule's.
    pub ups: usize,
}

/// One configured UPS, as far as the pipe is concerned.
#[derive(Clone, Debug, Hash)]
struct Watched {
    name: Box<str>,
    /// The longest that a first state may take.
    settle: Duration,
    track: Track,
    /// Since when nothing is known of it (`?` and not lost).
    unknown_since: Duration,
}

/// Decoder, names, bucket and tables of one generation.
#[derive(Clone, Debug, Hash)]
pub struct Guard {
    decoder: Decoder<Events>,
    watched: Box<[Watched]>,
    /// Names of rules, which `N` may carry.
    rules: Box<[Box<str>]>,
    tokens: u32,
    refilled: Duration,
    last_life: Duration,
}

impl Guard {
    /// For UPSs of these names, each with its settle time. Allocates here and never again.
    pub fn new<'a>(ups: impl Iterator<Item = (&'a str, Duration)>) -> Guard {
        let watched = ups.map(|(name, settle)| Watched {
            name: name.into(),
            settle,
            track: Track::default(),
            unknown_since: Duration::ZERO,
        });
        let mut guard = Guard {
            decoder: Decoder::default(),
            watched: watched.collect(),
            rules: Box::default(),
            tokens: BURST,
            refilled: Duration::ZERO,
            last_life: Duration::ZERO,
        };
        guard.reset(Duration::ZERO);
        guard
    }

    /// With rules of these names.
    #[must_use]
    pub fn with_rules<'a>(mut self, names: impl Iterator<Item = &'a str>) -> Guard {
        self.rules = names.map(Box::from).collect();
        self
    }

    /// A new generation starts: nothing of the last one counts.
    pub fn reset(&mut self, now: Duration) {
        self.decoder = Decoder::default();
        self.tokens = BURST;
        self.refilled = now;
        self.last_life = now;
        for watched in &mut self.watched {
            watched.track = Track::default();
            watched.unknown_since = now;
        }
    }

    /// Takes one byte of the pipe.
    ///
    /// # Errors
    /// The monitor is convicted; give no later byte of this generation.
    pub fn byte(&mut self, now: Duration, byte: u8) -> Result<Option<Event>, Violation> {
        let Some((kind, name)) = self.decoder.push(byte).map_err(Violation::Malformed)? else {
            return Ok(None);
        };
        let ups = match kind {
            Kind::Notice => self.rules.iter().position(|rule| rule.as_bytes() == name),
            _ => self.watched.iter().position(|watched| watched.name.as_bytes() == name),
        };
        let ups = ups.filter(|ups| kind != Kind::Alive || *ups == 0);
        self.take_token(now)?;
        let ups = ups.ok_or(Violation::UnknownName(kind))?;
        if kind == Kind::Notice {
            self.last_life = now;
            return Ok(Some(Event { kind, ups }));
        }
        let watched = self.watched.get_mut(ups).ok_or(Violation::UnknownName(kind))?;
        watched.track = watched.track.step(kind).ok_or(Violation::Illegal { kind, ups })?;
        if kind == Kind::Restored {
            watched.unknown_since = now;
        }
        self.last_life = now;
        Ok(Some(Event { kind, ups }))
    }

    /// Judges silence; call when the pipe has been read empty. `all_on_mains`: every UPS was last seen
    /// on mains, in this generation or before.
    ///
    /// # Errors
    /// The monitor is convicted.
    pub fn silence(&self, now: Duration, all_on_mains: bool) -> Result<(), Violation> {
        for (ups, watched) in self.watched.iter().enumerate() {
            if watched.first_state_due().is_some_and(|due| now > due) {
                return Err(Violation::NoState(ups));
            }
        }
        if now > self.life_due(all_on_mains) { Err(Violation::Silent) } else { Ok(()) }
    }

    /// The first moment after which [`Guard::silence`] would convict, if nothing comes.
    pub fn due(&self, all_on_mains: bool) -> Duration {
        let first = self.watched.iter().filter_map(Watched::first_state_due).min();
        let life = self.life_due(all_on_mains);
        first.map_or(life, |first| first.min(life))
    }

    /// What this generation has said of a UPS.
    pub fn track(&self, ups: usize) -> Option<Track> {
        self.watched.get(ups).map(|watched| watched.track)
    }

    /// Every UPS has given a first state, or `C`.
    pub fn all_known(&self) -> bool {
        self.watched.iter().all(|watched| watched.first_state_due().is_none())
    }

    /// This generation says that every UPS is on mains.
    pub fn all_on_mains(&self) -> bool {
        self.watched.iter().all(|watched| watched.track.power == Some(Power::Mains))
    }

    fn life_due(&self, all_on_mains: bool) -> Duration {
        let interval = alive_interval(all_on_mains);
        self.last_life.saturating_add(interval.saturating_mul(3)).saturating_add(SLACK)
    }

    fn take_token(&mut self, now: Duration) -> Result<(), Violation> {
        let earned = steps(now.saturating_sub(self.refilled), REFILL);
        self.tokens = self.tokens.saturating_add(earned).min(BURST);
        self.refilled = if self.tokens == BURST {
            now
        } else {
            self.refilled.saturating_add(REFILL.saturating_mul(earned))
        };
        self.tokens = self.tokens.checked_sub(1).ok_or(Violation::TooFast)?;
        Ok(())
    }
}

impl Watched {
    fn first_state_due(&self) -> Option<Duration> {
        let unknown = self.track.power.is_none() && !self.track.lost;
        let limit = first_state_within(self.settle);
        unknown.then(|| self.unknown_since.saturating_add(limit))
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
