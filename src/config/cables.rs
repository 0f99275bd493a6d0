//! Known contact-closure cables, as data.
//!
//! Two sources, kept apart where they speak of the same cable: NUT's genericups driver (its table,
//! by type number) and apcupsd's dumb driver (by UPSCABLE). [`list`] shows them and computes
//! where the two disagree.

pub use super::screen::list;
use super::types::Input::{self, Cts, Dcd, Dsr, Rng};
use super::types::{Condition, Kill, Outputs};

/// One cable: what its lines mean, seen from the computer.
#[derive(Debug, PartialEq, Eq)]
pub struct Cable {
    /// What `model` calls it.
    pub name: &'static str,
    /// Who made the UPS.
    pub maker: &'static str,
    /// Which UPS.
    pub model: &'static str,
    /// Which cable, where it has a name of its own.
    pub cable: &'static str,
    /// Part numbers printed on the cable. apcupsd's UPSCABLE uses them.
    pub parts: &'static [&'static str],
    /// NUT's genericups type, if the data is NUT's.
    pub nut: Option<u8>,
    /// The data is apcupsd's, and each of `parts` is a UPSCABLE of it.
    pub apcupsd: bool,
    /// On battery.
    pub fail: &'static [Condition],
    /// Battery low.
    pub low: &'static [Condition],
    /// The cable is plugged in. No known cable has such a line.
    pub sense: &'static [Condition],
    /// The battery wants replacing; a notice only.
    pub replace_battery: &'static [Condition],
    /// The load is on bypass; a notice only.
    pub bypass: &'static [Condition],
    /// Levels in normal operation.
    pub init: Outputs,
    /// How the load is cut; `None`: not possible or not known.
    pub kill: Option<Kill>,
    /// What else is to be known.
    pub note: &'static str,
}

impl Cable {
    /// `CyberPower Power99`, `APC Back-UPS 940-0095A/C`.
    #[must_use]
    pub fn title(&self) -> String {
        let blank = if self.cable.is_empty() { "" } else { " " };
        format!("{} {}{blank}{}", self.maker, self.model, self.cable)
    }

    /// Both say the same of every line.
    #[must_use]
    pub fn behaves_like(&self, other: &Self) -> bool {
        self.fail == other.fail
            && self.low == other.low
            && self.init == other.init
            && self.kill == other.kill
    }

    /// What the other program says of the same cable.
    pub fn twins(&self) -> impl Iterator<Item = &'static Self> {
        CABLES.iter().filter(|other| {
            other.apcupsd != self.apcupsd
                && self.parts.iter().any(|part| other.parts.contains(part))
        })
    }
}

/// The cable called so: by its name here, as `nut-7`, by apcupsd's UPSCABLE (then as apcupsd reads
/// it), or by another part number. Case does not matter.
#[must_use]
pub fn find(word: &str) -> Option<&'static Cable> {
    let is = |name: &str| name.eq_ignore_ascii_case(word);
    let part = |cable: &&Cable| cable.parts.iter().any(|part| is(part));
    let mut all = CABLES.iter();
    all.clone()
        .find(|cable| is(cable.name) || cable.nut.is_some_and(|n| is(&format!("nut-{n}"))))
        .or_else(|| all.clone().find(|cable| cable.apcupsd && part(cable)))
        .or_else(|| all.find(part))
}

const HIGH: Option<bool> = Some(true);
const LOW: Option<bool> = Some(false);

const fn high(line: Input) -> Condition {
    Condition { line, level: true }
}

const fn low(line: Input) -> Condition {
    Condition { line, level: false }
}

const fn outputs(dtr: Option<bool>, rts: Option<bool>) -> Outputs {
    Outputs { dtr, rts }
}

const fn levels(dtr: Option<bool>, rts: Option<bool>) -> Option<Kill> {
    Some(Kill { outputs: outputs(dtr, rts), send_break: false })
}

const BREAK: Option<Kill> = Some(Kill { outputs: outputs(None, None), send_break: true });

const UNKNOWN: Cable = Cable {
    name: "",
    maker: "",
    model: "",
    cable: "",
    parts: &[],
    nut: None,
    apcupsd: false,
    fail: &[],
    low: &[],
    sense: &[],
    replace_battery: &[],
    bypass: &[],
    init: outputs(None, None),
    kill: None,
    note: "",
};

