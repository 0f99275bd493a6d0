//! One UPS on a serial port: its readings, its state, and the words for the log.

use core::fmt;
use core::time::Duration;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc::{TIOCM_CAR, TIOCM_CTS, TIOCM_DSR, TIOCM_RNG};

use crate::config::wiring::{Status, Wiring};
use crate::fleet::master::Seen;
use crate::ipc::frame::Kind;
use crate::ipc::legal::Power;
use crate::monitor::memory::Memory;
use crate::monitor::power::{self, Ups};
use crate::monitor::voice::Voice;
use crate::monitor::waiter::Edge;
use crate::sys::raw;
use crate::sys::tty::Lines;

/// Between readings where the driver cannot wait for a change ...
const POLL: Duration = Duration::from_millis(50);
/// ... where the port is gone, and where the ring indicator counts (one edge has no interrupt).
const POLL_SLOWLY: Duration = Duration::from_secs(1);

/// A UPS in the jail.
#[derive(Debug)]
pub(super) struct Watched<'a> {
    name: &'a str,
    tty: Option<&'a OwnedFd>,
    wiring: Wiring,
    /// What its waiter says.
    edge: &'static Edge,
    ups: Ups,
    lines: Option<Lines>,
    /// Changes that the driver has counted; `None`: it does not count.
    counted: Option<i32>,
    /// Low on mains has been said.
    low_said: bool,
    error: Option<Errno>,
    memory: Memory,
    /// By NUT's names.
    variables: [(&'static str, &'static str); 1],
}

impl<'a> Watched<'a> {
    pub(super) fn new(
        name: &'a str,
        tty: Option<&'a OwnedFd>,
        settings: power::Settings,
        edge: &'static Edge,
        memory: [Option<&'static AtomicU64>; 2],
        now: Duration,
    ) -> Watched<'a> {
        let memory = Memory::new(memory);
        let spent = memory.spent(now);
        Watched {
            name,
            tty,
            wiring: settings.wiring,
            edge,
            ups: Ups::new(power::Settings { spent, ..settings }),
            lines: None,
            counted: tty.and_then(|tty| raw::modem_count(tty.as_fd()).ok()),
            low_said: false,
            error: None,
            memory,
            variables: [("ups.status", "")],
        }
    }

    /// Its waiter saw a change since this was last asked.
    pub(super) fn woken(&self) -> bool {
        self.edge.woken.swap(false, Ordering::AcqRel)
    }

    /// Reads the lines and says what follows. `woken`: its waiter saw a change.
    pub(super) fn look(&mut self, now: Duration, woken: bool, voice: &mut Voice<'_>) {
        let before = self.lines;
        match self.tty.map(|tty| Lines::read(tty.as_fd())) {
            Some(Ok(lines)) => (self.lines, self.error) = (Some(lines), None),
            Some(Err(error)) => (self.lines, self.error) = (None, Some(error)),
            None => self.lines = None,
        }
        let counted = self.counted.and_then(|_| raw::modem_count(self.tty?.as_fd()).ok());
        let missed = counted.zip(self.counted).is_some_and(|(now, before)| now != before);
        self.counted = self.counted.and(counted.or(self.counted));
        if (woken || missed) && before == self.lines && before.is_some() {
            self.ups.pulse(now);
        }
        let may_speak = voice.may_speak(now);
        let inputs = self.lines.map(Lines::inputs);
        let mut said: [Option<Kind>; 4] = [None; 4];
        let mut slots = said.iter_mut();
        self.ups.step(now, inputs, may_speak, &mut |kind| {
            if let Some(slot) = slots.next() {
                *slot = Some(kind);
            }
        });
        for kind in said.into_iter().flatten() {
            voice.say(kind, self.name, false, &Reason { watched: self, kind, now });
        }
        self.notice_low(voice);
        self.variables = [("ups.status", status_words(self.ups.reported()))];
        self.memory.remember(now, &self.ups);
    }

