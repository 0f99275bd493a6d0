//! What must hold, from the design read as law. It sees the world, the frames that the parent reads and what
//! init is told, and asks nothing of the code under test.

use std::time::Duration;

use upsentry::ipc::frame::Kind;
use upsentry::ipc::judge::Tell;
use upsentry::ipc::told::Word;

use crate::bounds::{Act, Level, MOST};
use crate::world::World;

/// Unlike words are so far apart.
const APART: Duration = Duration::from_millis(100);
/// Two breaks that the debounce takes for glitches do not count.
const GLITCHES: Duration = Duration::from_millis(40);
/// LOW waits so long at most for the settle time, the debounce and `low-after`; each fault costs that again ...
const LOW: Duration = Duration::from_millis(2500);
/// ... and a hang three signs of life that are missed on mains.
const HANG: Duration = Duration::from_secs(31);
/// A cable that is back for no longer is still being pulled.
const BOUNCE: Duration = Duration::from_millis(100);
/// A port that is gone for less may not be noticed: nothing wakes the monitor.
const UNREAD: Duration = Duration::from_secs(1);
/// Longer than any time of the configurations.
const LONG: Duration = Duration::from_secs(4);
/// Mains for so long ends what counts against `shutdown-after`.
const REFILL: Duration = Duration::from_secs(60);

/// What the last O, F or L of a UPS in this boot was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Heard {
    Never,
    Ok,
    Fail,
    Low,
    /// The parent died when it may or may not have recorded it.
    Perhaps,
}

/// One UPS, as the world knows it.
#[derive(Clone, Copy, Debug, Hash)]
struct Ups {
    heard: Heard,
    /// Since it was last heard to be on mains: was on battery for sure, or perhaps the cable was pulled;
    /// so long low.
    outage: bool,
    pulled: bool,
    low: Duration,
    /// Pulled since.
    zero: Duration,
    /// Not pulled since.
    up: Duration,
    /// The port is gone since.
    gone: Duration,
    /// Unseen for so long, or (`None`) seen.
    unseen: Option<Duration>,
    /// Spent without mains; on mains since then.
    spent: Duration,
    mains: Duration,
}

#[derive(Clone, Debug, Hash)]
pub struct Law {
    ups: [Ups; MOST],
    told: Option<Word>,
    told_at: Option<Duration>,
    /// Told by the daemon that runs now.
    by_this: bool,
    /// Init was told, and the state file does not say so yet.
    unrecorded: bool,
    /// The daemon before this one died so: this word may come again.
    again: Option<Word>,
    /// LOW is true and untold for so long; what happened since.
    low_for: Duration,
    low_until: Duration,
}

const UPS: Ups = Ups {
    heard: Heard::Never,
    outage: false,
    pulled: false,
    low: Duration::ZERO,
    zero: Duration::ZERO,
    up: Duration::ZERO,
    gone: Duration::ZERO,
    unseen: None,
    spent: Duration::ZERO,
    mains: Duration::ZERO,
};

impl Law {
    pub fn new() -> Law {
        Law {
            ups: [UPS; MOST],
            told: None,
            told_at: None,
            by_this: false,
            unrecorded: false,
            again: None,
            low_for: Duration::ZERO,
            low_until: LOW,
        }
    }

    pub fn event(&mut self, act: Act) {
        if let Act::Show(ups, level) = act {
            // One reading may be enough.
            self.ups[ups].outage |= matches!(level, Level::Battery | Level::Low);
            return;
        }
        self.low_until += if act == Act::Stop { LOW + HANG } else { LOW };
        if act != Act::Gap {
            // A monitor that is started on battery cannot know that the one before was in doubt, and has none.
            for ups in &mut self.ups {
                ups.outage |= ups.pulled;
            }
        }
    }

    pub fn started(&mut self) {
        self.by_this = false;
        self.again = self.told.filter(|_| self.unrecorded);
    }

    pub fn crashed(&mut self, heard: bool) {
        self.ended();
        if heard {
            for ups in &mut self.ups {
                ups.heard = Heard::Perhaps;
            }
        }
    }

