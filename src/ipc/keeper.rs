//! What the parent decides, round by round: which generation of the monitor is heard, when the next one
//! starts, and in which order a word is recorded and told. What it decides an [`Outside`] does.

use core::time::Duration;

use crate::ipc::frame::{Kind, Malformed};
use crate::ipc::guard::{Event, Guard, Violation};
use crate::ipc::judge::{Judge, Tell};
use crate::ipc::legal::Power;
use crate::ipc::orders::{
    EXIT_PORTS_GONE, EXIT_SERVED, EXIT_UNCONFINED, EXIT_UNSERVED, GO, GO_IN_OUTAGE, KILL,
};
use crate::ipc::parting::Slaves;
use crate::ipc::respawn::Respawn;
use crate::ipc::told::Word;

/// A monitor that found no port to watch is followed by the next so much later.
const PORTS_GONE: Duration = Duration::from_secs(600);
/// The signal number of SIGKILL, as the warden reports a death.
const KILLED: u8 = 9;
/// The warden confines itself, or kills, within this.
const ANSWER: Duration = Duration::from_secs(10);
/// A call that failed is tried again so much later.
pub const AGAIN: Duration = Duration::from_millis(100);

/// Where the current generation of the monitor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The warden is not confined yet.
    Starting,
    /// The next monitor starts then.
    Pausing(Duration),
    /// A monitor runs.
    Running,
    /// The warden was told to kill it.
    Killing,
    /// The warden itself is gone.
    Gone,
}

/// What the warden said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// Confined.
    Ready,
    /// The monitor is dead: a signal number, or 0x80 and its exit status.
    Dead(u8),
    /// The warden is gone, or not itself.
    Gone,
}

/// For the log and the notify hook; init has not heard of it yet, so nothing may wait.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    /// The monitor broke a rule and is being killed.
    Convicted(Violation),
    /// It died by itself; as [`Said::Dead`].
    Ended(u8),
    /// Too many end badly: the next starts so much later.
    Slowed(Duration),
    /// The monitor said this, and may say it.
    Heard(Event),
    /// Init was told, by reason of this UPS (an index).
    Told(Tell, usize),
}

/// The parent's descriptors, or a test's world.
pub trait Outside {
    /// Reads what the monitor wrote; `None`: nothing is there now; 0: it never will be.
    fn read(&mut self, buffer: &mut [u8]) -> Option<usize>;
    /// Passes on the lines of the log pipe.
    ///
    /// # Errors
    /// Not a log line.
    fn pass_log(&mut self, now: Duration) -> Result<(), Malformed>;
    /// Throws away what is left in both pipes.
    fn discard(&mut self);
    /// Reads what the warden said; `None`: nothing.
    fn warden(&mut self) -> Option<Said>;
    /// Orders something of the warden; false: it could not be written. If that is its death, it says so by
    /// itself.
    fn order(&mut self, order: u8) -> bool;
    /// The ways to init are made: a monitor may start.
    fn ready(&self) -> bool;
    /// This word can be given now: until then it is better kept, because a newer one may replace it.
    fn open(&self, tell: Tell) -> bool;
    /// Does what init's side needs without a new word.
    fn tick(&mut self, now: Duration);
    /// Passes a word on to init; false: not now (it comes again, or a newer one).
    fn tell(&mut self, now: Duration, tell: Tell) -> bool;
    /// Writes the state file: the word for scripts, and what the judge knows; false: it has to be written again.
    fn record(&mut self, word: Word, judge: &Judge) -> bool;
    /// Logs.
    fn say(&mut self, note: Note);
}

/// The parent without its descriptors.
#[derive(Clone, Debug, Hash)]
pub struct Keeper {
    /// Hears the current generation.
    pub guard: Guard,
    /// Outlives them.
    pub judge: Judge,
    respawn: Respawn,
    /// Where the current generation stands.
    pub stage: Stage,
    /// KILL could not be written; when to try again. Without it we would wait for the death for ever.
    kill_at: Option<Duration>,
    /// When the warden was last asked for something.
    asked: Duration,
    /// The UPS that was last seen to change.
    moved: usize,
    /// The state file does not say what was seen last.
    stale: bool,
    /// The monitor left because no port is left to it.
    pub ports_gone: bool,
    /// The first generation has said all.
    pub was_known: bool,
    /// The monitor was asked to tell other machines that this one goes down.
    parting: bool,
    /// It has done so, and ended: what became of the slaves.
    parted: Option<Slaves>,
}

