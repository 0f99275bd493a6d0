//! The report for people.

use core::fmt::Write as _;

use crate::status::collect::{Snapshot, WithVariables};
use crate::status::report::{Head, Holds, Leaving, REASONS, Rule, Said, Slave, State, Ups, Way};
use crate::status::text::{age, limit, lines, nut, on_battery, said, spent};

/// Slaves of one kind that are named; more are counted.
const NAMED: usize = 8;

/// How a word stands out on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    Green,
    Yellow,
    Red,
}

/// Everything, for a terminal (`colour`) or not; ends with a newline.
pub fn draw(snapshot: &Snapshot, colour: bool) -> String {
    let mut text = String::new();
    let paint = |colour_of: Colour, word: &str| match (colour, colour_of) {
        (false, _) => word.to_owned(),
        (true, Colour::Green) => format!("\x1b[1;32m{word}\x1b[0m"),
        (true, Colour::Yellow) => format!("\x1b[1;33m{word}\x1b[0m"),
        (true, Colour::Red) => format!("\x1b[1;31m{word}\x1b[0m"),
    };
    let paint: Paint<'_> = &paint;
    let head = &snapshot.head;
    let (is, colour) = machine(snapshot);
    let told = told(head);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}: {}        {told}", head.host, paint(colour, &is));
    for ups in &snapshot.ups {
        row_ups(&mut text, ups, paint);
    }
    if head.master {
        slaves(&mut text, &snapshot.slaves, paint);
    }
    rules(&mut text, &snapshot.rules, paint);
    daemon(&mut text, head);
    if let Some(counts) = head.refused {
        refused(&mut text, counts);
    }
    text
}

type Paint<'a> = &'a dyn Fn(Colour, &str) -> String;

/// A row's name and its text; a name that is longer than its column is not cut.
fn row(text: &mut String, name: &str, what: &str) {
    let _ = writeln!(text, "{name:<8} {what}");
}

/// What the machine is, in capitals where somebody has to look.
fn machine(snapshot: &Snapshot) -> (String, Colour) {
    let head = &snapshot.head;
    let long = spent(snapshot).map_or(String::new(), |spent| format!(" for {}", age(spent)));
    let (is, colour) = match head.machine {
        State::Low => (format!("LOW, on battery{long}"), Colour::Red),
        State::Battery => (format!("ON BATTERY{long}"), Colour::Yellow),
        State::Unknown | State::Mains => ("on mains".to_owned(), Colour::Green),
    };
    match (head.leaving, head.blind) {
        (Some(Leaving::Shutdown), _) => (format!("GOING DOWN, with its slaves; {is}"), Colour::Red),
        (Some(Leaving::Goodbye), _) => (format!("GOING DOWN; {is}"), Colour::Red),
        (None, true) => (format!("BLIND; last seen {is}"), Colour::Red),
        (None, false) => (is, colour),
    }
}

fn told(head: &Head<'_>) -> String {
    let ago = head.told_ago.map_or(String::new(), |ago| format!(", {} ago", age(ago)));
    let told = head.told.map_or("nothing", said);
    // A shutdown that was decided, but has not reached init.
    let decided = head.recorded == Some(Said::Shutdown) && head.told != Some(Said::Shutdown);
    let decided = if decided { "; shutdown is decided" } else { "" };
    format!("init was told: {told}{ago}{decided}")
}

fn row_ups(text: &mut String, (ups, variables): &WithVariables, paint: Paint<'_>) {
    let (model, source) = (&ups.model, &ups.source);
    let port = if model.is_empty() { source.to_string() } else { format!("{model} on {source}") };
    let (what, seen) = match ups.way {
        Way::Lines(Some(bits)) => {
            let levels = lines(bits).map(|(name, level)| format!("{name} {level}"));
            let [cts, dsr, dcd, rng, dtr, rts] = levels;
            (port, format!("{cts} {dsr} {dcd} {rng}   {dtr} {rts}"))
        }
        Way::Lines(None) => (port, paint(Colour::Red, "the port is not there")),
        Way::Master(Some(ago)) => (format!("of {source}"), format!("heard {} ago", age(ago))),
        Way::Nut(Some(ago)) => (source.to_string(), format!("fresh {} ago", age(ago))),
        Way::Nut(None) => (source.to_string(), "has said nothing yet".to_owned()),
        Way::Master(None) => (format!("of {source}"), "has not answered yet".to_owned()),
    };
    let state = power(ups, paint);
    row(text, &ups.name, &format!("{what}   {seen}   {state}"));
    let mut more = Vec::new();
    if ups.doubt {
        more.push(
            "all inputs 0 at once: cable pulled or UPS switched off? low is held back".into(),
        );
    }
    if let Some(left) = ups.left {
        let limit = ups.limit.map_or(String::new(), limit);
        more.push(format!("shutdown-after {limit}: {} left", age(left)));
    } else if let Some(after) = ups.limit {
        more.push(format!("shutdown-after {}", limit(after)));
    }
    if let Some([lasted, ago]) = ups.outage {
        more.push(format!("last outage {}, {} ago", age(lasted), age(ago)));
    }
    if ups.glitches > 0 {
        more.push(format!("{} glitches", ups.glitches));
    }
    if ups.weight == 0 {
        more.push("watched only (power 0)".to_owned());
    }
    if !more.is_empty() {
        row(text, "", &more.join("; "));
    }
    // What else a status of NUT's says: RB, ALARM and the like.
    let plain = |name: &str, value: &str| name == "ups.status" && value == nut(ups.state);
    let rest = variables.iter().filter(|(name, value)| !plain(name, value));
    let rest: Vec<String> = rest.map(|(name, value)| format!("{name} {value}")).collect();
    if !rest.is_empty() {
        row(text, "", &rest.join("; "));
    }
}

