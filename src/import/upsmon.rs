//! upsmon.conf. Its words are in capitals; what upsmon does not know it logs and skips.

use std::collections::BTreeMap;
use std::path::Path;

use super::lines::{self, Line};
use super::monitors::{CertHost, Monitors, Sealing};
use super::output::{Draft, MOST, number, seconds, shown, takes, word};

const NOTICES: &str = "notices come with `notify', in a later version; syslog has each change, and init's powerfail scripts run";
const OWN_CERTIFICATE: &str =
    "upsentry shows a server no certificate of its own, only user and password";

/// What is taken over, of which the last line counts.
const TAKEN: [&str; 13] = [
    "MINSUPPLIES",
    "DEADTIME",
    "POLLFREQ",
    "HOSTSYNC",
    "SHUTDOWNCMD",
    "OFFDURATION",
    "OBLBDURATION",
    "ALARMCRITICAL",
    "CERTPATH",
    "CERTVERIFY",
    "FORCESSL",
    "NOTIFYCMD",
    "POWERDOWNFLAG",
];

/// What is not, and why.
const NONE: [(&str, &str); 12] = [
    (
        "POLLFREQALERT",
        "on battery a server is asked each second, or as often as `poll' if that is more",
    ),
    (
        "FINALDELAY",
        "init is told at once; a pause belongs into its scripts, and `insist' must be longer than they take",
    ),
    (
        "RBWARNTIME",
        "`upsentry status' shows a battery that wants replacing; notices come with `notify', in a later version",
    ),
    (
        "NOCOMMWARNTIME",
        "lost contact is logged once, shown by `upsentry status', and its return logged",
    ),
    ("NOTIFYMSG", NOTICES),
    ("NOTIFYFLAG", NOTICES),
    (
        "OVERDURATION",
        "OVER is only shown: a lost network is no reason to halt a machine that has mains",
    ),
    (
        "RUN_AS_USER",
        "upsentry has two users of its own, used for nothing else: `user' and `notifier-user'",
    ),
    ("SHUTDOWNEXIT", "upsentry stays logged in until init stops it"),
    ("POLLFAIL_LOG_THROTTLE_MAX", "lost contact is logged once, and its return"),
    ("CERTFILE", OWN_CERTIFICATE),
    ("CERTIDENT", OWN_CERTIFICATE),
];

/// A directive's line and its first value.
type Said = BTreeMap<&'static str, (usize, String)>;

/// The equivalent upsentry.conf.
///
/// # Errors
/// It has no MONITOR line of use.
pub(super) fn convert(path: &Path, text: &[u8]) -> Result<String, String> {
    let mut draft = Draft::default();
    draft.head = vec![
        "It holds passwords: chmod 600 this file.".to_owned(),
        format!(
            "Made of {} by `upsentry import-upsmon'. Look it over, then try `upsentry check -c FILE' with it.",
            shown(&path.display().to_string())
        ),
        "Stop upsmon and keep it from being started again: two monitors are two shutdowns, and two kills.".to_owned(),
    ];
    let (mut monitors, mut sealing, mut said) =
        (Monitors::default(), Sealing::default(), Said::new());
    lines::nut(text, |line| {
        let monitor = line.name() == "MONITOR";
        if line.broken && monitor {
            draft.leave_out(line.number, line.name(), line.odd);
        } else if line.broken {
            draft.note(line.number, line.name(), line.odd);
        } else if monitor {
            monitors.read(&mut draft, line);
        } else if line.name() == "CERTHOST" {
            host(&mut draft, &mut sealing, line);
        } else if line.odd.contains("quote") {
            draft.note(line.number, line.name(), line.odd);
        } else if let Some(name) = TAKEN.into_iter().find(|name| *name == line.name()) {
            if let Some((before, _)) = said.insert(name, (line.number, line.word(1).to_owned())) {
                draft.note(before, name, format_args!("line {} counts", line.number));
            }
        } else {
            draft.note(line.number, line.name(), reason(line.name()));
        }
    });
    if monitors.is_empty() {
        return Err("no MONITOR line of use: nothing says what to watch".to_owned());
    }
    seal(&mut draft, &mut sealing, &monitors, &said);
    need(&mut draft, &monitors, &said);
    times(&mut draft, &said);
    shutdown(&mut draft, &said);
    flags(&mut draft, &said);
    let flag = said.get("POWERDOWNFLAG");
    if let Some((line, _)) = flag {
        let why = "there is no such file: in the last script of a halt `upsentry kill', in place of `upsmon -K' and what follows it, looks whether the mains is out and runs `kill-command'";
        draft.note(*line, "POWERDOWNFLAG", why);
    }
    monitors.sections(&mut draft, &sealing, flag.is_some());
    Ok(draft.text(path))
}

