//! When and how a slave polls, and when it counts as silence that no answer comes.

use super::tests::{DEADTIME, Pair, address, ms, set};
use super::*;
use crate::fleet::master::Seen;

#[test]
fn silence_is_seen_after_deadtime_and_on_battery_after_a_third() {
    for (power, limit) in [(Power::Mains, 15_000), (Power::Battery, 5000), (Power::Low, 5000)] {
        let mut pair = Pair::new(set(&[1]));
        pair.shows(power);
        pair.talk();
        pair.calm(ms(30_000));
        let contact = pair.now - pair.slave.age(pair.now).unwrap();
        let end = contact + ms(limit);
        assert!(pair.slave.in_contact(end));
        assert!(!pair.slave.in_contact(end + Duration::from_nanos(1)));
        assert_eq!(pair.slave.lost_at(), Some(end + ms(1)));
        assert_eq!(pair.slave.known().power, Some(power));
        // It comes back.
        pair.silence(20);
        assert!(!pair.slave.in_contact(pair.now));
        pair.now = pair.slave.next();
        pair.talk();
        assert!(pair.slave.in_contact(pair.now));
    }
}

#[test]
fn news_of_an_outage_do_not_break_contact() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    // Just before the next poll, so that the last answer is almost a third old, and later.
    for age in [4999, 5001, 9000] {
        let mut pair = Pair { slave: pair.slave.clone(), master: pair.master.clone(), ..pair };
        pair.now += ms(age);
        pair.shows(Power::Battery);
        let push = pair.push().unwrap();
        assert_eq!(pair.hear(&push), Ok(true));
        assert!(pair.slave.in_contact(pair.now));
        assert!(pair.slave.in_contact(pair.now + ms(5000)));
        assert!(!pair.slave.in_contact(pair.now + ms(5001)));
    }
    // But not for longer than `deadtime` in all.
    pair.now += ms(14_000);
    pair.shows(Power::Battery);
    let push = pair.push().unwrap();
    pair.hear(&push).unwrap();
    assert_eq!(pair.slave.lost_at(), Some(pair.now + ms(1001)));
}

#[test]
fn polls_are_repeated_at_growing_distances() {
    let mut pair = Pair::new(set(&[1]));
    assert_eq!(pair.silence(4), [0, 1000, 2000, 3000], "never heard");
    pair.now = pair.slave.next();
    pair.talk();
    assert_eq!(pair.slave.next(), pair.now + ms(5000));
    let times = pair.silence(9);
    assert_eq!(times, [5000, 6000, 8000, 12_000, 17_000, 18_000, 19_000, 20_000, 21_000]);
    let mut pair = Pair::new(set(&[1]));
    pair.shows(Power::Battery);
    pair.talk();
    let times = pair.silence(7);
    assert_eq!(times, [1666, 2083, 2916, 4583, 6249, 7249, 8249]);
}

#[test]
fn every_address_is_tried_in_turn_while_nothing_is_answered() {
    let addresses = vec![address(1), address(2), address(3)];
    let mut pair = Pair::new(Settings { addresses, ..set(&[1]) });
    let mut to = Vec::new();
    for _ in 0..4 {
        pair.now = pair.slave.next();
        to.push(pair.ask().unwrap().1);
    }
    assert_eq!(to, [1, 2, 3, 1].map(address));
    pair.now = pair.slave.next();
    let (poll, to) = pair.ask().unwrap();
    assert_eq!(to, address(2));
    let answer = pair.answer(&poll).unwrap();
    pair.hear(&answer).unwrap();
    assert_eq!(pair.ask().unwrap().1, address(2));
}

#[test]
fn a_poll_for_a_push_does_not_change_the_address() {
    let addresses = vec![address(1), address(2)];
    let mut pair = Pair::new(Settings { addresses, ..set(&[1]) });
    pair.talk();
    pair.now = pair.slave.next();
    assert_eq!(pair.ask().unwrap().1, address(1));
    pair.shows(Power::Battery);
    let push = pair.push().unwrap();
    pair.hear(&push).unwrap();
    assert_eq!(pair.ask().unwrap().1, address(1));
}

#[test]
fn without_an_address_nothing_is_polled_and_nothing_spins() {
    let mut pair = Pair::new(Settings { addresses: Vec::new(), ..set(&[1]) });
    assert!(pair.ask().is_none());
    assert!(pair.slave.next() > pair.now);
}

#[test]
fn a_poll_is_as_long_as_the_answer_may_be() {
    let mut pair = Pair::new(set(&[1]));
    assert_eq!(pair.ask().unwrap().0.len(), 512);
    let mut lengths = Vec::new();
    for _ in 0..3 {
        pair.now = pair.slave.next();
        lengths.push(pair.ask().unwrap().0.len());
    }
    assert_eq!(lengths, [512, LARGEST, LARGEST]);
    pair.now = pair.slave.next();
    pair.talk();
    pair.now = pair.slave.next();
    let small = pair.ask().unwrap().0;
    assert!(small.len() < 200, "{}", small.len());
    let answer = pair.answer(&small).unwrap();
    assert!(answer.len() <= small.len());
    // More to say: the next poll has room for it.
    pair.hear(&answer).unwrap();
    let long = "v".repeat(120);
    let variables = [("name", long.as_str()); 4];
    let name = "rack";
    let seen = Seen { name, power: None, lost: false, spent: ms(0), variables: &variables };
    pair.master.update(pair.now, [seen].into_iter());
    pair.calm(ms(12_000));
    assert_eq!(pair.slave.variables().map(Iterator::count), Some(4));
}

#[test]
fn a_goodbye_is_said_until_the_master_knows() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.now += ms(10);
    pair.slave.leave(pair.now, ms(30_500));
    assert_eq!(pair.silence(3), [0, 250, 750]);
    assert!(!pair.slave.gone());
    pair.now = pair.slave.next();
    pair.talk();
    assert!(pair.slave.gone());
    let peer = pair.master.peers().next().unwrap();
    assert_eq!(peer.halting, Some((pair.now, ms(30_000))));
}

#[test]
fn a_goodbye_needs_an_answer_of_its_own() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.now = pair.slave.next();
    let before = pair.ask().unwrap().0;
    let before = pair.answer(&before).unwrap();
    pair.slave.leave(pair.now, DEADTIME);
    pair.hear(&before).unwrap();
    assert!(!pair.slave.gone());
    // Nor does one count whose poll did not.
    pair.master = Pair::master(&[1], 2);
    pair.shows(Power::Mains);
    let poll = pair.ask().unwrap().0;
    let answer = pair.answer(&poll).unwrap();
    pair.hear(&answer).unwrap();
    assert!(!pair.slave.gone());
    pair.talk();
    assert!(pair.slave.gone());
}
