//! A device that is not there yet, or a master whose name does not resolve yet. The start is not over then: this process keeps root and waits for
//! it, while a child, confined as ever, watches what is there. It reads nothing but the clock, and
//! what the program that looks names up has found.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

use crate::config::places;
use crate::config::{Config, Ups, Watch};
use crate::notifier::logging::{ALERT, NOTICE, say};
use crate::notifier::names::{self, Question};
use crate::notifier::open::Opened;
use crate::notifier::port;
use crate::sys::supervisor::{self, Line};
use crate::sys::{at, now, process, raw};

/// Between two looks for the device.
const LOOK: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Which process returns from [`wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Every device is there: this one goes on and gives root up.
    Whole,
    /// A child that watches what is there, until it is told to stop.
    Meanwhile,
}

/// Returns at once where every device is there; else in a child for now, and here when they are.
///
/// # Errors
/// The kernel refuses to fork.
pub(super) fn wait(
    config: &Config,
    opened: &mut Opened,
    started: &mut Option<OwnedFd>,
    supervisor: Option<&Line>,
) -> Result<Part, String> {
    while opened.absent(config).next().is_some() {
        match raw::fork().map_err(at("fork"))? {
            ForkResult::Child => {
                process::remember_id();
                return Ok(Part::Meanwhile);
            }
            ForkResult::Parent { child } => {
                process::name(c"upsentry-wait");
                // The first child says that the start is over; who called us waits for that.
                *started = None;
                supervisor.map(|line| line.say(supervisor::WAITS));
                look(config, opened, child, supervisor)
                    .map_err(|error| format!("waiting for a device or a name: {error}"))?;
                opened.reread();
            }
        }
    }
    process::name(c"upsentry");
    Ok(Part::Whole)
}

/// Waits for one more device, then has the child stop. Ends this process with the child's status when
/// the child ends, or with it on TERM and INT.
fn look(config: &Config, opened: &mut Opened, child: Pid, to: Option<&Line>) -> io::Result<()> {
    let mask: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD].into_iter().collect();
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let began = now();
    let mut remind = MINUTE;
    let mut question = None;
    loop {
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        process::wait(&mut fds, Some(LOOK))?;
        to.map(|line| line.say(supervisor::LIVES));
        while let Some(info) = signals.read_signal()? {
            if i32::try_from(info.ssi_signo) != Ok(Signal::SIGCHLD as i32) {
                kill(child, Signal::SIGTERM)?;
            }
        }
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive => {}
            WaitStatus::Exited(_, code) => raw::exit(code),
            _ => raw::exit(1),
        }
        let waited = now().saturating_sub(began);
        let loud = waited >= remind;
        if loud {
            remind = match remind {
                MINUTE => MINUTE * 5,
                early if early < HOUR => HOUR,
                late => late + HOUR,
            };
        }
        let loud = loud.then_some(waited);
        let named = opened.try_names(config, &mut question, loud)?;
        if opened.try_ports(config, loud) || named {
            kill(child, Signal::SIGTERM)?;
            waitpid(child, None)?;
            return Ok(());
        }
    }
}

impl Opened {
    /// Tries to open the devices that are absent; true: one was there.
    fn try_ports(&mut self, config: &Config, loud: Option<Duration>) -> bool {
        let mut found = !self.shown && config.state_path.is_dir();
        self.shown |= found;
        for (ups, tty) in config.ups.iter().zip(&mut self.ttys).filter(|(_, tty)| tty.is_none()) {
            let Watch::Line(device) = &ups.watch else { continue };
            match port::watch(device, ups.init) {
                Ok(port) => {
                    say(NOTICE, format_args!("{}: {} is there", ups.name, ups.watch));
                    *tty = Some(port);
                    self.set_at = now();
                    found = true;
                }
                Err(problem) => remind(ups, &problem, loud),
            }
        }
        found
    }

    /// Asks again for the names of masters and servers that have no address; true: one has some.
    fn try_names(
        &mut self,
        config: &Config,
        question: &mut Option<Question>,
        loud: Option<Duration>,
    ) -> io::Result<bool> {
        let missing = self.absent(config).filter(|ups| ups.watch.host().is_some());
        let missing: Vec<&Ups> = missing.collect();
        for ups in &missing {
            remind(ups, &"the name does not resolve", loud);
        }
        let asked = match question {
            Some(asked) => asked,
            None if missing.is_empty() => return Ok(false),
            None => question.insert(names::ask(places::names(missing.into_iter(), &[]))?),
        };
        let Some(found) = asked.poll()? else { return Ok(false) };
        *question = None;
        Ok(self.net.find_masters(config, &found))
    }
}

fn remind(ups: &Ups, why: &dyn Display, waited: Option<Duration>) {
    if let Some(waited) = waited {
        let (name, minutes) = (&ups.name, waited.as_secs() / 60);
        say(ALERT, format_args!("{name}: {}: {why}, for {minutes}m now", ups.watch));
    }
}
