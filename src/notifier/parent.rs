//! The parent: no right is left to it but the descriptors that it holds. It reads frames, has them
//! judged, tells init, and has monitors replaced.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use crate::history::record::Cause;
use crate::ipc::frame::{Kind, Malformed};
use crate::ipc::guard::Violation;
use crate::ipc::judge::{Judge, Tell};
use crate::ipc::keeper::{AGAIN, Keeper, Note, Outside, Said, Stage};
use crate::ipc::legal::Power;
use crate::ipc::orders::{EXIT_UNMADE, KILL};
use crate::ipc::parting::Slaves;
use crate::ipc::record::Entry;
use crate::ipc::told::Word;
use crate::notifier::chronicle::{Chronicle, Said as History};
use crate::notifier::farewell::Farewell;
use crate::notifier::filter::Fds;
use crate::notifier::hook::Hook;
use crate::notifier::link::{Gate, Link, discard};
use crate::notifier::logging::{ALERT, EMERG, NOTICE, Sink, WARNING, say};
use crate::notifier::notice::Notice;
use crate::notifier::state::StateFile;
use crate::notifier::supervisor::Supervisor;
use crate::notifier::teller::Teller;
use crate::sys::rest::Rest;
use crate::sys::{now, process, raw, unix_time};
use crate::sysvinit::lifeline::Watch;

/// A start that has no first state by then has failed to report one, but goes on.
const START: Duration = Duration::from_secs(20);

/// A frame follows the log line that gives its reason within this, or there is none.
const FRAME: Duration = Duration::from_millis(1);

/// What the parent talks to.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) names: Vec<String>,
    pub(super) link: Link,
    pub(super) events: OwnedFd,
    pub(super) gate: Gate,
    pub(super) teller: Teller,
    pub(super) state: StateFile,
    pub(super) chronicle: Option<Chronicle>,
    pub(super) hook: Option<Hook>,
    /// On a master: what became of its slaves.
    pub(super) slaves: Option<Slaves>,
    pub(super) notice: Notice,
    pub(super) supervisor: Option<Supervisor>,
}

