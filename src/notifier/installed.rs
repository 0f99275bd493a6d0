//! What stands around the daemon on this machine, and what is missing there: what cuts the load at the end of a halt,
//! and what starts the daemon again. For `check`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::route::Init;
use crate::config::{self, Config, PID_FILE, STATE_FILE};
use crate::notifier::reader;
use crate::notifier::scripts::{Line, Remark, Scripts, program};

/// What Debian's last script of a halt runs before the power goes.
const DEBIAN: &str = "/etc/init.d/ups-monitor";
/// Last scripts of other systems, which are to be edited (Slackware's, runit's); and what they may call.
const LAST: [(&str, &str); 2] =
    [("/etc/rc.d/rc.0", "/etc/rc.d/rc.ups-monitor"), ("/etc/runit/3", DEBIAN)];
/// Where OpenRC is, and where it has what it runs.
const OPENRC: (&str, [&str; 2]) = ("/run/openrc", ["/etc/init.d", "/etc/local.d"]);
/// What systemd runs last.
const SYSTEMD: [&str; 2] = ["/usr/lib/systemd/system-shutdown", "/lib/systemd/system-shutdown"];
/// What Debian's script looks at where nobody said how to halt.
const HALT: &str = "/etc/default/halt";
/// What may start the daemon where no line of the inittab does.
const STARTS: [(&str, &str); 8] = [
    ("/etc/systemd/system/upsentry.service", "systemd, upsentry.service"),
    ("/usr/lib/systemd/system/upsentry.service", "systemd, upsentry.service"),
    ("/lib/systemd/system/upsentry.service", "systemd, upsentry.service"),
    ("/etc/service/upsentry", "runit, /etc/service/upsentry"),
    ("/var/service/upsentry", "runit, /var/service/upsentry"),
    ("/etc/runlevels/default/upsentry", "OpenRC, /etc/init.d/upsentry"),
    ("/etc/rc.d/rc.upsentry", "nothing; /etc/rc.d/rc.upsentry starts it"),
    ("/etc/init.d/upsentry", "nothing; /etc/init.d/upsentry starts it"),
];

/// What reads the state file and the pid file.
const SCRIPTS: [&str; 3] =
    ["/usr/sbin/upsentry.power", "/sbin/upsentry.power", "/etc/init.d/upsentry"];

/// A row of the screen, and what is to be said of it.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) shown: String,
    pub(super) remarks: Vec<Remark>,
}

fn warning(place: &str, text: &str) -> Remark {
    Remark { error: false, place: place.to_owned(), text: text.to_owned() }
}

/// Some UPS is to be told to cut the load.
pub(super) fn cuts(config: &Config) -> bool {
    config.ups.iter().any(|ups| ups.kill.is_some() || !ups.kill_command.is_empty())
}

/// What will run `upsentry kill`.
pub(super) fn hook(config: &Config, init: &Init) -> Row {
    if init.systemd {
        let ours = below(&SYSTEMD).find(|path| calls(path) && is_executable(path));
        let missing = format!("no program in {} runs `upsentry kill'", SYSTEMD.join(" or "));
        return found(config, ours, &missing);
    }
    let (openrc, directories) = OPENRC;
    if Path::new(openrc).exists() {
        let ours = below(&directories).find(|path| names(path, "kill --wait"));
        let missing = format!("no script in {} runs `upsentry kill'", directories.join(" or "));
        return found(config, ours, &missing);
    }
    let last = LAST.map(|(path, may)| (Path::new(path), Path::new(may)));
    if let Some((path, may)) = last.into_iter().find(|(path, _)| path.exists()) {
        let indeed = || names(path, "ups-monitor") && calls(may) && is_executable(may);
        let ours = (calls(path) || indeed()).then(|| path.to_owned());
        return found(config, ours, &format!("{} does not run `upsentry kill'", path.display()));
    }
    let path = Path::new(DEBIAN);
    let missing = match (std::fs::symlink_metadata(path).is_ok(), calls(path), is_executable(path))
    {
        (true, true, true) => {
            let shown = format!("{DEBIAN} -> upsentry, called when INIT_HALT=POWEROFF");
            return Row { shown, remarks: defaults(config) };
        }
        (true, true, false) => format!("{DEBIAN} is not executable"),
        (true, false, _) => match std::fs::read_link(path) {
            Ok(to) => format!("{DEBIAN} is not upsentry's (a link to {})", to.display()),
            Err(_) => format!("{DEBIAN} is not upsentry's"),
        },
        (false, ..) => format!("{DEBIAN} is not there"),
    };
    found(config, None, &missing)
}

fn found(config: &Config, ours: Option<PathBuf>, missing: &str) -> Row {
    match ours {
        Some(path) => Row { shown: format!("{} -> upsentry", path.display()), remarks: Vec::new() },
        None if cuts(config) => {
            let text = format!(
                "{missing}: nothing cuts the load when the machine has halted, and it stays off when the mains returns"
            );
            let place = config.path.display().to_string();
            Row { shown: format!("NONE: {missing}"), remarks: vec![warning(&place, &text)] }
        }
        None => Row { shown: "none, and no `kill' to send".to_owned(), remarks: Vec::new() },
    }
}

