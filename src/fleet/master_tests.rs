use super::*;
use crate::fleet::keys::Key;
use crate::fleet::wire::{State, number};
use proptest::prelude::*;
use std::net::IpAddr;

fn ring(keys: &[u8]) -> Keyring {
    let keys = keys.iter().filter_map(|byte| Key::from_bytes(&[*byte; 32]));
    Keyring::new(&keys.collect::<Vec<_>>())
}

pub(super) fn set(keys: &[u8]) -> Settings {
    Settings {
        ring: ring(keys),
        session: [0xaa; 16],
        secret: [0xbb; 32],
        listed: Vec::new(),
        groups: Vec::new(),
        wait: secs(10),
        capacity: 20,
    }
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4711))
}

pub(super) fn seen(power: Power) -> Seen<'static> {
    Seen { name: "ups", power: Some(power), lost: false, spent: ms(0), variables: &[] }
}

/// A slave that says what a test wants.
#[derive(Clone)]
pub(super) struct Caller {
    ring: Keyring,
    host: u8,
    session: Session,
    pub(super) sequence: u64,
    cookie: Cookie,
    pub(super) seen: u64,
    pub(super) halting: Option<u16>,
    pub(super) length: usize,
}

/// An answer as far as a test looks at it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) bound: bool,
    sequence: u64,
    pub(super) shutdown: bool,
    power: Option<u8>,
    variables: usize,
    room: usize,
    length: usize,
}

impl Caller {
    pub(super) fn new(host: u8, keys: &[u8]) -> Caller {
        Caller {
            ring: ring(keys),
            host,
            session: [host; 16],
            sequence: 0,
            cookie: [0; 16],
            seen: 0,
            halting: None,
            length: 512,
        }
    }

