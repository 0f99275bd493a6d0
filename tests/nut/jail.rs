//! What the kernel says of the processes of a daemon that watches NUT: the walls are as high as with serial lines, with
//! one group and one directory more for a driver.

use crate::common::jail::{Call, Status, descriptors, divert, own_filters, socket_kind};
use crate::common::memory::holds;
use crate::common::nut::{GROUP, Nut, need_nut};
use crate::driver::running;
use crate::rig::Daemon;
use crate::{BOTH, Source, watching};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The jailed user, and the parent's, as the rig has them.
const MONITOR: u32 = 64998;
const PARENT: u32 = 64999;

/// Waits until all are there and the monitor has put its own list on, beside the warden's.
fn confined(daemon: &Daemon) -> BTreeMap<&'static str, u32> {
    let end = Instant::now() + crate::rig::LONG;
    loop {
        let all = ["upsentry", "upsentry-warden", "upsentry-mon"];
        let all = all.map(|name| daemon.process(name).map(|pid| (name, pid)));
        let all: Option<BTreeMap<_, _>> = all.into_iter().collect();
        let ready = |monitor| Status::of(monitor).is_some_and(|status| own_filters(&status) == 2);
        if let Some(all) = all.filter(|all| ready(all["upsentry-mon"])) {
            return all;
        }
        assert!(Instant::now() < end, "not confined: {}", daemon.rig.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// No rights, none to be had, and a list of calls.
fn powerless(name: &str, pid: u32, user: u32, groups: &[u32]) {
    let wanted: Vec<String> = groups.iter().map(u32::to_string).collect();
    let threads = Status::threads(pid);
    assert!(!threads.is_empty(), "{name} is gone");
    for status in threads {
        let four = [user; 4].map(|id| id.to_string()).join(" ");
        assert_eq!(status.get("Uid"), four, "{name}");
        assert_eq!(status.get("Gid"), four, "{name}");
        assert_eq!(status.get("Groups"), wanted.join(" "), "{name}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status.mask(set), 0, "{name}: {set}");
        }
        assert_eq!(status.get("NoNewPrivs"), "1", "{name}");
        assert_eq!(status.get("Seccomp"), "2", "{name}");
        assert!(own_filters(&status) >= 1, "{name}");
    }
}

/// What stands in a process's root directory.
fn root(pid: u32) -> Vec<String> {
    listing(&format!("/proc/{pid}/root/"))
}

fn listing(path: &str) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Kinds of all that it has open: pipes and sockets, and nothing with a path but the rig's files. `shown`: but for the
/// directory of sockets itself, which can be asked for its name and nothing else.
fn open(name: &str, pid: u32, shown: Option<&Path>) -> Vec<&'static str> {
    let files = ["/initctl", "/state", "/pid", "/history", "/stderr", "/stdout", "/log"];
    let mut kinds = Vec::new();
    for (number, (target, access)) in descriptors(pid) {
        let here = || fs::metadata(format!("/proc/{pid}/fd/{number}")).expect("a descriptor");
        let kind = match target.split(':').next() {
            Some("pipe") => "pipe",
            Some("anon_inode") => "anonymous",
            // One end of a pair, of a connection, or not connected.
            Some("socket") => socket_kind(&target).unwrap_or("loose"),
            Some("/dev/null") => "null",
            _ if files.iter().any(|end| target.ends_with(end)) => "file",
            _ if here().is_dir() && shown.is_some_and(|shown| same(&here(), shown)) => {
                let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).expect("it");
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("it");
                let flags = i32::from_str_radix(flags.trim(), 8).expect("octal");
                assert!(flags & nix::libc::O_PATH != 0, "{name} can read {target}");
                "directory"
            }
            _ => panic!("{name} has {number} open, {access}: {target}"),
        };
        kinds.push(kind);
    }
    kinds
}

