//! 1,000 changes of the machine's power at 5 a second: 1,000 requests, none lost, none double, in order.

use crate::common::need_root;
use crate::common::sim::{Kind, Setup};
use crate::rig::{Daemon, LONG, MAINS, POWER99, one, write};
use std::thread;
use std::time::{Duration, Instant};

const CHANGES: usize = 1000;
const APART: Duration = Duration::from_millis(200);

/// A command for the simulator, and what init must hear of it.
type Step = (Duration, String, Option<&'static str>);

/// One UPS, there and back; `of` makes the simulator's command for a level.
fn there_and_back(of: impl Fn(u8) -> String) -> Vec<Step> {
    let fail = (APART, of(0), Some("powerfail"));
    let back = (APART, of(1), Some("powerok"));
    [fail, back].into_iter().cycle().take(CHANGES).collect()
}

/// Two UPSs that are both needed: the machine is on battery while either is. Each in turn, and then one
/// hidden behind the other.
fn two() -> Vec<Step> {
    let set = |millis, port, level, told| {
        (Duration::from_millis(millis), format!("set {port} cts={level}"), told)
    };
    let cycle = [
        set(200, "a", 0, Some("powerfail")),
        set(200, "a", 1, Some("powerok")),
        set(200, "b", 0, Some("powerfail")),
        set(200, "b", 1, Some("powerok")),
        set(200, "a", 0, Some("powerfail")),
        set(70, "b", 0, None),
        set(70, "a", 1, None),
        set(60, "b", 1, Some("powerok")),
    ];
    let mut left = CHANGES;
    let steps = cycle.into_iter().cycle().take_while(|(.., told)| {
        let more = left > 0;
        left -= usize::from(more && told.is_some());
        more
    });
    steps.collect()
}

/// Plays the steps, and compares all that init heard with what it should have.
fn play(setup: Setup, conf: &std::path::Path, steps: &[Step]) {
    let mut daemon = Daemon::on(setup, conf);
    let mut due = Instant::now();
    for (after, command, _) in steps {
        due += *after;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        daemon.rig.command(command);
    }
    let expected: Vec<&str> = steps.iter().filter_map(|(.., told)| *told).collect();
    assert_eq!(expected.len(), CHANGES);
    let inits = daemon.rig.wait_inits(CHANGES, LONG);
    // What comes too late or twice.
    thread::sleep(Duration::from_millis(500));
    let names: Vec<&str> = inits.iter().map(|request| request.name.as_str()).collect();
    if let Some(at) = (0..CHANGES).find(|at| names.get(*at) != expected.get(*at)) {
        let near = names.get(at.saturating_sub(3)..).unwrap_or(&[]);
        let near = near.get(..6.min(near.len()));
        panic!("request {at} is wrong, of {}: {near:?}\n{}", names.len(), daemon.rig.stderr());
    }
    assert_eq!(daemon.rig.inits().len(), CHANGES, "more than was due");
    assert!(inits.iter().all(|request| request.size == 384 && request.sleep > 0));
    // Each before the next change that matters, and after its own: so none stands for another.
    let text = daemon.rig.log_text();
    assert!(!text.contains("init bogus") && !text.contains(" error "), "{text}");
    let moved = daemon.rig.log().iter().filter(|event| matches!(event.kind, Kind::In { .. }));
    assert!(moved.count() >= CHANGES, "the simulator moved fewer lines than it was told to");
    assert!(!daemon.rig.stderr().contains("convicted"), "{}", daemon.rig.stderr());
}

fn plain() {
    let setup = Setup::new().port("a", MAINS);
    let conf = one(&setup, "model power99\ndebounce 0s\n");
    play(setup, &conf, &there_and_back(|level| format!("set a cts={level}")));
}

fn bounce() {
    let setup = Setup::new().port("a", MAINS).option("--icount");
    let conf = one(&setup, POWER99);
    play(setup, &conf, &there_and_back(|level| format!("bounce a cts={level} 7 2ms")));
}

fn refused() {
    let setup = Setup::new().port("a", MAINS).option("--refuse-miwait");
    let conf = one(&setup, POWER99);
    play(setup, &conf, &there_and_back(|level| format!("set a cts={level}")));
}

fn folded() {
    let setup = Setup::new().port("a", MAINS).port("b", MAINS);
    let of = |port| format!("ups {port}\nwatch {}\nmodel power99\n", setup.tty(port).display());
    let conf = write(&setup, &format!("need 2\n{}{}", of("a"), of("b")));
    play(setup, &conf, &two());
}

/// All four at once, because each takes 200 seconds in which next to nothing happens.
#[test]
fn a_thousand_changes_are_a_thousand_requests() {
    if !need_root() {
        return;
    }
    let all: [(&str, fn()); 4] =
        [("plain", plain), ("bounce", bounce), ("refused", refused), ("folded", folded)];
    let threads = all.map(|(name, run)| {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        (name, thread.expect("a thread"))
    });
    // Each has said on standard error what it found.
    let failed: Vec<&str> = threads
        .into_iter()
        .filter_map(|(name, thread)| thread.join().err().map(|_| name))
        .collect();
    assert_eq!(failed, [""; 0]);
}
