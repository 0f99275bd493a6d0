//! The world of the model: UPSs, processes as far as they decide, what lies in the pipes between them, init.
//! The processes' decisions are the daemon's own code; around it stands only what carries bytes and time.

use std::hash::Hash;
use std::time::Duration;

use upsentry::ipc::frame::Kind;
use upsentry::ipc::guard::{Guard, alive_interval};
use upsentry::ipc::keeper::{Keeper, Outside, Said, Stage};
use upsentry::ipc::legal::Power;
use upsentry::ipc::orders::{GO, GO_IN_OUTAGE, KILL};
use upsentry::ipc::record::{Boot, Record};
use upsentry::monitor::power::{Settings, Ups};
use upsentry::sysvinit::lifeline::{Lifeline, Watch};

use crate::bounds::{Act, Bounds, Level, MOST, Setting};
use crate::law::Law;
use crate::outside::Hands;
use crate::search::Model;

/// A port that is gone is tried again so often.
const POLL_SLOWLY: Duration = Duration::from_secs(1);
const GRID: Duration = Duration::from_secs(1);

/// The monitor's process.
#[derive(Clone, Debug, Hash)]
pub struct Monitor {
    ups: Vec<Ups>,
    /// Per UPS, what was read last.
    read: [Option<i32>; MOST],
    woken: [bool; MOST],
    looked_at: Duration,
    alive_at: Duration,
    /// Decided, not yet written.
    unsaid: Vec<(Kind, usize)>,
    pub stopped: bool,
}

/// The state file.
#[derive(Clone, Debug, Default, Hash)]
pub struct File {
    pub text: String,
    /// Written in this boot.
    pub ours: bool,
}

#[derive(Clone)]
pub struct World {
    pub set: &'static Setting,
    pub now: Duration,
    pub level: [Level; MOST],
    pub gap: bool,
    pub parent: Option<Keeper>,
    pub lifeline: Lifeline,
    pub monitor: Option<Monitor>,
    /// How it died; the warden has not seen it yet.
    pub died: Option<u8>,
    pub events: Vec<(Kind, usize)>,
    pub said: Vec<Said>,
    pub orders: Vec<u8>,
    pub file: File,
    pub law: Law,
    /// The parent's last round: it sleeps until what was due then.
    turned_at: Duration,
    /// When the lines were set.
    set_at: Duration,
    /// What the monitors leave each other: time on battery, and when that was if it goes on.
    spent: [(Duration, Option<Duration>); MOST],
    /// Of the last thing that happened to the daemon, and what may happen still.
    last_event: Duration,
    left: u8,
    rests: usize,
}

impl Hash for World {
    fn hash<H: std::hash::Hasher>(&self, to: &mut H) {
        (&self.level, self.gap, &self.parent, &self.lifeline, &self.monitor, self.died).hash(to);
        (&self.events, &self.said, &self.orders, &self.file, &self.law).hash(to);
        (self.turned_at, self.set_at, self.spent, self.last_event, self.left, self.rests).hash(to);
    }
}

pub fn boot(ours: bool) -> Boot {
    Boot { id: if ours { "this" } else { "another" }.to_owned(), init: "1".to_owned() }
}

