//! What the lines of one UPS mean over time: settle, debounce, delays, the cable's doubt, and the time
//! on battery. Pure: readings and the clock go in, events come out.

use core::time::Duration;

use crate::config;
use crate::config::wiring::{Status, Wiring};
use crate::ipc::frame::Kind;
use crate::ipc::legal::Power;
use crate::monitor::debounce::Debounce;

/// After the first settle time the lines must have stood still for so long ...
const STILL: Duration = Duration::from_millis(100);
/// ... and if they do not within this of both that and the first reading, the UPS counts as lost until they do.
const RESTLESS: Duration = Duration::from_millis(700);
/// From mains to all inputs zero within this is one jump: a plug bounces while it is pulled.
const JUMP: Duration = Duration::from_millis(100);
/// Steady mains for so long refills the time that may be spent on battery.
const REFILL: Duration = Duration::from_secs(60);

/// What the configuration says of one UPS's lines and times.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub struct Settings {
    /// The conditions.
    pub wiring: Wiring,
    /// On the caller's clock: nothing is believed before.
    pub settled_at: Duration,
    /// How long that wait was made to be.
    pub settle: Duration,
    /// A status must hold so long; 0: the first reading decides.
    pub debounce: Duration,
    /// On battery so long before F.
    pub fail_after: Duration,
    /// On mains so long before O.
    pub ok_after: Duration,
    /// Low so long before L.
    pub low_after: Duration,
    /// How long L is held back if it may be the cable.
    pub cable_grace: Duration,
    /// S after so long on battery.
    pub shutdown_after: Option<Duration>,
    /// The parent started this monitor in an outage: all inputs zero is then no jump.
    pub in_outage: bool,
    /// Time already spent on battery, as the generation before left it.
    pub spent: Duration,
}

impl Settings {
    /// Of this UPS, whose lines were set at `set_at` on the caller's clock.
    pub fn new(ups: &config::Ups, set_at: Duration) -> Settings {
        Settings {
            wiring: Wiring::new(ups),
            settled_at: set_at.saturating_add(ups.settle),
            settle: ups.settle,
            debounce: ups.debounce,
            fail_after: ups.fail_after,
            ok_after: ups.ok_after,
            low_after: ups.low_after,
            cable_grace: ups.cable_grace,
            // What is only watched feeds nothing that could need a shutdown, and S is machine-wide.
            shutdown_after: ups.shutdown_after.filter(|_| ups.power > 0),
            in_outage: false,
            spent: Duration::ZERO,
        }
    }
}

impl Settings {
    /// Of this UPS, which another machine watches: that one has settled and debounced what it says.
    pub fn distant(ups: &config::Ups) -> Settings {
        let zero = Duration::ZERO;
        let lines = Settings::new(ups, zero);
        Settings { settled_at: zero, settle: zero, debounce: zero, low_after: zero, ..lines }
    }
}

/// The machine for one UPS.
#[derive(Clone, Debug, Hash)]
pub struct Ups {
    set: Settings,
    /// When the first reading came: late after a slow start, or in a new monitor.
    began: Option<Duration>,
    inputs: Option<i32>,
    /// When the inputs last changed.
    moved: Duration,
    debounce: Debounce,
    believed: Option<Status>,
    /// Since when `believed` holds.
    since: Duration,
    /// Since when it has been on battery or low without a break; kept while lost.
    battery_since: Option<Duration>,
    /// When it was last believed to be on mains.
    left_mains: Option<Duration>,
    /// Since when all inputs are zero and it may be the cable.
    doubt: Option<Duration>,
    /// Time on battery before `battery_since`, since the last refill.
    spent: Duration,
    reported: Option<Power>,
    lost: bool,
    shutdown: bool,
    /// L and S wait.
    held: bool,
    /// On battery is low: a rule has it so.
    ruled_low: bool,
}

/// What [`Ups::step`] reports.
pub type Emit<'a> = &'a mut dyn FnMut(Kind);

impl Ups {
    /// Nothing is known yet.
    pub fn new(set: Settings) -> Ups {
        Ups {
            debounce: Debounce::new(set.debounce),
            spent: set.spent,
            set,
            began: None,
            inputs: None,
            moved: Duration::ZERO,
            believed: None,
            since: Duration::ZERO,
            battery_since: None,
            left_mains: None,
            doubt: None,
            reported: None,
            lost: false,
            shutdown: false,
            held: false,
            ruled_low: false,
        }
    }

