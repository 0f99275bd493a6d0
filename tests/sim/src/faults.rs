//! Calls that fail on demand: which ones the filter also hands over, and which of those fail.

use crate::log::Log;
use crate::sys::{self, Answer, Call};
use nix::errno::Errno;
use nix::libc::{self, c_long};
use std::fs;
use std::os::fd::OwnedFd;

/// The calls that can be made to fail. Not those that the command makes between its filter and its
/// first instruction: nobody would answer them.
const CALLS: [(&str, c_long); 38] = [
    ("brk", libc::SYS_brk),
    ("clock_gettime", libc::SYS_clock_gettime),
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("close", libc::SYS_close),
    ("close_range", libc::SYS_close_range),
    ("connect", libc::SYS_connect),
    ("fcntl", libc::SYS_fcntl),
    ("fstat", libc::SYS_fstat),
    ("ftruncate", libc::SYS_ftruncate),
    ("futex", libc::SYS_futex),
    ("gettid", libc::SYS_gettid),
    ("ioctl", libc::SYS_ioctl),
    ("kill", libc::SYS_kill),
    ("mmap", libc::SYS_mmap),
    ("mprotect", libc::SYS_mprotect),
    ("munmap", libc::SYS_munmap),
    ("newfstatat", libc::SYS_newfstatat),
    ("openat", libc::SYS_openat),
    ("ppoll", libc::SYS_ppoll),
    ("prctl", libc::SYS_prctl),
    ("prlimit64", libc::SYS_prlimit64),
    ("pwrite64", libc::SYS_pwrite64),
    ("read", libc::SYS_read),
    ("renameat", libc::SYS_renameat),
    ("rseq", libc::SYS_rseq),
    ("rt_sigaction", libc::SYS_rt_sigaction),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask),
    ("sched_getaffinity", libc::SYS_sched_getaffinity),
    ("seccomp", libc::SYS_seccomp),
    ("sendto", libc::SYS_sendto),
    ("set_robust_list", libc::SYS_set_robust_list),
    ("setsid", libc::SYS_setsid),
    ("shutdown", libc::SYS_shutdown),
    ("sigaltstack", libc::SYS_sigaltstack),
    ("socket", libc::SYS_socket),
    ("wait4", libc::SYS_wait4),
    ("write", libc::SYS_write),
];

const ERRORS: [Errno; 17] = [
    Errno::EACCES,
    Errno::EAGAIN,
    Errno::EBADF,
    Errno::ECONNREFUSED,
    Errno::ECONNRESET,
    Errno::EINTR,
    Errno::EINVAL,
    Errno::EIO,
    Errno::EMFILE,
    Errno::ENFILE,
    Errno::ENOBUFS,
    Errno::ENOMEM,
    Errno::ENOSPC,
    Errno::ENOTTY,
    Errno::EPERM,
    Errno::EPIPE,
    Errno::ESRCH,
];

/// The number of a call.
pub fn call(name: &str) -> Result<c_long, String> {
    let found = CALLS.iter().find(|(known, _)| *known == name);
    found.map(|(_, number)| *number).ok_or_else(|| format!("`{name}` cannot be made to fail"))
}

/// Parses `write,ppoll,…`.
pub fn calls(names: &str) -> Result<Vec<c_long>, String> {
    names.split(',').map(call).collect()
}

/// What `fail` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Name of the process or thread, as in /proc/PID/comm.
    name: String,
    call: c_long,
    errno: Errno,
    /// So many times; `None`: until `fail off`.
    left: Option<u32>,
    /// Only with this first argument.
    fd: Option<i32>,
    /// Only with this second argument.
    arg: Option<u32>,
}

