//! The system calls of the jail, each with the reason why it is on the list.

use std::os::fd::RawFd;

use nix::libc::{
    AF_UNIX, FIONREAD, MADV_DONTNEED, MSG_DONTWAIT, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, PROT_EXEC,
    RLIMIT_NPROC, SECCOMP_SET_MODE_FILTER, SHUT_RD, SIGKILL, SOCK_CLOEXEC, SOCK_NONBLOCK,
    SOCK_STREAM, SYS_accept4, SYS_brk, SYS_clock_gettime, SYS_clone, SYS_clone3, SYS_close,
    SYS_connect, SYS_exit_group, SYS_fstat, SYS_futex, SYS_getrandom, SYS_gettid, SYS_ioctl,
    SYS_kill, SYS_madvise, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_ppoll, SYS_prctl, SYS_prlimit64,
    SYS_read, SYS_recvfrom, SYS_rseq, SYS_rt_sigprocmask, SYS_sched_getaffinity, SYS_seccomp,
    SYS_sendmmsg, SYS_sendto, SYS_set_robust_list, SYS_shutdown, SYS_sigaltstack, SYS_socket,
    SYS_wait4, SYS_write, TIOCGICOUNT, TIOCMGET, TIOCMIWAIT,
};

use crate::sys::filter::{Allow, Arg};

/// The monitor's descriptors, by what it may do with them.
#[derive(Clone, Debug, Default)]
pub struct Fds {
    /// Serial ports: modem lines are read; never data, never an output line, so a monitor that was taken
    /// over cannot cut the load.
    pub ttys: Vec<RawFd>,
    /// The waiters poke the main loop through it.
    pub poke: RawFd,
    /// Write end of the event pipe.
    pub events: RawFd,
    /// Write end of the log pipe.
    pub log: RawFd,
    /// The status socket, which listens; `None`: no status is served.
    pub status: Option<RawFd>,
    /// The directory of NUT's drivers; `None`: no driver is watched.
    pub shown: Option<RawFd>,
    /// The numbers that its clients get, and its connections to drivers: nothing else ever has them in a monitor.
    pub pool: Vec<RawFd>,
    /// TCP sockets, for NUT servers.
    pub tcp: Vec<RawFd>,
    /// Some of them are sealed with TLS.
    pub tls: bool,
    /// UDP sockets, for slaves and masters; empty on a machine that speaks to no other.
    pub udp: Vec<RawFd>,
    /// Says that the parent wrote something on its page.
    pub news: RawFd,
}

impl Fds {
    /// Those that not every monitor has.
    pub fn opened(&self) -> impl Iterator<Item = RawFd> {
        let all = self.ttys.iter().chain(&self.udp).chain(&self.tcp);
        all.copied().chain(self.status).chain(self.shown)
    }
}

/// All that a running monitor may do: 6 calls, and more where it speaks to other machines (4), serves the status (3),
/// or asks NUT's drivers (4) or servers (1, under TLS 2).
pub fn monitor(fds: &Fds) -> Allow {
    let list = if fds.udp.is_empty() { Allow::new() } else { network(fds) };
    let list = if fds.status.is_some() { status(list, fds) } else { list };
    let list = if fds.shown.is_some() { drivers(list, fds) } else { list };
    let list = if fds.tcp.is_empty() { list } else { servers(list, fds) };
    let list = if fds.tls { secured(list) } else { list };
    list
        // The modem lines, and how often they changed.
        .on(SYS_ioctl, &fds.ttys, &[command(TIOCMGET)])
        .on(SYS_ioctl, &fds.ttys, &[command(TIOCMIWAIT)])
        .on(SYS_ioctl, &fds.ttys, &[command(TIOCGICOUNT)])
        // How much the parent has not read yet, so that nothing piles up while it is stopped.
        .on(SYS_ioctl, &[fds.events], &[command(FIONREAD)])
        .on(SYS_read, &[fds.poke, fds.news], &[])
        .on(SYS_write, &[fds.poke, fds.events, fds.log], &[])
        // Sleeping until a poke or a deadline.
        .any(SYS_ppoll)
        // At rest: what is not used of the program is unmapped, and read again when it is.
        .when(SYS_madvise, &[Arg::Is(2, bits(MADV_DONTNEED))])
        // Only with a clock source that the vDSO cannot read (hpet).
        .any(SYS_clock_gettime)
        .any(SYS_exit_group)
}

/// What UDP needs. Addresses cannot be filtered; the sockets were made and bound before the fork, no other can
/// be made, and no descriptor can come in or go out through one of the internet's.
pub fn network(fds: &Fds) -> Allow {
    let (no_flags, flags) = (Arg::Is(3, 0), Arg::Is(3, bits(MSG_DONTWAIT)));
    Allow::new()
        // Polls and answers; never with ancillary data.
        .on(SYS_recvfrom, &fds.udp, &[no_flags])
        // A poll, or an answer to one.
        .on(SYS_sendto, &fds.udp, &[flags])
        // A change, sealed once, to many slaves in one call.
        .on(SYS_sendmmsg, &fds.udp, &[flags])
        // The session, and a nonce for each poll.
        .any(SYS_getrandom)
}

