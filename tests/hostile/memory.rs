//! Memory after very many events.

use crate::common::counting::{Counting, asked};
use crate::common::need_root;
use crate::rig::{LONG, Wanted, frame};
use std::time::{Duration, Instant};
use upsentry::ipc::guard::{Event, Guard};
use upsentry::ipc::judge::{Feed, FeedSettings, Judge, Settings};
use upsentry::ipc::told::Told;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn settings() -> Settings {
    Settings {
        need: 1,
        low_is_final: false,
        insist: Duration::from_secs(60),
        low_is_told: true,
        shutdown_is_told: true,
    }
}

/// 1,000,000 frames through decoder, guard, judge and the table of what is told, over ten UPSs, with a new
/// generation now and then and a conviction in each: not one allocation after the start.
///
/// Seen to fail with a `Box` made in `Guard::reset`, and with one in `Judge::event`.
#[test]
fn a_million_events_allocate_nothing() {
    const FRAMES: u32 = 1_000_000;
    let names: Vec<String> = (0..10).map(|number| format!("ups-{number}")).collect();
    let bytes = |kind: u8, name: &String| {
        [&[2, kind, u8::try_from(name.len()).unwrap()], name.as_bytes(), &[3]].concat()
    };
    let frames: Vec<Vec<u8>> =
        b"OCRFCRLCR".iter().flat_map(|kind| names.iter().map(|name| bytes(*kind, name))).collect();
    let mut now = Duration::from_secs(100);
    let mut guard = Guard::new(names.iter().map(|name| (name.as_str(), Duration::from_secs(2))));
    let feed = FeedSettings {
        weight: 1,
        blind_after: Duration::from_secs(15),
        first_state: Duration::ZERO,
        cable_grace: Duration::ZERO,
    };
    let feeds = names.iter().map(|_| Feed::new(feed, None, now));
    let mut judge = Judge::new(settings(), feeds, Told::Ok);
    let (mut accepted, mut convicted, mut told) = (0_u32, 0_u32, 0_u32);
    let before = asked();
    for (count, frame) in (0..FRAMES).zip(frames.iter().cycle()) {
        now += Duration::from_millis(12);
        for byte in frame {
            match guard.byte(now, *byte) {
                Ok(None) => {}
                Ok(Some(Event { kind, ups })) => {
                    accepted += 1;
                    judge.event(now, Event { kind, ups });
                }
                Err(_) => {
                    convicted += 1;
                    judge.blinded(now);
                    guard.reset(now);
                    break;
                }
            }
        }
        if count % 9_973 == 0 {
            let _ = guard.byte(now, 0xff);
            judge.blinded(now);
            guard.reset(now);
        }
        let _ = (guard.silence(now, judge.all_on_mains()), judge.next(now));
        while let Some(tell) = judge.due(now) {
            told += 1;
            judge.told(now, tell);
        }
    }
    assert_eq!(asked() - before, 0, "allocations");
    assert!(accepted > FRAMES / 2 && convicted > 50 && told > 50, "{accepted} {convicted} {told}");
}

/// 100,000 events at the rate that is legal, through the real parent by a clock that runs 100 times faster: its memory
/// is what it was after the first 10,000.
///
/// Seen to fail with a `Box` leaked for each event that is not `H`.
#[test]
fn a_hundred_thousand_events_leave_memory_as_it_is() {
    if !need_root() {
        return;
    }
    // 80 at once, a second of the faster clock for each: F, O, F, O ...
    let flaps = (frame('F', "a") + &frame('O', "a")).repeat(40);
    let bytes = flaps.len() / 2;
    let words = [format!("times 125 pace 1 e {flaps},exit 0")];
    let mut victim = Wanted { speed: 100, ..Wanted::default() }.start(&words);
    let generation = 125 * bytes;
    let written = |victim: &mut crate::rig::Victim, wanted: usize| {
        let end = Instant::now() + 4 * LONG;
        loop {
            let report = victim.report();
            let events = report.lines().filter_map(|line| {
                line.split_once("events=")?.1.split(' ').next()?.parse::<usize>().ok()
            });
            // On a busy machine one may be convicted for its silence; what it wrote counts.
            if events.sum::<usize>() >= wanted {
                return;
            }
            assert!(Instant::now() < end, "{}", victim.all());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    written(&mut victim, generation);
    victim.warm();
    written(&mut victim, 10 * generation);
    victim.unmoved();
    victim.by_the_tables();
}
