//! `upsentry rules check` and `upsentry rules replay`: rules tried out. Files are opened with the caller's rights and
//! read without.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use nix::unistd::Uid;

use crate::config::{self, Purpose, check_rules};
use crate::notifier::reader::{self, Problem};
use crate::rules::replay::{Log, play};
use crate::rules::{Action, Effect, Engine, Program};
use crate::sys::confine;

/// A winter of records; rules are less.
const LARGEST: u64 = 256 << 20;
/// A record's times are those of a clock from then on (2001), and else seconds since its beginning.
const CLOCK: Duration = Duration::from_secs(1_000_000_000);

/// What is to be shown on both outputs, and the exit status.
#[derive(Debug, Default)]
pub struct Done {
    /// For stdout.
    pub text: String,
    /// For stderr.
    pub remarks: Vec<String>,
    /// 0: right; 2: usage, or rules that are wrong.
    pub status: u8,
}

/// `check FILE` or `replay FILE LOG`. The UPSs are those of the configuration, if one is `named`; else those of the log,
/// and without one a single UPS is meant.
///
/// # Errors
/// A file cannot be read, or is no log: the exit status is 1.
pub fn run(words: &[PathBuf], named: Option<&Path>) -> Result<Done, String> {
    let (rules, log) = match words {
        [word, rules] if word == Path::new("check") => (rules, None),
        [word, rules, log] if word == Path::new("replay") => (rules, Some(log)),
        _ => {
            return Ok(Done {
                remarks: vec!["upsentry: rules check FILE, or rules replay FILE LOG".to_owned()],
                status: 2,
                ..Done::default()
            });
        }
    };
    let mut ups = Vec::new();
    if let Some(path) = named {
        match reader::load(&config::find(Some(path)), Purpose::Test) {
            Ok(config) => ups.extend(config.ups.into_iter().map(|ups| ups.name)),
            Err(Problem::Faulty(why) | Problem::Unconfigured(why)) => {
                return Ok(Done {
                    remarks: vec![why.trim_end().to_owned()],
                    status: 2,
                    ..Done::default()
                });
            }
            Err(Problem::Failed(why)) => return Err(why),
        }
    }
    let open = |path: &Path| {
        let opened = config::open_plain(path);
        opened.map(|(file, _)| file).map_err(|error| format!("{}: {error}", path.display()))
    };
    let files = (open(rules)?, log.map(|log| open(log)).transpose()?);
    if Uid::effective().is_root() {
        // Whoever wrote these files need not be root.
        use std::os::fd::AsRawFd as _;
        let fds = [Some(files.0.as_raw_fd()), files.1.as_ref().map(|file| file.as_raw_fd())];
        confine::to_nobody(&fds.into_iter().flatten().collect::<Vec<_>>())?;
    }
    let text = read(rules, files.0)?;
    match log.zip(files.1) {
        Some((path, file)) => replayed((rules, &text), (path, &read(path, file)?), &ups),
        None => {
            if ups.is_empty() {
                ups.push("ups".to_owned());
            }
            Ok(checked(rules, &text, &ups))
        }
    }
}

fn read(path: &Path, file: File) -> Result<String, String> {
    let mut bytes = Vec::new();
    let said = |why: &str| format!("{}: {why}", path.display());
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| said(&error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(said("over 256 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| said("not UTF-8"))
}

/// What `check` says of the text of a file.
pub fn checked(path: &Path, text: &str, ups: &[String]) -> Done {
    match check_rules(path, text, ups) {
        Ok((program, remarks)) => {
            let (rules, variables) = (program.rules().len(), program.variables().len());
            let text = format!(
                "{}: {rules} rules, {variables} variables, {} timers",
                path.display(),
                program.timers().len()
            );
            Done { text, remarks, status: 0 }
        }
        Err(failure) => Done { remarks: vec![failure.to_string()], status: 2, ..Done::default() },
    }
}

/// What `replay` says of rules and a log; the UPSs are those of the log where none are given.
///
/// # Errors
/// It is no log.
pub fn replayed(
    (path, text): (&Path, &str),
    (log_path, log): (&Path, &str),
    ups: &[String],
) -> Result<Done, String> {
    let log = Log::read(log, ups)
        .map_err(|(line, why)| format!("{}:{line}: {why}", log_path.display()))?;
    let (program, remarks) = match check_rules(path, text, &log.ups) {
        Ok(all) => all,
        Err(failure) => {
            return Ok(Done { remarks: vec![failure.to_string()], status: 2, ..Done::default() });
        }
    };
    let mut text = String::new();
    let mut act = |at, effect| {
        let _ = writeln!(text, "{} {}", time(at), Shown(&program, effect));
    };
    let (engine, end) = play(&program, &log, &mut act).ok_or_else(|| {
        format!("{}: rules start timers without end in the time of this log", path.display())
    })?;
    after(&program, &engine, end, &log.ups, &mut text);
    Ok(Done { text, remarks, status: 0 })
}

/// What was left when the log ended.
fn after(program: &Program, engine: &Engine<'_>, end: Duration, ups: &[String], text: &mut String) {
    let _ = writeln!(text, "{} the log ends", time(end));
    for (timer, number) in program.timers().iter().zip(0..) {
        if let Some(at) = engine.timer(number) {
            let _ = writeln!(text, "  timer {} would end at {}", timer.name, time(at));
        }
    }
    for (rule, number) in program.rules().iter().zip(0..) {
        if let Some(why) = engine.why(number) {
            let of = why.ups().and_then(|ups_| ups.get(usize::from(ups_)));
            let of = of.map_or(String::new(), |ups| format!("{ups}."));
            let _ = writeln!(text, "  {} is unknown: {of}{why}", rule.name);
        }
    }
}

/// Of a clock as UTC, else seconds.
fn time(at: Duration) -> String {
    match UNIX_EPOCH.checked_add(at) {
        // Four digits of a year.
        Some(clock) if at >= CLOCK && at.as_secs() < 253_402_300_800 => {
            humantime::format_rfc3339_millis(clock).to_string()
        }
        _ => format!("{}.{:03}", at.as_secs(), at.subsec_millis()),
    }
}

/// What a rule does, in the words of the language.
struct Shown<'a>(&'a Program, Effect);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Shown(program, effect) = self;
        let (number, what) = match *effect {
            Effect::Shutdown { rule } => (rule, "shutdown".to_owned()),
            Effect::Low { rule, on: true } => (rule, "low".to_owned()),
            Effect::Low { rule, on: false } => (rule, "low ends".to_owned()),
            Effect::Notify { rule, action } | Effect::Log { rule, action } => {
                let what = match program.rules().get(rule).and_then(|rule| rule.action(action)) {
                    Some(Action::Notify(text)) => format!("notify \"{text}\""),
                    Some(Action::Log(text)) => format!("log \"{text}\""),
                    _ => String::new(),
                };
                (rule, what)
            }
        };
        let name = program.rules().get(number).map_or("", |rule| rule.name.as_str());
        write!(f, "{name}: {what}")
    }
}
