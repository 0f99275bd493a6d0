//! From entries to a [`Config`]: defaults, inheritance, and what the lines say together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{Diagnostic, Severity, Span};
use super::fits;
use super::hazards::hazards;
use super::network;
use super::notify;
use super::nut::UPS_CONF;
use super::parse::{File, Section, value};
use super::rules;
use super::servers;
use super::types::{
    Action, Config, PID_FILE, PORT, Purpose, STATE_FILE, StatusSocket, Tell, Ups, UserSpec, Via,
    Watch,
};
use super::ups::{ups, watched};
use super::values::{Event, Value};
use crate::fleet::keys::Key;
use crate::rules::Program;

/// Makes the key of a password; its `None`: there was no memory for that. `None` of it: no key is made.
pub(super) type Derive = Option<fn(&str) -> Option<Key>>;

/// No place in particular.
const START: Span = Span { line: 1, column: 1, width: 0 };
const A_HALT: &str = "a `halt' command, like `halt /sbin/shutdown -hP now'";

/// The file as a whole, or everything that is wrong with it, in file order.
pub(super) fn assemble(
    path: &Path,
    mut file: File,
    purpose: Purpose,
    derive: Derive,
) -> Result<Config, Vec<Diagnostic>> {
    let mut said = std::mem::take(&mut file.diagnostics);
    if file.mode & 0o002 != 0 {
        let message = "anyone may write this file, and it says what root does; chmod o-w it";
        said.push(START.error(message));
    }
    let sections = watching(&file, &mut said);
    let mut config = machine(path, &file);
    config.ups = sections.iter().map(|own| ups(own, &file.defaults)).collect();
    check_machine(&file, &config, &mut said);
    notify::check(&file, &config, &mut said);
    fits::check(&file, &sections, &config, &mut said);
    network::check(&file, &sections, &config, &mut said);
    servers::check(&file, &sections, &config, &mut said);
    rules::check(&file, purpose, &mut config, &mut said);
    if purpose == Purpose::Run {
        check_missing(&file, &sections, &config, &mut said);
    }
    // Only of a file that is right so far; or a misspelt `low` would be said to be missing, too.
    if purpose == Purpose::Run && !said.iter().any(is_error) {
        for (own, ups) in sections.iter().zip(&config.ups) {
            if let Watch::Line(_) = ups.watch {
                warn_of_ups(own, &file.defaults, ups, &mut said);
            }
        }
        fits::warn(&file, &config, &mut said);
        network::warn(&file, &sections, &config, &mut said);
        servers::warn(&sections, &config, &mut said);
        let missing = check_means(&sections, &config);
        rules::means(&mut config, missing, &mut said);
        said.extend(warn_of_redundancy(&sections, &config));
        // Last, because it takes long.
        said.extend(network::keys(&file, &sections, &mut config, derive).err());
    }
    said.sort_by_key(|one| (one.line, one.column));
    if said.iter().any(is_error) {
        return Err(said);
    }
    config.warnings = said.iter().map(|one| one.headline(path)).collect();
    Ok(config)
}

fn is_error(one: &Diagnostic) -> bool {
    one.severity == Severity::Error
}

/// The sections that are a UPS: each has a `watch` of its own, and no two the same.
fn watching<'a>(file: &'a File, said: &mut Vec<Diagnostic>) -> Vec<&'a Section> {
    let unnamed = file.defaults.first("watch").map(|_| &file.defaults);
    let mut found: Vec<&Section> = Vec::new();
    for section in unnamed.into_iter().chain(&file.sections) {
        let source = watched(section);
        let same = |other: &&&Section| match (&source, watched(other)) {
            (Some(Watch::Master(a)), Some(Watch::Master(b))) => a.host == b.host && a.ups == b.ups,
            (Some(Watch::Line(a)), Some(Watch::Line(b))) => *a == b,
            (Some(Watch::Driver(a)), Some(Watch::Driver(b))) => {
                a.name.eq_ignore_ascii_case(&b.name)
            }
            (Some(Watch::Server(a)), Some(Watch::Server(b))) => {
                (&a.host, a.port) == (&b.host, b.port) && a.ups.eq_ignore_ascii_case(&b.ups)
            }
            _ => false,
        };
        if section.first("watch").is_none() {
            let message = "this UPS has no `watch'; write one, like `watch ttyS0'";
            said.push(section.span.error(message));
        } else if let Some(other) = found.iter().find(same) {
            let what = if let Some(Watch::Line(_)) = source { "line" } else { "UPS" };
            let message = format!("this {what} is watched already, by ups `{}'", other.name);
            said.push(section.place(&["watch"]).error(message));
        }
        if unnamed.is_some() && section.name == file.defaults.name && !found.is_empty() {
            let message = "a `watch' before the first `ups' is called `ups' already";
            said.push(section.span.error(message));
        }
        found.push(section);
    }
    if found.is_empty() {
        said.push(START.error("nothing to watch; write a line like `watch ttyS0'"));
    }
    found
}

