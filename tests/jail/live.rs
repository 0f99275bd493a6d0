//! The running daemon: its processes have exactly these lists, and what stands for them here is confined as they are.

use crate::common::jail::{
    Status, Wanted, confined, descriptors, fingerprint, limits, live_filters, release, socket_kind,
};
use crate::common::{need_root, skip};
use crate::ground::Ground;
use crate::who::Who;
use seccompiler::BpfProgram;
use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::time::Duration;
use upsentry::monitor::filter as jail;
use upsentry::notifier::filter as notifier;
use upsentry::sys::raw;

/// The evil process above stands for the real ones: /proc shows the same rights of both.
#[test]
fn the_evil_process_is_confined_as_the_real_one() {
    if !need_root() {
        return;
    }
    let alone = [
        (Who::Monitor, "upsentry-mon"),
        (Who::Warden, "upsentry-warden"),
        (Who::Parent, "upsentry"),
        (Who::Hand, "upsentry-hand"),
    ];
    let fleet = [
        (Who::Speaking, "upsentry-mon"),
        (Who::SpeakingWarden, "upsentry-warden"),
        (Who::Parent, "upsentry"),
        (Who::Hand, "upsentry-hand"),
    ];
    let one = |monitor: Who| {
        alone.map(|(who, name)| (if who == Who::Monitor { monitor } else { who }, name))
    };
    let asking = one(Who::Asking).map(|(who, name)| match who {
        Who::Warden => (Who::AskingWarden, name),
        who => (who, name),
    });
    let driver = Wanted { ports: 0, driver: true, ..Wanted::new("signal") };
    let server = Wanted { ports: 0, server: Some("nut"), ..Wanted::new("signal") };
    for (wanted, pairs) in [
        (Wanted::new("signal"), alone),
        (Wanted::fleet("signal"), fleet),
        (Wanted::nut("signal"), asking),
        (driver, [(Who::Watching, "upsentry-mon"); 4]),
        (server, [(Who::Polling, "upsentry-mon"); 4]),
    ] {
        same_rights(&wanted, &pairs);
    }
}

