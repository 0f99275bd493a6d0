//! The confinement as /proc shows it: every process and thread of a running daemon, one statement after
//! the other, for each way to tell init, in the foreground and the background, with one UPS and two, of the
//! debug and the release build.
//!
//! Each statement fails when its line of `sys::confine` (or of `notifier::start`, for the hand) is taken
//! out; those of `verify` there have to go too, or the daemon itself refuses.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::jail::{
    NOTIFY, Status, USERS, Wanted, confined, descriptors, filters, free_port, limits, own_filters,
    processes, release, signals, socket_kind, soon,
};
use common::need_root;
use common::sim::{Kind, Rig};
use nix::libc;
use std::collections::BTreeMap;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A daemon and its processes.
struct Daemon {
    wanted: Wanted,
    rig: Rig,
    /// Who may have started it.
    _supervisor: UnixDatagram,
    pids: BTreeMap<&'static str, u32>,
}

fn start(wanted: Wanted) -> Daemon {
    // What the caller leaves to the daemon: an environment, open descriptors, ignored signals, a mask.
    let mut wanted = wanted;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("upsentry-proc-{}-{number}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let supervisor = UnixDatagram::bind_addr(&address).expect("a supervisor's socket");
    let caller = format!(
        "umask 0; exec 7</etc/passwd; LEAK=upsentry-leak RUST_BACKTRACE=full \
         NOTIFY_SOCKET=@{name} exec env --ignore-signal=CHLD,USR1,HUP,INT,QUIT,TERM,PWR \"$@\""
    );
    wanted.wrapper = ["sh", "-c", &caller, "sh"].map(str::to_owned).to_vec();
    let mut rig = wanted.start("");
    let started = Instant::now();
    let pids = if wanted.background {
        // It returns when each UPS has said its first state, and that takes longer than being confined.
        let exit =
            rig.wait_for(|event| matches!(event.kind, Kind::Exit(_)), Duration::from_secs(10));
        let exit = exit.unwrap_or_else(|| panic!("it does not return: {}", rig.stderr()));
        assert!(exit.is("exit 0"), "{exit:?}: {}", rig.stderr());
        confined(&rig, &wanted, soon())
    } else {
        confined(&rig, &wanted, soon().saturating_sub(started.elapsed()))
    };
    Daemon { wanted, rig, _supervisor: supervisor, pids }
}

fn all(daemon: &Daemon) {
    for (name, pid) in &daemon.pids {
        rights(daemon, name, *pid);
        surroundings(daemon, name, *pid);
        open_files(daemon, name, *pid);
        bounds(name, *pid);
    }
    same_pipes(daemon);
}

/// Users, groups, capabilities, lists, signals, threads.
fn rights(daemon: &Daemon, name: &str, pid: u32) {
    let [user, notifier] = USERS;
    let hand = name == "upsentry-hand";
    let runs_commands = hand && daemon.wanted.via == "command";
    let id = match name {
        "upsentry" => notifier,
        "upsentry-hand" => 0,
        "upsentry-notify" => NOTIFY,
        _ => user,
    };
    let threads = Status::threads(pid);
    let count = match name {
        "upsentry-mon" => 1 + daemon.wanted.ports,
        // The one that writes the history.
        "upsentry" => 2,
        _ => 1,
    };
    assert_eq!(threads.len(), count, "threads of {name}");
    for status in threads {
        let is = |field: &str, value: &str| {
            assert_eq!(status.get(field), value, "{field} of {name}: {:?}", daemon.wanted);
        };
        is("Name", name);
        is("Uid", &[id.to_string().as_str(); 4].join(" "));
        is("Gid", &[id.to_string().as_str(); 4].join(" "));
        is("Groups", "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            is(set, "0000000000000000");
        }
        if runs_commands {
            // What comes back at exec, and not before.
            assert_eq!(
                status.mask("CapBnd"),
                Status::of(daemon.rig.sim_pid()).expect("upsim").mask("CapBnd")
            );
            is("NoNewPrivs", "0");
        } else {
            is("CapBnd", "0000000000000000");
            is("NoNewPrivs", "1");
        }
        // The simulator's own list is why the hand has 2 here as well.
        is("Seccomp", "2");
        assert_eq!(own_filters(&status), filters(name, &daemon.wanted), "lists of {name}");
        assert!(
            daemon.wanted.via != "initctl" || !status.get("Uid").split(' ').any(|id| id == "0")
        );
        // All that can be blocked; 32 and 33 are the C library's.
        let blocked = !signals(&[libc::SIGKILL, libc::SIGSTOP, 32, 33]);
        assert_eq!(status.mask("SigBlk"), blocked, "SigBlk of {name}");
        let ignored = status.mask("SigIgn") & !signals(&[32, 33]);
        assert_eq!(ignored, signals(&[libc::SIGPIPE]), "SigIgn of {name}");
        // std looks for stack overflows, the C library cancels threads; all blocked but its own two.
        let known = signals(&[libc::SIGSEGV, libc::SIGBUS, 32, 33]);
        assert_eq!(status.mask("SigCgt") & !known, 0, "SigCgt of {name}");
    }
}

/// Root, working directory, environment, and who may look.
fn surroundings(daemon: &Daemon, name: &str, pid: u32) {
    let link =
        |file: &str| fs::read_link(format!("/proc/{pid}/{file}")).expect("a running process");
    let empty = daemon.rig.setup().path("empty").canonicalize().expect("the jail's root");
    let runs = ["upsentry-hand", "upsentry-notify"].contains(&name);
    let root = if runs { Path::new("/") } else { empty.as_path() };
    assert_eq!((link("root").as_path(), link("cwd").as_path()), (root, root), "{name}");
    if root == empty {
        let seen = fs::metadata(format!("/proc/{pid}/root/")).expect("the jail's root");
        assert_eq!((seen.uid(), seen.gid(), seen.mode() & 0o7777), (0, 0, 0o555), "root of {name}");
        let inside = fs::read_dir(format!("/proc/{pid}/root/")).expect("the jail's root").count();
        assert_eq!(inside, 0, "files in the root of {name}");
    }
    let environ = fs::read(format!("/proc/{pid}/environ")).expect("as root");
    assert!(environ.iter().all(|byte| *byte == 0), "environ of {name}: {environ:?}");
    // Not dumpable: its files are root's, whoever it runs as.
    for file in ["environ", "mem", "maps", "fd"] {
        let owner = fs::metadata(format!("/proc/{pid}/{file}")).expect("a running process").uid();
        assert_eq!(owner, 0, "owner of {file} of {name}");
    }
}

/// Exactly these descriptors, by kind.
fn open_files(daemon: &Daemon, name: &str, pid: u32) {
    let setup = daemon.rig.setup();
    let kind = |target: &str, access: &str| {
        let what = match target {
            "/dev/null" => "null",
            "/dev/kmsg" => "kernel's log",
            "anon_inode:[eventfd]" => "eventfd",
            "anon_inode:[signalfd]" => "signalfd",
            _ if target.starts_with("pipe:") => "pipe",
            "/proc/1/cmdline" => "init's title",
            _ if target.starts_with("socket:") => socket_kind(target).expect("a socket"),
            _ if target.starts_with("/dev/pts/") => "tty",
            _ => match Path::new(target).strip_prefix(setup.path("")) {
                Ok(inside) => inside.to_str().expect("ASCII"),
                Err(_) => target,
            },
        };
        format!("{what} {access}").trim().to_owned()
    };
    let open = descriptors(pid);
    let mut found: Vec<String> =
        open.values().map(|(target, access)| kind(target, access)).collect();
    found.sort();
    let wanted = &daemon.wanted;
    let mut expected = vec!["null rw", "null rw"];
    match name {
        "upsentry" => {
            // The event and the log pipe; the warden's socket; TERM, INT and HUP.
            expected.extend(["pipe r", "pipe r", "unix rw", "signalfd rw", "state rw", "pid w"]);
            // Where it tells the jail of its page; the history, and both ends of the pipe to its thread.
            expected.extend(["eventfd rw", "history rw", "pipe r", "pipe w"]);
            expected.extend(if wanted.via == "initctl" { ["initctl w"] } else { ["unix rw"] });
            // Where it said that the start was over, or where its supervisor hears that it lives; where it says
            // what happened.
            expected.push(if wanted.background { "pipe w" } else { "unix rw" });
            expected.extend(wanted.notify.then_some("pipe w"));
            expected.extend(log(wanted));
            // Where it reads the runlevel; no key, no UDP socket, none that listens.
            expected.extend((wanted.serves.or(wanted.asks).is_some()).then_some("init's title r"));
        }
        "upsentry-warden" => {
            expected.extend(["null rw", "pipe w", "pipe w", "unix rw", "signalfd rw"]);
            expected.extend(jailed(wanted));
        }
        "upsentry-mon" => {
            expected.extend(["null rw", "pipe w", "pipe w"]);
            expected.extend(jailed(wanted));
        }
        "upsentry-hand" => {
            expected.extend(["null rw", "unix rw"]);
            // The powerstatus file's directory: the rig's.
            expected.extend((wanted.via == "signal").then_some("r"));
        }
        "upsentry-notify" => {
            // The parent's records, and the ends of its children.
            expected.extend(["pipe r", "signalfd rw"]);
            expected.extend(log(wanted));
        }
        other => panic!("{other}"),
    }
    expected.sort_unstable();
    assert_eq!(found, expected, "descriptors of {name} {wanted:?}: {open:?}");
}

/// Descriptor 2, and where the log goes.
fn log(wanted: &Wanted) -> Vec<&'static str> {
    if !wanted.background {
        return vec!["stderr w"];
    }
    let mut all = vec!["null rw"];
    all.extend(Path::new("/dev/kmsg").exists().then_some("kernel's log w"));
    let syslog = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    all.extend(syslog.connect("/dev/log").is_ok().then_some("unix rw"));
    all
}

