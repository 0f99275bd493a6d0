//! The monitor: confined a second time, then one loop around poll.

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags};

use crate::ipc::guard::alive_interval;
use crate::ipc::orders::{
    EXIT_PANIC, EXIT_PORTS_GONE, EXIT_SERVED, EXIT_UNCONFINED, EXIT_UNSERVED,
};
use crate::ipc::page::Page;
use crate::ipc::told::Word;
use crate::monitor::fed::{Asked, Connection};
use crate::monitor::lines::Watched;
use crate::monitor::local::Local;
use crate::monitor::memory::WORDS;
use crate::monitor::net::{self, Net, Parted};
use crate::monitor::power;
use crate::monitor::remote::Remote;
use crate::monitor::ruled::Ruled;
use crate::monitor::serve::Server;
use crate::monitor::shown::{Live, Track};
use crate::monitor::sync::{self, Act, Sync};
use crate::monitor::upstream::Upstream;
use crate::monitor::voice::{self, Voice};
use crate::monitor::waiter::{self, Edge};
use crate::monitor::warden::Cell;
use crate::monitor::{About, Fed, Source, Together};
use crate::nut::tls::HEAP;
use crate::sys::rest::Rest;
use crate::sys::{at, confine, filter, now, process, raw};

/// After a wake-up the lines are read again so much later: TIOCMIWAIT loses edges between two calls.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(250)];

/// Two pipes, two eventfds, sockets, and a connection for each of the 64 UPSs that a status can hold. One that does not
/// fit is looked at whenever something else wakes the loop.
const MOST_FDS: usize = 128;

/// With every port gone, or the directory of the drivers removed, for so long this monitor has nothing left to watch.
const GONE: Duration = Duration::from_secs(60);

/// Runs as the warden's child until the parent is gone. `outage`: some UPS was last seen on battery.
pub(super) fn main(cell: &'static Cell, outage: bool) -> ! {
    process::name(c"upsentry-mon");
    process::remember_first_thread();
    speak_of_panics(cell);
    let all = enter(cell).and_then(|edges| {
        let all = All::new(cell, edges, outage)?;
        // The last doors, behind all threads; nothing is allocated from here on but for TLS.
        let secured = cell.fed.iter().filter(|fed| fed.secured()).count();
        if secured > 0 {
            raw::reserve_heap(HEAP.saturating_mul(secured));
        }
        confine::no_more_processes()?;
        filter::install(&cell.program)?;
        Ok(all)
    });
    match all {
        Ok(mut all) => watch(cell, &mut all),
        Err(error) => {
            voice::log(&cell.log, 0, format_args!("the monitor cannot be confined: {error}"));
            raw::exit(i32::from(EXIT_UNCONFINED))
        }
    }
}

