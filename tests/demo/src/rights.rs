//! Which rights each process holds, as the kernel says in /proc.

use crate::screen::Screen;
use std::collections::BTreeMap;
use std::fs;

/// The simulator's own filter is on every process under it.
const SIMULATOR: u32 = 1;

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or("").trim().to_owned()
}

/// What a process has open, in words.
fn holds(pid: u32) -> String {
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        let number: u32 = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let target = target.display().to_string();
        let kind = match target.as_str() {
            _ if number < 3 => continue,
            path if path.ends_with("/initctl") => "1 init's FIFO",
            path if path.starts_with("/dev/pts/") => "2 serial port",
            path if path.ends_with("/state") => "3 state file",
            path if path.ends_with("/pid") => "4 pid file",
            path if path.ends_with("/history") => "4 the history",
            path if path.starts_with("pipe:") => "5 pipe",
            path if path.starts_with("socket:") => "6 socket",
            path if path.contains("event") || path.contains("signalfd") => "7 wake-up",
            _ => "8 other",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    let words = kinds.into_iter().map(|(kind, count)| match (kind.get(2..).unwrap_or(""), count) {
        (kind, 1) => kind.to_owned(),
        (kind, count) => format!("{count} {kind}s"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What the processes are for.
fn role(name: &str) -> &'static str {
    match name {
        "upsentry" => "tells init",
        "upsentry-warden" => "restarts the next",
        "upsentry-mon" => "reads the cable",
        "upsentry-hand" => "signals init",
        _ => "",
    }
}

/// The table.
pub fn show(processes: &[u32], screen: &Screen) {
    screen.head("Its processes, once everything is open (as /proc shows them):");
    println!();
    let head = format!(
        "{:<17}{:<7}{:<14}{:<11}{:<9}what it does",
        "process", "user", "capabilities", "seccomp", "root"
    );
    println!("{}", screen.paint("1", &head));
    for pid in processes {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let status = read("status");
        let name = field(&status, "Name");
        let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
        let none = sets.iter().all(|set| field(&status, set).bytes().all(|digit| digit == b'0'));
        let filters = field(&status, "Seccomp_filters").parse::<u32>().unwrap_or(0);
        let filters = filters.saturating_sub(SIMULATOR);
        let root = fs::read_link(format!("/proc/{pid}/root")).unwrap_or_default();
        let empty =
            fs::read_dir(format!("/proc/{pid}/root/")).is_ok_and(|mut all| all.next().is_none());
        let root = match root.as_os_str() == "/" || !empty {
            true => "NOT EMPTY",
            false => "empty",
        };
        let user = field(&status, "Uid");
        let user = user.split_whitespace().next().unwrap_or("?");
        let filters = match filters {
            0 => "NONE".to_owned(),
            1 => "1 filter".to_owned(),
            more => format!("{more} filters"),
        };
        let capabilities = if none { "none" } else { "SOME" };
        println!("{name:<17}{user:<7}{capabilities:<14}{filters:<11}{root:<9}{}", role(&name));
        println!("{}", screen.paint("2", &format!("    holds {}", holds(*pid))));
    }
    println!(
        "\nNo process is root: 64998 and 64999 are users that exist for nothing else. A\n\
         monitor that was taken over could read lines and write two pipes. It could open\n\
         nothing, run nothing, signal nobody, and tell init nothing but through the parent."
    );
}