    fn datagram(&mut self) -> Vec<u8> {
        self.sequence += 1;
        let name = format!("host{}", self.host);
        let poll = Poll {
            name: &name,
            ups: "",
            nonce: [3; 16],
            cookie: self.cookie,
            seen: self.seen,
            interval: 5000,
            halting: self.halting,
        };
        let mut bytes = vec![0; LARGEST];
        let room = self.ring.room(self.length);
        let mut writer = Writer::new(&mut bytes[HEADER..]);
        writer.put(&poll).unwrap();
        writer.pad(room).unwrap();
        let length = writer.length();
        let id = (self.session, self.sequence);
        let length = self.ring.seal(Kind::Poll, None, id, length, &mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }

    /// One poll and its answer.
    pub(super) fn poll(
        &mut self,
        master: &mut Master,
        now: Duration,
    ) -> Result<Option<Said>, Refusal> {
        let mut datagram = self.datagram();
        let mut out = [0; LARGEST];
        let length = datagram.len();
        let answer = master.receive(now, address(self.host), &mut datagram, &mut out)?;
        let Some(answer) = answer else { return Ok(None) };
        assert!(answer <= length, "{answer} bytes answer {length}");
        Ok(Some(self.read(&mut out[..answer])))
    }

    fn read(&mut self, datagram: &mut [u8]) -> Said {
        let length = datagram.len();
        let (header, body) = self.ring.open(Kind::State, datagram).unwrap();
        let state = State::read(body).unwrap();
        if let Some(answer) = state.head.answer {
            assert_eq!(answer.nonce, [3; 16]);
            self.cookie = answer.cookie;
        }
        self.seen = self.seen.max(header.sequence);
        let first = state.all().next();
        Said {
            bound: state.head.answer.is_some_and(|answer| answer.bound),
            sequence: header.sequence,
            shutdown: state.head.shutdown,
            power: first.map(|(ups, _)| ups.power),
            variables: first.map_or(0, |(_, variables)| variables.count()),
            room: state.head.answer.map_or(0, |answer| usize::from(answer.room)),
            length,
        }
    }

    /// Polls until it counts.
    pub(super) fn join(mut self, master: &mut Master, now: Duration) -> Caller {
        assert!(!self.poll(master, now).unwrap().unwrap().bound);
        assert!(self.poll(master, now).unwrap().unwrap().bound);
        self
    }
}

pub(super) fn master(set: Settings, power: Power) -> Master {
    let mut master = Master::new(set);
    master.update(ms(0), [seen(power)].into_iter());
    master
}

/// Who is told now, in batches of at most `most`.
pub(super) fn told(master: &mut Master, now: Duration, most: usize) -> Vec<Vec<SocketAddr>> {
    let mut to = Vec::with_capacity(most);
    let mut all = Vec::new();
    while master.fan(now, &mut to, most).is_some() {
        all.push(to.clone());
    }
    assert!(to.capacity() == most && to.is_empty());
    all
}

#[test]
fn a_poll_counts_when_its_cookie_proves_the_address() {
    for keys in [&[][..], &[1], &[1, 2]] {
        let mut set = set(keys);
        let listed = |host| Listed { name: "x".to_owned(), addresses: vec![address(host).ip()] };
        set.listed = vec![listed(1), listed(2)];
        let mut master = master(set, Power::Mains);
        let mut one = Caller::new(1, keys).join(&mut master, ms(0));
        let peer = *master.peers().next().unwrap();
        assert_eq!((peer.address, peer.session), (address(1), [1; 16]));
        assert_eq!(peer.sequence, 2);
        // Again, and the first one.
        let recorded = one.datagram();
        let mut out = [0; LARGEST];
        for (from, good) in [(2, true), (1, true), (1, false), (2, false)] {
            let taken = master.receive(ms(1), address(from), &mut recorded.clone(), &mut out);
            assert_eq!(taken.is_ok(), good, "{from}");
            let peer = master.peers().next().unwrap();
            assert_eq!(peer.address, address(1));
        }
        assert_eq!(master.peers().count(), 1);
        // Too old a cookie proves nothing; the next one does.
        let late = secs(3600);
        assert!(!one.poll(&mut master, late).unwrap().unwrap().bound);
        assert_eq!(master.peers().next().unwrap().heard, ms(1));
        assert!(one.poll(&mut master, late).unwrap().unwrap().bound);
        one.host = 2;
        assert!(!one.poll(&mut master, late).unwrap().unwrap().bound);
        assert!(one.poll(&mut master, late).unwrap().unwrap().bound);
        assert_eq!(master.peers().next().unwrap().address, address(2));
    }
}

#[test]
fn a_run_that_is_over_cannot_come_back() {
    let mut master = master(set(&[1]), Power::Mains);
    let mut old = Caller::new(1, &[1]).join(&mut master, ms(0));
    // Held back, and never heard by the master until later.
    let (held, mut goodbye) = (old.datagram(), old.clone());
    goodbye.halting = Some(3600);
    let goodbye = goodbye.datagram();
    let mut new = Caller::new(1, &[1]);
    new.session = [9; 16];
    new.join(&mut master, secs(1));
    let mut out = [0; LARGEST];
    for mut datagram in [held, goodbye] {
        let answer = master.receive(secs(2), address(1), &mut datagram, &mut out);
        assert!(answer.unwrap().is_some());
        let here: Vec<_> = master.peers().filter(|peer| peer.here()).collect();
        assert_eq!(here.len(), 1);
        assert_eq!(here[0].session, [9; 16]);
        assert!(master.peers().all(|peer| peer.halting.is_none()));
    }
    // If it is not, it proves it.
    assert!(!old.poll(&mut master, secs(3)).unwrap().unwrap().bound);
    assert!(old.poll(&mut master, secs(3)).unwrap().unwrap().bound);
    assert_eq!(master.peers().filter(|peer| peer.here()).count(), 2);
}

#[test]
fn another_master_knows_no_cookie_of_the_first() {
    let mut first = master(set(&[1]), Power::Mains);
    let mut one = Caller::new(1, &[1]).join(&mut first, ms(0));
    let other = Settings { secret: [0xcc; 32], session: [0xdd; 16], ..set(&[1]) };
    let mut second = master(other, Power::Mains);
    one.halting = Some(30);
    assert!(!one.poll(&mut second, ms(1)).unwrap().unwrap().bound);
    assert_eq!(second.peers().count(), 0);
}

#[test]
fn before_it_has_seen_its_ups_a_master_answers_nobody() {
    let mut master = Master::new(set(&[1]));
    assert_eq!(Caller::new(1, &[1]).poll(&mut master, ms(0)), Ok(None));
    master.update(ms(0), [seen(Power::Low)].into_iter());
    assert!(Caller::new(1, &[1]).poll(&mut master, ms(0)).unwrap().is_some());
}

#[test]
fn strangers_are_refused() {
    let mut keyless = set(&[]);
    keyless.listed = vec![Listed { name: "x".to_owned(), addresses: vec![address(1).ip()] }];
    let mut keyless = master(keyless, Power::Mains);
    assert!(Caller::new(1, &[]).poll(&mut keyless, ms(0)).is_ok());
    assert_eq!(Caller::new(2, &[]).poll(&mut keyless, ms(0)), Err(Refusal::Unlisted));
    assert_eq!(Caller::new(1, &[1]).poll(&mut keyless, ms(0)), Err(Refusal::Key));
    let mut keyed = master(set(&[1]), Power::Mains);
    assert_eq!(Caller::new(2, &[]).poll(&mut keyed, ms(0)), Err(Refusal::Key));
    assert_eq!(Caller::new(2, &[2]).poll(&mut keyed, ms(0)), Err(Refusal::Key));
}

#[test]
fn a_change_is_told_until_it_is_acknowledged() {
    let mut master = master(set(&[1]), Power::Mains);
    assert_eq!(told(&mut master, ms(0), 8).len(), 0);
    let mut slow = Caller::new(1, &[1]).join(&mut master, ms(0));
    slow.poll(&mut master, ms(1)).unwrap();
    Caller::new(2, &[1]).join(&mut master, ms(1));
    assert_eq!(master.next(ms(5)), None);
    master.update(ms(1000), [seen(Power::Battery)].into_iter());
    assert_eq!(master.next(ms(1000)), Some(ms(1000)));
    // The first round, and those that follow it.
    assert_eq!(told(&mut master, ms(1000), 8), [[address(1), address(2)]]);
    let push = master.push.sequence;
    assert!(master.peers().all(|peer| !master.acknowledged(peer)));
    slow.seen = push;
    slow.poll(&mut master, ms(1050)).unwrap();
    assert!(master.acknowledged(master.peers.find(&[1; 16]).unwrap()));
    let mut at = 1000;
    for pause in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
        assert_eq!(master.next(ms(at + 1)), Some(ms(at + pause)));
        assert_eq!(told(&mut master, ms(at + pause - 1), 8).len(), 0);
        at += pause;
        assert_eq!(told(&mut master, ms(at), 8), [[address(2)]], "{at}");
    }
    // A slave that is silent for long hears of it when it polls again.
    assert_eq!(told(&mut master, secs(70), 8).len(), 0);
    assert_eq!(master.next(secs(70)), None);
}

