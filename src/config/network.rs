//! What the lines say together about other machines: masters, slaves, and the keys between them.

use std::path::PathBuf;

use super::check::Derive;
use super::diagnostic::Diagnostic;
use super::parse::{Entry, File, Section};
use super::types::{Config, Listen, SlaveHost, Ups, Watch, is_group};
use super::ups::watched;
use super::values::Value;
use crate::fleet::keys::{Key, weakness};
use crate::fleet::wire::heard_of;

/// Keys that are understood at once.
const MOST_KEYS: usize = 2;
/// Sockets: the jail's list of system calls names each of them.
const MOST_LISTEN: usize = 16;

pub(super) fn slaves(machine: &Section) -> Vec<SlaveHost> {
    let slave = |entry: &Entry| match &entry.value {
        Value::Slave(name) => Some(SlaveHost { name: name.clone(), line: entry.span.line }),
        _ => None,
    };
    machine.all("slave").filter_map(slave).collect()
}

pub(super) fn listen(machine: &Section) -> Vec<Listen> {
    let address = |entry: &Entry| match entry.value {
        Value::Address(address) => Some(Listen { address, line: entry.span.line }),
        _ => None,
    };
    machine.all("listen").filter_map(address).collect()
}

pub(super) fn key_files(machine: &Section) -> impl Iterator<Item = &PathBuf> {
    machine.all("key-file").filter_map(|entry| match &entry.value {
        Value::Path(path) => Some(path),
        _ => None,
    })
}

pub(super) fn password(section: &Section) -> Option<(&Entry, &str)> {
    section.all("password").find_map(|entry| match &entry.value {
        Value::Secret(password) => Some((entry, password.expose())),
        _ => None,
    })
}

/// The password before the first `ups`, which is the key between this machine and others; where a NUT server
/// is watched there, it is that server's.
pub(super) fn fleet(defaults: &Section) -> Option<(&Entry, &str)> {
    let of_server = matches!(watched(defaults), Some(Watch::Server(_)));
    password(defaults).filter(|_| !of_server)
}

fn is_remote(ups: &Ups) -> bool {
    matches!(ups.watch, Watch::Master(_))
}

/// What does not go together.
pub(super) fn check(
    file: &File,
    sections: &[&Section],
    config: &Config,
    said: &mut Vec<Diagnostic>,
) {
    let most = MOST_KEYS - usize::from(fleet(&file.defaults).is_some());
    for entry in file.machine.all("key-file").skip(most) {
        let message = match most {
            MOST_KEYS => {
                "two `key-file's are all: the new one first, and the old one until every machine has the new"
            }
            _ => {
                "two keys are understood at once, and the `password' before the first `ups' is one of them"
            }
        };
        said.push(entry.span.error(message));
    }
    for entry in file.machine.all("listen").skip(MOST_LISTEN) {
        let message =
            format!("{MOST_LISTEN} `listen' lines are all; without any, every address is served");
        said.push(entry.span.error(message));
    }
    let lines = sections.iter().zip(&config.ups).filter(|(_, ups)| !is_remote(ups));
    let lines: Vec<_> = lines.filter(|_| config.is_master()).collect();
    let heard_of = heard_of(lines.iter().map(|(_, ups)| ups.name.as_str()));
    for (own, ups) in lines.iter().skip(heard_of) {
        let message = format!(
            "slaves cannot be told of more than {heard_of} UPSs with such names, and not of `{}'",
            ups.name
        );
        said.push(own.place(&["watch"]).error(message));
    }
    let keyed = config.fleet_password || file.machine.first("key-file").is_some();
    let no_slave = file.machine.first("slave").is_none();
    let remote = config.ups.iter().any(is_remote);
    let line = !config.ups.iter().all(is_remote);
    for entry in file.machine.all("listen") {
        let Value::Address(address) = entry.value else { continue };
        let message = match is_group(address) {
            true if !remote => "a group is joined to hear a master, and no `watch HOST' names one",
            false if line && !keyed && no_slave => {
                "without a key only hosts that a `slave' line names are answered; write one, or a `key-file'"
            }
            _ => continue,
        };
        said.push(entry.span.error(message));
    }
}

