//! What the lines say together about NUT's servers: who logs in, in clear or not, and how often they are asked.

use std::net::IpAddr;

use super::diagnostic::Diagnostic;
use super::network::password;
use super::nut::NutServer;
use super::parse::{File, Section};
use super::types::{Config, Ups, Watch, time};

/// A request is at most 511 bytes, and each of these may need two.
const LONGEST_PASSWORD: usize = 200;

fn servers<'a>(
    sections: &'a [&Section],
    config: &'a Config,
) -> impl Iterator<Item = (&'a Section, &'a Ups, &'a NutServer)> {
    sections.iter().zip(&config.ups).filter_map(|(own, ups)| match &ups.watch {
        Watch::Server(server) => Some((*own, ups, server)),
        _ => None,
    })
}

impl Config {
    /// A server is asked under TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        let tls = |ups: &Ups| matches!(&ups.watch, Watch::Server(server) if server.tls);
        self.ups.iter().any(tls)
    }
}

/// What does not go together.
pub(super) fn check(
    file: &File,
    sections: &[&Section],
    config: &Config,
    said: &mut Vec<Diagnostic>,
) {
    for (own, ups, server) in servers(sections, config) {
        let watch = own.place(&["watch"]);
        match (&server.user, own.first("password")) {
            (Some(user), None) => said.push(watch.error(format!(
                "{user} needs a `password' to log in with; write it in this section"
            ))),
            (None, Some(entry)) => said.push(entry.span.error(format!(
                "who logs in with this password? write `watch nut://USER@{}/{}'",
                server.host, server.ups
            ))),
            (None, None) if ups.nut.primary => {
                let entry = own.first("primary").or(file.defaults.first("primary"));
                let place = entry.map_or(watch, |entry| entry.span);
                let message =
                    "a primary logs in; write `watch nut://USER@…' and a `password' of upsd.users";
                said.push(place.error(message));
            }
            _ => {}
        }
        if let Some((entry, password)) = password(own) {
            said.extend(unreadable(password).map(|why| entry.span.error(why)));
        }
        if server.tls && ups.nut.ca_file.is_none() && ups.nut.pin.is_none() {
            let wrong = |name| own.first(name).or(file.defaults.first(name)).is_some();
            // One that is wrong was meant all the same.
            if !wrong("ca-file") && !wrong("tls-pin") {
                let message = "encrypted to whom? write `ca-file PATH' (who signed the server's certificate) or `tls-pin'";
                said.push(watch.error(message));
            }
        }
    }
}

/// Why upsd.users cannot hold such a password.
fn unreadable(password: &str) -> Option<String> {
    let odd = |b: u8| !b.is_ascii_graphic() || b"=#\\".contains(&b);
    if password.is_empty() || password.starts_with('"') || password.bytes().any(odd) {
        let message = "upsd knows no such password: it must be one word without blanks and = # \\, not begin with a quote, and be plain ASCII";
        return Some(message.to_owned());
    }
    let long = password.len() > LONGEST_PASSWORD;
    long.then(|| format!("a password for upsd has at most {LONGEST_PASSWORD} characters"))
}

/// What may not be meant, or not be safe.
pub(super) fn warn(sections: &[&Section], config: &Config, said: &mut Vec<Diagnostic>) {
    for (own, ups, server) in servers(sections, config) {
        if let (false, false, Some((entry, _))) =
            (server.tls, is_local(&server.host), password(own))
        {
            said.push(entry.span.warning(format!(
                "this password goes to {} in clear, and who hears it can shut down all that log in there; `nut+tls://' hides it",
                server.host
            )));
        }
        if ups.nut.poll.saturating_mul(3) > ups.deadtime {
            said.push(own.place(&["poll", "deadtime", "watch"]).warning(format!(
                "`poll {}' is more than a third of the `deadtime', {}: the server is asked each {} all the same",
                time(ups.nut.poll),
                time(ups.deadtime),
                time(ups.deadtime / 3)
            )));
        }
    }
}

fn is_local(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