    /// Another boot: init knows nothing.
    pub fn booted(&mut self) {
        *self = Law::new();
    }

    pub fn recorded(&mut self, file: &str) {
        let word = file.lines().find_map(|line| line.strip_prefix("told "));
        self.unrecorded &= word != self.told.map(Word::text);
    }

    /// A generation has ended: nobody sees a UPS until the next speaks of it.
    pub fn ended(&mut self) {
        for ups in &mut self.ups {
            ups.unseen.get_or_insert(Duration::ZERO);
        }
    }

    /// The parent has read a frame.
    pub fn heard(&mut self, kind: Kind, ups: usize, level: Level) {
        let ups = &mut self.ups[ups];
        match kind {
            Kind::Ok => {
                ups.heard = Heard::Ok;
                // What a monitor that was stopped says late does not undo what is true by now.
                if level == Level::Mains {
                    (ups.outage, ups.pulled) = (false, false);
                    (ups.low, ups.zero) = (Duration::ZERO, Duration::ZERO);
                }
            }
            Kind::Fail => ups.heard = Heard::Fail,
            Kind::Low => ups.heard = Heard::Low,
            Kind::Restored => {}
            Kind::Lost => {
                ups.unseen.get_or_insert(Duration::ZERO);
                return;
            }
            _ => return,
        }
        ups.unseen = None;
    }

    /// Time goes on to `next` with the world as it is.
    pub fn passed(&mut self, world: &World, next: Duration) -> Result<(), String> {
        let time = next - world.now;
        let watched = self.healthy(world);
        let outage = self.ups.iter().any(|ups| ups.outage);
        for (index, ups) in self.ups.iter_mut().enumerate().take(world.count()) {
            let settings = &world.set.config.ups[index];
            let level = world.level[index];
            let seen = match level {
                Level::Mains | Level::Battery | Level::Low => watched,
                Level::Zero | Level::Gone => false,
            };
            let pulled = level == Level::Zero && !world.set.sense;
            ups.unseen = match ups.unseen {
                None if seen => None,
                unseen => Some(unseen.unwrap_or_default() + time),
            };
            // Also when what was heard then came from before.
            ups.outage |= matches!(level, Level::Battery | Level::Low);
            ups.pulled |= pulled;
            // In an outage it is no pulled cable.
            if level == Level::Low {
                // Also while all was zero just before.
                ups.low += time + std::mem::take(&mut ups.zero);
            } else {
                let unread = level == Level::Gone && ups.low > Duration::ZERO && ups.gone < UNREAD;
                ups.low += if unread || (pulled && outage) { time } else { Duration::ZERO };
            }
            ups.gone = if level == Level::Gone { ups.gone + time } else { Duration::ZERO };
            // Neither a bounce nor a port that is away between two readings is noticed.
            ups.up = if pulled { Duration::ZERO } else { ups.up + time };
            let unnoticed = level == Level::Gone || ups.up <= BOUNCE;
            ups.zero = match pulled || (unnoticed && ups.zero > Duration::ZERO) {
                true => ups.zero + time,
                false => Duration::ZERO,
            };
            if ups.zero + GLITCHES >= settings.cable_grace {
                ups.low = ups.low.max(ups.zero);
            }
            if level == Level::Mains {
                ups.mains += time;
            } else {
                (ups.mains, ups.spent) = (Duration::ZERO, ups.spent + time);
            }
            if ups.mains >= REFILL {
                ups.spent = Duration::ZERO;
            }
        }
        // Longer than all that is asked, or states would differ for ever.
        for ups in &mut self.ups {
            ups.unseen = ups.unseen.map(|time| time.min(LONG));
            for time in [&mut ups.low, &mut ups.zero, &mut ups.up, &mut ups.gone, &mut ups.spent] {
                *time = LONG.min(*time);
            }
        }
        self.low_is_told(world, time)
    }

