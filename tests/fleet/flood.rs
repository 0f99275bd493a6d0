//! Junk at full speed: a line's change still reaches init, and nothing is logged for each datagram.

use crate::attacker::payload;
use crate::common::need_root;
use crate::common::net::Host;
use crate::rig::{Fleet, LONG, PORT, Plan};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Sends what was recorded cut short, too long, changed and as it was, until it is stopped.
fn flood(
    from: Host,
    at: (Ipv4Addr, u16),
    real: Vec<Vec<u8>>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
) -> JoinHandle<()> {
    let send = move || {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        for (number, recorded) in real.iter().cycle().enumerate() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let mut datagram = recorded.clone();
            match number % 4 {
                0 => datagram.truncate(number % 64),
                1 => datagram.resize(1400, 1),
                2 => datagram.iter_mut().skip(33).for_each(|byte| *byte ^= 0x5a),
                _ => {}
            }
            if socket.send_to(&datagram, at).is_ok() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::spawn(move || from.inside(send))
}

#[test]
fn a_change_is_told_under_a_flood() {
    if !need_root() {
        return;
    }
    let mut fleet = Fleet::start(&Plan { slaves: 1, ..Plan::default() });
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    let real: Vec<Vec<u8>> =
        fleet.attacker.recorded(PORT).iter().map(|frame| payload(frame).to_vec()).collect();
    let stop: Arc<AtomicBool> = Arc::default();
    let sent: Arc<AtomicU64> = Arc::default();
    let at = (fleet.master.host.four(), PORT);
    let flood = flood(fleet.wire.host(), at, real, stop.clone(), sent.clone());
    while sent.load(Ordering::Relaxed) < 1000 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = fleet.master.rig.stderr().lines().count();
    for turn in 1..=10 {
        fleet.ups("cts=1");
        fleet.master.told(2 * turn, "powerok");
        fleet.ups("cts=0");
        fleet.master.told(2 * turn + 1, "powerfail");
    }
    stop.store(true, Ordering::Relaxed);
    flood.join().expect("the flood");
    let lines = fleet.master.rig.stderr().lines().count() - before;
    assert!(lines < 100, "{lines} lines: {}", fleet.master.rig.stderr());
    assert!(sent.load(Ordering::Relaxed) > 10_000, "no flood: {sent:?}");
    // What passed faster than it could be told is not told; the end is.
    fleet.ups("cts=1");
    fleet.master.told(22, "powerok");
    let slave = &mut fleet.slaves[0];
    let end = Instant::now() + LONG;
    while slave.names().last().map(String::as_str) != Some("powerok") {
        assert!(Instant::now() < end, "{:?}: {}", slave.names(), slave.rig.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    let names = slave.names();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]) && names.len() <= 22, "{names:?}");
}
