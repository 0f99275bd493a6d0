//! The report for programs: one JSON object on one line, stable. docs/status.md says what each field is.

use crate::status::collect::{Snapshot, WithVariables};
use crate::status::report::{Doubt, Head, Holds, Leaving, REASONS, Rule, Said, Slave, Way};
use crate::status::text::{lines, nut, quoted, state, word};

/// The version of the object: it rises only if a field goes or means another thing.
const VERSION: u32 = 1;

/// The object, without a newline.
pub fn write(snapshot: &Snapshot) -> String {
    let head = &snapshot.head;
    let ups: Vec<String> = snapshot.ups.iter().map(ups).collect();
    let slaves: Vec<String> = snapshot.slaves.iter().map(slave).collect();
    let rules: Vec<String> = snapshot.rules.iter().map(rule).collect();
    object(&[
        ("format", VERSION.to_string()),
        ("host", quoted(&head.host)),
        ("version", quoted(&head.version)),
        ("state", quoted(state(head.machine))),
        ("blind", head.blind.to_string()),
        ("told", said(head.told)),
        ("told_ago_ms", number(head.told_ago)),
        ("recorded", said(head.recorded)),
        ("daemon", daemon(head)),
        ("ups", format!("[{}]", ups.join(","))),
        ("master", head.master.to_string()),
        ("slaves", format!("[{}]", slaves.join(","))),
        ("rules", format!("[{}]", rules.join(","))),
        ("refused", refused(head.refused)),
    ])
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", fields.join(","))
}

fn rule(rule: &Rule<'_>) -> String {
    let holds = match rule.holds {
        Holds::No => "no",
        Holds::Yes => "yes",
        Holds::Unknown => "unknown",
        Holds::Idle => "idle",
    };
    let why = match &rule.why {
        Doubt::None => "null".to_owned(),
        why => quoted(&why.to_string()),
    };
    object(&[
        ("name", quoted(&rule.name)),
        ("holds", quoted(holds)),
        ("why", why),
        ("timer_left_ms", number(rule.left)),
    ])
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

fn said(said: Option<Said>) -> String {
    said.map_or_else(|| "null".to_owned(), |said| quoted(word(said)))
}

fn daemon(head: &Head<'_>) -> String {
    let [notifier, monitor] = head.pids;
    let leaving = match head.leaving {
        None => "null",
        Some(Leaving::Goodbye) => "\"goodbye\"",
        Some(Leaving::Shutdown) => "\"shutdown\"",
    };
    object(&[
        ("up_ms", head.up.to_string()),
        ("notifier_pid", notifier.to_string()),
        ("monitor_pid", monitor.to_string()),
        ("monitors_replaced", head.replaced.to_string()),
        ("replaced_ago_ms", number(head.replaced_ago)),
        ("started_in_outage", head.outage.to_string()),
        ("leaving", leaving.to_owned()),
        ("log_lines_lost", head.dropped.to_string()),
    ])
}

fn ups((ups, variables): &WithVariables) -> String {
    let (watched, levels, heard) = match ups.way {
        Way::Lines(bits) => ("lines", bits, None),
        Way::Master(heard) => ("master", None, heard),
        Way::Nut(fresh) => ("nut", None, fresh),
    };
    let levels = levels.map(|bits| {
        let levels =
            lines(bits).map(|(name, level)| (name.to_ascii_lowercase(), level.to_string()));
        let levels: Vec<(&str, String)> =
            levels.iter().map(|(name, level)| (name.as_str(), level.clone())).collect();
        object(&levels)
    });
    let outage = ups.outage.map(|[lasted, ago]| {
        object(&[("lasted_ms", lasted.to_string()), ("ended_ago_ms", ago.to_string())])
    });
    let null = || "null".to_owned();
    let variables: Vec<(&str, String)> =
        variables.iter().map(|(name, value)| (name.as_str(), quoted(value))).collect();
    object(&[
        ("name", quoted(&ups.name)),
        ("model", quoted(&ups.model)),
        ("watched_by", quoted(watched)),
        ("source", quoted(&ups.source)),
        ("state", quoted(state(ups.state))),
        ("status", quoted(nut(ups.state))),
        ("contact", (!ups.lost).to_string()),
        ("cable_doubt", ups.doubt.to_string()),
        ("power", ups.weight.to_string()),
        ("since_ms", ups.since.to_string()),
        ("battery_ms", ups.spent.to_string()),
        ("shutdown_after_ms", number(ups.limit)),
        ("shutdown_left_ms", number(ups.left)),
        ("lines", levels.unwrap_or_else(null)),
        ("glitches", ups.glitches.to_string()),
        ("heard_ago_ms", number(heard)),
        ("last_outage", outage.unwrap_or_else(null)),
        ("variables", object(&variables)),
    ])
}

fn slave(slave: &Slave<'static>) -> String {
    let address = slave.heard.map(|(address, _)| quoted(&address.to_string()));
    object(&[
        ("name", quoted(&slave.name)),
        ("address", address.unwrap_or_else(|| "null".to_owned())),
        ("heard_ago_ms", number(slave.heard.map(|(_, ago)| ago))),
        ("acknowledged", slave.acknowledged.to_string()),
        ("silent", slave.silent.to_string()),
        ("going_down", slave.leaving.to_string()),
    ])
}

fn refused(counts: Option<[u64; REASONS.len()]>) -> String {
    let Some(counts) = counts else { return "null".to_owned() };
    let fields: Vec<(&str, String)> =
        REASONS.into_iter().zip(counts.map(|count| count.to_string())).collect();
    object(&fields)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
