//! The report in one line and an exit status, as Nagios and its like want it.

use core::fmt::Write as _;

use crate::status::collect::Snapshot;
use crate::status::report::{Said, State};
use crate::status::text::{age, nut, said, spent};

/// Exit status where nothing is known: blind, or no daemon.
pub const UNKNOWN: u8 = 3;

/// The line, and 0 on mains, 1 on battery, 2 low or shutting down, 3 not known.
pub fn line(snapshot: &Snapshot) -> (String, u8) {
    let head = &snapshot.head;
    let seen = match head.machine {
        State::Unknown | State::Mains => 0,
        State::Battery => 1,
        State::Low => 2,
    };
    // What init was told holds until it is told another thing.
    let recorded = match head.recorded {
        None | Some(Said::Ok) => 0,
        Some(Said::Fail) => 1,
        Some(Said::Low | Said::Shutdown) => 2,
    };
    let (word, is, status) = match seen.max(recorded) {
        _ if head.blind => ("UNKNOWN", "blind", UNKNOWN),
        _ if head.machine == State::Unknown => ("UNKNOWN", "nothing was seen yet", UNKNOWN),
        0 => ("OK", "on mains", 0),
        1 => ("WARNING", "on battery", 1),
        _ => ("CRITICAL", "low or shutting down", 2),
    };
    let mut line = format!("UPSENTRY {word} - {is}");
    if let Some(spent) = spent(snapshot) {
        let _ = write!(line, " for {}", age(spent));
    }
    for (ups, _) in &snapshot.ups {
        let lost = if ups.lost { " no contact" } else { "" };
        let nut = nut(ups.state);
        let nut = if nut.is_empty() { "?" } else { nut };
        let _ = write!(line, ", {} {nut}{lost}", ups.name);
    }
    let told = head.told.map_or("nothing", said);
    let _ = write!(line, "; init told {told} | battery={}s", spent(snapshot).unwrap_or(0) / 1000);
    if head.master {
        let silent = snapshot.slaves.iter().filter(|slave| slave.silent || slave.heard.is_none());
        let _ = write!(line, " slaves={} silent={}", snapshot.slaves.len(), silent.count());
    }
    (line, status)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
