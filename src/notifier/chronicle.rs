//! The parent's side of the history: collects a line's parts, and has a thread write it, so that no disk
//! ever delays a word for init.

use core::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::Flock;
use nix::poll::{PollFd, PollFlags};

use crate::history::record::{BOUND, Cause, Event, LINES, Record, Ring, SIZE, offset};
use crate::history::view::length;
use crate::ipc::told::Word;
use crate::notifier::logging::{NOTICE, WARNING, say};
use crate::notifier::open::History;
use crate::sys::text::Text;
use crate::sys::{now, process, unix_time};

/// The least that glibc and std accept, with room for a line of the log.
const STACK: usize = 64 << 10;
/// The monitor's words for an event are kept up to here.
const WHY: usize = 120;
/// Words that are kept of one turn.
const MOST: usize = 4;

/// An outage that goes on.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// The place of its line.
    seq: u64,
    /// On the monotonic clock.
    since: Duration,
    /// Seconds since 1970.
    began: i64,
    worst: Word,
}

/// A word that init was told, for the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) word: Word,
    pub(super) cause: Cause,
    /// Index of the UPS by which it came to that.
    pub(super) ups: usize,
}

/// Lines on their way to the file.
#[derive(Debug)]
pub(super) struct Chronicle {
    /// To the thread: never waits.
    to: OwnedFd,
    /// The thread's.
    from: &'static OwnedFd,
    file: &'static Flock<File>,
    boot: String,
    next: u64,
    open: Option<Open>,
    /// Per UPS, its name and the monitor's last words on it.
    ups: Vec<(String, Text<WHY>)>,
    /// Told in this turn: the monitor's words for it may not have been read yet.
    waiting: Vec<Said>,
    lost: bool,
}

impl Chronicle {
    pub(super) fn new(history: History, boot: String, names: &[String]) -> Chronicle {
        let History { file, from, to } = history;
        let silent = |name: &String| (name.clone(), Text::new(format_args!("")));
        Chronicle {
            to,
            // All our processes end by `exit`.
            file: Box::leak(Box::new(file)),
            from: Box::leak(Box::new(from)),
            boot,
            next: 0,
            open: None,
            ups: names.iter().map(silent).collect(),
            waiting: Vec::new(),
            lost: false,
        }
    }

    /// Reads what the file holds and starts the thread. To be called without rights, and before the list of
    /// system calls is closed. `fresh`: the first start in this boot. `now`: the monotonic clock, and
    /// seconds since 1970. Returns by what this machine came down before, on the first start after that.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn begin(
        &mut self,
        now: (Duration, i64),
        fresh: bool,
    ) -> Result<Option<Halt>, String> {
        let (file, from) = (self.file, self.from);
        let past = Past::read(file, &self.boot, now);
        if past.foreign > 0 {
            say(WARNING, format_args!("history: {} lines are torn or not ours", past.foreign));
        }
        let halt = past.halt.filter(|_| fresh);
        if let Some(halt) = &halt {
            say(NOTICE, format_args!("previous halt was ours: {halt}"));
        }
        (self.next, self.open) = (past.next, past.open);
        let thread = std::thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn(move || keep(file, from.as_fd()));
        thread.map_err(|error| format!("thread: {error}"))?;
        // The list has no room for what a thread does at its start.
        while !RUNNING.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if fresh {
            let seq = self.place();
            self.put(seq, now.1, Event::Start, 0, 0);
        }
        let place = |halt: &Halt| self.ups.iter().position(|(name, _)| *name == halt.ups_name);
        Ok(halt.map(|halt| Halt { ups: place(&halt), ..halt }))
    }

    /// The descriptors that the parent and its thread read, write, and write at a place.
    pub(super) fn descriptors(&self) -> [RawFd; 3] {
        [self.from.as_raw_fd(), self.to.as_raw_fd(), self.file.as_raw_fd()]
    }

    /// A line of the monitor's log: perhaps the reason of what init is told next.
    pub(super) fn heard(&mut self, line: &[u8]) {
        let Ok(line) = core::str::from_utf8(line) else { return };
        for (name, words) in &mut self.ups {
            if let Some(rest) = line.strip_prefix(name.as_str()).and_then(|r| r.strip_prefix(": "))
            {
                *words = Text::new(format_args!("{rest}"));
            }
        }
    }

    /// Init was told this.
    pub(super) fn told(&mut self, said: Said) {
        // No more than that in a turn; a hostile monitor must not make it grow.
        if self.waiting.len() < MOST {
            self.waiting.push(said);
        }
    }

    /// Hands over what was told in this turn, once the monitor's words for it have been read.
    pub(super) fn write(&mut self, now: Duration) {
        if self.waiting.is_empty() {
            return;
        }
        let at = unix_time();
        for said in core::mem::take(&mut self.waiting) {
            self.write_one(now, at, said);
        }
    }

    fn write_one(&mut self, now: Duration, at: i64, said: Said) {
        let over = said.word == Word::Ok;
        let known = self.open.filter(|open| self.next.saturating_sub(open.seq) < LINES);
        let mut open = match (known, self.open) {
            (Some(open), _) => open,
            // Its line has been written over.
            (None, Some(open)) => Open { seq: self.place(), ..open },
            (None, None) => Open { seq: self.place(), since: now, began: at, worst: said.word },
        };
        open.worst = open.worst.max(said.word);
        let battery = now.saturating_sub(open.since).as_secs();
        let outage = Event::Outage { began: open.began, worst: open.worst, over };
        self.put(open.seq, at, outage, said.ups, battery);
        let seq = self.place();
        self.put(seq, at, Event::Told(said.word, said.cause), said.ups, battery);
        self.open = Some(open).filter(|_| !over);
    }

    fn place(&mut self) -> u64 {
        let place = self.next;
        self.next = self.next.saturating_add(1);
        place
    }

    fn put(&mut self, seq: u64, at: i64, event: Event, ups: usize, battery: u64) {
        let (ups, why) =
            self.ups.get(ups).map_or(("", ""), |(name, words)| (name.as_str(), words.as_str()));
        let why = if matches!(event, Event::Start) { "" } else { why };
        let record = Record { seq, at, boot: &self.boot, event, ups, battery, why };
        let line = Text::<{ SIZE - 1 }>::new(format_args!("{record}"));
        let blanks = core::iter::repeat_n(&b' ', SIZE - 1);
        let text = line.bytes().iter().chain(blanks).take(SIZE - 1).chain(b"\n");
        let place = seq.to_ne_bytes();
        let mut message = [0; MESSAGE];
        for (to, from) in message.iter_mut().zip(place.iter().chain(text)) {
            *to = *from;
        }
        let lost = nix::unistd::write(&self.to, &message).is_err();
        if lost && !self.lost {
            say(WARNING, format_args!("history: the disk does not keep up; lines are lost"));
        }
        self.lost = lost;
    }

    /// Waits until the thread has taken everything, but not long: the disk may hang.
    pub(super) fn finish(&self, deadline: Duration) {
        while now() < deadline {
            let mut fds = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
            let empty = process::wait(&mut fds, Some(Duration::ZERO)).is_err()
                || fds.iter().all(|fd| fd.any() == Some(false));
            if empty {
                break;
            }
            let _ = process::wait(&mut [], Some(Duration::from_millis(5)));
        }
    }
}

