//! The start: check, open, fork, confine every side; only then is the first byte of a line read.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{ForkResult, Uid, pipe2, setsid};

use crate::config::{Action, Config, Via, Watch};
use crate::ipc::guard::Guard;
use crate::ipc::judge::{self, Feed, FeedSettings, Judge};
use crate::ipc::keeper::Keeper;
use crate::ipc::record::Record;
use crate::ipc::told::Told;
use crate::notifier::absent::{self, Part};
use crate::notifier::chronicle::Chronicle;
use crate::notifier::filter;
use crate::notifier::hand::Hand;
use crate::notifier::link::{Gate, Link};
use crate::notifier::logging::{ALERT, EMERG, NOTICE, Sink, WARNING, say};
use crate::notifier::open::{self, Opened};
use crate::notifier::parent::{Ends, Parent};
use crate::notifier::teller::{Fifo, HandLink, Teller};
use crate::notifier::trouble;
use crate::notifier::users::Identity;
use crate::notifier::via::{self, Actions, Init};
use crate::sys::cage::Cage;
use crate::sys::confine::{self, MEMORY, Walls};
use crate::sys::text::complain;
use crate::sys::{at, filter as seccomp, now, process, raw, unix_time};
use crate::sysvinit::lifeline::Lifeline;

/// How the command line wants it.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Stay in the foreground; somebody restarts us.
    pub foreground: bool,
    /// Log to stderr.
    pub log_stderr: bool,
    /// How long to wait before a failing end, so that init does not switch our line off.
    pub linger: Duration,
}

/// What the jail gets, one `tty` for each UPS of the configuration, in its order.
#[derive(Debug)]
pub struct Jail {
    /// The ports, opened and set; `None`: absent.
    pub ttys: Vec<Option<OwnedFd>>,
    /// On the monotonic clock, when the lines were set.
    pub set_at: Duration,
    /// All else that it is left.
    pub cage: Cage,
}

