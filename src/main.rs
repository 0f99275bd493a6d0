//! The command line, nothing else.

mod idle;
mod plan;

use std::ffi::CString;
use std::io::IsTerminal as _;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, Uid, getppid};
use upsentry::config::{self, Config, Purpose, cables};
use upsentry::import::Source;
use upsentry::monitor::{self, Line, power};
use upsentry::notifier::reader::{self, Problem};
use upsentry::notifier::scripts::INITTAB;
use upsentry::notifier::via::Init;
use upsentry::notifier::{
    self, Mode, before, check, import, keygen, kill, kill_wait, past, port, resolver, rules,
};
use upsentry::nut::tls;
use upsentry::status::check::UNKNOWN;
use upsentry::status::command;
use upsentry::sys::confine;
use upsentry::sys::supervisor::Named;
use upsentry::sys::text::{complain, show};
use upsentry::sys::{process, raw};

const HELP: &str = "\
upsentry watches a UPS and tells init when the mains fails, returns, or the battery runs low.
No process of it keeps root.

Usage: upsentry [OPTIONS] [COMMAND]

Commands:
  (none)        run the daemon; returns when every UPS has given its first state
  test, -t      show the lines and what they mean, a row per change; acts on nothing
  kill, -k      if on battery: send the UPS the signal that cuts the load (needs root; for the
                last script of a halt); exit 0 sent, 1 failed, 3 mains is on or no line to drive,
                4 slaves may still need the power
  kill --wait   what a kill hook runs: by the cause of the halt and the lines, exit 0 to turn the
                machine off, 5 to reboot it; else it stays, and sends the signal each 30 seconds
  status        what is watched and since when, what init was told, slaves or masters and their
                ages; exit 0 shown, 1 the daemon cannot be reached
  history       the outages of the past: when, how long, what init was told, how they ended
  check         what upsentry would do, as whom, via what, and what is doubtful
  models        the known cables
  rules check FILE, rules replay FILE LOG
                whether FILE's rules are right; what they would have done on a recorded LOG (of
                status --watch --record, or NUT's dummy-ups) and when; -c names the UPSs
  keygen [FILE] a new key for a master and its slaves (default /etc/upsentry.key)
  import-upsmon, import-apcupsd, import-ups-conf [FILE]
                what that program's FILE (default: where it keeps it) says, as an upsentry.conf, and
                a remark on each line of it that has no equivalent

Options:
  -c FILE       configuration (default /etc/upsentry.conf, else /etc/powstatd.conf)
  -f            stay in the foreground, for init or a supervisor that restarts it
  --log WHERE   stderr or syslog (default: stderr with -f on a terminal, but syslog under init)
  --wait        with kill: see there
  --json        history or status as JSON
  --record      with --watch: a line for each change of a value, for rules replay
  --watch       status again at each change, until ^C
  --prometheus  status as Prometheus' text format
  --check       status in one line; exit 0 mains, 1 battery, 2 low, 3 unknown or not running
  --socket PATH status: the socket to ask at (default: status-socket of the configuration)
  -h, --help    this text
  -V, --version

Exit: 2 usage or configuration; 1 a device, FIFO, user, key file or port. upsentry(8), upsentry.conf(5).";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Run,
    Test,
    Kill,
    Check,
    Models,
    History,
    Status,
    Keygen,
    Import(Source),
    Rules,
    Help,
    Version,
}

impl Command {
    /// Words that may follow it.
    fn words(self) -> usize {
        match self {
            Command::Rules => 3,
            Command::Keygen | Command::Import(_) => 1,
            _ => 0,
        }
    }
}

#[derive(Debug)]
struct Arguments {
    command: Command,
    file: Option<PathBuf>,
    /// What follows `rules`; the file of a key, or to import.
    words: Vec<PathBuf>,
    foreground: bool,
    /// Who started it, where that is a supervisor of systemd's protocol.
    supervisor: Option<Named>,
    log: Option<bool>,
    json: bool,
    /// With kill.
    wait: bool,
    status: command::Flags,
}

impl Arguments {
    /// Sets an option without a value; false: there is none of this name.
    fn set(&mut self, name: &str) -> bool {
        let flag = match name {
            "json" => &mut self.json,
            "wait" => &mut self.wait,
            name => return self.status.set(name),
        };
        *flag = true;
        true
    }
}

