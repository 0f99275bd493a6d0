//! Clocks that jump, clocks that only the kernel can read, clocks that begin elsewhere.

use crate::common::guest::between;
use crate::common::machine::Machine;
use crate::{BATTERY, CABLE, MAINS, SOON, in_time, told};
use std::time::Duration;

const TEN_YEARS: i64 = 315_576_000;
const TIMES: &str = "fail-after 600ms\nshutdown-after 2s\ntell shutdown low\n";

/// The clock that the kernel has chosen.
pub(crate) fn source(machine: &mut Machine) -> String {
    machine.must("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
}

/// Moves the time of day by so much.
fn jump(machine: &mut Machine, seconds: i64) {
    let before: i64 = machine.must("date +%s").parse().unwrap();
    machine.must(&format!("date -s @$(($(date +%s)+({seconds})))"));
    let moved = machine.must("date +%s").parse::<i64>().unwrap() - before;
    assert!((moved - seconds).abs() < 60, "the clock moved by {moved} s");
}

/// An outage while the time of day is put forward and back; how much later than promised the later of
/// two timers was told.
fn outage(machine: &mut Machine, before: &str) -> Duration {
    machine.run("rm /run/upsentry.state");
    machine.lines(MAINS);
    machine.restart(before);
    let monitor = machine.must("pidof upsentry-mon");
    let namespaces =
        machine.must(&format!("readlink /proc/1/ns/time; readlink /proc/{monitor}/ns/time"));
    let namespaces: Vec<&str> = namespaces.lines().collect();
    assert_eq!(namespaces[0] == namespaces[1], before.is_empty(), "{namespaces:?}");
    let mark = machine.mark();
    let moved = machine.lines(BATTERY);
    jump(machine, TEN_YEARS);
    let fail = between(moved, machine.expect("powerfail", "FAIL").nanos);
    jump(machine, -2 * TEN_YEARS);
    std::thread::sleep(Duration::from_millis(300));
    jump(machine, TEN_YEARS);
    let low = between(moved, machine.expect("powerfailnow", "SHUTDOWN").nanos);
    println!("{} {before}: FAIL after {fail:?}, shutdown after {low:?}", source(machine));
    let late = [(fail, 600), (low, 2000)].map(|(took, due)| {
        let due = Duration::from_millis(due);
        assert!(took >= due, "{took:?} instead of {due:?} {}", machine.story());
        took.saturating_sub(due)
    });
    assert_eq!(machine.must("pidof upsentry-mon"), monitor, "{}", machine.story());
    assert!(!machine.since(mark).contains("upsentry: ups:"), "{}", machine.since(mark));
    // A call that is not on the list would be here.
    assert!(!machine.must("dmesg").contains("type=1326"), "{}", machine.must("dmesg"));
    machine.stop("TERM");
    late[0].max(late[1])
}

/// Timers hold whatever the time of day does, also where monotonic time began 10,000 days ago.
pub(crate) fn timers_hold(machine: &mut Machine) {
    machine.config(&format!("{CABLE}{TIMES}"));
    in_time("timers", SOON * 2, || outage(machine, ""));
    let elsewhere = "unshare-all --time --monotonic 864000000 --boottime 864000000 --fork";
    in_time("timers in a time namespace", SOON * 2, || outage(machine, elsewhere));
    machine.must("rm /run/upsentry.state");
    machine.lines(MAINS);
    machine.daemon(CABLE);
    told(machine, BATTERY, "powerfail", "FAIL");
    told(machine, MAINS, "powerokwait", "OK");
    machine.stop("TERM");
}
