//! The powerstatus file and SIGPWR, by the hand.

use crate::common::init::{Process, SOON, Script, SysvInit};
use crate::common::skip;
use crate::{BATTERY, LOW, MAINS, assert_filtered, assert_unprivileged, fill_run, names, started};
use nix::sys::signal::Signal;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const POWERSTATUS: &str = "/run/powerstatus";

/// Neither the file nor the one that is to become it.
fn nothing_left(rig: &SysvInit) -> bool {
    let exists = |path: &str| rig.inside(path).exists();
    !exists(POWERSTATUS) && !exists("/run/powerstatus.new")
}

#[test]
fn each_event_runs_its_lines() {
    let Some(mut rig) = started("via signal") else { return };
    for _ in 0..2 {
        rig.lines(BATTERY);
        rig.expect_fail();
        assert!(nothing_left(&rig));
        rig.lines(MAINS);
        rig.expect("powerokwait", "OK");
        assert!(nothing_left(&rig));
    }
    rig.lines(LOW);
    // Straight from mains: FAIL may or may not be said before LOW.
    rig.expect("powerfailnow", "LOW");
    assert!(nothing_left(&rig));
    let wrong = |script: &Script| script.entry == "powerokwait" && script.state != "OK";
    assert!(!rig.scripts().iter().any(wrong), "{}", rig.story());
}

/// Without a FIFO to ask for runlevel 0, a shutdown is LOW to init; the script reads SHUTDOWN.
#[test]
fn shutdown_is_low() {
    let Some(mut rig) = started("via signal\nshutdown-after 1s") else { return };
    rig.lines(BATTERY);
    rig.expect_fail();
    rig.expect("powerfailnow", "SHUTDOWN");
    assert!(nothing_left(&rig));
}

#[test]
fn the_hand_is_root_without_a_right_but_to_signal() {
    let Some(rig) = started("via signal") else { return };
    assert_eq!(names(&rig), ["upsentry", "upsentry-hand", "upsentry-mon", "upsentry-warden"]);
    let hand = rig.our("upsentry-hand");
    assert_unprivileged(&hand, 0);
    assert_filtered(&hand, &rig);
    assert_eq!(hand.field("Groups"), "");
    assert_eq!(hand.field("Threads"), "1");
    let fds = hand.descriptors();
    let targets: Vec<&str> = fds.iter().map(|(_, target)| target.as_str()).collect();
    let [stdin, stdout, stderr, rest @ ..] = targets.as_slice() else { panic!("{fds:?}") };
    assert_eq!([*stdin, *stdout, *stderr], ["/dev/null"; 3], "{fds:?}");
    let mut rest = rest.to_vec();
    rest.sort_unstable();
    let [directory, link] = rest.as_slice() else { panic!("{fds:?}") };
    assert_eq!(*directory, "/run");
    assert!(link.starts_with("socket:"), "{fds:?}");
    for name in ["upsentry", "upsentry-warden", "upsentry-mon"] {
        assert_ne!(rig.our(name).uids(), [0; 4], "{name}");
    }
}

/// Waits until nothing has run for a while and the state file says so; all that ran since `from`.
fn settled(rig: &SysvInit, from: usize, state: &str) -> Vec<Script> {
    let (mut seen, mut since) = (rig.scripts().len(), Instant::now());
    let all = rig.until(&format!("rest with {state}"), SOON, || {
        let all = rig.scripts();
        if all.len() != seen {
            (seen, since) = (all.len(), Instant::now());
        }
        let rest = since.elapsed() > Duration::from_millis(700) && rig.state() == state;
        rest.then_some(all)
    });
    assert!(nothing_left(rig), "{}", rig.story());
    all[from..].to_vec()
}

/// Those that init waits for before it starts the next: logged in the order of their starts.
fn waited(ran: &[Script]) -> Vec<&Script> {
    ran.iter().filter(|script| script.entry != "powerfail").collect()
}

