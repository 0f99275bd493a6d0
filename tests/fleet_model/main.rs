//! A search through all that a network can do to a master and a slave, within bounds: datagrams that are lost, doubled,
//! reordered, held back and replayed, from other addresses too; restarts of both; states that change; time that
//! passes. Both sides are the daemon's own code. `law` says what must hold.
//!
//! Not in it: datagrams that are forged (the seal's tests), one who relays in both directions as it goes (he has what
//! a cable has: who sees and suppresses everything may send pushes astray, but answers keep coming or silence is
//! noticed), and more than one slave. Longer stories, for a night:
//! `UPSENTRY_MODEL_DEEPER=1 cargo test --release --test fleet_model`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, missing_docs, missing_debug_implementations)]
#![allow(clippy::cast_possible_truncation)]

mod law;
mod search;
mod world;

use std::time::{Duration, Instant};

use upsentry::ipc::legal::Power::{Battery, Low, Mains};

use search::{every, random};
use world::{Act, Bounds, World};

fn deeper() -> usize {
    let deeper = std::env::var("UPSENTRY_MODEL_DEEPER").ok().and_then(|more| more.parse().ok());
    deeper.unwrap_or(0)
}

/// Everything that can happen in so many steps.
fn check(keys: [&'static [u8]; 2], bounds: Bounds, warm: bool, depth: usize, floor: usize) {
    let began = Instant::now();
    let mut start = World::new(keys, bounds);
    if warm {
        start.warm_up();
    }
    match every(start, depth + deeper()) {
        Ok(seen) => {
            println!("{seen:?} in {:?}", began.elapsed());
            assert!(seen.states > floor, "only {seen:?}");
        }
        Err(broken) => panic!("{broken}"),
    }
}

const KEYLESS: [&[u8]; 2] = [&[], &[]];
const ONE: [&[u8]; 2] = [&[1], &[1]];
/// The master sends with a key that the slave does not know yet.
const REKEYED: [&[u8]; 2] = [&[2, 1], &[1]];

const SECOND: Duration = Duration::from_secs(1);

const BOUNDS: Bounds = Bounds {
    shows: &[Act::Show(Battery), Act::Show(Mains)],
    faults: &[],
    times: &[SECOND, Duration::from_secs(16)],
    events: 2,
};

#[test]
fn from_the_first_poll() {
    check(KEYLESS, BOUNDS, false, 5, 10_000);
}

#[test]
fn states_that_change() {
    check(KEYLESS, BOUNDS, true, 5, 4_000);
}

#[test]
fn a_master_that_is_started_anew() {
    let faults = &[Act::MasterDies, Act::Lose];
    let shows = &[Act::Show(Low)];
    check(KEYLESS, Bounds { faults, shows, ..BOUNDS }, true, 5, 20_000);
}

#[test]
fn a_slave_that_is_started_anew() {
    let faults = &[Act::SlaveDies, Act::SlaveLeaves];
    check(KEYLESS, Bounds { faults, shows: &[], ..BOUNDS }, true, 5, 6_000);
}

#[test]
fn both_end() {
    let faults = &[Act::MasterLeaves, Act::SlaveLeaves, Act::MasterDies];
    check(KEYLESS, Bounds { faults, shows: &[], ..BOUNDS }, true, 5, 20_000);
}

#[test]
fn long_stories() {
    // In a debug build the seal takes most of the time.
    for (number, keys, stories) in [(0, KEYLESS, 150), (1, ONE, 4), (2, REKEYED, 4)] {
        let began = Instant::now();
        let stories = stories << (3 * deeper());
        match random(|| World::new(keys, Bounds::ALL), number, stories, 400) {
            Ok(seen) => println!("{seen:?} in {:?}", began.elapsed()),
            Err(broken) => panic!("{broken}"),
        }
    }
}