/// What may not be meant, or not be safe.
pub(super) fn warn(
    file: &File,
    sections: &[&Section],
    config: &Config,
    said: &mut Vec<Diagnostic>,
) {
    let defaults = &file.defaults;
    let files = file.machine.first("key-file").is_some();
    let unlocked = !files && fleet(defaults).is_none();
    for (own, ups) in sections.iter().zip(&config.ups) {
        let named = !std::ptr::eq(*own, defaults);
        match &ups.watch {
            Watch::Line(_) | Watch::Driver(_) if named => {
                let what = if let Watch::Line(_) = ups.watch { "line" } else { "driver" };
                let message = format!(
                    "a {what} needs no password; for slaves it stands before the first `ups'"
                );
                said.extend(password(own).map(|(entry, _)| entry.span.warning(message)));
            }
            Watch::Master(master) if unlocked && password(own).is_none() => {
                said.push(own.place(&["watch"]).warning(format!(
                    "no `key-file' and no `password': only addresses are checked, and whoever forges one of {} can shut this machine down",
                    master.host
                )));
            }
            _ => {}
        }
    }
    if let (Some(entry), true) = (file.machine.first("slave"), unlocked) {
        let message = "no `key-file' and no `password': only addresses are checked, and whoever forges this machine's can shut its slaves down";
        said.push(entry.span.warning(message));
    }
    said.extend(shared(sections, config));
    let others = sections.iter().zip(&config.ups).filter(|(own, ups)| {
        !std::ptr::eq(**own, defaults) && !matches!(ups.watch, Watch::Server(_))
    });
    let others = others.filter_map(|(own, _)| password(own));
    for (entry, password) in fleet(defaults).into_iter().chain(others) {
        if let Some(weakness) = weakness(password) {
            let message = format!(
                "a weak password: {weakness}; who guesses it can shut these machines down (`upsentry keygen' makes a key)"
            );
            said.push(entry.span.warning(message));
        }
    }
}

/// Masters with one key: a poll does not say which of them is asked.
fn shared(sections: &[&Section], config: &Config) -> Option<Diagnostic> {
    let own = |section| password(section).map(|(_, password)| password);
    let masters = sections.iter().zip(&config.ups).filter_map(|(section, ups)| match &ups.watch {
        Watch::Master(master) => Some((*section, master.host.as_str())),
        _ => None,
    });
    let all: Vec<_> = masters.collect();
    all.iter().enumerate().find_map(|(place, (section, host))| {
        let keyed = config.has_key() || own(section).is_some();
        let before = all.iter().take(place);
        let mut same = before.filter(|(other, _)| own(other) == own(section));
        let other = same.find(|(_, other)| other != host)?.1;
        keyed.then(|| {
            section.place(&["watch"]).warning(format!(
                "the same key as for {other}: who can turn datagrams aside can pass one of the two for the other; give each a `password' of its own"
            ))
        })
    })
}

/// The keys of the passwords, each computed once.
pub(super) fn keys<'a>(
    file: &'a File,
    sections: &[&'a Section],
    config: &mut Config,
    derive: Derive,
) -> Result<(), Diagnostic> {
    let Some(derive) = derive else { return Ok(()) };
    let mut known: Vec<(&str, Key)> = Vec::new();
    let mut key = |password: Option<(&'a Entry, &'a str)>| {
        let Some((entry, password)) = password else { return Ok(None) };
        if let Some((_, key)) = known.iter().find(|(same, _)| *same == password) {
            return Ok(Some(key.clone()));
        }
        let message = "its key takes 19 MiB of memory to compute, and there was none";
        let key = derive(password).ok_or_else(|| entry.span.error(message))?;
        known.push((password, key.clone()));
        Ok(Some(key))
    };
    config.fleet_key = key(fleet(&file.defaults))?;
    for (own, ups) in sections.iter().zip(&mut config.ups) {
        // A line's own is of no use, and of that a warning is given.
        ups.key = if is_remote(ups) {
            key(password(own))?.or_else(|| config.fleet_key.clone())
        } else {
            None
        };
    }
    Ok(())
}
