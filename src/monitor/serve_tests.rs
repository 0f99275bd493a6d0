//! Real sockets, and a clock of the test's own.

use std::cell::Cell;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::status::collect::{Collector, Snapshot};
use crate::status::report::{Doubt, Holds};
use crate::status::report::{FORMAT, State, Way};

/// So many of everything.
struct Shop {
    slaves: usize,
    stamp: Cell<u64>,
    asked: Cell<usize>,
}

impl Shop {
    fn with(slaves: usize) -> Shop {
        Shop { slaves, stamp: Cell::new(1), asked: Cell::new(0) }
    }
}

impl Shown for Shop {
    fn head(&self, now: Duration) -> Head<'_> {
        let up = u64::try_from(now.as_millis()).expect("a time");
        Head { format: FORMAT, host: "mina".into(), up, ..Head::default() }
    }

    fn ups(&self, _: Duration, place: usize) -> Option<Ups<'_>> {
        let name = *["one", "two"].get(place)?;
        Some(Ups {
            name: name.into(),
            model: "".into(),
            source: "/dev/ttyS0".into(),
            way: Way::Lines(Some(5)),
            state: State::Mains,
            lost: false,
            doubt: false,
            weight: 1,
            since: 0,
            spent: 0,
            limit: None,
            left: None,
            glitches: 0,
            outage: None,
        })
    }

    fn variable(&self, ups: usize, place: usize) -> Option<(&str, &str)> {
        (ups == 1 && place < 3).then_some(("ups.status", "OL"))
    }

    fn rule(&self, _: Duration, place: usize) -> Option<Rule<'_>> {
        let (holds, why) = (Holds::Unknown, Doubt::Missing("ups.temperature".into()));
        (place == 0).then(|| Rule { name: "hot".into(), holds, why, left: None })
    }

    /// Every third place is empty.
    fn slave(&self, _: Duration, place: usize) -> Option<Option<Slave<'_>>> {
        self.asked.set(self.asked.get() + 1);
        (place < self.slaves).then(|| {
            (place % 3 != 2).then(|| Slave {
                name: "a-slave-with-a-rather-long-name.example".into(),
                heard: None,
                acknowledged: true,
                silent: false,
                leaving: false,
            })
        })
    }

    fn stamp(&self, _: Duration) -> u64 {
        self.stamp.get()
    }
}

struct Place {
    listener: OwnedFd,
    address: SocketAddr,
}

impl Place {
    fn new() -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "upsentry-serve-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let address = SocketAddr::from_abstract_name(name).expect("a name");
        let listener = UnixListener::bind_addr(&address).expect("a listener");
        listener.set_nonblocking(true).expect("a listener");
        Place { listener: listener.into(), address }
    }

    fn client(&self) -> Reader {
        let stream = UnixStream::connect_addr(&self.address).expect("a client");
        stream.set_nonblocking(true).expect("a client");
        Reader { stream, collector: Collector::default(), open: true }
    }
}

struct Reader {
    stream: UnixStream,
    collector: Collector,
    open: bool,
}

impl Reader {
    /// What has come.
    fn read(&mut self) -> Vec<Snapshot> {
        let mut all = Vec::new();
        let mut buffer = [0; 65536];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.open = false;
                    break;
                }
                Ok(length) => {
                    let taken = self.collector.take(&buffer[..length], &mut |one| all.push(one));
                    taken.expect("a report");
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.open = false;
                    break;
                }
            }
        }
        all
    }
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// As the loop does it: never later than `next`, which must lie ahead, or else something must be ready.
fn turn(server: &mut Server<'_>, now: Duration, shop: &Shop) {
    server.turn(now, shop);
    let next = server.next(now);
    assert!(next.is_none_or(|next| next > now), "at {now:?} it wants to be called at {next:?}");
}

#[test]
fn a_client_gets_everything_at_once() {
    let (place, shop) = (Place::new(), Shop::with(5));
    let mut server = Server::new(&place.listener, None);
    assert_eq!(server.next(at(1)), None, "nobody is there");
    let mut client = place.client();
    turn(&mut server, at(1000), &shop);
    let all = client.read();
    let [snapshot] = &all[..] else { panic!("{all:?}") };
    assert_eq!((snapshot.head.host.as_ref(), snapshot.head.up), ("mina", 1000));
    let variables: Vec<usize> = snapshot.ups.iter().map(|(_, all)| all.len()).collect();
    assert_eq!((snapshot.ups.len(), variables, snapshot.slaves.len()), (2, vec![0, 3], 4));
    assert!(client.open);
}

#[test]
fn it_gets_more_when_something_changed_and_not_more_often_than_five_times_a_second() {
    let (place, shop) = (Place::new(), Shop::with(0));
    let mut server = Server::new(&place.listener, None);
    let mut client = place.client();
    turn(&mut server, at(1000), &shop);
    assert_eq!(client.read().len(), 1);
    turn(&mut server, at(1300), &shop);
    assert_eq!(client.read().len(), 1, "what it has may be older than the first look");
    let mut snapshots = 0;
    for ms in 1301..=2300 {
        shop.stamp.set(ms);
        turn(&mut server, at(ms), &shop);
        snapshots += client.read().len();
    }
    assert_eq!(snapshots, 5);
    // A change within the pace is not lost: the server asks to be called again.
    shop.stamp.set(9999);
    turn(&mut server, at(2310), &shop);
    let next = server.next(at(2310)).expect("a time");
    assert!(next <= at(2500), "{next:?}");
    turn(&mut server, next, &shop);
    assert_eq!(client.read().len(), 1);
    assert!(server.next(next).is_some_and(|next| next > at(7000)), "then only for the ages");
    turn(&mut server, at(7600), &shop);
    assert_eq!(client.read().len(), 1);
}

