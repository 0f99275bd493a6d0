//! What the kernel says of a process; a second reading of compiled system call lists; and processes that
//! make one call under them.
#![allow(
    unsafe_code,
    clippy::indexing_slicing,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "numbers of calls and words of registers change their signs at this border"
)]

use super::sim::{Rig, Setup};
use nix::libc::{self, c_long, c_void};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use seccompiler::{BpfProgram, sock_filter};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

// ---- /proc ----

/// `/proc/PID/task/TID/status`, a field a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status(BTreeMap<String, String>);

impl Status {
    /// Of a process's first thread.
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(Path::new(&format!("/proc/{pid}/status")))
    }

    /// Of all its threads.
    pub fn threads(pid: u32) -> Vec<Self> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks.filter_map(|task| Self::read(&task.path().join("status"))).collect()
    }

    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let words = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(Self(fields.map(|(name, value)| (name.to_owned(), words(value))).collect()))
    }

    /// A field, its words separated by single spaces.
    pub fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("(no such field)", String::as_str)
    }

    /// A field in hexadecimal.
    pub fn mask(&self, field: &str) -> u64 {
        u64::from_str_radix(self.get(field), 16).unwrap_or_else(|_| panic!("{field}: {self:?}"))
    }

    /// A field in decimal.
    pub fn number(&self, field: &str) -> u32 {
        self.get(field).parse().unwrap_or_else(|_| panic!("{field}: {self:?}"))
    }
}

/// Bits of a signal mask.
pub fn signals(numbers: &[i32]) -> u64 {
    numbers.iter().fold(0, |mask, number| mask | 1 << (number - 1))
}

/// What a descriptor refers to, and `r`, `w` or `rw`.
pub fn descriptors(pid: u32) -> BTreeMap<i32, (String, &'static str)> {
    let directory = PathBuf::from(format!("/proc/{pid}/fd"));
    let entries = fs::read_dir(&directory).expect("a running process").flatten();
    let one = |entry: fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let target = fs::read_link(entry.path()).ok()?.display().to_string();
        let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
        let access = match flags & libc::O_ACCMODE {
            libc::O_RDONLY => "r",
            libc::O_WRONLY => "w",
            _ => "rw",
        };
        Some((number, (target, access)))
    };
    entries.filter_map(one).collect()
}

/// What a descriptor's target, `socket:[…]`, is: `udp`, `udp6`, `listening`, `unix`, or `tcp` and the like; of this
/// network namespace.
pub fn socket_kind(target: &str) -> Option<&'static str> {
    let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
    let has = |file: &str, column: usize| {
        let text = fs::read_to_string(format!("/proc/net/{file}")).unwrap_or_default();
        let mut lines = text.lines().skip(1).map(str::to_owned);
        lines.find(|line| line.split_whitespace().nth(column) == Some(inode))
    };
    if let Some(line) = has("unix", 6) {
        // __SO_ACCEPTCON
        let listening = line.split_whitespace().nth(3) == Some("00010000");
        return Some(if listening { "listening" } else { "unix" });
    }
    ["udp", "udp6", "tcp", "tcp6", "raw", "raw6"].into_iter().find(|file| has(file, 9).is_some())
}