impl Keeper {
    /// At the start: the warden is not confined yet.
    pub fn new(guard: Guard, judge: Judge, now: Duration) -> Keeper {
        Keeper {
            guard,
            judge,
            respawn: Respawn::default(),
            stage: Stage::Starting,
            kill_at: None,
            asked: now,
            moved: 0,
            stale: false,
            ports_gone: false,
            was_known: false,
            parting: false,
            parted: None,
        }
    }

    /// From here on the end of a monitor can say that other machines know that this one goes down.
    pub fn part(&mut self) {
        self.parting = true;
    }

    /// After [`Keeper::part`]: what became of the slaves. Without a warden no monitor will ever say it.
    pub fn parted(&self, now: Duration) -> Option<Slaves> {
        self.parted.or_else(|| self.lost(now).then_some(Slaves::Missing))
    }

    /// One round: first what the monitor said, then what follows from it and from the time.
    pub fn turn(&mut self, now: Duration, out: &mut impl Outside) {
        self.listen(now, out);
        self.tell(now, out);
        if self.stage == Stage::Running {
            let passed = out.pass_log(now).map_err(Violation::LogLine);
            self.convict_if(now, passed, out);
        }
        // The end of the socket can be read again and again.
        while self.stage != Stage::Gone {
            let Some(said) = out.warden() else { break };
            self.warden_said(now, said, out);
        }
        if self.stage == Stage::Running {
            let heard = self.guard.silence(now, self.judge.all_on_mains());
            self.convict_if(now, heard, out);
        }
        if matches!(self.stage, Stage::Pausing(at) if now >= at) && out.ready() {
            self.start_monitor(now, out);
        }
        if self.stage == Stage::Killing && self.kill_at.is_some_and(|at| now >= at) {
            self.kill(now, out);
        }
        out.tick(now);
        self.tell(now, out);
        // What was seen although init need not hear of it: the next start begins with it.
        if self.stale {
            self.stale = !out.record(self.judge.last_word(), &self.judge);
        }
    }

    /// When there is a next round although nothing was heard. `ready`, `open`: as in [`Outside`].
    pub fn next(&self, now: Duration, ready: bool) -> Option<Duration> {
        let stage = match self.stage {
            Stage::Pausing(at) if ready => Some(at),
            Stage::Running => {
                let due = self.guard.due(self.judge.all_on_mains());
                Some(due.saturating_add(Duration::from_millis(1)))
            }
            Stage::Killing => self.kill_at,
            _ => None,
        };
        // Also while the word that is due cannot be given: a newer one may go another way.
        let told = self.judge.next(now);
        let overdue = self.overdue_at().filter(|at| *at > now);
        [stage, told, overdue].into_iter().flatten().min()
    }

    /// When an answer of the warden that is awaited is overdue.
    fn overdue_at(&self) -> Option<Duration> {
        let waits = matches!(self.stage, Stage::Starting | Stage::Killing);
        waits.then(|| self.asked.saturating_add(ANSWER))
    }

    /// The warden is gone, or as good as gone: it may still answer.
    pub fn lost(&self, now: Duration) -> bool {
        self.stage == Stage::Gone || self.overdue_at().is_some_and(|at| now >= at)
    }

    /// Reads the event pipe empty. The guard bounds it: no more than its bucket holds passes.
    fn listen(&mut self, now: Duration, out: &mut impl Outside) {
        let mut buffer = [0; 512];
        while self.stage == Stage::Running {
            let length = match out.read(&mut buffer) {
                Some(0) => return self.convict(now, Violation::Closed, out),
                Some(length) => length,
                None => return,
            };
            for byte in buffer.iter().take(length) {
                match self.guard.byte(now, *byte) {
                    Ok(None) => {}
                    Ok(Some(event)) => {
                        self.judge.event(now, event);
                        self.stale |= event.kind != Kind::Alive;
                        out.say(Note::Heard(event));
                        if !matches!(event.kind, Kind::Alive | Kind::Notice) {
                            self.moved = event.ups;
                        }
                    }
                    Err(violation) => return self.convict(now, violation, out),
                }
            }
        }
    }

