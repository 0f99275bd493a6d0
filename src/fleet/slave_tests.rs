use super::*;
use crate::fleet::keys::Key;
use crate::fleet::master::{self, Listed, Master, Seen};
use crate::fleet::wire::{Answer, MOST_UPS};
use proptest::prelude::*;

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) const DEADTIME: Duration = Duration::from_secs(15);

pub(super) fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4711))
}

fn ring(keys: &[u8]) -> Keyring {
    let keys = keys.iter().filter_map(|byte| Key::from_bytes(&[*byte; 32]));
    Keyring::new(&keys.collect::<Vec<_>>())
}

pub(super) fn set(keys: &[u8]) -> Settings {
    Settings {
        ring: ring(keys),
        session: [0x11; 16],
        name: "web1".to_owned(),
        ups: String::new(),
        or_only: true,
        addresses: vec![address(1)],
        deadtime: DEADTIME,
    }
}

/// Both sides, and a network that does what a test says.
pub(super) struct Pair {
    pub(super) now: Duration,
    pub(super) slave: Slave,
    pub(super) master: Master,
    pub(super) nonce: u8,
}

const VARIABLES: &[(&str, &str)] = &[("battery.charge", "80")];

impl Pair {
    pub(super) fn new(set: Settings) -> Pair {
        let keys = if set.ring.is_empty() { &[][..] } else { &[1] };
        let now = ms(1000);
        let slave = Slave::new(set, now);
        let mut pair = Pair { now, slave, master: Pair::master(keys, 1), nonce: 0 };
        pair.shows(Power::Mains);
        pair
    }

    pub(super) fn master(keys: &[u8], run: u8) -> Master {
        Master::new(master::Settings {
            ring: ring(keys),
            session: [run; 16],
            secret: [run; 32],
            listed: vec![Listed { name: "web1".to_owned(), addresses: vec![address(9).ip()] }],
            groups: Vec::new(),
            wait: ms(10_000),
            capacity: 4,
        })
    }

    pub(super) fn shows(&mut self, power: Power) {
        let (name, spent) = ("rack", ms(7));
        let seen = Seen { name, power: Some(power), lost: false, spent, variables: VARIABLES };
        self.master.update(self.now, [seen].into_iter());
    }

    pub(super) fn ask(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        self.nonce = self.nonce.wrapping_add(1);
        let mut out = [0; LARGEST];
        let (length, to) = self.slave.poll(self.now, [self.nonce; 16], &mut out)?;
        Some((out[..length].to_vec(), to))
    }

    pub(super) fn answer(&mut self, poll: &[u8]) -> Option<Vec<u8>> {
        let mut out = [0; LARGEST];
        let length = self.master.receive(self.now, address(9), &mut poll.to_vec(), &mut out);
        Some(out[..length.ok()??].to_vec())
    }

    pub(super) fn hear(&mut self, datagram: &[u8]) -> Result<bool, Refusal> {
        self.slave.receive(self.now, address(1).ip(), datagram)
    }

    pub(super) fn push(&mut self) -> Option<Vec<u8>> {
        let mut to = Vec::with_capacity(4);
        self.master.fan(self.now, &mut to, 4).map(<[u8]>::to_vec)
    }

    /// Polls that are due now are answered at once.
    pub(super) fn talk(&mut self) {
        for _ in 0..5 {
            let Some((poll, _)) = self.ask() else { return };
            let answer = self.answer(&poll).expect("an answer");
            self.hear(&answer).expect("it counts");
        }
        panic!("it polls for ever");
    }

    /// Nothing is lost for so long.
    pub(super) fn calm(&mut self, time: Duration) {
        let end = self.now + time;
        while self.slave.next() <= end {
            self.now = self.now.max(self.slave.next());
            self.talk();
        }
        self.now = end;
    }

    /// When it polls, if nothing is answered.
    pub(super) fn silence(&mut self, polls: usize) -> Vec<u64> {
        let begin = self.now;
        let times = (0..polls).map(|_| {
            self.now = self.slave.next();
            self.ask().expect("it is due");
            u64::try_from((self.now - begin).as_millis()).unwrap()
        });
        times.collect()
    }
}

