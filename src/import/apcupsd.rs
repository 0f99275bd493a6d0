//! apcupsd.conf: each line a name, in any case, and a value; of a name that comes twice the last one counts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::cables::{CABLES, Cable};

use super::lines::{self, Line};
use super::output::{Draft, Section, number, seconds, shown, takes, word};

const HALT: &str = "the load is cut by `upsentry kill' in the last script of a halt, which looks for itself whether the mains is out";
const USERS: &str =
    "upsentry tells init, and `shutdown' tells the users and keeps new ones from logging in";
const OTHERS: &str = "other machines ask upsentry: here a `slave HOST' line for each and a `key-file', on each `watch THIS-HOST' and the same key";
const STATUS: &str = "`upsentry status' shows it when asked, also with --json and --prometheus";
const EEPROM: &str = "a setting in the UPS itself, which keeps it";
const OBSOLETE: &str = "obsolete in apcupsd already";
const MONTH: u64 = 30 * 24 * 3600;

/// What is taken over.
const TAKEN: [&str; 6] = ["UPSNAME", "UPSCABLE", "UPSTYPE", "DEVICE", "ONBATTERYDELAY", "TIMEOUT"];

/// What is not, and why.
const NONE: [(&[&str], &str); 12] = [
    (&["LOCKFILE"], "upsentry keeps others off the port by itself (flock, TIOCEXCL)"),
    (
        &["SCRIPTDIR"],
        "init's powerfail, powerokwait and powerfailnow lines run at each change; `notify-command' for the rest comes in a later version",
    ),
    (&["PWRFAILDIR"], HALT),
    (&["KILLDELAY"], HALT),
    (&["NOLOGINDIR", "ANNOY", "ANNOYDELAY", "NOLOGON"], USERS),
    (&["NETSERVER", "NISIP", "NISPORT"], OTHERS),
    (
        &["EVENTSFILE", "EVENTSFILEMAX"],
        "`upsentry history' keeps every outage, and syslog has each change",
    ),
    (&["STATTIME", "STATFILE", "LOGSTATS", "DATATIME"], STATUS),
    (&["FACILITY"], "upsentry's facility is daemon"),
    (
        &["UPSCLASS", "UPSMODE"],
        "upsentry knows no ShareUPS; several machines on one UPS are slaves of a master",
    ),
    (
        &[
            "SELFTEST",
            "HITRANSFER",
            "LOTRANSFER",
            "LOWBATT",
            "WAKEUP",
            "RETURNCHARGE",
            "OUTPUTVOLTS",
            "SLEEP",
            "BEEPSTATE",
            "BATTDATE",
            "SENSITIVITY",
        ],
        EEPROM,
    ),
    (
        &[
            "CONTROL",
            "NETACCESS",
            "MASTER",
            "USERMAGIC",
            "SLAVE",
            "NETPORT",
            "NETSTATUS",
            "SERVERPORT",
            "NETTIME",
        ],
        OBSOLETE,
    ),
];

/// The equivalent upsentry.conf.
///
/// # Errors
/// It does not say which UPS, or which one of a kind that cannot be watched.
pub(super) fn convert(path: &Path, text: &[u8]) -> Result<String, String> {
    let mut draft = Draft::default();
    draft.head.push(format!(
        "Made of {} by `upsentry import-apcupsd'. Look it over, then try `upsentry check -c FILE' with it.",
        shown(&path.display().to_string())
    ));
    draft.head.push(
        "Stop apcupsd and keep it from being started again: two monitors are two shutdowns, and two kills.".to_owned(),
    );
    let mut said: BTreeMap<&'static str, (usize, String)> = BTreeMap::new();
    let mut later = Vec::new();
    lines::apcupsd(text, |line| {
        if let Some(name) = TAKEN.into_iter().find(|name| *name == line.name()) {
            let value = (line.number, line.word(1).to_owned());
            if let Some((before, _)) = said.insert(name, value) {
                draft.note(before, name, format_args!("line {} counts", line.number));
            }
        } else {
            remark(&mut draft, line, &mut later);
        }
    });
    let value = |name| said.get(name).map_or("", |(_, value): &(usize, String)| value.as_str());
    let first = |name| value(name).split_whitespace().next().unwrap_or("");
    let kind = first("UPSTYPE").to_ascii_lowercase();
    let mut section = Section { name: draft.name(value("UPSNAME")), lines: Vec::new() };
    if let Some((line, wanted)) = said.get("UPSNAME").filter(|(_, name)| *name != section.name) {
        let why = format!("`{}' is not a name here; it became `{}'", shown(wanted), section.name);
        draft.note(*line, "UPSNAME", why);
    }
    let dumb = kind == "dumb";
    match dumb {
        true => dumb_lines(&mut section, first("UPSCABLE"), value("DEVICE"))?,
        false => other_lines(&mut section, &kind, value("DEVICE"))?,
    }
    for (line, name) in later {
        let why = match (name, dumb) {
            ("POLLTIME", true) => "lines are watched by interrupt",
            ("POLLTIME", false) if kind == "net" => "a master tells of each change by itself",
            (_, false) if kind == "net" => "what the master calls low counts",
            ("POLLTIME", false) => "NUT's driver has its own, `pollinterval' in ups.conf",
            (_, true) => "such a cable tells neither charge nor runtime",
            (_, false) => {
                "actions on values come with `rule', in a later version; until then what the UPS itself calls low counts, or `ignorelb' with `override.battery.charge.low' in NUT's ups.conf"
            }
        };
        draft.note(line, name, why);
    }
    if let Some((line, cable)) = said.get("UPSCABLE").filter(|_| !dumb) {
        let why = format!("`{}' goes without saying for UPSTYPE {kind}", shown(cable));
        draft.note(*line, "UPSCABLE", why);
    }
    times(&mut draft, &mut section, &said);
    draft.sections.push(section);
    Ok(draft.text(path))
}