/// Everything that the parent holds.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) keeper: Keeper,
    pub(super) ends: Ends,
    pub(super) pid_file: Option<File>,
    pub(super) signals: SignalFd,
    pub(super) farewell: Farewell,
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
    pub(super) rest: Rest,
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
        let judge = &self.keeper.judge;
        self.ends.entry(judge.last_word(), judge, |entry| self.ends.state.begin(entry))
    }

    /// Every descriptor, by its use.
    pub(super) fn descriptors(&self) -> Fds {
        let ends = &self.ends;
        let hand = ends.teller.hand.as_ref().map(|hand| hand.fd.as_raw_fd());
        let fifo = ends.teller.fifo.as_ref().map(|fifo| fifo.fd.as_raw_fd());
        let link = ends.link.fd.as_raw_fd();
        let (log_write, log_send) = self.sink.descriptors();
        let started = self.started.as_ref().map(AsRawFd::as_raw_fd);
        let signals = self.signals.as_fd().as_raw_fd();
        let history = ends.chronicle.as_ref().map(Chronicle::descriptors);
        let read = [ends.events.as_raw_fd(), ends.gate.fd.as_raw_fd(), link, signals];
        Fds {
            read: read.into_iter().chain(hand).chain(history.map(|[from, ..]| from)).collect(),
            write: [link, ends.notice.descriptor()]
                .into_iter()
                .chain(hand)
                .chain(fifo)
                .chain(log_write)
                .chain(started)
                .chain(history.map(|[_, to, _]| to))
                .chain(ends.hook.as_ref().map(Hook::descriptor))
                .collect(),
            stat: fifo.into_iter().collect(),
            pread: self.farewell.descriptor().into_iter().collect(),
            pwrite: [ends.state.fd().as_raw_fd()]
                .into_iter()
                .chain(history.map(|[_, _, file]| file))
                .collect(),
            truncate: self.pid_file.iter().map(AsRawFd::as_raw_fd).collect(),
            send: log_send
                .into_iter()
                .chain(ends.supervisor.as_ref().map(Supervisor::descriptor))
                .collect(),
            shutdown: [link].into_iter().chain(hand).collect(),
        }
    }

    /// Runs until told to stop, or until it cannot go on where somebody restarts it; ends the process.
    pub(super) fn run(mut self) -> ! {
        self.post_first();
        let end = loop {
            let time = now();
            if let Some(end) = self.turn(time) {
                break end;
            }
            if let Err(error) = self.sleep(time) {
                say(EMERG, format_args!("poll: {error}"));
                // It may pass. If not even this works, going on would be a spin.
                if process::wait(&mut [], Some(AGAIN)).is_err() {
                    break End::Failed;
                }
            }
        };
        self.part(end);
        if end == End::Failed {
            let _ = process::wait(&mut [], Some(self.linger));
        }
        raw::exit(i32::from(end == End::Failed))
    }

    fn turn(&mut self, time: Duration) -> Option<End> {
        self.keeper.turn(time, &mut self.ends);
        self.post();
        if let Some(chronicle) = &mut self.ends.chronicle {
            chronicle.write(time);
        }
        if let Some(hook) = &mut self.ends.hook {
            hook.write();
        }
        self.report(time);
        let outage = self.outage();
        if self.rest.begins(time, outage || self.keeper.stage != Stage::Running) {
            raw::give_back();
        }
        if let Some(supervisor) = &mut self.ends.supervisor {
            supervisor.feed(time, outage);
        }
        let parted = self.parted(time);
        parted.or_else(|| self.signalled(time)).or_else(|| self.trouble(time))
    }

    /// Some UPS was last seen on battery.
    fn outage(&self) -> bool {
        let mut feeds = self.keeper.judge.feeds().iter();
        feeds.any(|feed| matches!(feed.last, Some(Power::Battery | Power::Low)))
    }

    /// Says once that the start is over.
    fn report(&mut self, time: Duration) {
        let keeper = &mut self.keeper;
        let known = keeper.stage == Stage::Running && keeper.guard.all_known();
        let feeds = keeper.judge.feeds();
        let on_mains = feeds.iter().filter(|feed| feed.last == Some(Power::Mains)).count();
        let all = feeds.len();
        if known && !keeper.was_known {
            keeper.was_known = true;
            say(NOTICE, format_args!("ready: {on_mains} of {all} UPS on mains"));
        }
        let late = time.saturating_sub(self.began) >= START;
        let waits = self.ends.supervisor.as_mut().filter(|supervisor| !supervisor.ready);
        if let Some(supervisor) = waits.filter(|_| keeper.was_known || late) {
            supervisor.started(format_args!("{on_mains} of {all} UPS on mains"));
        }
        if let Some(started) = self.started.take_if(|_| keeper.was_known || late) {
            match nix::unistd::write(&started, &[0]) {
                // Who waits would do so for ever: the next turn tries again.
                Err(Errno::EINTR | Errno::EAGAIN | Errno::ENOMEM) => self.started = Some(started),
                // Closing it is a system call that nothing else needs: the process that reads it has ended.
                _ => core::mem::forget(started),
            }
        }
    }

    fn signalled(&mut self, time: Duration) -> Option<End> {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo)
                .ok()
                .and_then(|signal| Signal::try_from(signal).ok())
            {
                Some(Signal::SIGHUP) => {
                    say(NOTICE, format_args!("SIGHUP: nothing is read again; restart to reload"));
                }
                Some(signal) => {
                    if let Some(end) = self.stop(time, signal.as_str()) {
                        return Some(end);
                    }
                }
                None => {}
            }
        }
        None
    }

    /// Sleeps until something is there or due.
    fn sleep(&mut self, time: Duration) -> nix::Result<()> {
        let outage = self.outage();
        let ends = &mut self.ends;
        let gate_open = ends.gate.open(time);
        let next = self.keeper.next(time, ends.ready());
        let late = self.began.saturating_add(START);
        let late = if self.keeper.was_known { time } else { late };
        let waits = ends.supervisor.as_ref().is_some_and(|supervisor| !supervisor.ready);
        let waits = waits || self.started.is_some();
        let start = waits.then(|| late.max(time.saturating_add(AGAIN)));
        let fed = ends.supervisor.as_ref().and_then(|supervisor| supervisor.next(outage));
        let times = [next, start, ends.gate.next(), ends.teller.next(), self.blind_at];
        let more = [self.remind_at, ends.gate.dropped_at, self.farewell.until, fed];
        let times = times.into_iter().chain(more).flatten();
        let timeout = times.min().map(|at| at.saturating_sub(now()));
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.keeper.stage != Stage::Gone {
            fds.push(PollFd::new(ends.link.fd.as_fd(), PollFlags::POLLIN));
        }
        if self.keeper.stage == Stage::Running {
            fds.push(PollFd::new(ends.events.as_fd(), PollFlags::POLLIN));
            if gate_open {
                fds.push(PollFd::new(ends.gate.fd.as_fd(), PollFlags::POLLIN));
            }
        }
        if let Some(fifo) = &ends.teller.fifo {
            let flags = match fifo.line.watch() {
                Watch::Not => None,
                // POLLERR comes unasked.
                Watch::Reader => Some(PollFlags::empty()),
                Watch::Room => Some(PollFlags::POLLOUT),
            };
            fds.extend(flags.map(|flags| PollFd::new(fifo.fd.as_fd(), flags)));
        }
        if let Some(hand) = ends.teller.hand.as_ref().filter(|hand| !hand.dead) {
            fds.push(PollFd::new(hand.fd.as_fd(), PollFlags::POLLIN));
        }
        process::wait(&mut fds, timeout)?;
        // The reason of an event is written before its frame. Where nothing else is there yet, the frame is on
        // its way: to pass the reason on first would hold up what init must hear.
        let woken = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        let log = ends.gate.fd.as_raw_fd();
        let reason_only = fds.iter().all(|fd| woken(fd) == (fd.as_fd().as_raw_fd() == log));
        if reason_only && gate_open {
            fds.retain(|fd| fd.as_fd().as_raw_fd() != log);
            process::wait(&mut fds, Some(FRAME))?;
        }
        Ok(())
    }
}