    fn healthy(&self, world: &World) -> bool {
        world.monitor.as_ref().is_some_and(|monitor| !monitor.stopped)
    }

    fn weigh(world: &World, mut holds: impl FnMut(usize) -> bool) -> u32 {
        let ups = world.set.config.ups.iter().enumerate();
        ups.filter(|(index, _)| holds(*index)).map(|(_, ups)| ups.power).sum()
    }

    /// No LOW is lost, whatever dies: it is told in time.
    ///
    /// Seen to fail with LOW after FAIL taken out of the told table.
    fn low_is_told(&mut self, world: &World, time: Duration) -> Result<(), String> {
        let need = world.set.config.need;
        let low = Law::weigh(world, |ups| world.level[ups] != Level::Low) < need;
        if !low || matches!(self.told, Some(Word::Low | Word::Shutdown)) {
            self.low_for = Duration::ZERO;
            if self.healthy(world) {
                self.low_until = LOW;
            }
            return Ok(());
        }
        if world.parent.is_some() && !world.gap {
            self.low_for += time;
        }
        if self.low_for > self.low_until {
            return Err(format!("LOW is not told, for {:?} now", self.low_for));
        }
        Ok(())
    }

    /// Init is told something.
    pub fn told(&mut self, world: &World, tell: Tell) -> Result<(), String> {
        self.is_recorded(world, tell.word)?;
        if matches!(tell.word, Word::Low | Word::Shutdown) {
            self.has_cause(world, tell.word)?;
        }
        if tell.insist {
            if !matches!(self.told, Some(Word::Low | Word::Shutdown)) || tell.word != Word::Shutdown
            {
                return Err(format!("{tell:?} insists on {:?}", self.told));
            }
            let since = self.told_at.filter(|_| self.by_this).map(|at| world.now - at);
            if since.is_some_and(|since| since < world.set.config.insist) {
                return Err(format!("insists {since:?} after {:?}", self.told));
            }
        } else {
            self.is_news(world, tell.word)?;
            self.told = Some(tell.word);
        }
        (self.told_at, self.by_this, self.unrecorded) = (Some(world.now), true, true);
        Ok(())
    }

    /// The script that init starts reads what is being told.
    ///
    /// Seen to fail with the `record` before the request taken out.
    fn is_recorded(&self, world: &World, word: Word) -> Result<(), String> {
        let first = world.file.text.lines().next();
        match world.file.ours && first == Some(word.text()) {
            true => Ok(()),
            false => Err(format!("{word:?} is told while the state file says {first:?}")),
        }
    }

    /// No shutdown without cause: low for long enough, a cable pulled for longer than its grace, blind on
    /// battery, or long on battery, since the UPS was last heard to be on mains.
    ///
    /// Seen to fail with `doubt` never set, with `blind_after` not added, and with `<= need` in the fold.
    fn has_cause(&self, world: &World, word: Word) -> Result<(), String> {
        let config = &world.set.config;
        let low = |ups: usize| self.ups[ups].low + GLITCHES >= config.ups[ups].low_after;
        let blind = |ups: usize| {
            let Ups { outage, pulled, unseen, .. } = self.ups[ups];
            let grace = if outage { Duration::ZERO } else { config.ups[ups].cable_grace };
            (outage || pulled)
                && unseen.is_some_and(|time| time + GLITCHES >= config.ups[ups].blind_after + grace)
        };
        let long = |ups: usize| {
            let limit = config.ups[ups].shutdown_after;
            limit.is_some_and(|limit| self.ups[ups].spent + GLITCHES >= limit)
        };
        let good = Law::weigh(world, |ups| !low(ups) && (word == Word::Low || !blind(ups)));
        let cause = match self.told {
            // It goes on with that.
            Some(Word::Low | Word::Shutdown) if word == Word::Shutdown => true,
            _ => good < config.need,
        };
        let long = word == Word::Shutdown && (0..world.count()).any(long);
        if cause || long { Ok(()) } else { Err(format!("{word:?} without cause: {:?}", self.ups)) }
    }

