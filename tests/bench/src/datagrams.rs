//! What the datagrams of master and slaves cost in memory only; `fleet` sends them.

use crate::Row;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use upsentry::fleet::keys::Key;
use upsentry::fleet::master::{Master, Seen, Settings};
use upsentry::fleet::peers::Peers;
use upsentry::fleet::seal::Keyring;
use upsentry::fleet::wire::{HEADER, Kind, LARGEST, Poll, Session, State, Writer};
use upsentry::ipc::legal::Power;

/// Each throughput is measured for so long.
const SPAN: Duration = Duration::from_millis(400);
/// Slaves in one call of the system, as in the jail.
const BATCH: usize = 256;
/// A poll that is answered with some variables has about so many bytes.
const LENGTH: usize = 256;
const SLAVES: [usize; 5] = [1, 10, 100, 1000, 10_000];

fn ring() -> Keyring {
    Keyring::new(&Key::from_bytes(&[7; 32]).into_iter().collect::<Vec<_>>())
}

fn address(number: usize) -> SocketAddr {
    let [.., a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 4386))
}

fn session(number: usize) -> Session {
    let mut session = [0; 16];
    session[..8].copy_from_slice(&number.to_be_bytes());
    session
}

fn poll(ring: &Keyring, number: usize, sequence: u64, cookie: [u8; 16]) -> Vec<u8> {
    let name = format!("host{number}");
    let (nonce, seen, interval) = ([1; 16], 0, 5000);
    let poll = Poll { name: &name, ups: "rack", nonce, cookie, seen, interval, halting: None };
    let mut bytes = vec![0; LARGEST];
    let mut writer = Writer::new(&mut bytes[HEADER..]);
    let room = ring.room(LENGTH);
    writer.put(&poll).and_then(|()| writer.pad(room)).expect("room");
    let body = writer.length();
    let length = ring.seal(Kind::Poll, None, (session(number), sequence), body, &mut bytes);
    bytes.truncate(length.expect("room"));
    bytes
}

fn seen(power: Power) -> Seen<'static> {
    let variables = &[("battery.charge", "100"), ("ups.model", "of some length")];
    Seen { name: "rack", power: Some(power), lost: false, spent: Duration::ZERO, variables }
}

/// With so many slaves, each bound to its address.
fn master(slaves: usize) -> Master {
    let settings = Settings {
        ring: ring(),
        session: [1; 16],
        secret: [2; 32],
        listed: Vec::new(),
        groups: Vec::new(),
        wait: Duration::ZERO,
        capacity: slaves,
    };
    let mut master = Master::new(settings);
    master.update(Duration::ZERO, [seen(Power::Mains)].into_iter());
    let mut out = [0; LARGEST];
    for number in 0..slaves {
        let mut cookie = [0; 16];
        for sequence in [1, 2] {
            let mut datagram = poll(&ring(), number, sequence, cookie);
            let from = address(number);
            let answer = master.receive(Duration::ZERO, from, &mut datagram, &mut out);
            let length = answer.ok().flatten().expect("an answer");
            let (_, body) = ring().open(Kind::State, &mut out[..length]).expect("its seal");
            cookie = State::read(body).and_then(|state| state.head.answer).expect("one").cookie;
        }
    }
    assert_eq!(master.peers().filter(|peer| peer.here()).count(), slaves);
    master
}

/// How often a second.
fn rate(mut once: impl FnMut() -> bool) -> f64 {
    let begin = Instant::now();
    let mut count = 0_u32;
    while begin.elapsed() < SPAN {
        for _ in 0..64 {
            assert!(black_box(once()), "not what was to be measured");
        }
        count += 64;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}

fn opened(what: &str, datagram: &[u8], good: bool) -> Row {
    let ring = ring();
    let mut copy = [0; LARGEST];
    let rate = rate(|| {
        let copy = &mut copy[..datagram.len()];
        copy.copy_from_slice(datagram);
        ring.open(Kind::Poll, copy).is_ok() == good
    });
    Row::new(what, format!("{:.0} thousand a second", rate / 1e3))
}

/// A change is sealed, and all slaves are found that have to know of it: the median of some.
fn told(slaves: usize) -> Row {
    let mut master = master(slaves);
    let mut to = Vec::with_capacity(BATCH);
    let mut times = Vec::new();
    for change in 0..21 {
        let now = Duration::from_millis(change);
        let power = if change % 2 == 0 { Power::Battery } else { Power::Mains };
        let begin = Instant::now();
        master.update(now, [seen(power)].into_iter());
        let mut count = 0;
        while let Some(datagram) = master.fan(now, &mut to, BATCH) {
            black_box(datagram);
            count += to.len();
        }
        times.push(begin.elapsed());
        assert_eq!(count, slaves, "all are told");
    }
    times.sort_unstable();
    let micros = times[times.len() / 2].as_secs_f64() * 1e6;
    let what = match slaves {
        1 => "a change sealed, and 1 slave found in memory".to_owned(),
        _ => format!("  {slaves} slaves"),
    };
    Row::new(what, format!("{micros:.1} us"))
}

/// Verification, the walk to the slaves, memory.
pub fn rows() -> Vec<Row> {
    println!("datagrams: some seconds");
    let good = poll(&ring(), 1, 3, [0; 16]);
    let mut forged = good.clone();
    forged[LENGTH - 1] ^= 1;
    let mut other = good.clone();
    other[5] ^= 1;
    let mut master = master(1000);
    let mut out = [0; LARGEST];
    let (mut copy, from) = ([0; LENGTH], address(1));
    let answered = rate(|| {
        copy.copy_from_slice(&good);
        master.receive(Duration::ZERO, from, &mut copy, &mut out).is_ok_and(|some| some.is_some())
    });
    let mut rows = vec![
        opened(&format!("datagrams of {LENGTH} bytes opened"), &good, true),
        opened("  forged ones refused", &forged, false),
        opened("  those of another key refused", &other, false),
        Row::new(
            "  polls answered, by a master of 1000",
            format!("{:.0} thousand a second", answered / 1e3),
        ),
    ];
    rows.extend(SLAVES.into_iter().map(told));
    rows.push(Row::new("  memory of a slave", format!("{} bytes", Peers::BYTES)));
    rows
}
