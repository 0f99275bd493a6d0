//! `upsentry -k --wait`: what the kill hook runs. Every row of its table, by the lines and what a daemon has recorded.

use crate::common::sim::{Kind, Rig, Setup};
use crate::common::{DAEMON, need_root};
use crate::rig::{LONG, between, one};
use nix::sys::signal::Signal;
use std::time::Duration;
use upsentry::ipc::cause::Cause;
use upsentry::ipc::legal::Power;
use upsentry::ipc::parting::Slaves;
use upsentry::ipc::record::Entry;
use upsentry::ipc::told::{Told, Word};
use upsentry::notifier::state::current_boot;
use upsentry::sys::now;

const POWER99: &str = "model power99\nsettle 200ms\nkill-hold 400ms\n";
const MAINS: &str = "cts=1,dcd=1";
const BATTERY: &str = "cts=0,dcd=1";
/// It waits ten seconds for mains to be steady, and thirty between two signals.
const STEADY: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(30);

/// What a daemon of this boot would have left.
struct Left {
    word: Word,
    cause: Option<Cause>,
    last: Power,
    slaves: Option<Slaves>,
}

const LOW: Left = Left { word: Word::Low, cause: None, last: Power::Low, slaves: None };

/// The hook's program with port `a`.
fn start(ups: &str, lines: &str, left: Option<&Left>) -> Rig {
    let setup = Setup::new().port("a", lines);
    let conf = match ups.contains("watch") {
        true => crate::rig::write(&setup, ups),
        false => one(&setup, ups),
    };
    if let Some(left) = left {
        let told = match left.word {
            Word::Ok => Told::Ok,
            Word::Fail => Told::Fail,
            Word::Low => Told::Low,
            Word::Shutdown => Told::Final,
        };
        let seen = [("ups", Some(left.last), false)];
        let cause = left.cause.map(|cause| (cause, now()));
        let (now, slaves) = (left.word, left.slaves);
        let entry = Entry { now, told, at: 0, seen: &seen, slaves, cause };
        setup.write("state", &entry.text(&current_boot(), 1));
    }
    setup.start(DAEMON, &["-c", conf.to_str().unwrap(), "kill", "--wait"])
}

/// Each time that DTR rose or fell since the speed was first 0.
fn kills(rig: &mut Rig) -> Vec<(u64, bool)> {
    let from = rig.log().iter().position(|event| event.text.starts_with("a termios speed=0"));
    let events = rig.log().iter().skip(from.unwrap_or(0));
    let levels = events.filter_map(|event| match event.kind {
        Kind::Out { dtr, .. } => Some((event.nanos, dtr)),
        _ => None,
    });
    let mut all: Vec<(u64, bool)> = levels.collect();
    all.dedup_by_key(|(_, dtr)| *dtr);
    all
}

fn story(rig: &mut Rig) -> String {
    format!("{}{}{}", rig.stdout(), rig.stderr(), rig.log_text())
}

/// Ends with this status, and the signal was never sent.
fn ends(mut rig: Rig, status: i32, within: Duration) {
    assert_eq!(rig.wait_exit(within), Some(status), "{}", story(&mut rig));
    assert!(kills(&mut rig).iter().all(|(_, dtr)| !dtr), "{}", story(&mut rig));
}

#[test]
fn a_halt_that_no_outage_asked_for_turns_the_machine_off() {
    if !need_root() {
        return;
    }
    let rule = Left { word: Word::Shutdown, cause: Some(Cause::Rule), ..LOW };
    let ok = Left { word: Word::Ok, last: Power::Mains, ..LOW };
    let all = [None, Some(&ok), Some(&rule)].map(|left| start(POWER99, MAINS, left));
    all.into_iter().for_each(|rig| ends(rig, 0, LONG));
    ends(start("watch master:127.0.0.1\n", MAINS, Some(&ok)), 0, LONG);
}

