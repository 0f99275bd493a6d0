//! The command line.

use crate::command;
use crate::faults;
use crate::lines::Change;
use lexopt::prelude::*;
use nix::errno::Errno;
use nix::libc::c_long;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
upsim: serial ports with modem lines for any program, and an init to talk to

Usage: upsim [OPTIONS] -- COMMAND [ARG]...

Runs COMMAND under a seccomp filter that hands its modem ioctls to upsim. Needs CAP_SYS_ADMIN and
CAP_SYS_PTRACE: be root, or root of a user namespace. Exits with COMMAND's status (128+N for signal N).

  --port NAME=PATH       a port; PATH becomes a symbolic link to its tty (an old link is replaced)
  --lines NAME:cts=1,... levels of the UPS's lines at the start (all 0 without it)
  --control PATH         make a FIFO there and take commands from it
  --stdin                take commands from standard input; COMMAND gets /dev/null
  --script FILE          commands with times: `+200ms CMD` after the line above, `1.5s CMD` from the start
  --log FILE             log there instead of to standard error
  --trace                log every modem call of the program too
  --initctl PATH         play init: make a FIFO there and log each request, decoded
  --icount               answer TIOCGICOUNT (without it the call fails, as on ports that do not count)
  --refuse-miwait[=ERR]  TIOCMIWAIT fails with ENOTTY (default), EINVAL or EIO on every port
  --faults CALL,...      let these calls of the programs be made to fail, by the command `fail`
  --until-gone           when COMMAND has ended wait for all that it left running; without it they
                         get SIGTERM, and SIGKILL 2 s later
  --with-parent          end as on `quit` when the process that started upsim dies
  -h, --help             this

Commands, one a line; times are like 3ms, 1.5s, 200us; several lines in one command change at once:
  set NAME cts=1 dcd=0              levels of cts, dsr, dcd, rng
  pulse NAME cts=0 3ms              there and back after so long
  bounce NAME cts=0 7 2ms           7 changes, 2 ms apart; the last one leaves cts=0
  refuse NAME on [ERR] | off        TIOCMIWAIT fails, also for who waits in it
  eio NAME on | off                 every modem call fails with EIO, also for who waits
  hangup NAME                       what has the tty open finds it dead; it can be opened again
  unplug NAME | plug NAME           EIO, hang-up and no PATH any more; and all of it back
  stop-init | start-init            init does not read its FIFO; reads it again
  close-init | open-init            init closes its end; opens it again, making the FIFO if it is gone
  unlink-init                       remove the FIFO (init keeps the old one open)
  fail PROCESS CALL ERRNO [COUNT|always] [fd=N] [arg=N]
                                    this call of the process or thread of this name fails, once or so
                                    often; only with this first and second argument
  fail off                          nothing fails any more
  mark TEXT                         a line in the log
  quit                              SIGTERM to all that runs, SIGKILL 2 s later

Log, one line each, fields separated by single spaces, first CLOCK_MONOTONIC in nanoseconds:
  NANOS NAME in cts=0 dsr=0 dcd=1 rng=0 woke=1      the UPS's lines moved; so many TIOCMIWAIT ended
  NANOS NAME out dtr=1 rts=0 by=set speed=0 clocal=1 hupcl=0
                                                    outputs were driven: by=set, bis, bic, open, close, speed
  NANOS NAME break on|off
  NANOS NAME open | close                           first or further open; last close
  NANOS NAME termios speed=9600 clocal=1 hupcl=1    one of these was changed
  NANOS NAME data 16                                bytes that the program wrote to the port
  NANOS NAME refuse ERR|off, eio on|off, hangup, unplug, plug
  NANOS NAME call get|wait|... tid=7 ...            with --trace
  NANOS init powerfail cmd=2 runlevel=- sleep=5 size=384
                                                    or powerfailnow, powerok, runlevel, setenv (env=...)
  NANOS init bogus ...                              what init would not understand
  NANOS init stop | start | close | open | unlink
  NANOS fault upsentry write EIO fd=7 tid=4711      a call failed as told by `fail`
  NANOS fault off                                   nothing fails any more
  NANOS start 4711                                  COMMAND's process id
  NANOS exit STATUS | NANOS exit signal N           COMMAND ended
  NANOS gone                                        nothing runs under the filter any more
  NANOS mark TEXT | NANOS error TEXT
";

/// Words that begin a log line and so cannot name a port.
const RESERVED: [&str; 7] = ["init", "fault", "start", "exit", "gone", "mark", "error"];

/// One `--port` with its `--lines`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOption {
    /// Its name.
    pub name: String,
    /// Where its link goes.
    pub path: PathBuf,
    /// Levels at the start.
    pub lines: Change,
}

