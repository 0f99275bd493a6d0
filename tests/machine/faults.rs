//! A monitor that is stopped while lines move, and a cable that is pulled.

use crate::common::guest::between;
use crate::common::machine::{Boot, Machine};
use crate::{APART, BATTERY, CABLE, MAINS, SOON, counted, counts, in_time, told, works};
use std::time::Duration;

/// The sign of life, and the re-reading that comes with it: on mains and in an outage.
const BEAT: Duration = Duration::from_secs(10);
const BEAT_IN_OUTAGE: Duration = Duration::from_secs(1);

/// Does something while the monitor is stopped; when it went on. `edges` of CTS are counted meanwhile.
fn while_stopped(machine: &mut Machine, edges: i32, act: impl FnOnce(&mut Machine)) -> u64 {
    // So that no re-reading after an earlier change is still to come, nor the last quick sign of life.
    std::thread::sleep(Duration::from_millis(1200));
    let before = counts(machine);
    machine.must("kill -STOP $(pidof upsentry-mon)");
    act(machine);
    std::thread::sleep(APART / 2);
    let from = machine.now();
    machine.must("kill -CONT $(pidof upsentry-mon)");
    assert_eq!(counted(machine, before), [edges, 0, 0, 0]);
    from
}

/// There and back while the monitor is stopped: nothing is told, then or later. In an outage it is taken
/// for hung after 3 s, which a busy host can make of this; then it is done again.
fn a_pulse_meanwhile(machine: &mut Machine, there: &str, back: &str) {
    for _ in 0..3 {
        let mark = machine.mark();
        while_stopped(machine, 2, |machine| {
            machine.lines(there);
            std::thread::sleep(APART / 2);
            machine.lines(back);
        });
        machine.quiet(Duration::from_millis(1500));
        if !machine.since(mark).contains("convicted") {
            return;
        }
        machine.says(mark, "upsentry-mon: ups: on ", crate::common::machine::SOON);
    }
    panic!("three times {}", machine.story());
}

/// TIOCMIWAIT tells nothing of what moved meanwhile; the counters do, and so do the levels.
fn a_stopped_monitor(machine: &mut Machine) {
    machine.daemon(&format!("{CABLE}debounce 0ms\n"));
    a_pulse_meanwhile(machine, BATTERY, MAINS);
    works(machine);
    // What stayed is found at the latest with the next sign of life.
    let from = while_stopped(machine, 1, |machine| _ = machine.lines(BATTERY));
    let took = between(from, machine.expect("powerfail", "FAIL").nanos);
    println!("went to battery while the monitor was stopped: told {took:?} after it went on");
    assert!(took <= BEAT + SOON * 4, "{took:?}");
    a_pulse_meanwhile(machine, MAINS, BATTERY);
    let from = while_stopped(machine, 1, |machine| _ = machine.lines(MAINS));
    let took = between(from, machine.expect("powerokwait", "OK").nanos);
    println!("went to mains while the monitor was stopped: told {took:?} after it went on");
    assert!(took <= BEAT_IN_OUTAGE + SOON * 4, "{took:?}");
    works(machine);
    machine.stop("TERM");
}

/// A line that is up proves that there is a cable: nothing is told of an outage that is none.
fn a_pulled_cable_with_sense(machine: &mut Machine) {
    machine.daemon(CABLE);
    for _ in 0..2 {
        let mark = machine.mark();
        machine.lines("cts=0 dsr=0 dcd=0 rng=0");
        machine.says(mark, "contact lost", crate::common::machine::SOON);
        machine.quiet(Duration::from_millis(1500));
        let mark = machine.mark();
        machine.lines(MAINS);
        machine.says(mark, "contact restored", crate::common::machine::SOON);
        machine.quiet(Duration::from_millis(500));
        works(machine);
    }
    machine.stop("TERM");
}

/// Without one it may be an outage: that is told, but low, which all zero is here, only after the grace.
fn a_pulled_cable_without_sense(machine: &mut Machine) {
    machine.daemon("fail cts 0\nlow dcd 0\ncable-grace 3s\n");
    machine.lines("cts=1 dsr=1 dcd=1 rng=0");
    let mark = machine.mark();
    in_time("a pulled cable", SOON, || {
        let took = told(machine, "cts=0 dsr=0 dcd=0", "powerfail", "FAIL");
        machine.says(mark, "low is held back", crate::common::machine::SOON);
        machine.quiet(Duration::from_millis(1500));
        told(machine, "cts=1 dsr=1 dcd=1", "powerokwait", "OK");
        took
    });
    std::thread::sleep(APART);
    let moved = machine.lines("cts=0 dsr=0 dcd=0");
    machine.expect("powerfail", "FAIL");
    let low = between(moved, machine.expect("powerfailnow", "LOW").nanos);
    println!("all lines 0, grace 3 s: LOW after {low:?}");
    assert!((Duration::from_secs(3)..Duration::from_secs(4)).contains(&low), "{low:?}");
    told(machine, "cts=1 dsr=1 dcd=1", "powerokwait", "OK");
    machine.stop("TERM");
}

#[test]
fn stopped_monitors_and_pulled_cables() {
    let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
    a_stopped_monitor(&mut machine);
    a_pulled_cable_with_sense(&mut machine);
    a_pulled_cable_without_sense(&mut machine);
}
