//! No entry of a list is idle. The daemon runs under strace through all that it does; what
//! a process calls once its list is on is used, since without that entry the call would have killed it. What
//! nobody calls has to have its reason here.
//!
//! Fails when a list gets one more entry (`.any(SYS_getpid)` in `monitor::filter::warden`).
#![cfg(target_arch = "x86_64")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::too_many_lines)]

mod common;

use common::jail::{USERS, Wanted, free_port, heard, own_log};
use common::lists::{call_name, lists};
use common::nut::{Nut, need_nut};
use common::nut_fake::Fake;
use common::sim::{Rig, Setup, below};
use common::{need_root, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Entries that no run here uses, and why they stay.
const EXCUSED: [(&str, &str, &str); 21] = [
    ("monitor", "exit_group", "its warden may be faster, and kill it"),
    ("monitor", "clock_gettime", HPET),
    ("warden", "clock_gettime", HPET),
    ("parent", "clock_gettime", HPET),
    ("hand", "clock_gettime", HPET),
    ("warden", "connect", ASKED),
    ("warden", "socket", ASKED),
    ("warden", "fstat", ASKED),
    ("warden", "accept4", INHERITED),
    ("warden", "shutdown", INHERITED),
    ("warden", "recvfrom", SPOKEN),
    ("warden", "sendto", SPOKEN),
    ("warden", "sendmmsg", SPOKEN),
    ("warden", "brk", HEAP),
    ("parent", "brk", HEAP),
    ("hand", "brk", HEAP),
    ("warden", "futex", "two threads that start meet at a lock now and then"),
    ("warden", "munmap", MUSL),
    ("parent", "mmap", MUSL),
    ("parent", "munmap", MUSL),
    ("parent", "fstat", "fstat(3) is this or newfstatat, by C library"),
];

const INHERITED: &str = "the monitor serves the status, and inherits this list";
const ASKED: &str = "the monitor asks NUT, and inherits this list";
const SPOKEN: &str = "the monitor speaks to other machines, and inherits this list";
const HPET: &str = "a clock source that the vDSO cannot read (hpet); elsewhere no call at all";
const MUSL: &str = "the heap of another C library (musl) maps where glibc moves the break";
const HEAP: &str = "the heap grows where the start left no gap that is large enough";

/// What each process called once its list was on, by its role.
type Used = BTreeMap<&'static str, BTreeSet<String>>;

/// Reads what strace wrote.
fn roles(trace: &str, used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
    let mut role: BTreeMap<&str, &'static str> = BTreeMap::new();
    let mut listed: BTreeSet<&str> = BTreeSet::new();
    let mut monitor_listed = false;
    let mut before: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in trace.lines() {
        let Some((pid, rest)) = line.split_once("> ") else { continue };
        let Some((pid, name)) = pid.split_once('<') else { continue };
        let rest = rest.trim_start();
        let Some((call, arguments)) = rest.split_once('(') else { continue };
        if !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        match (call, name) {
            ("setresuid", _) if arguments.starts_with(&USERS[1].to_string()) => {
                role.insert(pid, "parent");
            }
            ("setresuid", _) if arguments.starts_with(&USERS[0].to_string()) => {
                role.insert(pid, "warden");
            }
            ("setresuid", _) if arguments.starts_with("65534") => {
                role.insert(pid, "reader");
            }
            (_, "upsentry-mon") => {
                role.insert(pid, "monitor");
            }
            (_, "upsentry-hand") => {
                role.insert(pid, "hand");
            }
            _ => {}
        }
        let Some(who) = role.get(pid).copied() else {
            before.entry(pid).or_default().push(format!("{call}({arguments}"));
            continue;
        };
        if who == "monitor" {
            // Until its own list is on it lives on the warden's.
            let list = if monitor_listed { "monitor" } else { "warden" };
            used.entry(list).or_default().insert(call.to_owned());
            monitor_listed |= call == "seccomp";
            continue;
        }
        if listed.contains(pid) {
            used.entry(who).or_default().insert(call.to_owned());
            if who == "warden" && matches!(call, "clone" | "clone3" | "fork") {
                monitor_listed = false;
            }
            continue;
        }
        before.entry(pid).or_default().push(format!("{call}({arguments}"));
        if call == "seccomp" && arguments.starts_with("SECCOMP_SET_MODE_FILTER") {
            listed.insert(pid);
            order.insert(who, before.remove(pid).unwrap_or_default());
        }
    }
}

/// A daemon under strace.
struct Traced {
    rig: Rig,
    trace: std::path::PathBuf,
}

impl Traced {
    fn start(wanted: &Wanted, outer: &[&str]) -> Self {
        Self::start_with(wanted, "shutdown-after 1h", outer)
    }

    fn start_with(wanted: &Wanted, more: &str, outer: &[&str]) -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let file = format!("upsentry-trace-{}-{number}", std::process::id());
        let trace = std::env::temp_dir().join(file);
        let mut wanted = wanted.clone();
        let strace = ["strace", "-f", "-qq", "--decode-pids=comm", "-e", "signal=none", "-o"];
        wanted.wrapper = outer.iter().chain(&strace).map(|word| (*word).to_owned()).collect();
        wanted.wrapper.push(trace.display().to_string());
        Self { rig: wanted.start(more), trace }
    }

    fn wait(&self, said: &str, times: usize) {
        let end = Instant::now() + Duration::from_secs(15);
        while self.rig.stderr().matches(said).count() < times {
            assert!(Instant::now() < end, "not {times} times {said:?}: {}", self.rig.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Until both processes that watch have come to rest.
    fn rest(&self) {
        let calls = || {
            let trace = fs::read_to_string(&self.trace).expect("strace's file");
            let of = |name: &str| trace.matches(&format!("<{name}> madvise(")).count();
            [of("upsentry"), of("upsentry-mon")]
        };
        let before = calls();
        let end = Instant::now() + Duration::from_secs(30);
        while calls().iter().zip(before).any(|(now, before)| *now == before) {
            assert!(Instant::now() < end, "no rest: {}", self.rig.stderr());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn pid(&self, name: &str) -> i32 {
        let mut all = below(self.rig.sim_pid());
        all.reverse();
        let mut named = all.into_iter().filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
        });
        let last = named.next().unwrap_or_else(|| panic!("no {name}: {}", self.rig.stderr()));
        i32::try_from(last).expect("a process id")
    }

    fn signal(&self, name: &str, signal: Signal) {
        kill(Pid::from_raw(self.pid(name)), signal).expect("our own process");
    }

    fn end(self, used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
        self.end_by(Signal::SIGTERM, 0, used, order);
    }

    fn end_by(
        mut self,
        signal: Signal,
        code: i32,
        used: &mut Used,
        order: &mut BTreeMap<&'static str, Vec<String>>,
    ) {
        self.signal("upsentry", signal);
        let found = self.rig.wait_exit(Duration::from_secs(10));
        assert_eq!(found, Some(code), "{}", self.rig.stderr());
        let trace = fs::read_to_string(&self.trace).expect("strace's file");
        roles(&trace, used, order);
        let _ = fs::remove_file(&self.trace);
    }
}

/// A client of the status, which is taken, written to, and seen to go.
fn ask(traced: &Traced) {
    let path = traced.rig.setup().path("status");
    let mut client = std::os::unix::net::UnixStream::connect(path).expect("the status socket");
    client.read_exact(&mut [0; 40]).expect("a snapshot");
}

/// Two ports, every kind of change, and every end of a monitor.
fn over_the_fifo(used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
    let wanted = Wanted { ports: 2, status: true, ..Wanted::new("initctl") };
    let traced = Traced::start(&wanted, &[]);
    traced.wait("ready", 1);
    ask(&traced);
    traced.rig.command("set a cts=0");
    traced.wait("a: on battery", 1);
    traced.rig.command("refuse a on");
    traced.rig.command("set b cts=0");
    traced.wait("on battery; init told", 1);
    traced.rig.command("eio b on");
    traced.wait("b: contact lost", 1);
    traced.rig.command("eio b off");
    traced.wait("b: contact restored", 1);
    // Dead, and hung: the warden is told to kill it.
    traced.signal("upsentry-mon", Signal::SIGKILL);
    traced.wait("monitor ended: SIGKILL", 1);
    traced.wait("a: on battery", 2);
    traced.signal("upsentry-mon", Signal::SIGSTOP);
    traced.wait("monitor convicted", 1);
    traced.wait("a: on battery", 3);
    traced.rig.command("set a cts=1");
    traced.rig.command("set b cts=1");
    traced.wait("mains on; init told", 1);
    traced.rest();
    traced.end(used, order);
}

/// The hand, in a process namespace, so that its SIGPWR reaches nobody.
fn by_signal(used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
    let outer = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let traced = Traced::start(&Wanted::new("signal"), &outer);
    let taken = |word: &str| {
        let file = traced.rig.setup().path("powerstatus");
        let end = Instant::now() + Duration::from_secs(5);
        while fs::read_to_string(&file).ok().as_deref() != Some(word) {
            assert!(Instant::now() < end, "no {word}: {}", traced.rig.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
        // Left there for a moment: the hand looks more than once.
        std::thread::sleep(Duration::from_millis(20));
        fs::remove_file(&file).expect("the powerstatus file");
    };
    traced.wait("ready", 1);
    traced.rig.command("set a cts=0");
    taken("FAIL");
    traced.rig.command("set a cts=1");
    taken("OK");
    traced.end(used, order);
}

/// In the background, with a system log.
fn to_syslog(used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
    let setup = Setup::new();
    let (socket, outer) = own_log(&setup);
    let outer: Vec<&str> = outer.iter().map(String::as_str).collect();
    let wanted = Wanted { background: true, ..Wanted::new("command") };
    let traced = Traced::start(&wanted, &outer);
    heard(&socket, "ready");
    traced.rig.command("set a cts=0");
    traced.end(used, order);
}

/// The parent dies: the others see it and end by themselves.
fn orphaned(used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
    let traced = Traced::start(&Wanted { ports: 2, ..Wanted::new("initctl") }, &[]);
    traced.wait("ready", 1);
    traced.end_by(Signal::SIGKILL, 128 + 9, used, order);
}

/// A master and its slave: polls, answers, a change that is sent to all, and the ends of both.
fn the_fleet(used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
    let port = Some(free_port());
    let master = Traced::start(&Wanted { serves: port, ..Wanted::new("initctl") }, &[]);
    master.wait("ready: 1 of 1", 1);
    let slave = Wanted { ports: 0, asks: port, ..Wanted::new("initctl") };
    let slave = Traced::start(&slave, &[]);
    slave.wait("far: on mains", 1);
    master.rig.command("set a cts=0");
    slave.wait("far: on battery", 1);
    let (mut of_slave, mut of_master) = (Used::new(), Used::new());
    slave.end(&mut of_slave, order);
    master.end(&mut of_master, order);
    // A master's session is drawn before its own list is on; it sends nonces to nobody.
    for (who, used, never) in
        [("master", &of_master, "getrandom"), ("slave", &of_slave, "sendmmsg")]
    {
        for call in ["recvfrom", "sendto", "sendmmsg", "getrandom"] {
            let called = used["monitor"].contains(call);
            assert_eq!(called, call != never, "{call} of the {who}: {used:?}");
        }
        assert!(used["warden"].contains("getrandom"), "{who}: {used:?}");
        assert!(used["parent"].contains("pread64"), "{who}: {used:?}");
    }
    for (role, calls) in of_slave.into_iter().chain(of_master) {
        used.entry(role).or_default().extend(calls);
    }
}

/// A driver, which ends, and its directory with it; and a server that asks the same driver, where there is a NUT, else
/// one that is not there.
fn nut(used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
    let nut = Nut::new(&["dummy"]);
    let fake = Fake::new(&nut, "dummy", "OL");
    let upsd = need_nut().then(|| nut.upsd());
    let port = if upsd.is_some() { nut.port() } else { free_port() };
    let wanted = Wanted { ports: 0, ..Wanted::new("initctl") };
    let more = format!(
        "need 1\nups-conf {}\nups driven\nwatch driver:dummy\ndeadtime 1s\nups served\n\
         watch nut://127.0.0.1:{port}/dummy\n",
        nut.ups_conf().display(),
    );
    let traced = Traced::start_with(&wanted, &more, &[]);
    traced.wait("driven: on mains", 1);
    if upsd.is_some() {
        traced.wait("served: on mains", 1);
    }
    drop(fake);
    fs::remove_dir_all(nut.state()).expect("the directory of its sockets");
    traced.wait("driven: contact lost", 1);
    let mut own = Used::new();
    traced.end(&mut own, order);
    // The sockets for a server are made before the jail is closed, and connected in it.
    for call in ["socket", "connect", "read", "write", "close", "fstat"] {
        assert!(own["monitor"].contains(call), "{call}: {own:?}");
    }
    for (role, calls) in own {
        used.entry(role).or_default().extend(calls);
    }
}

/// A configuration that does not fit in the heap as it is.
fn long_configuration(used: &mut Used, order: &mut BTreeMap<&'static str, Vec<String>>) {
    let setup = Setup::new();
    let mut text = Wanted::new("initctl").config(&setup, "");
    for (more, code) in [("# a line of which there are many\n", 0), ("nonsense\n", 2)] {
        text.push_str(&more.repeat(20_000));
        let config = setup.write("conf", &text);
        let trace = setup.path("trace");
        let checked = Command::new("strace")
            .args(["-f", "-qq", "--decode-pids=comm", "-e", "signal=none", "-o"])
            .args([trace.as_os_str(), common::DAEMON.as_ref(), "-c".as_ref(), config.as_os_str()])
            .arg("check")
            .output()
            .expect("strace");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert_eq!(checked.status.code(), Some(code), "{:?}", said.get(..1000));
        roles(&fs::read_to_string(trace).expect("strace's file"), used, order);
    }
}

#[test]
fn every_entry_is_used() {
    if !need_root() {
        return;
    }
    if !Path::new("/usr/bin/strace").exists() {
        return skip("needs strace");
    }
    let (mut used, mut order) = (Used::new(), BTreeMap::new());
    // First: its warden keeps a group.
    nut(&mut used, &mut order);
    over_the_fifo(&mut used, &mut order);
    by_signal(&mut used, &mut order);
    to_syslog(&mut used, &mut order);
    orphaned(&mut used, &mut order);
    the_fleet(&mut used, &mut order);
    long_configuration(&mut used, &mut order);
    let mut wrong = Vec::new();
    for (role, calls) in lists() {
        let empty = BTreeSet::new();
        let used = used.get(role).unwrap_or(&empty);
        assert!(!used.is_empty(), "{role} was not seen");
        let listed: BTreeSet<String> = calls.into_iter().map(call_name).collect();
        for idle in listed.difference(used) {
            if !EXCUSED.iter().any(|(who, call, _)| *who == role && call == idle) {
                wrong.push(format!("{role}: nobody calls {idle}"));
            }
        }
        // What passed was listed, or strace and this file disagree about who is who.
        for call in used.difference(&listed) {
            wrong.push(format!("{role}: {call} passed, but is not listed"));
        }
        println!("{role}: {used:?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for role in ["parent", "warden", "hand", "reader"] {
        in_order(role, &order[role]);
    }
}

/// The order of the steps in which rights are given up: another one leaves something.
fn in_order(role: &str, calls: &[String]) {
    let id = match role {
        "parent" => USERS[1],
        "warden" => USERS[0],
        _ => 65534,
    };
    let jail = ["parent", "warden"].contains(&role);
    let steps = [
        (true, "close_range(".to_owned()),
        (jail, "chroot(\".\"".to_owned()),
        (true, "chdir(\"/\"".to_owned()),
        (true, "setgroups(0,".to_owned()),
        (true, "prctl(PR_CAPBSET_DROP, CAP_CHOWN".to_owned()),
        (role != "hand", format!("setresgid({id}, {id}, {id}")),
        (role != "hand", format!("setresuid({id}, {id}, {id}")),
        (true, "capset(".to_owned()),
        (role != "hand", "prctl(PR_SET_NO_NEW_PRIVS, 1".to_owned()),
        (role != "hand", "prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE".to_owned()),
        (role != "hand", "landlock_restrict_self(".to_owned()),
        (true, "seccomp(SECCOMP_SET_MODE_FILTER".to_owned()),
    ];
    // Two more of the hand, whose order is another.
    for any in ["prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE", "landlock_restrict_self("] {
        assert!(calls.iter().any(|call| call.starts_with(any)), "{role}: no {any}");
    }
    let mut at = 0;
    for (_, step) in steps.into_iter().filter(|(wanted, _)| *wanted) {
        let found = calls.iter().skip(at).position(|call| call.starts_with(&step));
        at += found.unwrap_or_else(|| panic!("{role}: no {step} in its place: {calls:#?}"));
    }
}