/// Why there is nothing like it.
fn reason(name: &str) -> &'static str {
    let row = NONE.iter().find(|(known, _)| *known == name);
    match row {
        Some((_, why)) => why,
        // The only one whose case does not matter.
        None if name.eq_ignore_ascii_case("DEBUG_MIN") => "there are no levels of debugging",
        None => "upsmon knows no such directive",
    }
}

/// `CERTHOST host name verify force`.
fn host(draft: &mut Draft, sealing: &mut Sealing, line: &Line<'_>) {
    let [_, host, name, verify, force, ..] = line.words else {
        return draft.note(line.number, "CERTHOST", "needs four words");
    };
    let on = |word: &str| number(word).is_some_and(|number| number != 0);
    let sealed = on(verify) || on(force);
    let why = match sealed {
        true => format!(
            "{} became `nut+tls://'; its certificate must be for the name that `watch' has, not `{}', or be pinned by `tls-pin'",
            shown(host),
            shown(name)
        ),
        false => format!("{}: there is no encryption that is not verified", shown(host)),
    };
    draft.note(line.number, "CERTHOST", why);
    if sealing.hosts.len() < MOST {
        sealing.hosts.push(CertHost { host: (*host).to_owned(), sealed });
    }
}

/// Whoever wanted it encrypted must not find it in clear.
fn seal(draft: &mut Draft, sealing: &mut Sealing, monitors: &Monitors, said: &Said) {
    let on = |name| said.get(name).and_then(|(_, value)| number(value)).is_some_and(|on| on != 0);
    sealing.always = on("FORCESSL") || on("CERTVERIFY");
    let sealed = monitors.sealed(sealing);
    for name in ["FORCESSL", "CERTVERIFY"] {
        let Some((line, _)) = said.get(name) else { continue };
        let why = match (on(name), sealed) {
            (true, _) => {
                "it became `nut+tls://', which always encrypts and always verifies; see `ca-file'"
            }
            (false, true) => "where it is `nut+tls://' it is always encrypted and verified",
            (false, false) => {
                "write `nut+tls://' with a `ca-file' or `tls-pin' to have it encrypted and verified"
            }
        };
        draft.note(*line, name, why);
    }
    match said.get("CERTPATH") {
        Some((line, path)) if sealed => {
            let usable = word(path).filter(|path| {
                takes(&format!("watch nut+tls://localhost/x\nca-file {path}"))
            });
            let why = match usable {
                Some(_) => "it became `ca-file', which must be one PEM file: neither a directory nor a database of NSS",
                None => "not a path that can be written here; `ca-file' is a guess",
            };
            draft.note(*line, "CERTPATH", why);
            sealing.ca_file = usable;
        }
        Some((line, _)) => {
            let why = "upsmon encrypts where the server can; `nut+tls://' with a `ca-file' of one PEM file always does";
            draft.note(*line, "CERTPATH", why);
        }
        None if sealed => draft.head.push(
            "Put the certificate that signed the server's into `ca-file': without a CERTPATH there was none.".to_owned(),
        ),
        None => {}
    }
}

