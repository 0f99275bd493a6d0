//! The end of a master on battery: whom it waits for, and for how long.

use super::tests::{Caller, address, master, secs, seen, set, told};
use super::*;
use proptest::prelude::*;

/// A master that has run for a minute, with two slaves, on battery.
fn in_an_outage(set: Settings) -> (Master, [Caller; 2]) {
    let mut master = master(set, Power::Mains);
    let slaves = [1, 2].map(|host| Caller::new(host, &[1]).join(&mut master, secs(50)));
    master.update(secs(61), [seen(Power::Battery)].into_iter());
    (master, slaves)
}

#[test]
fn all_are_waited_for_and_for_what_they_need() {
    let (mut master, [mut one, mut two]) = in_an_outage(set(&[1]));
    master.leave(secs(62));
    assert_eq!(told(&mut master, secs(62), 8), [[address(1), address(2)]]);
    assert_eq!(master.served(secs(62)), Served::Wait(secs(72)));
    one.halting = Some(30);
    let said = one.poll(&mut master, secs(63)).unwrap().unwrap();
    assert!(said.shutdown && said.bound);
    // It is told no more.
    assert_eq!(told(&mut master, secs(64), 8), [[address(2)]]);
    assert_eq!(master.served(secs(64)), Served::Wait(secs(72)));
    two.halting = Some(5);
    two.poll(&mut master, secs(65)).unwrap();
    assert_eq!(master.served(secs(65)), Served::Wait(secs(93)));
    assert_eq!(master.served(secs(93)), Served::All);
    master.leave(secs(90));
    assert_eq!(master.leaving, Some(secs(62)));
}

#[test]
fn who_does_not_say_goodbye_is_missing() {
    let (mut master, [mut one, _]) = in_an_outage(set(&[1]));
    master.leave(secs(62));
    one.halting = Some(30);
    one.poll(&mut master, secs(71)).unwrap();
    assert_eq!(master.served(secs(72)), Served::Wait(secs(101)));
    assert_eq!(master.served(secs(101)), Served::Missing(1));
}

#[test]
fn who_was_gone_before_the_outage_is_not_waited_for() {
    let mut master = master(set(&[1]), Power::Mains);
    Caller::new(1, &[1]).join(&mut master, secs(1));
    let mut slow = Caller::new(2, &[1]);
    slow.length = LARGEST;
    slow.join(&mut master, secs(50));
    master.update(secs(100), [seen(Power::Battery)].into_iter());
    master.leave(secs(100));
    assert_eq!(master.served(secs(110)), Served::Missing(1));
}

#[test]
fn listed_slaves_are_waited_for_even_if_never_heard() {
    let listed =
        |name: &str, host| Listed { name: name.to_owned(), addresses: vec![address(host).ip()] };
    let listed = vec![listed("a", 1), listed("b", 2), listed("c", 3)];
    let (mut master, mut slaves) = in_an_outage(Settings { listed, ..set(&[1]) });
    assert_eq!(master.never_heard().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["c"]);
    master.leave(secs(62));
    for slave in &mut slaves {
        slave.halting = Some(0);
        slave.poll(&mut master, secs(62)).unwrap();
    }
    assert_eq!(master.served(secs(71)), Served::Wait(secs(72)));
    assert_eq!(master.served(secs(72)), Served::Missing(1));
}

#[test]
fn a_master_that_has_just_begun_waits_for_whom_it_does_not_know_yet() {
    let mut young = master(set(&[1]), Power::Battery);
    young.leave(secs(59));
    assert_eq!(young.served(secs(60)), Served::Wait(secs(69)));
    assert_eq!(young.served(secs(69)), Served::All);
    let mut old = master(set(&[1]), Power::Battery);
    old.leave(secs(60));
    assert_eq!(old.served(secs(60)), Served::All);
    // Without keys all are listed.
    let mut keyless = master(set(&[]), Power::Battery);
    keyless.leave(secs(1));
    assert_eq!(keyless.served(secs(1)), Served::All);
}

proptest! {
    /// Whatever a slave says of itself, nothing overflows.
    #[test]
    fn any_numbers_do(
        (sequence, newest, halting, now) in (1_u64.., any::<u64>(), 0..=3600_u16, any::<u64>()),
    ) {
        let mut master = master(set(&[1]), Power::Battery);
        let mut one = Caller::new(1, &[1]).join(&mut master, secs(0));
        (one.sequence, one.seen) = (sequence - 1, newest);
        one.halting = Some(halting);
        let _ = one.poll(&mut master, secs(5));
        master.leave(secs(now));
        let mut to = Vec::with_capacity(1);
        master.fan(secs(now), &mut to, 1);
        master.served(secs(now));
        let end = Seen { spent: Duration::MAX, ..seen(Power::Low) };
        master.update(Duration::MAX, [end].into_iter());
        master.fan(Duration::MAX, &mut to, 1);
        master.served(Duration::MAX);
        master.next(Duration::MAX);
    }
}

/// What the configuration is checked by is what a datagram holds.
#[test]
fn all_that_slaves_can_hear_of_is_told() {
    for length in [1, 20, 57, 58, 63] {
        let names: Vec<String> =
            (0..MOST_UPS).map(|n| "x".repeat(length - 1) + &format!("{n:x}")).collect();
        let fit = wire::heard_of(names.iter().map(String::as_str));
        let mut master = Master::new(set(&[1]));
        let (power, spent) = (Some(Power::Low), Duration::MAX);
        let all = names.iter().map(|name| Seen { name, power, lost: true, spent, variables: &[] });
        master.update(secs(0), all);
        assert_eq!(usize::from(master.count), fit, "{length}");
    }
}
