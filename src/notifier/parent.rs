//! The parent: no right is left to it but the descriptors that it holds. It reads frames, has them
//! judged, tells init, and has monitors replaced.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use crate::history::record::Cause;
use crate::ipc::frame::{Kind, Malformed};
use crate::ipc::guard::{Guard, Violation};
use crate::ipc::judge::{Feed, Judge, Tell};
use crate::ipc::legal::Power;
use crate::ipc::orders::{EXIT_PORTS_GONE, EXIT_UNCONFINED};
use crate::ipc::respawn::Respawn;
use crate::ipc::told::{Told, Word};
use crate::notifier::chronicle::{Chronicle, Said as History};
use crate::notifier::filter::Fds;
use crate::notifier::link::{Gate, Link, Said, Stage, discard};
use crate::notifier::logging::{ALERT, EMERG, NOTICE, Sink, WARNING, say};
use crate::notifier::state::{Entry, StateFile};
use crate::notifier::teller::Teller;
use crate::notifier::trouble;
use crate::sys::{now, process, raw, unix_time};
use crate::sysvinit::lifeline::Watch;

/// A start that has no first state by then has failed to report one, but goes on.
const START: Duration = Duration::from_secs(20);
/// The signal number of SIGKILL, as the warden reports a death.
const KILLED: u8 = 9;

/// Everything that the parent holds.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) names: Vec<String>,
    pub(super) chronicle: Option<Chronicle>,
    /// Index of the UPS that was last seen to change.
    pub(super) moved: usize,
    pub(super) guard: Guard,
    pub(super) judge: Judge,
    pub(super) respawn: Respawn,
    pub(super) link: Link,
    pub(super) events: OwnedFd,
    pub(super) gate: Gate,
    pub(super) teller: Teller,
    pub(super) state: StateFile,
    pub(super) pid_file: Option<File>,
    pub(super) signals: SignalFd,
    pub(super) sink: &'static Sink,
    /// Says to the command line that the start is over; taken once it has been said.
    pub(super) started: Option<OwnedFd>,
    /// Somebody restarts us (`-f`): a failure may end the process.
    pub(super) restarted: bool,
    /// How long to wait before a failing end.
    pub(super) linger: Duration,
    /// When to remind of trouble, and of blindness.
    pub(super) remind_at: Option<Duration>,
    pub(super) blind_at: Option<Duration>,
    pub(super) began: Duration,
    /// The state file does not say what was seen last.
    pub(super) stale: bool,
    /// The monitor left because no port is left to it.
    pub(super) ports_gone: bool,
    /// The first generation has said all.
    pub(super) ready: bool,
}

/// How the parent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// TERM or INT.
    Stopped,
    /// Something broke that only a restart mends.
    Failed,
}

impl Parent {
    /// The first entry of the state file.
    pub(super) fn begin(&self) -> std::io::Result<()> {
        self.entry(word_of(self.judge.last_told()), |entry| self.state.begin(entry))
    }

    /// Every descriptor, by its use.
    pub(super) fn descriptors(&self) -> Fds {
        let hand = self.teller.hand.as_ref().map(|hand| hand.fd.as_raw_fd());
        let fifo = self.teller.fifo.as_ref().map(|fifo| fifo.fd.as_raw_fd());
        let link = self.link.fd.as_raw_fd();
        let (log_write, log_send) = self.sink.descriptors();
        let started = self.started.as_ref().map(AsRawFd::as_raw_fd);
        let signals = self.signals.as_fd().as_raw_fd();
        let history = self.chronicle.as_ref().map(Chronicle::descriptors);
        let read = [self.events.as_raw_fd(), self.gate.fd.as_raw_fd(), link, signals];
        Fds {
            read: read.into_iter().chain(hand).chain(history.map(|[from, ..]| from)).collect(),
            write: [link]
                .into_iter()
                .chain(hand)
                .chain(fifo)
                .chain(log_write)
                .chain(started)
                .chain(history.map(|[_, to, _]| to))
                .collect(),
            stat: fifo.into_iter().collect(),
            pwrite: [self.state.fd().as_raw_fd()]
                .into_iter()
                .chain(history.map(|[_, _, file]| file))
                .collect(),
            truncate: self.pid_file.iter().map(AsRawFd::as_raw_fd).collect(),
            send: log_send.into_iter().collect(),
            shutdown: [link].into_iter().chain(hand).collect(),
        }
    }

