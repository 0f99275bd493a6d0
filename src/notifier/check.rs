//! `upsentry check`: what it would do here. Needs neither root nor devices.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::config::places::{self, Found, addresses};
use crate::config::{self, Action, Config, Occasion, UserSpec, Via, Watch};
use crate::notifier::doubts::doubts;
use crate::notifier::names;
use crate::notifier::scripts::{Line, Remark, Scripts};
use crate::notifier::via::{self, Init, Route};
use crate::notifier::{check_nut, installed, open, rivals, scripts, users};

/// More lines of the inittab for one word are only counted.
const MOST_PROGRAMS: usize = 8;
/// More names that do not resolve are only counted.
const MOST_SILENT: usize = 16;

/// What `check` found.
#[derive(Debug)]
pub struct Report {
    /// For standard output.
    pub screen: String,
    /// For standard error, a line each: warnings, and with `status` not 0 an error.
    pub remarks: Vec<String>,
    /// 0, or 2 if the configuration cannot work here.
    pub status: u8,
}

/// Looks at the configuration and at this machine.
pub fn report(config: &Config) -> Report {
    let mut screen = String::new();
    let mut remarks = config.warnings.clone();
    let path = config.path.display();
    let mut errors = 0;
    let init = Init::look(config.initctl.as_deref());
    let inittab = config::open_plain(Path::new(scripts::INITTAB)).map(|(file, _)| file);
    let scripts = Scripts::look(inittab);
    match via::route(config, &init) {
        Ok(route) => {
            way(&mut screen, &mut remarks, config, &init, &route);
            words(&mut screen, config, &scripts, &route);
            errors += take(&mut remarks, scripts.remarks(&init, &route));
            errors += take(&mut remarks, around(&mut screen, config, &init, &scripts));
            runs_as(&mut screen, config, &route);
        }
        Err(error) => {
            remarks.push(format!("{path}: error: {error}"));
            errors += 1;
        }
    }
    row(&mut screen, "", &jail(config));
    notify(&mut screen, &mut remarks, config);
    let [state, pid, history] =
        [&config.state_file, &config.pid_file, &config.history_file].map(|path| path.display());
    let files = format!("state {state}, pid {pid}, history {history}");
    row(&mut screen, "files", &files);
    if let Some(group) = check_nut::group(config) {
        row(&mut screen, "NUT's sockets", &group);
    }
    if let Err(error) = users::resolve(config) {
        remarks.push(format!("{path}: warning: {error}"));
    }
    devices(&mut remarks, config);
    remarks.extend(check_nut::remarks(config));
    let rivals = rivals::warnings(&rivals::rivals(), init.systemd);
    remarks.extend(rivals.iter().map(|rival| format!("{path}: warning: {rival}")));
    let links = links(&mut remarks, config);
    let root = if config.chroot.exists() { open::check_root(&config.chroot) } else { Ok(()) };
    if let Err(error) = root {
        remarks.push(format!("{path}: warning: {error}"));
    }
    let head = config::describe(config, errors, remarks.len().saturating_sub(errors));
    let mut screen = head + &screen + &links;
    if let Some(reminder) = installed::reminder(config) {
        row(&mut screen, "remember", reminder);
    }
    Report { screen, remarks, status: if errors == 0 { 0 } else { 2 } }
}

/// Takes them over; how many of them are errors.
fn take(remarks: &mut Vec<String>, more: Vec<Remark>) -> usize {
    remarks.extend(more.iter().map(Remark::to_string));
    more.iter().filter(|remark| remark.error).count()
}

fn row(screen: &mut String, name: &str, what: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(screen, "{name:<16} {what}");
}

/// How init hears.
fn way(
    screen: &mut String,
    remarks: &mut Vec<String>,
    config: &Config,
    init: &Init,
    route: &Route,
) {
    let chosen = if route.chosen { ", chosen" } else { "" };
    let way = match (route.via, config.initctl.as_ref().or(init.fifo.as_ref())) {
        (Via::Initctl, Some(fifo)) => format!("via initctl {}{chosen}", fifo.display()),
        (Via::Initctl, None) => "via initctl".to_owned(),
        (Via::Signal, _) => format!("via signal, {}{chosen}", config.powerstatus.display()),
        (Via::Command, _) => format!("via command{chosen}"),
    };
    row(screen, "init here", &format!("{}, {way}", init.name));
    remarks.extend(doubts(config, init, route));
    let halt = if route.halt.is_empty() { None } else { open::command("halt", &route.halt).err() };
    if let Some(error) = halt {
        remarks.push(format!("{}: warning: {error}", config.path.display()));
    }
}

/// What each word does: a row for each program that init will run.
fn words(screen: &mut String, config: &Config, scripts: &Scripts, route: &Route) {
    let [ok, fail, low, shutdown] = route.actions.all();
    for (name, action) in
        [("mains on", ok), ("on battery", fail), ("low", low), ("shutdown", shutdown)]
    {
        let what = match action {
            Action::None => "nothing".to_owned(),
            Action::Ok => "power ok".to_owned(),
            Action::Fail => "power fail".to_owned(),
            Action::Low => "power fail now".to_owned(),
            Action::Runlevel(b'0') => "runlevel 0, INIT_HALT=POWEROFF".to_owned(),
            Action::Runlevel(level) => format!("runlevel {}", char::from(level)),
            Action::Halt => format!("runs {}", route.halt.join(" ")),
        };
        let what = if name == "shutdown" {
            format!("{what}; again each {}", config::time(config.insist))
        } else {
            what
        };
        let lines: Vec<&Line> = scripts.of(action).collect();
        let (shown, more) = lines.split_at(lines.len().min(MOST_PROGRAMS));
        if shown.is_empty() {
            row(screen, &format!("  {name}"), &what);
        }
        let mut left = (format!("  {name}"), what);
        for line in shown {
            let (name, what) = std::mem::take(&mut left);
            let (place, action) = (line.short(), &line.entry.action);
            let runs = format!("{what:<16} -> {place} {action:<13} {}", line.entry.shown());
            row(screen, &name, &runs);
        }
        if !more.is_empty() {
            row(screen, "", &format!("{} more lines", more.len()));
        }
    }
}

