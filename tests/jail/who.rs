//! Our processes, and what the design lets each of them call, written down a second time.

use crate::common::jail::{ARCH, Call, USERS, impatient};
use crate::ground::Ground;
use nix::libc::{self, c_long};
use seccompiler::BpfProgram;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use upsentry::monitor::filter as jail;
use upsentry::notifier::filter as notifier;
use upsentry::sys::confine;
use upsentry::sys::{filter as seccomp, raw};

/// One of our processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Monitor,
    /// A monitor that serves the status.
    Serving,
    /// A monitor of a master that is a slave as well, and serves the status.
    Speaking,
    /// One that watches a driver of NUT's.
    Watching,
    /// One that asks a server of NUT's, in clear.
    Polling,
    /// One that does both, under TLS, and serves the status.
    Asking,
    Warden,
    /// The warden of the one that speaks, of the one that asks.
    SpeakingWarden,
    AskingWarden,
    Parent,
    Hand,
    Reader,
}

pub(crate) const ALL: [Who; 12] = [
    Who::Monitor,
    Who::Serving,
    Who::Speaking,
    Who::Watching,
    Who::Polling,
    Who::Asking,
    Who::Warden,
    Who::SpeakingWarden,
    Who::AskingWarden,
    Who::Parent,
    Who::Hand,
    Who::Reader,
];

/// A rule as the design has it: these arguments are exactly these.
pub(crate) type Rule = (c_long, Vec<(usize, u64)>);

impl Who {
    /// A monitor: of the warden's list and its own.
    pub(crate) fn is_monitor(self) -> bool {
        !self.is_warden() && !matches!(self, Who::Parent | Who::Hand | Who::Reader)
    }

    pub(crate) fn is_warden(self) -> bool {
        matches!(self, Who::Warden | Who::SpeakingWarden | Who::AskingWarden)
    }

    fn jail_fds(self, ground: &Ground) -> jail::Fds {
        match self {
            Who::Serving => ground.serving_fds(),
            Who::Speaking | Who::SpeakingWarden => ground.speaking_fds(),
            Who::Watching => ground.watching_fds(),
            Who::Polling => ground.polling_fds(),
            Who::Asking | Who::AskingWarden => ground.asking_fds(),
            _ => ground.jail_fds(),
        }
    }

    /// Its compiled lists, the one that was put on first in front.
    pub(crate) fn programs(self, ground: &Ground) -> Vec<BpfProgram> {
        let (link, children) = (ground.link.as_raw_fd(), ground.children.as_fd().as_raw_fd());
        let fds = self.jail_fds(ground);
        let lists = match self {
            _ if self.is_monitor() => {
                vec![jail::warden(&fds, link, children), jail::monitor(&fds)]
            }
            _ if self.is_warden() => vec![jail::warden(&fds, link, children)],
            Who::Parent => vec![notifier::parent(&ground.notifier_fds())],
            Who::Hand => vec![notifier::hand(link, ground.directory.as_raw_fd())],
            _ => {
                vec![notifier::reader(ground.state.as_raw_fd(), ground.events.1.as_raw_fd())]
            }
        };
        lists.into_iter().map(|list| list.compile().expect("a list")).collect()
    }

    /// Becomes it, in the order of its start.
    pub(crate) fn become_it(self, ground: &Ground, programs: &[BpfProgram]) -> Result<(), String> {
        match self {
            _ if self.is_monitor() => {
                self.enter(ground)?;
                // The warden's list has no room for the timer.
                impatient();
                seccomp::install(&programs[0])?;
                confine::no_more_processes()?;
                return seccomp::install(&programs[1]);
            }
            _ if self.is_warden() => self.enter(ground)?,
            Who::Parent => ground.walls(USERS[1], 1 << 20)?,
            Who::Hand => {
                raw::close_all_but(&ground.all()).map_err(|error| error.to_string())?;
                nix::unistd::setgroups(&[]).map_err(|error| error.to_string())?;
                confine::drop_bounding()?;
                confine::drop_held()?;
                confine::replace_files_in(ground.directory.as_fd())?;
            }
            _ => ground.walls(65534, 0)?,
        }
        impatient();
        seccomp::install(&programs[0])
    }

