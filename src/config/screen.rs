//! What `check` and `models` show of the configuration.

use std::fmt::Write;

use super::cables::{CABLES, Cable};
use super::hazards::{Pulled, pulled};
use super::links::describe_remote;
use super::nut_screen::{describe_driver, describe_server};
use super::types::{Condition, Config, Outputs, Ups, Watch, time, words};

/// More rules are only counted.
const MOST_RULES: usize = 16;
/// Letters of a rule; what is longer is cut.
const LONGEST_RULE: usize = 160;

/// The part of `check` that the file alone decides, under a count of what was found in all.
#[must_use]
pub fn describe(config: &Config, errors: usize, warnings: usize) -> String {
    let count = |n: usize, one: &str| match n {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        _ => format!("{n} {one}s"),
    };
    let mut text = format!(
        "{}: {}, {} UPS, {}, {}\n\n",
        config.path.display(),
        count(config.lines, "line"),
        config.ups.len(),
        count(errors, "error"),
        count(warnings, "warning")
    );
    for ups in &config.ups {
        describe_ups(&mut text, ups, config);
    }
    let feeds: Vec<&Ups> = config.ups.iter().filter(|ups| ups.power > 0).collect();
    let needs = if feeds.iter().all(|ups| ups.power == 1) {
        format!("needs {} of {} UPS", config.need, feeds.len())
    } else {
        let power: u32 = feeds.iter().map(|ups| ups.power).sum();
        let each: Vec<String> =
            feeds.iter().map(|ups| format!("{} {}", ups.name, ups.power)).collect();
        format!("needs power {} of {power} ({})", config.need, each.join(", "))
    };
    row(&mut text, "this machine", &needs);
    rules(&mut text, config);
    text
}

/// A row for each rule, as far as there is room.
fn rules(text: &mut String, config: &Config) {
    let ups: Vec<String> = config.ups.iter().map(|ups| ups.name.clone()).collect();
    let mut all = config.rules.shown(&ups);
    let mut name = "rules";
    for (rule, when, does) in all.by_ref().take(MOST_RULES) {
        let rule = format!("{rule}: {when} then {does}");
        let cut = rule.char_indices().nth(LONGEST_RULE).map(|(at, _)| at);
        let shown = cut.and_then(|at| rule.get(..at)).map(|begin| format!("{begin} ..."));
        row(text, name, &shown.unwrap_or(rule));
        name = "";
    }
    let more = all.count();
    if more > 0 {
        row(text, "", &format!("{more} more rules"));
    }
}

pub(super) fn row(text: &mut String, name: &str, what: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name:<16} {what}");
}

fn describe_ups(text: &mut String, ups: &Ups, config: &Config) {
    let device = match &ups.watch {
        Watch::Line(device) => device,
        Watch::Master(master) => return describe_remote(text, ups, master, config),
        Watch::Driver(driver) => return describe_driver(text, ups, driver, config),
        Watch::Server(server) => return describe_server(text, ups, server, config),
    };
    let cable = ups.model.map(|cable| format!(", {} (model {})", cable.title(), cable.name));
    let device = format!("{}{}", device.display(), cable.unwrap_or_default());
    row(text, &format!("ups \"{}\"", ups.name), &device);
    let rows = input_rows(ups);
    let width = rows.iter().map(|(_, shown, _)| shown.len()).max().unwrap_or(0);
    for (name, shown, source) in rows {
        row(text, name, &format!("{shown:<width$} ({source})"));
    }
    let init = match ups.init {
        Outputs { dtr: None, rts: None } => "as they are".to_owned(),
        Outputs { dtr, rts } => {
            let each = [Outputs { dtr: None, rts }, Outputs { dtr, rts: None }]
                .map(|one| upper(&one.to_string()));
            each.join("  ").trim().to_owned()
        }
    };
    let kill = match (ups.kill, ups.kill_command.as_slice()) {
        (Some(kill), _) => format!("{}, held {}", kill.upper(), time(config.kill_hold)),
        (None, []) => "none".to_owned(),
        (None, words) => format!("runs {}", words.join(" ")),
    };
    row(text, "  outputs", &format!("{init}     kill: {kill}"));
    let low = if ups.low.is_empty() { "not at low" } else { "at low" };
    let timer = match ups.shutdown_after {
        Some(after) => format!("after {} on battery", time(after)),
        None => "no shutdown-after".to_owned(),
    };
    let when = if ups.power == 0 {
        "never: power 0, only watched".to_owned()
    } else {
        format!("{low}; {timer}")
    };
    row(text, "  shuts down", &when);
}

