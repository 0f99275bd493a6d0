//! Outages that halt the machine.

use crate::common::guest::between;
use crate::common::whole::{BATTERY, LOW, MAINS, WHILE, Whole};
use crate::{SOON, all, shutdown_after};
use std::time::Duration;

/// From the plug to runlevel 0.
fn halts(machine: &mut Whole) -> u64 {
    let plug = machine.plug(BATTERY, "the plug is pulled");
    let told = machine.hears("init told: power fail", SOON);
    let script = machine.hears("upsentry.power: on battery", SOON);
    let low = machine.turn(LOW, "the battery is low");
    let now = machine.hears("init told: power fail now", SOON);
    let halt = machine.hears("the battery is low: this machine shuts down now", SOON);
    let level = machine.hears("Switching to runlevel: 0", WHILE);
    let order = [plug, told, script, low, now, halt, level];
    assert!(order.is_sorted(), "{order:?} {}", machine.story());
    level
}

#[test]
fn from_the_plug_to_the_power_off() {
    let Some(mut machine) = Whole::boot("an outage until the battery is low") else { return };
    let level = halts(&mut machine);
    let hook = machine.hears("this halt is an outage's", WHILE);
    let kill = machine.kill_signal(Duration::from_secs(10), WHILE);
    assert!(level < hook && hook < kill, "{}", machine.story());
    let root = machine.must("grep '^/dev/[^ ]* / ' /proc/mounts");
    assert!(root.contains(" ext4 ro,"), "{root}");
    machine.stays(Duration::from_secs(2), "the machine is halted, and on");
    machine.load_cut();
    if all() {
        machine.comes_back();
        let history = machine.must("upsentry history");
        println!("{history}");
        assert!(history.contains("halted by us"), "{history}");
    }
}

#[test]
fn mains_that_returns_in_the_halt_and_after_the_kill() {
    let Some(mut machine) = Whole::boot("mains returns too late") else { return };
    halts(&mut machine);
    let back = machine.turn(MAINS, "mains is back");
    machine.hears("this halt is an outage's", WHILE);
    let reset = machine.reboots(WHILE);
    assert!(between(back, reset) >= Duration::from_secs(10));
    machine.no_kill_signal();
    machine.comes_back();
    let history = machine.must("upsentry history");
    println!("{history}");
    assert!(history.contains("fail, low, ok"), "{history}");

    shutdown_after(&mut machine, "5s");
    machine.plug(BATTERY, "the power script shuts down after 5 s; the plug is pulled");
    let begun = machine.hears("shutdown in 5s, unless power returns", SOON);
    let halt = machine.hears("on battery for 5s: this machine shuts down now", SOON);
    assert!(between(begun, halt) >= Duration::from_secs(4));
    machine.hears("this halt is an outage's", WHILE);
    let first = machine.kill_signal(Duration::from_secs(10), WHILE);
    machine.story_of("the UPS does not cut the load");
    let second = machine.kill_signal(Duration::from_secs(10), WHILE);
    assert!(between(first, second) >= Duration::from_secs(30));
    machine.turn(MAINS, "mains is back");
    machine.reboots(WHILE);
    machine.no_signal_is_left();
}
