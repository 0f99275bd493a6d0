//! The start: check, open, fork, confine every side; only then is the first byte of a line read.

use std::convert::Infallible;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use landlock::RulesetStatus;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{ForkResult, Gid, Uid, pipe2, setsid};

use crate::config::{Config, Via};
use crate::notifier::absent::{self, Part};
use crate::notifier::begin::{Forked, begin};
use crate::notifier::filter;
use crate::notifier::hand::Hand;
use crate::notifier::logging::{EMERG, Sink, say};
use crate::notifier::net::Net;
use crate::notifier::notify::Notify;
use crate::notifier::open::{self, History, Opened};
use crate::notifier::via::{self, Init};
use crate::sys::board::{self, Board};
use crate::sys::cage::{Cage, Reach};
use crate::sys::confine::{self, Walls};
use crate::sys::supervisor::Line;
use crate::sys::text::complain;
use crate::sys::{at, filter as seccomp, process, raw};

/// How the command line wants it.
#[derive(Debug)]
pub struct Mode {
    /// Stay in the foreground; somebody restarts us.
    pub foreground: bool,
    /// Log to stderr.
    pub log_stderr: bool,
    /// How long to wait before a failing end, so that init does not switch our line off.
    pub linger: Duration,
    /// Who wants to hear that the start is over, and that we live.
    pub supervisor: Option<Line>,
}

/// What the jail gets, one `tty` for each UPS of the configuration, in its order.
#[derive(Debug)]
pub struct Jail {
    /// The ports, opened and set; `None`: absent.
    pub ttys: Vec<Option<OwnedFd>>,
    /// On the monotonic clock, when the lines were set.
    pub set_at: Duration,
    /// Sockets, addresses and keys.
    pub net: Net,
    /// All else that it is left.
    pub cage: Cage,
}

/// Starts the daemon; returns only if that failed. The process that started it without `-f` ends once
/// every UPS has given its first state. `jail` becomes the warden.
///
/// # Errors
/// Why nothing was started; one message that says what to do.
pub fn run(config: &mut Config, mut mode: Mode, jail: Enter) -> Result<u8, String> {
    if !Uid::effective().is_root() {
        return Err(
            "must be started by root: it opens the port and init's FIFO, then gives root up"
                .to_owned(),
        );
    }
    let init = Init::look(config.initctl.as_deref());
    let route = match via::route(config, &init) {
        Ok(route) => route,
        Err(error) => {
            complain(format_args!(
                "{}: {error}\n1 error; nothing was started",
                config.path.display()
            ));
            return Ok(2);
        }
    };
    // Whatever the caller's mask: scripts read the files that we make.
    let _ = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let mut opened = Opened::new(config, init, route)?;
    let mut started = match mode.foreground {
        true => None,
        false => Some(background()?),
    };
    process::remember_id();
    // Before stderr is given up; the file is opened by the process that it names.
    let mut pid_file = Some(open::pid_file(&config.pid_file)?);
    let sink = Sink::open(mode.log_stderr);
    for line in opened.away(config).iter().filter(|_| !sink.uses_stderr()) {
        complain(format_args!("upsentry: {line}"));
    }
    // What comes from there or goes there later is not ours; a failure leaves it as it was.
    let _ = nix::unistd::dup2_stdin(&opened.null);
    let _ = nix::unistd::dup2_stdout(&opened.null);
    process::block_signals().map_err(at("signal mask"))?;
    let supervisor = mode.supervisor.as_ref();
    if absent::wait(config, &mut opened, &mut started, supervisor)? == Part::Meanwhile {
        // The file names the process that waits; a supervisor hears only that one.
        (pid_file, mode.supervisor) = (None, None);
    }
    let hand = hand(config, &mut opened)?;
    let (link, events, log, board) = fork_warden(config, &mut opened, jail)?;
    forget_keys(config, &mut opened);
    let notify = notify(config, &opened, sink)?;
    let mask: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
    let signals = signals.map_err(at("signalfd"))?;
    let forked =
        Forked { link, events, log, board, hand, notify, started, pid_file, signals, sink, mode };
    let landlock = drop_root(config, &mut opened, &forked);
    let parent = landlock.and_then(|landlock| begin(config, opened, forked, landlock));
    let parent = parent.inspect_err(|error| {
        // Standard error may be closed already.
        if !sink.uses_stderr() {
            say(EMERG, format_args!("{error}"));
        }
    })?;
    parent.run()
}