/// All options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Ports.
    pub ports: Vec<PortOption>,
    /// FIFO for commands.
    pub control: Option<PathBuf>,
    /// Commands from standard input.
    pub stdin: bool,
    /// File with commands and times.
    pub script: Option<PathBuf>,
    /// Log file.
    pub log: Option<PathBuf>,
    /// Log every call.
    pub trace: bool,
    /// init's FIFO.
    pub initctl: Option<PathBuf>,
    /// Answer TIOCGICOUNT.
    pub icount: bool,
    /// What TIOCMIWAIT fails with.
    pub refuse: Option<Errno>,
    /// Calls that can be made to fail.
    pub faults: Vec<c_long>,
    /// Wait for all that the command left.
    pub until_gone: bool,
    /// End with the parent.
    pub with_parent: bool,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

/// Parses the command line (without the program's name); `None` for `--help`.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    let mut lines: Vec<(String, Change)> = Vec::new();
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return Ok(None),
            Long("port") => options.ports.push(port(&parser.value()?.string()?)?),
            Long("lines") => lines.push(levels(&parser.value()?.string()?)?),
            Long("control") => options.control = Some(parser.value()?.into()),
            Long("stdin") => options.stdin = true,
            Long("script") => options.script = Some(parser.value()?.into()),
            Long("log") => options.log = Some(parser.value()?.into()),
            Long("trace") => options.trace = true,
            Long("initctl") => options.initctl = Some(parser.value()?.into()),
            Long("icount") => options.icount = true,
            Long("refuse-miwait") => {
                options.refuse = Some(match parser.optional_value() {
                    Some(name) => command::errno(&name.string()?)?,
                    None => command::REFUSAL,
                });
            }
            Long("faults") => options.faults.extend(faults::calls(&parser.value()?.string()?)?),
            Long("until-gone") => options.until_gone = true,
            Long("with-parent") => options.with_parent = true,
            Value(first) => {
                options.command = std::iter::once(first).chain(parser.raw_args()?).collect();
            }
            _ => return Err(word.unexpected()),
        }
    }
    if options.command.is_empty() {
        return Err("no command to run; `upsim --help` says how it is called".into());
    }
    for (name, change) in lines {
        let port = options.ports.iter_mut().find(|port| port.name == name);
        port.ok_or_else(|| format!("--lines {name}: there is no --port {name}"))?.lines = change;
    }
    Ok(Some(options))
}

fn port(word: &str) -> Result<PortOption, String> {
    let (name, path) = word.split_once('=').ok_or("--port wants NAME=PATH")?;
    if name.is_empty() || name.contains(char::is_whitespace) || RESERVED.contains(&name) {
        return Err(format!("`{name}` cannot name a port"));
    }
    Ok(PortOption { name: name.to_owned(), path: path.into(), lines: Change::default() })
}

fn levels(word: &str) -> Result<(String, Change), String> {
    let (name, levels) = word.split_once(':').ok_or("--lines wants NAME:cts=1,...")?;
    let words: Vec<&str> = levels.split(',').collect();
    Ok((name.to_owned(), command::change(&words)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Option<Options>, lexopt::Error> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_full_command_line() {
        let options = parsed(
            "--lines a:cts=1,dcd=1 --port a=/tmp/a --port b=/tmp/b --control c --stdin --script s --log l --trace \
             --initctl i --icount --faults write,read --refuse-miwait=EINVAL --until-gone --with-parent -- prog -h --port x",
        );
        let options = options.unwrap().unwrap();
        assert_eq!(options.ports.len(), 2);
        assert_eq!(options.ports[0].lines.apply(0), crate::lines::CTS | crate::lines::DCD);
        assert_eq!(options.refuse, Some(Errno::EINVAL));
        assert!(options.stdin && options.trace && options.icount);
        assert!(options.until_gone && options.with_parent);
        assert_eq!(options.faults.len(), 2);
        assert_eq!(options.command, ["prog", "-h", "--port", "x"]);
    }

    #[test]
    fn a_refusal_has_a_default() {
        assert_eq!(parsed("--refuse-miwait prog").unwrap().unwrap().refuse, Some(Errno::ENOTTY));
    }

    #[test]
    fn mistakes_are_refused() {
        for words in [
            "",
            "--port a=/x",
            "--port a prog",
            "--port init=/x prog",
            "--lines a:cts=1 prog",
            "--lines a:cts prog",
            "--refuse-miwait=EPERM prog",
            "--nonsense prog",
            "--faults execve prog",
        ] {
            assert!(parsed(words).is_err(), "{words}");
        }
        assert_eq!(parsed("--help").unwrap(), None);
    }
}
