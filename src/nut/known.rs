//! What a client knows of its UPS, and from when on it is lost.

use core::time::Duration;

use crate::nut::flags::Seen;

/// What is known of a UPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// The last status that was believed; it outlives the connection. `None`: never one.
    pub seen: Option<Seen>,
    /// When it was last known to be so; `None`: never.
    pub trusted_at: Option<Duration>,
    /// Something that makes sense has been heard on this connection.
    pub heard: bool,
    /// There is a connection.
    pub connected: bool,
}

/// When contact counts as lost, if nothing is heard until then; `None`: there never was any, and the caller counts
/// from its own start. On battery little time is left, so silence is borne for a third only.
#[must_use]
pub fn lost_at(known: &Known, deadtime: Duration, on_battery: bool) -> Option<Duration> {
    let most = if on_battery { deadtime / 3 } else { deadtime };
    Some(known.trusted_at?.saturating_add(most))
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