#[test]
fn what_the_master_says_is_known() {
    for keys in [&[][..], &[1]] {
        let mut pair = Pair::new(set(keys));
        assert_eq!((pair.slave.known(), pair.slave.lost_at()), (Known::default(), None));
        assert!(!pair.slave.in_contact(pair.now));
        pair.talk();
        assert!(pair.slave.in_contact(pair.now));
        let known = Known { power: Some(Power::Mains), spent: ms(7), ..Known::default() };
        assert_eq!(pair.slave.known(), known);
        assert_eq!(pair.slave.variables().map(Iterator::collect), Some(VARIABLES.to_vec()));
        assert_eq!(pair.slave.age(pair.now), Some(ms(0)));
        let peer = *pair.master.peers().next().unwrap();
        assert_eq!((peer.name.as_str(), peer.address), ("web1", address(9)));
        assert_eq!(peer.interval, DEADTIME / 3, "when it polls next");
        assert!(pair.master.acknowledged(&peer));
    }
}

#[test]
fn a_push_counts_at_once_and_is_acknowledged_at_once() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.calm(ms(1234));
    pair.shows(Power::Battery);
    let push = pair.push().unwrap();
    assert_eq!(pair.hear(&push), Ok(true));
    assert_eq!(pair.slave.known().power, Some(Power::Battery));
    assert_eq!(pair.slave.next(), pair.now);
    pair.talk();
    assert!(pair.master.acknowledged(pair.master.peers().next().unwrap()));
    // Once that is known, a recording wakes nobody.
    let next = pair.slave.next();
    pair.now += ms(100);
    assert_eq!(pair.hear(&push), Err(Refusal::Stale));
    assert_eq!(pair.slave.next(), next);
}

#[test]
fn news_by_an_answer_are_acknowledged_at_once() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.shows(Power::Battery);
    pair.push().expect("lost");
    pair.now = pair.slave.next();
    let poll = pair.ask().unwrap().0;
    let answer = pair.answer(&poll).unwrap();
    pair.hear(&answer).unwrap();
    assert_eq!(pair.slave.next(), pair.now);
    pair.talk();
    assert!(pair.master.acknowledged(pair.master.peers().next().unwrap()));
    assert!(pair.slave.next() > pair.now + ms(1000));
}

#[test]
fn an_acknowledgement_that_was_lost_is_repeated_with_the_push() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.shows(Power::Battery);
    let push = pair.push().unwrap();
    pair.hear(&push).unwrap();
    pair.ask().expect("lost");
    pair.now += ms(5);
    assert_eq!(pair.hear(&push), Err(Refusal::Stale));
    assert_eq!(pair.slave.next(), pair.now + ms(15));
}

#[test]
fn recordings_do_not_count() {
    let mut pair = Pair::new(set(&[1]));
    let first = pair.ask().unwrap().0;
    let answer = pair.answer(&first).unwrap();
    pair.hear(&answer).unwrap();
    pair.talk();
    pair.shows(Power::Low);
    let push = pair.push().unwrap();
    pair.hear(&push).unwrap();
    pair.talk();
    pair.shows(Power::Mains);
    pair.now += ms(1);
    pair.talk();
    pair.calm(ms(6000));
    let (known, contact) = (pair.slave.known(), pair.slave.lost_at());
    assert_eq!(known.power, Some(Power::Mains));
    for recorded in [&answer, &push] {
        assert_eq!(pair.hear(recorded), Err(Refusal::Stale));
        assert_eq!((pair.slave.known(), pair.slave.lost_at()), (known, contact));
    }
    // Nor for another run.
    pair.slave = Slave::new(Settings { session: [0x22; 16], ..set(&[1]) }, pair.now);
    for recorded in [&answer, &push] {
        assert_eq!(pair.hear(recorded), Err(Refusal::Stale));
        assert_eq!(pair.slave.known(), Known::default());
    }
}

#[test]
fn an_answer_that_comes_too_late_does_not_count() {
    for (late, good) in [(DEADTIME - ms(1), true), (DEADTIME, false)] {
        let mut pair = Pair::new(set(&[1]));
        let poll = pair.ask().unwrap().0;
        let answer = pair.answer(&poll).unwrap();
        pair.now += late;
        assert_eq!(pair.hear(&answer).is_ok(), good);
        assert_eq!(pair.slave.in_contact(pair.now), good);
    }
}

