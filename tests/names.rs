//! Masters by name: what is looked up, by whom, and what is done until it is found. Each rig has its own
//! /etc/hosts and no network but loopback.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use common::jail::descriptors;
use common::memory::holds;
use common::sim::{Rig, Setup};
use common::{DAEMON, need_root};

/// Nothing else has these bytes.
const SECRET: [u8; 32] = *b"\x01\xfekey that nobody may find\xd3\x7f\x80\x99\xab\xcd";

/// What a process of ours is called, and its effective uid.
fn ours(rig: &Rig) -> Vec<(String, String, u32)> {
    let found = rig.processes().into_iter().filter_map(|pid| {
        let status = status(pid);
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        let uid = uid.split_whitespace().nth(1)?.parse().ok()?;
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned();
        Some((comm, pid.to_string(), uid))
    });
    let mut found: Vec<_> = found.filter(|(name, ..)| name.starts_with("upsentry")).collect();
    found.sort();
    found
}

fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

fn until<T>(rig: &Rig, what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = holds() {
            return found;
        }
        assert!(Instant::now() < deadline, "waiting in vain: {what}\n{}", rig.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(rig: &Rig, words: &str) {
    until(rig, words, || rig.stderr().contains(words).then_some(()));
}

/// A slave of `master.example`, with these /etc/hosts and resolv.conf.
fn start(hosts: &str, resolv: &str, more: &str) -> Rig {
    watching("master.example", hosts, resolv, more)
}

/// The same, watching something else.
fn watching(what: &str, hosts: &str, resolv: &str, more: &str) -> Rig {
    let setup = Setup::new();
    setup.write("hosts", hosts);
    setup.write("resolv.conf", resolv);
    setup.write("nsswitch.conf", "hosts: files dns\n");
    let key = setup.path("key");
    fs::write(&key, SECRET).expect("a key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("its mode");
    let path = |name: &str| setup.path(name).display().to_string();
    let config = format!(
        "watch {what}\nkey-file {}\ndeadtime 2s\nvia initctl\ninitctl {}\nstate-file {}\npid-file {}\n\
         history-file {}\nchroot {}\nstatus-socket none\nuser 64003\nnotifier-user 64004\n{more}",
        path("key"),
        path("initctl"),
        path("state"),
        path("pid"),
        path("history"),
        path("empty"),
    );
    setup.write("conf", &config);
    let etc = ["hosts", "resolv.conf", "nsswitch.conf"]
        .map(|name| format!("touch /etc/{name}; mount --bind {} /etc/{name}\n", path(name)));
    let script = format!(
        "ip link set lo up\n{}exec {DAEMON} -c {} -f --log stderr\n",
        etc.concat(),
        path("conf")
    );
    let mut rig = setup.start("unshare", &["-m", "-n", "sh", "-s"]);
    rig.input(&script);
    rig
}

#[test]
fn a_master_that_is_not_found_is_lost_until_it_is() {
    if !need_root() {
        return;
    }
    let mut rig = start("127.0.0.1 localhost\n", "nameserver 127.0.0.1\n", "slave gone.example\n");
    said(&rig, "ups: master.example: the name does not resolve now; it counts as lost");
    said(&rig, "slave gone.example: the name does not resolve now");
    said(&rig, "ready: 0 of 1 UPS on mains");
    let names: Vec<String> = ours(&rig).into_iter().map(|(name, ..)| name).collect();
    assert!(names.contains(&"upsentry-wait".to_owned()), "{names:?}");
    // It is bind-mounted, so written in place.
    fs::write(rig.setup().path("hosts"), "127.0.0.1 localhost\n127.0.0.7 master.example\n")
        .unwrap();
    said(&rig, "ups: master.example is found");
    until(&rig, "the whole start", || (rig.stderr().matches("ready: ").count() == 2).then_some(()));
    let left = ours(&rig);
    assert!(left.iter().all(|(name, _, uid)| *uid != 0 && name != "upsentry-wait"), "{left:?}");
    assert!(rig.inits().is_empty(), "nobody was on battery");
    assert_eq!(rig.stop(), Some(0));
}

/// A server of NUT's, which nobody speaks to before its name is known; no key and no UDP port is needed for it.
#[test]
fn a_server_of_nut_s_is_found_like_a_master() {
    if !need_root() {
        return;
    }
    let nowhere = "nameserver 127.0.0.1\n";
    let mut rig = watching("nut://ups.example:3999/rack", "127.0.0.1 localhost\n", nowhere, "");
    said(
        &rig,
        "ups: nut://ups.example:3999/rack: the name does not resolve now; it counts as lost",
    );
    said(&rig, "ready: 0 of 1 UPS on mains");
    fs::write(rig.setup().path("hosts"), "127.0.0.1 localhost\n127.0.0.7 ups.example\n").unwrap();
    said(&rig, "ups: nut://ups.example:3999/rack is found");
    until(&rig, "the whole start", || (rig.stderr().matches("ready: ").count() == 2).then_some(()));
    let left = ours(&rig);
    assert!(left.iter().all(|(name, _, uid)| *uid != 0 && name != "upsentry-wait"), "{left:?}");
    assert!(rig.inits().is_empty(), "nobody was on battery");
    assert_eq!(rig.stop(), Some(0));
}

/// The name server takes the question and never answers.
#[test]
fn who_looks_names_up_has_no_right_and_no_key() {
    if !need_root() {
        return;
    }
    let mut rig = start("127.0.0.1 localhost\n", "nameserver 127.0.0.1\noptions timeout:30\n", "");
    let inside = until(&rig, "the namespace", || shell(&rig));
    let silent = silent_server(inside);
    let pid = until(&rig, "the program that looks names up", || {
        ours(&rig).into_iter().find(|(name, ..)| name == "upsentry-names").map(|(_, pid, _)| pid)
    });
    let status = status(pid.parse().unwrap());
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), ["65534"; 4]);
    assert_eq!(field("Gid:"), ["65534"; 4]);
    assert_eq!(field("Groups:"), [""; 0]);
    assert_eq!(field("NoNewPrivs:"), ["1"]);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    // The question, the answer, and nothing else but what it asks the server with; the key file is closed.
    let open = descriptors(pid.parse().expect("a pid"));
    let (standard, own): (Vec<_>, Vec<_>) = open.into_iter().partition(|(fd, _)| *fd <= 2);
    let standard: Vec<String> = standard.into_iter().map(|(_, (target, _))| target).collect();
    let memfd = |name: &str| format!("/memfd:{name} (deleted)");
    assert_eq!(standard, [memfd("names"), memfd("addresses"), "/dev/null".to_owned()]);
    // The C library reads its settings while it is at it.
    let expected = |target: &str| {
        target.starts_with("socket:") || target.starts_with("/etc/") || target.ends_with("/hosts")
    };
    assert!(own.iter().all(|(_, (target, _))| expected(target)), "{own:?}");
    // What root's memory has, this one's has not: the search itself can find it.
    let waiting = until(&rig, "root", || {
        ours(&rig).into_iter().find(|(_, _, uid)| *uid == 0).map(|(_, pid, _)| pid)
    });
    assert!(holds(waiting.parse().expect("a pid"), &SECRET), "the search finds nothing");
    assert!(!holds(pid.parse().expect("a pid"), &SECRET), "the key is in the resolver's memory");
    // It is not waited for without end.
    said(&rig, "ready: 0 of 1 UPS on mains");
    drop(silent);
    assert_eq!(rig.stop(), Some(0));
}

/// The shell or the daemon, in the rig's network.
fn shell(rig: &Rig) -> Option<u32> {
    let own = fs::read_link("/proc/self/ns/net").ok()?;
    rig.processes()
        .into_iter()
        .find(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|other| other != own))
}

/// Takes questions on the name server's port of that process's network.
fn silent_server(pid: u32) -> UdpSocket {
    let network = fs::File::open(format!("/proc/{pid}/ns/net")).expect("its network");
    let bind = move || {
        nix::sched::setns(network, nix::sched::CloneFlags::CLONE_NEWNET).expect("to enter it");
        UdpSocket::bind("127.0.0.1:53").expect("the name server's port")
    };
    std::thread::spawn(bind).join().expect("a thread")
}
