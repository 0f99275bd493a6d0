//! A start that cannot confine is no start; and what becomes of the others when one of our processes dies,
//! or is made to do what it may not.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::cast_sign_loss)]

mod common;

use common::jail::{
    Call, Status, Wanted, confined, crash, divert, heard, own_log, processes, refuse, soon,
};
use common::need_root;
use common::sim::{Kind, Rig, Setup};
use nix::libc::{self, c_long};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

const SLOW: Duration = Duration::from_secs(10);

fn alive(pid: u32) -> bool {
    Status::of(pid).is_some_and(|status| !status.get("State").starts_with(['Z', 'X']))
}

fn gone_within(pids: impl Iterator<Item = u32>, time: Duration, what: &str) {
    let end = Instant::now() + time;
    let mut left: Vec<u32> = pids.collect();
    while !left.is_empty() {
        assert!(Instant::now() < end, "{what}: still there: {left:?}");
        left.retain(|pid| alive(*pid));
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).expect("a process id")), signal)
        .expect("our own process");
}

// ---- deaths ----

/// Nobody is told by the kernel (PDEATHSIG does not work across users): each sees it
/// by its own pipe or socket.
#[test]
fn nobody_outlives_the_parent() {
    if !need_root() {
        return;
    }
    for via in ["initctl", "signal", "command"] {
        for background in [false, true] {
            let wanted = Wanted { background, ..Wanted::new(via) };
            let mut rig = wanted.start("");
            if background {
                rig.wait_for(|event| matches!(event.kind, Kind::Exit(_)), SLOW)
                    .expect("it returns");
            }
            let mut pids = confined(&rig, &wanted, SLOW);
            let parent = pids.remove("upsentry").expect("a parent");
            send(parent, Signal::SIGKILL);
            gone_within(pids.into_values(), soon(), &format!("{wanted:?}"));
        }
    }
}

/// A monitor that is made to do what it may not is killed, said to have died so, and replaced; init
/// hears nothing of it. These are the real processes, with their own walls.
#[test]
fn a_diverted_monitor_is_killed_and_replaced() {
    if !need_root() {
        return;
    }
    let wanted = Wanted::new("initctl");
    let mut rig = wanted.start("");
    let mut pids = confined(&rig, &wanted, SLOW);
    let evil: [(c_long, &[u64]); 8] = [
        (libc::SYS_openat, &[libc::AT_FDCWD as u64]),
        (libc::SYS_socket, &[1, 1]),
        (libc::SYS_execve, &[]),
        (libc::SYS_clone, &[17]),
        (libc::SYS_kill, &[0, 9]),
        (libc::SYS_ptrace, &[]),
        (libc::SYS_mprotect, &[0, 4096, 4]),
        (libc::SYS_io_uring_setup, &[1]),
    ];
    for (index, (number, args)) in evil.into_iter().enumerate() {
        divert(pids["upsentry-mon"], Call::new(number, args));
        pids = replaced(&rig, &wanted, &pids, "monitor ended: SIGSYS", index + 1);
    }
    crash(pids["upsentry-mon"]);
    pids = replaced(&rig, &wanted, &pids, "monitor ended: SIGSEGV", 1);
    assert!(rig.inits().is_empty(), "{:?}", rig.inits());
    // And it works.
    std::thread::sleep(Duration::from_millis(300));
    rig.command("set a cts=0");
    assert_eq!(rig.wait_inits(1, SLOW).len(), 1, "{}", rig.stderr());
    assert_eq!(processes(&rig, &wanted), Some(pids));
}

fn replaced(
    rig: &Rig,
    wanted: &Wanted,
    old: &BTreeMap<&'static str, u32>,
    said: &str,
    times: usize,
) -> BTreeMap<&'static str, u32> {
    let end = Instant::now() + SLOW;
    loop {
        let new = confined(rig, wanted, SLOW);
        if new["upsentry-mon"] != old["upsentry-mon"] {
            assert_eq!(rig.stderr().matches(said).count(), times, "{said}: {}", rig.stderr());
            return new;
        }
        assert!(Instant::now() < end, "not replaced: {}", rig.stderr());
    }
}

