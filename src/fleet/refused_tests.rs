use super::*;

#[test]
fn each_reason_has_a_counter_and_a_name_of_its_own() {
    let mut refused = Refused::default();
    for (times, why) in Refusal::ALL.into_iter().enumerate() {
        (0..=times).for_each(|_| refused.count(why));
        assert_eq!(refused.of(why), u64::try_from(times).unwrap() + 1);
    }
    assert_eq!(refused.total(), 28);
    let shown: Vec<_> = refused.iter().collect();
    assert_eq!(shown.first(), Some(&("unlisted", 1)));
    assert_eq!(shown.last(), Some(&("full", 7)));
    let mut names: Vec<_> = shown.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 7);
}

#[test]
fn a_full_counter_stands_still() {
    let mut refused = Refused { counts: [u64::MAX; 7] };
    refused.count(Refusal::Stale);
    refused.add(Refusal::Full, u64::MAX);
    assert_eq!((refused.of(Refusal::Stale), refused.total()), (u64::MAX, u64::MAX));
}