    /// Nothing is told twice, too early after another word, or after the last word. What a parent told that
    /// died before it could record it comes again.
    ///
    /// Seen to fail with `told` read as OK from every state file, with `SPACING` zero, and with `shut_down`
    /// not called at the start.
    fn is_news(&mut self, world: &World, word: Word) -> Result<(), String> {
        if self.again.take() == Some(word) {
            return Ok(());
        }
        let last = self.told.unwrap_or(Word::Ok);
        if last == word {
            return Err(format!("{word:?} is told twice"));
        }
        if last == Word::Shutdown {
            return Err(format!("{word:?} is told after the last word"));
        }
        let since = self.told_at.filter(|_| self.by_this).map(|at| world.now - at);
        if matches!(word, Word::Ok | Word::Fail) && since.is_some_and(|since| since < APART) {
            return Err(format!("{word:?} is told {since:?} after {last:?}"));
        }
        Ok(())
    }

    /// Nothing has happened for long: what init was told last is true.
    ///
    /// Seen to fail with the end of the spacing left out of `Judge::next`, and with another boot's state
    /// file believed.
    pub fn truth(&self, world: &World) -> Result<(), String> {
        let mut all = vec![Vec::new()];
        for ups in 0..world.count() {
            let may = self.powers(world, ups)?;
            all = all
                .iter()
                .flat_map(|some: &Vec<(Word, bool)>| {
                    may.iter().map(move |one| some.iter().copied().chain([*one]).collect())
                })
                .collect();
        }
        let fits = all.iter().any(|powers| self.fits(world, powers));
        match fits {
            true => Ok(()),
            false => Err(format!("init was told {:?}; the truth is one of {all:?}", self.told)),
        }
    }

    /// What a UPS counts as, and whether it is unseen.
    fn powers(&self, world: &World, ups: usize) -> Result<Vec<(Word, bool)>, String> {
        let heard = self.ups[ups].heard;
        let ok = [(Word::Ok, false)].to_vec();
        let is = match (world.level[ups], heard) {
            (Level::Mains, Heard::Ok) => ok,
            (Level::Battery, Heard::Fail) => vec![(Word::Fail, false)],
            // Latched.
            (Level::Battery, Heard::Low) if self.ups[ups].low > Duration::ZERO => {
                vec![(Word::Low, false)]
            }
            (Level::Low, Heard::Low) => vec![(Word::Low, false)],
            (Level::Zero, Heard::Low) if !world.set.sense => vec![(Word::Low, false)],
            (Level::Zero | Level::Gone, Heard::Never | Heard::Ok) => vec![(Word::Ok, true)],
            (Level::Zero | Level::Gone, Heard::Fail) => vec![(Word::Fail, true)],
            (Level::Zero | Level::Gone, Heard::Low) => vec![(Word::Low, true)],
            (Level::Zero | Level::Gone, Heard::Perhaps) => {
                vec![(Word::Ok, true), (Word::Fail, true), (Word::Low, true)]
            }
            (level, heard) => return Err(format!("UPS {ups} is {level:?}, heard was {heard:?}")),
        };
        Ok(is)
    }

    /// The table of the design.
    fn fits(&self, world: &World, powers: &[(Word, bool)]) -> bool {
        let need = world.set.config.need;
        let mains = Law::weigh(world, |ups| powers[ups].0 == Word::Ok);
        let not_low = Law::weigh(world, |ups| powers[ups].0 != Word::Low);
        let seen = Law::weigh(world, |ups| {
            powers[ups] == (Word::Fail, false) || powers[ups].0 == Word::Ok
        });
        match self.told {
            Some(Word::Shutdown) => true,
            None | Some(Word::Ok) => mains >= need,
            Some(Word::Fail) => mains < need && not_low >= need && seen >= need,
            Some(Word::Low) => {
                let blind = powers.iter().any(|(word, unseen)| *unseen && *word != Word::Ok);
                mains < need && !(blind && seen < need)
            }
        }
    }
}
