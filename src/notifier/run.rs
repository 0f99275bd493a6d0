//! One run of the notify command: its words, its start, what it prints, and its end.

use core::fmt;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, execve, pipe2, setsid};

use crate::config::Occasion;
use crate::history::view::length;
use crate::notifier::logging::{WARNING, pass_on};
use crate::notifier::queue::Record;
use crate::sys::{confine, process, raw};

/// A run that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of a line of its output that are logged.
const WIDE: usize = 160;
/// Lines that are logged.
const LINES: u32 = 20;
/// Bytes that are read; then its output is closed.
const BYTES: usize = 64 << 10;

/// The severity of what a command prints.
const INFO: u8 = 6;

/// Logs under the tag of the notify hook.
pub(super) fn report(severity: u8, line: fmt::Arguments<'_>) {
    pass_on(severity, "ijklmnop", line);
}

/// Whom an event is about, by the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// The UPS; empty: the machine.
    pub(super) ups: &'a str,
    /// Name and text of the rule; empty: none.
    pub(super) rule: (&'a str, &'a str),
}

/// A command that runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) occasion: Occasion,
    pub(super) child: Pid,
    /// When it is killed; `None`: it was.
    pub(super) until: Option<Duration>,
    /// Its standard output and error; `None`: closed.
    pub(super) output: Option<OwnedFd>,
    /// Event and UPS, for the log.
    what: String,
    line: Vec<u8>,
    lines: u32,
    read: usize,
}

impl Run {
    /// Starts the command for an event.
    ///
    /// # Errors
    /// Too many processes; no memory.
    pub(super) fn start(
        command: &[CString],
        record: &Record,
        about: About<'_>,
        now: Duration,
    ) -> Result<Run, String> {
        let failed = |error: nix::Error| error.desc().to_owned();
        let (argv, environment) = words(command, record, about);
        let (output, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
        let child = match raw::fork().map_err(failed)? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => exec(&argv, &environment, &theirs),
        };
        Ok(Run {
            occasion: record.occasion,
            child,
            until: Some(now.saturating_add(LIMIT)),
            output: Some(output),
            what: format!("{} {}{}", record.occasion.word(), about.ups, about.rule.0)
                .trim_end()
                .to_owned(),
            line: Vec::with_capacity(WIDE),
            lines: 0,
            read: 0,
        })
    }

    /// Logs what it printed, as far as there is room for it.
    pub(super) fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Some(output) = &self.output {
            match process::read_some(output.as_fd(), &mut buffer) {
                Ok(None) => return,
                Ok(Some(length)) if length > 0 && self.read < BYTES => {
                    self.read = self.read.saturating_add(length);
                    for byte in buffer.iter().take(length) {
                        self.printed(*byte);
                    }
                }
                // What goes on is told so by SIGPIPE.
                _ => self.output = None,
            }
        }
    }

    fn printed(&mut self, byte: u8) {
        if byte == b'\n' || self.line.len() >= WIDE {
            self.end_line();
        }
        if byte != b'\n' {
            self.line.push(if (0x20..0x7f).contains(&byte) { byte } else { b'?' });
        }
    }

    fn end_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        if self.lines < LINES {
            let text = core::str::from_utf8(&self.line).unwrap_or_default();
            report(INFO, format_args!("{}: {text}", self.what));
        }
        self.lines = self.lines.saturating_add(1);
        self.line.clear();
    }

    /// Kills it once its time is over.
    pub(super) fn limit(&mut self, now: Duration) {
        if self.until.take_if(|until| now >= *until).is_some() {
            let (what, limit) = (&self.what, LIMIT.as_secs());
            report(WARNING, format_args!("{what}: the command was killed after {limit}s"));
            self.kill();
        }
    }

    /// Kills it and its group.
    pub(super) fn kill(&self) {
        // Nothing to kill is as good.
        let _ = killpg(self.child, Signal::SIGKILL);
    }

    /// It has ended so.
    pub(super) fn finish(&mut self, status: WaitStatus) {
        self.listen();
        self.end_line();
        let what = &self.what;
        if let Some(more) = self.lines.checked_sub(LINES).filter(|more| *more > 0) {
            report(INFO, format_args!("{what}: {more} more lines are not shown"));
        }
        match status {
            WaitStatus::Exited(_, 0) => {}
            WaitStatus::Exited(_, 127) => {
                report(WARNING, format_args!("{what}: the command cannot be executed"));
            }
            WaitStatus::Exited(_, status) => {
                report(WARNING, format_args!("{what}: the command failed with status {status}"));
            }
            WaitStatus::Signaled(_, signal, _) if self.until.is_some() => {
                report(WARNING, format_args!("{what}: the command died of {signal}"));
            }
            _ => {}
        }
    }
}

