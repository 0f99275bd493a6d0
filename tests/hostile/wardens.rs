//! Wardens that were taken over. They have what a monitor has, and the socket to the parent: what they can
//! do with it is to be silent or to talk nonsense. The parent says so at EMERG and counts as blind.

use crate::common::need_root;
use crate::rig::{LONG, Log, Victim, Wanted, frame, says};
use std::fs;

/// A daemon that somebody restarts (`-f`) ends on mains, with a status that says so.
fn ends(victim: &mut Victim, why: &str) {
    assert_eq!(victim.rig.wait_exit(3 * LONG), Some(1), "{}", victim.all());
    victim.says(&format!("0 upsentry: the warden {why}; ending"), 1);
    assert_eq!(victim.told(), [""; 0], "{}", victim.all());
}

/// Seen to fail (`twice`, `flood`) with deaths taken in any stage.
#[test]
fn a_warden_that_talks_nonsense_or_goes() {
    if !need_root() {
        return;
    }
    let start = |manner| {
        let word = format!("{manner}:{},wait 100,exit 0", says("O"));
        Wanted::default().start(&[word])
    };
    // All at once, here and below: most of it is waiting.
    for mut victim in ["die", "shut", "twice", "other", "flood"].map(start) {
        ends(&mut victim, "is gone");
    }
}

/// It was told to kill, and does not answer; or never says that it is confined.
///
/// Seen to fail without `Link::overdue_at`: the parent waits for ever and says nothing.
#[test]
fn a_warden_that_is_silent() {
    if !need_root() {
        return;
    }
    let wanted = Wanted { speed: 10, ..Wanted::default() };
    let convicted = format!("mute:{},wait 500,{},hold", says("O"), says("O"));
    for word in [convicted, "unready".to_owned()] {
        ends(&mut wanted.start(&[word]), "has not answered for 10s");
    }
}

/// Without somebody who restarts it the parent stays and says so again and again. On battery it is blind from the
/// conviction on, whether the death is reported or not, and asks for the shutdown.
///
/// Seen to fail with `blinded` in `bury` only (`mute`: init never hears of it), and with the first
/// word on a warden that is gone at ALERT.
#[test]
fn a_warden_that_goes_in_an_outage() {
    if !need_root() {
        return;
    }
    let bad = frame('R', "a");
    let start = |manner, log| {
        let wanted = Wanted { log, speed: 50, ..Wanted::default() };
        wanted.start(&[format!("{manner}:{},wait 500,e {bad},hold", says("F"))])
    };
    let cases = [("mute", "has not answered for 10s"), ("die", "is gone"), ("flood", "is gone")];
    let logs = [Log::Background, Log::Syslog];
    let cases = cases.iter().flat_map(|(manner, why)| logs.map(|log| (*manner, *why, log)));
    let all: Vec<_> = cases.map(|(manner, why, log)| (start(manner, log), why, log)).collect();
    for (mut victim, why, log) in all {
        let blind = "1 upsentry: blind on battery for too long; init told: runlevel 0, power off";
        victim.says(blind, 1);
        let nothing = format!("upsentry: the warden {why}: nothing is watched; restart upsentry");
        victim.says(&format!("0 {nothing}"), 1);
        victim.rig.wait_inits(3, LONG);
        if log == Log::Background {
            // After ten minutes.
            victim.says_within(&format!("1 {nothing}"), 1, 3 * LONG);
            assert!(victim.lives(), "{}", victim.all());
        } else {
            // Now that init has been told.
            assert_eq!(victim.rig.wait_exit(LONG), Some(1), "{}", victim.all());
            victim.says(&format!("0 upsentry: the warden {why}; ending"), 1);
        }
        assert_eq!(victim.told()[..3], ["powerfail", "setenv", "runlevel"], "{}", victim.all());
    }
}

/// One that answers after all is served again.
///
/// Seen to fail with a warden that is overdue counted as gone for good.
#[test]
fn a_warden_that_is_late() {
    if !need_root() {
        return;
    }
    let wanted = Wanted { log: Log::Background, speed: 10, ..Wanted::default() };
    let word = format!("slow 15000:{},wait 500,{},hold", says("O"), says("O"));
    let mut victim = wanted.start(&[word, "real".to_owned()]);
    victim.says("0 upsentry: the warden has not answered for 10s: nothing is watched;", 1);
    victim.says("5 upsentry: the warden answers again", 1);
    victim.comes_back();
    victim.works_again();
    victim.by_the_tables();
}

/// It reports a death that was none, and the monitor goes on: two write to the pipe, which is what a hostile monitor
/// can do alone. The tables hold.
///
/// Seen to fail with the frames of two generations judged by one table that is not reset.
#[test]
fn a_monitor_that_is_said_to_be_dead() {
    if !need_root() {
        return;
    }
    let alive = frame('H', "a");
    let word = format!("early:{},pace 20 e {alive}", says("O"));
    let mut victim = Wanted::default().start(&[word, "real".to_owned()]);
    victim.comes_back();
    victim.warm();
    victim.works_again();
    assert_eq!(victim.said("monitor ended: SIGKILL"), 1, "{}", victim.all());
    victim.unmoved();
    victim.by_the_tables();
}

/// A start in an outage of which init was told, whose warden goes before anything was seen: the parent does
/// not leave before init has heard.
///
/// Seen to fail with every end of the warden before the first state taken for a failed start.
#[test]
fn a_start_in_an_outage_without_a_warden() {
    if !need_root() {
        return;
    }
    let read = |path| fs::read_to_string(path).expect("it is there");
    let boot = read("/proc/sys/kernel/random/boot_id");
    let stat = read("/proc/1/stat");
    let init = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19));
    let state = format!(
        "FAIL\ntold FAIL\nat 1\npid 1\nboot {}\ninit {}\nups a F\nend\n",
        boot.trim(),
        init.expect("when it started"),
    );
    for word in ["die:exit 0", "unready"] {
        let more = "blind-after 20s".to_owned();
        let wanted = Wanted { speed: 10, more, state: Some(state.clone()), ..Wanted::default() };
        let mut victim = wanted.start(&[word.to_owned()]);
        assert_eq!(victim.rig.wait_exit(3 * LONG), Some(1), "{}", victim.all());
        assert_eq!(victim.told(), ["setenv", "runlevel"], "{}", victim.all());
        assert_eq!(victim.said("0 upsentry: the warden "), 2, "{}", victim.all());
    }
}