    /// Runs until told to stop, or until it cannot go on where somebody restarts it; ends the process.
    pub(super) fn run(mut self) -> ! {
        let end = loop {
            let time = now();
            if let Some(end) = self.turn(time) {
                break end;
            }
            if self.sleep(time).is_err() {
                say(EMERG, format_args!("poll failed"));
                break End::Failed;
            }
        };
        self.part(end);
        if end == End::Failed {
            let _ = process::wait(&mut [], Some(self.linger));
        }
        raw::exit(i32::from(end == End::Failed))
    }

    /// One round: first what the monitor said, then what follows from it and from the time.
    fn turn(&mut self, time: Duration) -> Option<End> {
        self.listen(time);
        self.tell(time);
        if self.link.stage == Stage::Running {
            let passed = self.hear(time).map_err(Violation::LogLine);
            self.convict_if(time, passed);
        }
        // The end of the socket can be read again and again.
        while self.link.stage != Stage::Gone {
            let Some(said) = self.link.read() else { break };
            self.warden_said(time, said);
        }
        if self.link.stage == Stage::Running {
            let heard = self.guard.silence(time, self.judge.all_on_mains());
            self.convict_if(time, heard);
        }
        let hand = self.teller.hand.as_ref().is_none_or(|hand| hand.ready);
        if matches!(self.link.stage, Stage::Pausing(at) if time >= at && hand) {
            self.start_monitor(time);
        }
        self.teller.answered(time);
        self.teller.tick(time);
        self.tell(time);
        self.keep_record();
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.write(time);
        }
        self.report(time);
        self.signalled().or_else(|| self.trouble(time))
    }

    /// Reads the event pipe empty. The guard bounds it: no more than its bucket holds passes.
    fn listen(&mut self, time: Duration) {
        let mut buffer = [0; 512];
        while self.link.stage == Stage::Running {
            let length = match process::read_some(self.events.as_fd(), &mut buffer) {
                Ok(Some(length @ 1..)) => length,
                Ok(None) => return,
                Ok(Some(0)) | Err(_) => return self.convict(time, Violation::Closed),
            };
            for byte in buffer.iter().take(length) {
                match self.guard.byte(time, *byte) {
                    Ok(None) => {}
                    Ok(Some(event)) => {
                        self.judge.event(time, event);
                        self.stale |= event.kind != Kind::Alive;
                        if !matches!(event.kind, Kind::Alive | Kind::Notice) {
                            self.moved = event.ups;
                        }
                    }
                    Err(violation) => return self.convict(time, violation),
                }
            }
        }
    }

    /// Passes the monitor's log on; its words on an event go into the history too.
    fn hear(&mut self, time: Duration) -> Result<(), Malformed> {
        let Parent { gate, chronicle, .. } = self;
        gate.pass(time, &mut |line| {
            if let Some(chronicle) = chronicle {
                chronicle.heard(line);
            }
        })
    }

    /// Tells init what it must hear now.
    fn tell(&mut self, time: Duration) {
        while self.teller.open() {
            let Some(tell) = self.judge.due(time) else {
                return;
            };
            // Before the request: the script that init starts acts on it.
            self.record(tell.word);
            if !self.teller.tell(time, tell) {
                return;
            }
            self.judge.told(time, tell);
            self.record(tell.word);
            self.stale = false;
            self.say_told(tell);
            self.chronicle_told(tell);
        }
    }

    fn chronicle_told(&mut self, tell: Tell) {
        let on_battery = |feed: &Feed| matches!(feed.last, Some(Power::Battery | Power::Low));
        let blind = |feed: &Feed| feed.blind_since.is_some() && on_battery(feed);
        let (cause, ups) = match (tell.insist, tell.blind, tell.word) {
            (true, ..) => (Cause::Insist, None),
            (_, true, _) => (Cause::Blind, self.judge.feeds().iter().position(blind)),
            (_, _, Word::Shutdown) => (Cause::Asked, None),
            _ => (Cause::Seen, None),
        };
        let said = History { word: tell.word, cause, ups: ups.unwrap_or(self.moved) };
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.told(said);
        }
    }

    /// Records what was seen although init need not hear of it: the next start begins with it.
    fn keep_record(&mut self) {
        if core::mem::take(&mut self.stale) {
            self.record(word_of(self.judge.last_told()));
        }
    }

    fn say_told(&self, tell: Tell) {
        let what = self.teller.describe(tell);
        match (tell.word, tell.insist, tell.blind) {
            (_, true, _) => say(ALERT, format_args!("still up: init told again: {what}")),
            (_, _, true) => {
                say(ALERT, format_args!("blind on battery for too long; init told: {what}"))
            }
            (Word::Ok, ..) => say(NOTICE, format_args!("mains on; init told: {what}")),
            (Word::Fail, ..) => say(WARNING, format_args!("on battery; init told: {what}")),
            (Word::Low, ..) => say(ALERT, format_args!("battery low; init told: {what}")),
            (Word::Shutdown, ..) => say(ALERT, format_args!("shutting down; init told: {what}")),
        }
    }

    fn record(&self, word: Word) {
        if let Err(error) = self.entry(word, |entry| self.state.write(entry)) {
            say(EMERG, format_args!("state file: {error}"));
        }
    }

    fn entry(
        &self,
        word: Word,
        write: impl FnOnce(Entry<'_>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let at = unix_time();
        let feeds = self.judge.feeds().iter().zip(&self.names);
        let seen = feeds.map(|(feed, name)| (name.as_str(), feed.last, feed.blind_since.is_some()));
        let seen: Vec<_> = seen.collect();
        write(Entry { now: word, told: self.judge.last_told(), at, seen: &seen })
    }

    fn convict_if(&mut self, time: Duration, found: Result<(), Violation>) {
        if let Err(violation) = found {
            self.convict(time, violation);
        }
    }

    fn convict(&mut self, time: Duration, violation: Violation) {
        if self.link.stage != Stage::Running {
            return;
        }
        let who = match violation {
            Violation::Illegal { ups, .. } | Violation::NoState(ups) => self.names.get(ups),
            _ => None,
        };
        let (space, who) = who.map_or(("", ""), |who| (" ", who));
        say(
            ALERT,
            format_args!("monitor convicted: {violation}{space}{who}; it is being replaced"),
        );
        self.link.kill(time);
        // From here on, and not from its death: that may never be reported.
        self.judge.blinded(time);
        self.stale = true;
    }

    fn warden_said(&mut self, time: Duration, said: Said) {
        match (said, self.link.stage) {
            (Said::Ready, Stage::Starting) => self.link.stage = Stage::Pausing(time),
            (Said::Dead(how), stage @ (Stage::Running | Stage::Killing)) => {
                // All that it wrote before its death is in the pipes by now.
                self.listen(time);
                if self.link.stage == Stage::Running {
                    let _ = self.hear(time);
                    say(WARNING, format_args!("monitor ended: {}", Death(how)));
                }
                self.bury(time, how, stage == Stage::Killing);
            }
            _ => {
                self.link.stage = Stage::Gone;
                self.judge.blinded(time);
            }
        }
    }

    /// Nothing of the dead generation counts from here on.
    fn bury(&mut self, time: Duration, how: u8, convicted: bool) {
        discard(self.events.as_fd());
        self.gate.discard();
        self.judge.blinded(time);
        self.stale = true;
        let unconfined = how == 0x80 | EXIT_UNCONFINED && !self.ready;
        if unconfined {
            self.link.stage = Stage::Gone;
            return;
        }
        if how == 0x80 | EXIT_PORTS_GONE {
            self.ports_gone = true;
            self.link.stage = Stage::Pausing(time.saturating_add(trouble::REMIND));
            return;
        }
        let counted = convicted || how != KILLED;
        let at = self.respawn.after(time, counted);
        if at.saturating_sub(time) > Duration::from_secs(1) {
            let pause = at.saturating_sub(time).as_secs();
            say(ALERT, format_args!("too many monitors end badly; the next starts in {pause}s"));
        }
        self.link.stage = Stage::Pausing(at);
    }

    fn start_monitor(&mut self, time: Duration) {
        self.guard.reset(time);
        let outage = self
            .judge
            .feeds()
            .iter()
            .any(|feed| matches!(feed.last, Some(Power::Battery | Power::Low)));
        self.link.go(outage);
    }

    /// Says once that the start is over.
    fn report(&mut self, time: Duration) {
        let known = self.link.stage == Stage::Running && self.guard.all_known();
        if known && !self.ready {
            self.ready = true;
            let on_mains =
                self.judge.feeds().iter().filter(|feed| feed.last == Some(Power::Mains)).count();
            say(NOTICE, format_args!("ready: {on_mains} of {} UPS on mains", self.names.len()));
        }
        let late = time.saturating_sub(self.began) >= START;
        if let Some(started) = self.started.take_if(|_| self.ready || late) {
            let _ = nix::unistd::write(&started, &[0]);
            // Closing it is a system call that nothing else needs: the process that reads it has ended.
            core::mem::forget(started);
        }
    }

    fn signalled(&mut self) -> Option<End> {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo)
                .ok()
                .and_then(|signal| Signal::try_from(signal).ok())
            {
                Some(Signal::SIGHUP) => {
                    say(NOTICE, format_args!("SIGHUP: nothing is read again; restart to reload"));
                }
                Some(signal) => {
                    say(NOTICE, format_args!("{signal}: stopping; init is told nothing"));
                    return Some(End::Stopped);
                }
                None => {}
            }
        }
        None
    }

    /// Sleeps until something is there or due.
    fn sleep(&mut self, time: Duration) -> nix::Result<()> {
        let open = self.gate.open(time);
        let running = self.link.stage == Stage::Running;
        let pausing = match self.link.stage {
            Stage::Pausing(at) if self.teller.hand.as_ref().is_none_or(|hand| hand.ready) => {
                Some(at)
            }
            _ => None,
        };
        let silence = running.then(|| {
            self.guard.due(self.judge.all_on_mains()).saturating_add(Duration::from_millis(1))
        });
        let told = self.judge.next(time).filter(|_| self.teller.open());
        let start = self.started.as_ref().map(|_| self.began.saturating_add(START));
        let times =
            [pausing, silence, told, start, self.gate.next(), self.teller.next(), self.blind_at];
        let overdue = self.link.overdue_at().filter(|at| *at > time);
        let times =
            times.into_iter().chain([self.remind_at, overdue, self.gate.dropped_at]).flatten();
        let timeout = times.min().map(|at| at.saturating_sub(now()));
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.link.stage != Stage::Gone {
            fds.push(PollFd::new(self.link.fd.as_fd(), PollFlags::POLLIN));
        }
        if running {
            fds.push(PollFd::new(self.events.as_fd(), PollFlags::POLLIN));
            if open {
                fds.push(PollFd::new(self.gate.fd.as_fd(), PollFlags::POLLIN));
            }
        }
        if let Some(fifo) = &self.teller.fifo {
            let flags = match fifo.line.watch() {
                Watch::Not => None,
                // POLLERR comes unasked.
                Watch::Reader => Some(PollFlags::empty()),
                Watch::Room => Some(PollFlags::POLLOUT),
            };
            fds.extend(flags.map(|flags| PollFd::new(fifo.fd.as_fd(), flags)));
        }
        if let Some(hand) = self.teller.hand.as_ref().filter(|hand| !hand.dead) {
            fds.push(PollFd::new(hand.fd.as_fd(), PollFlags::POLLIN));
        }
        process::wait(&mut fds, timeout)
    }
}

fn word_of(told: Told) -> Word {
    match told {
        Told::Ok => Word::Ok,
        Told::Fail => Word::Fail,
        Told::Low => Word::Low,
        Told::Final => Word::Shutdown,
    }
}

/// A death as the warden reports it.
struct Death(u8);

impl core::fmt::Display for Death {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0.checked_sub(0x80) {
            Some(status) => write!(f, "exit status {status}"),
            None => match Signal::try_from(i32::from(self.0)) {
                Ok(signal) => write!(f, "{signal}"),
                Err(_) => write!(f, "signal {}", self.0),
            },
        }
    }
}
