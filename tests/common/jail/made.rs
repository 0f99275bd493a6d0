//! Processes that make one call under a list, and what comes of it.

use super::list::Call;
use nix::libc::{self, c_long};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What became of a process that made a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The call returned, or ended the process as it should; the errno, 0 without one.
    Returned(i32),
    /// Killed by this signal. SIGALRM: the call waited, SIGKILL: it sent that; so it was allowed.
    Killed(i32),
    /// It could not even be confined.
    NotMade,
}

impl Outcome {
    /// The filter let the call pass.
    pub fn passed(self) -> bool {
        matches!(self, Self::Returned(_) | Self::Killed(libc::SIGALRM | libc::SIGKILL))
    }

    /// The filter killed it.
    pub fn denied(self) -> bool {
        self == Self::Killed(libc::SIGSYS)
    }
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Native(Call),
    /// By the 32-bit entry of x86: another set of numbers, another architecture for the filter.
    Int80(u32),
}

/// Exit status of a process that could not be confined.
const NOT_MADE: i32 = 255;

/// Makes each call in a process of its own after `confine`, all of them in a namespace of their own, so that
/// a call that passes by mistake hits nobody: not process 1, not the host's name.
pub fn make(ways: &[Way], confine: &dyn Fn() -> Result<(), String>) -> Vec<Outcome> {
    let (read, write) = nix::unistd::pipe().expect("a pipe");
    // SAFETY: the children use memory, descriptors and system calls only; glibc's allocator is made for a
    // fork of a process with threads; and they end by _exit.
    match unsafe { nix::unistd::fork() }.expect("fork") {
        ForkResult::Parent { child } => {
            drop(write);
            let mut bytes = Vec::new();
            File::from(read).read_to_end(&mut bytes).expect("the outcomes");
            waitpid(child, None).expect("our child");
            let words = bytes.chunks_exact(4).map(|word| {
                let word = i32::from_le_bytes(word.try_into().expect("4 bytes"));
                match (word & 0xff, word >> 8) {
                    (0, NOT_MADE) => Outcome::NotMade,
                    (0, errno) => Outcome::Returned(errno),
                    (_, signal) => Outcome::Killed(signal),
                }
            });
            let outcomes: Vec<Outcome> = words.collect();
            assert_eq!(outcomes.len(), ways.len(), "the maker of calls itself died");
            outcomes
        }
        ForkResult::Child => apart(ways, confine, write),
    }
}

/// In the first child: makes the namespaces; its child is their process 1 and makes the calls' processes.
fn apart(ways: &[Way], confine: &dyn Fn() -> Result<(), String>, mut results: OwnedFd) -> ! {
    let spaces = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    // SAFETY: as in `make`.
    unsafe {
        if libc::unshare(spaces) != 0 || libc::setsid() < 0 {
            libc::_exit(1);
        }
        let first = libc::fork();
        if first != 0 {
            libc::waitpid(first, std::ptr::null_mut(), 0);
            libc::_exit(0);
        }
    }
    let mut all = Vec::with_capacity(ways.len() * 4);
    for way in ways {
        // SAFETY: as in `make`.
        let status = match unsafe { nix::unistd::fork() } {
            Ok(ForkResult::Child) => alone(*way, confine),
            Ok(ForkResult::Parent { child }) => waitpid(child, None),
            Err(error) => Err(error),
        };
        let word = match status {
            Ok(WaitStatus::Exited(_, code)) => code << 8,
            Ok(WaitStatus::Signaled(_, signal, _)) => (signal as i32) << 8 | 1,
            _ => NOT_MADE << 8,
        };
        all.extend(word.to_le_bytes());
    }
    // SAFETY: nobody else owns it.
    let mut file = unsafe { File::from_raw_fd(results.as_raw_fd()) };
    let _ = file.write_all(&all);
    std::mem::forget(std::mem::replace(&mut results, file.into()));
    // SAFETY: as in `make`.
    unsafe { libc::_exit(0) }
}

fn alone(way: Way, confine: &dyn Fn() -> Result<(), String>) -> ! {
    if confine().is_err() {
        // SAFETY: as in `make`.
        unsafe { libc::_exit(NOT_MADE) }
    }
    // SAFETY: the arguments are null, small numbers, or point to memory that is never freed; a process
    // that a call damages is its own only.
    unsafe {
        let result = match way {
            Way::Native(Call { number, args: [a, b, c, d, e, f], .. }) => {
                libc::syscall(c_long::from(number as i32), a, b, c, d, e, f)
            }
            Way::Int80(number) => int80(number),
        };
        libc::_exit(if result == -1 { *libc::__errno_location() } else { 0 })
    }
}

/// A timer that ends a call that waits; to be set just before the last list.
pub fn impatient() {
    let soon = libc::timeval { tv_sec: 0, tv_usec: 250_000 };
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: never, it_value: soon };
    // SAFETY: setitimer(2), which libc does not declare everywhere, reads one itimerval.
    unsafe { libc::syscall(libc::SYS_setitimer, 0, &raw const timer, 0) };
}

#[cfg(target_arch = "x86_64")]
fn int80(number: u32) -> c_long {
    let mut result = u64::from(number);
    // SAFETY: the calls made so take no pointers; rbx is put back. The kernel changes rax only, and older
    // ones r8 to r11.
    unsafe {
        core::arch::asm!(
            "xchg rbx, {zero}", "int 0x80", "xchg rbx, {zero}",
            zero = inout(reg) 0_u64 => _, inout("rax") result, in("rcx") 0, in("rdx") 0,
            in("rsi") 0, in("rdi") 0, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    c_long::from((result as i64) < 0).wrapping_neg()
}

#[cfg(not(target_arch = "x86_64"))]
fn int80(_: u32) -> c_long {
    -1
}

/// The address of something, for a call; it is never freed.
pub fn address<T>(value: T) -> u64 {
    Box::leak(Box::new(value)) as *mut T as u64
}

/// A text with its end, for a call.
pub fn text(text: &str) -> u64 {
    std::ffi::CString::new(text).expect("no zero in it").into_raw() as u64
}
