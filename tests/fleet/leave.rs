//! The load is cut last: a master that goes down on battery waits for its slaves, and `-k` for that.

use crate::common::need_root;
use crate::rig::{Fleet, Plan};

/// `tell low none`: a slave goes down when its master says so, and not before.
fn on_battery(slaves: usize, master: &str, slave: &str) -> Fleet {
    let mut fleet = Fleet::start(&Plan {
        slaves,
        master: format!(
            "low-after 100ms\ncable-grace 0s\nslave-wait 4s\nkill-hold 100ms\n{master}"
        ),
        slave: format!("tell low none\n{slave}"),
        ..Plan::default()
    });
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    fleet.ups("cts=0 dcd=0");
    fleet.master.told(2, "powerfailnow");
    fleet
}

#[test]
fn slaves_are_told_to_shut_down_and_waited_for() {
    if !need_root() {
        return;
    }
    let mut fleet = on_battery(2, "", "halt-time 1s\n");
    assert_eq!(fleet.master.state("slaves").as_deref(), Some("waiting"));
    fleet.master.stop();
    for slave in &mut fleet.slaves {
        slave.says("its master goes down: shut down");
        // SETENV and RUNLEVEL are two.
        slave.told(3, "runlevel");
        // As its init would.
        slave.stop();
        slave.says("this machine goes down");
        slave.says("ended 0");
    }
    fleet.master.says("all slaves are gone");
    fleet.master.says("ended 0");
    assert_eq!(fleet.master.state("slaves").as_deref(), Some("served"));
    let (status, said) = fleet.master.kill_the_load();
    assert_eq!(status, 0, "{said}");
    assert!(fleet.master.killed(), "{said}");
}

#[test]
fn a_silent_slave_keeps_the_load_on() {
    if !need_root() {
        return;
    }
    let mut fleet = on_battery(2, "", "halt-time 1s\n");
    fleet.slaves[1].freeze(true);
    fleet.master.stop();
    fleet.slaves[0].told(3, "runlevel");
    fleet.slaves[0].stop();
    fleet.master.says("not all slaves are gone");
    fleet.master.says("ended 0");
    assert_eq!(fleet.master.state("slaves").as_deref(), Some("missing"));
    let (status, said) = fleet.master.kill_the_load();
    assert_eq!(status, 4, "{said}");
    assert!(said.contains("did not say goodbye") && !fleet.master.killed(), "{said}");
    fleet.slaves[1].freeze(false);
}

#[test]
fn a_master_that_was_killed_leaves_the_load_on() {
    if !need_root() {
        return;
    }
    let mut fleet = on_battery(1, "", "");
    nix::sys::signal::kill(fleet.master.pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    fleet.master.says("ended 137");
    let (status, said) = fleet.master.kill_the_load();
    assert_eq!((status, fleet.master.killed()), (4, false), "{said}");
}

/// Not the machine's end: no slave is told, and nobody is waited for.
#[test]
fn a_restart_on_battery_tells_slaves_nothing() {
    if !need_root() {
        return;
    }
    let mut fleet = Fleet::start(&Plan { slaves: 1, ..Plan::default() });
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    fleet.master.stop();
    fleet.master.says("stopping; init is told nothing");
    fleet.master.says("ended 0");
    fleet.master.run();
    fleet.master.says_times("ready:", 2);
    assert_eq!(fleet.slaves[0].names(), ["powerfail"]);
}

/// What a slave needs after its goodbye is its own to say.
#[test]
fn the_longest_halt_time_is_waited_for() {
    if !need_root() {
        return;
    }
    let mut fleet = on_battery(1, "", "halt-time 6s\n");
    fleet.master.stop();
    fleet.slaves[0].told(3, "runlevel");
    fleet.slaves[0].stop();
    fleet.slaves[0].says("ended 0");
    // A moment of the six seconds: it is still there then.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(!fleet.master.rig.stderr().contains("ended"), "{}", fleet.master.rig.stderr());
    fleet.master.says("all slaves are gone");
}
