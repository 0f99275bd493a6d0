//! A section of ups.conf whose driver is genericups: a contact-closure cable, which upsentry reads itself.

use crate::config::cables::{CABLES, Cable};
use crate::config::{Condition, Input, Kill, Outputs, words};

use super::output::{Draft, number, shown, takes, word};

const INPUTS: [(&str, Input); 4] =
    [("CTS", Input::Cts), ("DCD", Input::Dcd), ("RNG", Input::Rng), ("DSR", Input::Dsr)];
const OUTPUTS: [&str; 3] = ["DTR", "RTS", "ST"];

/// A key of the section: its line, its name and its value.
pub(super) type Key = (usize, String, String);

/// What the lines mean, once the section's own words stand in for those of its type.
#[derive(Debug, Default)]
struct Wiring {
    fail: Vec<Condition>,
    low: Vec<Condition>,
    init: Outputs,
    kill: Option<Kill>,
}

impl Wiring {
    fn of(cable: &Cable) -> Wiring {
        let (fail, low) = (cable.fail.to_vec(), cable.low.to_vec());
        Wiring { fail, low, init: cable.init, kill: cable.kill }
    }

    fn lines(&self) -> Vec<String> {
        let inputs = [("fail", &self.fail), ("low", &self.low)];
        let inputs = inputs.into_iter().filter(|(_, all)| !all.is_empty());
        let mut lines: Vec<String> =
            inputs.map(|(name, all)| format!("{name} {}", words(all))).collect();
        if self.init != Outputs::default() {
            lines.push(format!("init {}", self.init));
        }
        lines.extend(self.kill.map(|kill| format!("kill {kill}")));
        lines
    }
}

/// The section's lines; `None`: a remark says why there are none.
pub(super) fn section(
    draft: &mut Draft,
    at: usize,
    name: &str,
    keys: &[Key],
) -> Option<Vec<String>> {
    let of = |name: &str| keys.iter().rev().find(|(_, key, _)| key.eq_ignore_ascii_case(name));
    let port = of("port").map_or("", |(_, _, value)| value.as_str());
    let watch = word(port).map(|port| format!("watch {port}"));
    let Some(watch) = watch.filter(|watch| port.starts_with('/') && takes(watch)) else {
        let why = format!("port `{}' is not the path of a serial port", shown(port));
        draft.leave_out(at, &format!("[{name}]"), why);
        return None;
    };
    let mut lines = vec![watch];
    let cable = of("upstype").and_then(|(line, _, value)| {
        let found = number(value).and_then(|number| {
            CABLES.iter().find(|cable| cable.nut.map(i64::from) == Some(number))
        });
        if found.is_none() {
            draft.note(*line, "upstype", format_args!("there is no type `{}'", shown(value)));
        }
        found
    });
    let spared = of("sdorder").filter(|(_, _, value)| number(value).is_some_and(|n| n < 0));
    let own = ["CP", "OL", "LB", "SD"].into_iter().any(|name| of(name).is_some());
    match cable.filter(|_| !own && spared.is_none()) {
        Some(cable) => lines.push(format!("model {}", cable.name)),
        None => {
            let mut wiring = cable.map(Wiring::of).unwrap_or_default();
            for name in ["CP", "OL", "LB", "SD"] {
                if let Some(key) = of(name) {
                    change(draft, &mut wiring, name, key);
                }
            }
            if spared.is_some() {
                wiring.kill = None;
            }
            if wiring.fail.is_empty() && wiring.low.is_empty() {
                let why = "no line is said to mean anything (no `upstype', `OL' or `LB')";
                draft.leave_out(at, &format!("[{name}]"), why);
                return None;
            }
            if let Some(cable) = cable {
                lines.push(format!("# model {}, with changes", cable.name));
            }
            lines.extend(wiring.lines());
            if wiring.low.is_empty() {
                lines.push(
                    "# genericups would never have reported LB; after how long is a guess"
                        .to_owned(),
                );
                lines.push("shutdown-after 5m".to_owned());
            }
        }
    }
    for (line, key, _) in keys {
        if let Some(why) = without_equivalent(key) {
            draft.note(*line, key, why);
        }
    }
    Some(lines)
}