/// How NUT is asked for this UPS.
fn link(cell: &'static Cell, plan: &'static Fed) -> Box<dyn Connection> {
    match &plan.asked {
        Source::Driver(path) => Box::new(Local::new(path, cell.shown.as_ref(), &cell.pool, plan)),
        Source::Server(upsd) => Box::new(Upstream::new(upsd)),
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

/// Everything that is watched, and who is told.
struct All {
    lines: Vec<Watched<'static>>,
    remotes: Vec<Remote<'static>>,
    asked: Vec<Asked<'static>>,
    /// Where this machine is a primary of a NUT server.
    sync: Option<Sync>,
    ruled: Option<Ruled<'static>>,
    net: Option<Net<'static>>,
    /// What the status says of each: lines, masters' UPSs, NUT's.
    tracks: Vec<Track>,
    server: Option<Server<'static>>,
}

impl All {
    /// With what the monitor before left of each UPS.
    fn new(cell: &'static Cell, edges: &'static [Edge], outage: bool) -> Result<All, String> {
        let start = now();
        let mut memory = cell.memory.iter();
        let lines = cell.lines.iter().zip(edges).map(|(line, edge)| {
            let settings = power::Settings { in_outage: outage, ..line.settings };
            let memory = [memory.next(), memory.next()];
            Watched::new(&line.name, line.tty.as_ref(), settings, edge, memory, start)
        });
        let lines: Vec<_> = lines.collect();
        let mut remotes = Vec::new();
        for (plan, network) in cell.distant.iter().zip(cell.network.iter().cycle()) {
            let slave = net::slave(plan, network, start)?;
            remotes.push(Remote::new(plan, slave, [memory.next(), memory.next()], start));
        }
        let mut asked = Vec::new();
        for plan in &cell.fed {
            let link = link(cell, plan);
            asked.push(Asked::new(plan, link, [memory.next(), memory.next()], start));
        }
        let Together { need, host_sync } = cell.together;
        let primary = cell.fed.iter().any(Fed::is_primary);
        let sync = primary.then(|| Sync::new(need, host_sync));
        let net = cell.network.as_ref().map(Net::new).transpose()?;
        let tracks = vec![Track::default(); cell.about.labels.len()];
        let server = cell.status.as_ref().map(|socket| Server::new(socket, Some(&cell.pool)));
        let rest = cell.memory.get(cell.about.labels.len().saturating_mul(WORDS)..);
        let ruled = (!cell.rules.is_empty())
            .then(|| Ruled::new(&cell.rules, &cell.about.numbers, rest.unwrap_or_default(), start));
        let mut all = All { lines, remotes, asked, sync, ruled, net, tracks, server };
        let held = all.sync.is_some();
        all.machines().for_each(|ups| ups.hold(held));
        Ok(all)
    }

    /// The machine of each UPS, in the order of the status.
    fn machines(&mut self) -> impl Iterator<Item = &mut power::Ups> {
        let lines = self.lines.iter_mut().map(Watched::ups_mut);
        let remotes = self.remotes.iter_mut().map(Remote::ups_mut);
        lines.chain(remotes).chain(self.asked.iter_mut().map(Asked::ups_mut))
    }

    /// Says once more what follows, of each UPS for which something was changed that it follows from.
    fn again(
        &mut self,
        time: Duration,
        voice: &mut Voice<'_>,
        changed: impl Fn(&mut power::Ups) -> bool,
    ) {
        for one in &mut self.lines {
            if changed(one.ups_mut()) {
                one.look(time, false, voice);
            }
        }
        for one in &mut self.remotes {
            if changed(one.ups_mut()) {
                one.look(time, voice);
            }
        }
        for one in &mut self.asked {
            if changed(one.ups_mut()) {
                one.step(time, voice);
            }
        }
    }

    /// Looks at everything, says what follows, and does a part of what there is to do on the network; true: a
    /// line has moved.
    fn look(
        &mut self,
        time: Duration,
        page: Option<Page>,
        about: &About,
        voice: &mut Voice<'_>,
    ) -> bool {
        let mut moved = false;
        for one in &mut self.lines {
            let woken = one.woken();
            moved |= woken;
            one.look(time, woken, voice);
        }
        if let Some(net) = &mut self.net {
            net.receive(time, &mut self.remotes);
        }
        for remote in &mut self.remotes {
            remote.look(time, voice);
        }
        for one in &mut self.asked {
            one.look(time, voice);
        }
        self.rule(time, voice);
        if self.may_go(time, page, about, voice) {
            self.demand(about, voice);
        }
        if let Some(net) = &mut self.net {
            let lines = self.lines.iter().map(|one| one.seen(time));
            let own = lines.chain(self.asked.iter().map(|one| one.seen(time)));
            net.send(time, own, &mut self.remotes);
        }
        moved
    }

    /// Rules see what is known, and what follows from them is done but for the shutdown.
    fn rule(&mut self, time: Duration, voice: &mut Voice<'_>) {
        let Some(ruled) = &mut self.ruled else { return };
        let mut places = 0..;
        for one in &self.lines {
            let known = one.variables().iter().filter(|_| !one.ups().is_lost());
            let of = |name: &str| known.clone().find(|(one, _)| *one == name).map(|(_, is)| *is);
            ruled.feed(places.next().unwrap_or(0), of);
        }
        for one in &self.remotes {
            let all = || one.slave.variables().into_iter().flatten();
            let of = |name: &str| {
                let found = all().find(|(one, _)| one.eq_ignore_ascii_case(name));
                found.map(|(_, is)| is).filter(|_| !one.ups().is_lost())
            };
            ruled.feed(places.next().unwrap_or(0), of);
        }
        for one in &self.asked {
            let of = |name: &str| one.value(name).filter(|_| !one.ups().is_lost());
            ruled.feed(places.next().unwrap_or(0), of);
        }
        ruled.turn(time, voice);
        let low = ruled.low();
        self.again(time, voice, |ups| ups.rule_low(low));
    }

    /// Where a rule wants the machine down: says so, by the first UPS that feeds it.
    fn demand(&mut self, about: &About, voice: &mut Voice<'_>) {
        let Some(rule) = self.ruled.as_ref().and_then(Ruled::down) else { return };
        let all = self.machines().zip(&about.labels);
        let Some((ups, label)) = all.min_by_key(|(_, label)| label.weight == 0) else { return };
        ups.demand(&mut |_| voice.demanded(&label.name, rule));
    }

    /// As a primary: what would take this machine down is held back until the others on its NUT servers have gone.
    /// False: it is.
    fn may_go(
        &mut self,
        time: Duration,
        page: Option<Page>,
        about: &About,
        voice: &mut Voice<'_>,
    ) -> bool {
        let down = self.ruled.as_ref().is_some_and(|ruled| ruled.down().is_some());
        let Some(sync) = &mut self.sync else { return true };
        let lines = self.lines.iter().map(Watched::ups);
        let powers = lines
            .chain(self.remotes.iter().map(Remote::ups))
            .chain(self.asked.iter().map(Asked::ups));
        let feeds = about.labels.iter().zip(powers).map(|(label, ups)| sync::Feed {
            weight: label.weight,
            reported: ups.reported(),
            low: ups.is_low(time),
            over: ups.is_over(time) || (down && label.weight > 0),
        });
        // Told already, by a monitor before this one or because the parent sees no more.
        let leaving =
            page.is_some_and(|page| page.leave.is_some() || page.told == Some(Word::Shutdown));
        let primaries = self.asked.iter().filter_map(Asked::primary);
        let act = sync.turn(time, leaving, feeds, primaries);
        if act != Act::None {
            self.asked.iter_mut().for_each(|one| one.force(time));
        }
        if act == Act::Hold {
            return false;
        }
        self.again(time, voice, |ups| {
            let waits = ups.waits(time);
            ups.hold(!waits);
            waits
        });
        self.machines().for_each(|ups| ups.hold(true));
        true
    }

    /// If this machine goes down: has other machines told, and ends once they know. Only where there are any.
    fn part(&mut self, time: Duration, page: Option<Page>, cell: &Cell) {
        let (Some(net), Some(call)) = (&mut self.net, page.and_then(|page| page.leave)) else {
            return;
        };
        net.leave(time, call, &mut self.remotes);
        match net.parted(time, &self.remotes) {
            None => {}
            Some(Parted::All) => raw::exit(i32::from(EXIT_SERVED)),
            Some(Parted::Missing(slaves)) => {
                voice::log(&cell.log, 4, format_args!("{slaves} slaves did not say goodbye"));
                raw::exit(i32::from(EXIT_UNSERVED))
            }
        }
    }

    /// Says how it is to whoever asks.
    fn serve(&mut self, time: Duration, page: Option<Page>, cell: &Cell) {
        let Some(server) = &mut self.server else { return };
        let powers = self.lines.iter().map(Watched::ups);
        let powers = powers.chain(self.remotes.iter().map(Remote::ups));
        let powers = powers.chain(self.asked.iter().map(Asked::ups));
        for (track, ups) in self.tracks.iter_mut().zip(powers) {
            track.see(time, ups.reported());
        }
        let live = Live {
            about: &cell.about,
            page,
            lines: &self.lines,
            remotes: &self.remotes,
            asked: &self.asked,
            ruled: self.ruled.as_ref(),
            tracks: &self.tracks,
            net: self.net.as_ref(),
        };
        server.turn(time, &live);
    }

    fn next(&self, time: Duration) -> Option<Duration> {
        let lines = self.lines.iter().filter_map(|one| one.next(time));
        let remotes = self.remotes.iter().filter_map(|one| one.next(time));
        let asked = self.asked.iter().filter_map(|one| one.next(time));
        let sync = self.sync.as_ref().and_then(Sync::next).filter(|at| *at > time);
        let ruled = self.ruled.as_ref().and_then(|ruled| ruled.next(time));
        let net = self.net.as_ref().and_then(|net| net.next(time, &self.remotes));
        let served = self.server.as_ref().and_then(|server| server.next(time));
        lines.chain(remotes).chain(asked).chain(sync).chain(ruled).chain(net).chain(served).min()
    }

    fn calm(&self) -> bool {
        self.lines.iter().all(Watched::on_mains)
            && self.remotes.iter().all(Remote::on_mains)
            && self.asked.iter().all(Asked::on_mains)
    }

    /// No port is left, no driver can be found any more, and nothing else is watched.
    fn gone(&self) -> bool {
        self.remotes.is_empty()
            && self.lines.iter().all(Watched::port_gone)
            && self.asked.iter().all(Asked::gone)
    }
}

fn watch(cell: &Cell, all: &mut All) -> ! {
    let start = now();
    let mut voice = Voice::new(&cell.events, &cell.log, start);
    let mut again = [None; AGAIN.len()];
    let mut rest = Rest::new(start);
    let mut alive_at = start;
    let mut gone_since = None;
    loop {
        let time = now();
        let page = Page::read(|place| cell.view.get(place));
        if all.look(time, page, &cell.about, &mut voice) {
            again = AGAIN.map(|delay| Some(time.saturating_add(delay)));
        }
        leave_if_gone(&mut gone_since, time, all.gone(), &cell.log);
        all.part(time, page, cell);
        all.serve(time, page, cell);
        let calm = all.calm();
        if rest.begins(time, !calm) {
            raw::give_back();
        }
        // Sooner when an outage began since the last sign of life.
        let interval = alive_interval(calm);
        if time >= alive_at {
            voice.alive(&cell.first);
            alive_at = time.saturating_add(interval);
        }
        alive_at = alive_at.min(time.saturating_add(interval));
        for at in &mut again {
            *at = at.filter(|at| *at > time);
        }
        let quiet = (!voice.may_speak(time)).then(|| Voice::again(time));
        let times = all.next(time).into_iter().chain(again.into_iter().flatten()).chain(quiet);
        let deadline = times.chain([alive_at]).min().unwrap_or(alive_at);
        sleep(cell, all, time, deadline);
    }
}

/// Says so by its exit status that every port is gone: where somebody restarts the daemon, a new start finds
/// the device when it is plugged in again.
fn leave_if_gone(since: &mut Option<Duration>, time: Duration, gone: bool, log: &OwnedFd) {
    let began = *since.get_or_insert(time);
    if !gone {
        *since = None;
    } else if time.saturating_sub(began) >= GONE {
        voice::log(
            log,
            1,
            format_args!("every port or driver has been gone for good for {}s", GONE.as_secs()),
        );
        raw::exit(i32::from(EXIT_PORTS_GONE))
    }
}

/// Sleeps until something comes, or for so long. Ends the process when the parent is gone.
fn sleep(cell: &Cell, all: &All, time: Duration, deadline: Duration) {
    let none = PollFlags::empty();
    let own = [
        (cell.poke.as_fd(), PollFlags::POLLIN),
        (cell.view.news(), PollFlags::POLLIN),
        (cell.events.as_fd(), none),
        (cell.log.as_fd(), none),
    ];
    let net = all.net.iter().flat_map(Net::sockets).map(|fd| (fd, PollFlags::POLLIN));
    let asked = all.asked.iter().filter_map(Asked::poll);
    let served = all.server.iter().flat_map(|server| server.polls(time));
    let mut count = 0;
    let mut all = own.into_iter().chain(net).chain(asked).chain(served).inspect(|_| count += 1);
    let mut fds: [PollFd<'_>; MOST_FDS] = core::array::from_fn(|_| {
        let (fd, flags) = all.next().unwrap_or((cell.poke.as_fd(), none));
        PollFd::new(fd, flags)
    });
    drop(all);
    let fds = fds.get_mut(..count).unwrap_or_default();
    if let Err(error) = process::wait(fds, Some(deadline.saturating_sub(now()))) {
        fail(cell, "poll", error);
    }
    let mut came = fds.iter().map(|fd| fd.any().unwrap_or(true));
    let [poked, news, events, log] = core::array::from_fn(|_| came.next().unwrap_or(false));
    if events || log {
        raw::exit(0);
    }
    for (event, came) in [(cell.poke.as_fd(), poked), (cell.view.news(), news)] {
        if came {
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