#[test]
fn what_is_no_change_is_not_pushed() {
    let mut master = master(set(&[1]), Power::Battery);
    Caller::new(1, &[1]).join(&mut master, ms(0));
    told(&mut master, ms(0), 8);
    for (spent, variables) in [(1, &[][..]), (2000, &[("battery.charge", "90")])] {
        let seen = Seen { spent: ms(spent), variables, ..seen(Power::Battery) };
        master.update(ms(10), [seen].into_iter());
        assert_eq!(told(&mut master, ms(20), 8).len(), 0);
    }
    for change in [
        Seen { lost: true, ..seen(Power::Battery) },
        Seen { power: None, ..seen(Power::Battery) },
        seen(Power::Low),
    ] {
        master.update(ms(30), [change].into_iter());
        assert_eq!(told(&mut master, ms(30), 8).len(), 1);
    }
    master.update(ms(40), core::iter::empty());
    assert_eq!(told(&mut master, ms(40), 8).len(), 1);
}

#[test]
fn many_are_told_in_batches() {
    let mut master = master(set(&[1]), Power::Mains);
    for host in 1..=7 {
        Caller::new(host, &[1]).join(&mut master, ms(0));
    }
    master.update(ms(1), [seen(Power::Low)].into_iter());
    let lengths: Vec<_> = told(&mut master, ms(1), 3).iter().map(Vec::len).collect();
    assert_eq!(lengths, [3, 3, 1]);
    // No more than there is room for.
    master.update(ms(2), [seen(Power::Mains)].into_iter());
    let mut to = Vec::with_capacity(2);
    assert!(master.fan(ms(2), &mut to, 100).is_some());
    assert_eq!((to.len(), to.capacity()), (2, 2));
    assert_eq!(master.next(ms(2)), Some(ms(2)));
}