/// What the jail's two processes have alike: ports, the pokes, and the sockets.
fn jailed(wanted: &Wanted) -> Vec<&'static str> {
    let mut all = vec!["eventfd rw", "eventfd rw"];
    all.extend(vec!["tty rw"; wanted.ports]);
    all.extend(wanted.status.then_some("listening rw"));
    // One of each family to answer with; one of both to ask with.
    all.extend(wanted.serves.map(|_| ["udp rw", "udp6 rw"]).into_iter().flatten());
    all.extend(wanted.asks.map(|_| "udp6 rw"));
    all
}

/// Resource limits.
fn bounds(name: &str, pid: u32) {
    if name == "upsentry-hand" {
        // The command would inherit them.
        return;
    }
    let found = limits(pid);
    let is = |limit: &str, value: &str| {
        let both = (value.to_owned(), value.to_owned());
        assert_eq!(found.get(limit), Some(&both), "{limit} of {name}");
    };
    is("Max core file size", "0");
    is("Max locked memory", "0");
    is("Max msgqueue size", "0");
    let logs = ["upsentry", "upsentry-notify"].contains(&name);
    is("Max file size", if logs { "1048576" } else { "0" });
    if name == "upsentry-notify" {
        // What the command has, too.
        is("Max processes", "64");
        is("Max data size", &(64 << 20).to_string());
        return;
    }
    is("Max data size", &(16 << 20).to_string());
    if name == "upsentry-mon" {
        is("Max processes", "0");
    }
    let highest = descriptors(pid).into_keys().next_back().expect("descriptors");
    let files: i32 = found["Max open files"].1.parse().expect("a number");
    // No more than it was born with, poll(2) apart, which wants room for what it waits for.
    assert!((highest + 1..=highest.max(16) + 8).contains(&files), "{files} files of {name}");
}

