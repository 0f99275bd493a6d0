//! Everything that was ever on the wire, once more: nobody acts on it.

use crate::attacker::{Frame, payload};
use crate::common::need_root;
use crate::rig::{Fleet, PORT, Plan};
use crate::shown::refuses;
use std::time::Duration;

fn again(fleet: &Fleet, frames: &[Frame]) {
    for frame in frames {
        fleet.attacker.inject(frame);
    }
    // Time to act on it, for who would.
    std::thread::sleep(Duration::from_secs(2));
}

fn unmoved(fleet: &mut Fleet, told: &[&str]) {
    for machine in fleet.slaves.iter_mut().chain([&mut fleet.master]) {
        assert_eq!(machine.names(), told, "{}: {}", machine.host.netns, machine.rig.stderr());
    }
}

#[test]
fn recorded_datagrams_move_nobody_also_over_restarts_of_both_sides() {
    if !need_root() {
        return;
    }
    let mut fleet = Fleet::start(&Plan { slaves: 2, ..Plan::default() });
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    fleet.ups("cts=1");
    fleet.all_told(2, "powerok");
    let frames = fleet.attacker.recorded(PORT);
    assert!(frames.iter().any(|frame| payload(frame).starts_with(b"ups")), "nothing was recorded");
    let told = ["powerfail", "powerok"];
    again(&fleet, &frames);
    unmoved(&mut fleet, &told);
    // They did come.
    for machine in fleet.slaves.iter().chain([&fleet.master]) {
        refuses(machine, "stale");
    }
    fleet.master.stop();
    fleet.master.says("ended 0");
    again(&fleet, &frames);
    unmoved(&mut fleet, &told);
    fleet.master.run();
    fleet.master.says_times("ready:", 2);
    again(&fleet, &frames);
    unmoved(&mut fleet, &told);
    for slave in &mut fleet.slaves {
        slave.stop();
        slave.says("ended 0");
        slave.run();
        slave.says_times("ready:", 2);
    }
    again(&fleet, &frames);
    unmoved(&mut fleet, &told);
    // And they still hear the real one.
    fleet.ups("cts=0");
    fleet.all_told(3, "powerfail");
}

/// One bit of each recorded datagram changed, and each cut short.
#[test]
fn changed_datagrams_move_nobody() {
    if !need_root() {
        return;
    }
    let mut fleet = Fleet::start(&Plan { slaves: 1, ..Plan::default() });
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    let frames = fleet.attacker.recorded(PORT);
    assert!(frames.len() > 4, "only {} datagrams were recorded", frames.len());
    for (index, frame) in frames.iter().enumerate() {
        let mut forged = frame.clone();
        let begin = frame.len() - payload(frame).len();
        let at = begin + index * 7 % payload(frame).len().max(1);
        if let Some(byte) = forged.get_mut(at) {
            *byte ^= 1 << (index % 8);
        }
        fleet.attacker.inject(&forged);
    }
    for machine in fleet.slaves.iter().chain([&fleet.master]) {
        refuses(machine, "forged");
    }
    unmoved(&mut fleet, &["powerfail"]);
    fleet.ups("cts=1");
    fleet.all_told(2, "powerok");
}
