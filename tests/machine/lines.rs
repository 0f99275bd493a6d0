//! Every line, with every kind of debounce, on the driver of a real 16550A.

use crate::common::guest::between;
use crate::common::machine::{Boot, Machine};
use crate::{APART, SOON, counted, counts, in_time, told};
use std::time::{Duration, Instant};

/// A line that means "on battery".
struct Line {
    name: &'static str,
    /// What it is on battery.
    battery: u8,
    /// What the driver counts of an outage and its end: CTS, DSR, RNG, DCD.
    counts: [i32; 4],
}

const LINES: [Line; 5] = [
    Line { name: "cts", battery: 0, counts: [2, 0, 0, 0] },
    Line { name: "dsr", battery: 0, counts: [0, 2, 0, 0] },
    // No hangup: CLOCAL is set.
    Line { name: "dcd", battery: 0, counts: [0, 0, 0, 2] },
    // Only the edge from 1 to 0 interrupts and is counted.
    Line { name: "rng", battery: 0, counts: [0, 0, 1, 0] },
    Line { name: "rng", battery: 1, counts: [0, 0, 1, 0] },
];

const DEBOUNCES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(20), Duration::from_millis(200)];

/// The other lines stand, so that this is no pulled cable.
fn levels(line: &Line, level: u8) -> String {
    let all = ["cts", "dsr", "dcd", "rng"].map(|name| {
        let steady = u8::from(name == "cts" || name == "dsr");
        format!("{name}={}", if name == line.name { level } else { steady })
    });
    all.join(" ")
}

/// One change of a line, from there to the end of init's line.
fn change(machine: &mut Machine, line: &Line, debounce: Duration, to_battery: bool) -> Duration {
    let (level, entry, state) = match to_battery {
        true => (line.battery, "powerfail", "FAIL"),
        false => (1 - line.battery, "powerokwait", "OK"),
    };
    let took = told(machine, &levels(line, level), entry, state);
    assert!(took >= debounce, "{}: {took:?} is before its {debounce:?}", line.name);
    took
}

/// An outage and its end; how much later than promised the later of the two was told.
fn outage(machine: &mut Machine, line: &Line, debounce: Duration) -> [Duration; 2] {
    // Without an interrupt it is the re-reading, once a second, that finds it.
    let silent = |level: u8| match line.name == "rng" && level == 1 {
        true => Duration::from_secs(1),
        false => Duration::ZERO,
    };
    let before = counts(machine);
    if silent(line.battery) > Duration::ZERO {
        // Until the last quick sign of life of what was before, which re-reads as well, is over.
        std::thread::sleep(Duration::from_millis(1200));
    }
    let failed = change(machine, line, debounce, true);
    let back = change(machine, line, debounce, false);
    let mains = 1 - line.battery;
    assert_eq!(counted(machine, before), line.counts, "{}", line.name);
    [failed, back].iter().zip([silent(line.battery), silent(mains)]).for_each(|(took, silent)| {
        assert!(*took <= silent + debounce + Duration::from_secs(5), "{}: {took:?}", line.name);
    });
    [
        failed.saturating_sub(debounce + silent(line.battery)),
        back.saturating_sub(debounce + silent(mains)),
    ]
}

#[test]
fn each_line_with_each_debounce() {
    let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
    for line in &LINES {
        machine.lines(&levels(line, 1 - line.battery));
        for debounce in DEBOUNCES {
            let (name, level) = (line.name, line.battery);
            machine.daemon(&format!("fail {name} {level}\ndebounce {}ms\n", debounce.as_millis()));
            let mark = machine.mark();
            let what = format!("{name} {level}, debounce {debounce:?}");
            let mut both = [Duration::ZERO; 2];
            in_time(&what, SOON, || {
                both = outage(&mut machine, line, debounce);
                both[0].max(both[1])
            });
            println!("{what}: told {:?} and {:?} after that", both[0], both[1]);
            assert!(!machine.since(mark).contains("contact"), "{}", machine.story());
            machine.stop("TERM");
            assert!(machine.unexpected().is_empty(), "{}", machine.story());
        }
    }
    without_clocal_the_same_change_hangs_up(&mut machine);
}

/// That DCD would have ended all: what the daemon is spared.
fn without_clocal_the_same_change_hangs_up(machine: &mut Machine) {
    machine.lines("dcd=1");
    machine
        .must("(probe /dev/ttyS1 clocal=0 get sleep=1000 get >/run/hangup 2>&1) & usleep 300000");
    machine.lines("dcd=0");
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let said = machine.must("cat /run/hangup");
        if said.contains("get: EIO") {
            return;
        }
        assert!(Instant::now() < end, "no hangup: {said}");
        std::thread::sleep(APART);
    }
}

/// Four lines at once, each with a period of its own, for 2 s: 140 to 500 changes a second. What comes
/// through to the guest is one sample each 10 ms and one each time that the driver is asked.
fn flap(machine: &mut Machine, end: &str) -> u64 {
    for (line, times, period) in
        [("cts", 667, 3), ("dsr", 401, 5), ("dcd", 287, 7), ("rng", 1001, 2)]
    {
        // The last of an odd number of changes leaves it so; then all are set together.
        machine.command(&format!("bounce ups {line}=0 {times} {period}ms"));
    }
    std::thread::sleep(Duration::from_millis(2100));
    machine.lines(end)
}

/// Flaps; how long after the last change the last thing was told, which must be what the lines say.
fn flapping(machine: &mut Machine, lines: &str, state: &str) -> Duration {
    let before = counts(machine);
    let last = flap(machine, lines);
    // All that may come late has come: the re-readings, the spacing, a sign of life.
    std::thread::sleep(Duration::from_millis(1500));
    let scripts = machine.unexpected();
    let counted = counted(machine, before);
    let newest = scripts.last().unwrap_or_else(|| panic!("nothing told {}", machine.story()));
    println!("flapping: driver counted {counted:?}; init told {} times", scripts.len());
    assert!(counted.iter().all(|count| *count > 10), "{counted:?}");
    assert_eq!(newest.state, state, "{}", machine.story());
    assert_eq!(machine.must("head -n 1 /run/upsentry.state"), state);
    between(last, newest.nanos)
}

#[test]
fn lines_that_flap_end_in_the_right_state() {
    let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
    for (debounce, sense) in [(0_u32, ""), (20, ""), (20, "sense dsr 1\n")] {
        machine.lines("cts=1 dsr=1 dcd=1 rng=0");
        machine.daemon(&format!("fail cts 0\n{sense}debounce {debounce}ms\n"));
        let mark = machine.mark();
        let limit = SOON + Duration::from_millis(debounce.into());
        for (lines, state) in
            [("cts=0 dsr=1 dcd=1 rng=0", "FAIL"), ("cts=1 dsr=1 dcd=1 rng=0", "OK")]
        {
            let took = in_time(state, limit, || flapping(&mut machine, lines, state));
            println!("debounce {debounce} {sense:?}: {state} {took:?} after the last change");
        }
        let said = machine.since(mark);
        assert!(!said.contains("replaced") && !said.contains("broke"), "{said}");
        machine.stop("TERM");
    }
}
