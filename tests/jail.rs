//! The system call lists: what they can allow at all (a second reading of the compiled programs), what the
//! kernel makes of them (an evil process that makes one call each), and that the running daemon has exactly
//! these.
//!
//! How each test fails: add `.any(SYS_openat)` to a list, swap two arguments of a rule, leave out
//! `seccomp::install` or `confine` in one process; `prctl`'s `Is(0, …)` made `any` falls to the matrix only.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "tables of numbers as the kernel's headers have them"
)]

mod common;

use common::jail::{
    ARCH, Call, KILL, Outcome, Status, USERS, Wanted, Way, address, allowed, confined, descriptors,
    fingerprint, impatient, limits, live_filters, make, release, text, verdict, verdicts,
};
use common::{need_root, skip};
use nix::libc::{self, c_long};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Gid, Uid};
use seccompiler::BpfProgram;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;
use upsentry::monitor::filter as jail;
use upsentry::notifier::filter as notifier;
use upsentry::sys::confine::{self, MEMORY, Walls, confine};
use upsentry::sys::{filter as seccomp, raw};

/// Descriptors of every kind that our processes have, and one that none has: the `stranger`.
struct Ground {
    tty: OwnedFd,
    poke: EventFd,
    news: EventFd,
    listener: UnixListener,
    clients: (UnixStream, UnixStream),
    events: (OwnedFd, OwnedFd),
    log: (OwnedFd, OwnedFd),
    link: UnixDatagram,
    children: SignalFd,
    fifo: (OwnedFd, OwnedFd),
    state: File,
    pid_file: File,
    syslog: UnixDatagram,
    directory: File,
    stranger: File,
    empty: PathBuf,
    scratch: PathBuf,
    _others: Vec<OwnedFd>,
}

impl Ground {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scratch =
            std::env::temp_dir().join(format!("upsentry-jail-{}-{number}", std::process::id()));
        let empty = scratch.join("empty");
        std::fs::create_dir_all(&empty).expect("a directory");
        std::fs::set_permissions(&empty, PermissionsExt::from_mode(0o555)).expect("a directory");
        let pipe = || nix::unistd::pipe().expect("a pipe");
        let pty = nix::pty::openpty(None, None).expect("a pty");
        let (link, far) = UnixDatagram::pair().expect("sockets");
        let (syslog, far_log) = UnixDatagram::pair().expect("sockets");
        let file = |name: &str| File::create(scratch.join(name)).expect("a file");
        let listener = UnixListener::bind(scratch.join("status")).expect("a listener");
        listener.set_nonblocking(true).expect("a listener");
        Self {
            tty: pty.slave,
            listener,
            clients: UnixStream::pair().expect("sockets"),
            poke: EventFd::from_flags(EfdFlags::EFD_NONBLOCK).expect("an eventfd"),
            news: EventFd::from_flags(EfdFlags::EFD_NONBLOCK).expect("an eventfd"),
            events: pipe(),
            log: pipe(),
            link,
            children: SignalFd::new(&SigSet::empty()).expect("a signalfd"),
            fifo: pipe(),
            state: file("state"),
            pid_file: file("pid"),
            syslog,
            directory: File::open(&scratch).expect("a directory"),
            stranger: file("stranger"),
            empty,
            scratch,
            _others: vec![pty.master, far.into(), far_log.into()],
        }
    }

    fn jail_fds(&self) -> jail::Fds {
        jail::Fds {
            ttys: vec![self.tty.as_raw_fd()],
            poke: self.poke.as_fd().as_raw_fd(),
            events: self.events.1.as_raw_fd(),
            log: self.log.1.as_raw_fd(),
            news: self.news.as_fd().as_raw_fd(),
            ..Default::default()
        }
    }

    /// Of a monitor that serves the status.
    fn serving_fds(&self) -> jail::Fds {
        jail::Fds {
            status: Some(self.listener.as_raw_fd()),
            clients: vec![self.clients.0.as_raw_fd(), self.clients.1.as_raw_fd()],
            ..self.jail_fds()
        }
    }

    fn notifier_fds(&self) -> notifier::Fds {
        let link = self.link.as_raw_fd();
        notifier::Fds {
            read: vec![self.events.0.as_raw_fd(), self.log.0.as_raw_fd(), link],
            write: vec![link, self.news.as_fd().as_raw_fd(), self.fifo.1.as_raw_fd()],
            stat: vec![self.fifo.1.as_raw_fd()],
            pwrite: vec![self.state.as_raw_fd()],
            truncate: vec![self.pid_file.as_raw_fd()],
            send: vec![self.syslog.as_raw_fd()],
            shutdown: vec![link],
            ..Default::default()
        }
    }

    fn all(&self) -> Vec<RawFd> {
        let files =
            [&self.state, &self.pid_file, &self.directory, &self.stranger].map(AsRawFd::as_raw_fd);
        let ends =
            [&self.events, &self.log, &self.fifo].map(|(r, w)| [r.as_raw_fd(), w.as_raw_fd()]);
        let rest = [self.link.as_raw_fd(), self.syslog.as_raw_fd(), self.tty.as_raw_fd()];
        let events = [self.poke.as_fd().as_raw_fd(), self.news.as_fd().as_raw_fd()];
        let serving = [&self.clients.0, &self.clients.1].map(AsRawFd::as_raw_fd);
        let more = events.into_iter().chain([self.children.as_fd().as_raw_fd()]);
        let more = more.chain(serving).chain([self.listener.as_raw_fd()]);
        [0, 1, 2]
            .into_iter()
            .chain(files)
            .chain(ends.into_iter().flatten())
            .chain(rest)
            .chain(more)
            .collect()
    }

    /// The same walls as the daemon's (compared by `the_evil_process_is_confined_as_the_real_one`), but no
    /// descriptor is closed: the list has to deny each by itself.
    fn walls(&self, user: u32, file_size: u64) -> Result<(), String> {
        confine(&Walls {
            keep: &self.all(),
            root: Some(&self.empty),
            uid: Uid::from_raw(user),
            gid: Gid::from_raw(user),
            file_size,
            memory: MEMORY,
            scoped: true,
        })
        .map(drop)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

/// One of our processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Monitor,
    /// A monitor that serves the status.
    Serving,
    Warden,
    Parent,
    Hand,
    Reader,
}

const ALL: [Who; 6] =
    [Who::Monitor, Who::Serving, Who::Warden, Who::Parent, Who::Hand, Who::Reader];

/// A rule as the design has it: these arguments are exactly these.
type Rule = (c_long, Vec<(usize, u64)>);

impl Who {
    /// Its compiled lists, the one that was put on first in front.
    fn programs(self, ground: &Ground) -> Vec<BpfProgram> {
        let (link, children) = (ground.link.as_raw_fd(), ground.children.as_fd().as_raw_fd());
        let fds = ground.jail_fds();
        let lists = match self {
            Who::Monitor => vec![jail::warden(&fds, link, children), jail::monitor(&fds)],
            Who::Serving => {
                let fds = ground.serving_fds();
                vec![jail::warden(&fds, link, children), jail::monitor(&fds)]
            }
            Who::Warden => vec![jail::warden(&fds, link, children)],
            Who::Parent => vec![notifier::parent(&ground.notifier_fds())],
            Who::Hand => vec![notifier::hand(link, ground.directory.as_raw_fd())],
            Who::Reader => {
                vec![notifier::reader(ground.state.as_raw_fd(), ground.events.1.as_raw_fd())]
            }
        };
        lists.into_iter().map(|list| list.compile().expect("a list")).collect()
    }

    /// Becomes it, in the order of its start.
    fn become_it(self, ground: &Ground, programs: &[BpfProgram]) -> Result<(), String> {
        match self {
            Who::Monitor | Who::Serving => {
                ground.walls(USERS[0], 0)?;
                // The warden's list has no room for the timer.
                impatient();
                seccomp::install(&programs[0])?;
                confine::no_more_processes()?;
                return seccomp::install(&programs[1]);
            }
            Who::Warden => ground.walls(USERS[0], 0)?,
            Who::Parent => ground.walls(USERS[1], 1 << 20)?,
            Who::Hand => {
                raw::close_all_but(&ground.all()).map_err(|error| error.to_string())?;
                nix::unistd::setgroups(&[]).map_err(|error| error.to_string())?;
                confine::drop_bounding()?;
                confine::drop_held()?;
                confine::replace_files_in(ground.directory.as_fd())?;
            }
            Who::Reader => ground.walls(65534, 0)?,
        }
        impatient();
        seccomp::install(&programs[0])
    }

