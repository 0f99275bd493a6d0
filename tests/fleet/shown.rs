//! What `upsentry status` says on both sides is what is true.

use crate::common::{DAEMON, need_root};
use crate::rig::{Fleet, LONG, Machine, Plan};
use std::process::Command;
use std::time::Instant;

/// The exit status and the words of `upsentry status` on this machine.
fn status(machine: &Machine, words: &[&str]) -> (i32, String) {
    let socket = machine.rig.setup().path("status");
    let done = Command::new(DAEMON)
        .arg("status")
        .arg("--socket")
        .arg(socket)
        .args(words)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    (done.status.code().unwrap_or(-1), said.into_owned())
}

/// Waits until it says all of these.
fn shows(machine: &Machine, words: &[&str], wanted: &[&str]) {
    let end = Instant::now() + LONG;
    loop {
        let (_, said) = status(machine, words);
        if wanted.iter().all(|wanted| said.contains(wanted)) {
            return;
        }
        assert!(Instant::now() < end, "{}: not all of {wanted:?} in: {said}", machine.host.netns);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Waits until it has refused datagrams for this reason.
pub(crate) fn refuses(machine: &Machine, why: &str) {
    let (some, none) = (format!("\"{why}\":"), format!("\"{why}\":0"));
    let end = Instant::now() + LONG;
    loop {
        let (_, said) = status(machine, &["--json"]);
        if said.contains(&some) && !said.contains(&none) {
            return;
        }
        assert!(Instant::now() < end, "{}: none is {why}: {said}", machine.host.netns);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn both_sides_show_the_outage_and_each_other() {
    if !need_root() {
        return;
    }
    let mut fleet = Fleet::start(&Plan { slaves: 2, ..Plan::default() });
    fleet.ups("cts=0");
    fleet.all_told(1, "powerfail");
    shows(&fleet.master, &[], &["ON BATTERY", "2 told, 2 acknowledged"]);
    shows(&fleet.slaves[0], &[], &["ON BATTERY", "10.77.0.1"]);
    for machine in fleet.slaves.iter().chain([&fleet.master]) {
        let (code, said) = status(machine, &["--check"]);
        assert_eq!(code, 1, "{said}");
    }
    // One is silent: the master shows which, and who is cut off says that it sees nothing.
    let host = fleet.slaves[1].host.clone();
    fleet.wire.cut(&host, true);
    fleet.slaves[1].says("contact lost");
    shows(&fleet.slaves[1], &[], &["NO CONTACT"]);
    let (code, said) = status(&fleet.slaves[1], &["--check"]);
    assert_eq!(code, 3, "{said}");
    shows(&fleet.master, &[], &["SILENT"]);
}

/// What was refused is counted, and not logged.
#[test]
fn forged_datagrams_are_counted() {
    if !need_root() {
        return;
    }
    let fleet = Fleet::start(&Plan { slaves: 1, ..Plan::default() });
    let port = crate::rig::PORT;
    let frames = fleet.attacker.recorded(port);
    for frame in &frames {
        let mut forged = frame.clone();
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        fleet.attacker.inject(&forged);
        fleet.attacker.inject(frame);
    }
    refuses(&fleet.master, "forged");
    refuses(&fleet.master, "stale");
    assert!(!fleet.master.rig.stderr().contains("forged"), "{}", fleet.master.rig.stderr());
}
