//! What the parent lets the jail know, for `upsentry status` and for the slaves.

use std::os::fd::RawFd;

use crate::ipc::judge::Tell;
use crate::ipc::legal::Power;
use crate::ipc::page::Page;
use crate::ipc::told::{Told, Word};
use crate::notifier::parent::Parent;
use crate::sys::board::Board;
use crate::sys::{now, process};

/// The page as it should be, and as it is.
#[derive(Debug)]
pub(super) struct Notice {
    board: Board,
    /// What is put there at the end of the round.
    pub(super) page: Page,
    shown: Option<Page>,
}

impl Notice {
    pub(super) fn new(board: Board) -> Notice {
        Notice { board, page: Page::default(), shown: None }
    }

    /// The eventfd, which is written only.
    pub(super) fn descriptor(&self) -> RawFd {
        self.board.descriptor()
    }

    /// Init was told this.
    pub(super) fn told(&mut self, tell: Tell) {
        (self.page.told, self.page.told_at) = (Some(tell.word), Some(now()));
    }

    /// The warden starts a monitor.
    pub(super) fn started(&mut self) {
        self.page.replaced_at = Some(now()).filter(|_| self.page.generation > 0);
        self.page.generation = self.page.generation.saturating_add(1);
    }
}

impl Parent {
    /// What is known before the first monitor starts.
    pub(super) fn post_first(&mut self) {
        let judge = &self.keeper.judge;
        let battery = |power| matches!(power, Some(Power::Battery | Power::Low));
        let page = &mut self.ends.notice.page;
        page.outage = judge.feeds().iter().any(|feed| battery(feed.last));
        page.told = match judge.last_told() {
            Told::Ok => None,
            Told::Fail => Some(Word::Fail),
            Told::Low => Some(Word::Low),
            Told::Final => Some(Word::Shutdown),
        };
        (page.started, page.pid) = (self.began, process::id());
        self.post();
    }

    /// Puts on the page what has changed. Of the jail's making is only what it may make happen anyway.
    pub(super) fn post(&mut self) {
        let judge = &self.keeper.judge;
        let notice = &mut self.ends.notice;
        notice.page.recorded = Some(judge.last_word());
        notice.page.machine = Some(judge.machine());
        notice.page.blind = judge.blind();
        if notice.shown != Some(notice.page) {
            notice.board.put(&notice.page.words());
            notice.shown = Some(notice.page);
        }
    }

    /// So many more log lines are lost.
    pub(super) fn post_dropped(&mut self, lines: u64) {
        let page = &mut self.ends.notice.page;
        page.dropped = page.dropped.saturating_add(lines);
    }
}