#[test]
fn of_two_answers_the_older_one_is_nothing() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.now = pair.slave.next();
    let first = pair.ask().unwrap().0;
    let first = pair.answer(&first).unwrap();
    pair.shows(Power::Battery);
    pair.now = pair.slave.next();
    let second = pair.ask().unwrap().0;
    let second = pair.answer(&second).unwrap();
    pair.hear(&second).unwrap();
    assert_eq!(pair.hear(&first), Err(Refusal::Stale));
    assert_eq!(pair.hear(&second), Err(Refusal::Stale));
    assert_eq!(pair.slave.known().power, Some(Power::Battery));
}

#[test]
fn an_answer_older_than_a_push_is_contact_but_no_news() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.now = pair.slave.next();
    let poll = pair.ask().unwrap().0;
    let answer = pair.answer(&poll).unwrap();
    pair.shows(Power::Battery);
    let push = pair.push().unwrap();
    pair.hear(&push).unwrap();
    assert_eq!(pair.hear(&answer), Ok(true));
    assert_eq!(pair.slave.known().power, Some(Power::Battery));
    assert_eq!(pair.slave.age(pair.now), Some(ms(0)));
    assert_eq!(pair.slave.next(), pair.now, "the push is still to be acknowledged");
}

#[test]
fn a_master_that_was_started_anew_is_known_after_two_polls() {
    let mut pair = Pair::new(set(&[1]));
    pair.shows(Power::Battery);
    pair.talk();
    let old = pair.push();
    pair.master = Pair::master(&[1], 2);
    pair.shows(Power::Low);
    assert_eq!((pair.push(), old.is_some()), (None, false));
    pair.now = pair.slave.next();
    pair.talk();
    assert_eq!(pair.slave.verified(), Some([2; 16]));
    assert_eq!(pair.slave.known().power, Some(Power::Low));
    assert_eq!(pair.master.peers().count(), 1);
}

/// A state as a master might send it, for what ours never says.
fn state(session: u8, sequence: u64, answer: Option<Answer>, all: &[(&str, u8)]) -> Vec<u8> {
    let mut out = vec![0; LARGEST];
    let mut writer = Writer::new(&mut out[HEADER..]);
    let count = u8::try_from(all.len()).unwrap();
    writer.put(&Head { answer, shutdown: false, count }).unwrap();
    for (name, power) in all {
        let ups = Ups { name, power: *power, lost: false, spent: 0, variables: 0 };
        writer.put(&ups).unwrap();
    }
    let length = writer.length();
    let id = ([session; 16], sequence);
    let length = ring(&[1]).seal(Kind::State, None, id, length, &mut out).unwrap();
    out.truncate(length);
    out
}

fn good(nonce: u8) -> Option<Answer> {
    Some(Answer { nonce: [nonce; 16], cookie: [5; 16], bound: true, room: 200 })
}

#[test]
fn a_push_of_another_session_is_only_a_reason_to_ask() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.now += ms(200);
    assert_eq!(pair.hear(&state(7, 99, None, &[("rack", 3)])), Err(Refusal::Stale));
    assert_eq!(pair.slave.known().power, Some(Power::Mains));
    assert_eq!(pair.slave.next(), pair.now + ms(800), "a second after the last poll");
    // However many come.
    for _ in 0..5 {
        let _ = pair.hear(&state(7, 99, None, &[("rack", 3)]));
    }
    assert_eq!(pair.slave.next(), pair.now + ms(800));
}

#[test]
fn after_silence_a_push_is_not_believed() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    let push = |sequence| state(1, sequence, None, &[("rack", 2)]);
    pair.now += DEADTIME;
    assert_eq!(pair.hear(&push(90)), Ok(true));
    pair.now += DEADTIME;
    assert_eq!(pair.hear(&push(91)), Err(Refusal::Stale));
}

#[test]
fn the_ups_is_found_by_its_name() {
    let known = |ups: &str, or_only, all: &[(&str, u8)]| {
        let mut pair = Pair::new(Settings { ups: ups.to_owned(), or_only, ..set(&[1]) });
        pair.ask().unwrap();
        pair.hear(&state(1, 1, good(1), all)).unwrap();
        (pair.slave.known().power, pair.slave.known().lost)
    };
    let two = [("left", 1), ("right", 2)];
    assert_eq!(known("right", true, &two), (Some(Power::Battery), false));
    assert_eq!(known("left", false, &two), (Some(Power::Mains), false));
    assert_eq!(known("", true, &two), (None, true));
    assert_eq!(known("middle", true, &two), (None, true));
    assert_eq!(known("", true, &two[1..]), (Some(Power::Battery), false));
    assert_eq!(known("middle", true, &two[1..]), (Some(Power::Battery), false));
    assert_eq!(known("middle", false, &two[1..]), (None, true));
    assert_eq!(known("right", true, &[]), (None, true));
}

