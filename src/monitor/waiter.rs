//! One thread per port sleeps in TIOCMIWAIT and does nothing but poke the main loop.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::errno::Errno;

use crate::sys::{process, raw, tty};

/// The least that glibc and std accept with room to spare.
const STACK: usize = 64 << 10;

/// Between two tries on a port that fails: the adapter was pulled out.
const PAUSE: Duration = Duration::from_secs(1);

/// Threads of this monitor whose own start is behind them.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// How many of the started threads run: from then on a thread makes only calls of the monitor's list.
pub(super) fn running() -> usize {
    RUNNING.load(Ordering::Acquire)
}

/// What a waiter says to the main loop; a poke says that it has said something.
#[derive(Debug, Default)]
pub(super) struct Edge {
    /// An input line of this port has changed, or may have.
    pub(super) woken: AtomicBool,
    /// The driver cannot wait for a change.
    pub(super) refused: AtomicBool,
}

/// Starts the thread; it pokes once when it is running, then on every change of an input line. Where the
/// driver cannot wait it says so, pokes, and sleeps for ever: a thread that ends would need more system
/// calls than one that stays.
///
/// # Errors
/// The thread cannot be made.
pub(super) fn start(
    tty: BorrowedFd<'static>,
    poke: BorrowedFd<'static>,
    edge: &'static Edge,
) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread.spawn(move || wait(tty, poke, edge)).map(drop)
}

fn wait(tty: BorrowedFd<'_>, poke: BorrowedFd<'_>, edge: &Edge) -> ! {
    RUNNING.fetch_add(1, Ordering::Release);
    loop {
        edge.woken.store(true, Ordering::Release);
        // An eventfd that cannot take one more is already readable.
        let _ = nix::unistd::write(poke, &1_u64.to_ne_bytes());
        if edge.refused.load(Ordering::Relaxed) {
            break;
        }
        match raw::modem_wait(tty, tty::INPUTS) {
            Ok(()) | Err(Errno::EINTR) => {}
            Err(
                Errno::ENOTTY | Errno::EINVAL | Errno::ENOSYS | Errno::EPERM | Errno::EOPNOTSUPP,
            ) => {
                edge.refused.store(true, Ordering::Relaxed);
            }
            Err(_) => {
                let _ = process::wait(&mut [], Some(PAUSE));
            }
        }
    }
    loop {
        let _ = process::wait(&mut [], None);
    }
}
