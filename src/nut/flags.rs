//! Status flags.

use serde::{Deserialize, Serialize};

/// What a flag is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meaning {
    /// Nothing.
    #[default]
    Ignore,
    /// On battery.
    Battery,
    /// On battery and low.
    Low,
    /// Contact lost.
    Lost,
}

/// The flags whose meaning is the administrator's to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Treat {
    /// `OFF`.
    pub off: Meaning,
    /// `BYPASS`.
    pub bypass: Meaning,
    /// `ALARM`.
    pub alarm: Meaning,
}