/// Why a key has no equivalent; `None`: it has one.
fn without_equivalent(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    Some(match key.as_str() {
        "driver" | "port" | "upstype" | "cp" | "ol" | "lb" | "sd" | "sdtime" => return None,
        "rb" | "bypass" => "a notice only, and notices come with `notify', in a later version",
        "mfr" | "model" | "serial" | "desc" => "only NUT's clients show it",
        "pollinterval" | "maxstartdelay" => "lines are watched by interrupt, from the start",
        "sdorder" => "-k cuts UPSs in no such order; one of -1 has no `kill' line here",
        "ignorelb" => "write `low' lines that mean it, or none and `shutdown-after'",
        "user" | "group" | "chroot" | "synchronous" | "debug_min" => {
            "no driver runs for a line that upsentry reads"
        }
        _ => "said to a driver, and none runs for a line that upsentry reads",
    })
}

/// One of the section's own words for its lines.
fn change(draft: &mut Draft, wiring: &mut Wiring, name: &str, (line, _, value): &Key) {
    let (inputs, (outputs, any, send_break)) = (inputs(value), outputs(value));
    let none = ["NULL", "none"].iter().any(|off| value.eq_ignore_ascii_case(off));
    let wrong = match name {
        "OL" | "LB" => any,
        _ => !inputs.is_empty(),
    };
    if wrong {
        let what = if matches!(name, "OL" | "LB") { "input" } else { "output" };
        let why = format!("`{}' is no {what}, and genericups refuses it: left out", shown(value));
        draft.note(*line, name, why);
        return;
    }
    if !none && inputs.is_empty() && !any {
        let why = format!("`{}' names no line: taken for none, as genericups does", shown(value));
        draft.note(*line, name, why);
    }
    match name {
        "OL" => {
            if inputs.len() > 1 {
                let why = "on battery is here when all `fail' lines say so, there when one of these does: only the first was taken; see `upsentry test'";
                draft.note(*line, name, why);
            }
            if inputs.is_empty() {
                draft.note(*line, name, "there this UPS was always on line, and never low; here `low' alone means on battery, too");
            }
            let fail = inputs.first().map(|one| Condition { level: !one.level, ..*one });
            wiring.fail = fail.into_iter().collect();
        }
        "LB" => wiring.low = inputs,
        "CP" => {
            wiring.init = outputs;
            if send_break {
                draft.note(*line, name, "a break cannot be the normal state: ST was left out");
            }
        }
        _ => {
            let lines = outputs != Outputs { dtr: Some(false), rts: Some(false) };
            if send_break && lines {
                draft.note(
                    *line,
                    name,
                    "genericups sends a break (ST) only alone: it was left out",
                );
            }
            wiring.kill = match (any && !none, send_break && !lines) {
                (false, _) => None,
                (true, true) => Some(Kill { outputs: Outputs::default(), send_break: true }),
                (true, false) => Some(Kill { outputs, send_break: false }),
            };
        }
    }
}

/// The parts of a value, found wherever they stand in it; `-` before one means low.
fn inputs(value: &str) -> Vec<Condition> {
    let there = INPUTS.into_iter().filter(|(name, _)| value.contains(name));
    let level = |name: &str| !value.contains(&format!("-{name}"));
    there.map(|(name, line)| Condition { line, level: level(name) }).collect()
}

/// What lines are set to (all that are not named are low), whether any is named, and whether a break is.
fn outputs(value: &str) -> (Outputs, bool, bool) {
    let high = |name: &str| value.contains(name) && !value.contains(&format!("-{name}"));
    let outputs = Outputs { dtr: Some(high("DTR")), rts: Some(high("RTS")) };
    (outputs, OUTPUTS.iter().any(|name| value.contains(name)), high("ST"))
}
