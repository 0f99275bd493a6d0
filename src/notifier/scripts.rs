//! What init runs for the words that it is told, by its inittab, and what is wrong with that: for `check`, and at
//! the start for the log. Runs with no right that anybody lacks; of what only root may read the file comes open.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::config::route::{Init, Route};
use crate::config::{self, Action, Via};
use crate::notifier::reader::{self, Problem};
use crate::sysvinit::inittab::{Entry, Program, Table};
use crate::sysvinit::runlevel;

/// Where init reads what to run.
pub const INITTAB: &str = "/etc/inittab";
/// More of it, for init since 2.97, in files of this ending.
const MORE: (&str, &str) = ("/etc/inittab.d", "tab");
/// So many of those are looked at.
const MOST_FILES: usize = 64;
/// Where init looks for a program without a path.
const PATH: [&str; 4] = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"];

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// It will not work, else it may not.
    pub(super) error: bool,
    /// File and line.
    pub(super) place: String,
    pub(super) text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.error { "error" } else { "warning" };
        write!(f, "{}: {kind}: {}", self.place, self.text)
    }
}

/// A line, and the file that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Line {
    file: String,
    pub(super) entry: Entry,
}

impl Line {
    /// As `FILE:LINE`.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file, self.entry.line)
    }

    /// The same, as short as it can be told.
    pub(super) fn short(&self) -> String {
        let file = Path::new(&self.file).file_name().unwrap_or_default();
        format!("{} {}", file.to_string_lossy(), self.entry.line)
    }

    fn remark(&self, error: bool, text: String) -> Remark {
        Remark { error, place: self.place(), text }
    }
}

/// Init's inittab, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    lines: Vec<Line>,
    /// Of files, not of what init would do.
    remarks: Vec<Remark>,
    /// Some of it could not be read: what is missing may stand there.
    unread: bool,
    /// There is none.
    absent: bool,
    /// The runlevel that counts.
    level: Option<char>,
}

impl Scripts {
    /// Reads all of it, `first` being the open [`INITTAB`].
    pub(super) fn look(first: io::Result<File>) -> Scripts {
        let mut scripts = Scripts::default();
        scripts.read(INITTAB, first);
        let (directory, ending) = MORE;
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_FILES) {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == ending) {
                scripts.read(
                    &path.display().to_string(),
                    config::open_plain(&path).map(|(file, _)| file),
                );
            }
        }
        scripts.level = current().or_else(|| {
            let default = scripts.lines.iter().find(|line| line.entry.action == "initdefault");
            default.and_then(|line| line.entry.levels.chars().max())
        });
        scripts
    }

    fn read(&mut self, path: &str, file: io::Result<File>) {
        let table = file.map_err(|error| (error.kind(), error.to_string())).and_then(|file| {
            let read = |file| config::text(Path::new(path), file).map(|bytes| Table::read(&bytes));
            reader::apart(Path::new(path), file, read).map_err(|problem| match problem {
                Problem::Faulty(why) | Problem::Unconfigured(why) | Problem::Failed(why) => {
                    (ErrorKind::Other, why)
                }
            })
        });
        match table {
            Ok(Table { entries, refused }) => {
                let file = path.to_owned();
                self.lines
                    .extend(entries.into_iter().map(|entry| Line { file: file.clone(), entry }));
                self.remarks.extend(refused.into_iter().map(|(line, why)| Remark {
                    error: false,
                    place: format!("{path}:{line}"),
                    text: format!("init leaves this line out: it {why}"),
                }));
            }
            Err((ErrorKind::NotFound, _)) => self.absent |= path == INITTAB,
            Err((kind, why)) => {
                self.unread = true;
                self.remarks.push(Remark {
                    // `check` may be run by anybody.
                    error: kind != ErrorKind::PermissionDenied,
                    place: path.to_owned(),
                    text: format!("{why}: what init runs is not known"),
                });
            }
        }
    }

    /// The lines that init runs for a word, in its order.
    pub(super) fn of(&self, action: Action) -> impl Iterator<Item = &Line> {
        self.any(words(action))
            .filter(|line| self.level.is_none_or(|level| line.entry.is_in(level)))
    }

    /// The lines that have init start what it runs again when it ends.
    pub(super) fn respawned(&self) -> impl Iterator<Item = &Line> {
        self.any(&["respawn"])
    }

    fn any(&self, actions: &'static [&'static str]) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| actions.contains(&line.entry.action.as_str()))
    }

    /// What will not come true of what init is told on this route.
    pub(super) fn remarks(&self, init: &Init, route: &Route) -> Vec<Remark> {
        let told = [Action::Fail, Action::Ok, Action::Low];
        let told = told.into_iter().filter(|action| route.actions.all().contains(action));
        let told: Vec<Action> = told.collect();
        // What is no inittab of process 1 says nothing.
        let sysvinit = init.name == "init" && !init.systemd;
        if told.is_empty() || (self.absent && !sysvinit) {
            return Vec::new();
        }
        let mut said = self.remarks.clone();
        if self.absent {
            said.push(Remark {
                // Who reads the FIFO is sysvinit; who takes a signal may be another.
                error: route.via == Via::Initctl,
                place: INITTAB.to_owned(),
                text: "is not there: init would do nothing".to_owned(),
            });
            return said;
        }
        for action in &told {
            said.extend(self.missing(*action));
            said.extend(self.of(*action).filter_map(|line| program(line, Some(*action))));
        }
        let blocking = self.of(Action::Fail).filter(|line| line.entry.action == "powerwait");
        said.extend(blocking.map(|line| {
            let text = "powerwait: init starts nothing else while this runs, not even the line for low; write powerfail";
            line.remark(false, text.to_owned())
        }));
        said.extend(self.disorder(&told));
        if !sysvinit {
            said.iter_mut().for_each(|remark| remark.error = false);
        }
        said
    }

    /// That no line is for this word.
    fn missing(&self, action: Action) -> Option<Remark> {
        if self.unread || self.of(action).next().is_some() {
            return None;
        }
        let wanted = words(action).join(" or ");
        let text = match (self.any(words(action)).next(), self.level) {
            (Some(_), Some(level)) => format!("no {wanted} line for runlevel {level}"),
            _ => format!("no {wanted} line"),
        };
        let text = format!("{text}: init would do nothing {}", when(action));
        Some(Remark { error: true, place: INITTAB.to_owned(), text })
    }

    /// Of words that come while init waits for a script it runs the lines in the order of the file, so what stands
    /// before the line for on battery is undone by that.
    fn disorder(&self, told: &[Action]) -> Option<Remark> {
        let place = |action| {
            let wanted = |line: &Line| {
                told.contains(&action) && words(action).contains(&line.entry.action.as_str())
            };
            self.lines.iter().position(wanted)
        };
        let fail = place(Action::Fail)?;
        let before = [Action::Ok, Action::Low].into_iter();
        let before = before.filter_map(place).filter(|other| *other < fail).min()?;
        let (line, last) = (self.lines.get(before)?, self.lines.get(fail)?);
        let action = &line.entry.action;
        Some(line.remark(
            false,
            format!(
                "{action} stands before {} ({}): of what comes together init runs the lines in their order, so the last one would be wrong; write fail, ok, low",
                last.entry.action,
                last.short()
            ),
        ))
    }
}

