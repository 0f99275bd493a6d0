//! One whole outage, from the plug to the power: sysvinit runs the daemon, hears of it, goes to runlevel 0,
//! and the last script has the UPS cut the load.

use crate::common::guest::between;
use crate::common::machine::{Boot, Machine};
use crate::{APART, CABLE};
use std::time::Duration;

#[test]
fn from_the_plug_to_power_off() {
    let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
    machine.config(&format!(
        "{CABLE}low-after 300ms\ninit dtr 0 rts 1\nkill dtr 1\nkill-hold 2s\ntell low runlevel 0\nsleep-time 2s\n"
    ));
    let mark = machine.mark();
    machine.must(
        "echo 'ue:2345:respawn:upsentry -f -c /run/upsentry.conf --log stderr 2>/run/said' >>/etc/inittab; \
         telinit q",
    );
    machine.says(mark, "ready: 1 of 1 UPS on mains", Duration::from_secs(20));
    let ready = machine.now();
    let mut told = |levels: &str, entry: &str, state: &str| {
        std::thread::sleep(APART);
        let moved = machine.lines(levels);
        let script = machine.expect(entry, state);
        println!("{levels}: {entry} after {:?}", between(moved, script.nanos));
        (moved, script)
    };
    told("cts=0", "powerfail", "FAIL");
    told("cts=1", "powerokwait", "OK");
    told("cts=0", "powerfail", "FAIL");
    let (low, halt) = told("dcd=1", "rc0", "LOW");
    assert_eq!(halt.halt, "POWEROFF");
    assert!(between(low, halt.nanos) >= Duration::from_millis(300));
    let kill = machine.expect_within("kill", "0", Duration::from_secs(20));
    // The load would be gone here.
    let driven = machine.driven(ready);
    let first = driven.iter().find(|(dtr, _, _)| *dtr).expect("a kill signal").2.nanos;
    assert!(first > halt.nanos, "the kill line rose before runlevel 0 {}", machine.story());
    let held = driven.iter().filter(|(_, _, event)| event.nanos >= first);
    assert!(held.clone().all(|(dtr, _, _)| *dtr), "the kill line fell again {}", machine.story());
    println!(
        "kill line {:?} after low, held {:?}",
        between(low, first),
        between(first, kill.nanos)
    );
    assert!(between(first, kill.nanos) >= Duration::from_secs(2));
    assert_eq!(machine.off(), Some(0), "{}", machine.story());
    println!("off {:?} after low; {:?} in all", between(low, machine.now()), machine.up());
    assert!(machine.unexpected().is_empty(), "{}", machine.story());
    let said = machine.since(mark);
    assert!(said.contains("SIGTERM: stopping"), "{said}");
}