/// Name, what is believed when, and the directive it comes from.
fn input_rows(ups: &Ups) -> Vec<(&'static str, String, String)> {
    let mut rows = Vec::new();
    let lines = |conditions: &[Condition]| upper(&words(conditions));
    if !ups.fail.is_empty() {
        let mut shown = format!("{} for {}", lines(&ups.fail), time(ups.debounce));
        if !ups.fail_after.is_zero() {
            shown.push_str(&format!(", told after {}", time(ups.fail_after)));
        }
        rows.push(("  on battery", shown, format!("fail {}", words(&ups.fail))));
    }
    if !ups.low.is_empty() {
        let battery = if ups.fail.is_empty() { "" } else { " while on battery" };
        let shown = format!("{} for {}{battery}", lines(&ups.low), time(ups.low_after));
        rows.push(("  low", shown, format!("low {}", words(&ups.low))));
    }
    if !ups.ok_after.is_zero() {
        let after = time(ups.ok_after);
        rows.push(("  mains back", format!("told after {after}"), format!("ok-after {after}")));
    }
    if !ups.sense.is_empty() {
        rows.push(("  cable there", lines(&ups.sense), format!("sense {}", words(&ups.sense))));
    }
    rows
}

/// Line names as they stand on a connector.
fn upper(words: &str) -> String {
    words.to_uppercase().replace("BREAK", "break")
}

/// What `models` prints.
#[must_use]
pub fn list() -> String {
    let mut text = table();
    text.push_str("\nA dash: not there, or not known. `nut-7' and apcupsd's `940-0095A' are understood as models, too.\n");
    text.push_str("\nTo be known\n");
    for cable in CABLES.iter().filter(|cable| !cable.note.is_empty()) {
        let _ = writeln!(text, "  {}: {}", cable.name, cable.note);
    }
    text.push_str("\nWhere NUT and apcupsd disagree about one cable\n");
    for cable in CABLES.iter().filter(|cable| cable.nut.is_some()) {
        for twin in cable.twins().filter(|twin| !twin.behaves_like(cable)) {
            disagreement(&mut text, cable, twin);
        }
    }
    text.push_str("\nWhat a pulled cable reads as (every input 0)\n");
    for (reading, meaning) in READINGS {
        let such = CABLES.iter().filter(|cable| pulled(cable.fail, cable.low) == *reading);
        let names: Vec<&str> = such.map(|cable| cable.name).collect();
        let _ = writeln!(text, "  {meaning}\n    {}", names.join(", "));
    }
    text
}

const READINGS: &[(Pulled, &str)] = &[
    (Pulled::Low, "on battery and low: a shutdown, held back by cable-grace"),
    (Pulled::OnBattery, "on battery"),
    (Pulled::LowOnMains, "mains on, and low: a notice, and an outage goes unnoticed"),
    (Pulled::Mains, "mains on: an outage goes unnoticed"),
];

fn table() -> String {
    let mut rows = vec![
        ["NAME", "MAKER, MODEL, CABLE", "ON BATTERY", "LOW", "INIT", "KILL", "FROM"]
            .map(str::to_owned),
    ];
    rows.extend(CABLES.iter().map(cells));
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn cells(cable: &Cable) -> [String; 7] {
    let from = cable.nut.map_or("apcupsd".to_owned(), |n| format!("nut-{n}"));
    [
        cable.name.to_owned(),
        cable.title(),
        dash(&words(cable.fail)),
        dash(&words(cable.low)),
        dash(&cable.init.to_string()),
        kill_words(cable),
        from,
    ]
}

fn kill_words(cable: &Cable) -> String {
    dash(&cable.kill.map_or(String::new(), |kill| kill.to_string()))
}

fn dash(words: &str) -> String {
    if words.is_empty() { "-".to_owned() } else { words.to_owned() }
}

/// What each says, and for the kill signal what the lines then are.
fn disagreement(text: &mut String, nut: &Cable, apcupsd: &Cable) {
    let shared: Vec<&str> =
        nut.parts.iter().filter(|part| apcupsd.parts.contains(part)).copied().collect();
    let _ = writeln!(
        text,
        "  {}: `model {}' (NUT) and `model {}' (apcupsd)",
        shared.join(", "),
        nut.name,
        apcupsd.name
    );
    let conditions = |name: &str, a: &[Condition], b: &[Condition]| {
        (name.to_owned(), dash(&words(a)), dash(&words(b)))
    };
    let mut rows = vec![
        conditions("on battery", nut.fail, apcupsd.fail),
        conditions("low", nut.low, apcupsd.low),
        ("init".to_owned(), dash(&nut.init.to_string()), dash(&apcupsd.init.to_string())),
        ("kill".to_owned(), kill_words(nut), kill_words(apcupsd)),
    ];
    if let (Some(a), Some(b)) = (nut.kill, apcupsd.kill) {
        let then = |cable: &Cable, kill: super::types::Kill| {
            dash(&kill.outputs.over(cable.init).to_string())
        };
        rows.push(("lines then".to_owned(), then(nut, a), then(apcupsd, b)));
    }
    for (name, a, b) in rows {
        let verdict = if a == b { format!("{a} (both)") } else { format!("NUT {a}, apcupsd {b}") };
        let _ = writeln!(text, "    {name:<11} {verdict}");
    }
}
