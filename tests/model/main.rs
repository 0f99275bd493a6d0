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
use std::time::Instant;

use upsentry::config::{Purpose, parse};
use upsentry::notifier::via::{Init, route};

use search::{BASE, search};
use world::{Level, Setting, World};

const TIMES: &str = "settle 1s\ndebounce 20ms\nlow-after 2s\ncable-grace 4s\nblind-after 3s\n\
    insist 10s\nvia initctl\nfail cts 0\nlow dcd 0\n";

fn check(text: &str, sense: bool, levels: &'static [Level], budgets: &'static [u8], floor: usize) {
    let text = format!("{TIMES}{text}");
    let config = parse(Path::new("model.conf"), &text, Purpose::Run)
        .unwrap_or_else(|all| panic!("{all:#?}"));
    let init = Init { fifo: Some(PathBuf::from("/run/initctl")), ..Init::default() };
    let actions = route(&config, &init).unwrap().actions;
    let names = config.ups.iter().map(|ups| ups.name.clone()).collect();
    let set = Setting { config, actions, names, sense, budgets, levels };
    let began = Instant::now();
    match search(World::new(Box::leak(Box::new(set)), BASE)) {
        Ok(seen) => {
            println!("{seen:?} in {:?}", began.elapsed());
            assert!(seen.states > floor, "only {seen:?}");
        }
        Err(broken) => panic!("{broken}"),
    }
}

use Level::{Battery, Gone, Low, Mains, Zero};

#[test]
fn one_ups() {
    check("watch ttyS0\n", false, &[Mains, Battery, Low, Zero, Gone], &[1], 1);
}
