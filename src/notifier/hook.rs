//! The parent's side of the notify hook: which events are worth a command, and a pipe that never waits. What does
//! not fit is lost, and counted: nobody who only wants to know may hold up what init must hear.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;

use crate::config::Occasion;
use crate::ipc::frame::Kind;
use crate::ipc::guard::Event;
use crate::ipc::judge::{Feed, Tell};
use crate::ipc::legal::Power;
use crate::ipc::told::Word;
use crate::notifier::chronicle::Halt;
use crate::notifier::logging::{ALERT, WARNING, say};
use crate::notifier::queue::Record;
use crate::rules::Program;
use crate::sys::now;

/// Records of one turn: more than the guard lets pass at once.
const MOST: usize = 256;

/// A UPS as the hook has last told of it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    power: Option<Power>,
    /// When it went on battery, as far as this process saw it.
    left_mains: Option<Duration>,
    lost: bool,
    lost_at: Option<Duration>,
}

/// Records on their way to the process that runs the command.
#[derive(Debug)]
pub(super) struct Hook {
    to: OwnedFd,
    seen: Vec<Seen>,
    /// Of each rule the UPS whose battery it is about, where that is all it is about.
    batteries: Vec<Option<u16>>,
    /// Of this turn.
    waiting: Vec<Record>,
    lost: u64,
    full: bool,
    gone: bool,
}

impl Hook {
    /// `feeds`: as they were last seen, so that a start tells nothing twice.
    pub(super) fn new(to: OwnedFd, feeds: &[Feed], rules: &Program) -> Hook {
        let seen =
            |feed: &Feed| Seen { power: feed.last, left_mains: None, lost: false, lost_at: None };
        Hook {
            to,
            seen: feeds.iter().map(seen).collect(),
            batteries: rules.own().collect(),
            waiting: Vec::with_capacity(MOST),
            lost: 0,
            full: false,
            gone: false,
        }
    }

    /// Its descriptor, to write to.
    pub(super) fn descriptor(&self) -> RawFd {
        self.to.as_raw_fd()
    }

    /// A frame that the guard let pass. A new monitor's first frames repeat what was known.
    pub(super) fn heard(&mut self, event: Event) {
        let time = now();
        if event.kind == Kind::Notice {
            let battery = self.batteries.get(event.ups).copied().flatten();
            let record = Record::new(Occasion::Notice, usize::MAX);
            let rule = u16::try_from(event.ups).ok();
            return self.keep(match battery {
                Some(ups) => Record::new(Occasion::ReplaceBattery, ups.into()),
                None => Record { rule, ..record },
            });
        }
        let Some(seen) = self.seen.get_mut(event.ups) else { return };
        let power = match event.kind {
            Kind::Ok => Some(Power::Mains),
            Kind::Fail => Some(Power::Battery),
            Kind::Low => Some(Power::Low),
            _ => None,
        };
        let mut records = [None; 2];
        let [contact, change] = &mut records;
        let record = |occasion, since: Option<Duration>| {
            let lasted = since.map(|since| time.saturating_sub(since).as_secs());
            let lasted = lasted.and_then(|seconds| u32::try_from(seconds).ok());
            Some(Record { lasted, ..Record::new(occasion, event.ups) })
        };
        if seen.lost && (power.is_some() || event.kind == Kind::Restored) {
            *contact = record(Occasion::Found, seen.lost_at.take());
            seen.lost = false;
        } else if event.kind == Kind::Lost && !seen.lost {
            *contact = record(Occasion::Lost, None);
            (seen.lost, seen.lost_at) = (true, Some(time));
        }
        let before = seen.power;
        seen.power = power.or(before);
        *change = match (before, power) {
            (None | Some(Power::Mains), Some(Power::Battery)) => {
                seen.left_mains = Some(time);
                record(Occasion::Fail, None)
            }
            (None | Some(Power::Mains | Power::Battery), Some(Power::Low)) => {
                let since = seen.left_mains;
                seen.left_mains = since.or(Some(time));
                record(Occasion::Low, since)
            }
            (Some(Power::Battery | Power::Low), Some(Power::Mains)) => {
                record(Occasion::Ok, seen.left_mains.take())
            }
            _ if event.kind == Kind::Shutdown => record(Occasion::Shutdown, seen.left_mains),
            _ => None,
        };
        records.into_iter().flatten().for_each(|record| self.keep(record));
    }

    /// Init was told this by reason of a UPS; what the monitor asked for has been heard.
    pub(super) fn told(&mut self, tell: Tell, ups: usize) {
        if tell.word == Word::Shutdown && tell.blind {
            self.keep(Record::new(Occasion::Shutdown, ups));
        }
    }

    /// The first start after this machine was told to go down.
    pub(super) fn started(&mut self, halt: &Halt) {
        let short = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
        let ups = halt.ups.and_then(|ups| u16::try_from(ups).ok());
        let told = Some((halt.told, short(halt.ago)));
        let lasted = Some(short(halt.battery));
        self.keep(Record { occasion: Occasion::StartedAfterOutage, ups, rule: None, lasted, told });
    }

    fn keep(&mut self, record: Record) {
        if self.waiting.len() < MOST {
            self.waiting.push(record);
        } else {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Hands over what happened in this turn, once init has heard of it.
    pub(super) fn write(&mut self) {
        for record in self.waiting.drain(..) {
            if self.gone {
                continue;
            }
            match nix::unistd::write(&self.to, &record.bytes()) {
                Ok(_) => {
                    if core::mem::take(&mut self.full) {
                        say(WARNING, format_args!("notify: {} events were lost", self.lost));
                        self.lost = 0;
                    }
                }
                Err(Errno::EPIPE) => {
                    self.gone = true;
                    say(
                        ALERT,
                        format_args!("the notify process is gone: no command is run any more"),
                    );
                }
                Err(_) => {
                    self.lost = self.lost.saturating_add(1);
                    if !core::mem::replace(&mut self.full, true) {
                        say(
                            WARNING,
                            format_args!("notify: its process does not keep up; events are lost"),
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "hook_tests.rs"]
mod tests;
