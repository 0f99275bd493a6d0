//! What every source that is asked has in common: a status that it says itself goes through the same delays as a line's,
//! and the parent hears what follows.

use core::fmt;
use core::time::Duration;
use std::sync::atomic::AtomicU64;

use crate::config::wiring::Status;
use crate::ipc::frame::Kind;
use crate::ipc::legal::Power;
use crate::monitor::memory::Memory;
use crate::monitor::power::{self, Ups};
use crate::monitor::voice::Voice;

/// One UPS whose source says the status itself.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) name: &'a str,
    /// The machine for its times.
    pub(super) ups: Ups,
    /// This machine depends on it; else it is only watched.
    pub(super) feeds: bool,
    memory: Memory,
}

/// Events of one step, in their order; more cannot follow from one.
pub(super) type Said = [Option<Kind>; 5];

impl<'a> Told<'a> {
    pub(super) fn new(
        name: &'a str,
        feeds: bool,
        settings: power::Settings,
        memory: [Option<&'static AtomicU64>; 2],
        now: Duration,
    ) -> Told<'a> {
        let memory = Memory::new(memory);
        let settings = power::Settings { settled_at: now, spent: memory.spent(now), ..settings };
        Told { name, ups: Ups::new(settings), feeds, memory }
    }

    /// What follows from this status and from the time that passed; `None`: nothing was said yet. `demanded`: the
    /// source demands a shutdown.
    pub(super) fn follow(
        &mut self,
        now: Duration,
        status: Option<Status>,
        demanded: bool,
        may_speak: bool,
    ) -> Said {
        let mut said: Said = [None; 5];
        let mut slots = said.iter_mut();
        let mut emit = |kind| {
            if let Some(slot) = slots.next() {
                *slot = Some(kind);
            }
        };
        self.ups.step_status(now, status, may_speak, &mut emit);
        if demanded && self.feeds {
            self.ups.demand(&mut emit);
        }
        self.memory.remember(now, &self.ups);
        said
    }

    /// Says it, each event for its own reason.
    pub(super) fn say<R: fmt::Display>(
        &self,
        said: Said,
        demanded: bool,
        voice: &mut Voice<'_>,
        reason: impl Fn(Kind) -> R,
    ) {
        for kind in said.into_iter().flatten() {
            voice.say(kind, self.name, demanded, &reason(kind));
        }
    }

    /// The parent knows it to be on mains.
    pub(super) fn on_mains(&self) -> bool {
        self.ups.reported() == Some(Power::Mains)
    }
}
