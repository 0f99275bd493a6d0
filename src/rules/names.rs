//! Names of NUT's variables, as far as they are common, and what their values are: only to warn of what can hardly be
//! meant. (NUT's developer guide, "NUT command and variable naming scheme".)

/// What a variable's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A number.
    Number,
    /// A number of seconds.
    Seconds,
    /// Any text.
    Text,
}

use Sort::{Number, Seconds, Text};

/// By their first word. A part that is only a number (`outlet.1.status`) or a phase (`input.L1.voltage`) is left out.
const NAMES: &[(&str, &[(&str, Sort)])] = &[
    (
        "ambient",
        &[
            ("contacts.status", Text),
            ("count", Number),
            ("humidity", Number),
            ("humidity.alarm", Text),
            ("humidity.high", Number),
            ("humidity.low", Number),
            ("humidity.status", Text),
            ("name", Text),
            ("present", Text),
            ("temperature", Number),
            ("temperature.alarm", Text),
            ("temperature.high", Number),
            ("temperature.low", Number),
            ("temperature.status", Text),
        ],
    ),
    (
        "battery",
        &[
            ("alarm.threshold", Text),
            ("capacity", Number),
            ("capacity.nominal", Number),
            ("cell.count", Number),
            ("charge", Number),
            ("charge.approx", Text),
            ("charge.low", Number),
            ("charge.restart", Number),
            ("charge.warning", Number),
            ("charger.status", Text),
            ("current", Number),
            ("current.total", Number),
            ("date", Text),
            ("date.maintenance", Text),
            ("energysave", Text),
            ("lifetime", Seconds),
            ("mfr.date", Text),
            ("packs", Number),
            ("packs.bad", Number),
            ("packs.external", Number),
            ("protection", Text),
            ("runtime", Seconds),
            ("runtime.low", Seconds),
            ("runtime.restart", Seconds),
            ("status", Text),
            ("temperature", Number),
            ("type", Text),
            ("voltage", Number),
            ("voltage.high", Number),
            ("voltage.low", Number),
            ("voltage.nominal", Number),
        ],
    ),
    (
        "device",
        &[
            ("contact", Text),
            ("count", Number),
            ("description", Text),
            ("location", Text),
            ("macaddr", Text),
            ("mfr", Text),
            ("model", Text),
            ("part", Text),
            ("serial", Text),
            ("type", Text),
            ("uptime", Seconds),
        ],
    ),
    (
        "driver",
        &[
            ("debug", Number),
            ("name", Text),
            ("state", Text),
            ("version", Text),
            ("version.data", Text),
            ("version.internal", Text),
        ],
    ),
    ("experimental", &[]),
    (
        "input",
        &[
            ("bypass.current", Number),
            ("bypass.frequency", Number),
            ("bypass.voltage", Number),
            ("current", Number),
            ("current.nominal", Number),
            ("current.status", Text),
            ("eco.switchable", Text),
            ("frequency", Number),
            ("frequency.high", Number),
            ("frequency.low", Number),
            ("frequency.nominal", Number),
            ("frequency.status", Text),
            ("load", Number),
            ("phases", Number),
            ("power", Number),
            ("powerfactor", Number),
            ("quality", Text),
            ("realpower", Number),
            ("sensitivity", Text),
            ("source", Text),
            ("source.preferred", Text),
            ("transfer.delay", Seconds),
            ("transfer.high", Number),
            ("transfer.low", Number),
            ("transfer.reason", Text),
            ("voltage", Number),
            ("voltage.extended", Text),
            ("voltage.fault", Number),
            ("voltage.maximum", Number),
            ("voltage.minimum", Number),
            ("voltage.nominal", Number),
            ("voltage.status", Text),
        ],
    ),
    (
        "outlet",
        &[
            ("autoswitch.charge.low", Number),
            ("count", Number),
            ("current", Number),
            ("current.status", Text),
            ("delay.shutdown", Seconds),
            ("delay.start", Seconds),
            ("desc", Text),
            ("group", Text),
            ("id", Number),
            ("name", Text),
            ("power", Number),
            ("powerfactor", Number),
            ("realpower", Number),
            ("status", Text),
            ("switch", Text),
            ("switchable", Text),
            ("timer.shutdown", Seconds),
            ("timer.start", Seconds),
            ("type", Text),
            ("voltage", Number),
            ("voltage.status", Text),
        ],
    ),
    (
        "output",
        &[
            ("current", Number),
            ("current.nominal", Number),
            ("frequency", Number),
            ("frequency.nominal", Number),
            ("phases", Number),
            ("power", Number),
            ("power.nominal", Number),
            ("powerfactor", Number),
            ("realpower", Number),
            ("realpower.nominal", Number),
            ("voltage", Number),
            ("voltage.nominal", Number),
        ],
    ),
    ("server", &[("info", Text), ("version", Text)]),
    (
        "ups",
        &[
            ("alarm", Text),
            ("beeper.status", Text),
            ("contacts", Text),
            ("date", Text),
            ("delay.reboot", Seconds),
            ("delay.shutdown", Seconds),
            ("delay.start", Seconds),
            ("display.language", Text),
            ("efficiency", Number),
            ("firmware", Text),
            ("firmware.aux", Text),
            ("id", Text),
            ("load", Number),
            ("load.high", Number),
            ("mfr", Text),
            ("mfr.date", Text),
            ("mode", Text),
            ("model", Text),
            ("model.aux", Text),
            ("power", Number),
            ("power.nominal", Number),
            ("productid", Text),
            ("realpower", Number),
            ("realpower.nominal", Number),
            ("serial", Text),
            ("serial.internal", Text),
            ("shutdown", Text),
            ("start.auto", Text),
            ("start.battery", Text),
            ("start.reboot", Text),
            ("status", Text),
            ("temperature", Number),
            ("temperature.high", Number),
            ("test.date", Text),
            ("test.interval", Seconds),
            ("test.result", Text),
            ("time", Text),
            ("timer.reboot", Seconds),
            ("timer.shutdown", Seconds),
            ("timer.start", Seconds),
            ("type", Text),
            ("vendorid", Text),
            ("watchdog.status", Text),
        ],
    ),
];

const PHASES: [&str; 7] = ["L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N"];
/// Between two phases.
const LINES: [&str; 3] = ["L1-L2", "L2-L3", "L3-L1"];

/// What a variable is; `None`: no name that we know of. Drivers make up others below `experimental.` and
/// `driver.parameter.`, which are taken for texts.
pub(super) fn sort(name: &str) -> Option<Sort> {
    let name = name.to_ascii_lowercase();
    if name.starts_with("experimental.")
        || name.starts_with("driver.parameter.")
        || name.starts_with("driver.flag.")
    {
        return Some(Text);
    }
    let small = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let is_place = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_digit()) || { PHASES.iter().chain(&LINES) }
            .any(|phase| small(part, phase))
    };
    let mut parts = name.split('.');
    let first = parts.next()?;
    let rest: Vec<&str> = parts.filter(|part| !is_place(part)).collect();
    let rest = rest.join(".");
    let (_, names) = NAMES.iter().find(|(one, _)| *one == first)?;
    names.iter().find(|(name, _)| *name == rest).map(|(_, sort)| *sort)
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = String> {
    NAMES
        .iter()
        .flat_map(|(first, names)| names.iter().map(move |(rest, _)| format!("{first}.{rest}")))
}
