//! The table: process × call × error → what must follow.

/// Which of a process's calls of that name: by its first argument or its second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Any,
    /// The event pipe, the log pipe.
    Events,
    Log,
    /// The parent's and the warden's socket to each other; to the hand.
    Link,
    Hand,
    /// signalfd, eventfd.
    Signals,
    Poke,
    Fifo,
    State,
    /// The history's file, and the two ends of the pipe to the thread that writes it.
    History,
    ToHistory,
    FromHistory,
    Pid,
    Stderr,
    /// What a start without `-f` waits on.
    Started,
    /// Not the socket: the new powerstatus file.
    File,
    /// The connection to a driver of NUT's, to a server, and the directory of the drivers.
    Driver,
    Server,
    Shown,
    /// An ioctl.
    Request(u32),
}

/// What makes the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The mains fail and return.
    Outage,
    /// The monitor is killed, and the mains fail before the next is there.
    Replaced,
    /// The parent has the monitor killed while the mains fail.
    Convicted,
    /// The monitor is killed while nothing happens.
    Killed,
    /// TERM.
    Stopped,
    /// The driver or server of NUT's hangs up, and is there again.
    Left,
    /// The driver's socket is removed, and made anew.
    Removed,
}

/// What must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Every event is told, in order, once; and the log says this.
    Recovers(&'static str),
    /// The daemon ends with status 1 and says this.
    Ends(&'static str),
    /// The daemon stops in good order, and says this.
    Stops(&'static str),
}

pub(crate) struct Row {
    /// The list that the call is on.
    pub(crate) list: &'static str,
    pub(crate) call: &'static str,
    pub(crate) on: On,
    pub(crate) errors: &'static [&'static str],
    pub(crate) when: When,
    pub(crate) then: Then,
}

use On::{
    Any, Driver, Events, Fifo, File, FromHistory, Hand, History, Link, Log, Pid, Poke, Request,
    Server, Shown, Signals, Started, State, Stderr, ToHistory,
};
use Then::{Ends, Recovers, Stops};
use When::{Convicted, Killed, Left, Outage, Removed, Replaced, Stopped};

const FIONREAD: On = Request(0x541b);
const TIOCMGET: On = Request(0x5415);
const TIOCMIWAIT: On = Request(0x545c);
const TIOCGICOUNT: On = Request(0x545d);

const fn row(
    list: &'static str,
    call: &'static str,
    on: On,
    errors: &'static [&'static str],
    when: When,
    then: Then,
) -> Row {
    Row { list, call, on, errors, when, then }
}

/// The monitor once its own list is on.
pub(crate) const MONITOR: &[Row] = &[
    row("monitor", "ioctl", TIOCMGET, &["EINTR", "EIO", "ENOMEM"], Outage, Recovers("")),
    row("monitor", "ioctl", TIOCMIWAIT, &["EINTR", "EIO", "ENOMEM"], Outage, Recovers("")),
    row("monitor", "ioctl", TIOCGICOUNT, &["EINTR", "EIO", "ENOMEM"], Outage, Recovers("")),
    row("monitor", "ioctl", FIONREAD, &["EINTR", "EIO", "ENOMEM"], Outage, Recovers("")),
    row("monitor", "read", Poke, &["EINTR", "EAGAIN"], Outage, Recovers("")),
    row("monitor", "read", Poke, &["EIO", "ENOMEM"], Outage, Recovers(": EIO|: ENOMEM")),
    row(
        "monitor",
        "write",
        Events,
        &["EINTR", "EAGAIN", "EIO", "EPIPE", "ENOMEM"],
        Outage,
        Recovers("an event could not be written"),
    ),
    row(
        "monitor",
        "write",
        Log,
        &["EINTR", "EAGAIN", "EIO", "EPIPE", "ENOMEM"],
        Outage,
        Recovers("log lines of the monitor were lost"),
    ),
    row("monitor", "ppoll", Any, &["EINTR"], Outage, Recovers("")),
    row("monitor", "ppoll", Any, &["ENOMEM"], Outage, Recovers("poll: ENOMEM")),
];