    /// The jail's walls.
    fn enter(self, ground: &Ground) -> Result<(), String> {
        match self {
            Who::Watching => ground.room(&[]),
            Who::Polling => ground.ports(&[9]),
            Who::Asking | Who::AskingWarden => ground.room(&[9]),
            _ => ground.walls(USERS[0], 0),
        }
    }

    /// Calls without a condition, with the reason beside each list in `filter.rs`.
    pub(crate) fn free(self) -> Vec<c_long> {
        use libc::*;
        let monitor = [SYS_ppoll, SYS_clock_gettime, SYS_exit_group];
        let random = [Who::Speaking, Who::SpeakingWarden, Who::Asking, Who::AskingWarden];
        let random = random.contains(&self).then_some(SYS_getrandom);
        match self {
            _ if self.is_monitor() => monitor.into_iter().chain(random).collect(),
            _ if self.is_warden() => [
                SYS_clone,
                SYS_wait4,
                SYS_clone3,
                SYS_munmap,
                SYS_brk,
                SYS_futex,
                SYS_gettid,
                SYS_rseq,
                SYS_rt_sigprocmask,
                SYS_sched_getaffinity,
                SYS_set_robust_list,
                SYS_sigaltstack,
            ]
            .into_iter()
            .chain(monitor)
            .chain(random)
            .collect(),
            Who::Parent => [SYS_brk, SYS_munmap].into_iter().chain(monitor).collect(),
            Who::Hand => [SYS_write, SYS_close, SYS_brk].into_iter().chain(monitor).collect(),
            _ => vec![SYS_brk, SYS_munmap, SYS_mremap, SYS_exit_group],
        }
    }