/// What cuts the load, and what starts the daemon again.
fn around(screen: &mut String, config: &Config, init: &Init, scripts: &Scripts) -> Vec<Remark> {
    let (hook, restarted) = (installed::hook(config, init), installed::restarted(init, scripts));
    row(screen, "kill hook", &hook.shown);
    row(screen, "restarted by", &restarted.shown);
    let more = [installed::others(scripts), installed::elsewhere(config)].concat();
    [hook.remarks, restarted.remarks, more].concat()
}

fn name(spec: &UserSpec) -> String {
    match spec {
        UserSpec::Name(name) => name.clone(),
        UserSpec::Id(id) => format!("uid {id}"),
    }
}

/// What is run on which events, and what is wrong with it.
fn notify(screen: &mut String, remarks: &mut Vec<String>, config: &Config) {
    let Some(notify) = &config.notify else { return };
    let on: Vec<&str> = notify.on.iter().map(|one| one.word()).collect();
    let on = if on.len() == Occasion::ALL.len() { "all events".to_owned() } else { on.join(" ") };
    let command = notify.command.join(" ");
    row(screen, "notify", &format!("{on}: {} runs {command}", name(&notify.user)));
    if let Err(error) = open::command("notify-command", &notify.command) {
        remarks.push(format!("{}: warning: {error}", config.path.display()));
    }
}

fn runs_as(screen: &mut String, config: &Config, route: &Route) {
    let root = match (route.via, route.halt.is_empty()) {
        (Via::Signal, true) => "the hand (signals init, nothing else)",
        (Via::Signal, false) => "the hand (signals init, runs the halt command)",
        (_, false) => "the hand (runs the halt command, nothing else)",
        (_, true) => "none",
    };
    let (parent, monitor) = (name(&config.notifier_user), name(&config.user));
    row(
        screen,
        "runs as",
        &format!("parent {parent}, monitor {monitor}; root after start: {root}"),
    );
}

fn jail(config: &Config) -> String {
    let seccomp = match std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.contains("kill_process") => "yes",
        _ => "NO: upsentry would not start",
    };
    let landlock = match (crate::sys::confine::landlock_abi(), crate::sys::confine::LANDLOCK_ABI) {
        (None, _) => "no (a warning at start)".to_owned(),
        (Some(abi), wanted) if abi < wanted => format!("ABI {abi} (in part)"),
        (Some(abi), _) => format!("ABI {abi}"),
    };
    format!("seccomp {seccomp}, Landlock {landlock}, chroot {}", config.chroot.display())
}

/// Other machines, as far as they can be found from here; and what is wrong with the files for them.
fn links(remarks: &mut Vec<String>, config: &Config) -> String {
    let path = config.path.display();
    let names = places::names(config.ups.iter(), &config.slaves);
    let found = names::find(names).unwrap_or_else(|error| {
        remarks.push(format!("{path}: warning: looking up names: {error}"));
        Found::new()
    });
    let masters = config.ups.iter().filter_map(|ups| Some((ups.watch_line, ups.watch.host()?)));
    let slaves = config.slaves.iter().map(|slave| (slave.line, slave.name.as_str()));
    let mut silent =
        masters.chain(slaves).filter(|(_, name)| addresses(&found, name).next().is_none());
    for (line, name) in silent.by_ref().take(MOST_SILENT) {
        remarks.push(format!("{path}:{line}: warning: the name {name} does not resolve now"));
    }
    let more = silent.count();
    if more > 0 {
        remarks.push(format!("{path}: warning: {more} more names do not resolve now"));
    }
    for file in &config.key_files {
        if let Some(wrong) = key_file(file) {
            remarks.push(format!("{path}: warning: key-file {}: {wrong}", file.display()));
        }
    }
    let group = config.status_socket.as_ref().and_then(|socket| socket.group.as_ref());
    if let Some(Err(error)) = group.map(users::group) {
        remarks.push(format!("{path}: warning: status-socket: {error}"));
    }
    config::describe_links(config, &|name| {
        // An address says all of itself.
        name.parse::<IpAddr>().is_err().then(|| {
            let all: Vec<String> = addresses(&found, name).map(|one| one.to_string()).collect();
            if all.is_empty() { "does not resolve now".to_owned() } else { all.join(", ") }
        })
    })
}

/// What is wrong with a key file, as far as it can be seen without reading it.
fn key_file(path: &Path) -> Option<String> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Some("is not there; `upsentry keygen' makes one".to_owned())
        }
        Err(error) => Some(error.to_string()),
        Ok(meta) if !meta.is_file() => Some("is not a file".to_owned()),
        Ok(meta) if meta.uid() != 0 || meta.mode() & 0o077 != 0 => Some(
            "must be root's, and nobody else may read it: chown root and chmod 600 it".to_owned(),
        ),
        Ok(meta) if meta.len() != 32 => Some(format!("has {} bytes, not 32", meta.len())),
        Ok(_) => None,
    }
}

fn devices(remarks: &mut Vec<String>, config: &Config) {
    for ups in &config.ups {
        let Watch::Line(device) = &ups.watch else { continue };
        if !Path::new(device).exists() {
            remarks.push(format!(
                "{}:{}: warning: {} is not there now",
                config.path.display(),
                ups.watch_line,
                device.display()
            ));
        }
    }
}
