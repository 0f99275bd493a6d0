//! From the plug to the power-off, on a whole machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

use common::whole::{BATTERY, MAINS, Whole};
use std::time::Duration;

#[test]
fn short() {
    let Some(mut machine) = Whole::boot("a short outage") else { return };
    println!("{}", machine.must("ps axf; cat /etc/inittab | grep -v ^#; ls -la /etc/upsentry.conf; ls /run; free; cat /run/upsentry.state"));
    machine.plug(BATTERY, "the plug is pulled");
    machine.hears("upsentry.power: on battery", Duration::from_secs(20));
    machine.turn(MAINS, "the plug is back");
    std::thread::sleep(Duration::from_secs(10));
    println!("{}", machine.story());
}
