//! A device that is not there at the start: what is there is watched meanwhile, all of it later, and
//! root is gone again once nothing is awaited.

mod common;

use std::time::{Duration, Instant};

use common::sim::{Rig, Setup};
use common::{DAEMON, need_root};

/// Name in `ps` and effective uid of every process of ours.
fn ours(rig: &Rig) -> Vec<(String, u32)> {
    let read = |pid: u32, file: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
    };
    let found = rig.processes().into_iter().filter_map(|pid| {
        let status = read(pid, "status");
        let uid = status.lines().find(|line| line.starts_with("Uid:"))?;
        let uid = uid.split_whitespace().nth(2)?.parse().ok()?;
        Some((read(pid, "comm").trim().to_owned(), uid))
    });
    let mut found: Vec<_> = found.filter(|(name, _)| name.starts_with("upsentry")).collect();
    found.sort();
    found
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waiting in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Two UPSs that are both needed; `a` is unplugged before the daemon starts.
fn start() -> Rig {
    let setup = Setup::new().port("a", "cts=1,dcd=1").port("b", "cts=1,dcd=1");
    let path = |name: &str| setup.path(name).display().to_string();
    let config = format!(
        "need 2\nmodel power99\nvia initctl\ninitctl {}\nstate-file {}\npid-file {}\nhistory-file {}\nstatus-socket none\nchroot {}\n\
         user 64001\nnotifier-user 64002\nups a\nwatch {}\nups b\nwatch {}\n",
        setup.initctl().display(),
        path("state"),
        path("pid"),
        path("history"),
        path("empty"),
        setup.tty("a").display(),
        setup.tty("b").display()
    );
    let config = setup.write("conf", &config).display().to_string();
    let option = format!("--initctl={}", setup.initctl().display());
    let mut rig = setup.option(option).start("sh", &["-s"]);
    rig.command("unplug a");
    rig.expect("a unplug");
    rig.input(&format!("exec {DAEMON} -c {config} -f --log stderr"));
    rig
}

#[test]
fn what_is_there_is_watched_and_the_rest_awaited() {
    if !need_root() {
        return;
    }
    let mut rig = start();
    until("the first states", || rig.stderr().contains("ready: 1 of 2 UPS on mains"));
    let names: Vec<String> = ours(&rig).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["upsentry", "upsentry-mon", "upsentry-wait", "upsentry-warden"]);
    for (name, uid) in ours(&rig) {
        assert_eq!(uid == 0, name == "upsentry-wait", "{name} has uid {uid}");
    }
    // The other one goes on battery, and init hears of it, before and after the start is complete.
    rig.command("set b cts=0");
    assert!(rig.wait_inits(1, Duration::from_secs(10))[0].name == "powerfail");
    rig.command("plug a");
    until("the whole start", || rig.stderr().matches("ready: ").count() == 2);
    let names: Vec<String> = ours(&rig).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["upsentry", "upsentry-mon", "upsentry-warden"]);
    assert!(ours(&rig).iter().all(|(_, uid)| *uid != 0), "root is gone: {:?}", ours(&rig));
    rig.command("set b cts=1");
    let told: Vec<_> =
        rig.wait_inits(2, Duration::from_secs(10)).into_iter().map(|init| init.name).collect();
    assert_eq!(told, ["powerfail", "powerok"], "told once each");
    assert_eq!(rig.stop(), Some(0));
}

#[test]
fn the_waiting_process_takes_the_others_with_it() {
    if !need_root() {
        return;
    }
    let mut rig = start();
    until("the first states", || rig.stderr().contains("ready: "));
    assert_eq!(rig.stop(), Some(0));
    until("all gone", || ours(&rig).is_empty());
}

#[test]
fn an_adapter_that_is_pulled_out_for_good_ends_a_daemon_that_somebody_restarts() {
    if !need_root() {
        return;
    }
    let mut rig = start();
    rig.command("plug a");
    until("the whole start", || rig.stderr().contains("ready: 2 of 2 UPS on mains"));
    rig.command("unplug a");
    until("one is lost", || rig.stderr().contains("a: contact lost (the port says EIO"));
    rig.command("unplug b");
    // A minute, so that a hub that resets is none of our business.
    assert_eq!(rig.wait_exit(Duration::from_secs(90)), Some(1));
    let log = rig.stderr();
    assert!(
        log.contains("every port is gone; ending, so that the next start waits for them"),
        "{log}"
    );
    assert!(rig.inits().is_empty(), "no power failure: {log}");
}
