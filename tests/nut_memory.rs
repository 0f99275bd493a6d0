//! The clients of NUT run in a jail whose filter has no call for more memory, and what they read is sent by others.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::counting::{Counting, asked};
use upsentry::nut::Secret;
use upsentry::nut::driver::{self, Driver};
use upsentry::nut::flags::{Treat, judge};
use upsentry::nut::server::{self, Server};
use upsentry::rules::{Compiler, Engine};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/nut_lines");
    let files = fs::read_dir(folder).expect("the seeds");
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

/// Lines of all the seeds, to each client in each setting, connected anew now and then.
///
/// Seen to fail with a `String` made in `Driver::set`, and with one in `Server::ask`.
#[test]
fn nothing_is_allocated_after_the_start() {
    let seeds = seeds();
    let wanted = vec!["ups.id".to_owned()];
    let deadtime = Duration::from_secs(15);
    let mut driver = Driver::new(&driver::Settings { deadtime, wanted: wanted.clone() });
    let settings = |starttls| server::Settings {
        user: Some("mon".to_owned()),
        password: Some(Secret::new("p w".to_owned())),
        ups: "ups".to_owned(),
        primary: true,
        starttls,
        poll: Duration::from_secs(5),
        deadtime,
        wanted: wanted.clone(),
    };
    let mut servers = [Server::new(settings(false)), Server::new(settings(true))];
    let (mut now, mut believed, mut sent) = (Duration::ZERO, 0_u32, 0_usize);
    let mut shown = judge(driver.known().seen.unwrap_or_default(), Treat::default(), None);
    let before = asked();
    for seed in seeds.iter().cycle().take(2_000) {
        now += Duration::from_secs(1);
        let text = &seed[2..];
        driver.disconnected(now);
        let _ = driver.dial(now);
        driver.connected(now);
        let mut rest = text;
        while !rest.is_empty() {
            rest = &rest[driver.receive(now, rest)..];
            sent += driver.output(now).map_or(0, <[u8]>::len);
            believed += u32::from(driver.is_trusted());
        }
        for server in &mut servers {
            server.disconnected(now);
            let _ = server.dial(now);
            server.connected(now);
            server.force(now);
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                sent += server.output().len();
                server.sent(usize::MAX);
                let _ = server.receive(now, line);
                if server.take_tls() {
                    server.secured(now);
                }
                server.tick(now);
                believed += u32::from(server.is_trusted());
            }
        }
        shown = judge(driver.known().seen.unwrap_or_default(), Treat::default(), shown.line);
    }
    assert_eq!(asked() - before, 0);
    assert!(believed > 2_000 && sent > 100_000, "{believed} {sent} {shown:?}");
}

/// Values come, timers run, and all is left to the next.
///
/// Seen to fail with a `String` made in `Engine::set`.
#[test]
fn rules_allocate_nothing_after_the_start() {
    let mut compiler = Compiler::new(&["ups".to_owned()]);
    let lines = [
        "a: if (battery.charge < 20 or not known ups.load) for 5s then low, log \"x\" else notify \"y\"",
        "b: if ups.status has OB then start timer t 3s else clear timer t",
        "c: on timer t then shutdown, start timer t 2s",
        "d: if ups.model = \"x\" and ups.load >= 5 then low",
    ];
    for (line, number) in lines.iter().zip(1..) {
        assert_eq!(compiler.line(line, number, 1, false), []);
    }
    let (program, _) = compiler.finish();
    let mut engine = Engine::new(&program);
    let mut words = vec![0; engine.words()];
    let values = [Some("19"), Some("OB LB"), None, Some("x"), Some("OL 20"), Some("21 %")];
    let (mut acted, mut seen) = (0_u32, 0_usize);
    let before = asked();
    for number in 0..10_000_usize {
        let now = Duration::from_millis(700 * number as u64);
        let variable = &program.variables()[number * 7 % program.variables().len()];
        engine.set(0, &variable.name, values[number / 3 % values.len()]);
        engine.turn(now, &mut |_| acted += 1);
        seen += usize::from(engine.why(number % 4).is_some());
        words.iter_mut().zip(engine.snapshot()).for_each(|(word, left)| *word = left);
        seen += usize::from(engine.restore(now, &words));
    }
    assert_eq!(asked() - before, 0, "allocations");
    assert!(acted > 100 && seen > 10_000, "{acted} {seen}");
}
