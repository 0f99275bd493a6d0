//! What `check` shows of other machines, and of who may ask for the status.

use super::screen::row;
use super::types::{Config, GroupSpec, Master, Ups, Watch, is_group, time};

/// More slaves than this are only counted.
const MOST_SHOWN: usize = 16;

/// Masters, slaves, and what this machine listens on. `found`: what is known of a host beyond its name.
#[must_use]
pub fn describe_links(config: &Config, found: &dyn Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let host = |name: &str| match found(name) {
        Some(more) => format!("{name} {more}"),
        None => name.to_owned(),
    };
    let masters = masters(config);
    let mut name = "master";
    for master in &masters {
        row(&mut text, name, &host(master));
        name = "";
    }
    if config.is_master() {
        slaves(&mut text, config, &host);
    } else {
        row(&mut text, "slaves", "none");
        let groups: Vec<String> =
            config.listen.iter().map(|listen| listen.address.to_string()).collect();
        if !groups.is_empty() {
            let groups = groups.join(", ");
            row(&mut text, "  hears", &format!("group {groups}, UDP port {}", config.port));
        }
    }
    let status = match &config.status_socket {
        None => "not served".to_owned(),
        Some(socket) => {
            let group = match &socket.group {
                None => "root".to_owned(),
                Some(GroupSpec::Name(name)) => name.clone(),
                Some(GroupSpec::Id(id)) => format!("gid {id}"),
            };
            format!("{}, mode {:04o}, group {group}", socket.path.display(), socket.mode)
        }
    };
    row(&mut text, "status", &status);
    if let Some(master) = masters.first() {
        row(
            &mut text,
            "remember",
            &format!(
                "is the network switch between here and {master} on the UPS, too? If not, an outage is mere silence, which alone shuts nothing down"
            ),
        );
    }
    text
}

/// The hosts of all masters, each once.
fn masters(config: &Config) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for ups in &config.ups {
        if let Watch::Master(Master { host, .. }) = &ups.watch {
            if !found.contains(&host.as_str()) {
                found.push(host);
            }
        }
    }
    found
}

fn slaves(text: &mut String, config: &Config, host: &dyn Fn(&str) -> String) {
    let keyed = config.has_key();
    let mut name = "slaves";
    for slave in config.slaves.iter().take(MOST_SHOWN) {
        row(text, name, &host(&slave.name));
        name = "";
    }
    let more = config.slaves.len().saturating_sub(MOST_SHOWN);
    let others = match (more, keyed) {
        (0, true) if config.slaves.is_empty() => Some("any that has the key".to_owned()),
        (0, true) => Some("and any other that has the key".to_owned()),
        (0, false) => None,
        (_, true) => Some(format!("and {more} more, and any other that has the key")),
        (_, false) => Some(format!("and {more} more")),
    };
    if let Some(others) = others {
        row(text, name, &others);
    }
    let listens = |of_group| {
        let addresses = config.listen.iter().map(|listen| listen.address);
        let addresses = addresses.filter(move |address| is_group(*address) == of_group);
        addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(", ")
    };
    let on = match listens(false) {
        all if all.is_empty() => "every address".to_owned(),
        some => some,
    };
    let heard = match listens(true) {
        none if none.is_empty() => none,
        groups => format!("; hears group {groups}"),
    };
    row(text, "  listens on", &format!("{on}, UDP port {}{heard}", config.port));
    row(text, "  key", &key(config, config.fleet_password));
    let wait = time(config.slave_wait);
    row(text, "  at the end", &format!("waits up to {wait} for their goodbyes (slave-wait)"));
}

/// What proves who speaks.
fn key(config: &Config, password: bool) -> String {
    let files = config.key_files.iter().map(|path| path.display().to_string());
    let all: Vec<String> = files.chain(password.then(|| "the password's".to_owned())).collect();
    match all.as_slice() {
        [] => "none: only addresses are checked".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first}; understood, too: {}", rest.join(", ")),
    }
}

/// A UPS that its master reads.
pub(super) fn describe_remote(text: &mut String, ups: &Ups, master: &Master, config: &Config) {
    let Master { host, ups: theirs, or_only } = master;
    let which = match or_only {
        true => format!("its \"{theirs}\", or its only UPS"),
        false => format!("its \"{theirs}\""),
    };
    row(text, &format!("ups \"{}\"", ups.name), &format!("asked of {host}: {which}"));
    let dead = ups.deadtime;
    row(
        text,
        "  contact lost",
        &format!(
            "after {} of silence, {} while on battery (deadtime {})",
            time(dead),
            time(dead / 3),
            time(dead)
        ),
    );
    // A password of its own counts alone.
    let own = ups.key.is_some() && ups.key != config.fleet_key;
    let key = if own { "its own password's".to_owned() } else { key(config, ups.key.is_some()) };
    row(text, "  key", &key);
    for (name, what, after) in [
        ("  on battery", "fail-after", ups.fail_after),
        ("  low", "low-after", ups.low_after),
        ("  mains back", "ok-after", ups.ok_after),
    ] {
        if !after.is_zero() {
            row(text, name, &format!("told {} after the master says so ({what})", time(after)));
        }
    }
    let timer = match ups.shutdown_after {
        Some(after) => format!("after {} on battery", time(after)),
        None => "no shutdown-after".to_owned(),
    };
    let when = match ups.power {
        0 => "never: power 0, only watched".to_owned(),
        _ => format!("when its master says low, or goes down on battery; {timer}"),
    };
    row(text, "  shuts down", &when);
}
