//! What `check` shows of a UPS that NUT watches.

use super::nut::{NutDriver, NutServer};
use super::screen::row;
use super::types::{Config, Ups, time};
use crate::nut::flags::Meaning;

/// Of a driver on this machine.
pub(super) fn describe_driver(text: &mut String, ups: &Ups, driver: &NutDriver, config: &Config) {
    row(text, &format!("ups \"{}\"", ups.name), &format!("NUT's driver of [{}]", driver.name));
    let socket = match driver.socket() {
        Some(socket) => config.state_path.join(socket).display().to_string(),
        None => format!("not known: {} was not read", config.ups_conf.display()),
    };
    row(text, "  socket", &socket);
    rest(text, ups, "the driver");
}

/// Of a server.
pub(super) fn describe_server(text: &mut String, ups: &Ups, server: &NutServer, config: &Config) {
    let NutServer { host, port, ups: theirs, .. } = server;
    let asked = format!("asked of {host}, TCP port {port}: its \"{theirs}\"");
    row(text, &format!("ups \"{}\"", ups.name), &asked);
    let nut = &ups.nut;
    let poll = nut.poll.min(ups.deadtime / 3);
    let fast = poll.min(core::time::Duration::from_secs(1));
    row(text, "  asked", &format!("each {}, each {} on battery (poll)", time(poll), time(fast)));
    let role = match (&server.user, nut.primary) {
        (Some(user), true) => format!(
            "logs in as {user}, the primary: tells the others to shut down, and waits {} for them (host-sync)",
            time(config.host_sync)
        ),
        (Some(user), false) => {
            format!(
                "logs in as {user}: the primary waits for this machine, and this one follows it"
            )
        }
        (None, _) => "does not log in: no primary waits for this machine".to_owned(),
    };
    row(text, "  role", &role);
    let ca = nut.ca_file.as_ref().map(|path| format!("signed by one of {}", path.display()));
    let pin = nut.pin.map(|_| "with the key of `tls-pin'".to_owned());
    let tls = match (server.tls, ca.into_iter().chain(pin).collect::<Vec<_>>()) {
        (true, trusted) => format!("encrypted; its certificate is {}", trusted.join(", ")),
        (false, _) => "in clear".to_owned(),
    };
    row(text, "  speaks", &tls);
    rest(text, ups, "the server");
}

fn rest(text: &mut String, ups: &Ups, other: &str) {
    let dead = ups.deadtime;
    let (all, third) = (time(dead), time(dead / 3));
    let lost =
        format!("{all} after {other}'s last word, {third} while on battery (deadtime {all})");
    row(text, "  contact lost", &lost);
    let mut fixed = vec!["OB is on battery, OB LB and FSD are low".to_owned()];
    let treat = ups.nut.treat;
    for (flag, meaning) in [("OFF", treat.off), ("BYPASS", treat.bypass), ("ALARM", treat.alarm)] {
        let meaning = match meaning {
            Meaning::Ignore => "ignored",
            Meaning::Battery => "on battery",
            Meaning::Low => "low",
            Meaning::Lost => "contact lost",
        };
        fixed.push(format!("{flag} {meaning}"));
    }
    row(text, "  flags", &fixed.join(", "));
    for (name, what, after) in [
        ("  on battery", "fail-after", ups.fail_after),
        ("  low", "low-after", ups.low_after),
        ("  mains back", "ok-after", ups.ok_after),
    ] {
        if !after.is_zero() {
            row(text, name, &format!("told {} after NUT says so ({what})", time(after)));
        }
    }
    let kill = match ups.kill_command.as_slice() {
        [] => "none".to_owned(),
        words => format!("runs {}", words.join(" ")),
    };
    row(text, "  kill", &kill);
    let timer = match ups.shutdown_after {
        Some(after) => format!("after {} on battery", time(after)),
        None => "no shutdown-after".to_owned(),
    };
    let when = match ups.power {
        0 => "never: power 0, only watched".to_owned(),
        _ => format!("at low; {timer}"),
    };
    row(text, "  shuts down", &when);
}