fn power(ups: &Ups<'_>, paint: Paint<'_>) -> String {
    let (words, colour) = match ups.state {
        State::Unknown => ("not known yet", Colour::Yellow),
        State::Mains => ("on mains", Colour::Green),
        State::Battery => ("ON BATTERY", Colour::Yellow),
        State::Low => ("LOW", Colour::Red),
    };
    let nut = nut(ups.state);
    let nut = if nut.is_empty() { String::new() } else { format!(" ({nut})") };
    let long = if on_battery(ups) { ups.spent } else { ups.since };
    let long =
        if ups.state == State::Unknown { String::new() } else { format!(" for {}", age(long)) };
    let lost =
        if ups.lost { paint(Colour::Red, "NO CONTACT") + "; last seen " } else { String::new() };
    format!("{lost}{}{nut}{long}", paint(colour, words))
}

fn slaves(text: &mut String, slaves: &[Slave<'static>], paint: Paint<'_>) {
    let heard = slaves.iter().filter(|slave| slave.heard.is_some() && !slave.leaving);
    let (silent, here): (Vec<_>, Vec<_>) = heard.partition(|slave| slave.silent);
    let leaving: Vec<_> = slaves.iter().filter(|slave| slave.leaving).collect();
    let missing: Vec<_> = slaves.iter().filter(|slave| slave.heard.is_none()).collect();
    let acknowledged = here.iter().chain(&silent).filter(|slave| slave.acknowledged).count();
    let told = here.len().saturating_add(silent.len());
    if told == 0 && leaving.is_empty() && missing.is_empty() {
        return row(text, "slaves", "none has asked yet");
    }
    let late = |slave: &Slave<'_>| if slave.acknowledged { "" } else { " not acknowledged" };
    let with_age = |slave: &Slave<'_>| {
        let ago = slave.heard.map_or(String::new(), |(_, ago)| format!(" {}", age(ago)));
        format!("{}{ago}{}", slave.name, late(slave))
    };
    let counts = format!("{told} told, {acknowledged} acknowledged");
    let mut all = match here.is_empty() {
        true => vec![counts],
        false => vec![format!("{counts}: {}", named(&here, &with_age))],
    };
    if !silent.is_empty() {
        let long = |slave: &Slave<'_>| {
            let ago = slave.heard.map_or(0, |(_, ago)| ago);
            let silent = paint(Colour::Red, "SILENT");
            format!("{} {silent} for {}{}", slave.name, age(ago), late(slave))
        };
        all.push(named(&silent, &long));
    }
    if !missing.is_empty() {
        let never =
            |slave: &Slave<'_>| format!("{} {}", slave.name, paint(Colour::Red, "NEVER HEARD"));
        all.push(named(&missing, &never));
    }
    if !leaving.is_empty() {
        all.push(named(&leaving, &|slave: &Slave<'_>| format!("{} going down", slave.name)));
    }
    row(text, "slaves", &all.join(";  "));
}

/// Those about which there is something to say; the others are counted.
fn rules(text: &mut String, rules: &[Rule<'static>], paint: Paint<'_>) {
    let said = |rule: &Rule<'_>| {
        let name = &rule.name;
        match (rule.holds, rule.left) {
            (_, Some(left)) => Some(format!("{name}: armed, in {}", age(left))),
            (Holds::Yes, None) => Some(format!("{name}: {}", paint(Colour::Yellow, "HOLDS"))),
            (Holds::Unknown, None) => Some(format!("{name}: unknown ({})", rule.why)),
            (Holds::No | Holds::Idle, None) => None,
        }
    };
    let all: Vec<String> = rules.iter().filter_map(said).collect();
    let quiet = rules.len().saturating_sub(all.len());
    let more = all.len().saturating_sub(NAMED);
    let mut words: Vec<String> = all.into_iter().take(NAMED).collect();
    words.extend((more > 0).then(|| format!("and {more} more")));
    words.extend((quiet > 0).then(|| format!("{quiet} quiet")));
    if !words.is_empty() {
        row(text, "rules", &words.join(";  "));
    }
}

fn named(slaves: &[&Slave<'static>], show: &dyn Fn(&Slave<'_>) -> String) -> String {
    let mut words: Vec<String> = slaves.iter().take(NAMED).map(|slave| show(slave)).collect();
    let more = slaves.len().saturating_sub(NAMED);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

fn daemon(text: &mut String, head: &Head<'_>) {
    let [notifier, monitor] = head.pids;
    let mut line = format!("up {}, notifier {notifier}, monitor {monitor}", age(head.up));
    if head.replaced > 0 {
        let ago = head.replaced_ago.map_or(String::new(), |ago| format!(", last {} ago", age(ago)));
        let _ = write!(line, " (replaced {}x{ago})", head.replaced);
    }
    if head.outage {
        line.push_str("; started in an outage");
    }
    if head.dropped > 0 {
        let _ = write!(line, "; {} log lines lost", head.dropped);
    }
    let _ = write!(line, "; version {}", head.version);
    row(text, "daemon", &line);
}

fn refused(text: &mut String, counts: [u64; REASONS.len()]) {
    let all = counts.iter().zip(REASONS);
    let some: Vec<String> =
        all.filter(|(count, _)| **count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    let none = "no datagram since this monitor started".to_owned();
    row(text, "refused", &if some.is_empty() { none } else { some.join(", ") });
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