    /// Calls with conditions: written down a second time, from the design.
    pub(crate) fn rules(self, ground: &Ground) -> Vec<Rule> {
        use libc::*;
        let fd = |fd: RawFd| (0, u64::try_from(fd).expect("a descriptor"));
        let fds = self.jail_fds(ground);
        let (link, children) = (ground.link.as_raw_fd(), ground.children.as_fd().as_raw_fd());
        let dir = ground.directory.as_raw_fd();
        let asked = (SYS_fcntl, vec![(1, F_GETFD as u64)]);
        // At rest: what is not used of the program is unmapped.
        let rest = (SYS_madvise, vec![(2, MADV_DONTNEED as u64)]);
        let mut monitor = vec![
            rest.clone(),
            (SYS_ioctl, vec![fd(fds.events), (1, FIONREAD)]),
            (SYS_read, vec![fd(fds.poke)]),
            (SYS_read, vec![fd(fds.news)]),
            (SYS_write, vec![fd(fds.poke)]),
            (SYS_write, vec![fd(fds.events)]),
            (SYS_write, vec![fd(fds.log)]),
        ];
        for command in [TIOCMGET, TIOCMIWAIT, TIOCGICOUNT] {
            monitor.push((SYS_ioctl, vec![fd(fds.ttys[0]), (1, command)]));
        }
        if fds.status.is_some() {
            let listener = fd(ground.listener.as_raw_fd());
            let flags = (SOCK_CLOEXEC | SOCK_NONBLOCK) as u64;
            monitor.push((SYS_accept4, vec![listener, (3, flags)]));
            for client in &fds.pool {
                let client = fd(*client);
                monitor.extend([
                    (SYS_write, vec![client]),
                    (SYS_close, vec![client]),
                    (SYS_shutdown, vec![client, (1, SHUT_RD as u64)]),
                ]);
            }
        }
        if matches!(self, Who::Speaking | Who::SpeakingWarden) {
            for udp in &ground.udp {
                let udp = fd(udp.as_raw_fd());
                monitor.extend([
                    (SYS_recvfrom, vec![udp, (3, 0)]),
                    (SYS_sendto, vec![udp, (3, MSG_DONTWAIT as u64)]),
                    (SYS_sendmmsg, vec![udp, (3, MSG_DONTWAIT as u64)]),
                ]);
            }
        }
        if matches!(self, Who::Watching | Who::Asking | Who::AskingWarden) {
            let kind = (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC) as u64;
            monitor.push((SYS_socket, vec![(0, AF_UNIX as u64), (1, kind), (2, 0)]));
            monitor.push((SYS_fstat, vec![fd(ground.shown.as_raw_fd())]));
            for number in &fds.pool {
                let calls = [SYS_connect, SYS_read, SYS_write, SYS_close];
                monitor.extend(calls.map(|call| (call, vec![fd(*number)])));
            }
        }
        if matches!(self, Who::Polling | Who::Asking | Who::AskingWarden) {
            for tcp in &ground.tcp {
                let calls = [SYS_connect, SYS_read, SYS_write];
                monitor.extend(calls.map(|call| (call, vec![fd(tcp.as_raw_fd())])));
            }
        }
        match self {
            _ if self.is_monitor() => monitor,
            _ if self.is_warden() => {
                monitor.extend([
                    (SYS_read, vec![fd(link)]),
                    (SYS_read, vec![fd(children)]),
                    (SYS_write, vec![fd(link)]),
                    (SYS_close, vec![fd(link)]),
                    (SYS_close, vec![fd(children)]),
                    (SYS_kill, vec![(1, SIGKILL as u64)]),
                    (SYS_prctl, vec![(0, PR_SET_NAME as u64)]),
                    (SYS_prctl, vec![(0, PR_SET_NO_NEW_PRIVS as u64)]),
                    (SYS_prlimit64, vec![(0, 0), (1, u64::from(RLIMIT_NPROC))]),
                    (SYS_seccomp, vec![(0, u64::from(SECCOMP_SET_MODE_FILTER))]),
                ]);
                monitor
            }
            Who::Parent => {
                let (fifo, state) = (ground.fifo.1.as_raw_fd(), ground.state.as_raw_fd());
                vec![
                    rest,
                    (SYS_read, vec![fd(ground.events.0.as_raw_fd())]),
                    (SYS_read, vec![fd(ground.log.0.as_raw_fd())]),
                    (SYS_read, vec![fd(link)]),
                    (SYS_write, vec![fd(link)]),
                    (SYS_write, vec![fd(fds.news)]),
                    (SYS_write, vec![fd(fifo)]),
                    (SYS_fstat, vec![fd(fifo)]),
                    (SYS_newfstatat, vec![fd(fifo), (3, AT_EMPTY_PATH as u64)]),
                    (SYS_pread64, vec![fd(ground.title.as_raw_fd())]),
                    (SYS_pwrite64, vec![fd(state)]),
                    (SYS_ftruncate, vec![fd(ground.pid_file.as_raw_fd())]),
                    (SYS_sendto, vec![fd(ground.syslog.as_raw_fd())]),
                    (SYS_shutdown, vec![fd(link)]),
                ]
            }
            Who::Hand => vec![
                (SYS_read, vec![fd(link)]),
                (SYS_openat, vec![fd(dir)]),
                (SYS_renameat, vec![fd(dir), (2, dir as u64)]),
                (SYS_newfstatat, vec![fd(dir)]),
                (SYS_kill, vec![(0, 1), (1, SIGPWR as u64)]),
                asked,
            ],
            _ => vec![
                (SYS_read, vec![fd(ground.state.as_raw_fd())]),
                (SYS_write, vec![fd(ground.events.1.as_raw_fd())]),
                (SYS_write, vec![fd(2)]),
                (SYS_close, vec![fd(ground.state.as_raw_fd())]),
                asked,
            ],
        }
    }

    /// Calls that make or change a mapping: allowed where it cannot be executed.
    pub(crate) fn maps(self) -> Vec<c_long> {
        match self {
            Who::Parent | Who::Reader => vec![libc::SYS_mmap],
            _ if self.is_warden() => vec![libc::SYS_mmap, libc::SYS_mprotect],
            _ => Vec::new(),
        }
    }

    /// Whether the design lets a call pass.
    pub(crate) fn may(self, ground: &Ground, call: Call) -> bool {
        let number = c_long::from(call.number);
        let low = |index: usize| call.args[index] & 0xffff_ffff;
        let maps = self.maps().contains(&number) && low(2) & libc::PROT_EXEC as u64 == 0;
        let ruled = self.rules(ground).into_iter().any(|(listed, arguments)| {
            listed == number && arguments.into_iter().all(|(index, value)| low(index) == value)
        });
        call.arch == ARCH && (maps || ruled || self.free().contains(&number))
    }
}
