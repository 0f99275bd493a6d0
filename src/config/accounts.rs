//! Who our processes run as, by the text of passwd(5) and group(5): a child without rights reads them.
//!
//! Only the files are asked. Every other source is a library that getpwnam(3) would load into root's process, and
//! that would stay in all of ours.

use serde::{Deserialize, Serialize};

use super::types::{Config, GroupSpec, UserSpec};

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// As configured, for messages.
    pub name: String,
    /// Never 0.
    pub uid: u32,
    /// Never 0.
    pub gid: u32,
}

/// The monitor's, the parent's, and the notify command's user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// In the jail.
    pub monitor: Identity,
    /// Of the parent.
    pub notifier: Identity,
    /// Of the notify command, where there is one.
    pub notify: Option<Identity>,
}

/// Looks them up in the text of passwd.
///
/// # Errors
/// A message for each that is missing or unfit, with the command that makes it.
pub fn users(passwd: &[u8], config: &Config) -> Result<Users, String> {
    let monitor = identity(passwd, &config.user, "user")?;
    let notifier = identity(passwd, &config.notifier_user, "notifier-user")?;
    if monitor.uid == notifier.uid {
        return Err(format!(
            "user {} and notifier-user {} are the same uid {}; the monitor must have a user of its own",
            monitor.name, notifier.name, monitor.uid
        ));
    }
    let spec = config.notify.as_ref().map(|notify| &notify.user);
    let notify = spec.map(|spec| identity(passwd, spec, "notify-user")).transpose()?;
    let taken = |own: &&Identity| [monitor.uid, notifier.uid].contains(&own.uid);
    if let Some(own) = notify.as_ref().filter(taken) {
        return Err(format!(
            "notify-user {} is the monitor's or the parent's uid {}; the notify command must have a user of its own",
            own.name, own.uid
        ));
    }
    Ok(Users { monitor, notifier, notify })
}

fn shown(spec: &UserSpec) -> String {
    match spec {
        UserSpec::Name(name) => name.clone(),
        UserSpec::Id(id) => id.to_string(),
    }
}

fn identity(passwd: &[u8], spec: &UserSpec, directive: &str) -> Result<Identity, String> {
    let name = shown(spec);
    let found = match spec {
        UserSpec::Name(name) => find(passwd, Ok(name)),
        UserSpec::Id(id) => find(passwd, Err(*id)).or(Some((*id, *id))),
    };
    let (uid, gid) = found.ok_or_else(|| {
        format!(
            "{directive} {name}: no such user; make it with\n    \
             useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin {name}"
        )
    })?;
    if uid == 0 || gid == 0 {
        return Err(format!("{directive} {name}: is root or in root's group; it must be neither"));
    }
    Ok(Identity { name, uid, gid })
}

/// The gid of a group, in the text of group(5).
///
/// # Errors
/// There is none.
pub fn group(text: &[u8], spec: &GroupSpec) -> Result<u32, String> {
    match spec {
        GroupSpec::Id(id) => Ok(*id),
        GroupSpec::Name(name) => {
            let none = || format!("no such group {name}; make it with groupadd --system {name}");
            find(text, Ok(name)).map(|(gid, _)| gid).ok_or_else(none)
        }
    }
}

/// The name of the first entry with this number.
#[must_use]
pub fn name(text: &[u8], wanted: u32) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    entries(&text).find(|(_, id, _)| *id == wanted).map(|(name, ..)| name.to_owned())
}

/// Each entry's name, number, and the next field's (0: it is none).
fn entries(text: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, id, next) = (fields.next()?, fields.nth(1)?, fields.next()?);
        Some((name, id.parse().ok()?, next.parse().unwrap_or(0)))
    })
}

/// The number of the first entry of this name, or of this number, and the next field's (0: it is none).
fn find(text: &[u8], wanted: Result<&str, u32>) -> Option<(u32, u32)> {
    let text = String::from_utf8_lossy(text);
    let (_, id, next) = entries(&text).find(|(name, id, _)| match wanted {
        Ok(wanted) => wanted == *name,
        Err(wanted) => wanted == *id,
    })?;
    Some((id, next))
}
