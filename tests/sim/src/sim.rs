//! The loop: calls, commands, deadlines, init's FIFO and the command's end.

mod act;

use crate::calls::{self, Next};
use crate::command::{self, Command};
use crate::faults::Faults;
use crate::filter;
use crate::init::{self, Init};
use crate::lines::Change;
use crate::log::{Log, now};
use crate::options::Options;
use crate::port::Port;
use crate::process;
use crate::schedule::Schedule;
use crate::script::Entry;
use crate::sys::{self, Answer};
use nix::errno::Errno;
use nix::libc::{SYS_ioctl, c_long};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use nix::sys::timer::TimerSetTimeFlags;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getppid};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// How long what runs has to end on SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// A command longer than this is none.
const LONGEST: usize = 4096;

// In the order in which they are served when several are ready: opens before the calls that follow
// them, init's requests early because their time counts, the command's end last.
const OPENS: u64 = 0;
const INIT: u64 = 1;
const CALLS: u64 = 2;
const TIMER: u64 = 3;
const CONTROL: u64 = 4;
const STDIN: u64 = 5;
const SIGNALS: u64 = 6;
const MASTERS: u64 = 16;

/// Something that happens at a deadline.
#[derive(Debug)]
enum Step {
    Run(Command),
    Change(usize, Change),
    EndBreak(usize, u64),
    Kill,
}

/// All of the simulator.
#[derive(Debug)]
pub struct Sim {
    ports: Vec<Port>,
    log: Log,
    trace: bool,
    /// The ioctls that are ours; with faults all of them are handed over.
    requests: Vec<u32>,
    faults: Faults,
    until_gone: bool,
    parent: Option<Pid>,
    init: Option<Init>,
    init_waited: bool,
    control: Option<(PathBuf, OwnedFd)>,
    half: [Vec<u8>; 2],
    schedule: Schedule<Step>,
    epoll: Epoll,
    inotify: Inotify,
    timer: TimerFd,
    armed: Option<u64>,
    signals: SignalFd,
    listener: Option<OwnedFd>,
    child: Pid,
    status: Option<u8>,
}