    /// Calls without a condition, with the reason beside each list in `filter.rs`.
    fn free(self) -> Vec<c_long> {
        use libc::*;
        let monitor = [SYS_ppoll, SYS_clock_gettime, SYS_exit_group];
        match self {
            Who::Monitor | Who::Serving => monitor.to_vec(),
            Who::Warden => [
                SYS_clone,
                SYS_wait4,
                SYS_clone3,
                SYS_munmap,
                SYS_brk,
                SYS_futex,
                SYS_gettid,
                SYS_rseq,
                SYS_rt_sigaction,
                SYS_rt_sigprocmask,
                SYS_sched_getaffinity,
                SYS_set_robust_list,
                SYS_sigaltstack,
            ]
            .into_iter()
            .chain(monitor)
            .collect(),
            Who::Parent => [SYS_brk, SYS_munmap].into_iter().chain(monitor).collect(),
            Who::Hand => [SYS_write, SYS_close, SYS_brk].into_iter().chain(monitor).collect(),
            Who::Reader => vec![SYS_brk, SYS_munmap, SYS_mremap, SYS_exit_group],
        }
    }

    /// Calls with conditions: written down a second time, from the design.
    fn rules(self, ground: &Ground) -> Vec<Rule> {
        use libc::*;
        let fd = |fd: RawFd| (0, u64::try_from(fd).expect("a descriptor"));
        let fds = ground.jail_fds();
        let (link, children) = (ground.link.as_raw_fd(), ground.children.as_fd().as_raw_fd());
        let dir = ground.directory.as_raw_fd();
        let asked = (SYS_fcntl, vec![(1, F_GETFD as u64)]);
        let mut monitor = vec![
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
        match self {
            Who::Monitor => monitor,
            Who::Serving => {
                let listener = fd(ground.listener.as_raw_fd());
                let flags = (SOCK_CLOEXEC | SOCK_NONBLOCK) as u64;
                monitor.push((SYS_accept4, vec![listener, (3, flags)]));
                for client in ground.serving_fds().clients {
                    monitor.extend([
                        (SYS_write, vec![fd(client)]),
                        (SYS_close, vec![fd(client)]),
                        (SYS_shutdown, vec![fd(client), (1, SHUT_RD as u64)]),
                    ]);
                }
                monitor
            }
            Who::Warden => {
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
                    (SYS_read, vec![fd(ground.events.0.as_raw_fd())]),
                    (SYS_read, vec![fd(ground.log.0.as_raw_fd())]),
                    (SYS_read, vec![fd(link)]),
                    (SYS_write, vec![fd(link)]),
                    (SYS_write, vec![fd(fds.news)]),
                    (SYS_write, vec![fd(fifo)]),
                    (SYS_fstat, vec![fd(fifo)]),
                    (SYS_newfstatat, vec![fd(fifo), (3, AT_EMPTY_PATH as u64)]),
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
            Who::Reader => vec![
                (SYS_read, vec![fd(ground.state.as_raw_fd())]),
                (SYS_write, vec![fd(ground.events.1.as_raw_fd())]),
                (SYS_write, vec![fd(2)]),
                (SYS_close, vec![fd(ground.state.as_raw_fd())]),
                asked,
            ],
        }
    }

    /// Calls that make or change a mapping: allowed where it cannot be executed.
    fn maps(self) -> Vec<c_long> {
        match self {
            Who::Monitor | Who::Serving | Who::Hand => Vec::new(),
            Who::Warden => vec![libc::SYS_mmap, libc::SYS_mprotect],
            Who::Parent | Who::Reader => vec![libc::SYS_mmap],
        }
    }

    /// Whether the design lets a call pass.
    fn may(self, ground: &Ground, call: Call) -> bool {
        let number = c_long::from(call.number);
        let low = |index: usize| call.args[index] & 0xffff_ffff;
        let maps = self.maps().contains(&number) && low(2) & libc::PROT_EXEC as u64 == 0;
        let ruled = self.rules(ground).into_iter().any(|(listed, arguments)| {
            listed == number && arguments.into_iter().all(|(index, value)| low(index) == value)
        });
        call.arch == ARCH && (maps || ruled || self.free().contains(&number))
    }
}

/// security.md C5. Over all numbers, and whatever the arguments are, only what the design lists can be
/// allowed; nothing of another architecture or of x32.
#[test]
fn only_listed_numbers_can_be_allowed() {
    let ground = Ground::new();
    for who in ALL {
        let mut listed: BTreeSet<u32> = BTreeSet::new();
        let numbers = who.free().into_iter().chain(who.maps());
        let numbers = numbers.chain(who.rules(&ground).into_iter().map(|(number, _)| number));
        listed.extend(numbers.map(|number| u32::try_from(number).expect("a number")));
        for (index, program) in who.programs(&ground).iter().enumerate() {
            // The monitor also carries the warden's list, which allows more.
            let last = index + 1 == who.programs(&ground).len();
            for number in 0..=600 {
                let can = verdicts(program, number, ARCH).contains(&libc::SECCOMP_RET_ALLOW);
                if last {
                    assert_eq!(can, listed.contains(&number), "{who:?}: number {number}");
                }
                for strange in [number | 0x4000_0000, number | 0x8000_0000, u32::MAX - number] {
                    let verdicts = verdicts(program, strange, ARCH);
                    assert_eq!(verdicts, BTreeSet::from([KILL]), "{who:?}: number {strange:#x}");
                }
                for arch in [0x4000_0003, 0xc000_00b7, 0x4000_0028, ARCH ^ 0x4000_0000, 0] {
                    let verdicts = verdicts(program, number, arch);
                    assert_eq!(verdicts, BTreeSet::from([KILL]), "{who:?}: {number} of {arch:#x}");
                }
                let known = BTreeSet::from([KILL, libc::SECCOMP_RET_ALLOW]);
                assert!(verdicts(program, number, ARCH).is_subset(&known), "{who:?}: {number}");
            }
        }
    }
}

/// security.md C2, by reading: every pinned argument one off, every bit of it turned, the upper half set.
#[test]
fn each_pinned_argument_counts() {
    let ground = Ground::new();
    for who in ALL {
        let programs = who.programs(&ground);
        for (call, _) in mutants(who, &ground, 0..64) {
            let design = who.may(&ground, call);
            assert_eq!(allowed(&programs, call), design, "{who:?}: {call:x?}");
        }
    }
}

/// A rule's call with one argument changed, and that argument's place; first each as it is.
fn mutants(
    who: Who,
    ground: &Ground,
    bits: impl Iterator<Item = u32> + Clone,
) -> Vec<(Call, usize)> {
    let mut all = Vec::new();
    let maps = who.maps().into_iter().map(|number| (number, vec![(2, libc::PROT_READ as u64)]));
    for (number, arguments) in who.rules(ground).into_iter().chain(maps) {
        let mut call = Call::new(number, &[]);
        for (index, value) in &arguments {
            call.args[*index] = *value;
        }
        all.push((call, 0));
        for (index, value) in arguments {
            let turned = bits.clone().map(|bit| value ^ 1 << bit);
            for other in [value.wrapping_add(1), value.wrapping_sub(1)].into_iter().chain(turned) {
                let mut mutant = call;
                mutant.args[index] = other;
                all.push((mutant, index));
            }
        }
    }
    all
}

fn run(who: Who, ground: &Ground, ways: &[Way]) -> Vec<Outcome> {
    let programs = who.programs(ground);
    make(ways, &|| who.become_it(ground, &programs))
}

/// security.md C2, by doing: the kernel kills each mutant that the design does not let pass.
#[test]
fn the_kernel_looks_at_the_arguments_too() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    for who in ALL {
        let calls: Vec<Call> = mutants(who, &ground, [31, 32, 63].into_iter())
            .into_iter()
            .map(|(call, _)| call)
            .collect();
        let ways: Vec<Way> = calls.iter().map(|call| Way::Native(*call)).collect();
        for (call, outcome) in calls.into_iter().zip(run(who, &ground, &ways)) {
            let passes = who.may(&ground, call);
            assert!(
                if passes { outcome.passed() } else { outcome.denied() },
                "{who:?}: {call:x?} {outcome:?}"
            );
        }
    }
}

/// All numbers, made: the interpreter above and the kernel agree.
#[test]
fn the_kernel_agrees_over_all_numbers() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    for who in ALL {
        let calls: Vec<Call> = (0..=600).map(|number| Call::new(number, &[])).collect();
        let ways: Vec<Way> = calls.iter().map(|call| Way::Native(*call)).collect();
        for (call, outcome) in calls.into_iter().zip(run(who, &ground, &ways)) {
            let passes = who.may(&ground, call);
            // Since Linux 6.11 no filter sees uretprobe and uprobe, which anywhere but in the kernel's own
            // trampoline do nothing but fail.
            let harmless = [Outcome::Killed(libc::SIGILL), Outcome::Returned(libc::ENXIO)];
            let probe = matches!(call.number, 335 | 336) && harmless.contains(&outcome);
            let right = probe || if passes { outcome.passed() } else { outcome.denied() };
            assert!(right, "{who:?}: {call:?} {outcome:?}");
        }
    }
}

