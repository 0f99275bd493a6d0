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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub flags: Flags,
}
impl Seen {
    pub fn notable(self) -> Flags {
        self.flags
    }
}
impl core::fmt::Display for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Ok(())
    }
}
pub struct Verdict {
    pub power: Option<crate::ipc::legal::Power>,
    pub lost: bool,
}
pub fn judge(s: Seen, t: Treat, l: Option<crate::ipc::legal::Power>) -> Verdict {
    Verdict { power: l, lost: false }
}
