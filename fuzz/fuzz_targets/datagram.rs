//! Datagrams of both kinds, with a key and without, to a master and a slave that know each other: raw bytes, and bodies
//! under a seal that is good. No answer is longer than what it answers, and what was refused is not believed.
//!
//! Input: one byte (bit 0: with a key), then frames: what to do, a length (two bytes), so many bytes. Bit 0: to the
//! slave, else to the master; bit 1: a body to be sealed, after one byte that picks the session and two that are the
//! sequence; bits 4 to 7: time that passes before.

#![no_main]

use std::net::SocketAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use upsentry::fleet::keys::Key;
use upsentry::fleet::master::{self, Listed, Master, Seen};
use upsentry::fleet::seal::Keyring;
use upsentry::fleet::slave::{self, Slave};
use upsentry::fleet::wire::{HEADER, Kind, LARGEST, Poll, State, Writer};
use upsentry::ipc::legal::Power;

const CAPACITY: usize = 3;
const MASTER: [u8; 16] = [b'm'; 16];
const SLAVE: [u8; 16] = [b's'; 16];

struct Both {
    ring: Keyring,
    now: Duration,
    master: Master,
    slave: Slave,
    polls: u8,
}

fn from() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4386))
}

impl Both {
    fn new(keyed: bool) -> Both {
        let now = Duration::from_secs(1000);
        let keys: Vec<Key> = Key::from_bytes(&[7; 32])
            .filter(|_| keyed)
            .into_iter()
            .collect();
        let ring = Keyring::new(&keys);
        let listed = Listed {
            name: "host".to_owned(),
            addresses: vec![from().ip()],
        };
        let master = Master::new(master::Settings {
            ring: ring.clone(),
            session: MASTER,
            secret: [1; 32],
            listed: vec![listed],
            groups: vec![from()],
            wait: Duration::from_secs(60),
            capacity: CAPACITY,
        });
        let settings = slave::Settings {
            ring: ring.clone(),
            session: SLAVE,
            name: "host".to_owned(),
            ups: String::new(),
            or_only: true,
            addresses: vec![from()],
            deadtime: Duration::from_secs(15),
        };
        let slave = Slave::new(settings, now);
        let mut both = Both {
            ring,
            now,
            master,
            slave,
            polls: 0,
        };
        both.show(Power::Mains);
        both.run();
        both
    }

    fn show(&mut self, power: Power) {
        let variables = &[("battery.charge", "100")];
        let spent = self.now;
        let seen = Seen {
            name: "rack",
            power: Some(power),
            lost: false,
            spent,
            variables,
        };
        self.master.update(self.now, [seen].into_iter());
    }

    /// What is due, over a network that loses nothing.
    fn run(&mut self) {
        for _ in 0..8 {
            let mut out = [0; LARGEST];
            let Some((length, _)) = self.slave.poll(self.now, [self.polls; 16], &mut out) else {
                break;
            };
            self.polls = self.polls.wrapping_add(1);
            if let Some(answer) = self.to_master(&out[..length]) {
                self.to_slave(&answer);
            }
        }
        let mut to = Vec::with_capacity(2);
        while let Some(push) = self.master.fan(self.now, &mut to, 2).map(<[u8]>::to_vec) {
            assert!(to.len() <= 2 && to.capacity() == 2 && !push.is_empty());
            self.to_slave(&push);
        }
    }

    fn to_master(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut out = [0; LARGEST];
        let mut copy = datagram.to_vec();
        let answer = self.master.receive(self.now, from(), &mut copy, &mut out);
        assert!(self.master.peers().count() <= CAPACITY);
        let length = answer.ok()??;
        assert!(length <= datagram.len());
        Some(out[..length].to_vec())
    }

    fn to_slave(&mut self, datagram: &[u8]) {
        let (known, lost_at) = (self.slave.known(), self.slave.lost_at());
        let taken = self.slave.receive(self.now, from().ip(), datagram);
        if taken.is_err() {
            assert_eq!((self.slave.known(), self.slave.lost_at()), (known, lost_at));
        }
        if let Some(variables) = self.slave.variables() {
            assert!(variables.count() <= 32);
        }
        assert!(self.slave.next() >= Duration::from_secs(1000));
    }

    fn sealed(&self, kind: Kind, bytes: &[u8]) -> Option<Vec<u8>> {
        let (session, rest) = bytes.split_first()?;
        let (sequence, body) = rest.split_first_chunk()?;
        let session = match session {
            0 if kind == Kind::Poll => SLAVE,
            0 => MASTER,
            other => [*other; 16],
        };
        let mut datagram = vec![0; LARGEST];
        datagram
            .get_mut(HEADER..)?
            .get_mut(..body.len())?
            .copy_from_slice(body);
        let id = (session, u64::from(u16::from_be_bytes(*sequence)));
        let length = self.ring.seal(kind, None, id, body.len(), &mut datagram)?;
        datagram.truncate(length);
        let mut copy = datagram.clone();
        assert_eq!(
            self.ring.open(kind, &mut copy).map(|(_, body)| body),
            Ok(body)
        );
        Some(datagram)
    }
}

/// What was read can be written, and reads as the same.
fn read(body: &[u8]) {
    let mut bytes = [0; 2 * LARGEST];
    let mut writer = Writer::new(&mut bytes);
    if let Some(poll) = Poll::read(body) {
        writer.put(&poll).expect("room");
        let length = writer.length();
        assert_eq!(Poll::read(&bytes[..length]), Some(poll));
    }
    let mut writer = Writer::new(&mut bytes);
    if let Some(state) = State::read(body) {
        writer.put(&state.head).expect("room");
        for (ups, variables) in state.all() {
            writer.put(&ups).expect("room");
            variables.for_each(|pair| writer.put(&pair).expect("room"));
        }
        let length = writer.length();
        let again = State::read(&bytes[..length]).expect("what was written");
        assert_eq!(again.head, state.head);
        assert!(
            again
                .all()
                .map(|(ups, _)| ups)
                .eq(state.all().map(|(ups, _)| ups))
        );
    }
}

const TIMES: [u64; 16] = [
    0,
    1,
    20,
    100,
    500,
    1000,
    1667,
    5000,
    5001,
    14_999,
    15_000,
    60_000,
    300_000,
    600_000,
    90_000_000,
    u64::MAX,
];

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else {
        return;
    };
    read(rest);
    let mut both = Both::new(first & 1 == 1);
    while let Some((&[what, high, low], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(after.len());
        let (bytes, after) = after.split_at(length);
        rest = after;
        both.now = both
            .now
            .saturating_add(Duration::from_millis(TIMES[usize::from(what >> 4)]));
        both.show([Power::Mains, Power::Battery, Power::Low][usize::from(what >> 2) % 3]);
        both.run();
        let kind = if what & 1 == 1 {
            Kind::State
        } else {
            Kind::Poll
        };
        let datagram = if what & 2 == 2 {
            read(bytes.get(3..).unwrap_or(&[]));
            both.sealed(kind, bytes)
        } else {
            Some(bytes.to_vec())
        };
        match (datagram, kind) {
            (Some(datagram), Kind::Poll) => drop(both.to_master(&datagram)),
            (Some(datagram), Kind::State) => both.to_slave(&datagram),
            (None, _) => {}
        }
    }
    both.slave.leave(both.now, Duration::MAX);
    both.master.leave(both.now);
    both.run();
    both.master.served(both.now);
    both.slave.in_contact(Duration::MAX);
});