    /// Takes a reading of the inputs (TIOCM bits; `None`: the port is gone) at `now`, emits what follows
    /// from it and from the time that passed, in legal order. Without `may_speak` all that can wait waits,
    /// and what is emitted later is the newest; L and S never wait.
    pub fn step(&mut self, now: Duration, inputs: Option<i32>, may_speak: bool, emit: Emit<'_>) {
        self.began.get_or_insert(now);
        // Before a first reading is believed only the lines count that say something: one that nothing is tied to may
        // never stand still.
        let says = |inputs: Option<i32>| inputs.map(|inputs| inputs & self.set.wiring.mask());
        if self.believed.is_some() && inputs != self.inputs || says(inputs) != says(self.inputs) {
            self.moved = now;
        }
        self.inputs = inputs;
        let status = self.set.wiring.status(inputs);
        self.take(now, Some(status), may_speak, emit);
    }

    /// As [`Ups::step`], for a source that says the status itself; `None`: it has said nothing yet.
    pub fn step_status(
        &mut self,
        now: Duration,
        status: Option<Status>,
        may_speak: bool,
        emit: Emit<'_>,
    ) {
        self.began.get_or_insert(now);
        self.take(now, status, may_speak, emit);
    }

    /// The source demands a shutdown of the machine.
    pub fn demand(&mut self, emit: Emit<'_>) {
        if !self.shutdown {
            self.shutdown = true;
            emit(Kind::Shutdown);
        }
    }

    /// Holds L and S back, or lets them go: others have to hear of it first. Until then low is on battery.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// By a rule its battery counts as low while it is on battery; true: that has changed.
    pub fn rule_low(&mut self, low: bool) -> bool {
        core::mem::replace(&mut self.ruled_low, low) != low
    }

    /// L is due, or has been said.
    pub fn is_low(&self, now: Duration) -> bool {
        self.reported == Some(Power::Low) || self.low_since(now)
    }

    /// S is due, or has been said.
    pub fn is_over(&self, now: Duration) -> bool {
        self.shutdown || self.shutdown_at().is_some_and(|at| now >= at)
    }

    /// L or S is held back.
    pub fn waits(&self, now: Duration) -> bool {
        let low = self.low_since(now) && self.reported != Some(Power::Low);
        low || (self.is_over(now) && !self.shutdown)
    }

    fn take(&mut self, now: Duration, status: Option<Status>, may_speak: bool, emit: Emit<'_>) {
        if let Some(status) = status {
            let low = self.ruled_low && status == Status::Battery;
            let status = if low { Status::Low } else { status };
            self.debounce.reading(now, status);
        }
        if let Some(status) = self.settled(now).then(|| self.debounce.status(now)).flatten() {
            self.believe(now, status);
        }
        if may_speak || self.low_due(now) {
            self.report(now, emit);
        }
        self.count(now, emit);
    }

    /// When the next [`Ups::step`] is needed if no line moves; later than `now`.
    pub fn next(&self, now: Duration) -> Option<Duration> {
        let set = &self.set;
        let after = |since: Option<Duration>, delay| since.map(|at| at.saturating_add(delay));
        let on = |status| self.believed == Some(status);
        let low = on(Status::Low).then_some(self.since);
        let mains = on(Status::Mains).then_some(self.since);
        let times = [
            self.believed
                .is_none()
                .then(|| set.settled_at.max(self.moved.saturating_add(self.still()))),
            self.believed.is_none().then(|| self.restless_at()),
            self.debounce.next(now),
            after(self.battery_since, set.fail_after),
            after(low, set.low_after),
            after(mains, set.ok_after),
            after(mains, REFILL).filter(|_| !self.spent.is_zero()),
            after(self.doubt, set.cable_grace),
            self.doubt.map(|_| self.moved.saturating_add(STILL)),
            self.shutdown_at(),
        ];
        times.into_iter().flatten().filter(|at| *at > now).min()
    }

    /// What the parent last heard of it.
    pub fn reported(&self) -> Option<Power> {
        self.reported
    }

    /// Contact is lost, as the parent last heard.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// All inputs went to zero at once and nothing tells a pulled cable from an outage.
    pub fn in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// The reading is believed since ...; `None`: not settled yet.
    pub fn believed(&self) -> Option<(Status, Duration)> {
        self.believed.map(|status| (status, self.since))
    }

    /// Changes too short to be believed, since the start.
    pub fn glitches(&self) -> u32 {
        self.debounce.glitches()
    }

    /// A wake-up that found nothing changed: a pulse that had gone again.
    pub fn pulse(&mut self, now: Duration) {
        self.debounce.pulse(now);
    }

    /// Its time on battery is running.
    pub fn on_battery(&self) -> bool {
        self.battery_since.is_some()
    }

    /// Time on battery since the last refill.
    pub fn spent(&self, now: Duration) -> Duration {
        let running = self.battery_since.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        self.spent.saturating_add(running)
    }

    fn still(&self) -> Duration {
        STILL.min(self.set.settle)
    }

    /// From then on lines that have not stood still yet count as lost.
    fn restless_at(&self) -> Duration {
        let began = self.began.unwrap_or_default();
        self.set.settled_at.max(began).saturating_add(RESTLESS)
    }