/// The two pipes join these processes and nobody else.
fn same_pipes(daemon: &Daemon) {
    let pipes = |name: &str, end: &str| {
        let open = descriptors(daemon.pids[name]).into_values();
        let pipes = open.filter(|(target, access)| target.starts_with("pipe:") && *access == end);
        let mut pipes: Vec<String> = pipes.map(|(target, _)| target).collect();
        pipes.sort();
        pipes
    };
    let mut read = pipes("upsentry", "r");
    // The pipe of the history goes to a thread of the same process.
    let own = pipes("upsentry", "w");
    let both = read.len();
    read.retain(|pipe| !own.contains(pipe));
    assert_eq!(read.len(), both - 1, "{own:?}");
    assert_eq!(read, pipes("upsentry-warden", "w"));
    assert_eq!(read, pipes("upsentry-mon", "w"));
}

fn each_shape(via: &'static str) {
    if !need_root() {
        return;
    }
    for release_build in [false, true] {
        for (background, ports) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
            let status = ports == 2;
            let notify = background == (ports == 1);
            let mut wanted = Wanted { background, ports, status, notify, ..Wanted::new(via) };
            if release_build {
                wanted.program = release().to_owned();
            }
            all(&start(wanted));
        }
    }
}

#[test]
fn every_process_of_via_initctl() {
    each_shape("initctl");
}

#[test]
fn every_process_of_via_signal() {
    each_shape("signal");
}

#[test]
fn every_process_of_via_command() {
    each_shape("command");
}

/// A master, a slave, and a machine that is both, with the status and without.
#[test]
fn every_process_of_a_fleet() {
    if !need_root() {
        return;
    }
    let port = Some(free_port());
    for via in ["initctl", "signal"] {
        let master = Wanted { serves: port, ..Wanted::new(via) };
        let slave = Wanted { ports: 0, asks: port, ..Wanted::new(via) };
        let both = Wanted { ports: 2, status: true, asks: port, ..master.clone() };
        let release_build = release().to_owned();
        for wanted in [
            Wanted { background: true, ..master.clone() },
            Wanted { status: true, ..slave.clone() },
            Wanted { program: release_build.clone(), ..slave },
            Wanted { status: true, program: release_build, ..master },
            both,
        ] {
            all(&start(wanted));
        }
    }
}

