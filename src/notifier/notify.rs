//! The process that runs the notify command: a user of its own, no right, no descriptor of ours but the pipe's end
//! and the log's. It knows UPSs and rules by the configuration that it was forked with.
//!
//! The command may be anything, so it is taken for hostile: one at a time for each kind of event, a time limit, a
//! bounded number of processes, bounded output; what it leaves behind is killed.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::config::{self, Config, Occasion};
use crate::ipc::keeper::AGAIN;
use crate::notifier::logging::{NOTICE, Sink, WARNING};
use crate::notifier::queue::{Queue, Record, SIZE};
use crate::notifier::run::{About, Run, report};
use crate::notifier::trouble;
use crate::sys::{at, now, process, raw};

/// A start that failed is tried again so much later.
const FORK_AGAIN: Duration = Duration::from_secs(1);

/// The process, once it has no right left.
#[derive(Debug)]
pub(super) struct Notify {
    ups: Vec<String>,
    /// Names and texts.
    rules: Vec<(String, String)>,
    on: Vec<Occasion>,
    command: Vec<CString>,
    from: OwnedFd,
    /// SIGCHLD.
    ended: SignalFd,
    queue: Queue,
    runs: Vec<Run>,
    /// The parent is gone: what waits is still done.
    closed: bool,
    /// Processes are there that no running command leads.
    strays: bool,
    /// A fork failed: nothing new until all that runs has ended, and not before this.
    hold: Option<Duration>,
    /// That has been said.
    complained: bool,
}

impl Notify {
    /// Comes confined by `start`. `from`: where the parent's records come from.
    ///
    /// # Errors
    /// What cannot be had.
    pub(super) fn new(
        config: &Config,
        hook: &config::Notify,
        command: Vec<CString>,
        from: OwnedFd,
        sink: &Sink,
    ) -> Result<Notify, String> {
        process::remember_id();
        trouble::speak_of_panics();
        let null = OpenOptions::new().read(true).write(true).open("/dev/null");
        let null = null.map_err(|error| format!("/dev/null: {error}"))?;
        nix::unistd::dup2_stdin(&null).map_err(at("stdin"))?;
        nix::unistd::dup2_stdout(&null).map_err(at("stdout"))?;
        if !sink.uses_stderr() {
            nix::unistd::dup2_stderr(&null).map_err(at("stderr"))?;
        }
        // What a command leaves behind becomes a child of this process, and not of init.
        prctl::set_child_subreaper(true).map_err(at("subreaper"))?;
        let child: SigSet = [Signal::SIGCHLD].into_iter().collect();
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let ended = SignalFd::with_flags(&child, flags).map_err(at("signalfd"))?;
        report(NOTICE, format_args!("runs {} on events, without a right", hook.command.join(" ")));
        raw::give_back();
        Ok(Notify {
            ups: config.ups.iter().map(|ups| ups.name.clone()).collect(),
            rules: config.rules.notices().collect(),
            on: hook.on.clone(),
            command,
            from,
            ended,
            queue: Queue::default(),
            runs: Vec::new(),
            closed: false,
            strays: false,
            hold: None,
            complained: false,
        })
    }

    /// Serves the parent until it is gone and nothing is left to do.
    pub(super) fn serve(mut self) -> ! {
        loop {
            let time = now();
            self.read();
            self.runs.iter_mut().for_each(Run::listen);
            self.reap();
            self.runs.iter_mut().for_each(|run| run.limit(time));
            self.begin(time);
            if self.closed && self.queue.is_empty() && self.runs.is_empty() && !self.strays {
                raw::exit(0)
            }
            if self.sleep(time).is_err() && process::wait(&mut [], Some(AGAIN)).is_err() {
                raw::exit(1)
            }
        }
    }

    /// Takes all records that are there; no more than a pipe holds.
    fn read(&mut self) {
        let mut bytes = [0; SIZE];
        while !self.closed {
            match process::read_some(self.from.as_fd(), &mut bytes) {
                Ok(None) => break,
                Ok(Some(SIZE)) => match Record::read(bytes) {
                    Some(record) if self.on.contains(&record.occasion) => self.queue.add(record),
                    _ => {}
                },
                _ => self.closed = true,
            }
        }
        let dropped = self.queue.dropped();
        if dropped > 0 {
            report(
                WARNING,
                format_args!("{dropped} events gave way to newer ones, or found no room"),
            );
        }
    }

    /// Buries what has ended. With a command all of its group goes, and with the last one everything else.
    fn reap(&mut self) {
        while let Ok(Some(_)) = self.ended.read_signal() {}
        let before = self.strays;
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        loop {
            let seen = waitid(Id::All, flags | WaitPidFlag::WNOWAIT);
            self.strays = seen == Ok(WaitStatus::StillAlive) && self.runs.is_empty();
            let Some(pid) = seen.ok().and_then(|status| status.pid()) else { break };
            let run = self.runs.iter().position(|run| run.child == pid);
            let mut run = run.map(|place| self.runs.swap_remove(place));
            // While its leader can be waited for, a group's number is nobody else's.
            if let Some(run) = &run {
                run.kill();
            }
            let status = waitid(Id::Pid(pid), flags);
            if let (Some(run), Ok(status)) = (&mut run, status) {
                run.finish(status);
            }
        }
        if self.strays {
            // All of them at once, and only them: Landlock lets this process signal no other, and its user has no other.
            // One that does not die at once, in a call to a disk that hangs, is not worth a line each time.
            if kill(Pid::from_raw(-1), Signal::SIGKILL) != Err(Errno::ESRCH) && !before {
                report(WARNING, format_args!("what the command had left behind was killed"));
            }
        }
    }

    /// Runs the command for what waits, as far as nothing of that kind runs.
    fn begin(&mut self, time: Duration) {
        let held = |at: Duration| !self.runs.is_empty() || self.strays || time < at;
        if self.hold.is_some_and(held) {
            return;
        }
        self.hold = None;
        let Notify { queue, runs, .. } = self;
        while let Some(record) = queue.take(|one| !runs.iter().any(|run| run.occasion == one)) {
            let ups = record.ups.and_then(|ups| self.ups.get(usize::from(ups)));
            let rule = record.rule.and_then(|rule| self.rules.get(usize::from(rule)));
            let about = About {
                ups: ups.map_or("", String::as_str),
                rule: rule.map_or(("", ""), |(name, text)| (name, text)),
            };
            match Run::start(&self.command, &record, about, time) {
                Ok(run) => {
                    runs.push(run);
                    self.complained = false;
                }
                Err(error) => {
                    if !core::mem::replace(&mut self.complained, true) {
                        report(WARNING, format_args!("the command cannot be run now: {error}"));
                    }
                    queue.put_back(record);
                    self.hold = Some(time.saturating_add(FORK_AGAIN));
                    return;
                }
            }
        }
    }

    fn sleep(&self, time: Duration) -> nix::Result<()> {
        let mut fds = vec![PollFd::new(self.ended.as_fd(), PollFlags::POLLIN)];
        if !self.closed {
            fds.push(PollFd::new(self.from.as_fd(), PollFlags::POLLIN));
        }
        let outputs = self.runs.iter().filter_map(|run| run.output.as_ref());
        fds.extend(outputs.map(|output| PollFd::new(output.as_fd(), PollFlags::POLLIN)));
        let limits = self.runs.iter().filter_map(|run| run.until);
        let strays = self.strays.then(|| time.saturating_add(AGAIN));
        let hold = self.hold.filter(|_| self.runs.is_empty());
        let next = limits.chain(strays).chain(hold).min();
        process::wait(&mut fds, next.map(|at| at.saturating_sub(now())))
    }
}
