use super::*;
use proptest::prelude::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Looks whenever the lifeline asks to, from `now` until `until`; what it had to say, and when.
fn run(
    lifeline: &mut Lifeline,
    now: Duration,
    until: Duration,
    look: Look,
) -> Vec<(Duration, Loud)> {
    let mut said = Vec::new();
    let mut at = Some(now);
    while let Some(now) = at.filter(|at| *at <= until) {
        said.extend(lifeline.look(now, look).map(|loud| (now, loud)));
        let next = lifeline.next();
        assert!(next.is_none_or(|next| next > now), "{next:?} {now:?}");
        at = next;
    }
    said
}

#[test]
fn with_a_reader_it_is_open_watched_and_silent() {
    let mut lifeline = Lifeline::default();
    for step in 0..3 {
        assert!(lifeline.open() && !lifeline.dead());
        assert_eq!((lifeline.watch(), lifeline.next()), (Watch::Reader, None));
        assert!(lifeline.due(ms(step)));
        assert_eq!(lifeline.look(ms(step), Look::Reader), None);
    }
}

/// POLLERR is level-triggered: a descriptor watched in a gap would wake us without end.
#[test]
fn a_gap_is_neither_open_nor_watched_and_is_looked_at_from_50_ms_to_1_s() {
    let mut lifeline = Lifeline::default();
    let mut now = ms(1000);
    for delay in [50, 100, 200, 400, 800, 1000, 1000, 1000] {
        assert_eq!(lifeline.look(now, Look::Gap), None);
        assert!(!lifeline.open() && !lifeline.dead());
        assert_eq!((lifeline.watch(), lifeline.next()), (Watch::Not, Some(now + ms(delay))));
        assert!(!lifeline.due(now + ms(delay - 1)) && lifeline.due(now + ms(delay)));
        now += ms(delay);
    }
}

/// What was written has not been read: that can be watched. More is written behind it until init is loudly
/// missed, or until no more fits.
#[test]
fn unread_is_a_gap_whose_end_can_be_watched() {
    for full in [false, true] {
        let mut lifeline = Lifeline::default();
        if full {
            lifeline.full();
        }
        for step in [0, 1, 9999] {
            assert_eq!(lifeline.look(ms(step), Look::Unread), None);
            assert!(lifeline.due(ms(step)) && !lifeline.dead());
            assert_eq!((lifeline.watch(), lifeline.open()), (Watch::Room, !full));
        }
        let loud = lifeline.look(ms(10_000), Look::Unread);
        assert_eq!(loud, Some(Loud::Gap(ms(10_000))));
        assert_eq!((lifeline.watch(), lifeline.open()), (Watch::Room, false));
        let back = lifeline.look(ms(11_000), Look::Reader);
        assert_eq!(back, Some(Loud::Back(ms(11_000))));
        assert_eq!((lifeline.watch(), lifeline.open()), (Watch::Reader, true));
    }
}

#[test]
fn the_reader_may_go_with_something_unread() {
    let mut lifeline = Lifeline::default();
    lifeline.full();
    assert_eq!(lifeline.look(ms(0), Look::Unread), None);
    assert_eq!(lifeline.look(ms(10), Look::Gap), None);
    assert_eq!((lifeline.watch(), lifeline.open()), (Watch::Not, false));
    assert_eq!(lifeline.look(ms(20), Look::Unread), None);
    assert_eq!((lifeline.watch(), lifeline.open()), (Watch::Room, true));
}

#[test]
fn a_short_gap_ends_without_a_word_and_starts_afresh() {
    let mut lifeline = Lifeline::default();
    assert_eq!(run(&mut lifeline, ms(0), ms(5000), Look::Gap), []);
    assert_eq!(lifeline.look(ms(5001), Look::Reader), None);
    assert!(lifeline.open());
    assert_eq!(lifeline.next(), None);
    // The next gap has a new start, a first retry of 50 ms and its own ten seconds.
    assert_eq!(lifeline.look(ms(6000), Look::Gap), None);
    assert_eq!(lifeline.next(), Some(ms(6050)));
    assert_eq!(lifeline.look(ms(15_999), Look::Gap), None);
    let loud = lifeline.look(ms(16_000), Look::Gap);
    assert_eq!(loud, Some(Loud::Gap(ms(10_000))));
}

#[test]
fn a_long_gap_is_loud_after_10_s_and_each_minute_until_it_is_back() {
    let mut lifeline = Lifeline::default();
    let said = run(&mut lifeline, ms(0), ms(200_000), Look::Gap);
    let expected = [10_000, 70_000, 130_000, 190_000];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for ((at, loud), expected) in said.into_iter().zip(expected) {
        assert_eq!(loud, Loud::Gap(at));
        // A retry a second: at most so late, which may add up.
        assert!((ms(expected)..ms(expected + 4000)).contains(&at), "{at:?}");
    }
    assert!(!lifeline.dead() && !lifeline.open());
    let back = lifeline.look(ms(250_000), Look::Reader);
    assert_eq!(back, Some(Loud::Back(ms(250_000))));
    assert_eq!(lifeline.look(ms(250_001), Look::Reader), None);
    assert!(lifeline.open());
}