impl Outside for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        process::read_some(self.events.as_fd(), buffer).unwrap_or(Some(0))
    }

    /// Passes the monitor's log on; its words on an event go into the history too.
    fn pass_log(&mut self, now: Duration) -> Result<(), Malformed> {
        let Ends { gate, chronicle, .. } = self;
        gate.pass(now, &mut |line| {
            if let Some(chronicle) = chronicle {
                chronicle.heard(line);
            }
        })
    }

    fn discard(&mut self) {
        discard(self.events.as_fd());
        self.gate.discard();
    }

    fn warden(&mut self) -> Option<Said> {
        self.link.read()
    }

    fn order(&mut self, order: u8) -> bool {
        let written = self.link.order(order);
        if written && order != KILL {
            self.notice.started();
        }
        written
    }

    fn ready(&self) -> bool {
        self.teller.hand.as_ref().is_none_or(|hand| hand.ready)
    }

    fn open(&self, tell: Tell) -> bool {
        self.teller.open(tell)
    }

    fn tick(&mut self, now: Duration) {
        self.teller.answered(now);
        self.teller.tick(now);
    }

    fn tell(&mut self, now: Duration, tell: Tell) -> bool {
        self.teller.tell(now, tell)
    }

    fn record(&mut self, word: Word, judge: &Judge) -> bool {
        let written = self.entry(word, judge, |entry| self.state.write(entry));
        if let Err(error) = &written {
            say(EMERG, format_args!("state file: {error}"));
        }
        written.is_ok()
    }

    fn say(&mut self, note: Note) {
        match note {
            Note::Convicted(violation) => {
                let who = match violation {
                    Violation::Illegal { ups, .. } | Violation::NoState(ups) => self.names.get(ups),
                    _ => None,
                };
                let (space, who) = who.map_or(("", ""), |who| (" ", who));
                say(
                    ALERT,
                    format_args!(
                        "monitor convicted: {violation}{space}{who}; it is being replaced"
                    ),
                );
            }
            Note::Ended(how) => say(WARNING, format_args!("monitor ended: {}", Death(how))),
            Note::Slowed(pause) => {
                let pause = pause.as_secs();
                say(
                    ALERT,
                    format_args!("too many monitors end badly; the next starts in {pause}s"),
                );
            }
            Note::Heard(event) => {
                if let Some(supervisor) =
                    self.supervisor.as_mut().filter(|_| event.kind == Kind::Alive)
                {
                    supervisor.heard();
                }
                if let Some(hook) = &mut self.hook {
                    hook.heard(event);
                }
            }
            Note::Told(tell, ups) => {
                // Init, or the hand, may have been woken on this processor: it goes first, before we write logs.
                let _ = process::wait(&mut [], Some(Duration::from_nanos(1)));
                self.notice.told(tell);
                self.say_told(tell);
                let cause = match (tell.insist, tell.blind, tell.word) {
                    (true, ..) => Cause::Insist,
                    (_, true, _) => Cause::Blind,
                    (_, _, Word::Shutdown) => Cause::Asked,
                    _ => Cause::Seen,
                };
                if let Some(hook) = &mut self.hook {
                    hook.told(tell, ups);
                }
                if let Some(chronicle) = &mut self.chronicle {
                    chronicle.told(History { word: tell.word, cause, ups });
                }
            }
        }
    }
}

