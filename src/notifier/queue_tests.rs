#![allow(clippy::expect_used, clippy::unwrap_used)]

use super::*;

fn full() -> Record {
    Record {
        occasion: Occasion::StartedAfterOutage,
        ups: Some(258),
        rule: Some(3),
        lasted: Some(70_000),
        told: Some((Word::Low, 9)),
    }
}

#[test]
fn a_record_comes_back_as_it_was() {
    for occasion in Occasion::ALL {
        for record in [
            Record { occasion, ..full() },
            Record { occasion, lasted: None, rule: None, told: None, ..full() },
            Record { ups: None, ..Record::new(occasion, 0) },
        ] {
            assert_eq!(Record::read(record.bytes()), Some(record));
        }
    }
}

#[test]
fn any_bytes_are_a_record_or_none() {
    for byte in 0..=u8::MAX {
        let record = Record::read([byte; SIZE]);
        assert_eq!(record.is_some(), usize::from(byte) < Occasion::ALL.len(), "{byte}");
    }
}

#[test]
fn the_newest_of_a_ups_and_occasion_waits_in_the_place_of_the_first() {
    let mut queue = Queue::default();
    queue.add(Record::new(Occasion::Fail, 0));
    queue.add(Record::new(Occasion::Fail, 1));
    let newer = Record { lasted: Some(7), ..Record::new(Occasion::Fail, 0) };
    queue.add(newer);
    assert_eq!(queue.dropped(), 1);
    assert_eq!(queue.dropped(), 0);
    assert_eq!(queue.take(|_| true), Some(newer));
    assert_eq!(queue.take(|_| true), Some(Record::new(Occasion::Fail, 1)));
    assert!(queue.is_empty());
}

#[test]
fn a_flood_is_bounded_and_counted() {
    let mut queue = Queue::default();
    (0..5 * MOST).for_each(|ups| queue.add(Record::new(Occasion::Fail, ups)));
    assert_eq!(queue.dropped(), 4 * MOST as u64);
    assert_eq!(std::iter::from_fn(|| queue.take(|_| true)).count(), MOST);
}

#[test]
fn only_what_is_free_is_taken() {
    let mut queue = Queue::default();
    queue.add(Record::new(Occasion::Fail, 0));
    queue.add(Record::new(Occasion::Ok, 0));
    let taken = queue.take(|occasion| occasion != Occasion::Fail);
    assert_eq!(taken, Some(Record::new(Occasion::Ok, 0)));
    assert_eq!(queue.take(|occasion| occasion != Occasion::Fail), None);
    let newer = Record { lasted: Some(7), ..Record::new(Occasion::Fail, 0) };
    let older = queue.take(|_| true).unwrap();
    queue.add(newer);
    queue.put_back(older);
    assert_eq!(queue.take(|_| true), Some(newer));
    assert!(queue.is_empty());
}