/// The warden, and the monitor on the warden's list, before its own is on.
pub(crate) const WARDEN: &[Row] = &[
    row("warden", "read", Link, &["EINTR", "EAGAIN"], Replaced, Recovers("")),
    row("warden", "read", Link, &["EIO"], Killed, Ends("warden is gone")),
    row("warden", "read", Signals, &["EINTR", "EAGAIN"], Replaced, Recovers("")),
    row("warden", "read", Signals, &["EIO"], Killed, Ends("the warden is gone; ending")),
    row(
        "warden",
        "write",
        Link,
        &["EINTR", "EAGAIN", "ENOBUFS", "ENOMEM"],
        Replaced,
        Recovers("monitor ended: SIGKILL"),
    ),
    row("warden", "write", Link, &["EPIPE", "EIO"], Killed, Ends("the warden is gone; ending")),
    row("warden", "ppoll", Any, &["EINTR", "ENOMEM"], Replaced, Recovers("")),
    row("warden", "wait4", Any, &["EINTR"], Replaced, Recovers("monitor ended: SIGKILL")),
    row("warden", "wait4", Any, &["EINTR"], Convicted, Recovers("monitor convicted")),
    row("warden", "kill", Any, &["EPERM", "ESRCH"], Convicted, Ends("the warden is gone")),
    row("warden", "clone", Any, &["EAGAIN", "ENOMEM"], Replaced, Recovers("cannot fork")),
    row("start", "clone3", Any, &["EAGAIN", "ENOMEM"], Replaced, Recovers("thread: ")),
    row("start", "mmap", Any, &["ENOMEM", "EAGAIN"], Replaced, Recovers("monitor ended: ")),
    row("start", "mprotect", Any, &["ENOMEM"], Replaced, Recovers("monitor ended: ")),
    row("start", "rseq", Any, &["EINVAL", "EPERM"], Replaced, Recovers("")),
    row("start", "rt_sigprocmask", Any, &["EINVAL"], Replaced, Recovers("")),
    row("start", "sched_getaffinity", Any, &["EINVAL", "ESRCH"], Replaced, Recovers("")),
    row("start", "set_robust_list", Any, &["EINVAL"], Replaced, Recovers("")),
    row("start", "sigaltstack", Any, &["ENOMEM", "EPERM"], Replaced, Recovers("")),
    row("start", "close", Any, &["EINTR", "EIO"], Replaced, Recovers("")),
    row("start", "prctl", Any, &["EINVAL"], Replaced, Recovers("cannot be confined")),
    row("start", "prlimit64", Any, &["EPERM", "EINVAL"], Replaced, Recovers("RLIMIT_NPROC: ")),
    row("start", "seccomp", Any, &["ENOMEM", "EINVAL"], Replaced, Recovers("seccomp: ")),
];

/// The parent, `via initctl`, its log on standard error.
pub(crate) const PARENT: &[Row] = &[
    row("parent", "read", Events, &["EINTR", "EAGAIN"], Outage, Recovers("")),
    row("parent", "read", Events, &["EIO", "ENOMEM"], Outage, Recovers("monitor convicted")),
    row("parent", "read", Log, &["EINTR", "EAGAIN"], Outage, Recovers("")),
    row("parent", "read", Log, &["EIO", "ENOMEM"], Outage, Recovers("log pipe: E")),
    row("parent", "read", Signals, &["EINTR", "EAGAIN", "EIO", "ENOMEM"], Outage, Recovers("")),
    // The thread's; the call that it sleeps in is continued, the one after it fails.
    row("parent", "read", FromHistory, &["EINTR", "EIO", "ENOMEM"], Outage, Recovers("")),
    row(
        "parent",
        "write",
        ToHistory,
        &["EINTR", "EAGAIN", "ENOMEM"],
        Outage,
        Recovers("history: the disk does not keep up"),
    ),
    row("parent", "pwrite64", History, &["EIO", "ENOSPC", "ENOMEM"], Outage, Recovers("history: ")),
    row("parent", "read", Link, &["EINTR", "EAGAIN"], Replaced, Recovers("")),
    row("parent", "read", Link, &["EIO", "ENOMEM"], Killed, Ends("the warden is gone; ending")),
    row(
        "parent",
        "write",
        Fifo,
        &["EINTR", "EAGAIN", "EIO", "ENOSPC", "EPIPE", "ENOMEM"],
        Outage,
        Recovers(""),
    ),
    row(
        "parent",
        "write",
        Link,
        &["EINTR", "EAGAIN", "ENOBUFS", "ENOMEM"],
        Replaced,
        Recovers("monitor ended"),
    ),
    row(
        "parent",
        "write",
        Link,
        &["EINTR", "EAGAIN", "ENOBUFS", "ENOMEM"],
        Convicted,
        Recovers("monitor convicted"),
    ),
    row(
        "parent",
        "write",
        Stderr,
        &["EINTR", "EAGAIN", "EIO", "ENOSPC", "EPIPE", "ENOMEM"],
        Outage,
        Recovers("1 log lines were dropped"),
    ),
    row("parent", "pwrite64", State, &["EINTR"], Outage, Recovers("")),
    row("parent", "pwrite64", State, &["EIO", "ENOSPC", "ENOMEM"], Outage, Recovers("state file:")),
    row("parent", "newfstatat", Fifo, &["EIO", "ENOMEM"], Outage, Recovers("fstat of init's FIFO")),
    row("parent", "ppoll", Any, &["EINTR"], Outage, Recovers("")),
    row("parent", "ppoll", Any, &["ENOMEM"], Outage, Recovers("")),
    row("parent", "ftruncate", Pid, &["EIO", "ENOSPC"], Stopped, Stops("pid file: ")),
    row("parent", "ftruncate", Pid, &["EINTR"], Stopped, Stops("stopped")),
    row("parent", "shutdown", Link, &["ENOBUFS"], Stopped, Stops("stopped")),
];

