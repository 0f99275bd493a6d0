//! Monitors that die, hang or are stopped; a machine that does not go down; state files that cannot be used.

use crate::common::need_root;
use crate::common::sim::Setup;
use crate::rig::{Daemon, LONG, MAINS, POWER99, between, one, shell};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::time::{Duration, Instant};

/// The silence after which a monitor on mains is taken for hung is 30 s.
const HUNG_ON_MAINS: Duration = Duration::from_secs(45);

fn send(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}

/// Waits for a monitor that is none of the old.
fn next_monitor(daemon: &Daemon, old: u32, time: Duration) -> u32 {
    let end = Instant::now() + time;
    loop {
        if let Some(pid) = daemon.process("upsentry-mon").filter(|pid| *pid != old) {
            return pid;
        }
        assert!(Instant::now() < end, "no new monitor: {}", daemon.rig.stderr());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// From SIGKILL to the first reading of the lines by the next. Printed, and bounded only loosely: the machine
/// may be busy. Seen to fail with `Respawn` pausing a second after every death.
#[test]
fn a_killed_monitor_s_successor_reads_at_once() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS).option("--trace");
    let conf = one(&setup, POWER99);
    let mut daemon = Daemon::on(setup, &conf);
    let mut took = Vec::new();
    let mut monitor = daemon.process("upsentry-mon").expect("a monitor");
    for _ in 0..15 {
        // No reading of the old one is under way.
        std::thread::sleep(Duration::from_millis(400));
        daemon.rig.command("mark kill");
        daemon.rig.wait_for(|event| event.is("mark kill"), LONG).expect("a mark");
        send(monitor, Signal::SIGKILL);
        let killed = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
        let killed = u64::try_from(Duration::from(killed).as_nanos()).unwrap();
        let read = daemon.rig.wait_for(|event| event.text.starts_with("a call get "), LONG);
        took.push(between(killed.min(read.as_ref().unwrap().nanos), read.unwrap().nanos));
        monitor = next_monitor(&daemon, monitor, LONG);
    }
    took.sort();
    println!("killed to read: median {:?}, worst {:?}", took[took.len() / 2], took[took.len() - 1]);
    assert!(took[took.len() / 2] < Duration::from_millis(500), "{took:?}");
    daemon.tells_nothing(Duration::from_millis(300));
}

/// Stopped for good: on battery missed after 3 s, on mains after 30 s. Seen to fail with `Guard::silence`
/// always content.
#[test]
fn a_hung_monitor_is_replaced() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start(POWER99, MAINS);
    let first = daemon.process("upsentry-mon").expect("a monitor");
    send(first, Signal::SIGSTOP);
    let hung = Instant::now();
    let second = next_monitor(&daemon, first, HUNG_ON_MAINS);
    println!("hung on mains: replaced after {:?}", hung.elapsed());
    assert!(hung.elapsed() > Duration::from_secs(15), "{:?}", hung.elapsed());
    daemon.says("monitor convicted: no sign of life");
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    send(second, Signal::SIGSTOP);
    let hung = Instant::now();
    next_monitor(&daemon, second, LONG * 2);
    println!("hung on battery: replaced after {:?}", hung.elapsed());
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
    assert!(fs::metadata(format!("/proc/{first}")).is_err(), "the hung one still lives");
}

/// Each in turn, shorter than what counts as hung. Seen to fail with the silence judged before the pipe is
/// read empty (the parent, on battery).
#[test]
fn stopped_and_continued_nothing_changes() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start(POWER99, MAINS);
    let names = ["upsentry-mon", "upsentry-warden", "upsentry"];
    let all = names.map(|name| daemon.process(name).expect("a process"));
    let mut told = 0;
    for (command, word) in [("set a cts=0", "powerfail"), ("set a cts=1", "powerok")] {
        for (name, pid) in names.into_iter().zip(all) {
            // The parent may be stopped longer than any silence that it allows.
            let seconds = if name == "upsentry" { 5 } else { 2 };
            send(pid, Signal::SIGSTOP);
            std::thread::sleep(Duration::from_secs(seconds));
            send(pid, Signal::SIGCONT);
        }
        daemon.tells_nothing(Duration::from_millis(300));
        daemon.set(command);
        told += 1;
        daemon.told(told, word);
    }
    assert_eq!(names.map(|name| daemon.process(name).expect("a process")), all);
    assert!(!daemon.rig.stderr().contains("convicted"), "{}", daemon.rig.stderr());
}