fn same_rights(wanted: &Wanted, pairs: &[(Who, &str)]) {
    let rig = wanted.start("");
    let real = confined(&rig, wanted, Duration::from_secs(10));
    let ground = Ground::new();
    let base = crate::common::jail::own_filters(&Status::of(real["upsentry"]).expect("it runs"));
    assert_eq!(base, 1);
    for (who, name) in pairs.iter().copied() {
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
            crate::common::jail::own_filters(&real_status),
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
) -> (Status, BTreeMap<String, (String, String)>) {
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

/// The running processes of both builds have exactly the compiled lists, and those are the
/// ones that were looked at when these numbers were written down.
#[test]
fn the_live_lists_are_the_compiled_ones() {
    if !need_root() {
        return;
    }
    let fleet = Wanted::fleet("signal");
    for wanted in [
        Wanted { ports: 2, ..Wanted::new("signal") },
        Wanted { ports: 2, status: true, program: release().to_owned(), ..Wanted::new("signal") },
        // A master and slave, the one, the other.
        Wanted { program: release().to_owned(), ..fleet.clone() },
        Wanted { asks: None, status: false, ..fleet.clone() },
        Wanted { serves: None, ports: 0, ..fleet.clone() },
        // Both of NUT's sources, each alone, with a port, and all that there is.
        Wanted { program: release().to_owned(), ..Wanted::nut("signal") },
        Wanted { server: None, status: false, ..Wanted::nut("signal") },
        Wanted { driver: false, server: Some("nut"), ..Wanted::nut("signal") },
        Wanted { ports: 2, driver: true, server: Some("nut+tls"), ..fleet },
    ] {
        let rig = wanted.start("");
        let pids = confined(&rig, &wanted, Duration::from_secs(10));
        for name in ["upsentry", "upsentry-warden", "upsentry-mon", "upsentry-hand"] {
            let Some(live) = live_filters(pids[name]) else {
                return skip("the kernel does not show filters (PTRACE_SECCOMP_GET_FILTER)");
            };
            let own = live.len() - expected(name, &pids, &wanted).len();
            let live: Vec<u64> =
                live.iter().skip(own).map(|program| fingerprint(program)).collect();
            let expected: Vec<u64> =
                expected(name, &pids, &wanted).iter().map(|program| fingerprint(program)).collect();
            assert_eq!(live, expected, "{name} of {:?}", wanted.program);
        }
    }
}

/// The lists for the descriptors that /proc shows, oldest first.
fn expected(name: &str, pids: &BTreeMap<&str, u32>, wanted: &Wanted) -> Vec<BpfProgram> {
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
                pread: find("/proc/1/cmdline", "r"),
                pwrite: [find("/state", "rw"), find("/history", "rw")].concat(),
                truncate: find("/pid", "w"),
                send: Vec::new(),
                shutdown: find("socket:", "rw"),
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
            let monitor = descriptors(pids["upsentry-mon"]);
            let warden = descriptors(pids["upsentry-warden"]);
            let of = |open: &BTreeMap<RawFd, (String, &str)>, kinds: &[Option<&str>]| {
                let kind = |target: &str| {
                    target.starts_with("socket:") && kinds.contains(&socket_kind(target))
                };
                let found = open.iter().filter(|(_, (target, _))| kind(target));
                found.map(|(fd, _)| *fd).collect::<Vec<_>>()
            };
            let status = of(&monitor, &[Some("listening")]).first().copied();
            // Bound one after the other: those to serve with, and the one to ask with.
            let udp = of(&monitor, &[Some("udp"), Some("udp6")]);
            // Those that are for a server are not connected: no table has them.
            let tcp = of(&monitor, &[None]);
            let shown = find("/nut", "r").first().copied();
            // A client's and a driver's have the lowest numbers that nothing else in a monitor has: of what the warden
            // has, its own socket and the news of children are closed there.
            let own = |fd: &RawFd| monitor.contains_key(fd) && warden.contains_key(fd);
            let count = if wanted.status { 4 } else { 0 } + usize::from(wanted.driver);
            let pool = (3..).filter(|fd| !own(fd)).take(count).collect();
            let tls = wanted.server == Some("nut+tls");
            let fds = jail::Fds { status, pool, udp, tcp, tls, shown, ..fds };
            let of_warden = |what: &str| {
                let is = |target: &str| target.contains(what) || socket_kind(target) == Some(what);
                *warden.iter().find(|(_, (target, _))| is(target)).expect("its own").0
            };
            let mut lists = vec![jail::warden(&fds, of_warden("unix"), of_warden("signalfd"))];
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
    let serving = jail::Fds { status: Some(50), pool: vec![3, 4, 5, 6], ..fds.clone() };
    let speaking = jail::Fds { udp: vec![60, 61], ..serving.clone() };
    let watching = jail::Fds { shown: Some(51), pool: vec![3], ..fds.clone() };
    let polling = jail::Fds { tcp: vec![70, 71], ..fds.clone() };
    let asking = jail::Fds {
        shown: Some(51),
        pool: vec![3, 4, 5, 6, 7],
        tcp: vec![70, 71],
        tls: true,
        ..serving.clone()
    };
    let speaker = notifier::Fds { pread: vec![62], ..parent.clone() };
    let lists = [
        ("monitor", jail::monitor(&fds), REVIEWED[0]),
        ("serving", jail::monitor(&serving), REVIEWED[5]),
        ("speaking", jail::monitor(&speaking), REVIEWED[6]),
        ("warden", jail::warden(&fds, 15, 16), REVIEWED[1]),
        ("warden of a speaking one", jail::warden(&speaking, 15, 16), REVIEWED[7]),
        ("parent", notifier::parent(&parent), REVIEWED[2]),
        ("watching a driver", jail::monitor(&watching), REVIEWED[9]),
        ("asking a server", jail::monitor(&polling), REVIEWED[10]),
        ("asking both, and serving", jail::monitor(&asking), REVIEWED[11]),
        ("warden of that one", jail::warden(&asking, 15, 16), REVIEWED[12]),
        ("parent of a speaking one", notifier::parent(&speaker), REVIEWED[8]),
        ("hand", notifier::hand(30, 31), REVIEWED[3]),
        ("reader", notifier::reader(40, 41), REVIEWED[4]),
    ];
    let mut changed = Vec::new();
    for (name, list, reviewed) in lists {
        let program = list.compile().expect("a list");
        let is = fingerprint(&program);
        if is != reviewed {
            changed
                .push(format!("{name}: {reviewed:#x} is {is:#x}, {} instructions", program.len()));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

const REVIEWED: [u64; 13] = [
    0xca78_b2cc_dc8b_9c4e,
    0x1841_ebd6_878b_26c8,
    0x734a_8ef2_fe86_14f7,
    0x2d31_d185_fdea_52d8,
    0x80dd_0e92_5b8b_d10e,
    0xa2a8_79ed_051b_2e81,
    0x42d1_bc23_8d9c_2b5b,
    0xe5f2_abec_5635_be5e,
    0xfc50_ce6b_3168_9303,
    0x3281_a290_a570_66be,
    0x159b_998c_e6a9_1e25,
    0x4f34_57ee_6abc_14ef,
    0xb270_89f9_5040_7b6e,
];
