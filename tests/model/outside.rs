//! The parent's descriptors in the model: pipes, the state file, init's FIFO. It may die at any of its doings.

use std::time::Duration;

use upsentry::ipc::frame::{Frame, Malformed};
use upsentry::ipc::judge::{Judge, Tell};
use upsentry::ipc::keeper::{Note, Outside, Said};
use upsentry::ipc::record::Entry;
use upsentry::ipc::told::Word;
use upsentry::sysvinit::lifeline::Look;

use crate::world::{File, World, boot};

/// One round's.
pub struct Hands<'a> {
    world: &'a mut World,
    /// It dies when it would do one more than so many.
    crash: Option<u32>,
    pub done: u32,
    /// A frame was read.
    pub heard: bool,
    /// The law that it broke.
    pub broken: Option<String>,
}

impl Hands<'_> {
    pub fn new(world: &mut World, crash: Option<u32>) -> Hands<'_> {
        Hands { world, crash, done: 0, heard: false, broken: None }
    }

    fn dead(&self) -> bool {
        self.crash.is_some_and(|crash| self.done > crash)
    }

    /// Counts a doing; false: it died before.
    fn alive(&mut self) -> bool {
        if !self.dead() {
            self.done += 1;
        }
        !self.dead()
    }

    fn look(&mut self, now: Duration) {
        let look = if self.world.gap { Look::Gap } else { Look::Reader };
        self.world.lifeline.look(now, look);
    }

    fn keep(&mut self, held: Result<(), String>) {
        if let Err(broken) = held {
            self.broken.get_or_insert(broken);
        }
    }
}

impl Outside for Hands<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if self.dead() || self.world.events.is_empty() {
            return None;
        }
        self.heard = true;
        let (kind, ups) = self.world.events.remove(0);
        self.world.law.heard(kind, ups, self.world.level[ups]);
        let frame = Frame::event(kind, &self.world.set.names[ups]).expect("a legal name");
        let bytes = frame.bytes();
        buffer[..bytes.len()].copy_from_slice(bytes);
        Some(bytes.len())
    }

    fn pass_log(&mut self, _: Duration) -> Result<(), Malformed> {
        Ok(())
    }

    fn discard(&mut self) {
        if !self.dead() {
            self.world.events.clear();
            self.world.law.ended();
        }
    }

    fn warden(&mut self) -> Option<Said> {
        let some = !self.dead() && !self.world.said.is_empty();
        some.then(|| self.world.said.remove(0))
    }

    fn order(&mut self, order: u8) -> bool {
        if self.alive() {
            self.world.orders.push(order);
        }
        true
    }

    fn ready(&self) -> bool {
        true
    }

    fn open(&self, _: Tell) -> bool {
        !self.dead() && self.world.lifeline.open()
    }

    fn tick(&mut self, now: Duration) {
        if !self.dead() && self.world.lifeline.due(now) {
            self.look(now);
        }
    }

    fn tell(&mut self, now: Duration, tell: Tell) -> bool {
        if !self.alive() {
            return false;
        }
        if self.world.gap {
            self.look(now);
            return false;
        }
        let mut law = self.world.law.clone();
        let held = law.told(self.world, tell);
        self.world.law = law;
        self.keep(held);
        true
    }

    fn record(&mut self, word: Word, judge: &Judge) -> bool {
        if !self.alive() {
            return true;
        }
        let feeds = judge.feeds().iter().zip(&self.world.set.names);
        let seen = feeds.map(|(feed, name)| (name.as_str(), feed.last, feed.blind_since.is_some()));
        let seen: Vec<_> = seen.collect();
        let entry = Entry {
            now: word,
            told: judge.last_told(),
            at: 0,
            seen: &seen,
            slaves: None,
            cause: judge.cause(),
        };
        let text = entry.text(&boot(true), 1);
        self.world.law.recorded(&text);
        self.world.file = File { text, ours: true };
        true
    }

    fn say(&mut self, note: Note) {
        // Nothing in this world breaks the protocol but silence.
        if let Note::Convicted(violation) = note {
            use upsentry::ipc::guard::Violation;
            if !matches!(violation, Violation::Silent | Violation::NoState(_)) {
                self.keep(Err(format!("an honest monitor is convicted: {violation}")));
            }
        }
    }
}