/// A monitor that replaces another is confined as the first was.
#[test]
fn a_replaced_monitor_is_confined_too() {
    if !need_root() {
        return;
    }
    let fleet = Wanted { ports: 2, ..Wanted::fleet("initctl") };
    for wanted in [Wanted::new("initctl"), Wanted { ports: 2, ..Wanted::new("initctl") }, fleet] {
        let mut daemon = start(wanted);
        for _ in 0..3 {
            let old = daemon.pids["upsentry-mon"];
            kill(&old.to_string(), "KILL");
            let end = Instant::now() + soon();
            let same = |new: BTreeMap<&str, u32>| new["upsentry-mon"] == old;
            while processes(&daemon.rig, &daemon.wanted).is_none_or(same) {
                assert!(Instant::now() < end, "no new monitor: {}", daemon.rig.stderr());
                std::thread::sleep(Duration::from_millis(2));
            }
            daemon.pids = confined(&daemon.rig, &daemon.wanted, soon());
            all(&daemon);
        }
    }
}

fn kill(pid: &str, signal: &str) {
    let done = std::process::Command::new("kill").args(["-s", signal, pid]).status();
    assert!(done.is_ok_and(|status| status.success()), "kill -s {signal} {pid}");
}

/// The caller's mask does not decide who may read the files that scripts read.
#[test]
fn files_have_their_modes_whatever_the_mask() {
    if !need_root() {
        return;
    }
    for mask in ["0", "077"] {
        let mut wanted = Wanted::new("initctl");
        wanted.wrapper =
            ["sh", "-c", &format!("umask {mask}; exec \"$@\""), "sh"].map(str::to_owned).to_vec();
        let rig = wanted.start("");
        confined(&rig, &wanted, soon());
        for (file, mode) in [("state", 0o644), ("pid", 0o644), ("empty", 0o555)] {
            let seen = fs::metadata(rig.setup().path(file)).expect(file);
            assert_eq!((seen.uid(), seen.mode() & 0o7777), (0, mode), "{file} under umask {mask}");
        }
    }
}

/// A second daemon is refused, also after the first has gone to the background: the process that
/// returned to the shell must not have taken the lock with it.
#[test]
fn a_second_instance_is_refused() {
    if !need_root() {
        return;
    }
    for background in [false, true] {
        let daemon = start(Wanted { background, ..Wanted::new("initctl") });
        let pid = daemon.pids["upsentry"];
        let config = daemon.rig.setup().path("conf");
        let second = std::process::Command::new(common::DAEMON).arg("-c").arg(config).output();
        let second = second.expect("the daemon");
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        assert_eq!(second.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("already running (pid {pid} holds")), "{said}");
    }
}

/// SIGCONT restarts a call that waits; restart_syscall(2) is on no list, because ppoll needs none.
#[test]
fn stopped_and_continued_processes_live() {
    if !need_root() {
        return;
    }
    for via in ["initctl", "command"] {
        let daemon = start(Wanted { ports: 2, ..Wanted::new(via) });
        for pid in daemon.pids.values() {
            for signal in ["STOP", "CONT"] {
                kill(&pid.to_string(), signal);
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        daemon.rig.command("set a cts=0");
        let end = Instant::now() + Duration::from_secs(3);
        while !daemon.rig.stderr().contains("a: on battery") {
            assert!(Instant::now() < end, "{}", daemon.rig.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
        let now = processes(&daemon.rig, &daemon.wanted);
        assert_eq!(now.as_ref(), Some(&daemon.pids), "{}", daemon.rig.stderr());
    }
}

/// In kB, of a process's own memory and of files.
fn mapped(pid: u32) -> u64 {
    let all = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("its memory");
    let size = all.lines().find_map(|line| line.strip_prefix("Rss:")?.split_whitespace().next());
    size.expect("a size").parse().expect("a number")
}

/// What only the start needs of the program is unmapped when nothing happens any more, and again after an outage.
#[test]
fn at_rest_little_is_mapped() {
    if !need_root() {
        return;
    }
    let mut daemon = start(Wanted::new("initctl"));
    for _ in 0..2 {
        let names = ["upsentry", "upsentry-mon"];
        for (name, before) in names.map(|name| (name, mapped(daemon.pids[name]))) {
            let pid = daemon.pids[name];
            let end = Instant::now() + soon() + Duration::from_secs(20);
            while mapped(pid) + 100 > before {
                assert!(Instant::now() < end, "{name}: {before} kB, then {} kB", mapped(pid));
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        daemon.rig.command("pulse a cts=0 600ms");
        daemon.rig.wait_for(|event| event.init("powerok"), soon()).expect("the end of an outage");
        std::thread::sleep(Duration::from_secs(1));
    }
}
