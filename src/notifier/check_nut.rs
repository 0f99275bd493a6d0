//! What `check` finds of NUT on this machine: sockets, who may connect to them, and how to start a driver.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use crate::config::{Config, NutDriver, Ups, Watch};
use crate::notifier::{open, users};

/// Where distributions and NUT itself put the program that starts drivers.
const STARTERS: [&str; 5] = [
    "/sbin/upsdrvctl",
    "/usr/sbin/upsdrvctl",
    "/usr/libexec/nut/upsdrvctl",
    "/usr/local/ups/sbin/upsdrvctl",
    "/usr/local/sbin/upsdrvctl",
];

/// What to remark, each with its place in the configuration.
pub(super) fn remarks(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for ups in &config.ups {
        let place = format!("{}:{}: warning:", config.path.display(), ups.watch_line);
        let mut say = |what: String| found.push(format!("{place} {what}"));
        if !ups.kill_command.is_empty() {
            open::command("kill-command", &ups.kill_command).err().into_iter().for_each(&mut say);
        }
        if let Some(path) = &ups.nut.ca_file {
            authority(path).into_iter().for_each(&mut say);
        }
        if let Watch::Driver(driver) = &ups.watch {
            socket(config, ups, driver).into_iter().for_each(&mut say);
        }
    }
    found
}

/// Where the drivers' sockets are, and who may connect to them; `None`: no driver is watched.
pub(super) fn group(config: &Config) -> Option<String> {
    if config.state_path.as_os_str().is_empty() {
        return None;
    }
    let path = config.state_path.display();
    let gid = match std::fs::metadata(&config.state_path) {
        Ok(meta) => meta.gid(),
        Err(_) => return Some(format!("in {path}, which is not there now")),
    };
    if gid == 0 {
        return Some(format!("in {path}, of root's group"));
    }
    let name = users::group_name(gid).ok().flatten();
    let shown = name.map_or_else(|| format!("gid {gid}"), |name| format!("{name} (gid {gid})"));
    Some(format!("in {path}; the monitor gets its group {shown}, and sees no other directory"))
}

fn socket(config: &Config, ups: &Ups, driver: &NutDriver) -> Vec<String> {
    let Some(socket) = driver.socket() else { return Vec::new() };
    let path = config.state_path.join(socket);
    let shown = path.display();
    let mut wrong = Vec::new();
    match std::fs::symlink_metadata(&path) {
        Err(error) => wrong.push(format!(
            "{}: {shown}: {error}; its driver does not run, `{}' starts it",
            ups.name,
            starter(&driver.name, Path::new("/run/systemd/system").is_dir(), &|path| {
                Path::new(path).exists()
            })
        )),
        Ok(meta) if !meta.file_type().is_socket() => {
            wrong.push(format!("{}: {shown} is not a socket", ups.name));
        }
        Ok(meta) => wrong.extend(closed(&config.state_path, &meta).map(|gid| {
            format!(
                "{}: {shown}: the group of its directory, gid {gid}, is all that the monitor gets, and may not connect to it; set group and mode in NUT, as it makes this socket anew",
                ups.name
            )
        })),
    }
    let group = std::fs::metadata(&config.state_path).map(|meta| meta.gid());
    if group.is_ok_and(|gid| gid == 0) {
        wrong.push(format!(
            "{} is root's group's, and the monitor never gets that; give it NUT's group",
            config.state_path.display()
        ));
    }
    wrong
}

/// The group of the directory, if a member of it cannot connect to this socket; root's is another matter.
fn closed(directory: &Path, socket: &Metadata) -> Option<u32> {
    let directory = std::fs::metadata(directory).ok().filter(|meta| meta.gid() != 0)?;
    let gid = directory.gid();
    let may = |meta: &Metadata, all: u32| {
        let mode = if meta.gid() == gid { meta.mode() >> 3 } else { meta.mode() };
        mode & all == all
    };
    (!may(&directory, 0o1) || !may(socket, 0o2)).then_some(gid)
}

/// The command that starts just this driver here.
fn starter(name: &str, systemd: bool, exists: &dyn Fn(&str) -> bool) -> String {
    if systemd {
        return format!("systemctl start nut-driver@{name}.service");
    }
    let program = STARTERS.into_iter().find(|path| exists(path));
    format!("{} start {name}", program.unwrap_or("upsdrvctl"))
}

/// What is wrong with a `ca-file`, as far as it can be seen without reading it.
fn authority(path: &Path) -> Option<String> {
    let wrong = match std::fs::symlink_metadata(path) {
        Err(error) => error.to_string(),
        Ok(meta) if !meta.is_file() => "is not a file".to_owned(),
        Ok(meta) if meta.uid() != 0 || meta.mode() & 0o022 != 0 => {
            "must be root's, and nobody else may write it".to_owned()
        }
        Ok(_) => return None,
    };
    Some(format!("ca-file {}: {wrong}", path.display()))
}

#[cfg(test)]
#[path = "check_nut_tests.rs"]
mod tests;
