//! What the parent does when something broke that it cannot mend, and how it ends.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use landlock::RulesetStatus;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{Shutdown, shutdown};

use crate::ipc::keeper::{Outside as _, Stage};
use crate::ipc::told::Told;
use crate::notifier::logging::{ALERT, EMERG, NOTICE, WARNING, say};
use crate::notifier::parent::{End, Parent};
use crate::sys::{now, process, raw};

/// How long the others get to end.
const PARTING: Duration = Duration::from_secs(1);
/// Trouble that stays is said again so often.
const REMIND: Duration = Duration::from_secs(600);
/// Blindness on mains is said again so often.
const REMIND_BLIND: Duration = Duration::from_secs(3600);

impl Parent {
    /// What only a restart mends: ends the process where somebody restarts it, else says so again and
    /// again. On battery a parent that can still tell init stays until it has.
    pub(super) fn trouble(&mut self, time: Duration) -> Option<End> {
        self.remind_of_dropped(time);
        self.remind_of_blindness(time);
        let lost = self.keeper.lost(time);
        let dead = self.ends.teller.dead();
        let ports_gone = core::mem::take(&mut self.keeper.ports_gone);
        if ports_gone && self.restarted && self.keeper.judge.last_told() == Told::Ok {
            say(
                EMERG,
                format_args!("every port is gone; ending, so that the next start waits for them"),
            );
            return Some(End::Failed);
        }
        if ports_gone {
            say(ALERT, format_args!("every port is gone: nothing is watched; restart upsentry"));
        }
        if !lost && !dead {
            if self.remind_at.take().is_some() {
                say(NOTICE, format_args!("the warden answers again"));
            }
            return None;
        }
        let gone = self.keeper.stage == Stage::Gone;
        if gone && self.remind_at.is_none() {
            // Its last words say why; what breaks a rule in them changes nothing any more.
            let _ = self.ends.pass_log(time);
        }
        let calm = matches!(self.keeper.judge.last_told(), Told::Ok | Told::Final);
        if (dead || calm) && (self.restarted || !self.keeper.was_known) {
            let what = match (dead, gone) {
                (true, _) => "init cannot be told",
                (false, true) => "the warden is gone",
                (false, false) => "the warden has not answered for 10s",
            };
            say(EMERG, format_args!("{what}; ending"));
            return Some(End::Failed);
        }
        if self.remind_at.is_none_or(|at| time >= at) {
            let what = match (dead, gone) {
                (true, _) => "init cannot be told of an outage",
                (false, true) => "the warden is gone: nothing is watched",
                (false, false) => "the warden has not answered for 10s: nothing is watched",
            };
            // That init cannot be told was said when it happened.
            let first = self.remind_at.is_none() && !dead;
            let severity = if first { EMERG } else { ALERT };
            say(severity, format_args!("{what}; restart upsentry"));
            self.remind_at = Some(time.saturating_add(REMIND));
        }
        None
    }

    /// At most one line a second: a monitor that writes too many must not have us write as many.
    fn remind_of_dropped(&mut self, time: Duration) {
        let gate = &mut self.ends.gate;
        gate.dropped = gate.dropped.saturating_add(self.sink.dropped());
        if gate.dropped == 0 {
            return;
        }
        let at = *gate.dropped_at.get_or_insert(time.saturating_add(Duration::from_secs(1)));
        if time >= at {
            let dropped = gate.dropped;
            say(WARNING, format_args!("{dropped} log lines were dropped"));
            (gate.dropped, gate.dropped_at) = (0, None);
            self.post_dropped(dropped);
        }
    }

    fn remind_of_blindness(&mut self, time: Duration) {
        let blind = self.keeper.was_known
            && self.keeper.judge.feeds().iter().any(|feed| feed.blind_since.is_some());
        let Some(at) = self.blind_at.filter(|_| blind) else {
            self.blind_at = blind.then(|| time.saturating_add(REMIND_BLIND));
            return;
        };
        if time >= at {
            let feeds = self.keeper.judge.feeds().iter().zip(&self.ends.names);
            for (_, name) in feeds.filter(|(feed, _)| feed.blind_since.is_some()) {
                say(WARNING, format_args!("{name}: still no contact"));
            }
            self.blind_at = Some(time.saturating_add(REMIND_BLIND));
        }
    }

    /// Lets the others go and waits a moment for them.
    pub(super) fn part(&mut self, end: End) {
        let hand = self.ends.teller.hand.as_ref().map(|hand| hand.fd.as_fd());
        for fd in [self.ends.link.fd.as_fd()].into_iter().chain(hand) {
            // Their next read is the end.
            let _ = shutdown(fd.as_raw_fd(), Shutdown::Write);
        }
        let deadline = now().saturating_add(PARTING);
        let mut left = vec![self.ends.link.fd.as_fd()];
        left.extend(hand);
        while !left.is_empty() && now() < deadline {
            let mut fds: Vec<_> =
                left.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
            if process::wait(&mut fds, Some(deadline.saturating_sub(now()))).is_err() {
                break;
            }
            left.retain(|fd| !matches!(process::read_some(*fd, &mut [0; 2]), Ok(Some(0)) | Err(_)));
        }
        if let Some(chronicle) = &self.ends.chronicle {
            chronicle.finish(deadline);
        }
        if let Some(pid_file) = &self.pid_file {
            if let Err(error) = pid_file.set_len(0) {
                say(WARNING, format_args!("pid file: {error}; it is left as it was"));
            }
        }
        if end == End::Stopped {
            say(NOTICE, format_args!("stopped"));
        }
    }
}

/// A panic is one clean line in the log and an exit, within the list: it is our own error, and the
/// others end with us.
pub(super) fn speak_of_panics() {
    std::panic::set_hook(Box::new(|info| {
        let line = info.location().map_or(0, std::panic::Location::line);
        let file = info.location().map_or("?", std::panic::Location::file);
        say(EMERG, format_args!("panicked at {file}:{line}; ending"));
        raw::exit(1)
    }));
}

/// The first line of a process without rights.
pub(super) fn say_confined(who: &str, landlock: RulesetStatus) {
    let (severity, but) = match landlock {
        RulesetStatus::FullyEnforced => (NOTICE, ""),
        RulesetStatus::PartiallyEnforced => (NOTICE, "; Landlock in part: older kernel"),
        RulesetStatus::NotEnforced => (WARNING, ", but this kernel has no Landlock"),
    };
    say(severity, format_args!("runs as {who}, without a right{but}"));
}
