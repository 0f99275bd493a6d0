//! The flags of `ups.status`, and what they mean to us.
//!
//! The status is words in any order, with words of a vendor's own among them. What upsmon makes of each is in
//! [`TABLE`], beside what we make of it; docs/nut.md has it from there.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::ipc::legal::Power;

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// None at all.
    pub const NONE: Flags = Flags(0);
    /// On line: mains.
    pub const OL: Flags = Flags(1);
    /// On battery.
    pub const OB: Flags = Flags(1 << 1);
    /// Low battery.
    pub const LB: Flags = Flags(1 << 2);
    /// High battery.
    pub const HB: Flags = Flags(1 << 3);
    /// The battery wants to be replaced.
    pub const RB: Flags = Flags(1 << 4);
    /// Charging.
    pub const CHRG: Flags = Flags(1 << 5);
    /// Discharging.
    pub const DISCHRG: Flags = Flags(1 << 6);
    /// The load is fed past the UPS.
    pub const BYPASS: Flags = Flags(1 << 7);
    /// Calibration of the runtime: on battery by its own will.
    pub const CAL: Flags = Flags(1 << 8);
    /// The output is off.
    pub const OFF: Flags = Flags(1 << 9);
    /// Overload.
    pub const OVER: Flags = Flags(1 << 10);
    /// Lowers the mains voltage.
    pub const TRIM: Flags = Flags(1 << 11);
    /// Raises the mains voltage.
    pub const BOOST: Flags = Flags(1 << 12);
    /// Forced shutdown.
    pub const FSD: Flags = Flags(1 << 13);
    /// An alarm; its text is in `ups.alarm`.
    pub const ALARM: Flags = Flags(1 << 14);
    /// Economy mode.
    pub const ECO: Flags = Flags(1 << 15);
    /// A battery test.
    pub const TEST: Flags = Flags(1 << 16);
    /// upsd has no status from the driver yet.
    pub const WAIT: Flags = Flags(1 << 17);

    /// Whether all of `other` are in it.
    #[must_use]
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of either.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Those of it that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// The flag that this word is, in any case.
    #[must_use]
    pub fn named(word: &str) -> Option<Flags> {
        TABLE.iter().find(|row| row.word.eq_ignore_ascii_case(word)).map(|row| row.flag)
    }
}

/// One flag: a row of the table in docs/nut.md.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The flag.
    pub flag: Flags,
    /// NUT's word for it.
    pub word: &'static str,
    /// What it says.
    pub says: &'static str,
    /// What we do.
    pub here: &'static str,
    /// What upsmon does.
    pub upsmon: &'static str,
    /// Why we differ; empty: we do not.
    pub why: &'static str,
}

const fn row(
    flag: Flags,
    word: &'static str,
    says: &'static str,
    [here, upsmon, why]: [&'static str; 3],
) -> Row {
    Row { flag, word, says, here, upsmon, why }
}

const NOTED: [&str; 3] = ["shown", "a notification, from 2.8.3 on", ""];

/// Every flag, in the order in which we show them.
pub const TABLE: [Row; 18] = [
    row(
        Flags::OL,
        "OL",
        "on line: mains",
        ["mains, also with LB", "the same; a notification of LB", ""],
    ),
    row(
        Flags::OB,
        "OB",
        "on battery",
        [
            "battery, also beside OL",
            "the later word of OB and OL counts",
            "a UPS that says both is not known to be on mains",
        ],
    ),
    row(
        Flags::LB,
        "LB",
        "battery low",
        ["with OB: low. Without OB and OL: low if last on battery", "the same", ""],
    ),
    row(Flags::HB, "HB", "battery high", ["shown", "nothing", ""]),
    row(
        Flags::RB,
        "RB",
        "battery to be replaced",
        ["shown", "a notification, repeated every 12 h", ""],
    ),
    row(Flags::CHRG, "CHRG", "charging", ["shown", "nothing", ""]),
    row(Flags::DISCHRG, "DISCHRG", "discharging", ["shown", "nothing", ""]),
    row(
        Flags::BYPASS,
        "BYPASS",
        "load fed past the UPS",
        [
            "shown; `flag bypass` gives it a meaning",
            "a notification; after 2.8.0 a shutdown if contact is lost meanwhile",
            "a lost network is no reason to halt a machine that has mains",
        ],
    ),
    row(
        Flags::CAL,
        "CAL",
        "calibrating the runtime",
        [
            "never low, so never a shutdown, unless FSD",
            "the same; after 2.8.0 a shutdown if contact is lost meanwhile",
            "loss on battery is judged after `deadtime` in any case",
        ],
    ),
    row(
        Flags::OFF,
        "OFF",
        "output off",
        [
            "shown; `flag off` gives it a meaning",
            "after 2.8.0 a shutdown after 30 s of it, at once if contact is lost meanwhile",
            "who reads this has power from somewhere",
        ],
    ),
    row(
        Flags::OVER,
        "OVER",
        "overload",
        [
            "shown",
            "a notification, from 2.8.3 on; a shutdown with lost contact if OVERDURATION asks for it",
            "",
        ],
    ),
    row(Flags::TRIM, "TRIM", "lowers the voltage", NOTED),
    row(Flags::BOOST, "BOOST", "raises the voltage", NOTED),
    row(
        Flags::FSD,
        "FSD",
        "forced shutdown",
        [
            "first word, or with OB: low at once. With OL before it: shown",
            "a shutdown wherever it stands",
            "upsd puts first what a primary has set; a UPS that says it on mains, after a test or a button, must not halt \
             all machines",
        ],
    ),
    row(
        Flags::ALARM,
        "ALARM",
        "an alarm; text in `ups.alarm`",
        [
            "shown; `flag alarm` gives it a meaning",
            "a notification; after 2.8.0 a shutdown if contact is lost meanwhile",
            "drivers raise it for a worn battery too",
        ],
    ),
    row(Flags::ECO, "ECO", "economy mode", NOTED),
    row(
        Flags::TEST,
        "TEST",
        "battery test",
        ["shown", "an unknown word: from 2.8.3 on a notification", ""],
    ),
    row(
        Flags::WAIT,
        "WAIT",
        "upsd has nothing of the driver yet",
        [
            "no news: what was known holds, and its age runs on",
            "what was known holds, and counts as fresh",
            "a driver that hangs at its start must not hide an outage",
        ],
    ),
];

/// A status as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// What is in it.
    pub flags: Flags,
    /// FSD is its first word: set on upsd by a primary.
    pub forced: bool,
    /// There are words that we do not know.
    pub other: bool,
}

