//! A page that one process writes and those in the jail can only read, and an eventfd that says when to.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::sys::{at, raw};

/// The writer's side. Its mapping is not inherited by a child.
#[derive(Debug)]
pub struct Board {
    words: &'static [AtomicU64],
    news: OwnedFd,
}

/// What the jail gets of it.
#[derive(Debug)]
pub struct Notices {
    /// The page: it can be mapped for reading, and for nothing else.
    pub page: OwnedFd,
    /// Readable after each change.
    pub news: OwnedFd,
}

/// The page as the jail has it.
#[derive(Debug)]
pub struct View {
    words: raw::ReadOnly,
    news: OwnedFd,
}

/// Makes both sides, before the fork.
///
/// # Errors
/// No memory, or a kernel older than 5.1.
pub fn make() -> Result<(Board, Notices), String> {
    let (words, page) = raw::sealed_page().map_err(at("shared page"))?;
    let news = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
    let news: OwnedFd = news.map_err(at("eventfd"))?.into();
    let other = news.try_clone().map_err(|error| format!("eventfd: {error}"))?;
    Ok((Board { words, news }, Notices { page, news: other }))
}

impl Board {
    /// Writes the numbers from the first on, and says so.
    pub fn put(&self, numbers: &[u64]) {
        for (word, number) in self.words.iter().zip(numbers) {
            word.store(*number, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        // If it cannot take one more, it is readable already.
        let _ = nix::unistd::write(&self.news, &1_u64.to_ne_bytes());
    }

    /// The eventfd, which is written only.
    pub fn descriptor(&self) -> RawFd {
        self.news.as_raw_fd()
    }
}

impl Notices {
    /// Maps the page; its descriptor is not needed after that.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn map(&self) -> Result<raw::ReadOnly, String> {
        raw::read_page(self.page.as_fd()).map_err(at("shared page"))
    }
}

impl View {
    /// Of a page that [`Notices::map`] gave, and the eventfd beside it.
    pub fn new(words: raw::ReadOnly, news: OwnedFd) -> View {
        View { words, news }
    }

    /// A number by place; behind the end: 0.
    pub fn get(&self, place: usize) -> u64 {
        self.words.get(place)
    }

    /// Readable after each change; who reads it does so before the page.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