/// `/proc/PID/limits`: soft and hard by name.
pub fn limits(pid: u32) -> BTreeMap<String, (String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).expect("a running process");
    let line = |line: &str| {
        let (name, values) = line.split_at_checked(26)?;
        let mut values = values.split_whitespace().map(str::to_owned);
        Some((name.trim().to_owned(), (values.next()?, values.next()?)))
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// The system call lists that a process really has, oldest first; `None` where the kernel does not tell.
pub fn live_filters(pid: u32) -> Option<Vec<BpfProgram>> {
    const PTRACE_SECCOMP_GET_FILTER: u32 = 0x420c;
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id"));
    let null = std::ptr::null_mut::<c_void>();
    // SAFETY: these requests touch no memory of ours; with null the last asks for a length only.
    let trace = |request, addr: u64, data: *mut c_void| unsafe {
        libc::ptrace(request, pid.as_raw(), addr, data)
    };
    assert_eq!(trace(libc::PTRACE_SEIZE, 0, null), 0, "{}", std::io::Error::last_os_error());
    assert_eq!(trace(libc::PTRACE_INTERRUPT, 0, null), 0);
    waitpid(pid, Some(WaitPidFlag::__WALL)).expect("the traced process stops");
    let mut filters = Vec::new();
    for index in 0.. {
        let length = trace(PTRACE_SECCOMP_GET_FILTER, index, null);
        let Ok(length) = usize::try_from(length) else { break };
        let mut program = vec![sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; length];
        // The kernel writes as many instructions as it has just said.
        let read = trace(PTRACE_SECCOMP_GET_FILTER, index, program.as_mut_ptr().cast());
        assert_eq!(usize::try_from(read), Ok(length));
        filters.push(program);
    }
    assert_eq!(trace(libc::PTRACE_DETACH, 0, null), 0);
    (!filters.is_empty()).then_some(filters)
}

// ---- lists ----

/// A system call as a filter sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub number: u32,
    pub arch: u32,
    pub args: [u64; 6],
}

/// This machine's, in linux/audit.h.
#[cfg(target_arch = "x86_64")]
pub const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub const ARCH: u32 = 0xc000_00b7;

pub const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
pub const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

impl Call {
    pub fn new(number: c_long, args: &[u64]) -> Self {
        let mut all = [0; 6];
        all.iter_mut().zip(args).for_each(|(to, from)| *to = *from);
        let number = i32::try_from(number).expect("a call's number");
        Self { number: number as u32, arch: ARCH, args: all }
    }

    /// A word of `struct seccomp_data`.
    fn word(self, offset: u32) -> u32 {
        let half = |value: u64, high| if high { value >> 32 } else { value & 0xffff_ffff };
        let value = match offset {
            0 => u64::from(self.number),
            4 => u64::from(self.arch),
            // The instruction pointer: no list looks at it.
            8 | 12 => panic!("a list looks at the instruction pointer"),
            _ => half(self.args[(offset as usize - 16) / 8], offset % 8 == 4),
        };
        u32::try_from(value).expect("32 bits")
    }
}

/// What one list says: classic BPF, as far as lists use it.
pub fn verdict(program: &[sock_filter], call: Call) -> u32 {
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let step = &program[at];
        let jump = |yes| if yes { step.jt } else { step.jf };
        let over = match step.code {
            0x20 => {
                accumulator = call.word(step.k);
                0
            }
            0x54 => {
                accumulator &= step.k;
                0
            }
            0x05 => step.k as usize,
            0x15 => jump(accumulator == step.k).into(),
            0x25 => jump(accumulator > step.k).into(),
            0x35 => jump(accumulator >= step.k).into(),
            0x45 => jump(accumulator & step.k != 0).into(),
            0x06 => return step.k,
            other => panic!("instruction {other:#x} at {at}"),
        };
        at += 1 + over;
    }
}

/// What several lists say together: all have to allow.
pub fn allowed(programs: &[BpfProgram], call: Call) -> bool {
    programs.iter().all(|program| verdict(program, call) == ALLOW)
}

/// Every verdict that a list can come to for this number, whatever the arguments are: branches on
/// arguments are taken both ways.
pub fn verdicts(program: &[sock_filter], number: u32, arch: u32) -> BTreeSet<u32> {
    let call = Call { number, arch, args: [0; 6] };
    let mut verdicts = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut left = vec![(0, None)];
    while let Some((at, known)) = left.pop() {
        if !seen.insert((at, known)) {
            continue;
        }
        let step = &program[at];
        let next = at + 1;
        let (yes, no) = (next + usize::from(step.jt), next + usize::from(step.jf));
        let branch = match (step.code, known) {
            (0x20, _) => {
                left.push((next, (step.k < 8).then(|| call.word(step.k))));
                continue;
            }
            (0x54, _) => {
                left.push((next, known.map(|value: u32| value & step.k)));
                continue;
            }
            (0x05, _) => {
                left.push((next + step.k as usize, known));
                continue;
            }
            (0x06, _) => {
                verdicts.insert(step.k);
                continue;
            }
            (0x15, Some(value)) => Some(value == step.k),
            (0x25, Some(value)) => Some(value > step.k),
            (0x35, Some(value)) => Some(value >= step.k),
            (0x45, Some(value)) => Some(value & step.k != 0),
            (0x15 | 0x25 | 0x35 | 0x45, None) => None,
            (other, _) => panic!("instruction {other:#x} at {at}"),
        };
        if branch != Some(false) {
            left.push((yes, known));
        }
        if branch != Some(true) {
            left.push((no, known));
        }
    }
    verdicts
}