    fn settled(&self, now: Duration) -> bool {
        let stood_still = now.saturating_sub(self.moved) >= self.still();
        self.believed.is_some() || (now >= self.set.settled_at && stood_still)
    }

    fn believe(&mut self, now: Duration, status: Status) {
        let mut since = self.debounce.since();
        if self.believed.is_none() {
            // What the lines showed while they settled counts for nothing.
            since = since.max(self.set.settled_at);
        }
        if self.believed != Some(status) {
            if self.believed == Some(Status::Mains) {
                self.left_mains = Some(since);
            }
            self.doubt = self.doubt.or_else(|| self.doubts(since));
            match status {
                Status::Mains => {
                    self.spent = self.spent(since);
                    self.battery_since = None;
                }
                Status::Battery | Status::Low => {
                    self.battery_since.get_or_insert(since);
                }
                Status::Lost => {}
            }
            self.believed = Some(status);
            self.since = since;
        }
        // Over once a line has stood up for longer than a contact bounces, or with the grace.
        let stands = self.inputs.is_some_and(|inputs| inputs != 0);
        let up = stands && now.saturating_sub(self.moved) >= STILL;
        let over = self.doubt.is_some_and(|at| now >= at.saturating_add(self.set.cable_grace));
        if over || up {
            self.doubt = None;
        }
    }

    /// Whether this change, before it is believed, may be the cable.
    fn doubts(&self, since: Duration) -> Option<Duration> {
        // The port may have been gone at first, or since it was on mains.
        let unseen = matches!(self.believed, None | Some(Status::Lost));
        let in_outage = self.set.in_outage && self.reported.is_none();
        let first = unseen && self.battery_since.is_none() && !in_outage;
        let jump = self.left_mains.is_some_and(|at| since.saturating_sub(at) < JUMP);
        let unsure = self.inputs == Some(0) && self.set.wiring.cable_unsure();
        (unsure && (first || jump)).then_some(since)
    }

    fn report(&mut self, now: Duration, emit: Emit<'_>) {
        let Some(status) = self.believed else {
            return self.contact(now >= self.restless_at(), emit);
        };
        if status == Status::Lost {
            return self.contact(true, emit);
        }
        if (self.lost && self.doubt.is_some()) || self.debounce.unsure(now) {
            return;
        }
        self.contact(false, emit);
        self.power(now, status, emit);
        if self.doubt.is_some() && self.reported != Some(Power::Mains) {
            self.contact(true, emit);
        }
    }

    fn contact(&mut self, lost: bool, emit: Emit<'_>) {
        if lost != self.lost {
            self.lost = lost;
            emit(if lost { Kind::Lost } else { Kind::Restored });
        }
    }

    fn power(&mut self, now: Duration, status: Status, emit: Emit<'_>) {
        let held = |since: Duration, delay: Duration| now.saturating_sub(since) >= delay;
        let battery_since = self.battery_since.unwrap_or(now);
        let low = self.low_due(now);
        let (power, kind) = match (self.reported, status) {
            (Some(Power::Mains), Status::Mains)
            | (Some(Power::Low), Status::Battery | Status::Low) => return,
            (None, Status::Mains) => (Power::Mains, Kind::Ok),
            (_, Status::Mains) if held(self.since, self.set.ok_after) => (Power::Mains, Kind::Ok),
            (_, Status::Low) if low => (Power::Low, Kind::Low),
            (None, Status::Battery | Status::Low) => (Power::Battery, Kind::Fail),
            (Some(Power::Mains), Status::Battery | Status::Low)
                if held(battery_since, self.set.fail_after) =>
            {
                (Power::Battery, Kind::Fail)
            }
            _ => return,
        };
        self.reported = Some(power);
        emit(kind);
    }

    fn low_due(&self, now: Duration) -> bool {
        self.low_since(now) && !self.held
    }

    fn low_since(&self, now: Duration) -> bool {
        self.believed == Some(Status::Low)
            && self.doubt.is_none()
            && now.saturating_sub(self.since) >= self.set.low_after
    }

    /// When S follows, if the mains do not return.
    pub fn shutdown_at(&self) -> Option<Duration> {
        let limit = self.set.shutdown_after.filter(|_| !self.shutdown)?;
        let since = self.battery_since?;
        Some(since.saturating_add(limit.saturating_sub(self.spent)))
    }

    fn count(&mut self, now: Duration, emit: Emit<'_>) {
        let steady =
            self.believed == Some(Status::Mains) && now.saturating_sub(self.since) >= REFILL;
        if steady {
            self.spent = Duration::ZERO;
        }
        if self.shutdown_at().is_some_and(|at| now >= at) && !self.held {
            self.demand(emit);
        }
    }
}

#[cfg(test)]
#[path = "power_tests.rs"]
mod tests;
