//! The report as Prometheus' text format 0.0.4; docs/status.md lists the metrics.

use core::fmt::Write as _;

use crate::status::collect::Snapshot;
use crate::status::report::{Holds, REASONS, Said, State, Ups, Way};
use crate::status::text::{lines, quoted, state, word};

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

/// What is written where no daemon answers.
pub const DOWN: &str = "\
# HELP upsentry_up Whether the daemon answered.
# TYPE upsentry_up gauge
upsentry_up 0
";

/// Labels, ready to be written, and a value.
type Sample = (String, String);

/// All metrics.
pub fn write(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    machine(&mut text, snapshot);
    upses(&mut text, snapshot);
    slaves(&mut text, snapshot);
    let rules = snapshot.rules.iter().map(|rule| {
        let holds = if rule.holds == Holds::Unknown {
            "NaN".to_owned()
        } else {
            flag(rule.holds == Holds::Yes)
        };
        (labels(&[("rule", &rule.name)]), holds)
    });
    let rules: Vec<Sample> = rules.collect();
    metric(&mut text, ("rule", GAUGE), "Whether a rule's condition holds; NaN: unknown.", &rules);
    text
}

/// A metric's name and type, its help, and its samples; without samples nothing.
fn metric(text: &mut String, (name, kind): (&str, &str), help: &str, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP upsentry_{name} {help}\n# TYPE upsentry_{name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(text, "upsentry_{name}{labels} {value}");
    }
}

fn labels(labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    format!("{{{}}}", labels.join(","))
}

fn plain(value: impl ToString) -> [Sample; 1] {
    [(String::new(), value.to_string())]
}

/// Seconds, from ms.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn flag(is: bool) -> String {
    u8::from(is).to_string()
}

fn machine(text: &mut String, snapshot: &Snapshot) {
    let head = &snapshot.head;
    let [notifier, monitor] = head.pids;
    metric(text, ("up", GAUGE), "Whether the daemon answered.", &plain(1));
    let info = labels(&[("host", &head.host), ("version", &head.version)]);
    metric(text, ("info", GAUGE), "Always 1.", &[(info, "1".to_owned())]);
    let is = |one: State| (labels(&[("state", state(one))]), flag(one == head.machine));
    let states = [State::Mains, State::Battery, State::Low].map(is);
    metric(text, ("state", GAUGE), "The machine by its UPSs as last seen.", &states);
    let blind = plain(flag(head.blind));
    metric(text, ("blind", GAUGE), "A UPS that feeds this machine is not seen.", &blind);
    let told = |one: Said| (labels(&[("word", word(one))]), flag(Some(one) == head.told));
    let words = [Said::Ok, Said::Fail, Said::Low, Said::Shutdown].map(told);
    metric(text, ("told", GAUGE), "What init was last told in this boot.", &words);
    if let Some(ago) = head.told_ago {
        metric(text, ("told_age_seconds", GAUGE), "When that was.", &plain(seconds(ago)));
    }
    let up = plain(seconds(head.up));
    metric(text, ("uptime_seconds", GAUGE), "How long the daemon runs.", &up);
    let replaced = plain(head.replaced);
    metric(text, ("monitors_replaced_total", COUNTER), "Monitors replaced.", &replaced);
    let dropped = plain(head.dropped);
    metric(text, ("log_lines_lost_total", COUNTER), "Log lines that were lost.", &dropped);
    let pids = [("notifier", notifier), ("monitor", monitor)];
    let pids = pids.map(|(process, pid)| (labels(&[("process", process)]), pid.to_string()));
    metric(text, ("pid", GAUGE), "Process ids.", &pids);
    if let Some(counts) = head.refused {
        let all = REASONS.into_iter().zip(counts);
        let all: Vec<Sample> =
            all.map(|(why, count)| (labels(&[("reason", why)]), count.to_string())).collect();
        metric(text, ("refused_total", COUNTER), "Datagrams refused by this monitor.", &all);
    }
}

