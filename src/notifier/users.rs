//! The two users of their own that our processes run as.

use nix::unistd::{Gid, Uid};

use crate::config::{Config, UserSpec};

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
    let (name, user) = match spec {
        UserSpec::Name(name) => (name.clone(), passwd(|user, _| user == name)?),
        UserSpec::Id(id) => (id.to_string(), passwd(|_, uid| uid == *id)?.or(Some((*id, *id)))),
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

/// The uid and gid of the first user that is meant. Only the file is asked: every other source is a library
/// that getpwnam(3) would load into root's process, and that would stay in all of ours.
fn passwd(meant: impl Fn(&str, u32) -> bool) -> Result<Option<(u32, u32)>, String> {
    let text = std::fs::read("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let mut users = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
        Some((name, uid.parse().ok()?, gid.parse().ok()?))
    });
    Ok(users.find(|(name, uid, _)| meant(name, *uid)).map(|(_, uid, gid)| (uid, gid)))
}
