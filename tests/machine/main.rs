//! The daemon in a whole machine: a real kernel's serial driver, other kernels, other clocks, a real halt.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

use common::machine::{Boot, Machine, between};

#[test]
fn first() {
    let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
    println!("{}", machine.must("uname -a; cat /sys/devices/system/clocksource/*/current_clocksource /sys/devices/system/clocksource/*/available_clocksource; cat /proc/tty/driver/serial; cat /proc/interrupts; ls / /bin | head -30"));
    machine.daemon("fail cts 0\nlow dcd 1\nsense dsr 1");
    for _ in 0..5 {
        let moved = machine.lines("cts=0");
        let script = machine.expect("powerfail", "FAIL");
        println!("{:?}", between(moved, script.nanos));
        let moved = machine.lines("cts=1");
        let script = machine.expect("powerokwait", "OK");
        println!("{:?}", between(moved, script.nanos));
    }
    let t = std::time::Instant::now();
    machine.stop("TERM");
    println!("{:?}", t.elapsed());
    let t = std::time::Instant::now();
    machine.restart("");
    println!("{:?}", t.elapsed());
    println!("{}", machine.must("probe /dev/ttyS1 get icount; dmesg | tail -5"));
    println!("{}", machine.story());
}
