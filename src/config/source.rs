//! `watch X`: a line, another machine, or what NUT watches.

use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::hosts::{host, is_ups};
use super::nut::{NutServer, SERVER_PORT};
use super::words::Word;

const PLAIN: &str = "nut://";
const SEALED: &str = "nut+tls://";
const A_NAME: &str = "a UPS's name is 1 to 63 of the characters A-Z a-z 0-9 . _ -";
/// A user's name longer than this is none.
const LONGEST_USER: usize = 63;

/// `watch X`; the section's name is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    Line(PathBuf),
    /// The host, and what it calls the UPS where that is written.
    Master(String, Option<String>),
    /// The UPS's section in ups.conf.
    Driver(String),
    Server(NutServer),
}

/// What the word names.
pub(super) fn watch(word: &Word) -> Result<Watched, Diagnostic> {
    let name = word.text.as_str();
    let begins = |with: &[&str]| with.iter().any(|prefix| name.starts_with(prefix));
    if let Some(driver) = name.strip_prefix("driver:") {
        return match is_ups(driver) {
            true => Ok(Watched::Driver(driver.to_owned())),
            false => Err(word.error(format!("{A_NAME}; write it as ups.conf has it in brackets"))),
        };
    }
    for (scheme, tls) in [(PLAIN, false), (SEALED, true)] {
        if let Some(rest) = name.strip_prefix(scheme) {
            return server(word, rest, tls);
        }
    }
    if let Some(master) = name.strip_prefix("master:") {
        let (machine, ups) = match master.split_once('/') {
            Some((machine, ups)) => (machine, Some(ups)),
            None => (master, None),
        };
        if ups.is_some_and(|ups| !is_ups(ups)) {
            return Err(word.error(A_NAME));
        }
        Ok(Watched::Master(host(word, machine)?, ups.map(str::to_owned)))
    } else if let Some((ups, machine)) = name.split_once('@').filter(|_| !name.contains("://")) {
        // upsmon's way to write it.
        Err(word.error(format!("a UPS of NUT's is written like `nut://{machine}/{ups}'")))
    } else if let Some(ups) = name.strip_prefix("nut:").filter(|ups| !ups.starts_with("//")) {
        Err(word.error(format!(
            "write `driver:{ups}' for a driver on this machine, else `nut://HOST/{ups}'"
        )))
    } else if name.contains("://") {
        Err(word.error(format!("`{name}' is neither a serial line nor a source that is known")))
    } else if name.contains('/') || begins(&["tty", "cua"]) {
        Ok(Watched::Line(Path::new("/dev").join(name)))
    } else {
        Ok(Watched::Master(host(word, name)?, None))
    }
}

/// `[user@]host[:port]/ups`.
fn server(word: &Word, text: &str, tls: bool) -> Result<Watched, Diagnostic> {
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    if let Some(user) = user {
        fit_user(user).map_err(|message| word.error(message))?;
    }
    let Some((place, ups)) = rest.split_once('/').filter(|(_, ups)| !ups.is_empty()) else {
        let message = "which UPS of that server? write it like `nut://host.example/ups'";
        return Err(word.error(message));
    };
    if !is_ups(ups) {
        return Err(word.error(A_NAME));
    }
    // A port follows the last colon; in an IPv6 address without brackets there would be no telling.
    let (machine, port) = match place.rsplit_once(':') {
        Some((machine, _)) if machine.contains(':') && !machine.ends_with(']') => {
            if place.starts_with('[') && place.ends_with(']') {
                (place, None)
            } else {
                let message =
                    "an IPv6 address stands in brackets here, like `nut://[2001:db8::1]/ups'";
                return Err(word.error(message));
            }
        }
        Some((machine, port)) if !place.ends_with(']') => (machine, Some(port)),
        _ => (place, None),
    };
    let host = host(word, machine)?;
    let port = port.map_or(Ok(SERVER_PORT), |port| tcp_port(word, port))?;
    let (user, ups) = (user.map(str::to_owned), ups.to_owned());
    Ok(Watched::Server(NutServer { tls, user, host, port, ups }))
}

/// A name that NUT's server can have in upsd.users, and that stands plainly in a URL. What may be a password is
/// not repeated.
fn fit_user(user: &str) -> Result<(), &'static str> {
    if user.contains(':') {
        return Err("a password stands in a `password' line of its own, not in the address");
    }
    let fits = |b: u8| b.is_ascii_graphic() && !br##""#\=/[]@"##.contains(&b);
    match (1..=LONGEST_USER).contains(&user.len()) && user.bytes().all(fits) {
        true => Ok(()),
        false => Err("a user's name has 1 to 63 letters, digits and signs but \" # \\ = / [ ] @ :"),
    }
}

fn tcp_port(word: &Word, text: &str) -> Result<u16, Diagnostic> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(port @ 1..) if digits => Ok(port),
        _ => Err(word.error(format!("`{text}' is not a port, 1 to 65535"))),
    }
}
