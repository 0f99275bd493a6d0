//! The system calls that nix does not wrap: seccomp with user notification, tty ioctls, pidfds. All
//! `unsafe` code of the simulator is here.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// One call that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Names the call in the answer.
    pub id: u64,
    /// The thread that made it.
    pub tid: i32,
    /// Which call.
    pub number: i32,
    /// Its first argument.
    pub fd: i32,
    /// Its second one.
    pub request: u32,
    /// Its third one.
    pub arg: u64,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It returns 0.
    Done,
    /// It returns -1 and this error.
    Fail(Errno),
    /// The kernel does it after all.
    Continue,
}

/// Starts `command` under `filter` and returns it with the descriptor on which its calls arrive.
///
/// The filter is installed by privilege, without `no_new_privs`, so that programs under it can gain
/// rights at exec as they would without it. When we die the command gets SIGTERM.
pub fn spawn_filtered(
    command: &mut Command,
    filter: Vec<libc::sock_filter>,
) -> io::Result<(Child, OwnedFd)> {
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::SOCK_CLOEXEC)?;
    let prepare = move || -> io::Result<()> {
        prctl::set_pdeathsig(Signal::SIGTERM)?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        let listener = install(&filter)?;
        let fds = [listener.as_raw_fd()];
        let byte = [IoSlice::new(b"f")];
        sendmsg::<()>(
            theirs.as_raw_fd(),
            &byte,
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::empty(),
            None,
        )?;
        // Exec closes it. Closing it here could be a call that is handed over, with nobody there yet.
        std::mem::forget(listener);
        Ok(())
    };
    // SAFETY: after the fork the closure runs in a copy of this process, which has one thread, so no
    // lock (the allocator's, stdio's) can be held by a thread that is gone.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn()?;
    let mut byte = [0u8; 1];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(RawFd);
    let message =
        recvmsg::<()>(ours.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part {
            if let Some(fd) = fds.first() {
                // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
                return Ok((child, unsafe { OwnedFd::from_raw_fd(*fd) }));
            }
        }
    }
    Err(io::Error::other("the command came up without its filter"))
}

/// Installs the filter on this thread and returns its listener (close-on-exec).
fn install(filter: &[libc::sock_filter]) -> nix::Result<OwnedFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: `program` points to `filter`, which outlives the call; the kernel only reads both.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    owned(result)
}

/// Puts a filter of its own on this thread, as a confined program does: `getppid` fails, all else is allowed.
pub fn confine() -> nix::Result<()> {
    let line = |code: u32, jf, k| libc::sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt: 0,
        jf,
        k,
    };
    let refused = u32::try_from(libc::SYS_getppid).map_err(|_| Errno::EINVAL)?;
    let filter = [
        line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        line(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, refused),
        line(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs()),
        line(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast_mut(),
    };
    prctl::set_no_new_privs()?;
    // SAFETY: `program` points to `filter`, which outlives the call; the kernel only reads both.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    Errno::result(result).map(drop)
}

fn owned(result: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the caller hands in the result of a call that makes a new descriptor, and keeps no copy.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Asks that answering a call hands the processor straight to the caller (Linux 6.6; harmless where missing).
pub fn prefer_sync_wake(listener: &OwnedFd) {
    // SAFETY: the argument of this request is a number, not a pointer.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1u64) };
}

/// Takes the next call; `ENOENT` when its thread was interrupted or killed before we got to it.
pub fn receive(listener: &OwnedFd) -> nix::Result<Call> {
    // SAFETY: all-zero bytes are a valid value of this struct of integers, and the kernel wants zeros.
    let mut notice: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `seccomp_notif`, which is what the pointer points to.
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notice)
    };
    Errno::result(result)?;
    let [fd, request, arg, ..] = notice.data.args;
    // The kernel's own `ioctl` looks at the low 32 bits of the first two.
    let low = |word: u64| u32::try_from(word & 0xffff_ffff).unwrap_or_default();
    Ok(Call {
        id: notice.id,
        tid: i32::from_ne_bytes(notice.pid.to_ne_bytes()),
        number: notice.data.nr,
        fd: i32::from_ne_bytes(low(fd).to_ne_bytes()),
        request: low(request),
        arg,
    })
}

