//! What may happen in the model, and how often.

use std::time::Duration;

use nix::libc::{TIOCM_CAR, TIOCM_CTS, TIOCM_DSR};
use upsentry::config::Config;
use upsentry::notifier::via::Actions;

/// At most so many UPSs.
pub const MOST: usize = 2;

/// What a UPS and its cable show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    Mains,
    Battery,
    Low,
    /// All inputs zero: the cable is pulled, or the UPS is off.
    Zero,
    /// The port gives an error.
    Gone,
}

impl Level {
    /// `fail cts 0`, `low dcd 0`; DSR shows that the cable is there.
    pub fn inputs(self) -> Option<i32> {
        match self {
            Level::Mains => Some(TIOCM_CTS | TIOCM_CAR | TIOCM_DSR),
            Level::Battery => Some(TIOCM_CAR | TIOCM_DSR),
            Level::Low => Some(TIOCM_DSR),
            Level::Zero => Some(0),
            Level::Gone => None,
        }
    }
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A UPS shows something else.
    Show(usize, Level),
    /// SIGKILL, SIGSTOP and SIGCONT of the monitor.
    Kill,
    Stop,
    Continue,
    /// Init stops reading its FIFO, and reads again.
    Gap,
    Back,
    /// The parent dies in its next round, after so many of its doings; the rest of the daemon with it.
    Crash(u32),
    /// It is started anew.
    Start,
    /// While it is down the machine is.
    Boot,
    /// A process runs: the monitor up to its next frame, the warden, a round of the parent.
    Monitor,
    Warden,
    Parent,
    /// Nothing can run: time goes on until something is due.
    Time,
    /// Nothing has happened for so long that init must know the truth.
    Rest,
}

/// What never changes.
#[derive(Debug)]
pub struct Setting {
    pub config: Config,
    pub actions: Actions,
    pub names: Vec<String>,
    /// A pulled cable is told from an outage.
    pub sense: bool,
    pub bounds: Bounds,
    /// So many events more than the bounds say.
    pub deeper: u8,
}

/// What may happen, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Events between two rests.
    pub budgets: &'static [u8],
    /// What a UPS may show.
    pub levels: &'static [Level],
    /// What else may happen; `Crash` stands for every place to crash at.
    pub faults: &'static [Act],
    /// So long after an event the next may come at any step of any process ...
    pub busy: Duration,
    /// ... and then at these times.
    pub moments: &'static [Duration],
    /// After so long all timers have run out, and init must know the truth.
    pub rest: Duration,
}