impl Seen {
    /// Reads a status, words separated by blanks; any text is one.
    #[must_use]
    pub fn read(text: &str) -> Seen {
        let mut seen = Seen::default();
        for (number, word) in text.split_ascii_whitespace().enumerate() {
            match Flags::named(word) {
                Some(flag) => seen.flags = seen.flags.with(flag),
                None => seen.other = true,
            }
            seen.forced |= number == 0 && seen.flags == Flags::FSD;
        }
        seen
    }

    /// It tells of the battery: OB, or FSD by a primary.
    #[must_use]
    pub fn on_battery(self) -> bool {
        self.forced || self.flags.has(Flags::OB)
    }

    /// It says nothing of the UPS: empty, or what upsd says for want of a status.
    #[must_use]
    pub fn is_silent(self) -> bool {
        !self.forced && !self.other && self.flags.without(Flags::WAIT) == Flags::NONE
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = TABLE.iter().filter(|row| self.forced && row.flag == Flags::FSD);
        let rest = TABLE.iter().filter(|row| !self.forced || row.flag != Flags::FSD);
        let all = first.chain(rest).filter(|row| self.flags.has(row.flag));
        for (number, row) in all.enumerate() {
            let blank = if number == 0 { "" } else { " " };
            write!(f, "{blank}{}", row.word)?;
        }
        Ok(())
    }
}

/// What a flag is taken for that tells of no outage by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Meaning {
    /// Shown only.
    #[default]
    Ignore,
    /// As OB.
    Battery,
    /// As OB LB.
    Low,
    /// As contact lost.
    Lost,
}

impl Meaning {
    /// All of them.
    pub const ALL: [Meaning; 4] = [Meaning::Ignore, Meaning::Battery, Meaning::Low, Meaning::Lost];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Meaning::Ignore => "ignore",
            Meaning::Battery => "battery",
            Meaning::Low => "low",
            Meaning::Lost => "lost",
        }
    }

    fn power(self) -> Option<Power> {
        match self {
            Meaning::Ignore | Meaning::Lost => None,
            Meaning::Battery => Some(Power::Battery),
            Meaning::Low => Some(Power::Low),
        }
    }
}

/// What is to be done about the flags on which installations differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Treat {
    /// OFF.
    pub off: Meaning,
    /// BYPASS.
    pub bypass: Meaning,
    /// ALARM.
    pub alarm: Meaning,
}

impl Treat {
    fn of(self, flags: Flags) -> [Meaning; 3] {
        [(Flags::OFF, self.off), (Flags::BYPASS, self.bypass), (Flags::ALARM, self.alarm)]
            .map(|(flag, meaning)| if flags.has(flag) { meaning } else { Meaning::Ignore })
    }
}

/// What a status comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// The power; `None`: not known.
    pub power: Option<Power>,
    /// What OL and OB said of it, before any [`Meaning`] or FSD: what the next status is judged from.
    pub line: Option<Power>,
    /// By a [`Meaning`] it counts as contact lost.
    pub lost: bool,
    /// By FSD a shutdown is demanded; `power` is then [`Power::Low`].
    pub demanded: bool,
}

/// What a status comes to. One that tells neither of mains nor of battery leaves the power as `last`: that is
/// [`Verdict::line`] of the verdict before, so that what a [`Meaning`] made of a flag does not outlive the flag.
#[must_use]
pub fn judge(seen: Seen, treat: Treat, last: Option<Power>) -> Verdict {
    let line = mains(seen, last);
    let demanded = seen.forced || seen.flags.has(Flags::FSD.with(Flags::OB));
    if demanded {
        return Verdict { power: Some(Power::Low), line, lost: false, demanded };
    }
    let meanings = treat.of(seen.flags);
    let worst = meanings.into_iter().filter_map(Meaning::power).max().max(line);
    if seen.flags.has(Flags::CAL) {
        // The UPS is on battery because it was told to be.
        return Verdict { power: worst.min(Some(Power::Battery)), line, ..Verdict::default() };
    }
    Verdict { power: worst, line, lost: meanings.contains(&Meaning::Lost), demanded }
}

/// What OL, OB, LB and CAL say of the power, for a UPS of which they last said `last`.
#[must_use]
pub(crate) fn mains(seen: Seen, last: Option<Power>) -> Option<Power> {
    let low = seen.flags.has(Flags::LB);
    let power = if seen.flags.has(Flags::OB) {
        Some(if low { Power::Low } else { Power::Battery })
    } else if seen.flags.has(Flags::OL) {
        Some(Power::Mains)
    } else if low && last == Some(Power::Battery) {
        Some(Power::Low)
    } else {
        last
    };
    if seen.flags.has(Flags::CAL) { power.min(Some(Power::Battery)) } else { power }
}

#[cfg(test)]
#[path = "flags_tests.rs"]
mod tests;
