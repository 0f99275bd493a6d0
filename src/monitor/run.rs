//! The monitor: confined a second time, then one loop around poll.

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags};

use crate::ipc::guard::alive_interval;
use crate::ipc::orders::{EXIT_PANIC, EXIT_PORTS_GONE, EXIT_UNCONFINED};
use crate::monitor::lines::Watched;
use crate::monitor::power;
use crate::monitor::voice::{self, Voice};
use crate::monitor::waiter::{self, Edge};
use crate::monitor::warden::Cell;
use crate::sys::{at, confine, filter, now, process, raw};

/// After a wake-up the lines are read again so much later: TIOCMIWAIT loses edges between two calls.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(250)];

/// With every port gone for so long this monitor has nothing left to watch.
const GONE: Duration = Duration::from_secs(60);

/// Runs as the warden's child until the parent is gone. `outage`: some UPS was last seen on battery.
pub(super) fn main(cell: &'static Cell, outage: bool) -> ! {
    process::name(c"upsentry-mon");
    speak_of_panics(cell);
    let watched = enter(cell).and_then(|edges| {
        let watched = all(cell, edges, outage);
        // The last doors, behind all threads; nothing is allocated from here on.
        confine::no_more_processes()?;
        filter::install(&cell.program)?;
        Ok(watched)
    });
    match watched {
        Ok(mut watched) => watch(cell, &mut watched),
        Err(error) => {
            voice::log(&cell.log, 0, format_args!("the monitor cannot be confined: {error}"));
            raw::exit(i32::from(EXIT_UNCONFINED))
        }
    }
}

/// Gives up what is the warden's and makes the threads.
fn enter(cell: &'static Cell) -> Result<&'static [Edge], String> {
    // What is the warden's. Its owner stays, so only the descriptors are closed.
    for fd in [cell.link.as_fd(), cell.children.as_fd()] {
        raw::close(fd);
    }
    let poke = cell.poke.as_fd();
    drain(poke).map_err(at("eventfd"))?;
    let edges: &'static [Edge] = Vec::leak(cell.lines.iter().map(|_| Edge::default()).collect());
    let mut started = 0;
    for (line, edge) in cell.lines.iter().zip(edges) {
        let Some(tty) = &line.tty else { continue };
        waiter::start(tty.as_fd(), poke, edge).map_err(|error| format!("thread: {error}"))?;
        started += 1;
    }
    // The list has no room for what a thread does at its start, so all must have that behind them. One may
    // have poked twice by then: pokes are not counted.
    while waiter::running() < started {
        let mut fds = [PollFd::new(poke, PollFlags::POLLIN)];
        process::wait(&mut fds, None).map_err(at("poll"))?;
        drain(poke).map_err(at("eventfd"))?;
    }
    Ok(edges)
}

/// A panic is one clean line in the log and an exit, within the list.
fn speak_of_panics(cell: &'static Cell) {
    std::panic::set_hook(Box::new(move |info| {
        let line = info.location().map_or(0, std::panic::Location::line);
        let file = info.location().map_or("?", std::panic::Location::file);
        voice::log(&cell.log, 2, format_args!("the monitor panicked at {file}:{line}"));
        raw::exit(i32::from(EXIT_PANIC))
    }));
}

/// Every UPS, with what the monitor before left of it.
fn all(cell: &'static Cell, edges: &'static [Edge], outage: bool) -> Vec<Watched<'static>> {
    let start = now();
    let mut memory = cell.memory.iter();
    let watched = cell.lines.iter().zip(edges).map(|(line, edge)| {
        let settings = power::Settings { in_outage: outage, ..line.settings };
        let memory = [memory.next(), memory.next()];
        Watched::new(&line.name, line.tty.as_ref(), settings, edge, memory, start)
    });
    watched.collect()
}

fn watch(cell: &Cell, watched: &mut [Watched<'_>]) -> ! {
    let start = now();
    let mut voice = Voice::new(&cell.events, &cell.log, start);
    let first = cell.lines.first().map_or("", |line| line.name.as_str());
    let mut again = [None; AGAIN.len()];
    let mut alive_at = start;
    let mut gone_since = None;
    loop {
        let time = now();
        for one in watched.iter_mut() {
            let woken = one.woken();
            if woken {
                again = AGAIN.map(|delay| Some(time.saturating_add(delay)));
            }
            one.look(time, woken, &mut voice);
        }
        leave_if_gone(&mut gone_since, time, watched, &cell.log);
        let calm = watched.iter().all(Watched::on_mains);
        // Sooner when an outage began since the last sign of life.
        let interval = alive_interval(calm);
        if time >= alive_at {
            voice.alive(first);
            alive_at = time.saturating_add(interval);
        }
        alive_at = alive_at.min(time.saturating_add(interval));
        for at in &mut again {
            *at = at.filter(|at| *at > time);
        }
        let quiet = (!voice.may_speak(time)).then(|| Voice::again(time));
        let lines = watched.iter().filter_map(|one| one.next(time));
        let times = lines.chain(again.into_iter().flatten()).chain(quiet).chain([alive_at]);
        let deadline = times.min().unwrap_or(alive_at);
        sleep(cell, deadline.saturating_sub(now()));
    }
}

/// Says so by its exit status that every port is gone: where somebody restarts the daemon, a new start finds
/// the device when it is plugged in again.
fn leave_if_gone(
    since: &mut Option<Duration>,
    time: Duration,
    watched: &[Watched<'_>],
    log: &OwnedFd,
) {
    let gone = watched.iter().all(Watched::port_gone);
    let began = *since.get_or_insert(time);
    if !gone {
        *since = None;
    } else if time.saturating_sub(began) >= GONE {
        voice::log(log, 1, format_args!("every port has been gone for {}s", GONE.as_secs()));
        raw::exit(i32::from(EXIT_PORTS_GONE))
    }
}

/// Sleeps until a poke, or for so long. Ends the process when the parent is gone.
fn sleep(cell: &Cell, timeout: Duration) {
    let mut fds = [
        PollFd::new(cell.poke.as_fd(), PollFlags::POLLIN),
        PollFd::new(cell.view.news(), PollFlags::POLLIN),
        PollFd::new(cell.events.as_fd(), PollFlags::empty()),
        PollFd::new(cell.log.as_fd(), PollFlags::empty()),
    ];
    if let Err(error) = process::wait(&mut fds, Some(timeout)) {
        fail(cell, "poll", error);
    }
    let [poke, news, pipes @ ..] = &fds;
    if pipes.iter().any(|pipe| pipe.any().unwrap_or(true)) {
        raw::exit(0);
    }
    for (fd, event) in [(poke, cell.poke.as_fd()), (news, cell.view.news())] {
        if fd.any().unwrap_or(false) {
            // Else it would stay readable.
            drain(event).unwrap_or_else(|error| fail(cell, "eventfd", error));
        }
    }
}

/// What a new monitor may do better. The parent paces them.
fn fail(cell: &Cell, what: &str, error: nix::Error) -> ! {
    voice::log(&cell.log, 3, format_args!("{what}: {error}"));
    raw::exit(1)
}

fn drain(poke: BorrowedFd<'_>) -> nix::Result<()> {
    process::read_some(poke, &mut [0; 8]).map(drop)
}