/// FNV-1a over the instructions: a list that changes has to be looked at, here too.
pub fn fingerprint(program: &[sock_filter]) -> u64 {
    let words = |step: &sock_filter| {
        let (code, k) = (step.code.to_le_bytes(), step.k.to_le_bytes());
        [code[0], code[1], step.jt, step.jf, k[0], k[1], k[2], k[3]]
    };
    program.iter().flat_map(words).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

// ---- one call, really made ----

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

/// The daemon's release build: the program named by `UPSENTRY_RELEASE`, else one that cargo builds.
pub fn release() -> &'static Path {
    static PATH: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("UPSENTRY_RELEASE") {
            return path.into();
        }
        // target/PROFILE/upsentry; beside it is the one with TLS.
        let target = Path::new(super::DAEMON).ancestors().nth(2).expect("target/PROFILE");
        let mut build = std::process::Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--release", "--package", "upsentry", "--bins"]);
        build.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
        build.arg("--target-dir").arg(target);
        let built = build.stdin(std::process::Stdio::null()).status();
        assert!(built.is_ok_and(|status| status.success()), "`cargo build --release` failed");
        target.join("release/upsentry")
    })
}

// ---- a daemon to look at ----

/// The jailed user of the tests, and the parent's.
pub const USERS: [u32; 2] = [64001, 64002];
/// The notify command's.
pub const NOTIFY: u32 = 64003;

/// A second: security comes with the start, and not some time after it. On a machine that has more to do than
/// it can, longer.
pub fn soon() -> Duration {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let cores = u32::try_from(cores).map_or(1.0, f64::from);
    Duration::from_secs(if load > cores { 10 } else { 1 })
}

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `initctl`, `signal` or `command`.
    pub via: &'static str,
    /// Without `-f`.
    pub background: bool,
    /// UPSs.
    pub ports: usize,
    /// Serves its status.
    pub status: bool,
    /// Answers slaves on this port, of loopback's addresses of both families.
    pub serves: Option<u16>,
    /// Is the slave of whoever has this port.
    pub asks: Option<u16>,
    /// Watches a driver of NUT's, which does not run; its directory is there.
    pub driver: bool,
    /// Asks a server of NUT's that is not there, `nut` or `nut+tls`.
    pub server: Option<&'static str>,
    /// Has a notify command.
    pub notify: bool,
    /// The daemon.
    pub program: PathBuf,
    /// Put before the daemon's own command line.
    pub wrapper: Vec<String>,
}

impl Wanted {
    /// A master, with one UPS, that is the slave of itself and serves its status.
    pub fn fleet(via: &'static str) -> Self {
        let port = free_port();
        Self { status: true, serves: Some(port), asks: Some(port), ..Self::new(via) }
    }

    /// In the foreground, one UPS, the build of these tests.
    pub fn new(via: &'static str) -> Self {
        let program = super::DAEMON.into();
        let (serves, asks) = (None, None);
        let (driver, server, wrapper) = (false, None, Vec::new());
        Self {
            via,
            background: false,
            ports: 1,
            status: false,
            serves,
            asks,
            driver,
            server,
            notify: false,
            program,
            wrapper,
        }
    }

    /// Watches a driver and asks a server under TLS, has no port, and serves its status.
    pub fn nut(via: &'static str) -> Self {
        let server = Some("nut+tls");
        Self { ports: 0, status: true, driver: true, server, ..Self::new(via) }
    }