fn same(one: &fs::Metadata, other: &Path) -> bool {
    let other = fs::metadata(other).expect("it");
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn count(kinds: &[&str], wanted: &str) -> usize {
    kinds.iter().filter(|kind| **kind == wanted).count()
}

#[test]
fn every_process_is_powerless_with_each_source() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let _running = running(source, &nut);
        let daemon = watching(source, &nut, "");
        let all = confined(&daemon);
        let group: &[u32] = if source == Source::Driver { &[GROUP] } else { &[] };
        powerless("upsentry-mon", all["upsentry-mon"], MONITOR, group);
        powerless("upsentry-warden", all["upsentry-warden"], MONITOR, group);
        powerless("upsentry", all["upsentry"], PARENT, &[]);
    }
}

/// The jail shows sockets of drivers where one is watched, and nothing anywhere else.
#[test]
fn only_the_directory_of_sockets_is_in_the_jail() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let _running = running(source, &nut);
        fs::write(nut.path("beside"), "").expect("a file that is not to be seen");
        let daemon = watching(source, &nut, "");
        let all = confined(&daemon);
        let (jail, parent) = (all["upsentry-mon"], all["upsentry"]);
        let space = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/mnt")).expect("a namespace");
        assert_eq!(root(parent), [""; 0]);
        if source == Source::Driver {
            assert_eq!(root(jail), ["nut"]);
            let sockets = listing(&format!("/proc/{jail}/root/nut"));
            assert!(sockets.contains(&"dummy-ups-dummy".to_owned()), "{sockets:?}");
            assert_eq!(sockets, listing(&nut.state().display().to_string()));
            assert_ne!(space(jail), space(std::process::id()), "{}", daemon.rig.stderr());
            for pid in [jail, all["upsentry-warden"]] {
                let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("mounts");
                let places: Vec<_> =
                    mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
                assert_eq!(places, ["/", "/nut"], "{mounts}");
            }
            assert_eq!(space(parent), space(std::process::id()), "only the jail is apart");
        } else {
            assert_eq!(root(jail), [""; 0]);
        }
        // Nothing of it is left outside.
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("our mounts");
        let rig = daemon.rig.setup().path("").display().to_string();
        assert!(!mounts.contains(rig.trim_end_matches('/')), "{mounts}");
        assert_eq!(listing(&daemon.rig.setup().path("empty").display().to_string()), [""; 0]);
    }
}

/// The connection itself, and nothing that leads anywhere else.
#[test]
fn the_monitor_has_one_connection_open() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let _running = running(source, &nut);
        let daemon = watching(source, &nut, "");
        let all = confined(&daemon);
        let state = nut.state();
        let shown = (source == Source::Driver).then_some(state.as_path());
        let monitor = open("upsentry-mon", all["upsentry-mon"], shown);
        open("upsentry-warden", all["upsentry-warden"], shown);
        let parent = open("upsentry", all["upsentry"], None);
        assert_eq!(count(&parent, "tcp"), 0, "{parent:?}");
        assert!(count(&monitor, "directory") <= 1, "{monitor:?}");
        let tcp = usize::from(source == Source::Server);
        assert_eq!(count(&monitor, "tcp"), tcp, "{monitor:?}");
        assert_eq!(count(&monitor, "listening"), 0, "{monitor:?}");
    }
}

/// With both sources and no serial line: the group and the directory are there for the driver.
#[test]
fn both_sources_share_a_jail() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let _running = running(Source::Server, &nut);
    let [driver, server] = BOTH.map(|source| source.watch(&nut, "dummy"));
    let lines = format!("need 1\n{}ups one\n{driver}ups two\n{server}", crate::quick(""));
    let daemon = crate::started(&lines, &nut);
    daemon.says("one: on mains");
    daemon.says("two: on mains");
    let all = confined(&daemon);
    powerless("upsentry-mon", all["upsentry-mon"], MONITOR, &[GROUP]);
    assert_eq!(root(all["upsentry-mon"]), ["nut"]);
}