/// All of them: NUT's by number, then apcupsd's.
#[rustfmt::skip]
pub static CABLES: &[Cable] = &[
    Cable {
        name: "upsonic-lan-saver-600", maker: "UPSonic", model: "LAN Saver 600",
        nut: Some(0),
        fail: &[high(Cts)], low: &[high(Dcd)], init: outputs(HIGH, HIGH), kill: levels(LOW, HIGH),
        note: "NUT's manual says that DTR is the kill signal, its code RTS",
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0095a", maker: "APC", model: "Back-UPS", cable: "940-0095A/C",
        nut: Some(1), parts: &["940-0095A", "940-0095C"],
        fail: &[high(Rng)], low: &[high(Dcd)], init: outputs(HIGH, LOW), kill: levels(LOW, HIGH),
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0020b", maker: "APC", model: "Back-UPS", cable: "940-0020B/C",
        nut: Some(2), parts: &["940-0020B", "940-0020C"],
        fail: &[high(Cts)], low: &[high(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, HIGH),
        ..UNKNOWN
    },
    Cable {
        name: "powertech-comp1000", maker: "PowerTech", model: "Comp1000",
        nut: Some(3),
        fail: &[high(Cts)], low: &[high(Dcd)], init: outputs(HIGH, LOW), kill: levels(HIGH, HIGH),
        note: "NUT's manual says that CTS is raised on mains, its code that it is not",
        ..UNKNOWN
    },
    Cable {
        name: "generic-rups", maker: "generic", model: "RUPS",
        nut: Some(4),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(LOW, HIGH), kill: levels(LOW, LOW),
        note: "the kill signal is RTS dropped",
        ..UNKNOWN
    },
    Cable {
        name: "tripplite-lan2.2", maker: "Tripp Lite", model: "Lan2.2", cable: "black 73-0844",
        nut: Some(5), parts: &["73-0844"],
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(HIGH, LOW), kill: levels(HIGH, HIGH),
        ..UNKNOWN
    },
    Cable {
        name: "best-patriot", maker: "Best", model: "Patriot", cable: "INT51",
        nut: Some(6), parts: &["INT51"],
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(HIGH, LOW), kill: levels(LOW, HIGH),
        ..UNKNOWN
    },
    Cable {
        name: "power99", maker: "CyberPower", model: "Power99",
        nut: Some(7),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, LOW),
        note: "also Belkin F6H*-SER, Upsonic PG-500, Eaton config 3",
        ..UNKNOWN
    },
    Cable {
        name: "nitram-elite-500", maker: "Nitram", model: "Elite 500",
        nut: Some(8),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(HIGH, LOW),
        note: "no kill signal is known",
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0023a", maker: "APC", model: "Back-UPS", cable: "940-0023A",
        nut: Some(9), parts: &["940-0023A"],
        fail: &[high(Dcd)], low: &[high(Cts)], init: outputs(LOW, LOW), kill: levels(LOW, HIGH),
        ..UNKNOWN
    },
    Cable {
        name: "victron-lite", maker: "Victron", model: "Lite", cable: "crack cable",
        nut: Some(10),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, LOW),
        ..UNKNOWN
    },
    Cable {
        name: "powerware-3115", maker: "Powerware", model: "3115",
        nut: Some(11),
        fail: &[high(Cts)], low: &[low(Dcd)], init: outputs(HIGH, LOW), kill: BREAK,
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0119a", maker: "APC", model: "Back-UPS Office", cable: "940-0119A",
        nut: Some(12), parts: &["940-0119A"],
        fail: &[high(Cts)], low: &[high(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, LOW),
        ..UNKNOWN
    },
    Cable {
        name: "repoteck-rpt-800a", maker: "Repoteck", model: "RPT-800A, RPT-162A",
        nut: Some(13),
        fail: &[low(Dcd)], low: &[low(Cts)], init: outputs(HIGH, HIGH), kill: BREAK,
        ..UNKNOWN
    },
    Cable {
        name: "online-p", maker: "Online", model: "P250 to P1250",
        nut: Some(14),
        fail: &[low(Dcd)], low: &[low(Cts)], init: outputs(HIGH, LOW), kill: levels(LOW, HIGH),
        ..UNKNOWN
    },
    Cable {
        name: "powerware-5119", maker: "Powerware", model: "5119, 5125",
        nut: Some(15),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(HIGH, LOW), kill: BREAK,
        ..UNKNOWN
    },
    Cable {
        name: "nitram-elite-2002", maker: "Nitram", model: "Elite 2002",
        nut: Some(16),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(HIGH, HIGH),
        note: "no kill signal is known",
        ..UNKNOWN
    },
    Cable {
        name: "powerkinetics-9001", maker: "PowerKinetics", model: "9001",
        nut: Some(17),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(HIGH, LOW),
        note: "no kill signal is known",
        ..UNKNOWN
    },
    Cable {
        name: "tripplite-omni450lan", maker: "Tripp Lite", model: "Omni 450LAN", cable: "custom cable",
        nut: Some(18),
        fail: &[low(Cts)], low: &[high(Dcd)], init: outputs(HIGH, LOW),
        note: "no kill signal is known",
        ..UNKNOWN
    },
    Cable {
        name: "fideltronik-ares", maker: "Fideltronik", model: "Ares",
        nut: Some(19),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(HIGH, LOW), kill: levels(LOW, HIGH),
        ..UNKNOWN
    },
    Cable {
        name: "powerware-5119-rm", maker: "Powerware", model: "5119 RM",
        nut: Some(20),
        fail: &[high(Cts)], low: &[high(Dcd)], init: outputs(HIGH, LOW), kill: BREAK,
        ..UNKNOWN
    },
    Cable {
        name: "generic-rups-2000", maker: "generic", model: "RUPS 2000", cable: "Megatec M2501",
        nut: Some(21), parts: &["M2501"],
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, HIGH),
        ..UNKNOWN
    },
    Cable {
        name: "gamatronic", maker: "Gamatronic", model: "alarm interface",
        nut: Some(22),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, LOW),
        note: "also CyberPower SL",
        ..UNKNOWN
    },
    Cable {
        name: "fttx", maker: "FTTx", model: "battery backup", cable: "4 wire",
        nut: Some(23),
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(LOW, HIGH), kill: levels(LOW, LOW),
        replace_battery: &[low(Rng)], bypass: &[low(Dsr)],
        note: "the kill signal is RTS dropped; it can also say `replace battery' and `on bypass'",
        ..UNKNOWN
    },
    Cable {
        name: "apcupsd-simple", maker: "apcupsd", model: "custom cable", cable: "simple",
        apcupsd: true, parts: &["simple"],
        fail: &[high(Dcd)], low: &[low(Cts)], init: outputs(HIGH, LOW), kill: levels(None, HIGH),
        note: "apcupsd also reads SR (mains lost) and raises ST, which a PC's port does not have",
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0020b-apcupsd", maker: "APC", model: "Back-UPS", cable: "940-0020B/C",
        apcupsd: true, parts: &["940-0020B", "940-0020C"],
        fail: &[high(Cts)], low: &[high(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, None),
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0119a-apcupsd", maker: "APC", model: "Back-UPS Office", cable: "940-0119A",
        apcupsd: true, parts: &["940-0119A"],
        fail: &[high(Cts)], low: &[high(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, None),
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0127a", maker: "APC", model: "Back-UPS", cable: "940-0127A, 940-0128A",
        apcupsd: true, parts: &["940-0127A", "940-0128A"],
        fail: &[high(Cts)], low: &[high(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, None),
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0023a-apcupsd", maker: "APC", model: "Back-UPS", cable: "940-0023A",
        apcupsd: true, parts: &["940-0023A"],
        fail: &[high(Dcd)],
        note: "apcupsd lets its SR test overwrite DCD, knows no low battery and no kill signal",
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0095a-apcupsd", maker: "APC", model: "Back-UPS", cable: "940-0095A/C",
        apcupsd: true, parts: &["940-0095A", "940-0095C"],
        fail: &[high(Rng)], low: &[high(Dcd)], init: outputs(None, LOW), kill: levels(None, HIGH),
        note: "apcupsd also raises ST, which a PC's port does not have",
        ..UNKNOWN
    },
    Cable {
        name: "apc-940-0095b", maker: "APC", model: "Back-UPS", cable: "940-0095B",
        apcupsd: true, parts: &["940-0095B"],
        fail: &[high(Rng)], init: outputs(None, LOW), kill: levels(None, HIGH),
        note: "it has no low battery signal: write `shutdown-after'; apcupsd also raises ST, which a PC's port does not have",
        ..UNKNOWN
    },
    Cable {
        name: "mam-04-02-2000", maker: "APC", model: "Back-UPS", cable: "MAM-04-02-2000",
        apcupsd: true, parts: &["MAM-04-02-2000"],
        fail: &[low(Cts)], low: &[low(Dcd)], init: outputs(LOW, HIGH), kill: levels(HIGH, LOW),
        ..UNKNOWN
    },
];