fn need(draft: &mut Draft, monitors: &Monitors, said: &Said) {
    let power = monitors.power();
    let (line, wanted) = match said.get("MINSUPPLIES") {
        Some((line, value)) => (*line, number(value)),
        None => (0, Some(1)),
    };
    if power == 0 {
        draft.head.push(
            "No UPS feeds this machine (each has power 0), so nothing could shut it down, and upsentry refuses such a file:".to_owned(),
        );
        draft.head.push("give one of them `power 1', or do without upsentry here.".to_owned());
        if line > 0 {
            draft.note(line, "MINSUPPLIES", "means nothing where each power is 0");
        }
        return;
    }
    let need = wanted.unwrap_or(1).clamp(1, power);
    if wanted != Some(need) {
        let why = match wanted {
            Some(..=0) => {
                draft.head.push(
                    "upsmon never shut this machine down (MINSUPPLIES 0). This file does."
                        .to_owned(),
                );
                "0 meant that upsmon never shuts this machine down; UPSENTRY DOES: it is for nothing else"
            }
            Some(_) => "more than the power of all UPSs: upsmon would not have started",
            None => "not a number; upsmon's default was taken",
        };
        draft.note(line, "MINSUPPLIES", why);
    }
    draft.machine.push(format!("need {need}"));
}

fn times(draft: &mut Draft, said: &Said) {
    // As in upsmon.conf, and what upsentry takes, in seconds.
    let rows = [
        ("HOSTSYNC", "host-sync", 0, 600),
        ("POLLFREQ", "poll", 1, 30),
        ("DEADTIME", "deadtime", 1, 3600),
        ("OBLBDURATION", "low-after", 0, 3600),
    ];
    for (name, directive, least, most) in rows {
        let Some((line, value)) = said.get(name) else { continue };
        let Some(count) = number(value) else {
            draft.note(*line, name, format_args!("`{}' is no time", shown(value)));
            continue;
        };
        let taken = count.clamp(least, most);
        if taken != count && (name != "OBLBDURATION" || count > most) {
            draft.note(*line, name, format_args!("`{directive}' is from {least}s to {most}s"));
        }
        draft.machine.push(format!("{directive} {}", seconds(taken, u64::MAX)));
    }
}

/// SHUTDOWNCMD is a line for a shell, which upsentry never starts.
fn shutdown(draft: &mut Draft, said: &Said) {
    if let Some((line, command)) = said.get("SHUTDOWNCMD") {
        let plain = |c: char| c.is_ascii_alphanumeric() || " \t/._-+:=,@%".contains(c);
        let halt = format!("halt {}", command.trim());
        let usable = command.chars().all(plain)
            && command.trim().starts_with('/')
            && takes(&format!("watch ttyS0\n{halt}"));
        if usable {
            draft.machine.push(halt);
            draft.note(*line, "SHUTDOWNCMD", "it became `halt', which runs where init has no FIFO; where it has one, inittab's powerfailnow line shuts down (`tell low runlevel 0' does without it, `via command' runs `halt')");
        } else {
            let why = "no shell is started: make it a program with its whole path, and name it in `halt'; where init has a FIFO, it is told instead";
            draft.note(*line, "SHUTDOWNCMD", why);
        }
    }
    if let Some((line, command)) = said.get("NOTIFYCMD") {
        let timers = if command.trim_end().ends_with("upssched") {
            "; upssched's timers are `fail-after' and `shutdown-after'"
        } else {
            ""
        };
        let why = format!("`notify-command' comes in a later version{timers}");
        draft.note(*line, "NOTIFYCMD", why);
    }
}

/// What flags mean beside those that every UPS has.
fn flags(draft: &mut Draft, said: &Said) {
    if let Some((line, value)) = said.get("OFFDURATION") {
        match number(value) {
            Some(..=-1) => draft.machine.push("flag off ignore".to_owned()),
            Some(0) => draft.machine.push("flag off low".to_owned()),
            _ => draft.note(
                *line,
                "OFFDURATION",
                "OFF is only shown; `flag off low' shuts down at once, because no time is kept for it",
            ),
        }
    }
    if let Some((line, value)) = said.get("ALARMCRITICAL") {
        match number(value) {
            Some(0) => draft.machine.push("flag alarm ignore".to_owned()),
            _ => draft.note(
                *line,
                "ALARMCRITICAL",
                "ALARM is only shown; with `flag alarm battery' it counts as on battery, and losing sight of the UPS then as a reason to shut down",
            ),
        }
    }
}