#[test]
fn loud_to_the_nanosecond() {
    let nano = Duration::from_nanos(1);
    let mut lifeline = Lifeline::default();
    let gap = |secs| Some(Loud::Gap(Duration::from_secs(secs)));
    assert_eq!(lifeline.look(ms(0), Look::Gap), None);
    assert_eq!(lifeline.look(ms(10_000) - nano, Look::Gap), None);
    assert_eq!(lifeline.look(ms(10_000), Look::Gap), gap(10));
    assert_eq!(lifeline.look(ms(10_000), Look::Gap), None);
    assert_eq!(lifeline.look(ms(70_000) - nano, Look::Gap), None);
    assert_eq!(lifeline.look(ms(70_000), Look::Gap), gap(70));
}

#[test]
fn dead_is_said_once_and_is_final() {
    for gap_first in [false, true] {
        let mut lifeline = Lifeline::default();
        if gap_first {
            run(&mut lifeline, ms(0), ms(20_000), Look::Gap);
        }
        assert_eq!(lifeline.look(ms(30_000), Look::Dead), Some(Loud::Dead));
        for look in [Look::Dead, Look::Gap, Look::Reader] {
            assert_eq!(lifeline.look(ms(90_000), look), None);
            assert!(lifeline.dead() && !lifeline.open() && !lifeline.due(ms(95_000)));
            assert_eq!((lifeline.watch(), lifeline.next()), (Watch::Not, None));
        }
    }
}

/// Removed, and init still reads: loud at once, told as long as that lasts, then dead without more words.
#[test]
fn removed_is_said_once_and_open_until_it_is_dead() {
    let mut lifeline = Lifeline::default();
    assert_eq!(lifeline.look(ms(0), Look::Removed), Some(Loud::Dead));
    for (at, look) in [(1, Look::Removed), (2, Look::Unread), (5, Look::Unread)] {
        assert_eq!(lifeline.look(ms(at), look), None);
        assert!(lifeline.open() && !lifeline.dead());
    }
    assert_eq!(lifeline.look(ms(6), Look::Removed), None);
    assert_eq!((lifeline.open(), lifeline.watch(), lifeline.next()), (true, Watch::Reader, None));
    assert_eq!(lifeline.look(ms(9), Look::Dead), None);
    assert!(lifeline.dead() && !lifeline.open());
}

proptest! {
    /// Any looks at any times: open and watched exactly if the last look was a reader; a retry is
    /// pending, 50 ms to 1 s ahead, exactly in a gap; Back exactly after a loud gap.
    #[test]
    fn any_history(looks in prop::collection::vec((0..30_000_u64, 0..30_u8), 1..60)) {
        let mut lifeline = Lifeline::default();
        let (mut now, mut since, mut loud, mut dead) = (ms(0), None, false, false);
        let mut removed = false;
        for (gap, look) in looks {
            now += ms(gap);
            let look = match look {
                0 => Look::Dead,
                1 => Look::Removed,
                2..12 => Look::Reader,
                12..20 => Look::Unread,
                _ => Look::Gap,
            };
            let said = lifeline.look(now, look);
            if dead {
                prop_assert_eq!(said, None);
                continue;
            }
            match look {
                Look::Removed | Look::Dead => {
                    prop_assert_eq!(said, (!removed).then_some(Loud::Dead));
                    (since, loud, removed, dead) = (None, false, true, look == Look::Dead);
                }
                Look::Reader => {
                    let back = since.filter(|_| loud).map(|since| Loud::Back(now - since));
                    prop_assert_eq!(said, back);
                    (since, loud, removed) = (None, false, false);
                }
                Look::Gap | Look::Unread => {
                    let start = *since.get_or_insert(now);
                    if let Some(said) = said {
                        prop_assert!(now - start >= ms(10_000));
                        prop_assert_eq!(said, Loud::Gap(now - start));
                        loud = true;
                    } else {
                        prop_assert!(loud || now - start < ms(10_000));
                    }
                }
            }
            let open = match look {
                Look::Reader | Look::Removed => true,
                Look::Unread => !loud,
                Look::Gap | Look::Dead => false,
            };
            prop_assert_eq!(lifeline.open(), open);
            let watch = match look {
                Look::Reader | Look::Removed => Watch::Reader,
                Look::Unread => Watch::Room,
                Look::Gap | Look::Dead => Watch::Not,
            };
            prop_assert_eq!(lifeline.watch(), watch);
            prop_assert_eq!(lifeline.dead(), look == Look::Dead);
            let due = lifeline.next().map(|at| at - now);
            prop_assert_eq!(due.is_some(), matches!(look, Look::Gap | Look::Unread));
            prop_assert!(due.is_none_or(|due| (ms(50)..=ms(1000)).contains(&due)));
        }
    }
}
