use std::os::fd::OwnedFd;

use super::*;
use crate::fleet::keys::Key;
use crate::fleet::master::{self, Master, Seen, Served};
use crate::fleet::seal::Keyring;
use crate::fleet::slave;
use crate::fleet::wire::LARGEST;
use crate::monitor::power;

fn known(power: Option<Power>, lost: bool) -> Known {
    Known { power, lost, ..Known::default() }
}

#[test]
fn only_a_master_in_contact_that_sees_its_ups_is_believed() {
    let all = [
        (Power::Mains, Status::Mains),
        (Power::Battery, Status::Battery),
        (Power::Low, Status::Low),
    ];
    for (power, word) in all {
        assert_eq!(status(&known(Some(power), false), true, true), Some(word));
        assert_eq!(status(&known(Some(power), true), true, true), Some(Status::Lost));
        assert_eq!(status(&known(Some(power), false), true, false), Some(Status::Lost));
    }
}

#[test]
fn a_master_that_has_not_answered_or_knows_nothing_yet_says_nothing() {
    assert_eq!(status(&Known::default(), false, false), None);
    assert_eq!(status(&Known::default(), true, true), None);
    assert_eq!(status(&Known::default(), true, false), Some(Status::Lost));
}

const NOW: Duration = Duration::from_secs(100);

fn ring() -> Keyring {
    Keyring::new(&Key::from_bytes(&[1; 32]).into_iter().collect::<Vec<_>>())
}

/// On battery, and it has run for long enough to know its slaves.
fn master(session: u8) -> Master {
    let mut master = Master::new(master::Settings {
        ring: ring(),
        session: [session; 16],
        secret: [session; 32],
        listed: Vec::new(),
        groups: Vec::new(),
        wait: Duration::from_secs(60),
        capacity: 4,
    });
    let (power, spent) = (Some(Power::Battery), Duration::ZERO);
    let seen = Seen { name: "rack", power, lost: false, spent, variables: &[] };
    master.update(Duration::ZERO, [seen].into_iter());
    master
}

fn distant(feeds: bool) -> Distant {
    Distant {
        name: "rack".to_owned(),
        host: "m".to_owned(),
        addresses: vec![([192, 0, 2, 1], 4386).into()],
        ring: ring(),
        ups: String::new(),
        or_only: true,
        deadtime: Duration::from_secs(15),
        feeds,
        settings: power::Settings::default(),
    }
}

fn remote(plan: &Distant) -> Remote<'_> {
    let settings = slave::Settings {
        ring: plan.ring.clone(),
        session: [9; 16],
        name: "web1".to_owned(),
        ups: plan.ups.clone(),
        or_only: plan.or_only,
        addresses: plan.addresses.clone(),
        deadtime: plan.deadtime,
    };
    Remote::new(plan, Slave::new(settings, NOW), [None; 2], NOW)
}

/// Polls until it has nothing to say, and is answered.
fn talk(remote: &mut Remote<'_>, master: &mut Master, now: Duration) {
    let mut out = [0; LARGEST];
    for nonce in 1..9 {
        let Some((length, _)) = remote.slave.poll(now, [nonce; 16], &mut out) else { return };
        let mut poll = out[..length].to_vec();
        let from = ([192, 0, 2, 9], 4711).into();
        let length = master.receive(now, from, &mut poll, &mut out).unwrap().unwrap();
        let _ = remote.receive(now, [192, 0, 2, 1].into(), &mut out[..length]);
    }
    panic!("it polls for ever");
}

/// What it says to the parent.
fn events(remote: &mut Remote<'_>, now: Duration) -> Vec<u8> {
    let (events, to): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    let (_log, log_to) = nix::unistd::pipe().unwrap();
    remote.look(now, &mut Voice::new(&to, &log_to, now));
    drop(to);
    let mut bytes = [0; 256];
    let length = nix::unistd::read(&events, &mut bytes).unwrap();
    bytes[..length].split(|byte| *byte == 2).filter_map(|frame| frame.first().copied()).collect()
}

/// A master that goes down takes along whom its UPS feeds; who only watches it goes on, is not waited for, and is a
/// slave like any other when it is up again.
#[test]
fn a_master_that_goes_down_shuts_down_only_whom_its_ups_feeds() {
    for (feeds, said, served) in [(true, &b"FS"[..], false), (false, b"F", true)] {
        let plan = distant(feeds);
        let (mut remote, mut master) = (remote(&plan), master(1));
        talk(&mut remote, &mut master, NOW);
        master.leave(NOW);
        let mut to = Vec::with_capacity(4);
        let mut push = master.fan(NOW, &mut to, 4).expect("a push").to_vec();
        remote.receive(NOW, [192, 0, 2, 1].into(), &mut push).unwrap();
        assert_eq!(events(&mut remote, NOW), said);
        talk(&mut remote, &mut master, NOW);
        assert_eq!(master.served(NOW) == Served::All, served);
    }
    let plan = distant(false);
    let (mut remote, mut first) = (remote(&plan), master(1));
    first.leave(NOW);
    talk(&mut remote, &mut first, NOW);
    events(&mut remote, NOW);
    talk(&mut remote, &mut first, NOW);
    assert!(first.peers().all(|peer| !peer.here()) && remote.slave.gone());
    let (mut second, later) = (master(2), NOW + Duration::from_secs(600));
    talk(&mut remote, &mut second, later);
    assert!(second.peers().all(|peer| peer.here()) && !remote.slave.known().shutdown);
}
