//! A stop at the machine's end: slaves and masters hear of it before this machine's power may go.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use crate::ipc::parting::{self, Call, Slaves};
use crate::notifier::logging::{NOTICE, WARNING, say};
use crate::notifier::parent::{End, Parent};
use crate::sysvinit::runlevel;

/// What the parent needs to part from other machines.
#[derive(Debug)]
pub(super) struct Farewell {
    /// Process 1's command line, open since the start: where init writes the runlevel.
    pub(super) title: Option<File>,
    /// `slave-wait`; `None`: this machine speaks to no other.
    pub(super) wait: Option<Duration>,
    /// Beside the UPSs: this machine itself knows of it, not from a master.
    pub(super) lines: Vec<bool>,
    /// The monitor was told; it ends by itself, or then.
    pub(super) until: Option<Duration>,
}

impl Farewell {
    /// Its descriptor, to read by pread(2).
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.title.as_ref().map(AsRawFd::as_raw_fd)
    }
}

/// Init's runlevel, as its title says it now.
pub(super) fn level(title: &File) -> Option<u8> {
    let mut bytes = [0; runlevel::LONGEST];
    let length = title.read_at(&mut bytes, 0).ok()?;
    runlevel::of_title(bytes.get(..length)?)
}

impl Parent {
    /// TERM or INT: ends now, or once other machines know.
    pub(super) fn stop(&mut self, time: Duration, signal: &str) -> Option<End> {
        if self.farewell.until.is_some() {
            say(NOTICE, format_args!("{signal}: again: not waiting any longer for other machines"));
            return Some(End::Stopped);
        }
        if let Some(supervisor) = &self.ends.supervisor {
            supervisor.stopping();
        }
        let wait = self.farewell.wait;
        let told = self.keeper.judge.last_told();
        let Some(wait) =
            wait.filter(|_| parting::goes_down(self.farewell.title.as_ref().and_then(level), told))
        else {
            say(NOTICE, format_args!("{signal}: stopping; init is told nothing"));
            return Some(End::Stopped);
        };
        let feeds = self.keeper.judge.feeds().iter().map(|feed| feed.last);
        let feeds = self.farewell.lines.iter().copied().zip(feeds);
        let call = parting::call(self.ends.slaves, feeds);
        self.ends.notice.page.leave = Some(call);
        self.post();
        self.keeper.part();
        self.farewell.until = Some(time.saturating_add(parting::longest(wait)));
        let slaves = match (call == Call::Shutdown, self.ends.slaves.is_some()) {
            (true, true) => "on battery: slaves are told to shut down, and waited for",
            _ => "other machines are told",
        };
        say(NOTICE, format_args!("{signal}: this machine goes down; {slaves}"));
        None
    }

    /// After [`Parent::stop`]: whether other machines know, or the time is over.
    pub(super) fn parted(&mut self, time: Duration) -> Option<End> {
        let until = self.farewell.until?;
        let late = time >= until;
        let end = self.keeper.parted(time).or(late.then_some(Slaves::Missing))?;
        if self.ends.slaves.is_some() && self.ends.notice.page.leave == Some(Call::Shutdown) {
            match end {
                Slaves::Missing => {
                    say(WARNING, format_args!("not all slaves are gone; -k will not cut the load"))
                }
                _ => say(NOTICE, format_args!("all slaves are gone; -k may cut the load")),
            }
            self.ends.slaves = Some(end);
            self.keeper.record(&mut self.ends);
        }
        Some(End::Stopped)
    }
}