/// What serving the status needs, beside `list`. What a client sends is never read, so no descriptor can come in
/// either; the kernel refuses it from the moment that the client is taken.
pub fn status(list: Allow, fds: &Fds) -> Allow {
    let (taken, reading) =
        (Arg::Is(3, bits(SOCK_CLOEXEC | SOCK_NONBLOCK)), Arg::Is(1, bits(SHUT_RD)));
    let listener: Vec<RawFd> = fds.status.into_iter().collect();
    list
        // A client.
        .on(SYS_accept4, &listener, &[taken])
        // Refusing what it sends.
        .on(SYS_shutdown, &fds.pool, &[reading])
        // The report.
        .on(SYS_write, &fds.pool, &[])
        // It has hung up, or is late.
        .on(SYS_close, &fds.pool, &[])
}

/// What asking NUT's drivers needs, beside `list`. A path cannot be filtered, but nothing else than the drivers' sockets
/// has one in the jail. That a driver obeys whoever can reach it, also an order to cut the load, is NUT's way.
pub fn drivers(list: Allow, fds: &Fds) -> Allow {
    let local = Arg::Is(0, bits(AF_UNIX));
    let stream = Arg::Is(1, bits(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC));
    let shown: Vec<RawFd> = fds.shown.into_iter().collect();
    list
        // A Unix socket cannot be connected a second time, and a driver may be started anew.
        .when(SYS_socket, &[local, stream, Arg::Is(2, 0)])
        // To the driver's socket.
        .on(SYS_connect, &fds.pool, &[])
        // What it says, without any descriptor.
        .on(SYS_read, &fds.pool, &[])
        // What it is asked.
        .on(SYS_write, &fds.pool, &[])
        // It is gone, or says nothing more.
        .on(SYS_close, &fds.pool, &[])
        // Whether the directory has been removed, and another one has its name.
        .on(SYS_fstat, &shown, &[])
}

/// What asking NUT's servers needs, beside `list`. Sockets cannot be made: those that are there are connected anew.
pub fn servers(list: Allow, fds: &Fds) -> Allow {
    list
        // To a server's address, or to none, so that it can be connected anew.
        .on(SYS_connect, &fds.tcp, &[])
        // What it answers.
        .on(SYS_read, &fds.tcp, &[])
        // What it is asked.
        .on(SYS_write, &fds.tcp, &[])
}

/// What TLS needs, beside `list`. The memory that it takes is laid in before.
pub fn secured(list: Allow) -> Allow {
    list
        // The keys of a session.
        .any(SYS_getrandom)
}

/// The warden: what a monitor may do, because its children inherit this list; forking and killing; and
/// what a child needs to make its threads and put the shorter list on.
pub fn warden(fds: &Fds, link: RawFd, children: RawFd) -> Allow {
    let writable = Arg::Without(2, bits(PROT_EXEC));
    monitor(fds)
        .on(SYS_read, &[link, children], &[])
        .on(SYS_write, &[link], &[])
        .on(SYS_close, &[link, children], &[])
        // fork(3).
        .any(SYS_clone)
        .any(SYS_wait4)
        .when(SYS_kill, &[Arg::Is(1, bits(SIGKILL))])
        // Threads: glibc 2.34 and later ask clone3 first, whose flags no filter can see.
        .any(SYS_clone3)
        .when(SYS_mmap, &[writable])
        .when(SYS_mprotect, &[writable])
        .any(SYS_munmap)
        .any(SYS_brk)
        .any(SYS_futex)
        .any(SYS_gettid)
        .any(SYS_rseq)
        .any(SYS_rt_sigprocmask)
        .any(SYS_sched_getaffinity)
        .any(SYS_set_robust_list)
        .any(SYS_sigaltstack)
        // The child's name, its limit on processes, and its own list.
        .when(SYS_prctl, &[Arg::Is(0, bits(PR_SET_NAME))])
        .when(SYS_prctl, &[Arg::Is(0, bits(PR_SET_NO_NEW_PRIVS))])
        .when(SYS_prlimit64, &[Arg::Is(0, 0), Arg::Is(1, RLIMIT_NPROC)])
        .when(SYS_seccomp, &[Arg::Is(0, SECCOMP_SET_MODE_FILTER)])
}

/// An ioctl command is an unsigned number of 32 bits, whatever type libc gives it.
#[allow(clippy::cast_possible_truncation, clippy::unnecessary_cast)]
fn command(command: nix::libc::Ioctl) -> Arg {
    Arg::Is(1, command as u32)
}

fn bits(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