pub(crate) fn main() -> ExitCode {
    // Nothing that the caller left open or said may reach the jail or the halt command.
    raw::close_inherited();
    let supervisor = Named::find();
    raw::forget_environment();
    // Children are waited for. It cannot fail: the signal exists.
    let _ = raw::default_signal(Signal::SIGCHLD);
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word.as_bytes() == resolver::COMMAND.to_bytes())
    {
        return ExitCode::from(resolver::main());
    }
    let arguments = match parse(lexopt::Parser::from_env()) {
        Ok(arguments) => Arguments { supervisor, ..arguments },
        Err(error) => {
            complain(format_args!("upsentry: {error}; see upsentry --help"));
            return ExitCode::from(2);
        }
    };
    let status = match arguments.command {
        Command::Help => print(HELP),
        Command::Version => print(concat!("upsentry ", env!("CARGO_PKG_VERSION"))),
        Command::Status => status(&arguments),
        Command::Models => print(cables::list().trim_end()),
        Command::Keygen => keygen(&arguments),
        Command::Rules => try_rules(&arguments),
        Command::Import(source) => import(source, &arguments),
        command => with_config(command, &arguments),
    };
    if status != 0 && arguments.command == Command::Run {
        std::thread::sleep(linger(&arguments));
    }
    ExitCode::from(status)
}

/// Sysvinit switches a respawn line off for five minutes if what it starts ends too often.
fn linger(arguments: &Arguments) -> Duration {
    if under_init(arguments) { Duration::from_secs(15) } else { Duration::ZERO }
}

/// A respawn line of init's has started this, and would again.
fn under_init(arguments: &Arguments) -> bool {
    // Systemd is process 1, too, but no sysvinit.
    arguments.foreground && arguments.supervisor.is_none() && getppid() == Pid::from_raw(1)
}

fn parse(mut parser: lexopt::Parser) -> Result<Arguments, lexopt::Error> {
    let mut arguments = Arguments {
        command: Command::Run,
        file: None,
        words: Vec::new(),
        foreground: false,
        supervisor: None,
        log: None,
        json: false,
        wait: false,
        status: command::Flags::default(),
    };
    let mut named = false;
    while let Some(argument) = parser.next()? {
        let command = match argument {
            Short('c') => {
                arguments.file = Some(parser.value()?.into());
                continue;
            }
            Short('f') => {
                arguments.foreground = true;
                continue;
            }
            Long("log") => {
                let value = parser.value()?;
                arguments.log = Some(match value.to_str() {
                    Some("stderr") => true,
                    Some("syslog") => false,
                    _ => return Err("--log takes stderr or syslog".into()),
                });
                continue;
            }
            Long("socket") => {
                arguments.status.socket = Some(parser.value()?.into());
                continue;
            }
            Long(name) if arguments.set(name) => continue,
            Short('h') | Long("help") => Command::Help,
            Short('V') | Long("version") => Command::Version,
            Short('t') => Command::Test,
            Short('k') => Command::Kill,
            Value(word) if arguments.words.len() < arguments.command.words() => {
                arguments.words.push(word.into());
                continue;
            }
            Value(ref word) => named_command(word).ok_or_else(|| argument.unexpected())??,
            _ => return Err(argument.unexpected()),
        };
        if named && arguments.command != command {
            return Err("only one command at a time".into());
        }
        (arguments.command, named) = (command, true);
    }
    agree(&arguments)?;
    Ok(arguments)
}

/// The command of a word; `None`: it is none.
fn named_command(word: &std::ffi::OsStr) -> Option<Result<Command, lexopt::Error>> {
    Some(Ok(match word.to_str()? {
        "test" => Command::Test,
        "kill" => Command::Kill,
        "check" => Command::Check,
        "models" => Command::Models,
        "history" => Command::History,
        "help" => Command::Help,
        "status" => Command::Status,
        "keygen" => Command::Keygen,
        "rules" => Command::Rules,
        word => Command::Import(Source::ALL.into_iter().find(|source| source.command() == word)?),
    }))
}

fn agree(arguments: &Arguments) -> Result<(), &'static str> {
    match arguments.command {
        Command::Status => arguments.status.form(arguments.json).map(drop),
        _ if arguments.status.any() => {
            Err("--socket, --watch, --record, --check and --prometheus go with status")
        }
        _ if arguments.wait && arguments.command != Command::Kill => Err("--wait goes with kill"),
        Command::History => Ok(()),
        _ if arguments.json => Err("--json goes with history and status"),
        _ => Ok(()),
    }
}

