//! Carrying a word to init: over the FIFO, or by the hand.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::stat::fstat;
use nix::unistd::write;

use crate::config::Action;
use crate::ipc::judge::Tell;
use crate::ipc::keeper::AGAIN;
use crate::ipc::told::Word;
use crate::notifier::hand::{DONE, FAILED, UNREAD};
use crate::notifier::logging::{ALERT, EMERG, NOTICE, WARNING, say};
use crate::notifier::via::Actions;
use crate::sys::process;
use crate::sysvinit::lifeline::{Lifeline, Look, Loud};
use crate::sysvinit::request::{Command, Message};

/// A halt command that failed is tried again so often ...
const TRIES: u8 = 3;
/// ... so far apart.
const PAUSE: Duration = Duration::from_secs(10);
/// A word that the hand could not write or signal (a full /run) is tried again so much later, until it can or a
/// newer one comes ...
const PAUSE_SIGNAL: Duration = Duration::from_secs(1);
/// ... and that is said so often.
const REMIND: Duration = Duration::from_secs(60);

/// Init's FIFO, held for months.
#[derive(Debug)]
pub(super) struct Fifo {
    pub(super) fd: OwnedFd,
    pub(super) line: Lifeline,
}

/// The hand's socket, and what it was asked to do last.
#[derive(Debug)]
pub(super) struct HandLink {
    pub(super) fd: OwnedFd,
    /// Waiting for the answer to this.
    pub(super) asked: Option<u8>,
    /// Its own start has been answered.
    pub(super) ready: bool,
    /// It is gone.
    pub(super) dead: bool,
    tries: u8,
    /// What the hand could not do, to be asked for again unless something newer is.
    failed: Option<u8>,
    again_at: Option<Duration>,
    /// Its last word failed: when to say so again.
    failing: Option<Duration>,
}

impl HandLink {
    pub(super) fn new(fd: OwnedFd) -> HandLink {
        HandLink {
            fd,
            asked: None,
            ready: false,
            dead: false,
            tries: 0,
            failed: None,
            again_at: None,
            failing: None,
        }
    }

    fn ask(&mut self, now: Duration, byte: u8) -> bool {
        if self.asked.is_some() || !self.ready || self.dead {
            return false;
        }
        if write(&self.fd, &[byte]).is_err() {
            self.again_at = Some(now.saturating_add(AGAIN));
            return false;
        }
        (self.asked, self.failed, self.again_at) = (Some(byte), None, None);
        true
    }

    /// Neither file nor signal went out.
    fn unsaid(&mut self, now: Duration, byte: Option<u8>) {
        (self.failed, self.again_at) = (byte, Some(now.saturating_add(PAUSE_SIGNAL)));
        if self.failing.is_none_or(|at| now >= at) {
            self.failing = Some(now.saturating_add(REMIND));
            say(
                EMERG,
                format_args!(
                    "the powerstatus file could not be written, or init not signalled; again each second"
                ),
            );
        }
    }
}

/// All ways to init that this configuration has.
#[derive(Debug)]
pub(super) struct Teller {
    pub(super) actions: Actions,
    pub(super) sleep_time: u8,
    pub(super) fifo: Option<Fifo>,
    pub(super) hand: Option<HandLink>,
}

impl Teller {
    /// Passes a word on; false: not now (it comes again, or a newer one).
    pub(super) fn tell(&mut self, now: Duration, tell: Tell) -> bool {
        match self.action(tell) {
            Action::None => true,
            Action::Halt => self.hand.as_mut().is_some_and(|hand| {
                hand.tries = TRIES;
                hand.ask(now, Word::Shutdown.byte())
            }),
            Action::Ok => self.message(now, Command::PowerOk, Word::Ok),
            Action::Fail => self.message(now, Command::PowerFail, Word::Fail),
            Action::Low => self.message(now, Command::PowerFailNow, Word::Low),
            Action::Runlevel(level) => self.message(now, Command::Runlevel(level), Word::Low),
        }
    }