    /// Its configuration; `more` is put before the first UPS.
    pub fn config(&self, setup: &Setup, more: &str) -> String {
        let [user, notifier] = USERS;
        let path = |name: &str| setup.path(name).display().to_string();
        let mut text = format!(
            "user {user}\nnotifier-user {notifier}\nchroot {}\nstate-file {}\npid-file {}\nhistory-file {}\nstatus-socket {}\n\
             powerstatus {}\ninitctl {}\nvia {}\nsettle 50ms\nfail cts 0\nlow dcd 0\n\
             cable-grace 0s\n{more}\n",
            path("empty"),
            path("state"),
            path("pid"),
            path("history"),
            if self.status { path("status") } else { "none".to_owned() },
            path("powerstatus"),
            path("initctl"),
            self.via,
        );
        if self.via == "command" {
            text.push_str("halt /bin/true\n");
        }
        if self.notify {
            text.push_str(&format!("notify-command /bin/true\nnotify-user {NOTIFY}\n"));
        }
        let others = [self.asks.is_some(), self.driver, self.server.is_some()];
        if self.ports + others.into_iter().filter(|one| *one).count() > 1 {
            text.push_str("need 1\n");
        }
        if self.driver {
            text.push_str(&format!("ups-conf {}\n", path("ups.conf")));
        }
        if let Some(port) = self.serves.or(self.asks) {
            text.push_str(&format!("port {port}\nkey-file {}\n", path("key")));
        }
        if self.serves.is_some() {
            text.push_str("listen 127.0.0.1\nlisten ::1\nslave 127.0.0.1\n");
        }
        for port in self.names() {
            text.push_str(&format!("ups {port}\nwatch {}\n", setup.tty(port).display()));
        }
        if self.asks.is_some() {
            text.push_str("ups far\nwatch 127.0.0.1\n");
        }
        if self.driver {
            text.push_str("ups driver\nwatch driver:dummy\n");
        }
        if let Some(scheme) = self.server {
            // Nobody's port.
            text.push_str(&format!("ups server\nwatch {scheme}://127.0.0.1:1/dummy\n"));
            let pin = format!("tls-pin {}\n", "0".repeat(64));
            text.push_str(if scheme == "nut" { "" } else { &pin });
        }
        text
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        ["a", "b"].into_iter().take(self.ports)
    }

    /// Starts it, with `more` configuration.
    pub fn start(&self, more: &str) -> Rig {
        let mut setup = Setup::new();
        for port in self.names() {
            setup = setup.port(port, "cts=1,dcd=1");
        }
        if self.background {
            setup = setup.option("--until-gone");
        }
        let key = setup.write("key", &"k".repeat(32));
        let mode = PermissionsExt::from_mode(0o600);
        fs::set_permissions(key, mode).expect("the key's mode");
        if self.driver {
            let state = setup.path("drivers");
            fs::create_dir(&state).expect("NUT's directory");
            chown(&state, None, Some(super::nut::GROUP)).expect("as root");
            fs::set_permissions(&state, PermissionsExt::from_mode(0o770)).expect("its mode");
            let text = format!("statepath = {}\n[dummy]\ndriver = dummy-ups\n", state.display());
            setup.write("ups.conf", &text);
        }
        let config = setup.write("conf", &self.config(&setup, more));
        let mut words = self.wrapper.clone();
        words.push(self.program.display().to_string());
        words.extend(["-c".to_owned(), config.display().to_string()]);
        if !self.background {
            words.extend(["-f", "--log", "stderr"].map(str::to_owned));
        }
        setup.start(&words[0], &words[1..])
    }

    /// The names of its processes, as in ps.
    pub fn processes(&self) -> BTreeSet<&'static str> {
        let hand = (self.via != "initctl").then_some("upsentry-hand");
        let notify = self.notify.then_some("upsentry-notify");
        let always = ["upsentry", "upsentry-warden", "upsentry-mon"];
        always.into_iter().chain(hand).chain(notify).collect()
    }
}