impl Sim {
    /// Makes ports and FIFOs; nothing runs yet. Blocks the signals that the loop takes.
    pub fn new(options: &Options, log: Log) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD] {
            mask.add(signal);
        }
        mask.add(Signal::SIGUSR1);
        mask.thread_block()?;
        if options.with_parent {
            // Comes for the end of the thread that started us, too: what counts then is who our parent is.
            prctl::set_pdeathsig(Signal::SIGUSR1)?;
        }
        let mut sim = Self {
            ports: Vec::new(),
            log,
            trace: options.trace,
            requests: filter::requests(options.icount),
            faults: Faults::new(options.faults.clone()),
            until_gone: options.until_gone,
            parent: options.with_parent.then(getppid),
            init: options.initctl.as_deref().map(Init::new).transpose()?,
            init_waited: false,
            control: None,
            half: [Vec::new(), Vec::new()],
            schedule: Schedule::default(),
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            inotify,
            timer: TimerFd::new(
                ClockId::CLOCK_MONOTONIC,
                TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
            )?,
            armed: None,
            signals: SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?,
            listener: None,
            child: Pid::from_raw(0),
            status: None,
        };
        for option in &options.ports {
            let port = Port::new(option, options.refuse, &sim.inotify).map_err(|error| {
                io::Error::new(error.kind(), format!("port {}: {error}", option.name))
            })?;
            sim.ports.push(port);
        }
        if let Some(path) = &options.control {
            sim.control = Some((path.clone(), init::open_fifo(path)?));
        }
        sim.listen(options.stdin)?;
        Ok(sim)
    }

    fn listen(&mut self, stdin: bool) -> io::Result<()> {
        let add =
            |fd: &dyn AsFd, flags, token| self.epoll.add(fd.as_fd(), EpollEvent::new(flags, token));
        add(&self.inotify, EpollFlags::EPOLLIN, OPENS)?;
        add(&self.timer, EpollFlags::EPOLLIN, TIMER)?;
        add(&self.signals, EpollFlags::EPOLLIN, SIGNALS)?;
        if let Some((_, fd)) = &self.control {
            add(fd, EpollFlags::EPOLLIN, CONTROL)?;
        }
        if stdin {
            add(&io::stdin(), EpollFlags::EPOLLIN, STDIN).map_err(|error| {
                io::Error::other(format!("--stdin wants a pipe or a terminal: {error}"))
            })?;
        }
        for (token, port) in (MASTERS..).zip(&self.ports) {
            add(
                port.master(),
                EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLET,
                token,
            )?;
        }
        self.wait_for_init()?;
        Ok(())
    }

    /// Waits on init's FIFO exactly while init reads it.
    fn wait_for_init(&mut self) -> io::Result<()> {
        if let Some(end) = self.init.as_ref().and_then(Init::end) {
            if !self.init_waited {
                self.epoll.add(end, EpollEvent::new(EpollFlags::EPOLLIN, INIT))?;
                self.init_waited = true;
            }
        }
        Ok(())
    }

    /// Takes the started command, and the script whose times count from now.
    pub fn start(&mut self, child: u32, listener: OwnedFd, script: Vec<Entry>) -> io::Result<()> {
        let nanos = now();
        self.epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, CALLS))?;
        sys::prefer_sync_wake(&listener);
        self.listener = Some(listener);
        self.child = Pid::from_raw(i32::try_from(child).map_err(io::Error::other)?);
        self.log.line(nanos, format_args!("start {child}"));
        for entry in script {
            self.schedule.add(later(nanos, entry.at), Step::Run(entry.command));
        }
        Ok(())
    }

    /// Runs until the command has ended and nothing is left under the filter; returns its status.
    pub fn run(&mut self) -> io::Result<u8> {
        let mut events = [EpollEvent::empty(); 32];
        loop {
            if let (Some(status), None) = (self.status, &self.listener) {
                self.log.note(format_args!("gone"));
                return Ok(status);
            }
            self.arm()?;
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let ready = events.get_mut(..count).unwrap_or_default();
            ready.sort_by_key(|event| match event.data() {
                // What a port's master says is as early as an open.
                token @ MASTERS.. => (OPENS, token),
                token => (token, 0),
            });
            for event in ready {
                self.serve(event.data(), event.events())?;
            }
        }
    }

    fn serve(&mut self, token: u64, events: EpollFlags) -> io::Result<()> {
        match token {
            OPENS => self.opens(),
            INIT => {
                if let Some(init) = &self.init {
                    init.read(&mut self.log);
                }
            }
            CALLS => self.call(events),
            TIMER => self.deadlines(),
            CONTROL | STDIN => self.commands(token),
            SIGNALS => self.signals(),
            token => {
                let at = usize::try_from(token - MASTERS).unwrap_or(usize::MAX);
                if let Some(port) = self.ports.get_mut(at) {
                    port.drain(&mut self.log);
                    port.check_closed(&mut self.log, &self.inotify, now());
                }
            }
        }
        self.wait_for_init()
    }

    fn arm(&mut self) -> io::Result<()> {
        let next = self.schedule.next();
        if next == self.armed {
            return Ok(());
        }
        self.armed = next;
        let Some(at) = next else {
            return Ok(self.timer.unset()?);
        };
        // A deadline of zero would disarm the timer.
        let at = TimeSpec::from_duration(Duration::from_nanos(at.max(1)));
        self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        Ok(())
    }

    fn opens(&mut self) {
        for event in self.inotify.read_events().unwrap_or_default() {
            let nanos = now();
            let Some(port) = self.ports.iter_mut().find(|port| port.watched_as(event.wd)) else {
                continue;
            };
            if event.mask.contains(AddWatchFlags::IN_OPEN) {
                port.opened(&mut self.log, nanos);
            }
            port.check_closed(&mut self.log, &self.inotify, nanos);
        }
    }

    fn call(&mut self, events: EpollFlags) {
        let Some(listener) = &self.listener else {
            return;
        };
        if events.contains(EpollFlags::EPOLLIN) {
            if let Ok(call) = sys::receive(listener) {
                if self.faults.serve(&call, listener, &mut self.log) {
                    return;
                }
                let ioctl = c_long::from(call.number) == SYS_ioctl;
                if !ioctl || !self.requests.contains(&call.request) {
                    calls::end(listener, call.id, Answer::Continue);
                    return;
                }
                let next =
                    calls::serve(&call, &mut self.ports, listener, &mut self.log, self.trace);
                if let Next::Break(port, time, id) = next {
                    self.schedule.add(later(now(), time), Step::EndBreak(port, id));
                }
            }
        } else if events.contains(EpollFlags::EPOLLHUP) {
            let _ = self.epoll.delete(listener);
            self.listener = None;
        }
    }

    fn deadlines(&mut self) {
        let _ = self.timer.wait();
        self.armed = None;
        // One at a time: if we are late, the calls that came meanwhile go before the next.
        if let Some((_, step)) = self.schedule.due(now()) {
            match step {
                Step::Run(command) => self.command(command),
                Step::Change(port, change) => self.change(port, change),
                Step::EndBreak(port, id) => {
                    if let (Some(port), Some(listener)) = (self.ports.get(port), &self.listener) {
                        self.log.note(format_args!("{} break off", port.name));
                        calls::end(listener, id, Answer::Done);
                    }
                }
                Step::Kill => process::signal_all(Signal::SIGKILL),
            }
        }
    }

    fn commands(&mut self, token: u64) {
        let mut bytes = [0u8; 4096];
        let size = match (token, &self.control) {
            (STDIN, _) => nix::unistd::read(io::stdin(), &mut bytes),
            (_, Some((_, fd))) => nix::unistd::read(fd, &mut bytes),
            _ => return,
        };
        let size = size.unwrap_or(0);
        if size == 0 && token == STDIN {
            let _ = self.epoll.delete(io::stdin());
        }
        let [control, stdin] = &mut self.half;
        let half = if token == STDIN { stdin } else { control };
        half.extend_from_slice(bytes.get(..size).unwrap_or_default());
        let mut lines = Vec::new();
        while let Some(end) = half.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = half.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        if half.len() > LONGEST {
            half.clear();
            self.log.note(format_args!("error a command longer than {LONGEST} bytes"));
        }
        for line in lines {
            match command::parse(&line) {
                Ok(Some(command)) => self.command(command),
                Ok(None) => {}
                Err(error) => self.log.note(format_args!("error {error}")),
            }
        }
    }

    fn signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok());
            match signal {
                Some(Signal::SIGCHLD) => self.reap(),
                Some(Signal::SIGUSR1) => {
                    if self.parent.is_some_and(|parent| parent != getppid()) {
                        self.quit();
                    }
                }
                Some(signal) if self.status.is_none() => {
                    let _ = kill(self.child, signal);
                }
                _ => self.quit(),
            }
        }
    }

    fn reap(&mut self) {
        loop {
            let (pid, status) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, (code, format!("{code}"))),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    let number = signal as i32;
                    (pid, (128 + number, format!("signal {number}")))
                }
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if pid == self.child {
                self.status = Some(u8::try_from(status.0).unwrap_or(u8::MAX));
                self.log.note(format_args!("exit {}", status.1));
                if !self.until_gone {
                    self.quit();
                }
            }
        }
    }

    fn quit(&mut self) {
        process::signal_all(Signal::SIGTERM);
        self.schedule.add(later(now(), GRACE), Step::Kill);
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.control {
            init::remove_fifo(path);
        }
    }
}

fn later(from: u64, time: Duration) -> u64 {
    from.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