/// Of the configuration it needs only the socket's path; who may not read it asks at the usual place.
fn status(arguments: &Arguments) -> u8 {
    let flags = &arguments.status;
    let form = flags.form(arguments.json).unwrap_or_default();
    let configured = || match reader::load(&config::find(arguments.file.as_deref()), Purpose::Test)
    {
        Ok(config) => config.status_socket.map(|socket| socket.path).ok_or_else(|| {
            format!("{}: status-socket none: nothing to ask", config.path.display())
        }),
        Err(Problem::Faulty(error) | Problem::Failed(error) | Problem::Unconfigured(error))
            if arguments.file.is_some() =>
        {
            Err(error)
        }
        Err(_) => Ok(PathBuf::from(command::DEFAULT)),
    };
    match flags.socket.clone().map_or_else(configured, Ok) {
        Ok(socket) => command::run(&command::Wanted { socket, form, watch: flags.watch }),
        Err(error) => {
            complain(format_args!("{}", error.trim_end()));
            if form == command::Form::Check { UNKNOWN } else { 2 }
        }
    }
}

fn keygen(arguments: &Arguments) -> u8 {
    let path =
        arguments.words.first().map(PathBuf::as_path).unwrap_or(Path::new("/etc/upsentry.key"));
    match keygen::make(path) {
        Ok(text) => print(&text),
        Err(error) => {
            complain(format_args!("upsentry: {error}"));
            1
        }
    }
}

fn try_rules(arguments: &Arguments) -> u8 {
    match rules::run(&arguments.words, arguments.file.as_deref()) {
        Ok(done) => {
            if !done.text.is_empty() {
                print(done.text.trim_end());
            }
            done.remarks.iter().for_each(|remark| complain(format_args!("{remark}")));
            done.status
        }
        Err(error) => {
            complain(format_args!("upsentry: {error}"));
            1
        }
    }
}

fn import(source: Source, arguments: &Arguments) -> u8 {
    let path = arguments.words.first().map(PathBuf::as_path).unwrap_or(Path::new(source.path()));
    match import::make(source, path) {
        Ok((text, refused)) => {
            print(text.trim_end());
            for error in &refused {
                complain(format_args!("upsentry: {}: {error}", source.command()));
            }
            u8::from(!refused.is_empty())
        }
        Err(error) => {
            complain(format_args!("upsentry: {error}"));
            1
        }
    }
}

fn print(text: &str) -> u8 {
    // A reader that has seen enough (head) is no failure.
    show(format_args!("{text}"));
    0
}

fn with_config(command: Command, arguments: &Arguments) -> u8 {
    let path = config::find(arguments.file.as_deref());
    let purpose = match command {
        // Both need little of the file.
        Command::Test | Command::History => Purpose::Test,
        Command::Kill => Purpose::Kill,
        _ => Purpose::Run,
    };
    let written = idle::Written::of(&path);
    let mut config = match reader::load(&path, purpose) {
        Ok(config) => config,
        Err(Problem::Faulty(message)) => {
            complain(format_args!("{}", message.trim_end()));
            let last_act = command == Command::Kill && arguments.wait;
            return if last_act { kill_wait::blindly(2) } else { 2 };
        }
        Err(Problem::Unconfigured(message)) => {
            complain(format_args!("{}", message.trim_end()));
            let powstatd = Path::new("/etc/powstatd.conf");
            if arguments.file.is_none() && powstatd.exists() {
                let (own, old) = (path.display(), powstatd.display());
                complain(format_args!("{own}: remove it, or {old} is not read"));
            }
            if command == Command::Run && under_init(arguments) {
                complain(format_args!("upsentry: waiting for {}", path.display()));
                written.wait(&path, || config::find(arguments.file.as_deref()) == path);
                return 0;
            }
            return 2;
        }
        Err(Problem::Failed(message)) => {
            complain(format_args!("upsentry: {message}"));
            return 1;
        }
    };
    let done = match command {
        Command::Check => Ok(checked(&config)),
        Command::Test => test(&config),
        Command::History => {
            past::show(&config.history_file, arguments.json).map(|text| print(&text))
        }
        Command::Kill => {
            // Of ups.conf: why a driver may not be found.
            config.warnings.iter().for_each(|warning| complain(format_args!("{warning}")));
            if arguments.wait { kill_wait::run(&config) } else { kill::run(&config) }
        }
        _ => daemon(&mut config, arguments),
    };
    done.unwrap_or_else(|message| {
        complain(format_args!("upsentry: {message}"));
        1
    })
}

