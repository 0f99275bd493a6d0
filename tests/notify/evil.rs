//! Commands that mean harm. Init is told what it is told without any command, in the same order; what they start
//! is killed, what they print is cut short, and the daemon is as it was.

use crate::common::need_root;
use crate::delivery::{Daemon, LONG, MAINS, POWER99};
use crate::rig::{alone, printed, start, theirs, wait};
use std::time::{Duration, Instant};

/// The limit of a run, and as long again for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// One outage; what init was told.
fn outage(daemon: &mut Daemon) -> Vec<String> {
    let before = daemon.rig.inits().len();
    for (step, name) in
        [("cts=0", "powerfail"), ("dcd=0", "powerfailnow"), ("cts=1 dcd=1", "powerok")]
    {
        let told = daemon.rig.inits().len();
        daemon.set(&format!("set a {step}"));
        daemon.told(told + 1, name);
    }
    daemon.names().split_off(before)
}

/// An outage with this command is the one without, event for event; and the processes are the same after it.
fn harmless(script: &str) -> Daemon {
    let mut plain = Daemon::start(&format!("{POWER99}low-after 0s\ncable-grace 0s\n"), MAINS);
    let expected = outage(&mut plain);
    drop(plain);
    assert_eq!(expected.len(), 3, "{expected:?}");
    let mut daemon = start(script, "");
    let pids = ["upsentry", "upsentry-mon", "upsentry-notify"].map(|name| daemon.process(name));
    assert!(pids.iter().all(Option::is_some), "{pids:?}");
    for _ in 0..3 {
        assert_eq!(outage(&mut daemon), expected, "{}", daemon.rig.stderr());
    }
    let after = ["upsentry", "upsentry-mon", "upsentry-notify"].map(|name| daemon.process(name));
    assert_eq!(after, pids, "{}", daemon.rig.stderr());
    assert!(!daemon.rig.stderr().contains("convicted"), "{}", daemon.rig.stderr());
    daemon
}

/// Nothing of the user's runs any more but the process that watches.
fn nothing_is_left(daemon: &Daemon) {
    let watcher = daemon.process("upsentry-notify");
    let end = Instant::now() + LIMIT;
    while theirs().iter().any(|(pid, _)| Some(*pid) != watcher) {
        assert!(Instant::now() < end, "{:?} {}", theirs(), daemon.rig.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(theirs().len(), 1, "{:?}", theirs());
}

/// It ignores what can be ignored, closes its output, and waits for ever; what happens meanwhile gives way to what
/// is newer. Killed at its limit, and then the newest event is worked off.
#[test]
fn one_that_hangs() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let mut daemon =
        harmless("trap '' TERM INT HUP; echo began; exec >&- 2>&-; sleep 1000; sleep 1000");
    for _ in 0..20 {
        outage(&mut daemon);
    }
    for kind in ["fail", "low", "ok"] {
        wait(&daemon, &format!("{kind} ups: the command was killed after 30s"), LIMIT);
    }
    // Of each event of these 23 outages: it was run, or gave way to the next one of its kind.
    let end = Instant::now() + LIMIT;
    loop {
        let lines = printed(&daemon);
        let dropped = lines.iter().filter_map(|line| line.split_once(" events gave way"));
        let dropped: usize = dropped.map(|(count, _)| count.parse::<usize>().unwrap()).sum();
        let began = lines.iter().filter(|line| line.ends_with(": began")).count();
        if began + dropped == 3 * 23 {
            assert!(dropped >= 3 * 15, "{lines:?}");
            break;
        }
        assert!(Instant::now() < end, "{began} {dropped} {lines:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    for kind in ["fail", "low", "ok"] {
        // One at a time.
        let mut running = 0_i32;
        for line in printed(&daemon).iter().filter(|line| line.starts_with(kind)) {
            running += i32::from(line.ends_with(": began"));
            running -= i32::from(line.ends_with("was killed after 30s"));
            assert!((0..=1).contains(&running), "{kind}: {}", daemon.rig.stderr());
        }
    }
    // A stop does not wait for it, and it does not outlive its own limit.
    let watcher = daemon.process("upsentry-notify").unwrap();
    assert_eq!(daemon.rig.stop(), Some(0));
    let end = Instant::now() + LIMIT;
    while !theirs().is_empty() {
        assert!(Instant::now() < end, "{watcher}: {:?}", theirs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Its children have sessions of their own, so no group holds them.
#[test]
fn one_that_forks_and_flees() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let script = "i=0; while [ $i -lt 30 ]; do setsid sh -c 'sleep 1000 & sleep 1000' & i=$((i+1)); done; exit 0";
    let daemon = harmless(script);
    wait(&daemon, "what the command had left behind was killed", LIMIT);
    nothing_is_left(&daemon);
}

#[test]
fn one_that_forks_without_end() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let mut daemon = harmless("bomb() { bomb & bomb & setsid sleep 100 & }; bomb; exit 0");
    assert!(theirs().len() <= 64, "{}", theirs().len());
    nothing_is_left(&daemon);
    // It still runs commands.
    let before = printed(&daemon).len();
    outage(&mut daemon);
    let end = Instant::now() + LIMIT;
    while printed(&daemon).len() == before {
        assert!(Instant::now() < end, "{}", daemon.rig.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    nothing_is_left(&daemon);
}

/// Twenty lines are logged, whatever is in them, and the rest is read only so far.
#[test]
fn one_that_floods_its_output() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let daemon = harmless(
        "printf '\\033[2J\\001<0>upsentry: forged\\n'; yes 0123456789 | tr '9' '\\377'; exec cat /dev/zero",
    );
    nothing_is_left(&daemon);
    let lines = printed(&daemon);
    let of_first = lines.iter().filter(|line| line.starts_with("low ups: ")).count();
    assert!((20..=3 * 23).contains(&of_first), "{lines:?}");
    assert!(lines.contains(&"low ups: ?[2J?<0>upsentry: forged".to_owned()), "{lines:?}");
    assert!(lines.contains(&"low ups: 012345678?".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with("more lines are not shown")), "{lines:?}");
    assert!(daemon.rig.stderr().bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)));
    assert!(daemon.rig.stderr().len() < 20_000);
}

/// It would kill all that it can, and trace and read what watches it.
#[test]
fn one_that_kills() {
    if !need_root() {
        return;
    }
    let _alone = alone();
    let script = "kill -9 $PPID && echo killed; kill -9 -$PPID && echo killed
        cat /proc/$PPID/mem >/dev/null && echo read; ls /proc/$PPID/fd && echo listed
        echo tried; kill -9 -1";
    let daemon = harmless(script);
    wait(&daemon, "fail ups: tried", LONG);
    let lines = printed(&daemon);
    for word in [": killed", ": read", ": listed"] {
        assert!(!lines.iter().any(|line| line.ends_with(word)), "{lines:?}");
    }
    nothing_is_left(&daemon);
}
