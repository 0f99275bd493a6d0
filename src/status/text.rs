//! Words for a report.

use crate::status::collect::Snapshot;
use crate::status::report::{Said, State, Ups};

/// A time in ms for people: `0.2s`, `48s`, `5m48s`, `3h05m`, `41d03h`.
pub fn age(ms: u64) -> String {
    let (seconds, minutes, hours) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    match (hours / 24, hours, minutes) {
        (0, 0, 0) if ms < 10_000 => format!("{seconds}.{}s", ms % 1000 / 100),
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        (days, _, _) => format!("{days}d{:02}h", hours % 24),
    }
}

/// A limit of the configuration, in its words where that is as exact: `10m`, `90s`.
pub fn limit(ms: u64) -> String {
    crate::config::time(core::time::Duration::from_millis(ms))
}

/// What init heard, in the words of the log.
pub fn said(said: Said) -> &'static str {
    match said {
        Said::Ok => "power ok",
        Said::Fail => "power fail",
        Said::Low => "power fail now (low)",
        Said::Shutdown => "shut down",
    }
}

/// As the state file says it.
pub fn word(said: Said) -> &'static str {
    match said {
        Said::Ok => "OK",
        Said::Fail => "FAIL",
        Said::Low => "LOW",
        Said::Shutdown => "SHUTDOWN",
    }
}

/// One word, small.
pub fn state(state: State) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::Mains => "mains",
        State::Battery => "battery",
        State::Low => "low",
    }
}

/// In NUT's words; empty: nothing is known.
pub fn nut(state: State) -> &'static str {
    match state {
        State::Unknown => "",
        State::Mains => "OL",
        State::Battery => "OB",
        State::Low => "OB LB",
    }
}

/// Levels of lines with their names, inputs first: `Ups::way`'s bits.
pub fn lines(bits: u8) -> [(&'static str, u8); 6] {
    let names = ["CTS", "DSR", "DCD", "RNG", "DTR", "RTS"];
    let mut place = 0;
    names.map(|name| {
        let level = bits >> place & 1;
        place += 1;
        (name, level)
    })
}

/// On battery, as it was last seen.
pub fn on_battery(ups: &Ups<'_>) -> bool {
    matches!(ups.state, State::Battery | State::Low)
}

/// How long the machine has been on battery: the longest of its UPSs.
pub fn spent(snapshot: &Snapshot) -> Option<u64> {
    let all = snapshot.ups.iter().map(|(ups, _)| ups);
    all.filter(|ups| on_battery(ups) && ups.weight > 0).map(|ups| ups.spent).max()
}

/// `text` in JSON's or Prometheus' double quotes: it is printable ASCII ([`crate::status::report::decode`]).
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