/// A line's place, then the line.
const MESSAGE: usize = size_of::<u64>() + SIZE;

/// The thread's own start is behind it.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// The thread: from the pipe to the file, at the disk's pace.
fn keep(file: &File, pipe: BorrowedFd<'_>) -> ! {
    RUNNING.store(true, Ordering::Release);
    let mut well = true;
    let mut message = [0; MESSAGE];
    loop {
        // A message is shorter than what a pipe takes apart, and nobody else reads it.
        if process::read_some(pipe, &mut message) != Ok(Some(MESSAGE)) {
            // Interrupted; or out of memory, which waits.
            let _ = process::wait(&mut [], Some(Duration::from_millis(100)));
            continue;
        }
        let (place, line) = message.split_at(size_of::<u64>());
        let seq = place.try_into().map_or(0, u64::from_ne_bytes);
        let written = file.write_all_at(line, offset(seq));
        if let (Err(error), true) = (&written, well) {
            say(WARNING, format_args!("history: {error}; lines are lost"));
        }
        well = written.is_ok();
    }
}

/// By what the machine came down.
#[derive(Debug)]
pub(super) struct Halt {
    pub(super) told: Word,
    /// Seconds on battery by then.
    pub(super) battery: u64,
    /// Seconds since.
    pub(super) ago: u64,
    /// The UPS, as the file names it.
    ups_name: String,
    /// Its index, if there is one of that name now.
    pub(super) ups: Option<usize>,
    /// The monitor's words for it.
    why: String,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (told, after, ago) = (self.told.text(), length(self.battery), length(self.ago));
        write!(f, "{told} after {after} on battery ({}), {ago} ago", self.why)
    }
}

/// What the file says at a start.
#[derive(Debug, Default)]
struct Past {
    next: u64,
    /// An outage of this boot that is not over.
    open: Option<Open>,
    /// The machine was told to go down in another boot, and nothing has been written since.
    halt: Option<Halt>,
    foreign: u64,
}

impl Past {
    fn read(mut file: &File, boot: &str, (now, wall): (Duration, i64)) -> Past {
        let mut bytes = Vec::new();
        // What cannot be read is as good as not there.
        let _ = file.by_ref().take(BOUND).read_to_end(&mut bytes);
        let ring = Ring::new(&bytes);
        let mut past = Past { next: ring.next, foreign: ring.foreign, ..Past::default() };
        for record in ring.records() {
            past.take(&record, boot, now, wall);
        }
        past
    }

    fn take(&mut self, record: &Record<'_>, boot: &str, now: Duration, wall: i64) {
        let ago = |at: i64| u64::try_from(wall.saturating_sub(at)).unwrap_or(0);
        match record.event {
            Event::Outage { began, worst, over } => {
                self.open = (record.boot == boot && !over).then(|| {
                    let since = now.saturating_sub(Duration::from_secs(ago(began)));
                    Open { seq: record.seq, since, began, worst }
                });
            }
            Event::Told(word @ (Word::Low | Word::Shutdown), _) => {
                self.halt = (record.boot != boot).then(|| {
                    let (ago, battery) = (ago(record.at), record.battery);
                    let (ups_name, why) = (record.ups.to_owned(), record.why.to_owned());
                    Halt { told: word, battery, ago, ups_name, ups: None, why }
                });
            }
            Event::Told(Word::Ok | Word::Fail, _) | Event::Start => self.halt = None,
        }
    }
}