/// Mains fails and returns: whatever came between, the last script to run found the truth, and it was the
/// line for mains, not once more the one for an outage (which is what init takes a signal without a file
/// for).
fn quickly(times: usize, apart: u64) {
    let Some(mut rig) = started("via signal") else { return };
    let apart = Duration::from_millis(apart);
    let mut outages = 0;
    // On a busy machine a short outage may be over before anybody looks.
    for _ in 0..12 {
        let from = rig.scripts().len();
        rig.play(&[BATTERY, MAINS].repeat(times), apart);
        let ran = settled(&rig, from, "OK");
        let Some(last) = ran.last() else { continue };
        assert_eq!(last.state, "OK", "{}", rig.story());
        assert!(waited(&ran).last().unwrap().is("powerokwait", "OK"), "{}", rig.story());
        outages += 1;
        if outages == 3 {
            break;
        }
    }
    assert!(outages > 0, "no outage was seen at all; {}", rig.story());
    let from = rig.scripts().len();
    rig.play(&[BATTERY, MAINS, BATTERY], apart);
    let ran = settled(&rig, from, "FAIL");
    // Had init been too busy in between, it would have run the lines in their order, mains last.
    assert_eq!(waited(&ran).last().unwrap().state, "FAIL", "{}", rig.story());
    for entry in ["powerfail", "powerwait"] {
        assert!(ran.iter().any(|script| script.is(entry, "FAIL")), "{entry}: {}", rig.story());
    }
}

#[test]
fn fail_and_ok_20_ms_apart_end_right() {
    quickly(1, 20);
}

#[test]
fn fail_and_ok_150_ms_apart_end_right() {
    quickly(1, 150);
}

#[test]
fn fail_and_ok_alternating_20_times_end_right() {
    quickly(20, 20);
}

/// From here on init takes this long from a signal to opening the file, and the hand from the file to the
/// signal: what else is a matter of microseconds happens each time. `false`: no strace.
fn slow_down(rig: &SysvInit, init: Duration, hand: Duration) -> bool {
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        skip("needs strace: `tests/install` installs it");
        return false;
    }
    let delay =
        |calls: &str, time: Duration| format!("inject={calls}:delay_enter={}", time.as_micros());
    let attach = |process: Process, words: &[&str]| {
        // It ends with what it watches. What init opens it goes by the name of, not by where that leads.
        let paths = ["-P", "/run/powerstatus", "-P", "/var/run/powerstatus"];
        #[expect(
            clippy::zombie_processes,
            reason = "it ends with what it watches, and the test soon after"
        )]
        Command::new("strace")
            .args(["-qq", "-p", &process.pid.to_string(), "-e"])
            .args(words)
            .args(if process.inner() == 1 { &paths[..] } else { &[] })
            .arg("-o")
            .arg(rig.path(&format!("trace-{}", process.name)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        rig.until("strace", SOON, || {
            (Process::read(process.pid)?.number("TracerPid") != 0).then_some(())
        });
    };
    attach(rig.init(), &["trace=open,openat", "-e", &delay("open,openat", init)]);
    attach(rig.our("upsentry-hand"), &["trace=kill", "-e", &delay("kill", hand)]);
    true
}

/// How often they were slow.
fn slowed(rig: &SysvInit, name: &str) -> usize {
    let trace = std::fs::read_to_string(rig.path(&format!("trace-{name}"))).unwrap();
    trace.lines().filter(|line| line.contains("(DELAYED)")).count()
}

/// Init has the signal but not yet the file, for longer than the hand waits: it must not be signalled for
/// the newer word, or it comes once more, finds no file, and starts an outage with mains on.
#[test]
fn a_slow_init_reads_the_newest_word_once() {
    let Some(mut rig) = started("via signal") else { return };
    if !slow_down(&rig, Duration::from_secs(12), Duration::from_secs(3)) {
        return;
    }
    rig.lines(BATTERY);
    rig.expect_log("init did not read the powerstatus file within 10s");
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    // Longer than a second signal would take; init would act on it later still.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(slowed(&rig, "upsentry-hand"), 1, "signals; {}", rig.story());
    let entries: Vec<_> = rig.scripts().into_iter().map(|script| script.entry).collect();
    assert_eq!(entries, ["rc2", "powerokwait"], "{}", rig.story());
    assert!(nothing_left(&rig));
    // The next word comes with a signal again.
    rig.lines(BATTERY);
    rig.until("a signal", SOON, || (slowed(&rig, "upsentry-hand") == 2).then_some(()));
}

