//! What a monitor of these tests is, and monitors that end badly.

use crate::common::jail::{Status, descriptors, limits};
use crate::common::need_root;
use crate::rig::{LONG, Log, Wanted, frame, says};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// What the kernel says of a monitor's rights.
fn rights(pid: u32) -> Vec<String> {
    let status = Status::of(pid).expect("a monitor");
    let fields = "Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters SigBlk";
    let fields = fields.split(' ').map(|field| format!("{field} {}", status.get(field)));
    let link = |name| fs::read_link(format!("/proc/{pid}/{name}"));
    let places = ["root", "cwd"].map(|name| format!("{name} {:?}", link(name).ok()));
    let mut limits = limits(pid);
    // One above the highest that it holds.
    limits.remove("Max open files");
    fields.chain(places).chain([format!("{limits:?}")]).collect()
}

/// Pipes by their numbers: these are the real ones.
fn holds(pid: u32) -> BTreeSet<(String, &'static str)> {
    descriptors(pid).into_values().collect()
}

/// The attackers have the rights and the descriptors of the daemon's own monitor: those of the same daemon, one
/// generation later.
///
/// Seen to fail without the attacker's second list, and with the warden's socket left open in it.
#[test]
fn an_attacker_is_a_monitor() {
    if !need_root() {
        return;
    }
    let words = [format!("{},pace 1 e {}", says("O"), frame('H', "a")), "real".to_owned()];
    let mut victim = Wanted::default().start(&words);
    victim.says("ready: ", 1);
    let attacker = victim.monitor();
    let (its_rights, its_ends) = (rights(attacker), holds(attacker));
    victim.kill_monitor();
    victim.comes_back();
    let real = victim.monitor();
    assert_ne!(real, attacker);
    assert_eq!(its_rights, rights(real));
    assert_eq!(its_ends, holds(real));
}

/// Monitors that exit, crash, do what they may not, close their end (which they may not) and fill
/// their memory: each has its line, 20 are replaced at once, then one a minute, again and again; blind on
/// battery meanwhile, the parent asks for the shutdown. By a clock that runs 20 times faster.
///
/// Seen to fail with a crash not counted (`counted = convicted`), without the pause in `sleep` (the next never
/// starts), and with `blinded` taken out of `bury`.
#[test]
fn a_crash_loop() {
    if !need_root() {
        return;
    }
    let deaths = [
        ("exit 3", "exit status 3"),
        ("segv", "SIGSEGV"),
        ("open", "SIGSYS"),
        ("close", "SIGSYS"),
        // The allocator gives up by a call that is not on the list.
        ("oom", "SIGSYS"),
    ];
    let mut words = vec![says("F") + ",wait 200,exit 3"];
    words.extend((0..4).flat_map(|_| deaths.map(|(word, _)| word.to_owned())));
    let wanted = Wanted { speed: 20, more: "blind-after 30s".to_owned(), ..Wanted::default() };
    let mut victim = wanted.start(&words);
    victim.generations(3);
    victim.warm();
    // 20 are free, so the 21st death is the first that is followed by a pause.
    victim.says_within("1 upsentry: too many monitors end badly; the next starts in ", 1, 3 * LONG);
    let ended = victim.said("4 upsentry: monitor ended: ");
    assert_eq!(ended, 21, "{}", victim.all());
    for (word, how) in deaths {
        let times = words[1..21]
            .iter()
            .filter(|one| deaths.iter().any(|(name, said)| name == one && *said == how));
        let expected = times.count() + usize::from(word == "exit 3");
        let line = format!("4 upsentry: monitor ended: {how}");
        assert_eq!(victim.said(&line), expected, "{}", victim.all());
    }
    // The last word is said for ever: one more each minute.
    victim.says_within("1 upsentry: too many monitors end badly; the next starts in ", 3, 3 * LONG);
    assert_eq!(victim.said("4 upsentry: monitor ended: "), 23, "{}", victim.all());
    let blind = "1 upsentry: blind on battery for too long; init told: runlevel 0, power off";
    assert_eq!(victim.said(blind), 1, "{}", victim.all());
    // What comes after is `insist`, by the tables.
    assert_eq!(victim.told()[..3], ["powerfail", "setenv", "runlevel"], "{}", victim.all());
    victim.unmoved();
    victim.by_the_tables();
}

/// The same on mains: blind for any time is no reason to shut down, and a decent monitor comes after the pause.
///
/// Seen to fail with blindness that counts whatever was last seen.
#[test]
fn a_crash_loop_on_mains() {
    if !need_root() {
        return;
    }
    let mut words = vec![says("O") + ",wait 200,segv"];
    words.extend((0..20).map(|_| "exit 1".to_owned()));
    words.push("real".to_owned());
    let wanted = Wanted { log: Log::Background, speed: 20, ..Wanted::default() };
    let mut victim = wanted.start(&words);
    victim.generations(3);
    victim.warm();
    victim.says_within("1 upsentry: too many monitors end badly; the next starts in ", 1, 3 * LONG);
    victim.comes_back();
    assert_eq!(victim.told(), [""; 0], "{}", victim.all());
    victim.works_again();
    victim.unmoved();
    victim.by_the_tables();
}

/// The exit status by which an honest monitor says that no port is left: a daemon that somebody restarts ends, to
/// begin with new ports, and another waits ten minutes. On battery both are blind first.
///
/// Seen to fail with the pause after it as long as after any death, and with the end not held back
/// on battery.
#[test]
fn ports_that_are_said_to_be_gone() {
    if !need_root() {
        return;
    }
    let word = |power| format!("{},wait 200,exit 72", says(power));
    let start = |log, power, speed| {
        let more = "blind-after 20s".to_owned();
        Wanted { log, speed, more, ..Wanted::default() }.start(&[word(power), "real".to_owned()])
    };
    let mut restarted = start(Log::Syslog, "O", 1);
    assert_eq!(restarted.rig.wait_exit(LONG), Some(1), "{}", restarted.all());
    restarted.says("0 upsentry: every port is gone; ending", 1);
    assert_eq!(restarted.told(), [""; 0], "{}", restarted.all());

    let mut alone = start(Log::Background, "O", 100);
    let said = Instant::now();
    alone.says("1 upsentry: every port is gone: nothing is watched; restart upsentry", 1);
    alone.comes_back();
    assert!(said.elapsed() >= Duration::from_secs(5), "{}", alone.all());
    assert_eq!(alone.told(), [""; 0], "{}", alone.all());
    alone.works_again();

    let mut on_battery = start(Log::Syslog, "F", 10);
    on_battery.rig.wait_inits(3, LONG);
    assert_eq!(on_battery.told(), ["powerfail", "setenv", "runlevel"], "{}", on_battery.all());
    assert!(on_battery.lives(), "{}", on_battery.all());
    on_battery.by_the_tables();
}