/// A UDP port that nobody has now, of both families.
pub fn free_port() -> u16 {
    let one = || {
        let four = std::net::UdpSocket::bind("127.0.0.1:0").ok()?;
        let port = four.local_addr().ok()?.port();
        match std::net::UdpSocket::bind(("::1", port)) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => None,
            // Or there is no IPv6.
            _ => Some(port),
        }
    };
    (0..100).find_map(|_| one()).expect("a port")
}

/// A system log that the test reads, and what a command is put behind to have it: a /dev of its own, with
/// ptys and `null` as they are and `log` in `setup`.
pub fn own_log(setup: &Setup) -> (UnixDatagram, Vec<String>) {
    let socket = UnixDatagram::bind(setup.path("log")).expect("a socket");
    let dev = setup.path("dev").display().to_string();
    let log = setup.path("log").display().to_string();
    let script = format!(
        "set -e; mkdir {dev}; mount -t tmpfs dev {dev}; mkdir {dev}/pts; mount --rbind /dev/pts {dev}/pts
         mknod -m 666 {dev}/null c 1 3; ln -s {log} {dev}/log; mount --rbind {dev} /dev; exec \"$@\""
    );
    (socket, ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec())
}

/// Reads the log until it says this.
pub fn heard(log: &UnixDatagram, wanted: &str) {
    log.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let mut said = String::new();
    let mut bytes = [0; 1024];
    while !said.contains(wanted) {
        let length = log.recv(&mut bytes);
        let length = length.unwrap_or_else(|error| panic!("no {wanted:?}, {error}: {said}"));
        // As syslogd does, the tag's process id apart.
        let line = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let (tag, text) = line.split_once(": ").unwrap_or(("", &line));
        said.push_str(&format!("{}: {text}\n", tag.split('[').next().unwrap_or("")));
    }
}

/// The daemon's processes by name; `None` while one of them is not yet (or no more) what it is to be, or
/// the process that returns to the shell is still there.
pub fn processes(rig: &Rig, wanted: &Wanted) -> Option<BTreeMap<&'static str, u32>> {
    let mut found = BTreeMap::new();
    for pid in rig.processes() {
        let status = Status::of(pid)?;
        let name = status.get("Name");
        if !name.starts_with("upsentry") || status.get("State").starts_with('Z') {
            continue;
        }
        let name = wanted.processes().into_iter().find(|wanted| *wanted == name)?;
        if found.insert(name, pid).is_some() {
            return None;
        }
    }
    (found.len() == wanted.processes().len()).then_some(found)
}

/// Waits until all of the daemon's processes are there and each has put its own last list on.
pub fn confined(rig: &Rig, wanted: &Wanted, within: Duration) -> BTreeMap<&'static str, u32> {
    let end = Instant::now() + within;
    loop {
        let ready = |name: &str, pid: u32| {
            let status = Status::of(pid);
            status.is_some_and(|status| own_filters(&status) == filters(name, wanted))
        };
        let found = processes(rig, wanted);
        let found = found.filter(|all| all.iter().all(|(name, pid)| ready(name, *pid)));
        if let Some(found) = found {
            return found;
        }
        assert!(Instant::now() < end, "not confined within {within:?}: {}", rig.stderr());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many lists a process of this name has to have.
pub fn filters(name: &str, wanted: &Wanted) -> u32 {
    match name {
        // The warden's and its own.
        "upsentry-mon" => 2,
        // The command would inherit it.
        "upsentry-hand" if wanted.via == "command" => 0,
        "upsentry-notify" => 0,
        _ => 1,
    }
}

/// Lists of the daemon's own: what else runs under the simulator has the simulator's.
pub fn own_filters(status: &Status) -> u32 {
    static BASE: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let base = BASE.get_or_init(|| {
        let mut rig = Setup::new().start("sleep", &["60"]);
        let pid = rig.pid();
        Status::of(pid).expect("sleep runs").number("Seccomp_filters")
    });
    status.number("Seccomp_filters") - base
}

// ---- a running process, made to do something else ----

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
