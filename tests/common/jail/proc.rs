//! What the kernel says of a process.

use nix::libc::{self, c_void};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use seccompiler::{BpfProgram, sock_filter};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

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
