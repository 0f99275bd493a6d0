//! What the master sees every slave's init hears, once and in order.

use crate::common::need_root;
use crate::rig::{Fleet, Plan, Proof};

const STORY: [(&str, &str); 4] = [
    ("cts=0", "powerfail"),
    ("cts=1", "powerok"),
    ("cts=0", "powerfail"),
    ("cts=0 dcd=0", "powerfailnow"),
];

fn play(plan: &Plan) {
    if !need_root() {
        return;
    }
    // The pulled cable is not what this is about.
    let plan = Plan {
        master: format!("low-after 100ms\ncable-grace 0s\n{}", plan.master),
        ..plan.clone()
    };
    let mut fleet = Fleet::start(&plan);
    for (count, (lines, word)) in (1..).zip(STORY) {
        fleet.ups(lines);
        fleet.all_told(count, word);
    }
}

#[test]
fn with_a_key_over_ipv4() {
    play(&Plan::default());
}

#[test]
fn with_a_key_over_ipv6() {
    play(&Plan { six: true, slaves: 2, ..Plan::default() });
}

#[test]
fn with_a_password() {
    play(&Plan { proof: Proof::Password, slaves: 2, ..Plan::default() });
}

#[test]
fn with_addresses_only() {
    play(&Plan { proof: Proof::Address, slaves: 2, ..Plan::default() });
}

#[test]
fn to_a_multicast_group() {
    let master = "slave 239.77.0.1\n".to_owned();
    play(&Plan { slaves: 3, master, slave: "listen 239.77.0.1\n".to_owned(), ..Plan::default() });
}

#[test]
fn to_everybody_on_the_wire() {
    let master = "slave 10.77.0.255\n".to_owned();
    play(&Plan { slaves: 3, master, slave: "listen 10.77.0.255\n".to_owned(), ..Plan::default() });
}

/// The three steps of a new key: everybody learns it, everybody speaks it, everybody forgets the old one. In each
/// some machines are a step behind.
#[test]
fn a_fleet_gets_a_new_key_without_a_gap() {
    if !need_root() {
        return;
    }
    let mut fleet = Fleet::start(&Plan { slaves: 2, ..Plan::default() });
    let steps: [&[u8]; 3] = [&[7, 8], &[8, 7], &[8]];
    let mut told = 0;
    for keys in steps {
        for machine in 0..3 {
            let one = match machine {
                0 => &mut fleet.slaves[0],
                1 => &mut fleet.master,
                _ => &mut fleet.slaves[1],
            };
            one.rekey(keys);
            for (lines, word) in [("cts=0", "powerfail"), ("cts=1", "powerok")] {
                told += 1;
                fleet.ups(lines);
                fleet.all_told(told, word);
            }
        }
    }
}

#[test]
fn over_a_wire_that_loses_every_third_datagram() {
    if !need_root() {
        return;
    }
    let mut fleet = Fleet::start(&Plan { slaves: 2, ..Plan::default() });
    for slave in &fleet.slaves {
        fleet.wire.lossy(&slave.host, 30);
    }
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    fleet.ups("cts=1");
    fleet.all_told(2, "powerok");
}

/// Without a key only addresses of the configuration count, on both sides.
#[test]
fn a_host_that_is_not_listed_hears_nothing_without_a_key() {
    if !need_root() {
        return;
    }
    let mut fleet = Fleet::unready(&Plan { proof: Proof::Address, slaves: 1, ..Plan::default() });
    fleet.slaves[0].says("ready: 1 of 1");
    let stranger = fleet.wire.host();
    let plan = Plan { proof: Proof::Address, ..Plan::default() };
    let mut stranger = crate::rig::Machine::slave(&stranger, &fleet.master.host, &plan);
    stranger.says("contact lost");
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    assert!(stranger.names().is_empty());
    assert!(!stranger.rig.stderr().contains("on battery"), "{}", stranger.rig.stderr());
}
