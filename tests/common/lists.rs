//! The lists of system calls by role, and the names of the calls on them.

use nix::libc::{self, c_long};
use upsentry::monitor::filter as jail;
use upsentry::notifier::filter as notifier;

/// Every list, by role.
pub fn lists() -> [(&'static str, Vec<c_long>); 5] {
    let fds = jail::Fds {
        ttys: vec![10],
        poke: 12,
        events: 13,
        log: 14,
        news: 17,
        status: Some(18),
        pool: vec![3],
        udp: vec![19],
        shown: Some(20),
        tcp: vec![21],
        tls: true,
    };
    let one = || vec![3];
    let parent = notifier::Fds {
        read: one(),
        write: one(),
        stat: one(),
        pread: one(),
        pwrite: one(),
        truncate: one(),
        send: one(),
        shutdown: one(),
    };
    [
        ("monitor", jail::monitor(&fds).calls().collect()),
        ("warden", jail::warden(&fds, 15, 16).calls().collect()),
        ("parent", notifier::parent(&parent).calls().collect()),
        ("hand", notifier::hand(3, 4).calls().collect()),
        ("reader", notifier::reader(3, 4).calls().collect()),
    ]
}

/// The name of a listed call.
pub fn call_name(number: c_long) -> String {
    let names = [
        (libc::SYS_accept4, "accept4"),
        (libc::SYS_brk, "brk"),
        (libc::SYS_clock_gettime, "clock_gettime"),
        (libc::SYS_getrandom, "getrandom"),
        (libc::SYS_pread64, "pread64"),
        (libc::SYS_recvfrom, "recvfrom"),
        (libc::SYS_sendmmsg, "sendmmsg"),
        (libc::SYS_clone, "clone"),
        (libc::SYS_clone3, "clone3"),
        (libc::SYS_close, "close"),
        (libc::SYS_connect, "connect"),
        (libc::SYS_exit_group, "exit_group"),
        (libc::SYS_fcntl, "fcntl"),
        (libc::SYS_fstat, "fstat"),
        (libc::SYS_ftruncate, "ftruncate"),
        (libc::SYS_futex, "futex"),
        (libc::SYS_gettid, "gettid"),
        (libc::SYS_ioctl, "ioctl"),
        (libc::SYS_kill, "kill"),
        (libc::SYS_mmap, "mmap"),
        (libc::SYS_mprotect, "mprotect"),
        (libc::SYS_mremap, "mremap"),
        (libc::SYS_madvise, "madvise"),
        (libc::SYS_munmap, "munmap"),
        (libc::SYS_newfstatat, "newfstatat"),
        (libc::SYS_openat, "openat"),
        (libc::SYS_ppoll, "ppoll"),
        (libc::SYS_prctl, "prctl"),
        (libc::SYS_prlimit64, "prlimit64"),
        (libc::SYS_pwrite64, "pwrite64"),
        (libc::SYS_read, "read"),
        (libc::SYS_renameat, "renameat"),
        (libc::SYS_rseq, "rseq"),
        (libc::SYS_rt_sigaction, "rt_sigaction"),
        (libc::SYS_rt_sigprocmask, "rt_sigprocmask"),
        (libc::SYS_sched_getaffinity, "sched_getaffinity"),
        (libc::SYS_seccomp, "seccomp"),
        (libc::SYS_sendto, "sendto"),
        (libc::SYS_set_robust_list, "set_robust_list"),
        (libc::SYS_shutdown, "shutdown"),
        (libc::SYS_sigaltstack, "sigaltstack"),
        (libc::SYS_socket, "socket"),
        (libc::SYS_wait4, "wait4"),
        (libc::SYS_write, "write"),
    ];
    let found = names.into_iter().find(|(known, _)| *known == number);
    found.map_or_else(|| format!("number {number}"), |(_, name)| name.to_owned())
}
