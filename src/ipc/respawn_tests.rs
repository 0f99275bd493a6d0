use super::*;
use proptest::prelude::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A monitor that dies `life` after each start, so many times; when its successors started.
fn starts(respawn: &mut Respawn, from: Duration, life: Duration, count: usize) -> Vec<Duration> {
    let mut started = from;
    let mut list = Vec::new();
    for _ in 0..count {
        started = respawn.after(started + life, true);
        list.push(started);
    }
    list
}

#[test]
fn the_first_is_replaced_at_once() {
    for counted in [false, true] {
        let mut respawn = Respawn::default();
        assert_eq!(respawn.after(ms(7), counted), ms(7));
    }
}

#[test]
fn twenty_a_minute_are_free_then_it_is_one_a_minute() {
    let mut respawn = Respawn::default();
    let list = starts(&mut respawn, secs(5), ms(200), 24);
    for (index, start) in list.iter().take(20).enumerate() {
        let expected = secs(5) + ms(200) * u32::try_from(index + 1).unwrap();
        assert_eq!(*start, expected);
    }
    for pair in list[19..].windows(2) {
        assert_eq!(pair[1] - pair[0], secs(60));
    }
}

#[test]
fn twenty_one_spread_over_a_minute_and_a_little_are_all_free() {
    for (gap, free) in [(ms(3000), true), (ms(2999), false)] {
        let mut respawn = Respawn::default();
        let list = starts(&mut respawn, ms(0), gap, 21);
        let last = list[20] - list[19];
        assert_eq!(last == gap, free, "{gap:?} {last:?}");
    }
}

#[test]
fn slow_goes_on_until_a_monitor_outlives_a_minute() {
    let mut respawn = Respawn::default();
    let list = starts(&mut respawn, ms(0), ms(100), 21);
    // Slow: one that lives almost a minute still waits for the rest of it, also much later.
    let list = starts(&mut respawn, list[20], secs(60) - ms(1), 50);
    for pair in list.windows(2) {
        assert_eq!(pair[1] - pair[0], secs(60));
    }
    // One that outlives it is replaced at once, and twenty are free again.
    let end = list[49] + secs(60);
    assert_eq!(respawn.after(end, true), end);
    let list = starts(&mut respawn, end, ms(100), 21);
    assert_eq!(list[18], end + ms(1900));
    assert_eq!(list[19] - list[18], secs(60));
}

#[test]
fn slow_ends_for_good_with_a_long_life() {
    let mut respawn = Respawn::default();
    let list = starts(&mut respawn, ms(0), ms(100), 30);
    let end = list[29] + secs(3600);
    assert_eq!(respawn.after(end, true), end);
    assert_eq!(respawn.after(end + secs(30), true), end + secs(30));
}

#[test]
fn a_kill_from_outside_is_not_counted_and_at_most_ten_a_second() {
    let mut respawn = Respawn::default();
    let mut started = respawn.after(ms(0), false);
    for _ in 0..500 {
        let next = respawn.after(started + ms(1), false);
        assert_eq!(next, started + ms(100));
        started = next;
    }
    // A slower killer waits for nothing.
    assert_eq!(respawn.after(started + ms(150), false), started + ms(150));
    started += ms(150);
    // And all twenty are still free.
    let list = starts(&mut respawn, started, ms(200), 20);
    assert_eq!(list[19], started + ms(4000));
}

#[test]
fn a_kill_from_outside_is_replaced_at_once_even_while_slow() {
    let mut respawn = Respawn::default();
    let list = starts(&mut respawn, ms(0), ms(100), 25);
    let end = list[24] + secs(5);
    assert_eq!(respawn.after(end, false), end);
    // It does not end the slowness either.
    assert_eq!(respawn.after(end + ms(10), true), end + secs(60));
}

proptest! {
    #[test]
    fn never_early_never_more_than_twenty_in_a_minute_never_given_up(
        lives in prop::collection::vec(
            (prop_oneof![0..500_u64, 0..10_000_u64, 55_000..65_000_u64], prop::bool::weighted(0.8)),
            1..300,
        ),
    ) {
        let mut respawn = Respawn::default();
        let (mut started, mut counted_starts) = (None, Vec::new());
        for (life, counted) in lives {
            let end = started.unwrap_or(ms(0)) + ms(life);
            let start = respawn.after(end, counted);
            prop_assert!(start >= end);
            if let Some(before) = started {
                prop_assert!(start >= before + ms(100));
                // Whatever happened before, there is a next one within a minute.
                prop_assert!(start <= end.max(before + secs(60)));
                if !counted {
                    prop_assert_eq!(start, end.max(before + ms(100)));
                }
                if life >= 60_000 {
                    prop_assert_eq!(start, end);
                }
            }
            if counted {
                counted_starts.push(start);
            }
            started = Some(start);
        }
        for pair in counted_starts.windows(21) {
            prop_assert!(pair[20] - pair[0] >= secs(60));
        }
    }
}