/// What an attacker would try, each with arguments that would do it.
fn matrix(ground: &Ground) -> Vec<(&'static str, Way)> {
    use libc::*;
    let fd = |fd: RawFd| fd as u64;
    let (tty, link) = (fd(ground.tty.as_raw_fd()), fd(ground.link.as_raw_fd()));
    const TAKEN: u64 = (SOCK_CLOEXEC | SOCK_NONBLOCK) as u64;
    let news = fd(ground.news.as_fd().as_raw_fd());
    let (listener, client) = (fd(ground.listener.as_raw_fd()), fd(ground.clients.0.as_raw_fd()));
    let (events, poke) = (fd(ground.events.1.as_raw_fd()), fd(ground.poke.as_fd().as_raw_fd()));
    let (log, dir) = (fd(ground.log.1.as_raw_fd()), fd(ground.directory.as_raw_fd()));
    let stranger = fd(ground.stranger.as_raw_fd());
    let (root, passwd, shell, new) = (text("/"), text("/etc/passwd"), text("/bin/sh"), text("new"));
    let cwd = AT_FDCWD as u64;
    let word = address([0_u64; 64]);
    let page = address([0_u8; 8192]) & !4095;
    let mapped =
        |prot: i32| [0, 4096, prot as u64, (MAP_PRIVATE | MAP_ANONYMOUS) as u64, u64::MAX, 0];
    let vector = address(iovec { iov_base: word as *mut c_void, iov_len: 8 });
    // SAFETY: all zeros is a msghdr without address, data and control part.
    #[allow(unsafe_code)]
    let message = address(unsafe { core::mem::zeroed::<msghdr>() });
    let to = address(sockaddr_un { sun_family: AF_UNIX as u16, sun_path: [0; 108] });
    let thread = (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD) as u64;
    let exec = PROT_READ | PROT_EXEC;
    let (read_write, everything) = (PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE | PROT_EXEC);
    let calls: Vec<(&'static str, c_long, Vec<u64>)> = vec![
        // The port.
        ("TIOCMGET", SYS_ioctl, vec![tty, TIOCMGET, word]),
        ("TIOCMIWAIT", SYS_ioctl, vec![tty, TIOCMIWAIT, 0]),
        ("TIOCGICOUNT", SYS_ioctl, vec![tty, TIOCGICOUNT, word]),
        ("TIOCMGET elsewhere", SYS_ioctl, vec![poke, TIOCMGET, word]),
        ("TIOCMGET on 0", SYS_ioctl, vec![0, TIOCMGET, word]),
        ("TIOCSTI", SYS_ioctl, vec![tty, TIOCSTI, word]),
        ("TIOCSETD", SYS_ioctl, vec![tty, TIOCSETD, word]),
        ("TIOCSCTTY", SYS_ioctl, vec![tty, TIOCSCTTY, 1]),
        ("TIOCNOTTY", SYS_ioctl, vec![tty, TIOCNOTTY, 0]),
        ("TIOCSSERIAL", SYS_ioctl, vec![tty, 0x541f, word]),
        ("TIOCGSERIAL", SYS_ioctl, vec![tty, 0x541e, word]),
        ("TIOCSRS485", SYS_ioctl, vec![tty, 0x542f, word]),
        ("TIOCNXCL", SYS_ioctl, vec![tty, TIOCNXCL, 0]),
        ("TIOCEXCL", SYS_ioctl, vec![tty, TIOCEXCL, 0]),
        ("TIOCMSET", SYS_ioctl, vec![tty, TIOCMSET, word]),
        ("TIOCMBIS", SYS_ioctl, vec![tty, TIOCMBIS, word]),
        ("TIOCMBIC", SYS_ioctl, vec![tty, TIOCMBIC, word]),
        ("TIOCSBRK", SYS_ioctl, vec![tty, TIOCSBRK, 0]),
        ("TIOCCBRK", SYS_ioctl, vec![tty, TIOCCBRK, 0]),
        ("TCSBRK", SYS_ioctl, vec![tty, TCSBRK, 0]),
        ("TCSBRKP", SYS_ioctl, vec![tty, TCSBRKP, 0]),
        ("TCGETS", SYS_ioctl, vec![tty, TCGETS, word]),
        ("TCSETS", SYS_ioctl, vec![tty, TCSETS, word]),
        ("TCSETSW", SYS_ioctl, vec![tty, TCSETSW, word]),
        ("TCSETSF", SYS_ioctl, vec![tty, TCSETSF, word]),
        ("TCSETA", SYS_ioctl, vec![tty, TCSETA, word]),
        ("TCSETS2", SYS_ioctl, vec![tty, 0x402c_542b, word]),
        ("TCXONC", SYS_ioctl, vec![tty, TCXONC, 0]),
        ("TCFLSH", SYS_ioctl, vec![tty, TCFLSH, 0]),
        ("TIOCSWINSZ", SYS_ioctl, vec![tty, TIOCSWINSZ, word]),
        ("TIOCCONS", SYS_ioctl, vec![tty, TIOCCONS, 0]),
        ("TIOCLINUX", SYS_ioctl, vec![tty, TIOCLINUX, word]),
        ("TIOCVHANGUP", SYS_ioctl, vec![tty, 0x5437, 0]),
        ("TIOCGPTPEER", SYS_ioctl, vec![tty, 0x5441, 2]),
        ("FIONBIO", SYS_ioctl, vec![poke, FIONBIO, word]),
        ("FIOASYNC", SYS_ioctl, vec![tty, FIOASYNC, word]),
        ("FIONREAD of events", SYS_ioctl, vec![events, FIONREAD, word]),
        ("FIONREAD of tty", SYS_ioctl, vec![tty, FIONREAD, word]),
        ("read tty", SYS_read, vec![tty, word, 1]),
        ("write tty", SYS_write, vec![tty, word, 0]),
        // Descriptors.
        ("accept4 of status", SYS_accept4, vec![listener, 0, 0, TAKEN]),
        ("accept4 that is inherited", SYS_accept4, vec![listener, 0, 0, SOCK_NONBLOCK as u64]),
        ("accept4 of a client", SYS_accept4, vec![client, 0, 0, TAKEN]),
        ("accept of status", SYS_accept, vec![listener, 0, 0]),
        ("listen", SYS_listen, vec![listener, 9]),
        ("write client", SYS_write, vec![client, word, 1]),
        ("read client", SYS_read, vec![client, word, 1]),
        ("recvmsg client", SYS_recvmsg, vec![client, word, MSG_DONTWAIT as u64]),
        ("sendmsg client", SYS_sendmsg, vec![client, word, 0]),
        ("shutdown client RD", SYS_shutdown, vec![client, SHUT_RD as u64]),
        ("shutdown client WR", SYS_shutdown, vec![client, SHUT_WR as u64]),
        ("shutdown status", SYS_shutdown, vec![listener, SHUT_RD as u64]),
        ("write status", SYS_write, vec![listener, word, 1]),
        ("read poke", SYS_read, vec![poke, word, 8]),
        ("read news", SYS_read, vec![news, word, 8]),
        ("write news", SYS_write, vec![news, word, 8]),
        ("write poke", SYS_write, vec![poke, word, 8]),
        ("write events", SYS_write, vec![events, word, 1]),
        ("write log", SYS_write, vec![log, word, 1]),
        ("write stranger", SYS_write, vec![stranger, word, 1]),
        ("write 2", SYS_write, vec![2, word, 0]),
        ("read directory", SYS_read, vec![dir, word, 1]),
        ("readv", SYS_readv, vec![poke, vector, 1]),
        ("writev", SYS_writev, vec![events, vector, 1]),
        ("pread64", SYS_pread64, vec![stranger, word, 1, 0]),
        ("pwrite64 stranger", SYS_pwrite64, vec![stranger, word, 1, 0]),
        ("preadv2", SYS_preadv2, vec![stranger, vector, 1, 0, 0, 0]),
        ("sendfile", SYS_sendfile, vec![events, stranger, 0, 1]),
        ("splice", SYS_splice, vec![fd(ground.log.0.as_raw_fd()), 0, events, 0, 1, 2]),
        ("tee", SYS_tee, vec![fd(ground.log.0.as_raw_fd()), events, 1, 2]),
        ("vmsplice", SYS_vmsplice, vec![events, vector, 1, 0]),
        ("copy_file_range", SYS_copy_file_range, vec![stranger, 0, stranger, 0, 1, 0]),
        ("dup", SYS_dup, vec![tty]),
        ("dup2", SYS_dup2, vec![tty, poke]),
        ("dup3", SYS_dup3, vec![tty, poke, 0]),
        ("F_DUPFD", SYS_fcntl, vec![tty, F_DUPFD as u64, 0]),
        ("F_SETFL", SYS_fcntl, vec![tty, F_SETFL as u64, O_ASYNC as u64]),
        ("F_SETOWN", SYS_fcntl, vec![tty, F_SETOWN as u64, 1]),
        ("F_SETSIG", SYS_fcntl, vec![tty, 10, 9]),
        ("F_SETPIPE_SZ", SYS_fcntl, vec![events, F_SETPIPE_SZ as u64, 1 << 20]),
        ("F_GETFD", SYS_fcntl, vec![tty, F_GETFD as u64]),
        ("close poke", SYS_close, vec![poke]),
        ("close client", SYS_close, vec![client]),
        ("close status", SYS_close, vec![listener]),
        ("close_range", SYS_close_range, vec![3, 4, 0]),
        ("flock", SYS_flock, vec![stranger, 8]),
        ("pipe2", SYS_pipe2, vec![word, 0]),
        ("eventfd2", SYS_eventfd2, vec![0, 0]),
        ("signalfd4", SYS_signalfd4, vec![u64::MAX, word, 8, 0]),
        ("timerfd_create", SYS_timerfd_create, vec![1, 0]),
        ("epoll_create1", SYS_epoll_create1, vec![0]),
        ("inotify_init1", SYS_inotify_init1, vec![0]),
        ("fanotify_init", SYS_fanotify_init, vec![0, 0]),
        ("memfd_create", SYS_memfd_create, vec![new, 0]),
        ("memfd_secret", SYS_memfd_secret, vec![0]),
        ("userfaultfd", SYS_userfaultfd, vec![1]),
        ("io_uring_setup", SYS_io_uring_setup, vec![1, word]),
        ("io_uring_enter", SYS_io_uring_enter, vec![poke, 1, 0, 0, 0]),
        ("io_uring_register", SYS_io_uring_register, vec![poke, 0, 0, 0]),
        ("bpf", SYS_bpf, vec![5, word, 128]),
        ("perf_event_open", SYS_perf_event_open, vec![word, 0, u64::MAX, u64::MAX, 0]),
        // Files.
        ("open", SYS_open, vec![root, 0]),
        ("openat", SYS_openat, vec![cwd, root, 0]),
        ("openat by descriptor", SYS_openat, vec![dir, new, (O_CREAT | O_WRONLY) as u64, 0o600]),
        ("openat2", SYS_openat2, vec![cwd, root, word, 24]),
        ("creat", SYS_creat, vec![new, 0o600]),
        ("unlink", SYS_unlink, vec![new]),
        ("unlinkat", SYS_unlinkat, vec![dir, new, 0]),
        ("rename", SYS_rename, vec![new, new]),
        ("renameat elsewhere", SYS_renameat, vec![dir, new, cwd, new]),
        ("renameat2", SYS_renameat2, vec![dir, new, dir, new, 0]),
        ("link", SYS_link, vec![new, new]),
        ("linkat", SYS_linkat, vec![dir, new, dir, new, 0]),
        ("symlink", SYS_symlink, vec![root, new]),
        ("symlinkat", SYS_symlinkat, vec![root, dir, new]),
        ("mknod", SYS_mknod, vec![new, u64::from(S_IFCHR | 0o600), 0x101]),
        ("mknodat", SYS_mknodat, vec![dir, new, u64::from(S_IFCHR | 0o600), 0x101]),
        ("mkdir", SYS_mkdir, vec![new, 0o700]),
        ("mkdirat", SYS_mkdirat, vec![dir, new, 0o700]),
        ("rmdir", SYS_rmdir, vec![new]),
        ("chmod", SYS_chmod, vec![root, 0o777]),
        ("fchmod", SYS_fchmod, vec![stranger, 0o777]),
        ("fchmodat", SYS_fchmodat, vec![cwd, root, 0o777]),
        ("chown", SYS_chown, vec![root, 0, 0]),
        ("fchown", SYS_fchown, vec![stranger, 0, 0]),
        ("fchownat", SYS_fchownat, vec![cwd, root, 0, 0, 0]),
        ("truncate", SYS_truncate, vec![new, 0]),
        ("ftruncate stranger", SYS_ftruncate, vec![stranger, 0]),
        ("fallocate", SYS_fallocate, vec![stranger, 0, 0, 1]),
        ("stat", SYS_stat, vec![root, word]),
        ("lstat", SYS_lstat, vec![root, word]),
        ("fstat stranger", SYS_fstat, vec![stranger, word]),
        ("newfstatat", SYS_newfstatat, vec![cwd, root, word, 0]),
        ("statx", SYS_statx, vec![cwd, root, 0, 0, word]),
        ("access", SYS_access, vec![root, 0]),
        ("faccessat2", SYS_faccessat2, vec![cwd, root, 0, 0]),
        ("readlink", SYS_readlink, vec![root, word, 8]),
        ("getdents64", SYS_getdents64, vec![dir, word, 64]),
        ("getcwd", SYS_getcwd, vec![word, 64]),
        ("chdir", SYS_chdir, vec![root]),
        ("fchdir", SYS_fchdir, vec![dir]),
        ("chroot", SYS_chroot, vec![root]),
        ("pivot_root", SYS_pivot_root, vec![root, root]),
        ("mount", SYS_mount, vec![0, root, 0, MS_BIND, 0]),
        ("umount2", SYS_umount2, vec![root, 2]),
        ("move_mount", SYS_move_mount, vec![dir, new, cwd, root, 0]),
        ("open_tree", SYS_open_tree, vec![cwd, root, 1]),
        ("fsopen", SYS_fsopen, vec![text("tmpfs"), 0]),
        ("mount_setattr", SYS_mount_setattr, vec![cwd, root, 0, word, 32]),
        ("utimensat", SYS_utimensat, vec![cwd, root, 0, 0]),
        ("setxattr", SYS_setxattr, vec![root, text("user.x"), word, 1, 0]),
        ("name_to_handle_at", SYS_name_to_handle_at, vec![cwd, root, word, word, 0]),
        ("open_by_handle_at", SYS_open_by_handle_at, vec![dir, word, 0]),
        ("umask", SYS_umask, vec![0]),
        ("quotactl", SYS_quotactl, vec![0x0080_0000, 0, 0, 0]),
        ("swapon", SYS_swapon, vec![passwd, 0]),
        ("acct", SYS_acct, vec![passwd]),
        // Sockets.
        ("socket", SYS_socket, vec![AF_INET as u64, SOCK_STREAM as u64, 0]),
        ("socket unix", SYS_socket, vec![AF_UNIX as u64, SOCK_DGRAM as u64, 0]),
        ("socket netlink", SYS_socket, vec![AF_NETLINK as u64, SOCK_RAW as u64, 0]),
        ("socketpair", SYS_socketpair, vec![AF_UNIX as u64, SOCK_DGRAM as u64, 0, word]),
        ("connect", SYS_connect, vec![link, to, 110]),
        ("bind", SYS_bind, vec![link, to, 2]),
        ("listen", SYS_listen, vec![link, 1]),
        ("accept4", SYS_accept4, vec![link, 0, 0, 0]),
        ("sendto link", SYS_sendto, vec![link, word, 0, 0, 0, 0]),
        ("sendmsg", SYS_sendmsg, vec![link, message, 0]),
        ("sendmmsg", SYS_sendmmsg, vec![link, message, 1, 0]),
        ("recvfrom", SYS_recvfrom, vec![link, word, 1, 64, 0, 0]),
        ("recvmsg", SYS_recvmsg, vec![link, message, 64]),
        ("recvmmsg", SYS_recvmmsg, vec![link, message, 1, 64, 0]),
        ("setsockopt", SYS_setsockopt, vec![link, 1, 2, word, 4]),
        ("getsockopt", SYS_getsockopt, vec![link, 1, 17, word, word]),
        // Processes.
        ("kill 1 KILL", SYS_kill, vec![1, SIGKILL as u64]),
        ("kill 1 TERM", SYS_kill, vec![1, SIGTERM as u64]),
        ("kill 1 PWR", SYS_kill, vec![1, SIGPWR as u64]),
        ("kill 1 0", SYS_kill, vec![1, 0]),
        ("tkill", SYS_tkill, vec![1, 9]),
        ("tgkill", SYS_tgkill, vec![1, 1, 9]),
        ("rt_sigqueueinfo", SYS_rt_sigqueueinfo, vec![1, 9, word]),
        ("rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, vec![1, 1, 9, word]),
        ("pidfd_open", SYS_pidfd_open, vec![1, 0]),
        ("pidfd_send_signal", SYS_pidfd_send_signal, vec![poke, 9, 0, 0]),
        ("pidfd_getfd", SYS_pidfd_getfd, vec![poke, 0, 0]),
        ("ptrace me", SYS_ptrace, vec![0, 0, 0, 0]),
        ("ptrace 1", SYS_ptrace, vec![0x4206, 1, 0, 0]),
        ("process_vm_readv", SYS_process_vm_readv, vec![1, vector, 1, vector, 1, 0]),
        ("process_vm_writev", SYS_process_vm_writev, vec![1, vector, 1, vector, 1, 0]),
        ("process_madvise", SYS_process_madvise, vec![poke, vector, 1, 20, 0]),
        ("kcmp", SYS_kcmp, vec![1, 1, 0, 0, 0]),
        ("execve", SYS_execve, vec![shell, 0, 0]),
        ("execveat", SYS_execveat, vec![dir, new, 0, 0, AT_EMPTY_PATH as u64]),
        ("fork", SYS_fork, vec![]),
        ("vfork", SYS_vfork, vec![]),
        ("clone", SYS_clone, vec![SIGCHLD as u64, 0, 0, 0, 0]),
        (
            "clone a thread without its rest",
            SYS_clone,
            vec![thread & !(CLONE_VM as u64), 0, 0, 0, 0],
        ),
        ("clone NEWUSER", SYS_clone, vec![CLONE_NEWUSER as u64, 0, 0, 0, 0]),
        ("clone NEWNS", SYS_clone, vec![CLONE_NEWNS as u64, 0, 0, 0, 0]),
        (
            "clone3 NEWUSER",
            SYS_clone3,
            vec![address([CLONE_NEWUSER as u64, 0, 0, 0, 0, 0, 0, 0]), 64],
        ),
        ("wait4", SYS_wait4, vec![u64::MAX, 0, 1, 0]),
        ("waitid", SYS_waitid, vec![0, 0, 0, 5, 0]),
        ("exit of one thread", SYS_exit, vec![0]),
        ("unshare", SYS_unshare, vec![CLONE_NEWUSER as u64]),
        ("setns", SYS_setns, vec![dir, 0]),
        ("setuid", SYS_setuid, vec![0]),
        ("setgid", SYS_setgid, vec![0]),
        ("setreuid", SYS_setreuid, vec![0, 0]),
        ("setregid", SYS_setregid, vec![0, 0]),
        ("setresuid", SYS_setresuid, vec![0, 0, 0]),
        ("setresgid", SYS_setresgid, vec![0, 0, 0]),
        ("setfsuid", SYS_setfsuid, vec![0]),
        ("setfsgid", SYS_setfsgid, vec![0]),
        ("setgroups", SYS_setgroups, vec![0, 0]),
        ("capset", SYS_capset, vec![word, word]),
        ("capget", SYS_capget, vec![word, word]),
        ("getuid", SYS_getuid, vec![]),
        ("getpid", SYS_getpid, vec![]),
        ("gettid", SYS_gettid, vec![]),
        ("setsid", SYS_setsid, vec![]),
        ("setpgid", SYS_setpgid, vec![0, 0]),
        ("setpriority", SYS_setpriority, vec![0, 0, 19]),
        ("sched_setscheduler", SYS_sched_setscheduler, vec![0, 0, word]),
        ("sched_setaffinity", SYS_sched_setaffinity, vec![0, 8, word]),
        ("ioprio_set", SYS_ioprio_set, vec![1, 0, 0]),
        ("personality", SYS_personality, vec![0x0040_0000]),
        ("PR_SET_NAME", SYS_prctl, vec![15, word]),
        ("PR_SET_NO_NEW_PRIVS", SYS_prctl, vec![38, 1, 0, 0, 0]),
        ("PR_SET_DUMPABLE", SYS_prctl, vec![4, 1]),
        ("PR_SET_SECCOMP", SYS_prctl, vec![22, 1]),
        ("PR_SET_PDEATHSIG", SYS_prctl, vec![1, 9]),
        ("PR_SET_PTRACER", SYS_prctl, vec![0x5961_6d61, u64::MAX]),
        ("PR_SET_KEEPCAPS", SYS_prctl, vec![8, 1]),
        ("PR_SET_SECUREBITS", SYS_prctl, vec![28, 0]),
        ("PR_CAP_AMBIENT", SYS_prctl, vec![47, 2, 21, 0, 0]),
        ("PR_CAPBSET_DROP", SYS_prctl, vec![24, 0]),
        ("PR_SET_MM", SYS_prctl, vec![35, 8, 0, 0, 0]),
        ("PR_SET_CHILD_SUBREAPER", SYS_prctl, vec![36, 1]),
        ("PR_SET_VMA", SYS_prctl, vec![0x5356_4d41, 0, page, 4096, 0]),
        ("PR_SET_SYSCALL_USER_DISPATCH", SYS_prctl, vec![59, 0, 0, 0, 0]),
        ("arch_prctl", SYS_arch_prctl, vec![0x1004, word]),
        ("seccomp strict", SYS_seccomp, vec![0, 0, 0]),
        ("seccomp filter", SYS_seccomp, vec![1, 0, 0]),
        ("seccomp action", SYS_seccomp, vec![2, 0, word]),
        ("landlock_create_ruleset", SYS_landlock_create_ruleset, vec![0, 0, 1]),
        ("landlock_restrict_self", SYS_landlock_restrict_self, vec![poke, 0]),
        ("prlimit64 NPROC", SYS_prlimit64, vec![0, 6, 0, word]),
        ("prlimit64 NOFILE", SYS_prlimit64, vec![0, 7, word, 0]),
        ("prlimit64 of 1", SYS_prlimit64, vec![1, 6, 0, word]),
        ("setrlimit", SYS_setrlimit, vec![6, word]),
        ("rt_sigaction", SYS_rt_sigaction, vec![SIGUSR1 as u64, 0, word, 8]),
        ("rt_sigprocmask", SYS_rt_sigprocmask, vec![0, 0, word, 8]),
        ("rt_sigreturn", SYS_rt_sigreturn, vec![]),
        ("sigaltstack", SYS_sigaltstack, vec![0, word]),
        ("futex", SYS_futex, vec![word, 1, 1]),
        ("rseq", SYS_rseq, vec![word, 32, 0, 0]),
        ("membarrier", SYS_membarrier, vec![0, 0]),
        ("set_robust_list", SYS_set_robust_list, vec![word, 24]),
        ("get_robust_list", SYS_get_robust_list, vec![1, word, word]),
        ("restart_syscall", SYS_restart_syscall, vec![]),
        // Memory.
        ("mmap", SYS_mmap, mapped(read_write).to_vec()),
        ("mmap EXEC", SYS_mmap, mapped(exec).to_vec()),
        ("mmap WRITE EXEC", SYS_mmap, mapped(everything).to_vec()),
        ("mprotect", SYS_mprotect, vec![page, 4096, read_write as u64]),
        ("mprotect EXEC", SYS_mprotect, vec![page, 4096, exec as u64]),
        ("pkey_mprotect", SYS_pkey_mprotect, vec![page, 4096, exec as u64, u64::MAX]),
        ("pkey_alloc", SYS_pkey_alloc, vec![0, 0]),
        ("mremap", SYS_mremap, vec![page, 4096, 4096, 0, 0]),
        ("remap_file_pages", SYS_remap_file_pages, vec![page, 4096, 0, 0, 0]),
        ("munmap", SYS_munmap, vec![0, 4096]),
        ("brk", SYS_brk, vec![0]),
        ("madvise", SYS_madvise, vec![page, 4096, 0]),
        ("mlock", SYS_mlock, vec![page, 4096]),
        ("mlockall", SYS_mlockall, vec![1]),
        ("shmget", SYS_shmget, vec![0, 4096, 0o1777]),
        ("msgget", SYS_msgget, vec![0, 0o1777]),
        ("semget", SYS_semget, vec![0, 1, 0o1777]),
        ("mq_open", SYS_mq_open, vec![new, 0o102, 0o600, 0]),
        ("migrate_pages", SYS_migrate_pages, vec![1, 0, 0, 0]),
        ("modify_ldt", SYS_modify_ldt, vec![0, word, 64]),
        ("map_shadow_stack", 453, vec![0, 4096, 0]),
        // The machine.
        ("reboot", SYS_reboot, vec![0xfee1_dead, 672_274_793, 0, 0]),
        ("init_module", SYS_init_module, vec![word, 8, word]),
        ("finit_module", SYS_finit_module, vec![stranger, word, 0]),
        ("delete_module", SYS_delete_module, vec![new, 0]),
        ("kexec_load", SYS_kexec_load, vec![0, 0, 0, 0]),
        ("kexec_file_load", SYS_kexec_file_load, vec![poke, poke, 0, 0, 0]),
        ("iopl", SYS_iopl, vec![3]),
        ("ioperm", SYS_ioperm, vec![0x3f8, 8, 1]),
        ("sethostname", SYS_sethostname, vec![new, 3]),
        ("setdomainname", SYS_setdomainname, vec![new, 3]),
        ("settimeofday", SYS_settimeofday, vec![0, 0]),
        ("clock_settime", SYS_clock_settime, vec![0, word]),
        ("adjtimex", SYS_adjtimex, vec![word]),
        ("clock_adjtime", SYS_clock_adjtime, vec![0, word]),
        ("syslog", SYS_syslog, vec![10, 0, 0]),
        ("keyctl", SYS_keyctl, vec![0, 0, 0]),
        ("add_key", SYS_add_key, vec![text("user"), new, word, 8, 0xffff_fffe]),
        ("request_key", SYS_request_key, vec![text("user"), new, 0, 0]),
        ("vhangup", SYS_vhangup, vec![]),
        ("getrandom", SYS_getrandom, vec![word, 8, 0]),
        ("uname", SYS_uname, vec![word]),
        ("sysinfo", SYS_sysinfo, vec![word]),
        // Waiting and time.
        ("ppoll", SYS_ppoll, vec![0, 0, word, 0, 8]),
        ("poll", SYS_poll, vec![0, 0, 0]),
        ("select", SYS_select, vec![0, 0, 0, 0, word]),
        ("pselect6", SYS_pselect6, vec![0, 0, 0, 0, word, 0]),
        ("epoll_wait", SYS_epoll_wait, vec![poke, word, 1, 0]),
        ("nanosleep", SYS_nanosleep, vec![word, 0]),
        ("clock_nanosleep", SYS_clock_nanosleep, vec![1, 0, word, 0]),
        ("clock_gettime", SYS_clock_gettime, vec![1, word]),
        ("gettimeofday", SYS_gettimeofday, vec![word, 0]),
        ("pause", SYS_pause, vec![]),
        ("alarm", SYS_alarm, vec![0]),
        ("setitimer", SYS_setitimer, vec![0, word, 0]),
        ("timer_create", SYS_timer_create, vec![1, 0, word]),
        ("exit_group", SYS_exit_group, vec![0]),
        // Numbers that are none.
        ("number -1", -1, vec![]),
        ("number -2", -2, vec![]),
        ("x32 getpid", 0x4000_0000 + SYS_getpid, vec![]),
        ("x32 write", 0x4000_0000 + SYS_write, vec![events, word, 1]),
        ("x32 ppoll", 0x4000_0000 + SYS_ppoll, vec![0, 0, word, 0, 8]),
        ("x32 execve", 0x4000_0000 + 520, vec![shell, 0, 0]),
    ];
    let mut all: Vec<(&'static str, Way)> = calls
        .into_iter()
        .map(|(name, number, args)| (name, Way::Native(Call::new(number, &args))))
        .collect();
    let old = [("int80 exit", 1), ("int80 write", 4), ("int80 getpid", 20), ("int80 execve", 11)];
    all.extend(old.map(|(name, number)| (name, Way::Int80(number))));
    all
}

/// What of the matrix works, by process; all else is killed.
fn works(who: Who) -> Vec<&'static str> {
    let monitor = [
        "TIOCMGET",
        "TIOCMIWAIT",
        "TIOCGICOUNT",
        "FIONREAD of events",
        "read news",
        "read poke",
        "write poke",
        "write events",
        "write log",
        "ppoll",
        "clock_gettime",
        "exit_group",
    ];
    let warden = [
        "kill 1 KILL",
        "clone",
        "clone a thread without its rest",
        "clone NEWUSER",
        "clone NEWNS",
        "clone3 NEWUSER",
        "wait4",
        "gettid",
        "PR_SET_NAME",
        "PR_SET_NO_NEW_PRIVS",
        "seccomp filter",
        "prlimit64 NPROC",
        "rt_sigaction",
        "rt_sigprocmask",
        "sigaltstack",
        "futex",
        "rseq",
        "set_robust_list",
        "mmap",
        "mprotect",
        "munmap",
        "brk",
    ];
    match who {
        Who::Monitor => monitor.to_vec(),
        Who::Serving => monitor
            .into_iter()
            .chain(["accept4 of status", "write client", "close client", "shutdown client RD"])
            .collect(),
        Who::Warden => monitor.into_iter().chain(warden).collect(),
        Who::Parent => {
            vec!["write news", "mmap", "munmap", "brk", "ppoll", "clock_gettime", "exit_group"]
        }
        Who::Hand => vec![
            "write tty",
            "write news",
            "write client",
            "write status",
            "close client",
            "close status",
            "write poke",
            "write events",
            "write log",
            "write stranger",
            "write 2",
            "openat by descriptor",
            "F_GETFD",
            "close poke",
            "kill 1 PWR",
            "brk",
            "ppoll",
            "clock_gettime",
            "exit_group",
        ],
        Who::Reader => {
            vec![
                "write events",
                "write 2",
                "F_GETFD",
                "mmap",
                "munmap",
                "mremap",
                "brk",
                "exit_group",
            ]
        }
    }
}

/// security.md C1: one evil call each, in a process confined as ours. All that is not listed is killed.
#[test]
fn an_evil_process_is_killed() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    let (names, ways): (Vec<_>, Vec<_>) = matrix(&ground).into_iter().unzip();
    assert!(names.len() > 240, "{}", names.len());
    let mut unknown: BTreeSet<&str> = ALL.into_iter().flat_map(works).collect();
    unknown.retain(|name| !names.contains(name));
    assert!(unknown.is_empty(), "not in the matrix: {unknown:?}");
    // A kernel without the 32-bit entry answers with SIGSEGV, before any filter.
    let old_entry = make(&[Way::Int80(20)], &|| Ok(()))[0] != Outcome::Killed(libc::SIGSEGV);
    let mut wrong = Vec::new();
    for who in ALL {
        let works = works(who);
        for ((name, way), outcome) in names.iter().zip(&ways).zip(run(who, &ground, &ways)) {
            let gone = matches!(way, Way::Int80(_)) && !old_entry;
            let right = match works.contains(name) {
                true => outcome.passed(),
                false if gone => outcome == Outcome::Killed(libc::SIGSEGV),
                false => outcome.denied(),
            };
            if !right {
                wrong.push(format!("{who:?}: {name}: {outcome:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a list cannot see (the flags behind clone3's pointer, an absolute path) the rest of the walls
/// refuses.
#[test]
fn what_passes_a_list_gets_nowhere() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    let dir = ground.directory.as_raw_fd() as u64;
    let spaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    // The chroot forbids user namespaces, having no capability all others.
    let clones = spaces.map(|flag| {
        let argument = address([flag as u64, 0, 0, 0, 0, 0, 0, 0]);
        [(libc::SYS_clone, vec![flag as u64]), (libc::SYS_clone3, vec![argument, 64])]
    });
    let calls = clones.into_iter().flatten();
    refused(Who::Warden, &ground, calls.collect(), &[libc::EPERM]);
    // Process 1 of the namespace is root's and of another Landlock domain.
    let kill = vec![(libc::SYS_kill, vec![1, libc::SIGKILL as u64])];
    refused(Who::Warden, &ground, kill, &[libc::EPERM]);
    // The hand is root and may openat(2): only in its directory, and only to write.
    let mut paths = Vec::new();
    for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT | libc::O_WRONLY] {
        for path in
            ["/etc/shadow", "/etc/passwd", "../upsentry-new", "/", "/proc/1/mem", "/dev/null"]
        {
            paths.push((libc::SYS_openat, vec![dir, text(path), flags as u64, 0o600]));
        }
    }
    paths.push((libc::SYS_openat, vec![dir, text("state"), libc::O_RDONLY as u64]));
    paths.push((libc::SYS_renameat, vec![dir, text("state"), dir, text("../upsentry-new")]));
    paths.push((libc::SYS_renameat, vec![dir, text("/etc/passwd"), dir, text("state")]));
    if landlocked() {
        let errors = [libc::EACCES, libc::EXDEV, libc::EISDIR, libc::ENOENT];
        refused(Who::Hand, &ground, paths, &errors);
        let own = vec![
            (
                libc::SYS_openat,
                vec![
                    dir,
                    text("x.new"),
                    (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64,
                    0o600,
                ],
            ),
            (libc::SYS_renameat, vec![dir, text("state"), dir, text("pid")]),
        ];
        refused(Who::Hand, &ground, own, &[0]);
    } else {
        skip("this kernel has no Landlock");
    }
}

fn refused(who: Who, ground: &Ground, calls: Vec<(c_long, Vec<u64>)>, with: &[i32]) {
    let calls: Vec<Call> =
        calls.into_iter().map(|(number, args)| Call::new(number, &args)).collect();
    let ways: Vec<Way> = calls.iter().map(|call| Way::Native(*call)).collect();
    for ((index, call), outcome) in calls.into_iter().enumerate().zip(run(who, ground, &ways)) {
        let fine = matches!(outcome, Outcome::Returned(errno) if with.contains(&errno));
        assert!(fine, "{who:?}: call {index} {call:x?}: {outcome:?}");
    }
}

fn landlocked() -> bool {
    // SAFETY: asks for the version; touches no memory.
    #[allow(unsafe_code)]
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    version >= 3
}

/// Landlock shows nowhere in /proc. Without a list in front of it: files, TCP and signals are refused
/// where users, groups and modes would let them pass.
#[test]
fn landlock_alone_refuses_too() {
    if !need_root() {
        return;
    }
    if !landlocked() {
        return skip("this kernel has no Landlock");
    }
    let ground = Ground::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let to = address(libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    });
    let tcp = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::empty(),
        None,
    );
    let socket = tcp.expect("a socket");
    let tcp = socket.as_raw_fd();
    let directory = (libc::O_RDONLY | libc::O_DIRECTORY) as u64;
    let ways = [
        Call::new(libc::SYS_openat, &[libc::AT_FDCWD as u64, text("/"), directory]),
        Call::new(libc::SYS_connect, &[tcp as u64, to, 16]),
        Call::new(libc::SYS_getppid, &[]),
    ]
    .map(Way::Native);
    let walls = |closed: bool| {
        let mut keep = ground.all();
        keep.push(tcp);
        if !closed {
            return Ok(());
        }
        confine(&Walls {
            keep: &keep,
            root: Some(&ground.empty),
            uid: Uid::from_raw(USERS[0]),
            gid: Gid::from_raw(USERS[0]),
            file_size: 0,
            memory: MEMORY,
            scoped: true,
        })
        .map(drop)
    };
    let open = Outcome::Returned(0);
    assert_eq!(make(&ways, &|| walls(false)), [open, open, open]);
    let refused = Outcome::Returned(libc::EACCES);
    assert_eq!(make(&ways, &|| walls(true)), [refused, refused, open]);
}

/// A panic, with RUST_BACKTRACE set too, makes no call before the hook that is not on the list: the hook
/// writes a line and ends, as `monitor::run`'s does.
#[test]
fn a_panic_stays_on_the_list() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    let fds = ground.jail_fds();
    for who in [Who::Monitor, Who::Warden] {
        let programs = who.programs(&ground);
        let confine = || {
            who.become_it(&ground, &programs)?;
            let log = fds.log;
            std::panic::set_hook(Box::new(move |info| {
                let line = info.location().map_or(0, std::panic::Location::line);
                // SAFETY: open for as long as the process lives.
                #[allow(unsafe_code)]
                let log = unsafe { std::os::fd::BorrowedFd::borrow_raw(log) };
                let _ = nix::unistd::write(log, &line.to_le_bytes());
                raw::exit(77)
            }));
            panic!("as any other");
        };
        let outcome = make(&[Way::Native(Call::new(libc::SYS_exit_group, &[0]))], &confine);
        assert_eq!(outcome, [Outcome::Returned(77)], "{who:?}");
    }
}

/// The evil process above stands for the real ones: /proc shows the same rights of both.
#[test]
fn the_evil_process_is_confined_as_the_real_one() {
    if !need_root() {
        return;
    }
    let wanted = Wanted::new("signal");
    let rig = wanted.start("");
    let real = confined(&rig, &wanted, Duration::from_secs(3));
    let ground = Ground::new();
    let base = common::jail::own_filters(&Status::of(real["upsentry"]).expect("it runs"));
    assert_eq!(base, 1);
    for (who, name) in [
        (Who::Monitor, "upsentry-mon"),
        (Who::Warden, "upsentry-warden"),
        (Who::Parent, "upsentry"),
        (Who::Hand, "upsentry-hand"),
    ] {
        let programs = who.programs(&ground);
        let evil = waiting(programs.len(), &|| who.become_it(&ground, &programs));
        let real_status = Status::of(real[name]).expect("it runs");
        for field in [
            "Uid",
            "Gid",
            "Groups",
            "CapInh",
            "CapPrm",
            "CapEff",
            "CapBnd",
            "CapAmb",
            "NoNewPrivs",
            "Seccomp",
        ] {
            assert_eq!(evil.0.get(field), real_status.get(field), "{field} of {name}");
        }
        assert_eq!(
            evil.0.number("Seccomp_filters"),
            common::jail::own_filters(&real_status),
            "{name}"
        );
        for (limit, values) in limits(real[name]) {
            // It has more descriptors on purpose; time is the timer's.
            if limit != "Max open files" {
                assert_eq!(evil.1.get(&limit), Some(&values), "{limit} of {name}");
            }
        }
    }
}

/// A confined process that only waits, as /proc shows it.
fn waiting(
    filters: usize,
    confine: &dyn Fn() -> Result<(), String>,
) -> (Status, std::collections::BTreeMap<String, (String, String)>) {
    use nix::unistd::ForkResult;
    // SAFETY: as in `common::jail::make`.
    #[allow(unsafe_code)]
    match unsafe { nix::unistd::fork() }.expect("fork") {
        ForkResult::Child => {
            if confine().is_err() {
                raw::exit(1)
            }
            loop {
                let _ = upsentry::sys::process::wait(&mut [], Some(Duration::from_secs(1)));
            }
        }
        ForkResult::Parent { child } => {
            let pid = child.as_raw() as u32;
            // Until the timer that ends impatient callers ends it.
            let mut seen = None;
            for _ in 0..2000 {
                std::thread::sleep(Duration::from_millis(1));
                let now = Status::of(pid).map(|status| (status, limits(pid)));
                let lists = filters.to_string();
                seen = now.filter(|(status, _)| status.get("Seccomp_filters") == lists);
                if seen.is_some() {
                    break;
                }
            }
            let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
            let _ = nix::sys::wait::waitpid(child, None);
            seen.expect("a waiting process")
        }
    }
}

/// security.md C4: the running processes of both builds have exactly the compiled lists, and those are the
/// ones that were looked at when these numbers were written down.
#[test]
fn the_live_lists_are_the_compiled_ones() {
    if !need_root() {
        return;
    }
    for (program, status) in [(common::DAEMON.into(), false), (release().to_owned(), true)] {
        let wanted = Wanted { program, status, ports: 2, ..Wanted::new("signal") };
        let rig = wanted.start("");
        let pids = confined(&rig, &wanted, Duration::from_secs(3));
        for name in ["upsentry", "upsentry-warden", "upsentry-mon", "upsentry-hand"] {
            let Some(live) = live_filters(pids[name]) else {
                return skip("the kernel does not show filters (PTRACE_SECCOMP_GET_FILTER)");
            };
            let own = live.len() - expected(name, &pids).len();
            let live: Vec<u64> =
                live.iter().skip(own).map(|program| fingerprint(program)).collect();
            let expected: Vec<u64> =
                expected(name, &pids).iter().map(|program| fingerprint(program)).collect();
            assert_eq!(live, expected, "{name} of {:?}", wanted.program);
        }
    }
}

/// The lists for the descriptors that /proc shows, oldest first.
fn expected(name: &str, pids: &std::collections::BTreeMap<&str, u32>) -> Vec<BpfProgram> {
    let open = descriptors(pids[name]);
    let find = |what: &str, access: &str| -> Vec<RawFd> {
        let found =
            open.iter().filter(|(_, (target, how))| target.contains(what) && *how == access);
        found.map(|(fd, _)| *fd).collect()
    };
    let lists = match name {
        "upsentry" => {
            let fds = notifier::Fds {
                // The order in which `Parent::descriptors` names them: events, log, link, signals, hand.
                read: [find("pipe:", "r"), find("socket:", "rw"), find("signalfd", "rw")].concat(),
                write: [find("socket:", "rw"), find("/stderr", "w")].concat(),
                stat: Vec::new(),
                pwrite: [find("/state", "rw"), find("/history", "rw")].concat(),
                truncate: find("/pid", "w"),
                send: Vec::new(),
                shutdown: find("socket:", "rw"),
                ..Default::default()
            };
            // The hand's socket was made first: the kernel's number of it is lower.
            let mut sockets = fds.shutdown.clone();
            sockets.sort_by_key(|fd| open[fd].0.clone());
            let (hand, link) = (sockets[0], sockets[1]);
            // Of the history's pipe it has both ends.
            let same = |fd: &RawFd, other: &RawFd| open[fd].0 == open[other].0;
            let writes = find("pipe:", "w");
            let (own, pipes): (Vec<RawFd>, Vec<RawFd>) =
                find("pipe:", "r").into_iter().partition(|fd| same(fd, &writes[0]));
            vec![notifier::parent(&notifier::Fds {
                read: vec![pipes[0], pipes[1], link, find("signalfd", "rw")[0], hand, own[0]],
                write: vec![link, find("eventfd", "rw")[0], hand, 2, writes[0]],
                shutdown: vec![link, hand],
                ..fds
            })]
        }
        "upsentry-hand" => {
            vec![notifier::hand(find("socket:", "rw")[0], find("/upsentry-", "r")[0])]
        }
        _ => {
            let pipes = find("pipe:", "w");
            let fds = jail::Fds {
                ttys: find("/dev/pts/", "rw"),
                // The parent made its eventfd before the fork.
                poke: find("eventfd", "rw")[1],
                events: pipes[0],
                log: pipes[1],
                news: find("eventfd", "rw")[0],
                ..Default::default()
            };
            // The socket that listens has a number above all others; its clients get the lowest four that are free.
            let monitor = descriptors(pids["upsentry-mon"]);
            let socket = monitor.iter().find(|(_, (target, _))| target.contains("socket:"));
            let status = socket.map(|(fd, _)| *fd);
            let free = (3..).filter(|fd| !monitor.contains_key(fd)).take(4);
            let clients = free.filter(|_| status.is_some()).collect();
            let fds = jail::Fds { status, clients, ..fds };
            let warden = descriptors(pids["upsentry-warden"]);
            let of_warden = |what: &str| {
                *warden.iter().find(|(_, (target, _))| target.contains(what)).expect("its own").0
            };
            let mut lists = vec![jail::warden(&fds, of_warden("socket:"), of_warden("signalfd"))];
            lists.extend((name == "upsentry-mon").then(|| jail::monitor(&fds)));
            lists
        }
    };
    lists.into_iter().map(|list| list.compile().expect("a list")).collect()
}

/// The lists as they were reviewed. A change has to be meant: put the new number here in the commit that
/// says why.
#[test]
fn the_lists_are_the_reviewed_ones() {
    let fds = jail::Fds {
        ttys: vec![10, 11],
        poke: 12,
        events: 13,
        log: 14,
        news: 17,
        ..Default::default()
    };
    let parent = notifier::Fds {
        read: vec![20, 21, 22, 23],
        write: vec![22, 24, 25],
        stat: vec![24],
        pwrite: vec![26],
        truncate: vec![27],
        send: vec![28],
        shutdown: vec![22],
        ..Default::default()
    };
    let serving = jail::Fds { status: Some(50), clients: vec![3, 4, 5, 6], ..fds.clone() };
    let lists = [
        ("monitor", jail::monitor(&fds), REVIEWED[0]),
        ("serving", jail::monitor(&serving), REVIEWED[5]),
        ("warden", jail::warden(&fds, 15, 16), REVIEWED[1]),
        ("parent", notifier::parent(&parent), REVIEWED[2]),
        ("hand", notifier::hand(30, 31), REVIEWED[3]),
        ("reader", notifier::reader(40, 41), REVIEWED[4]),
    ];
    for (name, list, reviewed) in lists {
        let program = list.compile().expect("a list");
        assert_eq!(fingerprint(&program), reviewed, "{name} ({} instructions)", program.len());
    }
}

const REVIEWED: [u64; 6] = [
    0x7cda_e5ee_b2ec_afc1,
    0x2729_eef1_a943_2c45,
    0x7354_8ff9_6d0e_3c78,
    0x2d31_d185_fdea_52d8,
    0x80dd_0e92_5b8b_d10e,
    0x7b39_5098_a539_506a,
];

/// The second reading itself can tell right from wrong.
#[test]
fn the_interpreter_sees_a_hole() {
    let ground = Ground::new();
    let list = jail::monitor(&ground.jail_fds()).any(libc::SYS_openat).compile().expect("a list");
    let number = u32::try_from(libc::SYS_openat).expect("a number");
    assert_eq!(verdicts(&list, number, ARCH), BTreeSet::from([libc::SECCOMP_RET_ALLOW]));
    assert_eq!(verdict(&list, Call::new(libc::SYS_openat, &[])), libc::SECCOMP_RET_ALLOW);
    let list =
        jail::monitor(&ground.jail_fds()).without(libc::SYS_ppoll).compile().expect("a list");
    assert_eq!(verdict(&list, Call::new(libc::SYS_ppoll, &[])), KILL);
}