/// The machine's directives; no UPS yet.
fn machine(path: &Path, file: &File) -> Config {
    let machine = &file.machine;
    let path_of = |name| value!(machine, name, Value::Path);
    let time = |name| value!(machine, name, Value::Time);
    let user = |name, default: &str| {
        value!(machine, name, Value::User).unwrap_or_else(|| UserSpec::Name(default.to_owned()))
    };
    let sleep = time("sleep-time").and_then(|time| u8::try_from(time.as_secs()).ok());
    Config {
        path: path.to_owned(),
        lines: file.lines,
        ups: Vec::new(),
        need: value!(machine, "need", Value::Number).unwrap_or(1),
        via: value!(machine, "via", Value::Via),
        initctl: path_of("initctl"),
        powerstatus: path_of("powerstatus").unwrap_or_else(|| PathBuf::from("/run/powerstatus")),
        halt: value!(machine, "halt", Value::Words).unwrap_or_default(),
        tell: tell(machine),
        insist: time("insist").unwrap_or(Duration::from_secs(60)),
        sleep_time: sleep.unwrap_or(5),
        user: user("user", "_upsentry"),
        notifier_user: user("notifier-user", "_upsentryd"),
        chroot: path_of("chroot").unwrap_or_else(|| PathBuf::from("/run/upsentry/empty")),
        state_file: path_of("state-file").unwrap_or_else(|| PathBuf::from(STATE_FILE)),
        pid_file: path_of("pid-file").unwrap_or_else(|| PathBuf::from(PID_FILE)),
        history_file: path_of("history-file")
            .unwrap_or_else(|| PathBuf::from("/var/lib/upsentry/history")),
        kill_hold: time("kill-hold").unwrap_or(Duration::from_secs(10)),
        kill_wait: time("kill-wait").unwrap_or(Duration::from_secs(180)),
        slaves: network::slaves(machine),
        listen: network::listen(machine),
        port: value!(machine, "port", Value::Number)
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(PORT),
        key_files: network::key_files(machine).cloned().collect(),
        fleet_password: network::fleet(&file.defaults).is_some(),
        fleet_key: None,
        slave_wait: time("slave-wait").unwrap_or(Duration::from_secs(60)),
        halt_time: time("halt-time").unwrap_or(Duration::from_secs(30)),
        status_socket: value!(machine, "status-socket", Value::StatusSocket)
            .unwrap_or_else(|| Some(StatusSocket::default())),
        ups_conf: path_of("ups-conf").unwrap_or_else(|| PathBuf::from(UPS_CONF)),
        state_path: PathBuf::new(),
        host_sync: time("host-sync").unwrap_or(Duration::from_secs(15)),
        rules: Program::default(),
        rules_file: path_of("rules"),
        means: None,
        notify: notify::notify(machine),
        warnings: Vec::new(),
    }
}

fn tell(machine: &Section) -> Tell {
    let mut tell = Tell::default();
    for entry in machine.all("tell") {
        match entry.value {
            Value::Tell(Event::Ok, action) => tell.ok = Some(action),
            Value::Tell(Event::Fail, action) => tell.fail = Some(action),
            Value::Tell(Event::Low, action) => tell.low = Some(action),
            Value::Tell(Event::Shutdown, action) => tell.shutdown = Some(action),
            _ => {}
        }
    }
    tell
}

/// Directives of the machine that do not go together.
fn check_machine(file: &File, config: &Config, said: &mut Vec<Diagnostic>) {
    let machine = &file.machine;
    let no_halt = machine.first("halt").is_none();
    for entry in machine.all("tell") {
        match (&entry.value, config.via) {
            (Value::Tell(_, Action::Runlevel(_)), Some(Via::Signal | Via::Command)) => {
                let message = "only `via initctl' can ask for a runlevel";
                said.push(entry.span.error(message));
            }
            (Value::Tell(_, Action::Halt), _) if no_halt => {
                said.push(entry.span.error(format!("this needs {A_HALT}")));
            }
            _ => {}
        }
    }
    if config.via == Some(Via::Command) && no_halt {
        let message = format!("`via command' needs {A_HALT}");
        said.push(machine.place(&["via"]).error(message));
    }
    if config.user == config.notifier_user {
        let message =
            "`user' and `notifier-user' must differ: the parent does not trust the monitor";
        said.push(machine.place(&["notifier-user", "user"]).error(message));
    }
    let power: u32 = config.ups.iter().map(|ups| ups.power).sum();
    if machine.first("need").is_some() && config.need > power {
        let message = format!("`need {}' is more than the power of all UPSs, {power}", config.need);
        said.push(machine.place(&["need"]).error(message));
    }
}