/// The runlevel that the machine is in, if that is one to stay in.
fn current() -> Option<char> {
    let mut title = Vec::new();
    let most = u64::try_from(runlevel::LONGEST).unwrap_or(0);
    File::open("/proc/1/cmdline").ok()?.take(most).read_to_end(&mut title).ok()?;
    runlevel::of_title(&title).map(char::from).filter(|level| ('1'..='5').contains(level))
}

/// The lines that init runs for it.
fn words(action: Action) -> &'static [&'static str] {
    match action {
        Action::Ok => &["powerokwait"],
        Action::Fail => &["powerfail", "powerwait"],
        Action::Low => &["powerfailnow"],
        Action::None | Action::Runlevel(_) | Action::Halt => &[],
    }
}

fn when(action: Action) -> &'static str {
    match action {
        Action::Ok => "when the mains returns",
        Action::Fail => "when the mains fails",
        _ => "when the battery is low",
    }
}

/// What is wrong with what a line runs.
pub(super) fn program(line: &Line, action: Option<Action>) -> Option<Remark> {
    let so =
        action.map_or(String::new(), |action| format!(": init would do nothing {}", when(action)));
    let name = match line.entry.program() {
        Program::Named(name) => name,
        Program::Shell => return None,
        Program::Nothing => return Some(line.remark(true, format!("names no program{so}"))),
    };
    let error = |text: String| Some(line.remark(true, text));
    let shown: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let path = match name.contains('/') {
        // Relative to init's directory.
        true => Some(Path::new("/").join(name)),
        false => PATH.iter().map(|path| Path::new(path).join(name)).find(|path| path.exists()),
    };
    let Some(path) = path else {
        return error(format!("{shown} is in no directory of init's{so}"));
    };
    match std::fs::metadata(&path) {
        Err(wrong) if matches!(wrong.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            error(format!("{shown} is not there{so}"))
        }
        Err(wrong) => Some(line.remark(false, format!("{shown} cannot be seen: {wrong}"))),
        Ok(meta) if !meta.is_file() => error(format!("{shown} is not a program{so}")),
        Ok(meta) if meta.mode() & 0o111 == 0 => error(format!("{shown} is not executable{so}")),
        Ok(meta) if meta.uid() != 0 || meta.mode() & 0o022 != 0 => error(format!(
            "{shown} is run by init as root, so it must be root's, and nobody else may write to it"
        )),
        Ok(_) => None,
    }
}

#[cfg(test)]
#[path = "scripts_tests.rs"]
mod tests;
