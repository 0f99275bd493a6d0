//! Kernels with all of Landlock, with some, with none; each with a clock of its own.

use crate::clocks::{source, timers_hold};
use crate::common::guest::part;
use crate::common::machine::{Boot, Machine};
use crate::{CABLE, works};

/// What the daemon says of Landlock.
const ALL: &str = "upsentry: runs as 64002, without a right";
const IN_PART: &str = "upsentry: runs as 64002, without a right; Landlock in part: older kernel";
const NONE: &str = "upsentry: runs as 64002, without a right, but this kernel has no Landlock";

/// All other walls stand, whatever the kernel is.
fn assert_confined(machine: &mut Machine) {
    for name in ["upsentry", "upsentry-warden", "upsentry-mon"] {
        let status = machine.must(&format!("grep -h -A 99 '^Name:.{name}$' /proc/[0-9]*/status"));
        for field in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(status.contains(&format!("{field}:\t0000000000000000\n")), "{name}: {status}");
        }
        for field in ["NoNewPrivs:\t1\n", "Seccomp:\t2\n"] {
            assert!(status.contains(field), "{name}: {status}");
        }
        let user = if name == "upsentry" { 64002 } else { 64001 };
        assert!(status.contains(&format!("Uid:\t{user}\t{user}\t{user}\t{user}\n")), "{status}");
    }
}

/// It starts, says what it has, is confined and works; then by signal, with a hand that stays root.
fn starts_and_works(machine: &mut Machine, landlock: &str) {
    let mark = machine.mark();
    machine.daemon(CABLE);
    let said = machine.since(mark);
    assert!(said.lines().any(|line| line == landlock), "{landlock:?} is not in {said}");
    assert_confined(machine);
    works(machine);
    machine.stop("TERM");
    machine.daemon(&format!("{CABLE}via signal\n"));
    works(machine);
    machine.stop("TERM");
}

/// Of the kernel that runs, from its major and minor number.
fn landlock(machine: &mut Machine) -> &'static str {
    let release = machine.must("uname -r");
    let mut numbers = release.split(['.', '-', '+']).map_while(|word| word.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= (6, 12) => ALL,
        (Some(5), Some(0..=12)) => NONE,
        _ => IN_PART,
    }
}

#[test]
fn debians_kernel_and_its_clock() {
    let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
    let expected = landlock(&mut machine);
    println!("{}, {}: {expected}", machine.must("uname -r"), source(&mut machine));
    starts_and_works(&mut machine, expected);
    timers_hold(&mut machine);
}

#[test]
fn without_landlock_locked_down_and_a_clock_that_is_a_system_call() {
    let append = "lsm=lockdown,yama lockdown=confidentiality clocksource=hpet";
    let Some(mut machine) = Machine::boot(&Boot { append, ..Boot::default() }) else { return };
    machine.must("mount -t securityfs none /sys/kernel/security");
    assert!(!machine.must("cat /sys/kernel/security/lsm").contains("landlock"));
    let lockdown = machine.must("cat /sys/kernel/security/lockdown");
    assert!(lockdown.contains("[confidentiality]"), "{lockdown}");
    assert_eq!(source(&mut machine), "hpet");
    starts_and_works(&mut machine, NONE);
    timers_hold(&mut machine);
}

#[test]
fn a_newer_kernel_and_the_other_clock() {
    let append = "clocksource=acpi_pm";
    if part("kernel", "vmlinuz").exists() && !part("kernel-6.12", "vmlinuz").exists() {
        println!("this Debian has no second kernel");
        return;
    }
    let boot = Boot { kernel: "kernel-6.12", append, ..Boot::default() };
    let Some(mut machine) = Machine::boot(&boot) else { return };
    let expected = landlock(&mut machine);
    println!("{}: {expected}", machine.must("uname -r"));
    assert_eq!(source(&mut machine), "acpi_pm");
    starts_and_works(&mut machine, expected);
    timers_hold(&mut machine);
}