/// The others, made to do what they may not: each is killed, and nothing is left of the daemon.
#[test]
fn the_others_are_killed_too() {
    if !need_root() {
        return;
    }
    for (who, said) in [
        ("upsentry", ""),
        ("upsentry-warden", "the warden is gone; ending"),
        ("upsentry-hand", "init cannot be told; ending"),
    ] {
        let wanted = Wanted::new("signal");
        let rig = wanted.start("");
        let pids = confined(&rig, &wanted, SLOW);
        divert(pids[who], Call::new(libc::SYS_socket, &[1, 1]));
        gone_within(pids.values().copied(), 2 * soon(), who);
        assert!(rig.stderr().contains(said), "{who}: {}", rig.stderr());
    }
}

// ---- refusals ----

/// Starts it with a changed configuration or place; its exit status and what it said.
fn try_start(wanted: &Wanted, change: impl Fn(&Setup, String) -> String) -> (Option<i32>, String) {
    let setup = Setup::new().port("a", "cts=1,dcd=1");
    let text = change(&setup, wanted.config(&setup, ""));
    let config = setup.write("conf", &text).display().to_string();
    let mut words = wanted.wrapper.clone();
    words.push(wanted.program.display().to_string());
    words.extend(["-c", &config, "-f", "--log", "stderr"].map(str::to_owned));
    let mut rig = setup.start(&words[0], &words[1..]);
    let code = rig.wait_exit(SLOW);
    (code, rig.stderr())
}

fn refused(wanted: &Wanted, said: &str, change: impl Fn(&Setup, String) -> String) {
    let (code, stderr) = try_start(wanted, change);
    assert_eq!(code, Some(1), "{said}: {stderr}");
    assert!(stderr.contains(said), "not {said:?}: {stderr}");
    assert!(!stderr.contains("ready"), "{stderr}");
}

#[test]
fn only_root_can_start_it() {
    if !need_root() {
        return;
    }
    // A copy: the place where cargo builds may be closed to others.
    let setup = Setup::new();
    let copy = setup.path("upsentry");
    fs::copy(common::DAEMON, &copy).expect("a copy");
    let config = setup.write("conf", &Wanted::new("initctl").config(&setup, ""));
    let mut command = Command::new(copy);
    command.args(["-c".as_ref(), config.as_os_str()]).arg("-f").uid(64003).gid(64003);
    let output = command.output().expect("the daemon");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("must be started by root"), "{said}");
}

#[test]
fn a_jail_that_is_none_is_refused() {
    if !need_root() {
        return;
    }
    let wanted = Wanted::new("initctl");
    let jail = |setup: &Setup| {
        let empty = setup.path("empty");
        fs::create_dir(&empty).expect("a directory");
        empty
    };
    let says = "must be a directory of root's that nobody else can write in";
    refused(&wanted, says, |setup, text| {
        chown(jail(setup), Some(64001), None).expect("as root");
        text
    });
    for mode in [0o777, 0o775, 0o757] {
        refused(&wanted, says, |setup, text| {
            fs::set_permissions(jail(setup), PermissionsExt::from_mode(mode)).expect("as root");
            text
        });
    }
    refused(&wanted, says, |setup, text| {
        let elsewhere = setup.path("elsewhere");
        fs::create_dir(&elsewhere).expect("a directory");
        std::os::unix::fs::symlink(elsewhere, setup.path("empty")).expect("a link");
        text
    });
    refused(&wanted, "must be empty", |setup, text| {
        fs::write(jail(setup).join("file"), "").expect("a file");
        text
    });
}

