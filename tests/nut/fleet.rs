//! A UPS that NUT's driver reads, told to this machine's own slaves.

use crate::common::net::{Host, Wire};
use crate::common::nut::{Nut, need_nut};
use crate::common::sim::Setup;
use crate::rig::Daemon;
use crate::{Source, alone, conf};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// On this host, with the key that all have.
fn setup(host: &Host) -> (Setup, String) {
    let setup = Setup::new().inside(host.path());
    let file: PathBuf = setup.path("key");
    fs::write(&file, [7; 32]).expect("a key");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode");
    let line = format!("key-file {}\n", file.display());
    (setup, line)
}

/// Seen to fail with a master to whom all that NUT watches is on mains.
#[test]
fn slaves_hear_what_a_driver_says() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let driver = nut.driver("dummy");
    let mut wire = Wire::new();
    let (here, there) = (wire.host(), wire.host());
    let (own, key) = setup(&here);
    let watch = Source::Driver.watch(&nut, "dummy");
    let lines = format!("{key}slave {}\n{}", there.four(), alone("slave-wait 10s\n", &watch));
    let lines = conf(&own, &nut, &lines);
    let mut master = Daemon::unready(own, &lines);
    let (own, key) = setup(&there);
    let lines = format!("{key}{}", alone("halt-time 1s\n", &format!("watch {}\n", here.four())));
    let lines = conf(&own, &nut, &lines);
    let mut slave = Daemon::unready(own, &lines);
    master.says("ups: on mains");
    slave.says("ups: on mains");
    let story = [
        ("OB DISCHRG", "powerfail"),
        ("OL", "powerok"),
        ("OB", "powerfail"),
        ("OB LB", "powerfailnow"),
    ];
    for (count, (status, name)) in (1..).zip(story) {
        nut.set("dummy", status);
        master.told(count, name);
        slave.told(count, name);
    }
    // At the end of a halt: the driver is gone before us.
    drop(driver);
    master.rig.signal(Signal::SIGTERM);
    slave.says("its master goes down: shut down");
    slave.told(story.len() + 2, "runlevel");
    slave.rig.signal(Signal::SIGTERM);
    master.says("all slaves are gone");
}
