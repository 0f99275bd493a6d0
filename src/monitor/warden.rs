//! The warden: forks a monitor, kills it, reaps it, told by one byte from the parent.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::SigSet;
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use seccompiler::BpfProgram;

use crate::ipc::orders::{DEAD, EXIT_UNCONFINED, EXIT_UNMADE, GO, GO_IN_OUTAGE, KILL, READY};
use crate::monitor::filter::{self, Fds};
use crate::monitor::memory::WORDS;
use crate::monitor::serve::CLIENTS;
use crate::monitor::{About, Distant, Fed, Line, Network, Plan, Together, run, voice};
use crate::rules::{Engine, Program};
use crate::sys::board::View;
use crate::sys::cage::{Cage, Reach};
use crate::sys::confine::{Walls, confine};
use crate::sys::text::complain;
use crate::sys::{at, filter as seccomp, process, raw, room};

/// What the warden keeps for its monitors.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) first: String,
    pub(super) lines: Vec<Line>,
    pub(super) distant: Vec<Distant>,
    pub(super) fed: Vec<Fed>,
    pub(super) together: Together,
    pub(super) rules: Program,
    pub(super) network: Option<Network>,
    pub(super) events: OwnedFd,
    pub(super) log: OwnedFd,
    pub(super) poke: EventFd,
    /// The status socket.
    pub(super) status: Option<OwnedFd>,
    /// The directory of NUT's drivers.
    pub(super) shown: Option<OwnedFd>,
    /// The numbers that sockets made later get.
    pub(super) pool: Vec<RawFd>,
    pub(super) about: About,
    /// What the parent lets us know.
    pub(super) view: View,
    pub(super) link: OwnedFd,
    pub(super) children: SignalFd,
    /// The monitor's own list, compiled before the jail closed.
    pub(super) program: BpfProgram,
    /// Time on battery, from one monitor to the next.
    pub(super) memory: &'static [AtomicU64],
}

/// Goes to jail and serves the parent until it is gone.
pub fn main(plan: Plan) -> ! {
    process::name(c"upsentry-warden");
    let cell = match enter(plan) {
        Ok(cell) => cell,
        Err(error) => {
            // Still the starting terminal: the parent says that the start failed, this says why.
            complain(format_args!("upsentry: warden: {error}"));
            raw::exit(1)
        }
    };
    // For ever: a monitor's threads use it, and all our processes end by `exit`.
    let _ = serve(Box::leak(Box::new(cell)));
    // The parent is gone, or talks nonsense. A monitor notices by its pipes; this one we can wait for.
    raw::exit(0)
}

/// Makes what the warden needs, then has the jail closed behind it.
fn enter(plan: Plan) -> Result<Cell, String> {
    process::block_signals().map_err(at("signal mask"))?;
    let shown = into_room(&plan.cage)?;
    let poke = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
    let poke = poke.map_err(at("eventfd"))?;
    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    let children = SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
    let children = children.map_err(at("signalfd"))?;
    let ruled = if plan.rules.is_empty() { 0 } else { Engine::new(&plan.rules).words() };
    let memory =
        raw::shared_words(plan.about.labels.len().saturating_mul(WORDS).saturating_add(ruled));
    let memory = memory.map_err(at("shared page"))?;
    let fds = numbers(&plan, poke.as_fd().as_raw_fd(), shown.as_ref());
    let words = plan.cage.notices.map()?;
    let program = filter::monitor(&fds).compile()?;
    if let Err(error) = lock(&plan, &fds, children.as_fd().as_raw_fd()) {
        // Some of it may be closed already: nothing of it may be dropped.
        core::mem::forget((plan, shown));
        return Err(error);
    }
    let Plan { first, lines, distant, mut fed, together, rules, network, status, about, cage } =
        plan;
    let Cage { events, log, link, notices, null, .. } = cage;
    // Closed with everything else; their owners must not close those numbers again.
    core::mem::forget((null, notices.page));
    let view = View::new(words, notices.news);
    if let Err(error) = fed.iter_mut().try_for_each(Fed::trust) {
        // Standard error is gone by now.
        voice::log(&log, 0, format_args!("{error}"));
        raw::exit(i32::from(EXIT_UNCONFINED))
    }
    Ok(Cell {
        first,
        lines,
        distant,
        fed,
        together,
        rules,
        network,
        events,
        log,
        poke,
        status,
        shown,
        pool: fds.pool,
        about,
        view,
        link,
        children,
        program,
        memory,
    })
}

/// Where a driver is watched: into a root that shows the directory of the drivers, which it gives. There is only one
/// thread yet, and standard error shows what goes wrong.
fn into_room(cage: &Cage) -> Result<Option<OwnedFd>, String> {
    let Some(shown) = &cage.reach.shown else { return Ok(None) };
    room::enter(&cage.root, shown)?;
    room::shown().map(Some).map_err(at("directory of the drivers"))
}

/// The descriptors, as the lists of calls name them.
fn numbers(plan: &Plan, poke: RawFd, shown: Option<&OwnedFd>) -> Fds {
    let raw = |fd: &OwnedFd| fd.as_raw_fd();
    let udp = plan.network.iter().flat_map(Network::sockets);
    let fds = Fds {
        ttys: plan.lines.iter().filter_map(|line| line.tty.as_ref()).map(raw).collect(),
        poke,
        events: plan.cage.events.as_raw_fd(),
        log: plan.cage.log.as_raw_fd(),
        status: plan.status.as_ref().map(raw),
        shown: shown.map(raw),
        pool: Vec::new(),
        tcp: plan.fed.iter().flat_map(Fed::sockets).map(raw).collect(),
        tls: plan.fed.iter().any(Fed::secured),
        udp: udp.map(|udp| udp.as_fd().as_raw_fd()).collect(),
        news: plan.cage.notices.news.as_raw_fd(),
    };
    Fds { pool: pool(&fds, pool_size(plan)), ..fds }
}