#[test]
fn ten_thousand_slaves_go_through_one_small_buffer_a_part_in_each_turn() {
    let (place, shop) = (Place::new(), Shop::with(10_000));
    let mut server = Server::new(&place.listener, None);
    let mut client = place.client();
    let before: Vec<*const u8> = server.slots.iter().map(|slot| slot.buffer.as_ptr()).collect();
    let mut turns = 0;
    let snapshot = loop {
        turns += 1;
        let asked = shop.asked.get();
        turn(&mut server, at(1000 + turns), &shop);
        let most = PLACES + WRITES;
        assert!(shop.asked.get() - asked <= most, "a turn looks at no more than {most}");
        if let Some(snapshot) = client.read().pop() {
            break snapshot;
        }
    };
    assert_eq!(snapshot.slaves.len(), 6667);
    assert!(turns > 10, "{turns} turns");
    let after: Vec<*const u8> = server.slots.iter().map(|slot| slot.buffer.as_ptr()).collect();
    assert_eq!(before, after);
    assert!(server.slots.iter().all(|slot| slot.buffer.len() == BUFFER));
}

#[test]
fn who_reads_nothing_is_let_go_and_keeps_nobody_waiting() {
    let (place, shop) = (Place::new(), Shop::with(20_000));
    let mut server = Server::new(&place.listener, None);
    let deaf: Vec<Reader> = (0..CLIENTS).map(|_| place.client()).collect();
    // Until the sockets are full.
    for ms in 0..200 {
        turn(&mut server, at(1000 + ms), &shop);
    }
    let late = place.client();
    turn(&mut server, at(1200), &shop);
    assert_eq!(server.polls(at(1200)).count(), CLIENTS, "nobody else is let in");
    let stalled = server.next(at(1200)).expect("a time");
    assert!(stalled <= at(3200), "{stalled:?}");
    turn(&mut server, stalled, &shop);
    turn(&mut server, at(3200), &shop);
    let mut late = late;
    let mut got = Vec::new();
    for ms in 0..200 {
        turn(&mut server, at(3201 + ms), &shop);
        got.extend(late.read());
    }
    assert!(!got.is_empty());
    for mut one in deaf {
        one.read();
        assert!(!one.open);
    }
}

#[test]
fn who_reads_a_byte_now_and_then_is_let_go_as_well() {
    let (place, shop) = (Place::new(), Shop::with(20_000));
    let mut server = Server::new(&place.listener, None);
    let mut slow = place.client();
    let mut buffer = [0; 4096];
    let mut ms = 1000;
    for _ in 0..12 {
        for _ in 0..200 {
            ms += 5;
            turn(&mut server, at(ms), &shop);
        }
        // A little of it, so that there is room for a little more.
        for _ in 0..4 {
            let _ = slow.stream.read(&mut buffer);
        }
    }
    assert!(server.slots.iter().all(|slot| slot.client.is_none()), "after {ms} ms");
}

#[test]
fn the_fifth_is_served_too_and_the_longest_served_goes() {
    let (place, shop) = (Place::new(), Shop::with(0));
    let mut server = Server::new(&place.listener, None);
    let mut clients = Vec::new();
    for ms in 0..7 {
        clients.push(place.client());
        turn(&mut server, at(1000 + ms), &shop);
        let (here, snapshots) = (server.slots.iter().filter(|slot| slot.client.is_some()), 1);
        assert!(here.count() <= CLIENTS);
        assert_eq!(clients.last_mut().expect("one").read().len(), snapshots);
    }
    for client in &mut clients {
        client.read();
    }
    let open: Vec<bool> = clients.iter().map(|client| client.open).collect();
    assert_eq!(open, [false, false, false, true, true, true, true]);
    // And all at once, before anybody was served.
    let mut crowd: Vec<Reader> = (0..12).map(|_| place.client()).collect();
    for ms in 0..16 {
        turn(&mut server, at(2000 + ms), &shop);
    }
    let served = crowd.iter_mut().map(|client| client.read().len()).collect::<Vec<_>>();
    assert_eq!(served, [1; 12]);
}

#[test]
fn what_a_client_sends_goes_nowhere() {
    let (place, shop) = (Place::new(), Shop::with(0));
    let mut server = Server::new(&place.listener, None);
    let mut client = place.client();
    // Before it is taken the kernel keeps what fits.
    let flood = vec![b'x'; 1 << 20];
    let before = client.stream.write(&flood).expect("some of it");
    assert!(before > 0);
    turn(&mut server, at(1000), &shop);
    let after = client.stream.write(&flood);
    assert_eq!(after.expect_err("refused").kind(), ErrorKind::BrokenPipe);
    assert_eq!(client.read().len(), 1);
    turn(&mut server, at(1100), &shop);
    assert!(server.next(at(1100)).is_some(), "it is still there");
    // Nothing is readable for a poll: else the loop would spin.
    let polled: Vec<PollFlags> = server.polls(at(1100)).map(|(_, flags)| flags).collect();
    assert_eq!(polled, [PollFlags::POLLIN, PollFlags::empty()]);
}

#[test]
fn who_hangs_up_is_gone() {
    let (place, shop) = (Place::new(), Shop::with(0));
    let mut server = Server::new(&place.listener, None);
    let client = place.client();
    turn(&mut server, at(1000), &shop);
    drop(client);
    turn(&mut server, at(1001), &shop);
    assert!(server.slots.iter().all(|slot| slot.client.is_none()));
    assert_eq!(server.next(at(1001)), None);
    // In the middle of it, too.
    let shop = Shop::with(20_000);
    let client = place.client();
    turn(&mut server, at(1002), &shop);
    drop(client);
    turn(&mut server, at(1003), &shop);
    assert!(server.slots.iter().all(|slot| slot.client.is_none()));
}