/// Starts the daemon; returns only if that failed. The process that started it without `-f` ends once
/// every UPS has given its first state. `jail` becomes the warden.
///
/// # Errors
/// Why nothing was started; one message that says what to do.
pub fn run(config: &Config, mode: Mode, jail: Enter) -> Result<u8, String> {
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
    let doubts = via::doubts(config, &init, &route);
    let mut opened = Opened::new(config, init, route)?;
    let mut started = match mode.foreground {
        true => None,
        false => Some(background()?),
    };
    process::remember_id();
    // Before stderr is given up; the file is opened by the process that it names.
    let mut pid_file = Some(open::pid_file(&config.pid_file)?);
    let sink = Sink::open(mode.log_stderr);
    greet(config, &opened, &doubts, sink);
    process::block_signals().map_err(at("signal mask"))?;
    if absent::wait(config, &mut opened, &mut started)? == Part::Meanwhile {
        // The file names the process that waits.
        pid_file = None;
    }
    let hand = hand(config, &opened)?;
    let (link, events, log) = fork_warden(config, &opened, jail)?;
    let forked = Forked { link, events, log, hand, started, pid_file, sink, mode };
    let parent = assemble(config, opened, forked).inspect_err(|error| {
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

fn greet(config: &Config, opened: &Opened, doubts: &[String], sink: &Sink) {
    let route = &opened.route;
    let chosen = if route.chosen { " (chosen)" } else { "" };
    let (version, ups) = (env!("CARGO_PKG_VERSION"), config.ups.len());
    say(
        NOTICE,
        format_args!("upsentry {version}: {ups} UPS, via {}{chosen}", via::name(route.via)),
    );
    for warning in config.warnings.iter().chain(doubts) {
        say(WARNING, format_args!("{warning}"));
    }
    if let Err(error) = &opened.history {
        say(WARNING, format_args!("{error}; no history is kept"));
    }
    for (ups, _) in config.ups.iter().zip(&opened.ttys).filter(|(_, tty)| tty.is_none()) {
        let Watch::Line(path) = &ups.watch;
        let (name, path) = (&ups.name, path.display());
        let line = format!("{name}: {path}: no such device now; it counts as lost");
        say(ALERT, format_args!("{line}"));
        if !sink.uses_stderr() {
            complain(format_args!("upsentry: {line}"));
        }
    }
    // What comes from there or goes there later is not ours; a failure leaves it as it was.
    let _ = nix::unistd::dup2_stdin(&opened.null);
    let _ = nix::unistd::dup2_stdout(&opened.null);
}

/// Forks the hand, where this route needs one.
fn hand(config: &Config, opened: &Opened) -> Result<Option<OwnedFd>, String> {
    let route = &opened.route;
    if route.via != Via::Signal && route.halt.is_empty() {
        return Ok(None);
    }
    let powerstatus = match route.via {
        Via::Signal => Some(open::powerstatus(&config.powerstatus)?),
        Via::Initctl | Via::Command => None,
    };
    let halt = if route.halt.is_empty() { None } else { Some(open::halt(&route.halt)?) };
    let (ours, theirs) = pair()?;
    if let ForkResult::Parent { .. } = raw::fork().map_err(at("fork"))? {
        return Ok(Some(ours));
    }
    process::name(c"upsentry-hand");
    let hand = Hand { link: theirs, powerstatus, halt };
    if let Err(error) = confine_hand(&hand, &opened.null) {
        complain(format_args!("upsentry: hand: {error}"));
        raw::exit(1)
    }
    hand.serve()
}

/// Leaves the hand uid 0 and nothing else that it can do without: a hand that only signals loses every
/// capability for good; one that runs the halt command gets them back at exec, and not before.
fn confine_hand(hand: &Hand, null: &OwnedFd) -> Result<(), String> {
    let keep: Vec<RawFd> = [0, 1, 2].into_iter().chain(hand.keep()).collect();
    nix::unistd::dup2_stdin(null).map_err(at("stdin"))?;
    nix::unistd::dup2_stdout(null).map_err(at("stdout"))?;
    let stderr = null.try_clone().map_err(|error| format!("stderr: {error}"))?;
    let keep: Vec<RawFd> = keep.into_iter().chain([stderr.as_raw_fd()]).collect();
    raw::close_all_but(&keep).map_err(at("close_range"))?;
    nix::unistd::chdir("/").map_err(at("chdir"))?;
    nix::unistd::setgroups(&[]).map_err(at("setgroups"))?;
    nix::sys::prctl::set_dumpable(false).map_err(at("not dumpable"))?;
    if let (Some((directory, _)), None) = (&hand.powerstatus, &hand.halt) {
        confine::drop_bounding()?;
        confine::drop_held()?;
        confine::replace_files_in(directory.as_fd())?;
        nix::sys::prctl::set_no_new_privs().map_err(at("no_new_privs"))?;
        nix::unistd::dup2_stderr(&stderr).map_err(at("stderr"))?;
        drop(stderr);
        let allowed = filter::hand(hand.link.as_raw_fd(), directory.as_raw_fd());
        return seccomp::install(&allowed.compile()?);
    }
    confine::drop_held()?;
    nix::unistd::dup2_stderr(&stderr).map_err(at("stderr"))
}

/// Forks the warden; gives the parent's ends of its socket and of the two pipes.
fn fork_warden(
    config: &Config,
    opened: &Opened,
    jail: Enter,
) -> Result<(OwnedFd, OwnedFd, OwnedFd), String> {
    let (ours, link) = pair()?;
    let (events_out, events) = pipe2(OFlag::O_CLOEXEC).map_err(at("pipe"))?;
    let (log_out, log) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(at("pipe"))?;
    // The parent never waits for the monitor. The monitor may wait for the parent, but not for the log.
    nix::fcntl::fcntl(&events_out, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .map_err(at("pipe"))?;
    if let ForkResult::Parent { .. } = raw::fork().map_err(at("fork"))? {
        return Ok((ours, events_out, log_out));
    }
    let copy = |fd: &OwnedFd| fd.try_clone();
    let ttys = opened.ttys.iter().map(|tty| tty.as_ref().map(copy).transpose());
    let jail_fds =
        ttys.collect::<Result<Vec<_>, _>>().and_then(|ttys| Ok((ttys, copy(&opened.null)?)));
    match jail_fds {
        Ok((ttys, null)) => jail(
            config,
            Jail {
                ttys,
                set_at: opened.set_at,
                cage: Cage {
                    events,
                    log,
                    link,
                    null,
                    root: config.chroot.clone(),
                    uid: opened.users.monitor.uid,
                    gid: opened.users.monitor.gid,
                },
            },
        ),
        Err(error) => {
            complain(format_args!("upsentry: warden: {error}"));
            raw::exit(1)
        }
    }
}

fn pair() -> Result<(OwnedFd, OwnedFd), String> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
    let (ours, theirs) = pair.map_err(at("socketpair"))?;
    nix::fcntl::fcntl(&ours, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .map_err(at("socketpair"))?;
    Ok((ours, theirs))
}

/// The parent's ends of everything, and how it was started.
struct Forked {
    link: OwnedFd,
    events: OwnedFd,
    log: OwnedFd,
    hand: Option<OwnedFd>,
    started: Option<OwnedFd>,
    pid_file: Option<std::fs::File>,
    sink: &'static Sink,
    mode: Mode,
}

/// Makes the parent of what was opened, and takes root from it.
fn assemble(config: &Config, opened: Opened, forked: Forked) -> Result<Parent, String> {
    let time = now();
    let mask: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
    let signals = signals.map_err(at("signalfd"))?;
    let actions = opened.route.actions;
    let Opened { users, fifo, state, record, history, null, ttys, .. } = opened;
    let names: Vec<String> = config.ups.iter().map(|ups| ups.name.clone()).collect();
    let chronicle = history.ok().map(|history| Chronicle::new(history, state.boot(), &names));
    // The jail's from here on. Closing it is all: exclusiveness stays with who still holds it.
    drop(ttys);
    let guard = Guard::new(config.ups.iter().map(|ups| (ups.name.as_str(), ups.settle)));
    let mut parent = Parent {
        keeper: Keeper::new(guard, judge(config, &record, actions, time), time),
        ends: Ends {
            names,
            link: Link { fd: forked.link },
            events: forked.events,
            gate: Gate::new(forked.log),
            teller: Teller {
                actions,
                sleep_time: config.sleep_time,
                fifo: fifo.map(|fd| Fifo { fd, line: Lifeline::default() }),
                hand: forked.hand.map(HandLink::new),
            },
            state,
            chronicle,
        },
        pid_file: forked.pid_file,
        signals,
        sink: forked.sink,
        started: forked.started,
        restarted: forked.mode.foreground,
        linger: forked.mode.linger,
        remind_at: None,
        blind_at: None,
        began: time,
    };
    parent
        .begin()
        .map_err(|error| format!("state file {}: {error}", config.state_file.display()))?;
    confine_parent(&mut parent, &users.notifier, &config.chroot, null, record.fresh)?;
    Ok(parent)
}

/// What is judged by, and what this boot's record says of before.
pub fn judge(config: &Config, record: &Record, actions: Actions, time: Duration) -> Judge {
    let settings = judge::Settings {
        need: config.need,
        low_is_final: matches!(actions.low, Action::Runlevel(_) | Action::Halt),
        insist: config.insist,
        low_is_told: actions.low != Action::None,
        shutdown_is_told: actions.shutdown != Action::None,
    };
    let feeds = config.ups.iter().map(|ups| {
        let grace = if ups.blind_grace_applies() { ups.cable_grace } else { Duration::ZERO };
        let settings =
            FeedSettings { weight: ups.power, blind_after: ups.blind_after, cable_grace: grace };
        let seen = record.seen.iter().find(|(name, _)| *name == ups.name);
        Feed::new(settings, seen.map(|(_, power)| *power), time)
    });
    if record.told != Told::Ok {
        say(NOTICE, format_args!("init was told {:?} before this start", record.told));
    }
    let mut judge = Judge::new(settings, feeds, record.told);
    if record.shutdown {
        judge.shut_down();
    }
    judge
}

/// Takes everything from the parent but what it holds.
fn confine_parent(
    parent: &mut Parent,
    who: &Identity,
    root: &Path,
    null: OwnedFd,
    fresh: bool,
) -> Result<(), String> {
    let fds = parent.descriptors();
    let program = filter::parent(&fds).compile()?;
    let more = [&fds.read, &fds.write, &fds.pwrite, &fds.truncate, &fds.send];
    let keep: Vec<RawFd> =
        [0, 1, 2].into_iter().chain(more.into_iter().flatten().copied()).collect();
    if !parent.sink.uses_stderr() {
        nix::unistd::dup2_stderr(null.as_fd()).map_err(at("stderr"))?;
    }
    // Closed with all the rest.
    core::mem::forget(null);
    let walls = Walls {
        keep: &keep,
        root: Some(root),
        uid: who.uid,
        gid: who.gid,
        file_size: 1 << 20,
        memory: MEMORY,
        scoped: true,
    };
    raw::one_arena();
    let landlock = confine::confine(&walls)?;
    trouble::speak_of_panics();
    trouble::say_confined(&who.name, landlock);
    if let Some(chronicle) = &mut parent.ends.chronicle {
        chronicle.begin((now(), unix_time()), fresh)?;
    }
    raw::give_back();
    seccomp::install(&program)
}
