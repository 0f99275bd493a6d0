use super::*;
use proptest::prelude::*;

/// One letter a feed, each of weight 1; then the machine for need 1, 2, 3.
const TABLE: &str = "
    O    O L L
    F    F L L
    L    L L L
    OO   O O L
    OF   O F L
    OL   O L L
    FF   F F L
    FL   F L L
    LL   L L L
    OOO  O O O
    OOF  O O F
    OOL  O O L
    OFF  O F F
    OFL  O F L
    OLL  O L L
    FFF  F F F
    FFL  F F L
    FLL  F L L
    LLL  L L L
";

fn power(letter: char) -> Power {
    match letter {
        'O' => Power::Mains,
        'F' => Power::Battery,
        'L' => Power::Low,
        other => panic!("{other}"),
    }
}

#[test]
fn up_to_three_feeds_are_folded_as_in_the_table() {
    let mut cells = 0;
    for row in TABLE.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let feeds: Vec<(u32, Power)> = words[0].chars().map(|c| (1, power(c))).collect();
        for (need, cell) in (1..).zip(&words[1..]) {
            let expected = power(cell.chars().next().unwrap());
            // The order of the feeds does not matter.
            assert_eq!(fold(feeds.iter().copied(), need), expected, "{row} {need}");
            let reversed = feeds.iter().rev().copied();
            assert_eq!(fold(reversed, need), expected, "{row} {need}");
            cells += 1;
        }
    }
    assert_eq!(cells, 19 * 3);
}

#[test]
fn weight_counts_and_weight_0_does_not() {
    let fold = |feeds: &[(u32, Power)], need| fold(feeds.iter().copied(), need);
    let (mains, battery, low) = (Power::Mains, Power::Battery, Power::Low);
    assert_eq!(fold(&[(3, mains), (1, low)], 3), mains);
    assert_eq!(fold(&[(3, mains), (1, low)], 4), low);
    assert_eq!(fold(&[(3, battery), (1, mains)], 4), battery);
    assert_eq!(fold(&[(3, low), (1, mains)], 1), mains);
    assert_eq!(fold(&[(1, mains), (0, low)], 1), mains);
    assert_eq!(fold(&[(1, battery), (0, mains)], 1), battery);
    assert_eq!(fold(&[(1, low), (0, mains)], 1), low);
}

#[test]
fn sums_saturate() {
    let feeds = [(u32::MAX, Power::Mains), (u32::MAX, Power::Mains)];
    assert_eq!(fold(feeds.into_iter(), u32::MAX), Power::Mains);
}

proptest! {
    /// A feed that gets worse never makes the machine better.
    #[test]
    fn worse_is_never_better(
        feeds in prop::collection::vec((0..4_u32, 0..3_usize), 1..6),
        which: prop::sample::Index,
        need in 0..12_u32,
    ) {
        let powers = [Power::Mains, Power::Battery, Power::Low];
        let machine = |feeds: &[(u32, usize)]| {
            fold(feeds.iter().map(|(weight, power)| (*weight, powers[*power])), need)
        };
        let mut worse = feeds.clone();
        let feed = &mut worse[which.index(feeds.len())];
        feed.1 = 2.min(feed.1 + 1);
        prop_assert!(machine(&worse) >= machine(&feeds));
    }
}
