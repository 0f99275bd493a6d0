//! What the lines of a contact-closure cable say: pure evaluation of `fail`, `low` and `sense`.

use nix::libc::{TIOCM_CAR, TIOCM_CTS, TIOCM_DSR, TIOCM_RNG, c_int};

use crate::config::{Condition, Input, Ups};

impl Input {
    /// Its TIOCM bit.
    pub fn bit(self) -> c_int {
        match self {
            Input::Cts => TIOCM_CTS,
            Input::Dsr => TIOCM_DSR,
            Input::Dcd => TIOCM_CAR,
            Input::Rng => TIOCM_RNG,
        }
    }
}

/// Conditions that must all hold; empty: nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pattern {
    mask: c_int,
    want: c_int,
}

impl Pattern {
    /// Of these conditions.
    pub fn new(conditions: &[Condition]) -> Pattern {
        let mut pattern = Pattern::default();
        for condition in conditions {
            pattern.mask |= condition.line.bit();
            if condition.level {
                pattern.want |= condition.line.bit();
            }
        }
        pattern
    }

    /// No condition was given.
    pub fn is_empty(self) -> bool {
        self.mask == 0
    }

    /// There are conditions, and all hold. `inputs`: TIOCM bits.
    pub fn holds(self, inputs: c_int) -> bool {
        !self.is_empty() && inputs & self.mask == self.want
    }
}

/// What one reading of the lines says, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// On mains.
    Mains,
    /// The port is gone, or the cable's sense line is not there.
    Lost,
    /// On battery.
    Battery,
    /// On battery and low.
    Low,
}

/// The conditions of one UPS.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub struct Wiring {
    /// On battery while it holds.
    pub fail: Pattern,
    /// With `fail`: low.
    pub low: Pattern,
    /// The cable is there while it holds.
    pub sense: Pattern,
}

impl Wiring {
    /// Of this UPS.
    pub fn new(ups: &Ups) -> Wiring {
        Wiring {
            fail: Pattern::new(&ups.fail),
            low: Pattern::new(&ups.low),
            sense: Pattern::new(&ups.sense),
        }
    }

    /// What these inputs (TIOCM bits; `None`: the port is gone) say. LOW is the low conditions *and* the
    /// fail conditions: a UPS that recharges on mains may well show "low".
    pub fn status(&self, inputs: Option<c_int>) -> Status {
        let Some(inputs) = inputs else {
            return Status::Lost;
        };
        if !self.sense.is_empty() && !self.sense.holds(inputs) {
            return Status::Lost;
        }
        let low = self.low.holds(inputs);
        let battery = if self.fail.is_empty() { low } else { self.fail.holds(inputs) };
        match (battery, low) {
            (true, true) => Status::Low,
            (true, false) => Status::Battery,
            (false, _) => Status::Mains,
        }
    }

    /// The low conditions hold while the mains is on: a notice, nothing more.
    pub fn low_on_mains(&self, inputs: c_int) -> bool {
        self.low.holds(inputs) && self.status(Some(inputs)) == Status::Mains
    }

    /// A pulled cable (all inputs 0) looks like going on battery, and nothing can tell the two apart.
    pub fn cable_unsure(&self) -> bool {
        self.sense.is_empty() && matches!(self.status(Some(0)), Status::Battery | Status::Low)
    }

    /// The lines (TIOCM bits) that count at all.
    pub fn mask(&self) -> c_int {
        self.fail.mask | self.low.mask | self.sense.mask
    }

    /// Whether a line (its TIOCM bit) counts at all.
    pub fn uses(&self, bit: c_int) -> bool {
        self.mask() & bit != 0
    }

    /// The ring indicator counts, whose interrupt comes on one edge only.
    pub fn uses_ring(&self) -> bool {
        self.uses(TIOCM_RNG)
    }
}
