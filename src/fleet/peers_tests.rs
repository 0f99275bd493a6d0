use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const POLL: Poll<'static> = Poll {
    name: "web1",
    ups: "",
    nonce: [0; 16],
    cookie: [0; 16],
    seen: 0,
    interval: 5000,
    halting: None,
};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn session(number: u8) -> Session {
    [number; 16]
}

/// A poll of run `number`, the `sequence`-th, from host `host`.
fn bind(peers: &mut Peers, now: u64, number: u8, sequence: u64, host: u8, poll: Poll<'_>) -> bool {
    let from = SocketAddr::from(([192, 0, 2, host], 4711));
    let (now, session, key) = (secs(now), session(number), [7; 4]);
    let turn = peers.turn(&session, &poll);
    peers.bind(&Proven { now, session, sequence, key, from, turn, poll: &poll })
}

fn here(peers: &Peers) -> Vec<u8> {
    peers.iter().filter(|peer| peer.here()).map(|peer| peer.session[0]).collect()
}

#[test]
fn a_poll_tells_where_a_slave_is() {
    let mut peers = Peers::new(2);
    assert!(bind(&mut peers, 10, 1, 5, 1, Poll { seen: 4, ..POLL }));
    assert!(bind(&mut peers, 12, 1, 6, 2, Poll { seen: 3, interval: 1000, ..POLL }));
    let peer = peers.find(&session(1)).unwrap();
    assert_eq!((peer.name.as_str(), peer.sequence, peer.seen), ("web1", 6, 4));
    assert_eq!((peer.address.to_string().as_str(), peer.key), ("192.0.2.2:4711", [7; 4]));
    assert_eq!((peer.heard, peer.interval), (secs(12), secs(1)));
    assert!(!peer.silent(secs(16)));
    assert!(peer.silent(secs(16) + Duration::from_nanos(1)));
    assert!(peers.find(&session(2)).is_none());
    assert_eq!(peers.at(0), Some(peer));
    assert_eq!(peers.at(1), None);
}

#[test]
fn another_run_at_its_address_takes_its_place() {
    let mut peers = Peers::new(9);
    bind(&mut peers, 0, 1, 1, 1, POLL);
    bind(&mut peers, 1, 2, 1, 1, POLL);
    assert_eq!(here(&peers), [2]);
    assert_eq!(peers.turn(&session(1), &POLL), 2);
    // Another UPS of the same host, and another host.
    bind(&mut peers, 2, 3, 1, 1, Poll { ups: "other", ..POLL });
    bind(&mut peers, 2, 4, 1, 1, Poll { name: "web2", ..POLL });
    assert_eq!(here(&peers), [2, 3, 4]);
    // Elsewhere it is another machine of that name, until the first is silent.
    bind(&mut peers, 3, 5, 1, 2, POLL);
    assert_eq!(here(&peers), [2, 3, 4, 5]);
    bind(&mut peers, 40, 6, 1, 3, POLL);
    assert_eq!(here(&peers), [3, 4, 6]);
    assert_eq!(peers.turn(&session(5), &POLL), 6, "whatever it is, old cookies are void");
    // It lives, as its newest cookie proves.
    bind(&mut peers, 41, 1, 9, 1, POLL);
    assert_eq!(here(&peers), [1, 3, 4, 6]);
    assert_eq!(peers.turn(&session(1), &POLL), 6);
}

#[test]
fn a_run_follows_the_newest_of_its_slave() {
    let mut peers = Peers::new(9);
    assert_eq!(peers.turn(&session(1), &POLL), 0);
    bind(&mut peers, 0, 1, 1, 1, POLL);
    bind(&mut peers, 0, 2, 1, 2, Poll { name: "web2", ..POLL });
    assert_eq!(peers.turn(&session(1), &POLL), 0);
    assert_eq!(peers.turn(&session(3), &POLL), 1);
    // It has polled, but not been taken, when another one is.
    bind(&mut peers, 0, 4, 1, 1, POLL);
    assert_eq!(peers.turn(&session(3), &POLL), 3);
    assert_eq!(peers.turn(&session(1), &POLL), 3);
    assert_eq!(peers.turn(&session(4), &POLL), 1);
    assert_eq!(peers.turn(&session(3), &Poll { ups: "other", ..POLL }), 0);
}

#[test]
fn a_goodbye_counts_from_when_it_came_first() {
    let mut peers = Peers::new(9);
    bind(&mut peers, 5, 1, 1, 1, Poll { halting: Some(30), ..POLL });
    bind(&mut peers, 9, 1, 2, 1, Poll { halting: Some(30), ..POLL });
    let peer = peers.find(&session(1)).unwrap();
    assert_eq!(peer.halting, Some((secs(5), secs(30))));
    assert!(!peer.here());
    bind(&mut peers, 10, 1, 3, 1, POLL);
    assert_eq!(here(&peers), [1]);
}