impl Ends {
    fn entry(
        &self,
        word: Word,
        judge: &Judge,
        write: impl FnOnce(Entry<'_>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let at = unix_time();
        let feeds = judge.feeds().iter().zip(&self.names);
        let seen = feeds.map(|(feed, name)| (name.as_str(), feed.last, feed.blind_since.is_some()));
        let seen: Vec<_> = seen.collect();
        write(Entry {
            now: word,
            told: judge.last_told(),
            at,
            seen: &seen,
            slaves: self.slaves,
            cause: judge.cause(),
        })
    }

    fn say_told(&self, tell: Tell) {
        let what = self.teller.describe(tell);
        let (severity, why) = match (tell.word, tell.insist, tell.blind) {
            (_, true, _) => (ALERT, "still up: init told again:"),
            (_, _, true) => (ALERT, "blind on battery for too long; init told:"),
            (Word::Ok, ..) => (NOTICE, "mains on; init told:"),
            (Word::Fail, ..) => (WARNING, "on battery; init told:"),
            (Word::Low, ..) => (ALERT, "battery low; init told:"),
            (Word::Shutdown, ..) => (ALERT, "shutting down; init told:"),
        };
        say(severity, format_args!("{why} {what}"));
        if let Some(supervisor) = &self.supervisor {
            supervisor.status(format_args!("{why} {what}"));
        }
    }
}

/// A death as the warden reports it.
struct Death(u8);

impl core::fmt::Display for Death {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0.checked_sub(0x80) {
            Some(EXIT_UNMADE) => f.write_str("it could not be made: the warden cannot fork"),
            Some(status) => write!(f, "exit status {status}"),
            None => match Signal::try_from(i32::from(self.0)) {
                Ok(signal) => write!(f, "{signal}"),
                Err(_) => write!(f, "signal {}", self.0),
            },
        }
    }
}