    /// When to look again if nothing pokes.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let poll = if self.lines.is_none() {
            self.tty.map(|_| POLL_SLOWLY)
        } else if self.edge.refused.load(Ordering::Relaxed) {
            Some(POLL)
        } else {
            self.wiring.uses_ring().then_some(POLL_SLOWLY)
        };
        let poll = poll.map(|interval| now.saturating_add(interval));
        [self.ups.next(now), poll].into_iter().flatten().min()
    }

    /// Its port was there and is gone: the adapter was pulled out, and its descriptor is dead for good.
    pub(super) fn port_gone(&self) -> bool {
        self.error.is_some()
    }

    /// The parent knows it to be on mains.
    pub(super) fn on_mains(&self) -> bool {
        self.ups.reported() == Some(Power::Mains)
    }

    /// The machine for its times.
    pub(super) fn ups(&self) -> &Ups {
        &self.ups
    }

    /// The same, to hold it back.
    pub(super) fn ups_mut(&mut self) -> &mut Ups {
        &mut self.ups
    }

    /// Its lines, as the status report has them; `None`: the port is not there.
    pub(super) fn levels(&self) -> Option<u8> {
        let lines = self.lines?;
        let levels = [lines.cts(), lines.dsr(), lines.dcd(), lines.rng(), lines.dtr(), lines.rts()];
        Some(levels.iter().rev().fold(0, |bits, level| bits << 1 | u8::from(*level)))
    }

    /// By NUT's names.
    pub(super) fn variables(&self) -> &[(&'static str, &'static str)] {
        &self.variables
    }

    /// As slaves hear of it.
    pub(super) fn seen(&self, now: Duration) -> Seen<'_> {
        Seen {
            name: self.name,
            power: self.ups.reported(),
            lost: self.ups.is_lost(),
            spent: self.ups.spent(now),
            variables: &self.variables,
        }
    }

    fn notice_low(&mut self, voice: &Voice<'_>) {
        let mains = matches!(self.ups.believed(), Some((Status::Mains, _)));
        let low = mains && self.lines.is_some_and(|lines| self.wiring.low_on_mains(lines.inputs()));
        if low && !self.low_said {
            let name = self.name;
            voice.log(
                5,
                format_args!("{name}: battery low, but on mains: charging, or to be replaced"),
            );
        }
        self.low_said = low;
    }
}

/// In NUT's words.
pub(super) fn status_words(power: Option<Power>) -> &'static str {
    match power {
        None => "",
        Some(Power::Mains) => "OL",
        Some(Power::Battery) => "OB",
        Some(Power::Low) => "OB LB",
    }
}

/// Why an event is told, for the log.
struct Reason<'a> {
    watched: &'a Watched<'a>,
    kind: Kind,
    now: Duration,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = self.watched;
        match (watched.lines, watched.error) {
            (Some(lines), _) => {
                let bits = [
                    ("CTS", TIOCM_CTS, lines.cts()),
                    ("DSR", TIOCM_DSR, lines.dsr()),
                    ("DCD", TIOCM_CAR, lines.dcd()),
                    ("RNG", TIOCM_RNG, lines.rng()),
                ];
                let used = bits.into_iter().filter(|(_, bit, _)| watched.wiring.uses(*bit));
                for (index, (name, _, level)) in used.enumerate() {
                    let space = if index == 0 { "" } else { " " };
                    write!(f, "{space}{name} {}", u8::from(level))?;
                }
            }
            (None, Some(error)) => return write!(f, "the port says {error}"),
            (None, None) => return f.write_str("the port is not there"),
        }
        if let Some((_, since)) = watched.ups.believed().filter(|(_, since)| *since < self.now) {
            write!(f, " for {:?}", rounded(self.now.saturating_sub(since)))?;
        }
        if self.kind == Kind::Shutdown {
            write!(f, ", {:?} on battery", rounded(watched.ups.spent(self.now)))?;
        }
        if self.kind == Kind::Lost && watched.ups.in_doubt() {
            f.write_str(
                "; all inputs 0 at once: cable pulled or UPS switched off? low is held back",
            )?;
        }
        Ok(())
    }
}

fn rounded(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
