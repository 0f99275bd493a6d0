//! A running process, made to do something else.

use super::list::Call;
use nix::libc::{self, c_void};
use std::fs;
use std::time::{Duration, Instant};

/// Stops a process when it is in a call and has it make this one instead. It goes on by itself.
#[cfg(target_arch = "x86_64")]
pub fn divert(pid: u32, call: Call) {
    let [a, b, c, d, e, f] = call.args;
    registers(pid, |registers| {
        // Back on the `syscall` instruction, two bytes long, and not by way of a restart.
        registers.rip -= 2;
        registers.orig_rax = u64::MAX;
        registers.rax = u64::from(call.number);
        (registers.rdi, registers.rsi, registers.rdx) = (a, b, c);
        (registers.r10, registers.r8, registers.r9) = (d, e, f);
    });
}

/// Sends a process to address 0.
#[cfg(target_arch = "x86_64")]
pub fn crash(pid: u32) {
    registers(pid, |registers| {
        registers.rip = 0;
        registers.orig_rax = u64::MAX;
    });
}

#[cfg(target_arch = "x86_64")]
fn registers(pid: u32, change: impl FnOnce(&mut libc::user_regs_struct)) {
    let pid = i32::try_from(pid).expect("a process id");
    let null = std::ptr::null_mut::<c_void>();
    let end = Instant::now() + Duration::from_secs(10);
    // SAFETY: all zeros is a user_regs_struct; GETREGS writes one and SETREGS reads one.
    unsafe {
        let mut registers: libc::user_regs_struct = core::mem::zeroed();
        let all = (&raw mut registers).cast::<c_void>();
        assert_eq!(libc::ptrace(libc::PTRACE_SEIZE, pid, null, null), 0);
        loop {
            assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, pid, null, null), 0);
            assert_eq!(libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL), pid);
            assert_eq!(libc::ptrace(libc::PTRACE_GETREGS, pid, null, all), 0);
            // All ones: stopped between calls, where the two bytes before are no `syscall`.
            if registers.orig_rax != u64::MAX {
                break;
            }
            assert!(Instant::now() < end, "process {pid} makes no calls");
            assert_eq!(libc::ptrace(libc::PTRACE_CONT, pid, null, null), 0);
            std::thread::sleep(Duration::from_millis(1));
        }
        change(&mut registers);
        assert_eq!(libc::ptrace(libc::PTRACE_SETREGS, pid, null, all), 0);
        assert_eq!(libc::ptrace(libc::PTRACE_DETACH, pid, null, null), 0);
    }
}

/// Traces a stopped process and its descendants, lets it go, and makes each call that its filter asks
/// about (`SECCOMP_RET_TRACE`) fail with `errno` where `chosen` says so of the caller. Returns when all have ended: how many
/// calls failed.
#[cfg(target_arch = "x86_64")]
pub fn refuse(pid: u32, errno: i32, chosen: impl Fn(u32) -> bool) -> usize {
    let pid = i32::try_from(pid).expect("a process id");
    let null = std::ptr::null_mut::<c_void>();
    let options = libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_EXITKILL;
    let mut refused = 0;
    // SAFETY: all zeros is a user_regs_struct; GETREGS writes one and SETREGS reads one.
    unsafe {
        // All threads: any of them may be the one that becomes the daemon.
        for task in fs::read_dir(format!("/proc/{pid}/task")).expect("its threads").flatten() {
            let task: i32 = task.file_name().to_str().expect("a number").parse().expect("a number");
            assert_eq!(libc::ptrace(libc::PTRACE_SEIZE, task, null, i64::from(options)), 0);
        }
        libc::kill(pid, libc::SIGCONT);
        let mut status = 0;
        loop {
            // Only what this thread traces: other threads wait for their own.
            let stopped = libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD);
            if stopped < 0 {
                return refused;
            }
            if !libc::WIFSTOPPED(status) {
                continue;
            }
            let mut signal = 0;
            match status >> 16 {
                0 => signal = libc::WSTOPSIG(status),
                libc::PTRACE_EVENT_SECCOMP if chosen(stopped as u32) => {
                    let mut registers: libc::user_regs_struct = core::mem::zeroed();
                    let all = (&raw mut registers).cast::<c_void>();
                    libc::ptrace(libc::PTRACE_GETREGS, stopped, null, all);
                    registers.orig_rax = u64::MAX;
                    registers.rax = i64::from(-errno) as u64;
                    libc::ptrace(libc::PTRACE_SETREGS, stopped, null, all);
                    refused += 1;
                }
                _ => {}
            }
            libc::ptrace(libc::PTRACE_CONT, stopped, null, i64::from(signal));
        }
    }
}
