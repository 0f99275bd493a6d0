//! What every process of ours does at its start.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, ppoll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::time::TimeSpec;

static ID: AtomicU32 = AtomicU32::new(0);

/// This process's id, as [`remember_id`] found it: asking again would be one more system call to allow.
pub fn id() -> u32 {
    ID.load(Ordering::Relaxed)
}

/// To be called at the start and after a fork.
pub fn remember_id() {
    ID.store(std::process::id(), Ordering::Relaxed);
}

/// To be called after a fork whose child may ask only for its thread's id: the first thread's is the process's.
pub fn remember_first_thread() {
    ID.store(nix::unistd::gettid().as_raw().unsigned_abs(), Ordering::Relaxed);
}

/// Names this process in `ps` (at most 15 bytes show).
pub fn name(name: &std::ffi::CStr) {
    // A name is a help for people; nothing depends on it.
    let _ = prctl::set_name(name);
}

/// This machine's name, as far as it fits: 1..=63 bytes of `[A-Za-z0-9._-]`.
pub fn host() -> String {
    let name = nix::sys::utsname::uname().ok();
    let name = name.as_ref().map_or("".into(), |name| name.nodename().to_string_lossy());
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let name: String = name.chars().filter(fits).take(63).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// Blocks every signal that can be: TERM from sendsigs and ^C reach all of us, and only the parent acts.
///
/// # Errors
/// The kernel refuses.
pub fn block_signals() -> nix::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)
}

/// Opens the mask again, for a command that we run.
///
/// # Errors
/// The kernel refuses.
pub fn unblock_signals() -> nix::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// Sleeps until a descriptor is ready or `timeout` has passed (`None`: for ever). An interruption counts
/// as a wake-up.
///
/// # Errors
/// What ppoll(2) says, but not EINTR.
pub fn wait(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> nix::Result<()> {
    match ppoll(fds, timeout.map(TimeSpec::from_duration), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads what is there, without waiting; `None`: nothing now. A length of 0 is the end.
///
/// # Errors
/// What read(2) says, but not EAGAIN or EINTR.
pub fn read_some(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<Option<usize>> {
    match nix::unistd::read(fd.as_fd(), buffer) {
        Ok(length) => Ok(Some(length)),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Closes a descriptor in one call: dropping it makes another in a debug build, which the lists do not have.
pub fn close(fd: OwnedFd) {
    let _ = nix::unistd::close(fd);
}

/// Makes a call until the kernel has what it lacked, for who has nobody to report a failure to.
///
/// # Errors
/// Any other error; or nothing can be waited for either, and going on would be a spin.
pub fn again<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR | Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => {
                wait(&mut [], Some(Duration::from_millis(20)))?;
            }
            other => return other,
        }
    }
}

/// Makes two threads and waits for their ends. The first one looks for something in every library, and so does
/// the first one on the stack of another; both is remembered, and the children of this process need not do it
/// again, which would cost each of them time and memory.
///
/// # Errors
/// No thread.
pub fn first_threads() -> std::io::Result<()> {
    for _ in 0..2 {
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(|| {})?;
        thread.join().map_err(|_| std::io::Error::other("it panicked"))?;
    }
    Ok(())
}
