//! A machine that sleeps (suspend to RAM) in an outage: its serial port is without power meanwhile.

use crate::common::guest::between;
use crate::common::machine::{Boot, Machine};
use crate::{BATTERY, CABLE, MAINS, SOON, told};
use std::time::Duration;

const OUTPUTS: &str = "init dtr 0 rts 1\nkill dtr 1\n";
/// The alarm clock counts whole seconds.
const NIGHT: Duration = Duration::from_secs(4);

/// Sleeps for 2 to 3 s; moves the lines while it does. When it was up again, and for how long it slept.
fn sleep(machine: &mut Machine, lines: &str) -> (u64, Duration) {
    let from = machine.now();
    machine.must(
        "echo +3 >/sys/class/rtc/rtc0/wakealarm
         (usleep 300000; echo mem >/sys/power/state; echo risen >/run/said) >/dev/null 2>&1 &",
    );
    let mark = machine.mark();
    std::thread::sleep(Duration::from_millis(1200));
    let moved = machine.lines(lines);
    let up = machine.says(mark, "risen", NIGHT * 3).nanos;
    assert!(up > moved, "it was up before the lines moved {}", machine.story());
    assert!(machine.must("dmesg").contains("PM: suspend exit"), "{}", machine.story());
    (up, between(from, up))
}

/// DTR, which would cut the load, does not rise, and the port works afterwards.
fn asleep_on_battery(machine: &mut Machine) {
    machine.daemon(&format!("{CABLE}{OUTPUTS}"));
    told(machine, BATTERY, "powerfail", "FAIL");
    let since = machine.now();
    sleep(machine, BATTERY);
    machine.quiet(Duration::from_millis(1500));
    let (up, _) = sleep(machine, MAINS);
    // The driver does not say what changed meanwhile: found with the next sign of life.
    let took = between(up, machine.expect("powerokwait", "OK").nanos);
    println!("back on mains while asleep: told {took:?} after it was up");
    assert!(took < Duration::from_secs(1) + SOON * 2, "{took:?}");
    let driven = machine.driven(since);
    let levels: Vec<_> = driven.iter().map(|(dtr, rts, _)| (*dtr, *rts)).collect();
    println!("going to sleep and getting up drives {levels:?}");
    assert!(levels.iter().all(|(dtr, _)| !dtr), "{}", machine.story());
    assert_eq!(levels.last(), Some(&(false, true)), "{}", machine.story());
    told(machine, BATTERY, "powerfail", "FAIL");
    told(machine, MAINS, "powerokwait", "OK");
    machine.stop("TERM");
}

/// Timers stand still meanwhile: what is promised is time awake.
fn timers_sleep_too(machine: &mut Machine) {
    machine.daemon(&format!("{CABLE}{OUTPUTS}shutdown-after 3s\ntell shutdown low\n"));
    told(machine, BATTERY, "powerfail", "FAIL");
    let (up, night) = sleep(machine, BATTERY);
    let took = between(up, machine.expect("powerfailnow", "SHUTDOWN").nanos);
    println!("shutdown {took:?} after it was up; it had slept for {night:?}");
    assert!(took <= Duration::from_secs(3) + SOON * 2, "{took:?}");
    assert!(took + night >= Duration::from_secs(3), "{took:?}");
    machine.stop("TERM");
}

#[test]
fn a_machine_that_sleeps_in_an_outage() {
    let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
    assert!(machine.must("cat /sys/power/mem_sleep").contains("[deep]"));
    asleep_on_battery(&mut machine);
    timers_sleep_too(&mut machine);
}