#[test]
fn after_an_outage_with_mains_back_it_reboots() {
    if !need_root() {
        return;
    }
    let fail = Left { word: Word::Fail, ..LOW };
    let shutdown = Left { word: Word::Shutdown, cause: Some(Cause::Outage), ..LOW };
    // Mains came back after the halt had begun.
    let ok = Left { word: Word::Ok, cause: Some(Cause::Outage), last: Power::Mains, ..LOW };
    let begin = std::time::Instant::now();
    let all = [&LOW, &fail, &shutdown, &ok].map(|left| start(POWER99, MAINS, Some(left)));
    all.into_iter().for_each(|rig| ends(rig, 5, STEADY + LONG));
    assert!(begin.elapsed() >= STEADY);
}

#[test]
fn a_power_script_s_mark_is_an_outage() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    let conf = one(&setup, POWER99);
    setup.write("state.halt", "");
    let rig = setup.start(DAEMON, &["-c", conf.to_str().unwrap(), "-k", "--wait"]);
    ends(rig, 5, STEADY + LONG);
}

#[test]
fn on_battery_it_is_sent_again_and_the_machine_stays_until_mains_is_back() {
    if !need_root() {
        return;
    }
    // Whoever halted it: the UPS cuts on battery only, and the machine is to come back with mains.
    let mut all = [Some(&LOW), None].map(|left| start(POWER99, BATTERY, left));
    for rig in &mut all {
        let twice = |rig: &mut Rig| kills(rig).iter().filter(|(_, dtr)| *dtr).count() >= 2;
        let end = std::time::Instant::now() + AGAIN + LONG;
        while !twice(rig) {
            assert!(std::time::Instant::now() < end, "{}", story(rig));
            std::thread::sleep(Duration::from_millis(50));
        }
        let sent = kills(rig);
        let [.., (first, true), (lowered, false), (second, true)] = sent[..] else {
            panic!("{}", story(rig))
        };
        // Held much longer than `kill-hold`; only to read the lines is it taken back.
        assert!(between(first, lowered) >= AGAIN - Duration::from_secs(1), "{}", story(rig));
        assert!(between(lowered, second) >= Duration::from_millis(200), "{}", story(rig));
        rig.command(&format!("set a {}", MAINS.replace(',', " ")));
    }
    for rig in &mut all {
        assert_eq!(rig.wait_exit(AGAIN + STEADY + LONG), Some(5), "{}", story(rig));
        // Else the next flicker cuts a running machine.
        assert!(matches!(kills(rig).last(), Some((_, false))), "{}", story(rig));
        assert!(rig.stdout().contains("rebooting"), "{}", rig.stdout());
    }
}

#[test]
fn without_goodbyes_nothing_is_cut_but_the_machine_stays() {
    if !need_root() {
        return;
    }
    let master = format!("slave 127.0.0.2\n{POWER99}");
    for slaves in [Slaves::Waiting, Slaves::Missing] {
        let mut rig = start(&master, BATTERY, Some(&Left { slaves: Some(slaves), ..LOW }));
        let early = rig.wait_exit(Duration::from_secs(3));
        assert_eq!(early, None, "{}", story(&mut rig));
        assert!(rig.stdout().contains("not sent: "), "{}", story(&mut rig));
        assert!(kills(&mut rig).iter().all(|(_, dtr)| !dtr), "{}", story(&mut rig));
        rig.signal(Signal::SIGKILL);
    }
    let mut rig = start(&master, BATTERY, Some(&Left { slaves: Some(Slaves::Served), ..LOW }));
    let sent = rig.wait_for(|event| matches!(event.kind, Kind::Out { dtr: true, .. }), LONG);
    assert!(sent.is_some(), "{}", story(&mut rig));
}

#[test]
fn a_slave_leaves_others_their_time_and_then_reboots() {
    if !need_root() {
        return;
    }
    let begin = std::time::Instant::now();
    let slave = "kill-wait 3s\nslave-wait 1s\nwatch master:127.0.0.1\n";
    ends(start(slave, MAINS, Some(&LOW)), 5, LONG);
    assert!(begin.elapsed() >= Duration::from_secs(4));
    let shutdown = Left { word: Word::Shutdown, cause: Some(Cause::Outage), ..LOW };
    ends(start(slave, MAINS, Some(&shutdown)), 5, LONG);
}
