use proptest::prelude::*;

use super::*;

fn some_time() -> impl Strategy<Value = Option<Duration>> {
    proptest::option::of((1..=u64::MAX).prop_map(Duration::from_millis))
}

fn some_word() -> impl Strategy<Value = Option<Word>> {
    proptest::option::of(prop_oneof![
        Just(Word::Ok),
        Just(Word::Fail),
        Just(Word::Low),
        Just(Word::Shutdown)
    ])
}

fn some_power() -> impl Strategy<Value = Option<Power>> {
    proptest::option::of(prop_oneof![Just(Power::Mains), Just(Power::Battery), Just(Power::Low)])
}

fn some_page() -> impl Strategy<Value = Page> {
    let words = (some_word(), some_word(), some_power());
    let times = (some_time(), some_time(), some_time());
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>());
    (words, times, numbers, any::<[bool; 2]>()).prop_map(
        |(words, times, numbers, [blind, outage])| Page {
            told: words.0,
            told_at: times.0,
            recorded: words.1,
            machine: words.2,
            started: Duration::from_millis(numbers.0),
            generation: numbers.1,
            replaced_at: times.1,
            pid: numbers.3,
            blind,
            outage,
            leave: if outage { Some(crate::ipc::parting::Call::Shutdown) } else { None },
            dropped: numbers.2,
        },
    )
}

fn read(words: &[u64]) -> Option<Page> {
    Page::read(|place| words.get(place).copied().unwrap_or(0))
}

proptest! {
    #[test]
    fn what_is_written_is_read(page in some_page()) {
        prop_assert_eq!(read(&page.words()), Some(page));
    }

    #[test]
    fn any_numbers_are_a_page_or_none(words in any::<[u64; SLOTS]>()) {
        let written = { let mut words = words; words[SLOTS - 1] = 1; words };
        let page = read(&written);
        prop_assert!(page.is_some());
        // What was taken of it stands for itself.
        prop_assert_eq!(page.and_then(|page| read(&page.words())), page);
        prop_assert_eq!(read(&words).is_some(), words[SLOTS - 1] == 1);
    }
}

#[test]
fn an_empty_page_is_none() {
    assert_eq!(read(&[0; SLOTS]), None);
    assert_eq!(read(&[]), None);
}

#[test]
fn the_first_millisecond_is_a_time() {
    let page = Page { told_at: Some(Duration::ZERO), ..Page::default() };
    assert_eq!(read(&page.words()).and_then(|page| page.told_at), Some(Duration::from_millis(1)));
}
