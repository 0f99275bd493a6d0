//! What the daemon drives, as it arrives at the UPS: a restart on battery must not cut the load.

use crate::common::guest::between;
use crate::common::machine::{Boot, Machine};
use crate::{BATTERY, CABLE, MAINS, told};
use std::time::Duration;

/// DTR is the kill line, RTS powers the cable.
const OUTPUTS: &str = "init dtr 0 rts 1\nkill dtr 1\nkill-hold 1s\n";

/// DTR has not risen since, and both lines stand as `init` says.
fn assert_still(machine: &mut Machine, since: u64, what: &str) {
    let driven = machine.driven(since);
    let moved = driven.iter().find(|(dtr, rts, _)| *dtr || !*rts);
    assert!(moved.is_none(), "{what}: {moved:?} {}", machine.story());
    // What the driver thinks; it opens the port once more, so this too must raise nothing.
    let said = machine.must("probe /dev/ttyS1 get");
    assert!(said.ends_with("dtr=0 rts=1"), "{what}: {said}");
}

/// The first open of a boot raises both lines: the driver's doing, before anybody can say otherwise.
fn the_first_open_pulses(machine: &mut Machine) {
    let since = machine.now();
    machine.daemon(&format!("{CABLE}{OUTPUTS}"));
    let driven = machine.driven(since);
    let levels: Vec<(bool, bool)> = driven.iter().map(|(dtr, rts, _)| (*dtr, *rts)).collect();
    println!("the first open drives {levels:?}");
    let pulse = driven.iter().find(|(dtr, _, _)| *dtr).expect("a pulse at the first open");
    let end = driven.iter().rfind(|(dtr, _, event)| !*dtr && event.nanos > pulse.2.nanos);
    let end = end.expect("the end of the pulse");
    assert_eq!(levels.last(), Some(&(false, true)));
    println!("DTR is up for {:?}", between(pulse.2.nanos, end.2.nanos));
}

/// Every way to go and come back.
fn restarts_raise_nothing(machine: &mut Machine) {
    told(machine, BATTERY, "powerfail", "FAIL");
    let since = machine.now();
    for signal in ["TERM", "KILL", "TERM"] {
        machine.stop(signal);
        assert_still(machine, since, &format!("after {signal}"));
        machine.restart("");
        assert_still(machine, since, &format!("a start after {signal}"));
        machine.quiet(Duration::from_millis(300));
    }
    // A monitor dies and is replaced.
    let mark = machine.mark();
    machine.must("kill -KILL $(pidof upsentry-mon)");
    machine.says(mark, "upsentry-mon: ups: on battery", Duration::from_secs(10));
    assert_still(machine, since, "a new monitor");
    machine.stop("KILL");
    // The table, which opens the port as well, and a start that fails.
    machine.run("timeout -s INT 1 upsentry -c /run/upsentry.conf -t");
    assert_still(machine, since, "-t");
    machine.run(
        "mkdir /run/dir; sed 's,^via.*,&\\nstate-file /run/dir,' /run/upsentry.conf >/run/bad.conf",
    );
    let failed = machine.run("upsentry -c /run/bad.conf -f");
    assert_ne!(failed.status, 0, "{}", failed.output);
    assert_still(machine, since, "a failed start");
    machine.restart("");
    assert_still(machine, since, "a start");
    told(machine, MAINS, "powerokwait", "OK");
    assert_still(machine, since, "mains");
}

/// With mains on `-k` drives nothing; on battery it drives the line, which stays after its end, until
/// the next start lowers it.
fn kill_drives(machine: &mut Machine) {
    let since = machine.now();
    machine.stop("TERM");
    let ran = machine.run("upsentry -c /run/upsentry.conf -k");
    assert_eq!(ran.status, 3, "{}", ran.output);
    assert_still(machine, since, "-k on mains");
    machine.lines(BATTERY);
    let ran = machine.run("upsentry -c /run/upsentry.conf -k");
    assert_eq!(ran.status, 0, "{}", ran.output);
    let levels = |machine: &mut Machine| {
        let driven = machine.driven(since);
        driven.last().map(|(dtr, rts, _)| (*dtr, *rts))
    };
    assert_eq!(levels(machine), Some((true, true)), "{}", machine.story());
    machine.lines(MAINS);
    machine.restart("");
    assert_eq!(levels(machine), Some((false, true)), "{}", machine.story());
    machine.stop("TERM");
}

/// The same restart on a port at another speed: the kernel raises the kill line, and the rig sees it.
fn at_another_speed_an_open_raises_them(machine: &mut Machine) {
    machine.must("probe /dev/ttyS1 speed=9600 bic=dtr");
    let since = machine.now();
    machine.must("probe /dev/ttyS1 get");
    let driven = machine.driven(since);
    assert!(driven.iter().any(|(dtr, _, _)| *dtr), "{}", machine.story());
}

#[test]
fn the_kill_line_never_rises_by_a_restart() {
    let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
    the_first_open_pulses(&mut machine);
    restarts_raise_nothing(&mut machine);
    kill_drives(&mut machine);
    at_another_speed_an_open_raises_them(&mut machine);
}