/// `insist`: runlevel 0 again and again, while mains is away and the machine still up. Seen to fail with
/// `insist` false in `Judge::due`.
#[test]
fn a_machine_that_stays_up_is_told_again() {
    if !need_root() {
        return;
    }
    let more = "low-after 0s\ncable-grace 0s\ninsist 1s\n";
    let mut daemon = Daemon::start(&format!("{POWER99}{more}"), MAINS);
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.set("set a dcd=0");
    let inits = daemon.rig.wait_inits(8, LONG);
    let names: Vec<&str> = inits.iter().map(|request| request.name.as_str()).collect();
    let again = ["setenv", "runlevel"];
    assert_eq!(names[..2], ["powerfail", "powerfailnow"], "{names:?}");
    assert!(names[2..8].chunks(2).all(|pair| pair == again), "{names:?}");
    let times: Vec<u64> = inits.iter().skip(1).step_by(2).map(|request| request.nanos).collect();
    for pair in times.windows(2) {
        assert!(between(pair[0], pair[1]) >= Duration::from_millis(900), "{times:?}");
    }
    let env = &inits.iter().find(|request| request.name == "setenv").expect("one").env;
    assert!(env.iter().any(|text| text == "INIT_HALT=POWEROFF"), "{env:?}");
    daemon.set("set a cts=1 dcd=1");
    daemon.says("mains on; init told");
    // Init may read it later than we read the log.
    assert!(daemon.rig.wait_for(|event| event.init("powerok"), LONG).is_some());
    daemon.tells_nothing(Duration::from_millis(2500));
}

/// After a restart with the UPS gone the parent still shuts down: what was last seen is in the state file.
/// Seen to fail with `seen` of the record ignored.
#[test]
fn blind_after_a_restart_on_battery_is_a_shutdown() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    let conf = one(&setup, &format!("{POWER99}blind-after 1s\ncable-grace 0s\n"));
    let (mut daemon, run) = shell(setup, &conf);
    daemon.rig.input(&run);
    daemon.says("ready: ");
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.stop(1);
    daemon.set("unplug a");
    daemon.rig.input(&run);
    let inits = daemon.rig.wait_inits(3, LONG * 2);
    let names: Vec<&str> = inits.iter().map(|request| request.name.as_str()).collect();
    assert_eq!(names, ["powerfail", "setenv", "runlevel"], "{}", daemon.all());
}

/// A state file that says nothing that can be used is said so, where it might have, and is no obstacle. Seen
/// to fail with the boot not compared (nothing was told: another boot's FAIL).
#[test]
fn a_state_file_that_cannot_be_used_is_survived() {
    if !need_root() {
        return;
    }
    let other = "FAIL\ntold FAIL\nat 1\npid 2\nboot 00000000-0000-0000-0000-000000000000\ninit 1\nups ups F\nend\n";
    for (what, text, said) in [
        ("empty", "", false),
        ("torn", "FAIL\ntold FAIL\nat 17", true),
        ("foreign", "\u{0}\u{ff}no words of ours\n", true),
        ("another boot's", other, false),
    ] {
        let setup = Setup::new().port("a", MAINS);
        fs::write(setup.path("state"), text).unwrap();
        let conf = one(&setup, POWER99);
        let mut daemon = Daemon::on(setup, &conf);
        let words = "torn or not ours; starting afresh";
        assert_eq!(daemon.rig.stderr().contains(words), said, "{what}: {}", daemon.rig.stderr());
        daemon.tells_nothing(Duration::from_millis(200));
        daemon.set("set a cts=0");
        daemon.told(1, "powerfail");
        let first = fs::read_to_string(daemon.rig.setup().path("state")).unwrap();
        assert!(first.starts_with("FAIL\n"), "{what}: {first}");
    }
}
