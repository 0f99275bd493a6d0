//! The system calls of the parent and of the hand, each with the reason why it is on the list.

use std::os::fd::RawFd;

use nix::libc::{
    AT_EMPTY_PATH, F_GETFD, MADV_DONTNEED, PROT_EXEC, SIGPWR, SYS_brk, SYS_clock_gettime,
    SYS_close, SYS_exit_group, SYS_fcntl, SYS_fstat, SYS_ftruncate, SYS_kill, SYS_madvise,
    SYS_mmap, SYS_mremap, SYS_munmap, SYS_newfstatat, SYS_openat, SYS_ppoll, SYS_pread64,
    SYS_pwrite64, SYS_read, SYS_renameat, SYS_sendto, SYS_shutdown, SYS_write,
};

use crate::sys::filter::{Allow, Arg};

/// The standard library's debug builds ask whether a descriptor is open before they close it, and the
/// lists are the same in every build. It says nothing that closing would not.
const ASKED_BEFORE_CLOSE: Arg = Arg::Is(1, F_GETFD.unsigned_abs());

/// The parent's descriptors, by what it may do with them.
#[derive(Clone, Debug, Default)]
pub struct Fds {
    /// Event pipe, log pipe, signals, the warden's and the hand's socket, the history's pipe.
    pub read: Vec<RawFd>,
    /// Init's FIFO, the warden's and the hand's socket, the kernel's log or stderr, the start's pipe, the
    /// history's pipe, the eventfd by which the jail hears of the page.
    pub write: Vec<RawFd>,
    /// Init's FIFO: is it still linked?
    pub stat: Vec<RawFd>,
    /// Process 1's command line, for the runlevel; only where there are other machines to tell.
    pub pread: Vec<RawFd>,
    /// The state file, the history.
    pub pwrite: Vec<RawFd>,
    /// The pid file, emptied at the end.
    pub truncate: Vec<RawFd>,
    /// The log's socket, the supervisor's.
    pub send: Vec<RawFd>,
    /// The sockets of warden and hand, told that we go.
    pub shutdown: Vec<RawFd>,
}

/// All that the parent may do once everything is open.
pub fn parent(fds: &Fds) -> Allow {
    let empty_path = Arg::Is(3, u32::try_from(AT_EMPTY_PATH).unwrap_or(u32::MAX));
    let writable = Arg::Without(2, u32::try_from(PROT_EXEC).unwrap_or(u32::MAX));
    Allow::new()
        .on(SYS_read, &fds.read, &[])
        .on(SYS_write, &fds.write, &[])
        // fstat(3) is the one or the other, by C library.
        .on(SYS_fstat, &fds.stat, &[])
        .on(SYS_newfstatat, &fds.stat, &[empty_path])
        // At a stop: whether the machine goes down, or only the daemon.
        .on(SYS_pread64, &fds.pread, &[])
        .on(SYS_pwrite64, &fds.pwrite, &[])
        .on(SYS_ftruncate, &fds.truncate, &[])
        .on(SYS_sendto, &fds.send, &[])
        .on(SYS_shutdown, &fds.shutdown, &[])
        .any(SYS_ppoll)
        // At rest: what is not used of the program is unmapped, and read again when it is.
        .when(SYS_madvise, &[Arg::Is(2, MADV_DONTNEED.unsigned_abs())])
        // Only with a clock source that the vDSO cannot read (hpet).
        .any(SYS_clock_gettime)
        // The heap, for the text of the state file and the log.
        .any(SYS_brk)
        .when(SYS_mmap, &[writable])
        .any(SYS_munmap)
        .any(SYS_exit_group)
}

/// The reader of the configuration: computes, and writes the result or the errors.
pub fn reader(file: RawFd, result: RawFd) -> Allow {
    let writable = Arg::Without(2, u32::try_from(PROT_EXEC).unwrap_or(u32::MAX));
    Allow::new()
        .on(SYS_read, &[file], &[])
        .on(SYS_write, &[result, 2], &[])
        .any(SYS_brk)
        .when(SYS_mmap, &[writable])
        .any(SYS_munmap)
        .any(SYS_mremap)
        .on(SYS_close, &[file], &[])
        .when(SYS_fcntl, &[ASKED_BEFORE_CLOSE])
        .any(SYS_exit_group)
}

/// The hand of `via signal`: writes one file in one directory, signals process 1. A hand that runs the
/// halt command has no filter: the command would inherit it.
pub fn hand(link: RawFd, directory: RawFd) -> Allow {
    let signal = Arg::Is(1, u32::try_from(SIGPWR).unwrap_or(u32::MAX));
    let new_directory = u32::try_from(directory).unwrap_or(u32::MAX);
    let directory = [directory];
    Allow::new()
        .on(SYS_read, &[link], &[])
        // To the parent, and to the new file, whose number is not known here.
        .any(SYS_write)
        .on(SYS_openat, &directory, &[])
        .on(SYS_renameat, &directory, &[Arg::Is(2, new_directory)])
        .on(SYS_newfstatat, &directory, &[])
        .any(SYS_close)
        .when(SYS_fcntl, &[ASKED_BEFORE_CLOSE])
        .when(SYS_kill, &[Arg::Is(0, 1), signal])
        .any(SYS_ppoll)
        .any(SYS_clock_gettime)
        .any(SYS_brk)
        .any(SYS_exit_group)
}
