//! An evil process, confined as ours, that makes one call.

use crate::common::jail::{Call, Outcome, USERS, Way, address, make, text};
use crate::common::{need_root, skip};
use crate::ground::Ground;
use crate::matrix::{matrix, works};
use crate::run;
use crate::who::{ALL, Who};
use nix::libc::{self, c_long};
use nix::unistd::{Gid, Uid};
use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use upsentry::sys::confine::{Walls, confine};
use upsentry::sys::raw;

/// One evil call each, in a process confined as ours. All that is not listed is killed.
#[test]
fn an_evil_process_is_killed() {
    if !need_root() {
        return;
    }
    let ground = Ground::new();
    let (names, ways): (Vec<_>, Vec<_>) = matrix(&ground).into_iter().unzip();
    assert!(names.len() > 390, "{}", names.len());
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

pub(crate) fn refused(who: Who, ground: &Ground, calls: Vec<(c_long, Vec<u64>)>, with: &[i32]) {
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
        let own = Walls::new(&keep, Uid::from_raw(USERS[0]), Gid::from_raw(USERS[0]));
        confine(&Walls { root: Some(&ground.empty), ..own }).map(drop)
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
    for who in ALL.into_iter().filter(|who| who.is_monitor() || who.is_warden()) {
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