/// That a halt which is not ours would cut nothing.
fn defaults(config: &Config) -> Vec<Remark> {
    let value = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        let lines = text.lines().zip(1_u32..);
        let set = lines.filter_map(|(line, number)| {
            Some((line.trim().strip_prefix("HALT=")?.to_owned(), number))
        });
        set.last().filter(|(value, _)| value.trim_matches(['"', '\'']).starts_with(['h', 'H']))
    };
    let Some((value, line)) = read(Path::new(HALT), value).flatten().filter(|_| cuts(config))
    else {
        return Vec::new();
    };
    let shown: String = value.chars().filter(|c| !c.is_control()).take(16).collect();
    let text = format!("HALT={shown}: a plain `shutdown -h' would not cut the load; ours says -P");
    vec![warning(&format!("{HALT}:{line}"), &text)]
}

/// What starts the daemon again when it ends.
pub(super) fn restarted(init: &Init, scripts: &Scripts) -> Row {
    let Some(line) = scripts.respawned().find(|line| runs(line, "upsentry")) else {
        let starts = STARTS.iter().find(|(path, _)| Path::new(path).exists());
        let shown = starts.map_or("nothing that is known", |(_, what)| what);
        return Row { shown: shown.to_owned(), remarks: Vec::new() };
    };
    let entry = &line.entry;
    let shown = format!("{} \"{}:{}:respawn\"", line.short(), entry.id, entry.levels);
    let mut remarks: Vec<Remark> = program(line, None).into_iter().collect();
    if init.systemd {
        remarks.push(warning(&line.place(), "systemd does not read this file"));
    }
    if !entry.is_in('0') || !entry.is_in('6') {
        let text = "leaves out runlevel 0 or 6: init ends upsentry as soon as a halt begins, and slaves are not waited for; write 0123456";
        remarks.push(warning(&line.place(), text));
    }
    Row { shown, remarks }
}

/// Lines that start another monitor.
pub(super) fn others(scripts: &Scripts) -> Vec<Remark> {
    let powstatd = scripts.respawned().filter(|line| runs(line, "powstatd"));
    let text = "starts powstatd: two monitors are two shutdowns, and two kills; take it out, then `init q'";
    powstatd.map(|line| warning(&line.place(), text)).collect()
}

/// Scripts of ours look for files where they are unless the configuration says otherwise.
pub(super) fn elsewhere(config: &Config) -> Vec<Remark> {
    if !SCRIPTS.iter().any(|path| Path::new(path).exists()) {
        return Vec::new();
    }
    let files = [
        ("state-file", &config.state_file, STATE_FILE, "an outage would have it do nothing"),
        ("pid-file", &config.pid_file, PID_FILE, "a stop would not find the daemon"),
    ];
    let moved = files.into_iter().filter(|(_, is, default, _)| *is != Path::new(default));
    moved
        .map(|(word, is, default, so)| {
            let text =
                format!("`{word}': upsentry.power and /etc/init.d/upsentry read {default}; {so}");
            warning(&is.display().to_string(), &text)
        })
        .collect()
}

/// A word of the line is this program.
fn runs(line: &Line, name: &str) -> bool {
    let words = line.entry.process.split([' ', '\t', '+', '@', ';', '&', '|', '\'', '"']);
    words.filter_map(|word| word.rsplit('/').next()).any(|word| word == name)
}

/// What the firmware must do.
pub(super) fn reminder(config: &Config) -> Option<&'static str> {
    let text = "set the firmware's \"restore on AC power loss\" to \"on\": it alone starts this machine when power comes";
    cuts(config).then_some(text)
}

/// What is in these directories.
fn below(directories: &[&str]) -> impl Iterator<Item = PathBuf> {
    let all = directories.iter().flat_map(|path| std::fs::read_dir(path).into_iter().flatten());
    all.flatten().map(|entry| entry.path())
}

/// Whether this script runs upsentry.
fn calls(path: &Path) -> bool {
    names(path, "upsentry")
}

/// A line of this script that is no comment has the word.
fn names(path: &Path, word: &str) -> bool {
    let word = word.as_bytes();
    let named = |text: &[u8]| {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
        let mut code = lines.filter(|line| !line.starts_with(b"#"));
        code.any(|line| line.windows(word.len()).any(|part| part == word))
    };
    read(path, named).unwrap_or(false)
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
}

/// What is to be known of a file, if it can be read; found out by a process without rights.
fn read<T>(path: &Path, look: impl FnOnce(&[u8]) -> T) -> Option<T>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let (file, _) = config::open_plain(path).ok()?;
    reader::apart(path, file, |file| config::text(path, file).map(|text| look(&text))).ok()
}
