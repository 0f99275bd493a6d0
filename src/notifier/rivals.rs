//! Other monitors of UPSs on this machine: two of them are two shutdowns, and two kills.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// What is looked for, as the kernel names a process; and how it is stopped for good, with systemd and without.
const RIVALS: [(&str, [&str; 2]); 3] = [
    (
        "upsmon",
        [
            "systemctl disable --now nut-monitor",
            "service nut-client stop; update-rc.d nut-client disable",
        ],
    ),
    (
        "apcupsd",
        ["systemctl disable --now apcupsd", "service apcupsd stop; update-rc.d apcupsd disable"],
    ),
    (
        "powstatd",
        [
            "systemctl disable --now powstatd",
            "take its line out of /etc/inittab (`init q') or its script out of /etc/rc?.d, then `pkill -x powstatd'",
        ],
    ),
];
/// A process has many threads, but a name is 15 bytes.
const LONGEST: u64 = 16;

/// Process ids and names, by id.
pub(super) fn rivals() -> Vec<(u32, &'static str)> {
    below(Path::new("/proc"))
}

fn below(proc: &Path) -> Vec<(u32, &'static str)> {
    let entries = std::fs::read_dir(proc).into_iter().flatten().flatten();
    let mut found: Vec<(u32, &str)> = entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let mut name = Vec::new();
            let comm = File::open(entry.path().join("comm")).ok()?;
            comm.take(LONGEST).read_to_end(&mut name).ok()?;
            let rival = RIVALS.iter().find(|(rival, _)| name.trim_ascii_end() == rival.as_bytes());
            rival.map(|(rival, _)| (id, *rival))
        })
        .collect();
    found.sort_unstable();
    found
}

/// What to say of them, a line for each program.
pub(super) fn warnings(found: &[(u32, &'static str)], systemd: bool) -> Vec<String> {
    let of = |(name, stop): &(&'static str, [&str; 2])| {
        let mut all = found.iter().filter(|(_, rival)| rival == name).map(|(id, _)| *id);
        let (id, [with, without]) = (all.next()?, stop);
        let stop = if systemd { with } else { without };
        Some(format!(
            "{name} is running (process {id}): two monitors are two shutdowns, and two kills; stop it: {stop}"
        ))
    };
    RIVALS.iter().filter_map(of).collect()
}

#[cfg(test)]
#[path = "rivals_tests.rs"]
mod tests;