/// The parent without `-f`, which has a start to end: see `cases`.
pub(crate) const STARTED: &[Row] =
    &[row("parent", "write", Started, &["EINTR", "EAGAIN", "ENOMEM"], Outage, Recovers(""))];

/// The parent with a system log: see `cases`.
pub(crate) const SYSLOG: &[Row] = &[row(
    "parent",
    "sendto",
    Any,
    &["EINTR", "EAGAIN", "ENOBUFS", "ENOMEM", "EIO", "ECONNREFUSED"],
    Outage,
    Recovers("1 log lines were dropped"),
)];

const NOT_TOLD: Then = Recovers("could not be written, or init not signalled");

/// The hand of `via signal`, and the parent's socket to it.
pub(crate) const HAND: &[Row] = &[
    row("parent", "read", Hand, &["EINTR", "EAGAIN"], Outage, Recovers("")),
    row("parent", "read", Hand, &["EIO", "ENOMEM"], Outage, Ends("the hand is gone")),
    row("parent", "write", Hand, &["EINTR", "EAGAIN", "ENOBUFS", "ENOMEM"], Outage, Recovers("")),
    row("hand", "read", Any, &["EINTR", "ENOMEM"], Outage, Recovers("")),
    row("hand", "read", Any, &["EIO"], Outage, Ends("the hand is gone")),
    row("hand", "write", Link, &["EINTR", "ENOBUFS", "ENOMEM"], Outage, Recovers("")),
    row("hand", "write", Link, &["EPIPE", "EIO"], Outage, Ends("the hand is gone")),
    row("hand", "write", File, &["EINTR", "EIO", "ENOSPC", "ENOMEM"], Outage, NOT_TOLD),
    row("hand", "openat", Any, &["EINTR", "EIO", "ENOSPC", "ENOMEM"], Outage, NOT_TOLD),
    row("hand", "renameat", Any, &["EIO", "ENOSPC", "ENOMEM"], Outage, NOT_TOLD),
    row("hand", "newfstatat", Any, &["EIO", "ENOMEM"], Outage, Recovers("")),
    row("hand", "kill", Any, &["EPERM", "EAGAIN"], Outage, NOT_TOLD),
    row("hand", "ppoll", Any, &["EINTR"], Outage, Recovers("")),
    row("hand", "ppoll", Any, &["ENOMEM"], Outage, Recovers("init did not read the powerstatus")),
    row("hand", "close", Any, &["EINTR", "EIO"], Outage, Recovers("")),
];

/// A monitor that watches a driver of NUT's. A connection that fails is tried again a second later, which no deadtime
/// notices; a close that failed leaves a number behind, and the next monitor begins anew.
pub(crate) const DRIVER: &[Row] = &[
    row(
        "monitor",
        "socket",
        Any,
        &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EACCES"],
        Left,
        Recovers(""),
    ),
    row(
        "monitor",
        "connect",
        Any,
        &["EINTR", "EAGAIN", "ECONNREFUSED", "EACCES", "ENOMEM", "EIO"],
        Left,
        Recovers(""),
    ),
    row("monitor", "write", Driver, &["EINTR", "EAGAIN", "EPIPE", "ENOBUFS"], Left, Recovers("")),
    row(
        "monitor",
        "read",
        Driver,
        &["EINTR", "EAGAIN", "EIO", "ENOMEM", "ECONNRESET"],
        Outage,
        Recovers(""),
    ),
    row("monitor", "close", Driver, &["EINTR", "EIO"], Left, Recovers("monitor ended: ")),
    row("monitor", "fstat", Shown, &["EIO", "ENOMEM", "EBADF"], Removed, Recovers("")),
];