/// What a file must say so that a machine can be run by it.
fn check_missing(file: &File, sections: &[&Section], config: &Config, said: &mut Vec<Diagnostic>) {
    for own in sections {
        let line = matches!(watched(own), Some(Watch::Line(_)));
        let lines = ["fail", "low", "model"];
        let said_of = |name: &&str| own.first(name).or(file.defaults.first(name)).is_some();
        if line && !lines.iter().any(said_of) {
            let message = "no `fail', no `low' and no `model': what would an outage look like?";
            said.push(own.place(&["watch"]).error(message));
        }
    }
    // There is no safe guess.
    let feeds: Vec<_> = sections.iter().zip(&config.ups).filter(|(_, ups)| ups.power > 0).collect();
    if let (Some((second, _)), None) = (feeds.get(1), file.machine.first("need")) {
        let power: u32 = feeds.iter().map(|(_, ups)| ups.power).sum();
        said.push(second.place(&["watch"]).error(format!(
            "{} UPSs feed this machine; write `need 1' if any one is enough, `need {power}' if each is required",
            feeds.len()
        )));
    }
}

fn warn_of_ups(own: &Section, defaults: &Section, ups: &Ups, said: &mut Vec<Diagnostic>) {
    let lines = ["low", "fail", "model"];
    let owner = if lines.iter().any(|name| own.first(name).is_some()) { own } else { defaults };
    let place = owner.place(&lines);
    if ups.fail.is_empty() {
        let message =
            "no `fail': `low' alone means both, and the mains failing is not noticed before";
        said.push(place.warning(message));
    }
    for hazard in hazards(ups) {
        // Two UPSs may share the lines, and then the hazard.
        let hazard = place.warning(hazard);
        if !said.contains(&hazard) {
            said.push(hazard);
        }
    }
}

/// `shutdown-after` of one UPS is the whole machine's shutdown, whatever the others have.
fn warn_of_redundancy(sections: &[&Section], config: &Config) -> Option<Diagnostic> {
    let power: u32 = config.ups.iter().map(|ups| ups.power).sum();
    let timed = |ups: &Ups| {
        ups.power > 0
            && ups.shutdown_after.is_some()
            && power.saturating_sub(ups.power) >= config.need
    };
    let (section, ups) = sections.iter().zip(&config.ups).find(|(_, ups)| timed(ups))?;
    Some(section.place(&["shutdown-after", "watch"]).warning(format!(
        "`shutdown-after' of {} shuts the machine down although the others are enough without it",
        ups.name
    )))
}

/// Something must be able to shut the machine down. powstatd left that to the script init runs.
fn check_means(sections: &[&Section], config: &Config) -> Option<Diagnostic> {
    let Tell { fail, low, shutdown, .. } = config.tell;
    let told = |action| !matches!(action, Some(Action::None | Action::Ok));
    let at_fail = matches!(fail, Some(Action::Low | Action::Halt | Action::Runlevel(b'0')));
    let means = |ups: &Ups| {
        let at_low = !ups.low.is_empty() && told(low);
        let in_time = ups.shutdown_after.is_some() && told(shutdown);
        // A master says low, or that it goes down; NUT says OB LB.
        let remote = !matches!(ups.watch, Watch::Line(_));
        let by_other = remote && (told(low) || told(shutdown));
        let at_fail = at_fail && (remote || !ups.fail.is_empty());
        ups.power > 0 && (at_low || in_time || at_fail || by_other)
    };
    if config.ups.iter().any(means) {
        return None;
    }
    let place = sections.first().map_or(START, |section| section.place(&["watch"]));
    let powstatd = config.path.file_name().is_some_and(|name| name == "powstatd.conf");
    if powstatd && config.ups.iter().any(|ups| !ups.fail.is_empty()) {
        let message = "no `low', no `shutdown-after': only the script that init runs at `power fail' can shut this machine down";
        return Some(place.warning(message));
    }
    Some(
        place.error(
            "nothing could ever shut this machine down; write `low', or `shutdown-after 5m'",
        ),
    )
}