fn checked(config: &Config) -> u8 {
    let report = check::report(config);
    print(report.screen.trim_end());
    for remark in &report.remarks {
        complain(format_args!("{remark}"));
    }
    report.status
}

fn daemon(config: &mut Config, arguments: &Arguments) -> Result<u8, String> {
    if under_init(arguments) && idle::while_stopped(&config.pid_file.with_extension("stop")) {
        // What the configuration says may have changed meanwhile.
        return Ok(0);
    }
    // What the caller ignores (nohup, a shell's &) the commands that we run would ignore, too.
    // Three are std's; two the kernel keeps to itself, and refuses.
    let std = [Signal::SIGPIPE, Signal::SIGSEGV, Signal::SIGBUS];
    for signal in Signal::iterator().filter(|signal| !std.contains(signal)) {
        let _ = raw::default_signal(signal);
    }
    if config.speaks_tls() && tls::maker().is_none() {
        return Err(become_tls(arguments));
    }
    // Init gives what it runs its console, which is a terminal, too.
    let terminal = std::io::stderr().is_terminal() && !under_init(arguments);
    let mode = Mode {
        foreground: arguments.foreground,
        log_stderr: arguments.log.unwrap_or(arguments.foreground && terminal),
        linger: linger(arguments),
        // Without -f this is not the process that it waits for.
        supervisor: arguments
            .supervisor
            .as_ref()
            .filter(|_| arguments.foreground)
            .and_then(Named::connect),
    };
    if !config.warnings.is_empty() && !mode.log_stderr {
        for warning in &config.warnings {
            complain(format_args!("{warning}"));
        }
    }
    if Uid::effective().is_root() {
        let init = Init::look(config.initctl.as_deref());
        let inittab = config::open_plain(Path::new(INITTAB)).map(|(file, _)| file);
        let keep: Vec<RawFd> = inittab.iter().map(AsRawFd::as_raw_fd).collect();
        confine::have_nobody(&keep, || before::warn(config, &init, inittab, mode.log_stderr));
    }
    notifier::run(config, mode, plan::enter)
}

/// Runs the program that has TLS in place of this one, with the same words; returns why it could not. Who could put
/// another one in its place could replace this one.
fn become_tls(arguments: &Arguments) -> String {
    let wanted = "a `nut+tls://' server needs";
    let path = match std::env::current_exe() {
        Ok(path) => path.with_file_name(tls::PROGRAM),
        Err(error) => return format!("{wanted} {}: {error}", tls::PROGRAM),
    };
    let word = |word: &std::ffi::OsStr| CString::new(word.as_bytes());
    let words: Result<Vec<CString>, _> = std::env::args_os().map(|one| word(&one)).collect();
    let (Ok(program), Ok(words)) = (word(path.as_os_str()), words) else {
        return format!("{wanted} {}, and its name cannot be said", path.display());
    };
    let environment = arguments.supervisor.as_ref().map_or(Vec::new(), Named::environment);
    let Err(error) = nix::unistd::execve(&program, &words, &environment);
    format!("{wanted} {}, which belongs beside this program: {error}", path.display())
}

fn test(config: &Config) -> Result<u8, String> {
    let mut lines = Vec::new();
    for ups in &config.ups {
        let config::Watch::Line(path) = &ups.watch else { continue };
        let tty = port::watch(path, ups.init);
        let tty =
            tty.map_err(|problem| format!("{}: {}: {problem}", ups.name, Path::display(path)))?;
        let settings = power::Settings::new(ups, upsentry::sys::now());
        lines.push(Line { name: ups.name.clone(), tty: Some(tty), settings });
    }
    if lines.is_empty() {
        return Err("test: no line is watched here, only what others tell of".to_owned());
    }
    process::remember_id();
    confine_test(&lines)?;
    monitor::test::run(&lines, std::io::stdout().is_terminal())
}

/// What is left to do needs no right.
fn confine_test(lines: &[Line]) -> Result<(), String> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let ttys = lines.iter().filter_map(|line| line.tty.as_ref().map(|tty| tty.as_raw_fd()));
    confine::to_nobody(&ttys.collect::<Vec<_>>())
}