/// One that asks a server.
pub(crate) const SERVER: &[Row] = &[
    row(
        "monitor",
        "connect",
        Any,
        &["EINTR", "EAGAIN", "ECONNREFUSED", "EACCES", "ENOBUFS", "ENOMEM"],
        Left,
        Recovers(""),
    ),
    row("monitor", "write", Server, &["EINTR", "EAGAIN"], Outage, Recovers("")),
    row("monitor", "write", Server, &["EPIPE", "ECONNRESET", "ENOMEM"], Outage, Recovers("")),
    row(
        "monitor",
        "read",
        Server,
        &["EINTR", "EAGAIN", "ECONNRESET", "EIO", "ENOMEM"],
        Outage,
        Recovers(""),
    ),
];

const MAPPED: &str = "what is not unmapped stays mapped: its result is looked at by nobody";
const HPET: &str = "the vDSO reads the clock; the call is for machines where it cannot (hpet)";
const HEAP: &str = "the heap is as large as it gets when the list comes on; see jail_used";
const LIBC: &str = "for another C library; never called with this one";
const NEVER: &str = "has no error";

/// Only where the status is served; a client that cannot be had, or let go, costs nobody else anything.
const SERVED: &str = "a client of the status: src/monitor/serve_tests.rs";
/// Only where other machines are spoken to.
const WIRE: &str =
    "a datagram that is not sent or taken is one that the wire lost: tests/fleet/outage.rs";

/// Calls of a list without a row, and why.
pub(crate) const WITHOUT: &[(&str, &str, &str)] = &[
    ("monitor", "clock_gettime", HPET),
    ("warden", "clock_gettime", HPET),
    ("parent", "clock_gettime", HPET),
    ("hand", "clock_gettime", HPET),
    ("monitor", "madvise", MAPPED),
    ("warden", "madvise", MAPPED),
    ("parent", "madvise", MAPPED),
    ("monitor", "exit_group", NEVER),
    ("warden", "exit_group", NEVER),
    ("parent", "exit_group", NEVER),
    ("hand", "exit_group", NEVER),
    ("monitor", "accept4", SERVED),
    ("monitor", "shutdown", SERVED),
    ("warden", "accept4", SERVED),
    ("warden", "shutdown", SERVED),
    ("monitor", "recvfrom", WIRE),
    ("monitor", "sendto", WIRE),
    ("monitor", "sendmmsg", WIRE),
    ("monitor", "getrandom", "no poll without a nonce: the next turn of the loop tries again"),
    ("warden", "socket", "the monitor's: its rows"),
    ("warden", "connect", "the monitor's: its rows"),
    ("warden", "fstat", "the monitor's: its rows"),
    ("warden", "recvfrom", WIRE),
    ("warden", "sendto", WIRE),
    ("warden", "sendmmsg", WIRE),
    ("warden", "getrandom", "without a session no monitor starts, as if it could not be confined"),
    ("parent", "pread64", "without the runlevel, what init was told decides"),
    ("warden", "ioctl", "the monitor's: its rows"),
    ("warden", "brk", HEAP),
    ("parent", "brk", HEAP),
    ("hand", "brk", HEAP),
    ("parent", "mmap", LIBC),
    ("parent", "munmap", LIBC),
    ("parent", "fstat", LIBC),
    ("warden", "munmap", LIBC),
    ("warden", "gettid", NEVER),
    (
        "warden",
        "futex",
        "two threads that start meet at a lock now and then; a failure is a new try",
    ),
    (
        "hand",
        "fcntl",
        "debug builds only, which look for EBADF: a descriptor that was closed twice",
    ),
];

/// Every row.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    let of_nut = DRIVER.iter().chain(SERVER);
    [MONITOR, WARDEN, PARENT, STARTED, SYSLOG, HAND].into_iter().flatten().chain(of_nut)
}
