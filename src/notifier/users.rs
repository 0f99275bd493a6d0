//! The two users of their own that our processes run as.

use nix::unistd::{Gid, Uid};

use crate::config::{Config, GroupSpec, UserSpec};

/// Who a process runs as.
#[derive(Clone, Debug)]
pub struct Identity {
    /// As configured, for messages.
    pub name: String,
    /// Never 0.
    pub uid: Uid,
    /// Never 0.
    pub gid: Gid,
}

/// The monitor's and the parent's user.
#[derive(Clone, Debug)]
pub struct Users {
    /// In the jail.
    pub monitor: Identity,
    /// Of the parent.
    pub notifier: Identity,
}

/// Looks both up.
///
/// # Errors
/// A message for each that is missing or unfit, with the commands that make them.
pub fn resolve(config: &Config) -> Result<Users, String> {
    let monitor = identity(&config.user, "user")?;
    let notifier = identity(&config.notifier_user, "notifier-user")?;
    if monitor.uid == notifier.uid {
        return Err(format!(
            "user {} and notifier-user {} are the same uid {}; the monitor must have a user of its own",
            monitor.name, notifier.name, monitor.uid
        ));
    }
    Ok(Users { monitor, notifier })
}

fn identity(spec: &UserSpec, directive: &str) -> Result<Identity, String> {
    let passwd = |meant: &dyn Fn(&str, u32) -> bool| find("/etc/passwd", meant);
    let (name, user) = match spec {
        UserSpec::Name(name) => (name.clone(), passwd(&|user, _| user == name)?),
        UserSpec::Id(id) => (id.to_string(), passwd(&|_, uid| uid == *id)?.or(Some((*id, *id)))),
    };
    let (uid, gid) = user.ok_or_else(|| {
        format!(
            "{directive} {name}: no such user; make it with\n    \
             useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin {name}"
        )
    })?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    if uid.is_root() || gid.as_raw() == 0 {
        return Err(format!("{directive} {name}: is root or in root's group; it must be neither"));
    }
    Ok(Identity { name, uid, gid })
}

/// The gid of a group.
///
/// # Errors
/// There is none.
pub(super) fn group(spec: &GroupSpec) -> Result<Gid, String> {
    match spec {
        GroupSpec::Id(id) => Ok(Gid::from_raw(*id)),
        GroupSpec::Name(name) => {
            let found = find("/etc/group", &|group, _| group == name)?;
            let none = || format!("no such group {name}; make it with groupadd --system {name}");
            found.map(|(gid, _)| Gid::from_raw(gid)).ok_or_else(none)
        }
    }
}

/// The number of the first entry that is meant, and the next field's (0: it is none). Only the file is asked: every other source is a library
/// that getpwnam(3) would load into root's process, and that would stay in all of ours.
fn find(path: &str, meant: &dyn Fn(&str, u32) -> bool) -> Result<Option<(u32, u32)>, String> {
    let text = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let mut entries = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, id, next) = (fields.next()?, fields.nth(1)?, fields.next()?);
        Some((name, id.parse().ok()?, next.parse().unwrap_or(0)))
    });
    Ok(entries.find(|(name, id, _)| meant(name, *id)).map(|(_, id, next)| (id, next)))
}