/// A file that somebody left there (a daemon that was killed, another program): init is not on its way.
#[test]
fn a_stale_file_is_replaced_and_init_is_signalled() {
    let Some(mut rig) = started("via signal") else { return };
    std::fs::write(rig.inside(POWERSTATUS), "LOW").unwrap();
    rig.lines(BATTERY);
    rig.expect_fail();
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    assert!(nothing_left(&rig));
    assert!(!rig.scripts().iter().any(|script| script.entry == "powerfailnow"));
}

/// LOW does not wait for anything but the hand: a second signal before init has read the first word's
/// file would be one without a file, which is FAIL to init: after LOW, or in place of it.
#[test]
fn low_at_once_after_fail_is_told_after_it() {
    let Some(mut rig) = started("via signal") else { return };
    if !slow_down(&rig, Duration::from_millis(30), Duration::from_millis(60)) {
        return;
    }
    for round in 0..8 {
        let from = rig.scripts().len();
        rig.play(&[BATTERY, LOW], Duration::from_millis(round % 4));
        rig.expect("powerfailnow", "LOW");
        std::thread::sleep(Duration::from_millis(150));
        assert!(nothing_left(&rig));
        rig.lines(MAINS);
        rig.expect("powerokwait", "OK");
        let all = rig.scripts();
        let waited = waited(&all[from..]);
        let waited: Vec<_> = waited.iter().map(|script| script.entry.as_str()).collect();
        let whole = waited == ["powerwait", "powerfailnow", "powerokwait"];
        assert!(whole || waited == ["powerfailnow", "powerokwait"], "{waited:?} {}", rig.story());
    }
    let slow = [slowed(&rig, "init"), slowed(&rig, "upsentry-hand")];
    assert!(slow.iter().all(|times| *times >= 16), "{slow:?}; {}", rig.story());
}

/// Init does not read (it is stopped): the hand never signals a second time for a file that is still
/// there, and init, once it goes on, reads the newest word exactly once.
#[test]
fn a_stopped_init_reads_the_newest_word_once() {
    let Some(mut rig) = started("via signal") else { return };
    rig.signal_init(Signal::SIGSTOP);
    rig.lines(BATTERY);
    rig.until("the file", SOON, || rig.inside(POWERSTATUS).exists().then_some(()));
    rig.expect_log("init did not read the powerstatus file within 10s");
    rig.lines(MAINS);
    rig.until("the newer word", SOON, || {
        let word = std::fs::read_to_string(rig.inside(POWERSTATUS)).ok()?;
        (word.trim() == "OK").then_some(())
    });
    rig.signal_init(Signal::SIGCONT);
    rig.expect("powerokwait", "OK");
    std::thread::sleep(Duration::from_millis(500));
    let entries: Vec<_> = rig.scripts().into_iter().map(|script| script.entry).collect();
    assert_eq!(entries, ["rc2", "powerokwait"], "{}", rig.story());
    assert!(nothing_left(&rig));
}

/// The file needs a page of /run, and there is none: that is said at once, and each word is tried until it is
/// told or a newer one takes its place. (Seen to fail without the second try.)
#[test]
fn a_full_run_is_loud_and_the_newest_word_is_told_once_there_is_room() {
    let Some(mut rig) = started("via signal") else { return };
    fill_run(&mut rig);
    rig.lines(BATTERY);
    rig.expect_log("the powerstatus file could not be written, or init not signalled");
    assert_eq!(rig.state(), "FAIL");
    rig.lines(LOW);
    rig.expect_log("battery low; init told");
    std::fs::remove_file(rig.inside("/run/filler")).unwrap();
    rig.expect("powerfailnow", "LOW");
    rig.expect_log("init was told after all");
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    let entries: Vec<_> = rig.scripts().into_iter().map(|script| script.entry).collect();
    assert_eq!(entries, ["rc2", "powerfailnow", "powerokwait"], "{}", rig.story());
    assert!(nothing_left(&rig));
}
