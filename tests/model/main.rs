//! A search through all that can happen to the daemon, within bounds: outages, pulled cables, ports that go,
//! monitors killed and stopped at every step, a deaf init, a parent that dies at every step, another boot.
//! The decisions are the daemon's own code. `law` says what must hold.
//!
//! Not in it: more than two UPSs, a monitor that lies, a full pipe, the hand, ports that stay gone for a minute,
//! and twenty bad ends in one. Longer stories, for a night:
//! `UPSENTRY_MODEL_DEEPER=1 cargo test --release --test model`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, missing_docs, missing_debug_implementations)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod bounds;
mod law;
mod outside;
mod search;
mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use upsentry::config::{Purpose, parse};
use upsentry::notifier::via::{Init, route};

use bounds::{Act, Bounds, Level, Setting};
use search::{BASE, search};
use world::World;

const TIMES: &str = "settle 500ms\ndebounce 20ms\nlow-after 1s\ncable-grace 2s\nblind-after 1500ms\n\
    insist 10s\nvia initctl\nfail cts 0\nlow dcd 0\n";

fn check(text: &str, bounds: Bounds, floor: usize) {
    let text = format!("{TIMES}{text}");
    let config = parse(Path::new("model.conf"), &text, Purpose::Run)
        .unwrap_or_else(|all| panic!("{all:#?}"));
    let init = Init { fifo: Some(PathBuf::from("/run/initctl")), ..Init::default() };
    let actions = route(&config, &init).unwrap().actions;
    let names = config.ups.iter().map(|ups| ups.name.clone()).collect();
    let sense = !config.ups[0].sense.is_empty();
    let deeper = std::env::var("UPSENTRY_MODEL_DEEPER").ok().and_then(|more| more.parse().ok());
    let deeper = deeper.unwrap_or(0);
    let set = Setting { config, actions, names, sense, bounds, deeper };
    let began = Instant::now();
    match search(World::new(Box::leak(Box::new(set)), BASE)) {
        Ok(seen) => {
            println!("{seen:?} in {:?}", began.elapsed());
            assert!(seen.steps > floor, "only {seen:?}");
        }
        Err(broken) => panic!("{broken}"),
    }
}

use Level::{Battery, Gone, Low, Mains, Zero};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const MONITOR: Bounds = Bounds {
    budgets: &[2],
    levels: &[Mains, Battery, Low, Zero, Gone],
    faults: &[Act::Kill],
    busy: Duration::from_millis(2100),
    moments: &[secs(5)],
    rest: secs(12),
};

const PARENT: Bounds = Bounds {
    budgets: &[3],
    levels: &[Mains, Battery, Low],
    faults: &[Act::Crash(0)],
    busy: Duration::from_millis(1100),
    moments: &[],
    rest: secs(6),
};

/// Pulled cables, ports that go, monitors killed at every step.
#[test]
fn a_monitor_that_dies() {
    check("watch ttyS0\n", MONITOR, 450_000);
}

/// Only three missing signs of life tell; on mains that is half a minute.
#[test]
fn a_monitor_that_hangs() {
    const HANGS: Bounds = Bounds {
        levels: &[Mains, Battery, Low],
        faults: &[Act::Stop],
        moments: &[secs(5), secs(31)],
        rest: secs(40),
        ..MONITOR
    };
    check("watch ttyS0\n", HANGS, 1_500_000);
}

/// Here a pulled cable is no outage.
#[test]
fn a_sense_line() {
    let levels = &[Mains, Battery, Zero];
    let faults = &[Act::Kill, Act::Crash(0)];
    check("watch ttyS0\nsense dsr 1\n", Bounds { levels, faults, ..MONITOR }, 600_000);
}

#[test]
fn a_parent_that_dies_anywhere() {
    check("watch ttyS0\n", PARENT, 1_500_000);
}

#[test]
fn a_deaf_init_and_another_boot() {
    const DEAF: Bounds = Bounds {
        budgets: &[1, 2],
        faults: &[Act::Gap, Act::Crash(0), Act::Boot],
        busy: Duration::from_millis(600),
        ..PARENT
    };
    check("watch ttyS0\n", DEAF, 450_000);
}

#[test]
fn time_on_battery() {
    let levels = &[Mains, Battery];
    check("watch ttyS0\nshutdown-after 1s\n", Bounds { levels, ..PARENT }, 600_000);
}

#[test]
fn either_of_two() {
    let bounds = Bounds { budgets: &[3], faults: &[], ..PARENT };
    check("need 1\nups a\nwatch ttyS0\nups b\nwatch ttyS1\n", bounds, 1_400_000);
}

#[test]
fn both_of_two() {
    let bounds = Bounds { budgets: &[2], faults: &[Act::Kill, Act::Crash(0)], ..PARENT };
    check("need 2\nups a\nwatch ttyS0\nups b\nwatch ttyS1\n", bounds, 500_000);
}
