//! What follows from what was seen before a restart.

use super::*;

const NONE: Duration = Duration::ZERO;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// UPSs that were seen so before a restart, each with time until 3 s for a first look.
fn restarted(need: u32, seen: &[Power], told: Told) -> Judge {
    let feed = FeedSettings {
        weight: 1,
        blind_after: ms(1_000),
        first_state: ms(3_000),
        cable_grace: NONE,
    };
    let feeds = seen.iter().map(|power| Feed::new(feed, Some(*power), NONE));
    let settings = Settings {
        need,
        low_is_final: false,
        insist: ms(60_000),
        low_is_told: true,
        shutdown_is_told: true,
    };
    Judge::new(settings, feeds, told)
}

fn word(judge: &Judge, at: u64) -> Option<Word> {
    judge.due(ms(at)).map(|tell| tell.word)
}

/// A battery that was low in the last life may be full in this one, and mains gone that was there.
#[test]
fn what_was_seen_before_a_restart_is_told_only_after_a_look() {
    for (seen, told, at_once, word_then) in [
        (Power::Low, Told::Fail, None, Word::Low),
        // Init may have heard it, or not: OK ends it, or LOW follows.
        (Power::Low, Told::Ok, Some(Word::Fail), Word::Low),
        (Power::Battery, Told::Ok, Some(Word::Fail), Word::Fail),
        (Power::Mains, Told::Fail, None, Word::Ok),
    ] {
        let mut judge = restarted(1, &[seen], told);
        assert_eq!(word(&judge, 0), at_once);
        // Only before that is blindness.
        assert_eq!(word(&judge, 2_999), at_once);
        assert_eq!(judge.next(NONE).map(|at| at <= ms(3_000)), Some(true));
        // In vain: as it was known, or blind on battery.
        let blind = seen == Power::Low && told == Told::Fail;
        assert_eq!(word(&judge, 3_000), Some(if blind { Word::Shutdown } else { word_then }));
        let kind = match seen {
            Power::Low => Kind::Low,
            Power::Battery => Kind::Fail,
            Power::Mains => Kind::Ok,
        };
        judge.event(ms(5), Event { kind, ups: 0 });
        assert_eq!(word(&judge, 5), Some(word_then));
    }
    let mut judge = restarted(1, &[Power::Low], Told::Fail);
    judge.event(ms(5), Event { kind: Kind::Ok, ups: 0 });
    assert_eq!(word(&judge, 9_000), Some(Word::Ok));
}

/// It does not wait for a look at those that can change nothing.
#[test]
fn what_is_certain_without_a_look_is_told_at_once() {
    let mut judge = restarted(2, &[Power::Mains; 2], Told::Ok);
    judge.event(ms(5), Event { kind: Kind::Low, ups: 1 });
    assert_eq!(word(&judge, 5), Some(Word::Low));
    let mut judge = restarted(1, &[Power::Battery; 2], Told::Fail);
    judge.event(ms(5), Event { kind: Kind::Ok, ups: 1 });
    assert_eq!(word(&judge, 5), Some(Word::Ok));
    // One of two: the other decides.
    let mut judge = restarted(1, &[Power::Mains; 2], Told::Ok);
    judge.event(ms(5), Event { kind: Kind::Low, ups: 1 });
    assert_eq!(word(&judge, 5), None);
}

/// With `blind-after` shorter than a first look takes, a restart on battery is no shutdown.
#[test]
fn a_first_look_that_takes_long_is_not_blindness() {
    let judge = restarted(1, &[Power::Battery], Told::Fail);
    assert_eq!(word(&judge, 2_999), None);
    assert_eq!(word(&judge, 3_000), Some(Word::Shutdown));
}