#[test]
fn groups_are_told_first_and_once() {
    let groups = vec![address(200), address(201), address(202)];
    let mut master = master(Settings { groups, ..set(&[1, 2]) }, Power::Mains);
    let first = |master: &mut Master, now| {
        let mut to = Vec::with_capacity(2);
        let datagram = master.fan(now, &mut to, 2).map(|bytes| bytes[5..9].to_vec());
        datagram.map(|key| (key, to.iter().map(SocketAddr::ip).collect::<Vec<_>>()))
    };
    let ids: Vec<_> = ring(&[1, 2]).ids().map(Vec::from).collect();
    let ip = |host| address(host).ip();
    let mut member = Caller::new(1, &[1]).join(&mut master, ms(0));
    Caller::new(2, &[1]).join(&mut master, ms(0));
    // Of each key's members: the group is told under both.
    for id in &ids {
        assert_eq!(first(&mut master, ms(0)), Some((id.clone(), vec![ip(200), ip(201)])));
        assert_eq!(first(&mut master, ms(0)), Some((id.clone(), vec![ip(202)])));
    }
    assert_eq!(first(&mut master, ms(29)), None);
    assert_eq!(master.next(ms(29)), Some(ms(30)));
    member.seen = master.push.sequence;
    member.poll(&mut master, ms(29)).unwrap();
    // Both have seen an answer since: nobody is left.
    assert_eq!(first(&mut master, ms(30)), None);
    master.update(ms(50), [seen(Power::Low)].into_iter());
    let groups = told(&mut master, ms(50), 8);
    assert_eq!(groups, [[200, 201, 202].map(address), [200, 201, 202].map(address)]);
    member.seen = master.push.sequence;
    member.poll(&mut master, ms(60)).unwrap();
    assert_eq!(told(&mut master, ms(80), 8), [[address(2)]]);
    assert_eq!(told(&mut master, ms(180), 8), [[address(2)]]);
}

#[test]
fn each_slave_is_told_under_a_key_that_it_knows() {
    let mut master = master(set(&[1, 2]), Power::Mains);
    let mut slaves: Vec<_> = (1..=6)
        .map(|host| Caller::new(host, if host % 2 == 0 { &[2] } else { &[1] }))
        .map(|slave| slave.join(&mut master, ms(0)))
        .collect();
    master.update(ms(1), [seen(Power::Low)].into_iter());
    for now in [1, 101] {
        let mut to = Vec::with_capacity(2);
        let mut hosts = Vec::new();
        while let Some(datagram) = master.fan(ms(now), &mut to, 2) {
            for to in &to {
                let IpAddr::V4(ip) = to.ip() else { panic!() };
                let slave = &mut slaves[usize::from(ip.octets()[3]) - 1];
                // Opens it or panics.
                assert_eq!(slave.read(&mut datagram.to_vec()).power, Some(3));
                hosts.push(ip.octets()[3]);
            }
        }
        assert_eq!(hosts, [1, 3, 5, 2, 4, 6]);
        // One sequence, so that one acknowledgement will do.
        assert!(slaves.iter().all(|slave| slave.seen == master.push.sequence));
    }
    for slave in &mut slaves {
        slave.poll(&mut master, ms(110)).unwrap();
    }
    assert_eq!(told(&mut master, secs(1), 8).len(), 0);
    assert_eq!(master.next(secs(1)), None);
}

#[test]
fn an_answer_is_never_longer_than_its_poll() {
    let mut master = master(set(&[1]), Power::Mains);
    let variables = [("battery.charge", "100"), ("ups.model", "x y z")].repeat(8);
    let with = Seen { variables: &variables, ..seen(Power::Battery) };
    master.update(ms(1), [with].into_iter());
    let mut one = Caller::new(1, &[1]);
    let mut last = 0;
    let mut shortest = None;
    for length in HEADER..=LARGEST {
        one.length = length;
        if let Some(said) = one.poll(&mut master, ms(2)).unwrap() {
            shortest = shortest.or(Some(said.length));
            assert!(said.variables == 0 || said.variables == variables.len());
            assert!(said.variables >= last);
            last = said.variables;
            if length >= said.room {
                assert_eq!(said.variables, variables.len(), "room for {length}");
            }
        }
    }
    assert_eq!(last, variables.len());
    assert!(shortest.is_some_and(|length| length < 200), "{shortest:?}");
}

