use super::*;
use crate::fleet::master::{Listed, Master, Settings};
use crate::fleet::peers::{Peers, Proven};
use crate::fleet::seal::Keyring;
use crate::fleet::wire::Poll;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_outage_lasts_from_mains_to_mains() {
    let mut track = Track::default();
    track.see(at(1), Some(Power::Mains));
    assert_eq!((track.since, track.outage), (at(1), None));
    for second in [5, 6, 7] {
        track.see(at(second), Some(Power::Mains));
    }
    assert_eq!(track.since, at(1));
    track.see(at(10), Some(Power::Battery));
    track.see(at(12), Some(Power::Low));
    assert_eq!((track.since, track.outage), (at(12), None));
    track.see(at(21), Some(Power::Mains));
    assert_eq!((track.since, track.outage), (at(21), Some((at(21), at(11)))));
    // A monitor that begins in an outage knows of it what it has seen itself.
    let mut track = Track::default();
    track.see(at(3), Some(Power::Low));
    track.see(at(4), Some(Power::Mains));
    assert_eq!(track.outage, Some((at(4), at(1))));
}

#[test]
fn the_hash_tells_states_apart() {
    let of = |bytes: &[u8]| {
        let mut hash = Fnv::default();
        hash.write(bytes);
        hash.finish()
    };
    assert_eq!(of(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(of(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_ne!(of(&[1, 0]), of(&[0, 1]));
}

#[test]
fn a_name_of_any_length_fits() {
    assert_eq!(fitting("nod1.example"), "nod1.example");
    assert_eq!(fitting(&"x".repeat(253)).len(), LONGEST);
}

/// Who is forgotten, or whose place another run has taken, is not shown, goodbye or not.
#[test]
fn the_past_is_not_shown() {
    let poll = |halting| Poll {
        name: "nod1",
        ups: "",
        nonce: [0; 16],
        cookie: [0; 16],
        seen: 0,
        interval: 1000,
        halting,
    };
    let mut peers = Peers::new(4);
    let mut bind = |second, session: u8, halting| {
        let poll = poll(halting);
        let from = ([192, 0, 2, 1], 4386).into();
        let (now, session, sequence) = (at(second), [session; 16], second);
        let turn = peers.turn(&session, &poll);
        let proven = Proven { now, session, sequence, key: [0; 4], from, turn, poll: &poll };
        assert!(peers.bind(&proven));
        let known = peers.iter().filter(|peer| peer.known()).map(|peer| peer.session[0]);
        let all = peers.at(0).map(Peer::known);
        (known.collect::<Vec<u8>>(), all)
    };
    assert_eq!(bind(1, 1, None), (vec![1], Some(true)));
    assert_eq!(bind(2, 1, Some(30)), (vec![1], Some(true)));
    assert_eq!(bind(3, 2, None), (vec![2], Some(false)));
    // Long after, its place is free.
    assert_eq!(bind(100_000, 2, None).1, Some(false));
}

/// Slaves of the configuration that never polled come behind those that did.
#[test]
fn who_never_polled_is_named() {
    let listed = ["nod1", "nod2"].map(|name| Listed { name: name.to_owned(), addresses: vec![] });
    let master = Master::new(Settings {
        ring: Keyring::new(&[]),
        session: [1; 16],
        secret: [2; 32],
        listed: listed.to_vec(),
        groups: vec![],
        wait: at(60),
        capacity: 4,
    });
    let names =
        (0..3).map(|place| master.listed(place).map(|one| one.map(|one| one.name.as_str())));
    let names: Vec<_> = names.collect();
    assert_eq!(names, [Some(Some("nod1")), Some(Some("nod2")), None]);
    assert_eq!(master.places(), 0);
}
