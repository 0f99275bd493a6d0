//! A slave that is cut off, masters and slaves that are restarted: what init hears is never wrong, and never
//! told twice.

use crate::common::need_root;
use crate::rig::{Fleet, Plan};
use std::time::Duration;

fn fleet(slaves: usize) -> Fleet {
    Fleet::start(&Plan { slaves, ..Plan::default() })
}

/// It cannot know whether the battery is low: the parent judges it so.
#[test]
fn a_slave_cut_off_on_battery_shuts_down_by_itself() {
    if !need_root() {
        return;
    }
    let mut fleet = fleet(2);
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    let host = fleet.slaves[0].host.clone();
    fleet.wire.cut(&host, true);
    fleet.slaves[0].says("contact lost (no answer of 10.77.0.1");
    // SETENV and RUNLEVEL are two requests.
    fleet.slaves[0].told(3, "runlevel");
    assert_eq!(fleet.slaves[1].names(), ["powerfail"]);
}

#[test]
fn a_slave_cut_off_on_mains_waits_and_hears_what_it_missed() {
    if !need_root() {
        return;
    }
    let mut fleet = fleet(2);
    let host = fleet.slaves[0].host.clone();
    fleet.wire.cut(&host, true);
    fleet.slaves[0].says("contact lost");
    fleet.ups("cts=0");
    fleet.slaves[1].told(1, "powerfail");
    assert_eq!(fleet.slaves[0].names(), [""; 0]);
    fleet.wire.cut(&host, false);
    fleet.slaves[0].told(1, "powerfail");
    fleet.ups("cts=1");
    fleet.all_told(2, "powerok");
}

#[test]
fn a_master_restarted_in_an_outage_repeats_nothing() {
    if !need_root() {
        return;
    }
    let mut fleet =
        Fleet::start(&Plan { slaves: 2, slave: "deadtime 15s\n".to_owned(), ..Plan::default() });
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    fleet.master.stop();
    fleet.master.says("ended 0");
    fleet.master.run();
    fleet.master.says_times("ready:", 2);
    // Longer than a third of the deadtime: it has been asked again.
    std::thread::sleep(Duration::from_secs(6));
    for machine in fleet.slaves.iter_mut().chain([&mut fleet.master]) {
        assert_eq!(machine.names(), ["powerfail"], "{}", machine.rig.stderr());
    }
    fleet.ups("cts=1");
    fleet.all_told(2, "powerok");
}

#[test]
fn a_slave_restarted_in_an_outage_repeats_nothing() {
    if !need_root() {
        return;
    }
    let mut fleet = fleet(2);
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    fleet.slaves[0].stop();
    fleet.slaves[0].says("ended 0");
    fleet.slaves[0].run();
    fleet.slaves[0].says_times("ready:", 2);
    assert_eq!(fleet.slaves[0].names(), ["powerfail"]);
    fleet.ups("cts=1");
    fleet.all_told(2, "powerok");
}

/// The first answer of a master that was never reached brings the state as it is then.
#[test]
fn a_slave_that_starts_before_its_master_finds_it() {
    if !need_root() {
        return;
    }
    let mut fleet = fleet(1);
    fleet.master.stop();
    fleet.master.says("ended 0");
    let host = fleet.wire.host();
    let mut late = crate::rig::Machine::slave(&host, &fleet.master.host, &Plan::default());
    late.says("contact lost (10.77.0.1 has not answered yet)");
    fleet.ups("cts=0");
    fleet.master.run();
    fleet.master.told(1, "powerfail");
    late.told(1, "powerfail");
}
