//! The two users of their own that our processes run as.

use nix::unistd::{Gid, Uid, User};

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
        UserSpec::Name(name) => (name.clone(), User::from_name(name)),
        UserSpec::Id(id) => (id.to_string(), User::from_uid(Uid::from_raw(*id))),
    };
    let user = user.map_err(|error| format!("{directive} {name}: {error}"))?;
    let (uid, gid) = match (user, spec) {
        (Some(user), _) => (user.uid, user.gid),
        (None, UserSpec::Id(id)) => (Uid::from_raw(*id), Gid::from_raw(*id)),
        (None, UserSpec::Name(_)) => {
            return Err(format!(
                "{directive} {name}: no such user; make it with\n    \
                 useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin {name}"
            ));
        }
    };
    if uid.is_root() || gid.as_raw() == 0 {
        return Err(format!("{directive} {name}: is root or in root's group; it must be neither"));
    }
    Ok(Identity { name, uid, gid })
}
