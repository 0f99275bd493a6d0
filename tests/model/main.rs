//! A search through all that can happen to the daemon, within bounds: outages, pulled cables, ports that go,
//! monitors killed and stopped at every step, a deaf init, a parent that dies at every step, another boot.
//! The decisions are the daemon's own code. `law` says what must hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, missing_docs, missing_debug_implementations)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod law;
mod outside;
mod search;
mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use upsentry::config::{Purpose, parse};
use upsentry::notifier::via::{Init, route};

use search::{BASE, search};
use world::{Act, Bounds, Level, Setting, World};

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
    let set = Setting { config, actions, names, sense, bounds };
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
    faults: &[Act::Kill, Act::Stop],
    busy: secs(3),
    moments: &[secs(5), secs(31)],
    rest: secs(40),
};

const PARENT: Bounds = Bounds {
    budgets: &[3],
    levels: &[Mains, Battery, Low],
    faults: &[Act::Crash(0), Act::Gap, Act::Boot],
    busy: secs(2),
    moments: &[],
    rest: secs(8),
};

#[test]
fn one_ups_and_its_monitor() {
    check("watch ttyS0\n", MONITOR, 1);
}

#[test]
fn one_ups_and_the_parent() {
    check("watch ttyS0\n", PARENT, 1);
}
