//! The same below the system's real sysvinit: an outage that NUT sees ends in runs of lines of the inittab.

use crate::Source;
use crate::common::init::{SOON, SysvInit};
use crate::common::nut::{GROUP, Generic, Nut, Process, need_nut};
use nix::sys::signal::Signal;
use std::path::PathBuf;

/// A machine with init, and a NUT beside it; upsd, if any, is in the machine's network.
struct Machine {
    rig: SysvInit,
    nut: Nut,
    driver: Option<Process>,
    _upsd: Option<Process>,
    generic: Option<Generic>,
    name: &'static str,
}

impl Machine {
    fn boot(source: Source, generic: bool) -> Option<Self> {
        if !need_nut() {
            return None;
        }
        let mut rig = SysvInit::boot("")?;
        assert_eq!(rig.run("ip link set lo up").status, 0, "{}", rig.story());
        let net = PathBuf::from(format!("/proc/{}/ns/net", rig.init().pid));
        let nut = Nut::new(if generic { &[] } else { &["dummy"] }).inside(&net);
        let name = if generic { "generic" } else { "dummy" };
        let generic = generic.then(|| Generic::start(&nut, name));
        let driver = generic.is_none().then(|| nut.driver(name));
        let upsd = (source == Source::Server).then(|| nut.upsd());
        if upsd.is_some() {
            nut.wait_status(name, "OL");
        }
        Some(Self { rig, nut, driver, _upsd: upsd, generic, name })
    }

    /// Runs the daemon.
    fn start(&mut self, source: Source, more: &str) {
        let lines = format!(
            "ups-conf {}\n{}",
            self.nut.ups_conf().display(),
            crate::alone(more, &source.watch(&self.nut, self.name))
        );
        let config = self.rig.config_of(&lines);
        let ran = self.rig.daemon(&config);
        assert_eq!(ran.status, 0, "{}", self.rig.story());
        self.rig.expect_log("ups: on mains");
        assert_eq!(self.rig.state(), "OK");
    }
}

fn outage(source: Source, via: &str) {
    let Some(mut machine) = Machine::boot(source, false) else { return };
    machine.start(source, &format!("via {via}\n"));
    machine.nut.set("dummy", "OB DISCHRG");
    machine.rig.expect_fail();
    machine.nut.set("dummy", "OL CHRG");
    machine.rig.expect("powerokwait", "OK");
    machine.nut.set("dummy", "OB");
    machine.rig.expect_fail();
    machine.nut.set("dummy", "OB LB");
    machine.rig.expect("powerfailnow", "LOW");
}

#[test]
fn an_outage_that_a_driver_sees_reaches_init() {
    outage(Source::Driver, "initctl");
}

#[test]
fn an_outage_that_a_server_sees_reaches_init() {
    outage(Source::Server, "initctl");
}

#[test]
fn an_outage_that_a_driver_sees_reaches_init_by_signal() {
    outage(Source::Driver, "signal");
}

#[test]
fn an_outage_that_a_server_sees_reaches_init_by_signal() {
    outage(Source::Server, "signal");
}

#[test]
fn an_outage_that_genericups_sees_reaches_init() {
    for source in crate::BOTH {
        let Some(mut machine) = Machine::boot(source, true) else { return };
        machine.start(source, "");
        let generic = machine.generic.as_ref().expect("genericups");
        generic.lines("cts=0");
        machine.rig.expect_fail();
        let generic = machine.generic.as_ref().expect("genericups");
        generic.lines("cts=1");
        machine.rig.expect("powerokwait", "OK");
    }
}

/// Low ends in runlevel 0, with the power to be cut, where the configuration has it so.
#[test]
fn low_takes_the_machine_to_runlevel_0() {
    for source in crate::BOTH {
        let Some(mut machine) = Machine::boot(source, false) else { return };
        machine.start(source, "tell low runlevel 0\n");
        machine.nut.set("dummy", "OB LB");
        let script = machine.rig.expect("rc0", "LOW");
        assert_eq!(script.halt, "POWEROFF");
    }
}

/// Blind on battery does too.
#[test]
fn a_driver_that_dies_on_battery_takes_the_machine_to_runlevel_0() {
    for source in crate::BOTH {
        let Some(mut machine) = Machine::boot(source, false) else { return };
        machine.start(source, "blind-after 2s\n");
        machine.nut.set("dummy", "OB");
        machine.rig.expect_fail();
        machine.driver.as_mut().expect("dummy-ups").kill();
        let entry = |machine: &Machine| {
            machine.rig.scripts().into_iter().find(|script| script.entry == "rc0")
        };
        let script = machine.rig.until("rc0", SOON, || entry(&machine));
        assert_eq!(script.halt, "POWEROFF", "{}", machine.rig.story());
    }
}

/// In the background, started by init: the jail is the same, and all ends at TERM.
#[test]
fn below_init_the_jail_is_the_same() {
    for source in crate::BOTH {
        let Some(mut machine) = Machine::boot(source, false) else { return };
        machine.start(source, "");
        let monitor = machine.rig.our("upsentry-mon");
        let group = if source == Source::Driver { GROUP.to_string() } else { String::new() };
        assert_eq!(monitor.field("Groups"), group);
        assert_eq!(monitor.capabilities(), [0; 5]);
        assert_eq!(monitor.uids(), [64001; 4]);
        machine.rig.signal("upsentry", Signal::SIGTERM);
        machine.rig.until("the end of all", SOON, || machine.rig.ours().is_empty().then_some(()));
    }
}