/// What the warden's process becomes: the caller's, because this side knows nothing of the jail.
pub type Enter = fn(&Config, Jail) -> !;

/// Leaves the terminal; returns where the daemon says that the start is over. The calling process stays
/// until then, and ends here: an owner of the state file that is dropped there would unlock it for both.
fn background() -> Result<OwnedFd, String> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(at("pipe"))?;
    if raw::fork().map_err(at("fork"))?.is_child() {
        drop(read);
        setsid().map_err(at("setsid"))?;
        return Ok(write);
    }
    drop(write);
    let mut byte = [0];
    let read = loop {
        match nix::unistd::read(&read, &mut byte) {
            Err(nix::Error::EINTR) => {}
            other => break other,
        }
    };
    if read != Ok(1) {
        complain(format_args!("upsentry: did not start; the reason is above or in the system log"));
    }
    raw::exit(i32::from(read != Ok(1)))
}

/// What only the jail uses leaves the memory of the others.
fn forget_keys(config: &mut Config, opened: &mut Opened) {
    config.forget_keys();
    opened.net.keys.clear();
}

/// Forks the hand, where this route needs one.
fn hand(config: &mut Config, opened: &mut Opened) -> Result<Option<OwnedFd>, String> {
    let (signals, halt) = (opened.route.via == Via::Signal, &opened.route.halt);
    if !signals && halt.is_empty() {
        return Ok(None);
    }
    let powerstatus = signals.then(|| open::powerstatus(&config.powerstatus)).transpose()?;
    let halt = (!halt.is_empty()).then(|| open::command("halt", halt)).transpose()?;
    let (ours, theirs) = pair()?;
    child(c"upsentry-hand", || {
        forget_keys(config, opened);
        let hand = Hand { link: theirs, powerstatus, halt };
        confine_hand(&hand, &opened.null)?;
        hand.serve()
    })?;
    Ok(Some(ours))
}