#[test]
fn users_that_will_not_do_are_refused() {
    if !need_root() {
        return;
    }
    let wanted = Wanted::new("initctl");
    let user = |text: String, user: &str| text.replace("user 64001\n", &format!("user {user}\n"));
    let line =
        "useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin";
    refused(&wanted, line, |_, text| user(text, "nobody-of-this-name"));
    for root in ["root", "0"] {
        let (code, said) = try_start(&wanted, |_, text| user(text, root));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("no process of upsentry may stay root"), "{said}");
    }
    // The same user by name and by number.
    refused(&wanted, "are the same uid", |_, text| {
        user(text, "nobody").replace("notifier-user 64002\n", "notifier-user 65534\n")
    });
}

// ---- calls that fail ----

/// Names the call that fails under [`under_an_outer_filter`], and how.
const FAILS: &str = "UPSENTRY_TEST_FAILS";

/// Not a test: puts on a filter that makes a call fail, then becomes the daemon.
#[test]
#[ignore = "the other tests of this file run it"]
fn under_an_outer_filter() {
    let Ok(fails) = std::env::var(FAILS) else { return };
    let daemon = std::env::var("UPSENTRY_TEST_DAEMON").expect("a command line");
    let [call, how] = fails.split(' ').collect::<Vec<_>>()[..] else { panic!("{fails}") };
    let number = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    let action = match how {
        "ENOSYS" => number(libc::ENOSYS),
        "EINVAL" => number(libc::EINVAL),
        "EPERM" => number(libc::EPERM),
        _ => SeccompAction::Trace(0),
    };
    let argument = |index, value| {
        let is = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
        vec![SeccompRule::new(vec![is.expect("a condition")]).expect("a rule")]
    };
    let (call, rules) = match call {
        "seccomp" => (libc::SYS_seccomp, Vec::new()),
        "chroot" => (libc::SYS_chroot, Vec::new()),
        "setgroups" => (libc::SYS_setgroups, Vec::new()),
        "setresuid" => (libc::SYS_setresuid, Vec::new()),
        "setresgid" => (libc::SYS_setresgid, Vec::new()),
        "capset" => (libc::SYS_capset, Vec::new()),
        "close_range" => (libc::SYS_close_range, Vec::new()),
        "landlock_create_ruleset" => (libc::SYS_landlock_create_ruleset, Vec::new()),
        "landlock_restrict_self" => (libc::SYS_landlock_restrict_self, Vec::new()),
        "dumpable" => (libc::SYS_prctl, argument(0, libc::PR_SET_DUMPABLE as u64)),
        "nproc" => (libc::SYS_prlimit64, argument(1, u64::from(libc::RLIMIT_NPROC))),
        other => panic!("{other}"),
    };
    let arch = std::env::consts::ARCH.try_into().expect("a known machine");
    let filter = SeccompFilter::new([(call, rules)].into(), SeccompAction::Allow, action, arch);
    let program = BpfProgram::try_from(filter.expect("a filter")).expect("a filter");
    if how == "TRACE" {
        nix::sys::signal::raise(Signal::SIGSTOP).expect("a signal");
    }
    seccompiler::apply_filter(&program).expect("a filter");
    let words: Vec<&str> = daemon.split(' ').collect();
    panic!("{}", Command::new(words[0]).args(&words[1..]).exec());
}

/// Runs the daemon where a call fails.
fn where_fails(via: &'static str, call: &str, how: &str) -> Wanted {
    let this = std::env::current_exe().expect("our own path");
    let script = format!(
        "{FAILS}='{call} {how}' UPSENTRY_TEST_DAEMON=\"$*\" exec {} --ignored --exact --nocapture \
         under_an_outer_filter",
        this.display()
    );
    Wanted { wrapper: ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec(), ..Wanted::new(via) }
}