/// Why a line has no equivalent; `later`: it depends on the kind of UPS.
fn remark(draft: &mut Draft, line: &Line<'_>, later: &mut Vec<(usize, &'static str)>) {
    let name = line.name();
    let depends = ["POLLTIME", "BATTERYLEVEL", "MINUTES"].into_iter().find(|it| *it == name);
    if let Some(name) = depends.filter(|_| later.len() < super::output::MOST) {
        later.push((line.number, name));
        return;
    }
    let why = NONE.iter().find(|(names, _)| names.contains(&name)).map(|(_, why)| *why);
    draft.note(line.number, name, why.unwrap_or("apcupsd 3.14 knows no such directive"));
}

/// A contact-closure cable.
fn dumb_lines(section: &mut Section, cable: &str, device: &str) -> Result<(), String> {
    let known =
        |one: &&Cable| one.apcupsd && one.parts.iter().any(|part| part.eq_ignore_ascii_case(cable));
    let Some(found) = CABLES.iter().find(known) else {
        return Err(format!(
            "UPSTYPE dumb with UPSCABLE `{}': no such cable; `upsentry models' lists them",
            shown(cable)
        ));
    };
    let watch = word(device).map(|device| format!("watch {device}"));
    let watch = watch.filter(|watch| device.starts_with('/') && takes(watch));
    let no_device = || format!("DEVICE `{}' is not the path of a serial port", shown(device));
    section.lines.push(watch.ok_or_else(no_device)?);
    section.lines.push(format!("model {}", found.name));
    if found.low.is_empty() {
        section.lines.push("# this cable cannot say that the battery is low".to_owned());
    }
    Ok(())
}

/// What NUT has a driver for, or another machine reads.
fn other_lines(section: &mut Section, kind: &str, device: &str) -> Result<(), String> {
    let serial = if device.is_empty() { "/dev/ttyS0" } else { device };
    let host = device.split(':').next().filter(|host| !host.is_empty()).unwrap_or("localhost");
    let (driver, port) = match kind {
        "usb" => ("usbhid-ups", "auto"),
        "modbus" => ("apc_modbus", "auto"),
        "apcsmart" => ("apcsmart", serial),
        "snmp" | "netsnmp" | "pcnet" => ("snmp-ups", host),
        "test" => ("dummy-ups", "/etc/nut/test.dev"),
        "net" => {
            let watch = format!("watch master:{host}");
            if host.contains('/') || !takes(&watch) {
                return Err(format!("DEVICE `{}' names no host", shown(device)));
            }
            section.lines.push(format!(
                "# {host} tells this machine once it runs upsentry with a `slave' line for it; give both the same `key-file'."
            ));
            section.lines.push("# While apcupsd still runs there: driver `apcupsd-ups' in NUT's ups.conf, and `watch driver:NAME' here.".to_owned());
            section.lines.push(watch);
            return Ok(());
        }
        "" => return Err("no UPSTYPE line: nothing says what to watch".to_owned()),
        _ => {
            return Err(format!(
                "UPSTYPE `{}' is not known; `watch driver:NAME' takes what NUT has a driver for",
                shown(kind)
            ));
        }
    };
    let name = &section.name;
    let lines = [
        "# upsentry leaves this kind of UPS to a driver of NUT's (Debian: nut-server), without upsd and upsmon.".to_owned(),
        "# Write into /etc/nut/ups.conf, and start it with `upsdrvctl start':".to_owned(),
        format!("#     [{name}]"),
        format!("#     driver = {driver}"),
        format!("#     port = {}", shown(port)),
        format!("watch driver:{name}"),
    ];
    section.lines.extend(lines);
    Ok(())
}

/// Delays; and a way to a shutdown, which upsentry insists on.
fn times(draft: &mut Draft, section: &mut Section, said: &BTreeMap<&'static str, (usize, String)>) {
    let mut timed = false;
    for (name, directive) in [("ONBATTERYDELAY", "fail-after"), ("TIMEOUT", "shutdown-after")] {
        let Some((line, value)) = said.get(name) else { continue };
        match number(value) {
            // Off, in both.
            Some(0) if name == "TIMEOUT" => {}
            Some(count @ 0..) => {
                section.lines.push(format!("{directive} {}", seconds(count, MONTH)));
                timed |= name == "TIMEOUT";
            }
            _ => draft.note(*line, name, format_args!("`{}' is no time", shown(value))),
        }
    }
    let blind = section.lines.iter().any(|line| line.starts_with("# this cable cannot"));
    if blind && !timed {
        section.lines.push(
            "# apcupsd would never have shut this machine down; without a TIMEOUT this is a guess"
                .to_owned(),
        );
        section.lines.push("shutdown-after 5m".to_owned());
    }
}