/// Becomes the command, with a clean environment, and nothing open but 0 to 2.
fn exec(argv: &[CString], environment: &[CString], output: &OwnedFd) -> ! {
    // Without its own domain it could signal the process that watches it; without its output nobody would know.
    let ready = nix::unistd::dup2_stdout(output).is_ok()
        && nix::unistd::dup2_stderr(output).is_ok()
        && confine::signal_none().is_ok()
        && raw::close_on_exec_above_2().is_ok();
    let _ = setsid();
    let _ = raw::default_signal(Signal::SIGPIPE);
    let _ = process::unblock_signals();
    let _ = argv.first().filter(|_| ready).map(|path| execve(path, argv, environment));
    raw::exit(127)
}

/// Arguments and environment for an event.
fn words(command: &[CString], record: &Record, about: About<'_>) -> (Vec<CString>, Vec<CString>) {
    let About { ups, rule: (rule, said) } = about;
    let text = match record.occasion {
        Occasion::Notice => said.to_owned(),
        _ => text(record, ups),
    };
    let event = record.occasion.word();
    let lasted = record.lasted.map_or(String::new(), |seconds| seconds.to_string());
    // None of these can hold a zero byte: the file that they come from has none.
    let word = |text: String| CString::new(text).unwrap_or_default();
    let known = [
        ("UPSENTRY_EVENT", event),
        ("UPSENTRY_UPS", ups),
        ("UPSENTRY_TEXT", &text),
        ("UPSENTRY_DURATION", &lasted),
    ];
    let fixed = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C"];
    let known = known.map(|(name, value)| (value, format!("{name}={value}")));
    let arguments = known.iter().map(|(value, _)| word((*value).to_owned()));
    let argv = command.iter().cloned().chain(arguments).collect();
    let set = known.iter().filter(|(value, _)| !value.is_empty());
    let rule = (!rule.is_empty()).then(|| word(format!("UPSENTRY_RULE={rule}")));
    let environment = fixed.iter().map(|text| word((*text).to_owned()));
    (argv, environment.chain(set.map(|(_, pair)| word(pair.clone()))).chain(rule).collect())
}

/// What happened, in a sentence.
pub(super) fn text(record: &Record, ups: &str) -> String {
    let after = |before: &str, words: &str| {
        let lasted = record.lasted.map(|seconds| length(seconds.into()));
        lasted.map_or(String::new(), |lasted| format!("{before} {lasted}{words}"))
    };
    match record.occasion {
        Occasion::Fail => format!("UPS {ups} is on battery"),
        Occasion::Ok => format!("UPS {ups} is back on mains{}", after(" after", " on battery")),
        Occasion::Low => {
            format!("the battery of UPS {ups} is low{}", after(", after", " on battery"))
        }
        Occasion::Shutdown => {
            format!("this machine goes down, for UPS {ups}{}", after(", after", " on battery"))
        }
        Occasion::Lost => format!("contact with UPS {ups} is lost"),
        Occasion::Found => format!("UPS {ups} is in contact again{}", after(" after", "")),
        Occasion::StartedAfterOutage => {
            let told = record.told.map_or(String::new(), |(word, ago)| {
                format!("; init was told {}, {} ago", word.text(), length(ago.into()))
            });
            let ups = if ups.is_empty() { String::new() } else { format!(" of UPS {ups}") };
            format!("started again after an outage{ups}{}{told}", after(":", " on battery"))
        }
        Occasion::ReplaceBattery => format!("UPS {ups} wants a new battery"),
        // The rule's own text.
        Occasion::Notice => String::new(),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