/// A step of the confinement that fails ends the start.
#[test]
fn every_step_has_to_succeed() {
    if !need_root() {
        return;
    }
    for (via, call, how, said) in [
        ("initctl", "seccomp", "ENOSYS", "seccomp"),
        ("initctl", "seccomp", "EINVAL", "seccomp"),
        ("initctl", "chroot", "EPERM", "chroot: EPERM"),
        ("initctl", "setgroups", "EPERM", "setgroups: EPERM"),
        ("initctl", "setresuid", "EPERM", "setresuid: EPERM"),
        ("initctl", "setresgid", "EPERM", "setresgid: EPERM"),
        ("initctl", "capset", "EPERM", " set: "),
        ("initctl", "close_range", "ENOSYS", "close_range: ENOSYS"),
        ("initctl", "dumpable", "EPERM", "not dumpable: EPERM"),
        ("initctl", "nproc", "EPERM", "the monitor cannot be confined: RLIMIT_NPROC"),
        ("initctl", "landlock_restrict_self", "EPERM", "Landlock"),
    ] {
        refused(&where_fails(via, call, how), said, |_, text| text);
    }
}

/// Landlock alone may be missing, and the log says so.
#[test]
fn without_landlock_it_says_so() {
    if !need_root() {
        return;
    }
    let wanted = where_fails("initctl", "landlock_create_ruleset", "ENOSYS");
    let mut rig = wanted.start("");
    confined_outside(&rig, "ready");
    assert!(rig.stderr().contains("this kernel has no Landlock"), "{}", rig.stderr());
    rig.signal(Signal::SIGTERM);
    assert_eq!(rig.wait_exit(SLOW), Some(0));
}

fn confined_outside(rig: &Rig, said: &str) {
    let end = Instant::now() + SLOW;
    while !rig.stderr().contains(said) {
        assert!(Instant::now() < end, "no {said:?}: {}", rig.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A list that cannot be put on, in each process by itself: the start ends, with a word on who it was,
/// and nothing is left.
#[test]
fn no_process_goes_on_without_its_list() {
    if !need_root() {
        return;
    }
    let reader = "upsentry: the reader of /";
    for (via, who, uid, said) in [
        ("initctl", "upsentry", 65534, reader),
        ("initctl", "upsentry", 64002, "upsentry: seccomp"),
        ("initctl", "upsentry-warden", 64001, "the warden is gone; ending"),
        ("initctl", "upsentry-mon", 64001, "the monitor cannot be confined: seccomp"),
        ("signal", "upsentry-hand", 0, "init cannot be told; ending"),
    ] {
        let wanted = where_fails(via, "seccomp", "TRACE");
        let mut rig = wanted.start("");
        let pid = rig.pid();
        let end = Instant::now() + SLOW;
        while !Status::of(pid).is_some_and(|status| status.get("State").starts_with('T')) {
            assert!(Instant::now() < end, "it does not stop: {}", rig.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
        // The helper's own filter is not on yet, so each call that is asked about is the daemon's.
        let tracer = std::thread::spawn(move || {
            refuse(pid, libc::EINVAL, |pid| {
                let status = Status::of(pid).expect("it is stopped");
                status.get("Name") == who && status.get("Uid").starts_with(&format!("{uid} "))
            })
        });
        assert_eq!(rig.wait_exit(SLOW), Some(1), "{who} {uid}: {}", rig.stderr());
        assert_eq!(tracer.join().expect("the tracer"), 1, "{who} {uid}: {}", rig.stderr());
        assert!(rig.stderr().contains(said), "{who} {uid}: {}", rig.stderr());
        assert!(!rig.stderr().contains("ready"), "{who} {uid}: {}", rig.stderr());
    }
}

/// In the background nobody reads standard error once it is closed: the system log has the reason.
#[test]
fn what_fails_in_the_background_is_logged() {
    if !need_root() {
        return;
    }
    let setup = Setup::new();
    let (socket, outer) = own_log(&setup);
    let mut wanted = where_fails("initctl", "chroot", "EPERM");
    wanted.wrapper = outer.into_iter().chain(wanted.wrapper).collect();
    wanted.background = true;
    let mut rig = wanted.start("");
    assert_eq!(rig.wait_exit(SLOW), Some(1), "{}", rig.stderr());
    heard(&socket, "upsentry: chroot: EPERM");
}