#[test]
fn a_master_that_knows_nothing_yet_changes_nothing() {
    let mut pair = Pair::new(set(&[1]));
    pair.ask().unwrap();
    pair.hear(&state(1, 1, good(1), &[("rack", 2)])).unwrap();
    pair.now = pair.slave.next();
    pair.ask().unwrap();
    pair.hear(&state(2, 1, good(2), &[("rack", 0)])).unwrap();
    assert_eq!(pair.slave.known().power, Some(Power::Battery));
    assert_eq!(pair.slave.verified(), Some([2; 16]));
}

#[test]
fn shutdown_is_never_taken_back() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    pair.master.leave(pair.now);
    let push = pair.push().unwrap();
    pair.hear(&push).unwrap();
    assert!(pair.slave.known().shutdown);
    pair.talk();
    pair.master = Pair::master(&[1], 2);
    pair.shows(Power::Mains);
    pair.calm(ms(6000));
    assert_eq!(pair.slave.verified(), Some([2; 16]));
    assert!(pair.slave.known().shutdown);
}

#[test]
fn without_a_key_only_the_master_s_addresses_are_heard() {
    let mut pair = Pair::new(set(&[]));
    let poll = pair.ask().unwrap().0;
    let answer = pair.answer(&poll).unwrap();
    let elsewhere = pair.slave.receive(pair.now, address(2).ip(), &answer);
    assert_eq!(elsewhere, Err(Refusal::Unlisted));
    assert_eq!(pair.hear(&answer), Ok(true));
}

#[test]
fn a_datagram_for_another_stays_as_it_is() {
    let mut pair = Pair::new(set(&[1]));
    let mut other = Slave::new(Settings { session: [0x22; 16], ..set(&[1]) }, pair.now);
    let poll = pair.ask().unwrap().0;
    let answer = pair.answer(&poll).unwrap();
    // By value, so that the compiler holds it; in one buffer, as the jail has it.
    assert_eq!(other.receive(pair.now, address(1).ip(), &answer), Err(Refusal::Stale));
    assert_eq!(pair.hear(&answer), Ok(true));
    assert_eq!(pair.hear(&[0; LARGEST + 1]), Err(Refusal::Shape));
    assert_eq!(pair.hear(&[]), Err(Refusal::Shape));
}

proptest! {
    /// Whatever comes, whenever.
    #[test]
    fn any_datagrams_at_any_time(
        steps in prop::collection::vec((any::<u64>(), any::<u64>(), 0..9_u8, any::<bool>()), 1..40),
    ) {
        let mut pair = Pair::new(set(&[1]));
        let most: Vec<_> = (0..MOST_UPS).map(|_| ("rack", 3)).collect();
        for (time, sequence, nonce, push) in steps {
            pair.now = Duration::from_nanos(time).max(pair.now);
            let _ = pair.ask();
            let answer = good(nonce).filter(|_| !push);
            let _ = pair.hear(&state(nonce, sequence, answer, &most));
            pair.slave.leave(pair.now, pair.now);
            prop_assert!(pair.slave.next() >= ms(1000));
            pair.slave.lost_at();
        }
        pair.now = Duration::MAX;
        let _ = pair.ask();
        prop_assert!(!pair.slave.in_contact(pair.now));
    }
}

/// What docs/protocol.md warns of: a poll says which UPS it means, not which master. Two masters with one key are
/// one to a slave, if who is on the way between them turns its polls to the other.
#[test]
fn a_master_with_the_same_key_passes_for_another_and_one_with_its_own_does_not() {
    let mut pair = Pair::new(set(&[1]));
    pair.talk();
    for (keys, believed) in [(&[1][..], true), (&[2], false)] {
        let mut other = Pair::new(set(&[1]));
        other.master = Pair::master(keys, 9);
        other.shows(Power::Low);
        pair.calm(ms(1));
        pair.now = pair.slave.next();
        let (poll, _) = pair.ask().unwrap();
        let answer = other.answer(&poll);
        assert_eq!(answer.is_some(), believed);
        if let Some(answer) = answer {
            assert_eq!(pair.hear(&answer), Ok(true));
            assert_eq!(pair.slave.known().power, Some(Power::Low));
        }
    }
}