#[test]
fn what_does_not_fit_travels_without_variables() {
    let name = "n".repeat(63);
    let value = "v".repeat(128);
    let variables = [("name", value.as_str()); 32];
    for keys in [&[][..], &[1]] {
        let listed = vec![Listed { name: "x".to_owned(), addresses: vec![address(1).ip()] }];
        let mut master = master(Settings { listed, ..set(keys) }, Power::Mains);
        let mut one = Caller { length: LARGEST, ..Caller::new(1, keys) };
        for (count, some) in [(1, 8), (1, 9), (2, 7), (2, 8), (14, 1), (15, 1), (16, 0), (40, 32)] {
            for rest in 0..=128 {
                let mut variables = variables;
                if let Some(last) = variables[..some].last_mut() {
                    last.1 = &value[..rest];
                }
                let seen = Seen { name: &name, variables: &variables[..some], ..seen(Power::Low) };
                master.update(ms(1), core::iter::repeat_n(seen, count));
                let said = one.poll(&mut master, ms(1)).unwrap().expect("an answer");
                assert_eq!(said.power, Some(3));
                assert!(said.variables == some || said.variables == 0);
                assert!(said.length <= LARGEST && said.room <= LARGEST);
            }
        }
    }
}

#[test]
fn what_no_slave_would_read_is_left_out() {
    let mut master = Master::new(set(&[1]));
    let variables = [("good", "1"), ("bad name", "2"), ("bad.value", "\n"), ("also.good", "3")];
    let one = Seen { variables: &variables, ..seen(Power::Battery) };
    let all = [Seen { name: "no name", ..seen(Power::Low) }, one];
    master.update(ms(0), all.into_iter());
    let said = Caller::new(1, &[1]).poll(&mut master, ms(0)).unwrap().unwrap();
    assert_eq!((said.power, said.variables), (Some(number(Some(Power::Battery))), 2));
}

#[test]
fn a_slave_too_many_is_answered_but_does_not_count() {
    let mut master = master(Settings { capacity: 2, ..set(&[1]) }, Power::Mains);
    let mut first = Caller::new(1, &[1]).join(&mut master, ms(0));
    let mut second = Caller::new(2, &[1]).join(&mut master, ms(0));
    let mut third = Caller::new(3, &[1]);
    for _ in 0..2 {
        assert!(!third.poll(&mut master, ms(1)).unwrap().unwrap().bound);
    }
    assert_eq!((master.turned_away(), master.peers().count()), (1, 2));
    // Another run of the second: it makes room, and all cookies are made anew.
    second.session = [9; 16];
    second.join(&mut master, ms(2));
    assert_eq!((master.turned_away(), master.peers().count()), (1, 2));
    assert!(!first.poll(&mut master, ms(3)).unwrap().unwrap().bound);
    assert!(first.poll(&mut master, ms(3)).unwrap().unwrap().bound);
    assert!(!third.poll(&mut master, ms(3)).unwrap().unwrap().bound);
}

proptest! {
    #[test]
    fn anything_is_answered_with_no_more_or_refused(
        mut bytes in prop::collection::vec(any::<u8>(), 0..1300),
        header in any::<bool>(),
        out in 0..1300_usize,
    ) {
        let listed = vec![Listed { name: "x".to_owned(), addresses: vec![address(1).ip()] }];
        let mut master = master(Settings { listed, ..set(&[]) }, Power::Low);
        if let Some(front) = bytes.first_chunk_mut::<HEADER>().filter(|_| header) {
            let id = ([1; 16], u64::MAX);
            *front = Header { kind: Kind::Poll, key: [0; 4], session: id.0, sequence: id.1 }.bytes();
        }
        let length = bytes.len();
        let mut out = vec![0; out];
        if let Ok(Some(answer)) = master.receive(ms(1), address(1), &mut bytes, &mut out) {
            prop_assert!(answer <= length && answer <= out.len());
        }
        prop_assert_eq!(master.peers().count(), 0);
    }
}