/// Forks what runs the notify command, where there is one. It loses every right before it does anything else.
fn notify(config: &Config, opened: &Opened, sink: &Sink) -> Result<Option<OwnedFd>, String> {
    let (Some(hook), Some(user)) = (&config.notify, &opened.users.notify) else { return Ok(None) };
    let argv = open::command("notify-command", &hook.command)?;
    let (from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(at("pipe"))?;
    child(c"upsentry-notify", || {
        let (log, syslog) = sink.descriptors();
        let keep = [0, 1, 2, from.as_raw_fd()].into_iter().chain(log).chain(syslog);
        let keep: Vec<RawFd> = keep.collect();
        confine::to_run_programs(&keep, Uid::from_raw(user.uid), Gid::from_raw(user.gid))?;
        Notify::new(config, hook, argv, from, sink)?.serve()
    })?;
    Ok(Some(to))
}

/// Forks a process of this name, which does its work, or says why it cannot.
fn child(
    name: &'static CStr,
    work: impl FnOnce() -> Result<Infallible, String>,
) -> Result<(), String> {
    if let ForkResult::Parent { .. } = raw::fork().map_err(at("fork"))? {
        return Ok(());
    }
    process::name(name);
    let Err(error) = work();
    complain(format_args!("{}: {error}", name.to_string_lossy()));
    raw::exit(1)
}

/// A hand that only signals has a list of system calls, too; one that runs the halt command would leave that to it.
fn confine_hand(hand: &Hand, null: &OwnedFd) -> Result<(), String> {
    let replaces = hand.powerstatus.as_ref().filter(|_| hand.halt.is_none());
    let replaces = replaces.map(|(directory, _)| directory.as_fd());
    confine::to_hand(null, hand.keep(), replaces)?;
    let Some(directory) = replaces else { return Ok(()) };
    seccomp::install(&filter::hand(hand.link.as_raw_fd(), directory.as_raw_fd()).compile()?)
}

/// Forks the warden; gives the parent's ends of its socket, of the two pipes, and of the page.
fn fork_warden(
    config: &Config,
    opened: &mut Opened,
    jail: Enter,
) -> Result<(OwnedFd, OwnedFd, OwnedFd, Board), String> {
    let (board, notices) = board::make()?;
    let (ours, link) = pair()?;
    let (events_out, events) = pipe2(OFlag::O_CLOEXEC).map_err(at("pipe"))?;
    let (log_out, log) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(at("pipe"))?;
    // The parent never waits for the monitor. The monitor may wait for the parent, but not for the log.
    fcntl(&events_out, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(at("pipe"))?;
    let null = opened.null.try_clone().map_err(|error| format!("null: {error}"))?;
    if let ForkResult::Parent { .. } = raw::fork().map_err(at("fork"))? {
        return Ok((ours, events_out, log_out, board));
    }
    let (root, user) = (config.chroot.clone(), &opened.users.monitor);
    let (uid, gid, reach) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid), Reach::default());
    let cage = Cage { events, log, link, notices, null, root, uid, gid, reach };
    let (ttys, net) = (std::mem::take(&mut opened.ttys), std::mem::take(&mut opened.net));
    jail(config, Jail { ttys, set_at: opened.set_at, net, cage })
}

fn pair() -> Result<(OwnedFd, OwnedFd), String> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
    let (ours, theirs) = pair.map_err(at("socketpair"))?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(at("socketpair"))?;
    Ok((ours, theirs))
}

/// Takes everything from this process but what the parent holds.
fn drop_root(
    config: &Config,
    opened: &mut Opened,
    forked: &Forked,
) -> Result<RulesetStatus, String> {
    opened.away = opened.away(config);
    let (log, syslog) = forked.sink.descriptors();
    let Opened { users, fifo, state, history, title, null, ttys, net, .. } = opened;
    let always = [&forked.link, &forked.events, &forked.log].map(AsRawFd::as_raw_fd);
    let some = [&forked.hand, &forked.notify, &forked.started, fifo];
    let some = some.map(|fd| fd.as_ref().map(AsRawFd::as_raw_fd));
    let files = [title, &forked.pid_file].map(|file| file.as_ref().map(AsRawFd::as_raw_fd));
    let supervisor = forked.mode.supervisor.as_ref().map(Line::descriptor);
    let more = [log, syslog, supervisor].into_iter().chain(some).chain(files).flatten();
    let past = history.as_ref().map(History::descriptors).ok().into_iter().flatten();
    let board = forked.board.descriptor();
    let one = [forked.signals.as_fd(), state.fd(), null.as_fd()].map(|fd| fd.as_raw_fd());
    let keep = [0, 1, 2, board].into_iter().chain(always).chain(one).chain(more).chain(past);
    let keep: Vec<RawFd> = keep.collect();
    if !forked.sink.uses_stderr() {
        nix::unistd::dup2_stderr(null.as_fd()).map_err(at("stderr"))?;
    }
    // The jail's from here on. Closing it is all: exclusiveness stays with who still holds it.
    *ttys = Vec::new();
    *net = Net { doubts: std::mem::take(&mut net.doubts), ..Net::default() };
    let (root, file_size) = (Some(config.chroot.as_path()), 1 << 20);
    let (uid, gid) = (users.notifier.uid, users.notifier.gid);
    let own = Walls::new(&keep, Uid::from_raw(uid), Gid::from_raw(gid));
    let walls = Walls { root, file_size, ..own };
    confine::confine(&walls)
}
