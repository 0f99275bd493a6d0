//! `upsentry check`: what it would do here. Needs neither root nor devices.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::{self, Action, Config, UserSpec, Via, Watch};
use crate::notifier::via::{self, Init, Route};
use crate::notifier::{open, users};
use crate::sysvinit::inittab;

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
    let mut status = 0;
    let init = Init::look(config.initctl.as_deref());
    match via::route(config, &init) {
        Ok(route) => {
            words(&mut screen, &mut remarks, config, &init, &route);
            runs_as(&mut screen, config, &route);
        }
        Err(error) => {
            remarks.push(format!("{path}: error: {error}"));
            status = 2;
        }
    }
    row(&mut screen, "", &jail(config));
    let [state, pid, history] =
        [&config.state_file, &config.pid_file, &config.history_file].map(|path| path.display());
    let files = format!("state {state}, pid {pid}, history {history}");
    row(&mut screen, "files", &files);
    if let Err(error) = users::resolve(config) {
        remarks.push(format!("{path}: warning: {error}"));
    }
    devices(&mut remarks, config);
    let root = if config.chroot.exists() { open::check_root(&config.chroot) } else { Ok(()) };
    if let Err(error) = root {
        remarks.push(format!("{path}: warning: {error}"));
    }
    let errors = usize::from(status != 0);
    let head = config::describe(config, errors, remarks.len().saturating_sub(errors));
    Report { screen: head + &screen, remarks, status }
}

fn row(screen: &mut String, name: &str, what: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(screen, "{name:<16} {what}");
}

/// How init hears, and what each word does.
fn words(
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
    remarks.extend(via::doubts(config, init, route));
    let halt = if route.halt.is_empty() { None } else { open::halt(&route.halt).err() };
    if let Some(error) = halt {
        remarks.push(format!("{}: warning: {error}", config.path.display()));
    }
    let inittab = std::fs::read_to_string("/etc/inittab").ok();
    let [ok, fail, low, shutdown] = route.actions.all();
    for (name, action) in
        [("mains on", ok), ("on battery", fail), ("low", low), ("shutdown", shutdown)]
    {
        let (what, entries): (_, &[&str]) = match action {
            Action::None => ("nothing".to_owned(), &[]),
            Action::Ok => ("power ok".to_owned(), &["powerokwait"]),
            Action::Fail => ("power fail".to_owned(), &["powerfail", "powerwait"]),
            Action::Low => ("power fail now".to_owned(), &["powerfailnow"]),
            Action::Runlevel(b'0') => ("runlevel 0, INIT_HALT=POWEROFF".to_owned(), &[]),
            Action::Runlevel(level) => (format!("runlevel {}", char::from(level)), &[]),
            Action::Halt => (format!("runs {}", route.halt.join(" ")), &[]),
        };
        let what = if name == "shutdown" {
            format!("{what}; again each {}", config::time(config.insist))
        } else {
            what
        };
        let line = inittab.as_deref().and_then(|text| inittab::entries(text, entries).next());
        let shown = match (line, inittab.is_some() && !entries.is_empty()) {
            (Some(entry), _) => {
                format!(
                    "{what:<16} -> inittab {} {:<13} {}",
                    entry.line, entry.action, entry.process
                )
            }
            (None, true) => {
                let wanted = entries.join(" or ");
                remarks.push(format!(
                    "/etc/inittab: warning: no {wanted} line: init would do nothing"
                ));
                what
            }
            (None, false) => what,
        };
        row(screen, &format!("  {name}"), &shown);
    }
}

fn runs_as(screen: &mut String, config: &Config, route: &Route) {
    let name = |spec: &UserSpec| match spec {
        UserSpec::Name(name) => name.clone(),
        UserSpec::Id(id) => format!("uid {id}"),
    };
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
