//! `upsentry status` against the real daemon on the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "delivery/rig.rs"]
#[allow(dead_code, unreachable_pub)]
mod rig;

use std::process::{Command, Output};

use common::{DAEMON, need_root};
use rig::{Daemon, MAINS, POWER99};

fn status(daemon: &Daemon, more: &[&str]) -> Output {
    let conf = daemon.rig.setup().path("conf");
    Command::new(DAEMON).arg("status").arg("-c").arg(conf).args(more).output().unwrap()
}

#[test]
fn try_it() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start(&format!("{POWER99}low-after 0s\ncable-grace 0s\n"), MAINS);
    for form in [&[][..], &["--json"], &["--prometheus"], &["--check"]] {
        let out = status(&daemon, form);
        println!("{:?}\n{}\n{}", out.status, String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    }
    println!("{}", daemon.all());
}