impl World {
    /// Everything is on mains and the daemon has not been started.
    pub fn new(set: &'static Setting, now: Duration) -> World {
        World {
            set,
            now,
            level: [Level::Mains; MOST],
            gap: false,
            parent: None,
            lifeline: Lifeline::default(),
            monitor: None,
            died: None,
            events: Vec::new(),
            said: Vec::new(),
            orders: Vec::new(),
            file: File::default(),
            law: Law::new(),
            turned_at: now,
            set_at: now,
            spent: [(Duration::ZERO, None); MOST],
            last_event: now,
            left: set.bounds.budgets[0] + set.deeper,
            rests: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.set.config.ups.len()
    }

    fn start(&mut self) {
        let record = Record::read(&self.file.text, &boot(self.file.ours)).unwrap_or_default();
        let config = &self.set.config;
        let guard = Guard::new(config.ups.iter().map(|ups| (ups.name.as_str(), ups.settle)));
        let judge = upsentry::notifier::judge(config, &record, self.set.actions, self.now);
        self.law.started();
        let keeper = Keeper::new(guard, judge, self.now);
        // As `Parent::begin`.
        Hands::new(self, None).record(keeper.judge.last_word(), &keeper.judge);
        self.parent = Some(keeper);
        self.said = vec![Said::Ready];
        (self.set_at, self.turned_at) = (self.now, self.now);
    }

    /// The parent is dead, and the others see it by their pipes.
    fn end(&mut self) {
        self.parent = None;
        self.lifeline = Lifeline::default();
        self.monitor = None;
        self.died = None;
        self.events.clear();
        self.said.clear();
        self.orders.clear();
        self.spent = [(Duration::ZERO, None); MOST];
    }

    /// One round of the parent; with `crash` it dies after so many doings. Gives how many there were.
    fn round(&mut self, crash: Option<u32>) -> Result<u32, String> {
        let Some(mut keeper) = self.parent.take() else { return Ok(0) };
        let now = self.now;
        let mut hands = Hands::new(self, crash);
        keeper.turn(now, &mut hands);
        let Hands { done, heard, broken, .. } = hands;
        self.parent = Some(keeper);
        self.turned_at = now;
        if crash.is_some() {
            self.law.crashed(heard);
            self.end();
        }
        broken.map_or(Ok(done), Err)
    }

    fn parent_next(&self) -> Option<Duration> {
        let keeper = self.parent.as_ref()?;
        let next = keeper.next(self.turned_at, true);
        next.into_iter().chain(self.lifeline.next()).min()
    }

    fn parent_runs(&self) -> bool {
        let Some(keeper) = &self.parent else { return false };
        let heard = keeper.stage == Stage::Running && !self.events.is_empty();
        let error = self.gap && self.lifeline.watch() != Watch::Not;
        let due = self.parent_next().is_some_and(|at| self.now >= at);
        heard || error || due || !self.said.is_empty()
    }

    fn warden_runs(&self) -> bool {
        self.died.is_some() || !self.orders.is_empty()
    }

    fn warden(&mut self) {
        if let Some(how) = self.died.take() {
            self.said.push(Said::Dead(how));
        }
        if self.orders.is_empty() {
            return;
        }
        match (self.orders.remove(0), &self.monitor) {
            (order @ (GO | GO_IN_OUTAGE), None) => self.fork(order == GO_IN_OUTAGE),
            (KILL, Some(_)) => {
                self.monitor = None;
                self.said.push(Said::Dead(9));
            }
            (KILL, None) => {}
            other => panic!("the warden gives up: {other:?}"),
        }
    }

    fn fork(&mut self, in_outage: bool) {
        let ups = self.set.config.ups.iter().zip(self.spent).map(|(ups, (spent, at))| {
            let running = at.map_or(Duration::ZERO, |at| self.now.saturating_sub(at));
            let spent = spent + running;
            Ups::new(Settings { in_outage, spent, ..Settings::new(ups, self.set_at) })
        });
        self.monitor = Some(Monitor {
            ups: ups.collect(),
            read: [None; MOST],
            woken: [true; MOST],
            looked_at: self.now,
            alive_at: self.now,
            unsaid: Vec::new(),
            stopped: false,
        });
    }

    fn monitor_next(&self) -> Option<Duration> {
        let monitor = self.monitor.as_ref().filter(|monitor| !monitor.stopped)?;
        let ups = monitor.ups.iter().filter_map(|ups| ups.next(monitor.looked_at));
        let gone = self.level.contains(&Level::Gone).then(|| monitor.looked_at + POLL_SLOWLY);
        ups.chain(gone).chain([monitor.alive_at]).min()
    }

    fn monitor_runs(&self) -> bool {
        let running = self.monitor.as_ref().filter(|monitor| !monitor.stopped);
        let Some(monitor) = running else { return false };
        let woken = monitor.woken.iter().take(self.count()).any(|woken| *woken);
        let due = self.monitor_next().is_some_and(|at| self.now >= at);
        woken || due || !monitor.unsaid.is_empty()
    }

    /// As the monitor's own loop does it: read, step, say; then the sign of life.
    fn monitor(&mut self) {
        let (now, level) = (self.now, self.level);
        let Some(monitor) = &mut self.monitor else { return };
        if !monitor.unsaid.is_empty() {
            let frame = monitor.unsaid.remove(0);
            // A sign of life is not piled on what is unread.
            if frame.0 != Kind::Alive || self.events.is_empty() {
                self.events.push(frame);
            }
            return;
        }
        monitor.looked_at = now;
        let unsaid = &mut monitor.unsaid;
        for (index, ups) in monitor.ups.iter_mut().enumerate() {
            let inputs = level[index].inputs();
            let woken = std::mem::take(&mut monitor.woken[index]);
            if woken && inputs.is_some() && inputs == monitor.read[index] {
                ups.pulse(now);
            }
            monitor.read[index] = inputs;
            ups.step(now, inputs, true, &mut |kind| unsaid.push((kind, index)));
            self.spent[index] = (ups.spent(now), ups.on_battery().then_some(now));
        }
        let calm = monitor.ups.iter().all(|ups| ups.reported() == Some(Power::Mains));
        let interval = alive_interval(calm);
        if now >= monitor.alive_at {
            unsaid.push((Kind::Alive, 0));
            monitor.alive_at = now + interval;
        }
        monitor.alive_at = monitor.alive_at.min(now + interval);
    }

    fn idle(&self) -> bool {
        !(self.monitor_runs() || self.warden_runs() || self.parent_runs())
    }

    fn can_rest(&self) -> bool {
        self.idle() && self.age() >= self.set.bounds.rest && self.parent.is_some() && !self.gap
    }

    fn age(&self) -> Duration {
        self.now - self.last_event
    }

    /// What the world can do to the daemon now. What only one process can see comes when the others have run:
    /// the order makes no difference.
    fn events_now(&self, acts: &mut Vec<Act>) {
        let Bounds { faults, levels, busy, moments, rest, .. } = self.set.bounds;
        let age = self.age();
        let stopped = self.monitor.as_ref().map(|monitor| monitor.stopped);
        // Convicted, and not dead yet: what it says now must not count.
        if stopped == Some(true) && self.warden_runs() {
            acts.push(Act::Continue);
        }
        let moment = self.idle() && (moments.contains(&age) || age >= rest);
        if (age > busy && !moment) || self.can_rest() {
            return;
        }
        let unread = self.monitor.as_ref().is_none_or(|monitor| monitor.unsaid.is_empty());
        let for_monitor = unread && !self.warden_runs() && !self.parent_runs();
        let for_parent = !self.warden_runs() && !self.monitor_runs();
        let down = self.parent.is_none();
        let free = [
            (stopped == Some(true) && for_monitor, Act::Continue),
            (self.gap && for_parent, Act::Back),
            (down && !self.gap, Act::Start),
        ];
        acts.extend(free.into_iter().filter(|(may, _)| *may).map(|(_, act)| act));
        if self.left == 0 {
            return;
        }
        for ups in (0..self.count()).filter(|_| for_monitor) {
            let levels = levels.iter().filter(|level| **level != self.level[ups]);
            acts.extend(levels.map(|level| Act::Show(ups, *level)));
        }
        for fault in faults {
            let may = match fault {
                Act::Kill => stopped.is_some(),
                Act::Stop => stopped == Some(false) && for_monitor,
                Act::Gap => !self.gap && for_parent,
                Act::Boot => down && self.file.ours,
                _ => !down,
            };
            match fault {
                Act::Crash(_) if may => acts.extend((0..self.doings()).map(Act::Crash)),
                fault if may => acts.push(*fault),
                _ => {}
            }
        }
    }

    /// In how many places the parent can die now.
    fn doings(&self) -> u32 {
        if self.parent_runs() { self.clone().round(None).unwrap_or(0).max(1) } else { 1 }
    }

    fn event(&mut self, act: Act) -> Result<(), String> {
        self.last_event = self.now;
        if !matches!(act, Act::Continue | Act::Back | Act::Start) {
            self.left -= 1;
            self.law.event(act);
        }
        match act {
            Act::Show(ups, level) => {
                self.level[ups] = level;
                if let Some(monitor) = &mut self.monitor {
                    monitor.woken[ups] = level != Level::Gone;
                }
            }
            Act::Kill => {
                self.monitor = None;
                self.died = Some(9);
            }
            Act::Stop | Act::Continue => {
                if let Some(monitor) = &mut self.monitor {
                    monitor.stopped = act == Act::Stop;
                }
            }
            Act::Gap | Act::Back => self.gap = act == Act::Gap,
            Act::Crash(doings) => {
                self.round(Some(doings))?;
            }
            Act::Start => self.start(),
            Act::Boot => {
                self.file.ours = false;
                self.law.booted();
            }
            _ => {}
        }
        Ok(())
    }

    fn time(&mut self) -> Result<(), String> {
        let age = self.age();
        let Bounds { moments, rest, busy, .. } = self.set.bounds;
        let moments = moments.iter().copied().chain([rest]).filter(|at| *at > age).min();
        let grid = (age < busy).then(|| self.now + GRID);
        let moment = moments.map(|at| self.last_event + at);
        let times = [self.parent_next(), self.monitor_next(), grid, moment];
        let Some(next) = times.into_iter().flatten().min() else { return Ok(()) };
        assert!(next > self.now, "time stands still");
        let mut law = self.law.clone();
        law.passed(self, next)?;
        self.law = law;
        self.now = next;
        Ok(())
    }

    fn rest(&mut self) -> Result<(), String> {
        self.law.truth(self)?;
        self.rests += 1;
        self.left =
            self.set.bounds.budgets.get(self.rests).map_or(0, |left| left + self.set.deeper);
        self.last_event = self.now;
        Ok(())
    }
}

impl Model for World {
    type Act = Act;

    fn now(&self) -> Duration {
        self.now
    }

    fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.rests >= self.set.bounds.budgets.len() {
            return acts;
        }
        self.events_now(&mut acts);
        let runs = [
            (self.monitor_runs(), Act::Monitor),
            (self.warden_runs(), Act::Warden),
            (self.parent_runs(), Act::Parent),
        ];
        acts.extend(runs.into_iter().filter(|(runs, _)| *runs).map(|(_, act)| act));
        if self.idle() && self.age() < self.set.bounds.rest {
            acts.push(Act::Time);
        } else if self.can_rest() {
            acts.push(Act::Rest);
        }
        acts
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        match act {
            Act::Monitor => self.monitor(),
            Act::Warden => self.warden(),
            Act::Parent => {
                self.round(None)?;
            }
            Act::Time => self.time()?,
            Act::Rest => self.rest()?,
            event => self.event(event)?,
        }
        Ok(())
    }
}