/// The numbers that sockets made later will get: the lowest which nothing else in a monitor has. The limit on
/// descriptors allows for them.
fn pool(fds: &Fds, count: usize) -> Vec<RawFd> {
    let own = [fds.poke, fds.events, fds.log, fds.news];
    let own: Vec<RawFd> = own.into_iter().chain(fds.opened()).collect();
    (3..).filter(|number| !own.contains(number)).take(count).collect()
}

/// A client of the status for each of its places, and a connection for each driver.
fn pool_size(plan: &Plan) -> usize {
    let clients = if plan.status.is_some() { CLIENTS } else { 0 };
    let drivers = plan.fed.iter().filter(|fed| fed.is_driver());
    clients.saturating_add(drivers.count())
}

/// The walls and the warden's list. Standard error is the starting terminal until the last but one
/// step, so that it shows what went wrong.
fn lock(plan: &Plan, fds: &Fds, children: RawFd) -> Result<(), String> {
    let link = plan.cage.link.as_raw_fd();
    let own = filter::warden(fds, link, children).compile()?;
    let null = plan.cage.null.as_fd();
    nix::unistd::dup2_stdin(null).map_err(at("stdin"))?;
    nix::unistd::dup2_stdout(null).map_err(at("stdout"))?;
    let stderr = null.try_clone_to_owned().map_err(|error| format!("stderr: {error}"))?;
    let standard = [0, 1, 2, stderr.as_raw_fd()];
    let more = [fds.poke, fds.events, fds.log, fds.news, link, children];
    let keep = standard.into_iter().chain(more).chain(fds.opened());
    raw::one_arena();
    process::first_threads().map_err(|error| format!("thread: {error}"))?;
    let Cage { root, uid, gid, reach: Reach { shown, groups, ports }, .. } = &plan.cage;
    let root = if shown.is_some() { Path::new("/") } else { root };
    let spare = u64::try_from(fds.pool.len()).unwrap_or(0);
    let keep: Vec<RawFd> = keep.collect();
    let walls = Walls::new(&keep, *uid, *gid);
    confine(&Walls { root: Some(root), groups, ports, spare, ..walls })?;
    nix::unistd::dup2_stderr(stderr.as_fd()).map_err(at("stderr"))?;
    drop(stderr);
    raw::give_back();
    seccomp::install(&own)
}

/// Returns when the parent is gone.
fn serve(cell: &'static Cell) -> nix::Result<()> {
    let mut monitor: Option<Pid> = None;
    let result = process::again(|| nix::unistd::write(cell.link.as_fd(), &[READY]));
    let result = result.and_then(|_| {
        loop {
            let mut fds = [
                PollFd::new(cell.link.as_fd(), PollFlags::POLLIN),
                PollFd::new(cell.children.as_fd(), PollFlags::POLLIN),
            ];
            process::again(|| process::wait(&mut fds, None))?;
            let [link, _] = fds;
            let ordered = link.any().unwrap_or(false);
            reap(cell, &mut monitor)?;
            // Reading would wait, and a monitor that dies meanwhile be noticed by nobody.
            if !ordered {
                continue;
            }
            let mut byte = [0];
            match process::read_some(cell.link.as_fd(), &mut byte)? {
                None => {}
                Some(0) => return Ok(()),
                Some(_) => obey(cell, byte, &mut monitor)?,
            }
        }
    });
    if let Some(pid) = monitor {
        let _ = kill(pid, Signal::SIGKILL);
    }
    result
}

fn obey(cell: &'static Cell, [byte]: [u8; 1], monitor: &mut Option<Pid>) -> nix::Result<()> {
    match (byte, *monitor) {
        (GO | GO_IN_OUTAGE, None) => match raw::fork() {
            Ok(ForkResult::Parent { child }) => {
                *monitor = Some(child);
                raw::give_back();
            }
            Ok(ForkResult::Child) => run::main(cell, byte == GO_IN_OUTAGE),
            // It may pass, and the parent paces the tries.
            Err(_) => report(cell, 0x80 | EXIT_UNMADE)?,
        },
        (KILL, Some(pid)) => {
            kill(pid, Signal::SIGKILL)?;
            bury(cell, process::again(|| waitpid(pid, None))?)?;
            *monitor = None;
        }
        // Its own death was on the way when the parent asked.
        (KILL, None) => {}
        _ => return Err(Errno::EPROTO),
    }
    Ok(())
}

/// Reports a monitor that died by itself.
fn reap(cell: &Cell, monitor: &mut Option<Pid>) -> nix::Result<()> {
    while process::again(|| cell.children.read_signal())?.is_some() {}
    let Some(pid) = *monitor else { return Ok(()) };
    let status = process::again(|| waitpid(pid, Some(WaitPidFlag::WNOHANG)))?;
    if status != WaitStatus::StillAlive {
        bury(cell, status)?;
        *monitor = None;
    }
    Ok(())
}

fn bury(cell: &Cell, status: WaitStatus) -> nix::Result<()> {
    let how = match status {
        WaitStatus::Signaled(_, signal, _) => u8::try_from(signal as i32).unwrap_or(0),
        WaitStatus::Exited(_, code) => 0x80 | u8::try_from(code & 0x7f).unwrap_or(0),
        _ => 0,
    };
    report(cell, how)
}

fn report(cell: &Cell, how: u8) -> nix::Result<()> {
    process::again(|| nix::unistd::write(cell.link.as_fd(), &[DEAD, how])).map(drop)
}
