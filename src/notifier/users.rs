//! The users of their own that our processes run as. A child without rights reads the files that say so.

use std::fs::File;
use std::path::Path;

use nix::unistd::Gid;
use serde::{Serialize, de::DeserializeOwned};

pub(super) use crate::config::accounts::Users;
use crate::config::text;
use crate::config::{Config, GroupSpec, accounts};
use crate::notifier::reader::{Problem, apart};

/// Looks them up.
///
/// # Errors
/// A message for each that is missing or unfit, with the commands that make them.
pub(super) fn resolve(config: &Config) -> Result<Users, String> {
    let users = ask("/etc/passwd", |passwd| accounts::users(passwd, config))?;
    // What a child hands back is not taken on trust.
    let all = [&users.monitor, &users.notifier].into_iter().chain(&users.notify);
    let root = { all }.any(|user| user.uid == 0 || user.gid == 0);
    if root { Err("/etc/passwd: its reader handed back root".to_owned()) } else { Ok(users) }
}

/// The gid of a group.
///
/// # Errors
/// There is none.
pub(super) fn group(spec: &GroupSpec) -> Result<Gid, String> {
    ask("/etc/group", |groups| accounts::group(groups, spec)).map(Gid::from_raw)
}

/// The name of a group; `None`: it has none.
///
/// # Errors
/// The file cannot be read.
pub(super) fn group_name(gid: u32) -> Result<Option<String>, String> {
    ask("/etc/group", |groups| Ok(accounts::name(groups, gid)))
}

fn ask<T: Serialize + DeserializeOwned>(
    path: &str,
    find: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, String> {
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let path = Path::new(path);
    let found = apart(path, file, |file| find(&text(path, file)?));
    found.map_err(|(Problem::Faulty(why) | Problem::Unconfigured(why) | Problem::Failed(why))| why)
}