/// Ends a call; `ENOENT` when it is over already.
pub fn answer(listener: &OwnedFd, id: u64, how: Answer) -> nix::Result<()> {
    let mut response = libc::seccomp_notif_resp { id, val: 0, error: 0, flags: 0 };
    match how {
        Answer::Done => {}
        Answer::Fail(errno) => {
            response.error = -(errno as i32);
            response.val = -1;
        }
        Answer::Continue => response.flags = 1, // SECCOMP_USER_NOTIF_FLAG_CONTINUE
    }
    // SAFETY: the kernel reads one `seccomp_notif_resp`, which is what the pointer points to.
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response)
    };
    Errno::result(result).map(drop)
}

/// True while the call waits for its answer, so while its thread is the one that made it.
pub fn waits(listener: &OwnedFd, id: u64) -> bool {
    // SAFETY: the kernel reads one `u64`, which is what the pointer points to.
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id)
    };
    result == 0
}

/// Copies descriptor `fd` of process `pid`.
pub fn borrow_fd(pid: i32, fd: i32) -> nix::Result<OwnedFd> {
    // SAFETY: takes numbers only and makes a new descriptor.
    let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: takes numbers only and makes a new descriptor; `process` is open.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })
}

/// Hangs the tty up under all who have it open.
pub fn hang_up(tty: BorrowedFd) -> nix::Result<()> {
    const TIOCVHANGUP: libc::Ioctl = 0x5437;
    // SAFETY: this request has no argument.
    let result = unsafe { libc::ioctl(tty.as_raw_fd(), TIOCVHANGUP) };
    Errno::result(result).map(drop)
}

/// Ends exclusive use of the tty.
pub fn not_exclusive(tty: BorrowedFd) -> nix::Result<()> {
    // SAFETY: this request has no argument.
    let result = unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCNXCL) };
    Errno::result(result).map(drop)
}

/// TIOCMGET.
pub fn modem_get(tty: impl AsFd) -> nix::Result<i32> {
    let mut word = 0;
    // SAFETY: the kernel writes one `int`, which is what the pointer points to.
    let result = unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), libc::TIOCMGET, &raw mut word) };
    Errno::result(result).map(|_| word)
}

/// TIOCMSET, TIOCMBIS or TIOCMBIC.
pub fn modem_drive(tty: impl AsFd, request: libc::Ioctl, word: i32) -> nix::Result<()> {
    // SAFETY: the kernel reads one `int`, which is what the pointer points to.
    let result = unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), request, &raw const word) };
    Errno::result(result).map(drop)
}

/// TIOCMIWAIT.
pub fn modem_wait(tty: impl AsFd, mask: i32) -> nix::Result<()> {
    const TIOCMIWAIT: libc::Ioctl = 0x545C;
    // SAFETY: the argument of this request is a number, not a pointer.
    let result = unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), TIOCMIWAIT, mask) };
    Errno::result(result).map(drop)
}

/// An ioctl whose argument is a number or nothing: break, TCSBRK.
pub fn plain_ioctl(tty: impl AsFd, request: libc::Ioctl, arg: i32) -> nix::Result<()> {
    // SAFETY: used only with requests whose argument is a number, not a pointer.
    let result = unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), request, arg) };
    Errno::result(result).map(drop)
}

/// TIOCGICOUNT: CTS, DSR, RNG and DCD edges.
pub fn modem_counts(tty: impl AsFd) -> nix::Result<[i32; 4]> {
    const TIOCGICOUNT: libc::Ioctl = 0x545D;
    let mut counts = [0i32; 20];
    // SAFETY: the kernel writes a `serial_icounter_struct` of 20 ints, which is what the pointer points to.
    let result = unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), TIOCGICOUNT, counts.as_mut_ptr()) };
    let [cts, dsr, rng, dcd, ..] = counts;
    Errno::result(result).map(|_| [cts, dsr, rng, dcd])
}