/// Parses `NAME CALL ERRNO [COUNT|always] [fd=N] [arg=N]`.
pub fn parse(words: &str) -> Result<Fault, String> {
    let mut words = words.split_whitespace();
    let (Some(name), Some(named), Some(error)) = (words.next(), words.next(), words.next()) else {
        return Err("`fail` needs a process, a call and an error".to_owned());
    };
    let found = ERRORS.into_iter().find(|errno| format!("{errno:?}") == error);
    let errno = found.ok_or_else(|| format!("`{error}` is not an error that a call fails with"))?;
    let (name, call) = (name.to_owned(), call(named)?);
    let mut fault = Fault { name, call, errno, left: Some(1), fd: None, arg: None };
    for word in words {
        let wrong = |_| format!("`{word}` is not COUNT, always, fd=N or arg=N");
        match word.split_once('=') {
            Some(("fd", number)) => fault.fd = Some(number.parse().map_err(wrong)?),
            Some(("arg", number)) => fault.arg = Some(number.parse().map_err(wrong)?),
            None if word == "always" => fault.left = None,
            _ => fault.left = Some(word.parse().map_err(wrong)?),
        }
    }
    Ok(fault)
}

/// All that is to fail.
#[derive(Debug, Default)]
pub struct Faults {
    handed_over: Vec<c_long>,
    armed: Vec<Fault>,
}

impl Faults {
    /// With these calls handed over.
    pub fn new(handed_over: Vec<c_long>) -> Self {
        Self { handed_over, armed: Vec::new() }
    }

    /// Lets a call fail from now on.
    pub fn arm(&mut self, fault: Fault) -> Result<(), &'static str> {
        if !self.handed_over.contains(&fault.call) {
            return Err("the call is not among --faults");
        }
        self.armed.push(fault);
        Ok(())
    }

    /// Lets nothing fail any more.
    pub fn disarm(&mut self) {
        self.armed.clear();
    }

    /// Fails the call if it is to; true: it is over.
    pub fn serve(&mut self, call: &Call, listener: &OwnedFd, log: &mut Log) -> bool {
        let fits = |fault: &&mut Fault| {
            c_long::from(call.number) == fault.call
                && fault.fd.is_none_or(|fd| fd == call.fd)
                && fault.arg.is_none_or(|arg| arg == call.request)
                && fault.left != Some(0)
                && fs::read_to_string(format!("/proc/{}/comm", call.tid))
                    .is_ok_and(|comm| comm.trim_end() == fault.name)
        };
        let Some(fault) = self.armed.iter_mut().find(fits) else { return false };
        // A call that a signal has ended meanwhile is made again, and fails then.
        if sys::answer(listener, call.id, Answer::Fail(fault.errno)).is_ok() {
            fault.left = fault.left.map(|left| left.saturating_sub(1));
            let named = CALLS.iter().find(|(_, number)| *number == fault.call);
            let (name, errno) = (&fault.name, fault.errno);
            let named = named.map_or("?", |(named, _)| *named);
            log.note(format_args!(
                "fault {name} {named} {errno:?} fd={} tid={}",
                call.fd, call.tid
            ));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_understood() {
        let fault = parse("upsentry write EIO 3 fd=7 arg=9").unwrap();
        let name = "upsentry".to_owned();
        let (left, fd, arg) = (Some(3), Some(7), Some(9));
        let want = Fault { name, call: libc::SYS_write, errno: Errno::EIO, left, fd, arg };
        assert_eq!(fault, want);
        assert_eq!(parse("a read EINTR").unwrap().left, Some(1));
        assert_eq!(parse("a read EINTR always").unwrap().left, None);
        for wrong in
            ["", "a read", "a execve EIO", "a read ENOWAY", "a read EIO x", "a read EIO fd=x"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_call_that_is_not_handed_over_cannot_fail() {
        let mut faults = Faults::new(calls("read,ppoll").unwrap());
        assert!(faults.arm(parse("a read EIO").unwrap()).is_ok());
        assert!(faults.arm(parse("a write EIO").unwrap()).is_err());
        assert!(calls("read,execve").is_err());
    }
}
