//! What NUT's ups.conf says of the drivers that are watched. Read like our own file: by a child without rights.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::types::{Config, Watch};
use super::words::{did_you_mean, suggest};
use crate::nut::ups_conf::{self, Section, UpsConf};

/// More names, or warnings, are only counted.
const MOST_SHOWN: usize = 16;
/// The end of every list of errors.
const NOTHING: &str = "; nothing was started";
/// Where distributions and NUT itself put drivers.
const HOMES: [&str; 4] = ["/lib/nut", "/usr/lib/nut", "/usr/libexec/nut", "/usr/local/ups/bin"];
/// Where the jail sees the drivers' sockets.
const IN_JAIL: &str = "/nut";
/// No path of ours or NUT's is longer.
const LONGEST_PATH: usize = 255;

/// A UPS that is looked for in ups.conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its section.
    pub name: String,
    /// Where it is asked for: a line of our own file.
    pub line: usize,
}

/// What was found of the drivers that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drivers {
    /// For each wanted one, in that order: the section's name as ups.conf has it, and its `driver`.
    pub found: Vec<(String, String)>,
    /// `statepath`: absolute.
    pub state_path: Option<PathBuf>,
    /// `driverpath`: absolute.
    pub driver_path: Option<PathBuf>,
    /// `PATH:LINE: warning: …`.
    pub warnings: Vec<String>,
}

/// Looks for these in the text of ups.conf at `path`, with these permission bits; `ours` is the path of our own file.
///
/// # Errors
/// All that is missing or cannot be used, ready to be shown.
pub fn find(
    path: &Path,
    (text, mode): (&[u8], u32),
    ours: &Path,
    wanted: &[Wanted],
) -> Result<Drivers, String> {
    let conf = ups_conf::read(text);
    let (shown, mut wrong) = (path.display(), Vec::new());
    if mode & 0o002 != 0 {
        wrong.push(format!(
            "{shown}: anyone may write this file, and it says what root runs; chmod o-w it"
        ));
    }
    let mut drivers = Drivers::default();
    for Wanted { name, line } in wanted {
        let asked = format!("{}:{line}", ours.display());
        match conf.find(name).map(usable) {
            Some(Ok(found)) => drivers.found.push(found),
            Some(Err((line, why))) => wrong.push(format!("{shown}:{line}: [{name}] {why}")),
            None => wrong.push(format!(
                "{shown}: no [{name}], which {asked} watches{}",
                others(&conf, name)
            )),
        }
    }
    for (key, value, kept) in [
        ("statepath", &conf.state_path, &mut drivers.state_path),
        ("driverpath", &conf.driver_path, &mut drivers.driver_path),
    ] {
        let Some(value) = value else { continue };
        match Path::new(value) {
            path if path.is_absolute() && value.len() <= LONGEST_PATH => *kept = Some(path.into()),
            _ => wrong.push(format!(
                "{shown}: `{key}' is not an absolute path of at most {LONGEST_PATH} bytes"
            )),
        }
    }
    if !wrong.is_empty() {
        let plural = if wrong.len() == 1 { "" } else { "s" };
        wrong.push(format!("{} error{plural}{NOTHING}", wrong.len()));
        return Err(printable(&wrong.join("\n")));
    }
    let warnings = conf.warnings.iter().take(MOST_SHOWN);
    let warnings =
        warnings.map(|(line, what)| printable(&format!("{shown}:{line}: warning: {what}")));
    drivers.warnings = warnings.collect();
    let more = conf.warnings.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        drivers.warnings.push(format!("{shown}: warning: {more} more such lines"));
    }
    Ok(drivers)
}

/// The section's name and program; else its line, and why it cannot be watched.
fn usable(section: &Section) -> Result<(String, String), (usize, String)> {
    let wrong = |why: &str| Err((section.line, why.to_owned()));
    match section.driver.as_deref() {
        None | Some("") => wrong("has no `driver'"),
        Some(driver) if driver.contains('/') => wrong("has a `driver' with a `/' in its name"),
        Some(driver) if ups_conf::socket_name(IN_JAIL, driver, &section.name).is_none() => {
            wrong("and its `driver' are too long for the name of a socket")
        }
        Some(driver) => Ok((section.name.clone(), driver.to_owned())),
    }
}

/// What is there instead.
fn others(conf: &UpsConf, name: &str) -> String {
    let names: Vec<&str> = conf.sections.iter().map(|section| section.name.as_str()).collect();
    let shown: Vec<&str> = names.iter().take(MOST_SHOWN).copied().collect();
    let mut text = match shown.as_slice() {
        [] => return "; it has no sections at all".to_owned(),
        [one] => format!("; there is only {one}"),
        shown => format!("; there are {}", shown.join(", ")),
    };
    let more = names.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {more} more");
    }
    text + &did_you_mean(suggest(name, names.into_iter()))
}

/// Text of another's file as it may be shown.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

impl Config {
    /// The drivers that are watched.
    #[must_use]
    pub fn wanted_drivers(&self) -> Vec<Wanted> {
        let wanted = self.ups.iter().filter_map(|ups| match &ups.watch {
            Watch::Driver(driver) => {
                Some(Wanted { name: driver.name.clone(), line: ups.watch_line })
            }
            _ => None,
        });
        wanted.collect()
    }

    /// Takes over what ups.conf says of them. Where it leaves a path open, and how each cuts the load if no
    /// `kill-command` says so, is decided by what `exists`.
    pub fn take_drivers(&mut self, drivers: Drivers, exists: &dyn Fn(&Path) -> bool) {
        let homes = drivers.driver_path.as_slice();
        let usual = HOMES.iter().filter(|_| homes.is_empty()).map(Path::new);
        let homes: Vec<&Path> = homes.iter().map(PathBuf::as_path).chain(usual).collect();
        let watched = self.ups.iter_mut().filter_map(|ups| match &mut ups.watch {
            Watch::Driver(driver) => Some((driver, &mut ups.kill_command)),
            _ => None,
        });
        for ((driver, kill), (name, program)) in watched.zip(drivers.found) {
            let path = homes.iter().map(|home| home.join(&program)).find(|path| exists(path));
            if let (true, Some(path)) = (kill.is_empty(), path) {
                let words = [&path.display().to_string(), "-a", &name, "-k"];
                *kill = words.map(str::to_owned).to_vec();
            }
            (driver.name, driver.program) = (name, program);
        }
        // Where neither is there yet, the one that is made anew at each boot.
        let (run, state) = (Path::new("/run/nut"), Path::new("/var/state/ups"));
        let usual = if exists(state) && !exists(run) { state } else { run };
        self.state_path = drivers.state_path.unwrap_or_else(|| usual.to_owned());
        self.warnings.extend(drivers.warnings);
    }

    /// Goes on without ups.conf; `why`: what would have been said of it, had it stopped the start.
    pub fn without_drivers(&mut self, why: &str) {
        let lines = why.lines().filter(|line| !line.ends_with(NOTHING));
        self.warnings.extend(lines.map(|line| line.replacen(": ", ": warning: ", 1)));
    }
}

/// Why nothing can be started without it.
#[must_use]
pub fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!(
        "{}: {error}; the drivers' sockets are found by it (`ups-conf PATH' names another)\n1 error{NOTHING}",
        path.display()
    )
}
