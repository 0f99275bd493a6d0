//! Outages that end: nothing halts, whatever else goes wrong meanwhile.

use crate::common::whole::{BATTERY, MAINS, WHILE, Whole};
use crate::{SOON, shutdown_after};
use std::time::Duration;

#[test]
fn outages_that_end_halt_nothing() {
    let Some(mut machine) = Whole::boot("outages that end") else { return };
    memory(&mut machine);
    short(&mut machine);
    timed_shutdown_is_cancelled(&mut machine);
    init_executes_itself_anew(&mut machine);
    monitor_is_killed(&mut machine);
    halted_by_hand(&mut machine);
}

/// At rest, on a machine with so little else on it that libraries are hardly shared.
fn memory(machine: &mut Whole) {
    let sizes = machine.must(
        "sleep 15; for process in /proc/[0-9]*; do \
             [ \"$(readlink $process/exe)\" = /usr/sbin/upsentry ] || continue; \
             awk -v name=$(cat $process/comm) '/^[0-9a-f]+-/ { of = ($6 ~ /[.]so/) } /^Pss:/ { sum[of] += $2 } \
                 END { print name, sum[0] + 0, sum[1] + 0 }' $process/smaps; \
         done",
    );
    let number = |word: Option<&str>| word.unwrap().parse::<u32>().unwrap();
    let (mut own, mut libraries) = (0, 0);
    for line in sizes.lines() {
        let mut words = line.split(' ').skip(1);
        own += number(words.next());
        libraries += number(words.next());
    }
    println!(
        "memory (PSS): {} kB, {libraries} kB of them in libraries: {}",
        own + libraries,
        sizes.replace('\n', ", ")
    );
    assert_eq!(sizes.lines().count(), 3, "{sizes}");
    // The goal of `make bench`, where no other program shares the libraries. At the start it is half as much again.
    assert!(own + libraries < 1200, "{sizes}");
}

fn fails(machine: &mut Whole, what: &str) {
    machine.plug(BATTERY, what);
    machine.hears("init told: power fail", SOON);
    machine.hears("upsentry.power: on battery", SOON);
    assert_eq!(machine.state(), "FAIL");
}

fn returns(machine: &mut Whole) {
    machine.turn(MAINS, "mains is back");
    machine.hears("init told: power ok", SOON);
    machine.hears("upsentry.power: power is back", SOON);
    assert_eq!(machine.state(), "OK");
    machine.never("upsentry.power: the battery is low");
    machine.never("Switching to runlevel");
}

fn short(machine: &mut Whole) {
    fails(machine, "a short outage: the plug is pulled");
    returns(machine);
    assert_eq!(machine.must("runlevel"), "N 2");
}

fn timed_shutdown_is_cancelled(machine: &mut Whole) {
    shutdown_after(machine, "8s");
    // The administrator's own stays what it was.
    machine.must("shutdown -r +60 & sleep 1");
    fails(machine, "the power script shuts down after 8 s; the plug is pulled");
    machine.hears("shutdown in 8s, unless power returns", SOON);
    std::thread::sleep(Duration::from_secs(3));
    returns(machine);
    machine.hears("the timed shutdown is cancelled", SOON);
    machine.stays(Duration::from_secs(9), "9 s later it still runs");
    machine.never("shuts down now");
    machine.must("test ! -e /run/upsentry.timer && pidof shutdown && shutdown -c");
    shutdown_after(machine, "");
}

fn init_executes_itself_anew(machine: &mut Whole) {
    fails(machine, "init is executed anew in an outage; the plug is pulled");
    machine.must("telinit u");
    machine.hears("Trying to re-exec init", SOON);
    returns(machine);
    fails(machine, "once more, by the new init");
    returns(machine);
}

fn monitor_is_killed(machine: &mut Whole) {
    fails(machine, "the monitor is killed in an outage; the plug is pulled");
    let monitor = machine.must("pgrep -x upsentry-mon");
    machine.must("kill -9 $(pgrep -x upsentry-mon)");
    machine.must(
        "i=0; while ! pgrep -x upsentry-mon; do i=$((i+1)); [ $i -lt 100 ] || exit 9; sleep 0.1; done",
    );
    assert_ne!(machine.must("pgrep -x upsentry-mon"), monitor);
    assert_eq!(machine.state(), "FAIL");
    returns(machine);
}

/// By an administrator, on mains: the UPS goes on.
fn halted_by_hand(machine: &mut Whole) {
    machine.story_of("halted by hand, on mains");
    machine.must("shutdown -h -P now");
    machine.hears("Switching to runlevel: 0", SOON);
    machine.hears("this halt is somebody's", WHILE);
    machine.hears("not sent; power off", WHILE);
    machine.off();
    machine.never("upsentry.power: ");
    machine.no_kill_signal();
}