fn upses(text: &mut String, snapshot: &Snapshot) {
    let all = || snapshot.ups.iter().map(|(ups, _)| ups);
    let each = |value: &dyn Fn(&Ups<'_>) -> Option<String>| -> Vec<Sample> {
        all().filter_map(|ups| Some((labels(&[("ups", &ups.name)]), value(ups)?))).collect()
    };
    let states = all().flat_map(|ups| {
        [State::Mains, State::Battery, State::Low].map(|one| {
            let name = labels(&[("ups", &ups.name), ("state", state(one))]);
            (name, flag(one == ups.state))
        })
    });
    let states: Vec<Sample> = states.collect();
    metric(text, ("ups_state", GAUGE), "Each UPS as last seen.", &states);
    let contact = each(&|ups| Some(flag(!ups.lost)));
    metric(text, ("ups_contact", GAUGE), "Whether it is seen.", &contact);
    let spent = each(&|ups| Some(seconds(ups.spent)));
    let help = "Time on battery since mains was last steady.";
    metric(text, ("ups_battery_seconds", GAUGE), help, &spent);
    let left = each(&|ups| ups.left.map(seconds));
    let help = "Until shutdown-after is over.";
    metric(text, ("ups_shutdown_left_seconds", GAUGE), help, &left);
    let glitches = each(&|ups| Some(ups.glitches.to_string()));
    let help = "Changes too short to be believed.";
    metric(text, ("ups_glitches_total", COUNTER), help, &glitches);
    let heard = each(&|ups| match ups.way {
        Way::Master(heard) | Way::Nut(heard) => heard.map(seconds),
        Way::Lines(_) => None,
    });
    let help = "Since what is known was fresh: the poll was sent that its master answered last, or NUT's data was trusted.";
    metric(text, ("ups_heard_age_seconds", GAUGE), help, &heard);
    let levels = all().flat_map(|ups| {
        let Way::Lines(Some(bits)) = ups.way else { return Vec::new() };
        let one = |(line, level): (&str, u8)| {
            (labels(&[("ups", &ups.name), ("line", line)]), level.to_string())
        };
        lines(bits).map(one).to_vec()
    });
    let levels: Vec<Sample> = levels.collect();
    metric(text, ("ups_line", GAUGE), "The lines of its port; 1: raised.", &levels);
    let variables = snapshot.ups.iter().flat_map(|(ups, variables)| {
        variables.iter().filter_map(|(name, value)| {
            let number: f64 = value.parse().ok()?;
            let labels = labels(&[("ups", &ups.name), ("name", name)]);
            number.is_finite().then(|| (labels, number.to_string()))
        })
    });
    let variables: Vec<Sample> = variables.collect();
    metric(text, ("ups_variable", GAUGE), "NUT variables that are numbers.", &variables);
}

fn slaves(text: &mut String, snapshot: &Snapshot) {
    if !snapshot.head.master {
        return;
    }
    let all = || snapshot.slaves.iter();
    let count = plain(snapshot.slaves.len());
    metric(text, ("slaves", GAUGE), "Slaves that are known.", &count);
    // Two runs of one slave differ in their address.
    let name = |slave: &crate::status::report::Slave<'_>| {
        let address = slave.heard.map_or(String::new(), |(address, _)| address.to_string());
        labels(&[("slave", &slave.name), ("address", &address)])
    };
    let heard: Vec<Sample> = all()
        .filter_map(|slave| Some((name(slave), seconds(slave.heard.map(|(_, ago)| ago)?))))
        .collect();
    metric(text, ("slave_heard_age_seconds", GAUGE), "Since its last poll.", &heard);
    let silent: Vec<Sample> = all().map(|slave| (name(slave), flag(slave.silent))).collect();
    metric(text, ("slave_silent", GAUGE), "It missed three polls.", &silent);
    let acknowledged: Vec<Sample> =
        all().map(|slave| (name(slave), flag(slave.acknowledged))).collect();
    let help = "It acts on the newest state.";
    metric(text, ("slave_acknowledged", GAUGE), help, &acknowledged);
}

#[cfg(test)]
#[path = "prometheus_tests.rs"]
mod tests;