    /// Tells init what it must hear now.
    fn tell(&mut self, now: Duration, out: &mut impl Outside) {
        while let Some(tell) = self.judge.due(now).filter(|tell| out.open(*tell)) {
            // Before the request: the script that init starts acts on it.
            out.record(tell.word, &self.judge);
            if !out.tell(now, tell) {
                return;
            }
            self.judge.told(now, tell);
            self.stale = !out.record(tell.word, &self.judge);
            out.say(Note::Told(tell, self.reason(tell)));
        }
    }

    /// Writes the state file once more, for what has changed beside the judge's state.
    pub fn record(&mut self, out: &mut impl Outside) {
        self.stale = !out.record(self.judge.last_word(), &self.judge);
    }

    /// The UPS by which it came to that.
    fn reason(&self, tell: Tell) -> usize {
        let on_battery = |power| matches!(power, Some(Power::Battery | Power::Low));
        let mut feeds = self.judge.feeds().iter();
        let blind = feeds.position(|feed| feed.blind_since.is_some() && on_battery(feed.last));
        blind.filter(|_| tell.blind).unwrap_or(self.moved)
    }

    fn convict_if(&mut self, now: Duration, found: Result<(), Violation>, out: &mut impl Outside) {
        if let Err(violation) = found {
            self.convict(now, violation, out);
        }
    }

    fn convict(&mut self, now: Duration, violation: Violation, out: &mut impl Outside) {
        if self.stage != Stage::Running {
            return;
        }
        out.say(Note::Convicted(violation));
        self.asked = now;
        self.kill(now, out);
        // From here on, and not from its death: that may never be reported.
        self.judge.blinded(now);
        self.stale = true;
    }

    fn kill(&mut self, now: Duration, out: &mut impl Outside) {
        self.stage = Stage::Killing;
        let written = out.order(KILL);
        self.kill_at = (!written).then(|| now.saturating_add(AGAIN));
    }

    fn warden_said(&mut self, now: Duration, said: Said, out: &mut impl Outside) {
        match (said, self.stage) {
            (Said::Ready, Stage::Starting) => self.stage = Stage::Pausing(now),
            (Said::Dead(how), stage @ (Stage::Running | Stage::Killing)) => {
                // All that it wrote before its death is in the pipes by now.
                self.listen(now, out);
                if self.stage == Stage::Running {
                    let _ = out.pass_log(now);
                    out.say(Note::Ended(how));
                }
                self.bury(now, how, stage == Stage::Killing, out);
            }
            _ => {
                self.stage = Stage::Gone;
                self.judge.blinded(now);
            }
        }
    }

    /// Nothing of the dead generation counts from here on.
    fn bury(&mut self, now: Duration, how: u8, convicted: bool, out: &mut impl Outside) {
        out.discard();
        self.judge.blinded(now);
        self.stale = true;
        let unconfined = how == 0x80 | EXIT_UNCONFINED && !self.was_known;
        if unconfined {
            self.stage = Stage::Gone;
            return;
        }
        // One that was not asked says nothing by it, now or when the next one is.
        self.parted = match how.checked_sub(0x80).filter(|_| self.parting) {
            Some(EXIT_SERVED) => Some(Slaves::Served),
            Some(EXIT_UNSERVED) => Some(Slaves::Missing),
            _ => None,
        };
        if how == 0x80 | EXIT_PORTS_GONE {
            self.ports_gone = true;
            self.stage = Stage::Pausing(now.saturating_add(PORTS_GONE));
            return;
        }
        let counted = convicted || how != KILLED;
        let at = self.respawn.after(now, counted);
        let pause = at.saturating_sub(now);
        if pause > Duration::from_secs(1) {
            out.say(Note::Slowed(pause));
        }
        self.stage = Stage::Pausing(at);
    }

    fn start_monitor(&mut self, now: Duration, out: &mut impl Outside) {
        self.guard.reset(now);
        let battery = |power| matches!(power, Some(Power::Battery | Power::Low));
        let outage = self.judge.feeds().iter().any(|feed| battery(feed.last));
        let written = out.order(if outage { GO_IN_OUTAGE } else { GO });
        let later = Stage::Pausing(now.saturating_add(AGAIN));
        self.stage = if written { Stage::Running } else { later };
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