#[test]
fn it_is_forgotten_when_nothing_of_it_can_come_back() {
    let known = |peers: &Peers| peers.iter().map(|peer| peer.session[0]).collect::<Vec<_>>();
    let mut peers = Peers::new(9);
    bind(&mut peers, 0, 1, 1, 1, POLL);
    bind(&mut peers, 500, 2, 1, 1, POLL);
    bind(&mut peers, 500, 3, 1, 3, Poll { halting: Some(3600), name: "long", ..POLL });
    bind(&mut peers, 500, 4, 1, 4, Poll { halting: Some(1), name: "short", ..POLL });
    bind(&mut peers, 1100, 9, 1, 9, Poll { name: "other", ..POLL });
    assert_eq!(known(&peers), [1, 2, 3, 4, 9]);
    bind(&mut peers, 1161, 9, 2, 9, Poll { name: "other", ..POLL });
    assert_eq!(known(&peers), [2, 3, 9]);
    bind(&mut peers, 4200, 9, 3, 9, Poll { name: "other", ..POLL });
    assert_eq!(known(&peers), [2, 9]);
    bind(&mut peers, 500 + 24 * 3600, 9, 4, 9, Poll { name: "other", ..POLL });
    assert_eq!(known(&peers), [2, 9]);
    bind(&mut peers, 561 + 24 * 3600, 9, 5, 9, Poll { name: "other", ..POLL });
    assert_eq!(known(&peers), [9]);
    assert!(peers.find(&session(2)).is_none());
}

#[test]
fn a_full_table_takes_no_more_and_past_runs_make_room() {
    let mut peers = Peers::new(2);
    assert!(!peers.forget_superseded());
    bind(&mut peers, 0, 1, 1, 1, POLL);
    bind(&mut peers, 0, 2, 1, 2, Poll { name: "web2", ..POLL });
    assert!(!bind(&mut peers, 0, 3, 1, 3, Poll { name: "web3", ..POLL }));
    assert!(peers.find(&session(3)).is_none());
    assert!(!peers.forget_superseded());
    assert!(!bind(&mut peers, 0, 4, 1, 1, POLL), "what it takes the place of is still there");
    assert!(peers.forget_superseded());
    assert!(bind(&mut peers, 0, 4, 1, 1, POLL));
    assert_eq!(here(&peers), [4, 2]);
    let Peers { all, names, by_session, free, .. } = &peers;
    let room = [all.capacity(), names.capacity(), by_session.capacity(), free.capacity()];
    assert!(room.iter().all(|room| *room < 5), "{room:?}");
    assert!(!bind(&mut Peers::new(0), 0, 1, 1, 1, POLL));
}

#[test]
fn a_long_name_is_kept_whole_and_no_more() {
    let name = "n".repeat(LONGEST_NAME);
    assert_eq!(Name::new(&name).as_str(), name);
    assert_eq!(Name::new(&format!("{name}more")).as_str(), name);
    assert_eq!(Name::new("").as_str(), "");
}

proptest! {
    /// Any polls in any order, against a map.
    #[test]
    fn sessions_are_found_and_memory_stays(
        polls in prop::collection::vec((0..400_u64, 0..12_u8, 0..3_u8, 0..3_u8, any::<bool>()), 0..120),
    ) {
        let mut peers = Peers::new(5);
        let room = peers.by_session.capacity();
        let mut last = BTreeMap::new();
        let mut now = 0;
        for (sequence, (gap, number, host, name, halting)) in (1..).zip(polls) {
            now += gap;
            let halting = halting.then_some(5);
            let poll = Poll { name: ["a", "b", "c"][usize::from(name)], halting, ..POLL };
            if bind(&mut peers, now, number, sequence, host, poll)
                || peers.forget_superseded() && bind(&mut peers, now, number, sequence, host, poll)
            {
                last.insert(number, sequence);
            }
            prop_assert!(peers.by_session.is_sorted());
            prop_assert_eq!(peers.by_session.len(), peers.iter().count());
            prop_assert_eq!(peers.all.len(), peers.iter().count() + peers.free.len());
            prop_assert!(peers.all.len() <= 5 && peers.by_session.capacity() == room);
            for peer in peers.iter() {
                prop_assert_eq!(peers.find(&peer.session), Some(peer));
                prop_assert_eq!(last.get(&peer.session[0]), Some(&peer.sequence));
            }
        }
    }
}