/// A driver that starts again has a new socket: the jail sees it, and not only the one that it began with.
#[test]
fn a_new_socket_appears_in_the_jail() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let mut driver = nut.driver("dummy");
    let daemon = watching(Source::Driver, &nut, "");
    let jail = confined(&daemon)["upsentry-mon"];
    driver.kill();
    fs::remove_file(nut.state().join("dummy-ups-dummy")).expect("its socket");
    assert_eq!(listing(&format!("/proc/{jail}/root/nut")), [""; 0]);
    daemon.says("ups: contact lost");
    let _driver = nut.driver("dummy");
    daemon.says("ups: contact restored");
    assert_eq!(confined(&daemon)["upsentry-mon"], jail, "{}", daemon.rig.stderr());
}

/// Without NUT in the configuration there is no group and no directory, whatever ups.conf says.
#[test]
fn a_daemon_that_watches_no_driver_has_neither() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let setup = crate::common::sim::Setup::new().port("a", crate::rig::MAINS);
    let watch = format!("watch {}\nmodel power99\n", setup.tty("a").display());
    let conf = crate::conf(&setup, &nut, &watch);
    let daemon = Daemon::on(setup, &conf);
    let all = confined(&daemon);
    powerless("upsentry-mon", all["upsentry-mon"], MONITOR, &[]);
    assert_eq!(root(all["upsentry-mon"]), [""; 0]);
}

/// A password is the jail's: it is needed for each connection, and nobody else has it.
///
/// Seen to fail with `nut.login` left out of `forget_keys`.
#[test]
fn a_password_is_forgotten_by_all_but_the_jail() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let _running = running(Source::Server, &nut);
    let daemon = watching(Source::Server, &nut, "");
    let all = confined(&daemon);
    let password = crate::common::nut::PASSWORD.as_bytes();
    assert!(!holds(all["upsentry"], password), "the parent has it");
    assert!(holds(all["upsentry-mon"], password), "the search is blind");
}

/// A call and its arguments, by the connection's number and a kind of socket.
#[cfg(target_arch = "x86_64")]
type Misuse = fn(u64, u64) -> (nix::libc::c_long, [u64; 3]);

/// A monitor that was taken over does with its connection what none of ours does: it is killed at once, the next takes
/// over, and init hears nothing of it.
///
/// Seen to fail with `sendmsg` on the list of `monitor::filter::drivers`.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_monitor_that_misuses_its_connection_is_replaced() {
    use nix::libc::*;
    if !need_nut() {
        return;
    }
    let tcp = (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC) as u64;
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let _running = running(source, &nut);
        let mut daemon = watching(source, &nut, "");
        let wanted = if source == Source::Driver { "unix" } else { "tcp" };
        let misuses: [Misuse; 5] = [
            |fd, _| (SYS_sendmsg, [fd, 0, 0]),
            |fd, _| (SYS_recvmsg, [fd, 0, 0]),
            |fd, _| (SYS_bind, [fd, 0, 0]),
            |_, tcp| (SYS_socket, [AF_INET as u64, tcp, 0]),
            |_, _| (SYS_fchdir, [3, 0, 0]),
        ];
        for (turn, misuse) in misuses.iter().enumerate() {
            let connected = |monitor: u32| {
                let open = descriptors(monitor).into_iter();
                let mut kinds = open.map(|(fd, (target, _))| (fd, socket_kind(&target)));
                kinds.find(|(_, kind)| *kind == Some(wanted)).map(|(fd, _)| fd)
            };
            let end = Instant::now() + crate::rig::LONG;
            let (monitor, fd) = loop {
                let monitor = confined(&daemon)["upsentry-mon"];
                if let Some(fd) = connected(monitor) {
                    break (monitor, fd);
                }
                assert!(Instant::now() < end, "not connected: {}", daemon.rig.stderr());
                std::thread::sleep(Duration::from_millis(5));
            };
            let (number, args) = misuse(u64::try_from(fd).expect("a number"), tcp);
            divert(monitor, Call::new(number, &args));
            while daemon.rig.stderr().matches("monitor ended: SIGSYS").count() <= turn {
                assert!(Instant::now() < end, "{number}: {}", daemon.rig.stderr());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        confined(&daemon);
        assert_eq!(daemon.names(), [""; 0], "{}", daemon.all());
        nut.set("dummy", "OB");
        daemon.told(1, "powerfail");
    }
}
