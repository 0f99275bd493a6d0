//! Which frames are legal for one UPS in one generation of the monitor: the table of the design,
//! as a function.

use crate::ipc::frame::Kind;

/// What the UPS last said of the mains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// Mains on.
    Mains,
    /// On battery.
    Battery,
    /// On battery and low.
    Low,
}

impl Power {
    /// The letter of its frame, as in the state file.
    pub fn letter(self) -> char {
        match self {
            Power::Mains => 'O',
            Power::Battery => 'F',
            Power::Low => 'L',
        }
    }
}

/// One UPS's row: what this generation has said of it so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Track {
    /// `None`: nothing yet (`?`).
    pub power: Option<Power>,
    /// Contact lost.
    pub lost: bool,
    /// `S` was sent; a second one is illegal.
    pub shutdown: bool,
}

impl Track {
    /// The row after a frame of this kind; `None`: a violation.
    #[must_use]
    pub fn step(self, kind: Kind) -> Option<Track> {
        let up = |power| Some(Track { power: Some(power), ..self });
        match (kind, self.power, self.lost) {
            (Kind::Alive | Kind::Notice, _, _) => Some(self),
            (Kind::Shutdown, _, _) => (!self.shutdown).then_some(Track { shutdown: true, ..self }),
            (Kind::Lost, _, false) => Some(Track { lost: true, ..self }),
            (Kind::Restored, _, true) => Some(Track { lost: false, ..self }),
            (Kind::Ok, None | Some(Power::Battery | Power::Low), false) => up(Power::Mains),
            (Kind::Fail, None | Some(Power::Mains), false) => up(Power::Battery),
            (Kind::Low, None | Some(Power::Mains | Power::Battery), false) => up(Power::Low),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "legal_tests.rs"]
mod tests;