    /// What a word does here, for the log.
    pub(super) fn describe(&self, tell: Tell) -> &'static str {
        match self.action(tell) {
            Action::None => "nothing (tell … none)",
            Action::Ok => "power ok",
            Action::Fail => "power fail",
            Action::Low => "power fail now (low)",
            Action::Runlevel(b'0') => "runlevel 0, power off",
            Action::Runlevel(_) => "a change of runlevel",
            Action::Halt => "nothing: running the halt command",
        }
    }

    fn action(&self, tell: Tell) -> Action {
        match tell.word {
            Word::Ok => self.actions.ok,
            Word::Fail => self.actions.fail,
            Word::Low => self.actions.low,
            // Asked for once and still up: the plainest request there is.
            Word::Shutdown if tell.insist && self.fifo.is_some() => Action::Runlevel(b'0'),
            Word::Shutdown => self.actions.shutdown,
        }
    }

    fn message(&mut self, now: Duration, command: Command, word: Word) -> bool {
        let Some(fifo) = &mut self.fifo else {
            return self.hand.as_mut().is_some_and(|hand| hand.ask(now, word.byte()));
        };
        if !fifo.line.open() {
            return false;
        }
        let message = Message::new(command, self.sleep_time);
        match write(&fifo.fd, message.bytes()) {
            Ok(length) if length == message.bytes().len() => {
                cry(fifo.line.took(now));
                true
            }
            result => {
                let seen = look(fifo.fd.as_fd());
                let full = result == Err(Errno::EAGAIN) && seen == Look::Unread;
                if full {
                    fifo.line.full();
                }
                cry(if full { fifo.line.look(now, seen) } else { fifo.line.refused(now, seen) });
                false
            }
        }
    }

    /// Reads the hand's answer.
    pub(super) fn answered(&mut self, now: Duration) {
        let Some(hand) = self.hand.as_mut().filter(|hand| !hand.dead) else { return };
        let mut byte = [0];
        match process::read_some(hand.fd.as_fd(), &mut byte) {
            Ok(None) => return,
            Ok(Some(1)) => {}
            _ => {
                hand.dead = true;
                say(
                    EMERG,
                    format_args!(
                        "the hand is gone: init cannot be told of an outage; restart upsentry"
                    ),
                );
                return;
            }
        }
        let [answer] = byte;
        hand.ready = true;
        let asked = hand.asked.take();
        let halting = asked == Some(Word::Shutdown.byte());
        match (answer, halting) {
            (DONE, false) => {
                if hand.failing.take().is_some() {
                    say(NOTICE, format_args!("init was told after all"));
                }
            }
            (DONE, true) => say(NOTICE, format_args!("the halt command ended with status 0")),
            (UNREAD, false) => {
                say(EMERG, format_args!("init did not read the powerstatus file within 10s"));
            }
            (status, true) => {
                hand.tries = hand.tries.saturating_sub(1);
                hand.failed = asked.filter(|_| hand.tries > 0);
                hand.again_at = hand.failed.map(|_| now.saturating_add(PAUSE));
                let more = if hand.tries > 0 { "again in 10s" } else { "no more tries" };
                match status {
                    FAILED => say(
                        ALERT,
                        format_args!("the halt command could not be run or was killed; {more}"),
                    ),
                    127 => say(ALERT, format_args!("the halt command cannot be executed; {more}")),
                    _ => say(
                        ALERT,
                        format_args!("the halt command failed with status {status}; {more}"),
                    ),
                }
            }
            (_, false) => {
                hand.unsaid(now, asked);
            }
        }
    }

    /// Does what is due without a new word.
    pub(super) fn tick(&mut self, now: Duration) {
        // Each time that we are awake anyway, so that a FIFO that was removed is found before an outage.
        if let Some(fifo) = self.fifo.as_mut().filter(|fifo| fifo.line.due(now)) {
            cry(fifo.line.look(now, look(fifo.fd.as_fd())));
        }
        let hand = self.hand.as_mut();
        if let Some(hand) = hand.filter(|hand| hand.again_at.is_some_and(|at| now >= at)) {
            hand.again_at = None;
            if let Some(byte) = hand.failed {
                hand.ask(now, byte);
            }
        }
    }

    /// When [`Teller::tick`] has something to do.
    pub(super) fn next(&self) -> Option<Duration> {
        let line = self.fifo.as_ref().and_then(|fifo| fifo.line.next());
        let hand = self.hand.as_ref().and_then(|hand| hand.again_at);
        [line, hand].into_iter().flatten().min()
    }

    /// Nothing can ever be told again by this process.
    pub(super) fn dead(&self) -> bool {
        let fifo = self.fifo.as_ref().is_some_and(|fifo| fifo.line.dead());
        fifo || self.hand.as_ref().is_some_and(|hand| hand.dead)
    }

    /// This word can be given now: until then it is better kept, because a newer one may replace it. Each by its own way:
    /// a halt command does not wait for init's FIFO, nor what goes there for a halt command that hangs.
    pub(super) fn open(&self, tell: Tell) -> bool {
        let free = |hand: &HandLink| hand.ready && hand.asked.is_none() && !hand.dead;
        let hand = || self.hand.as_ref().is_some_and(free);
        match (self.action(tell), &self.fifo) {
            (Action::None, _) => true,
            (Action::Halt, _) | (_, None) => hand(),
            (_, Some(fifo)) => fifo.line.open(),
        }
    }
}

/// Says what the lifeline wants said.
fn cry(loud: Option<Loud>) {
    match loud {
        None => {}
        Some(Loud::Gap(long)) => say(
            EMERG,
            format_args!(
                "init has not read its FIFO for {}s: it cannot be told of an outage",
                long.as_secs()
            ),
        ),
        Some(Loud::Back(long)) => {
            say(NOTICE, format_args!("init reads its FIFO again, after {}s", long.as_secs()));
        }
        Some(Loud::Dead) => say(
            EMERG,
            format_args!(
                "init's FIFO was removed: it cannot be told of an outage; restart upsentry"
            ),
        ),
    }
}

/// What the descriptor shows: POLLERR exactly while nobody has the FIFO open for reading, no link once it was
/// removed, and no room (it holds one page, see `open::fifo`) until init has read what was written.
fn look(fd: BorrowedFd<'_>) -> Look {
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    if process::wait(&mut fds, Some(Duration::ZERO)).is_err() {
        return Look::Gap;
    }
    let seen = fds.iter().find_map(|fd| fd.revents()).unwrap_or(PollFlags::empty());
    let linked = match fstat(fd) {
        Ok(meta) => meta.st_nlink > 0,
        Err(Errno::EBADF) => false,
        Err(error) => {
            say(WARNING, format_args!("fstat of init's FIFO: {error}"));
            true
        }
    };
    match (linked, seen.contains(PollFlags::POLLERR), seen.contains(PollFlags::POLLOUT)) {
        (_, false, false) => Look::Unread,
        (true, false, true) => Look::Reader,
        (false, false, true) => Look::Removed,
        (true, true, _) => Look::Gap,
        (false, true, _) => Look::Dead,
    }
}
