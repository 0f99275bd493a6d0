//! A driver's socket with a liar behind it: nothing that it says stops the daemon, and what is no status is none.

use crate::common::nut::{Nut, need_nut};
use crate::common::nut_fake::Fake;
use crate::rig::Daemon;
use crate::{Source, alone, not_within, started, watching};
use std::time::{Duration, Instant};

/// Watching a liar that says `OL` at first.
fn watched(more: &str) -> (Nut, Fake, Daemon) {
    let nut = Nut::new(&["dummy"]);
    let fake = Fake::new(&nut, "dummy", "OL");
    let daemon = watching(Source::Driver, &nut, more);
    (nut, fake, daemon)
}

/// Things to say, each of which is followed by a new connection.
fn junk() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "\n\n\n\r\n\0\n",
        "SETINFO\nSETINFO ups.status\nDELINFO\nDUMPDONE DUMPDONE\nADDENUM a\n",
        "SETINFO ups.status \"OB\" LB",
        "\"SETINFO ups.status OB\"\n",
        "SETINFO \"ups.status OB\"\n",
        "SETINFO ups.status \"OB\nand on it goes\n",
        "SETINFO ups.status # OB\n",
        "SETINFO battery.charge \"-1e999\"\nSETINFO battery.runtime \"%n%s\"\n",
        "SETINFO ups.id \"a\"b\\c#d\"\n",
        "OK Goodbye\nPID 1\nTRACKING x 0\nTRACKING\n",
        "ERR UNKNOWN-COMMAND\nVAR dummy ups.status \"OB LB\"\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    all.push(vec![b'x'; 300_000]);
    all.push([b"SETINFO ups.load \"".to_vec(), vec![b'9'; 300_000], b"\"\n".to_vec()].concat());
    all.push((0..=255).cycle().take(100_000).collect());
    all.push((0..5_000).flat_map(|n| format!("SETINFO v.{n} \"{n}\"\n").into_bytes()).collect());
    all.push("SETINFO ".repeat(20_000).into_bytes());
    all.push(vec![b'"'; 100_000]);
    all.push(vec![b'\\'; 100_001]);
    all
}

#[test]
fn whatever_it_says_the_next_connection_is_as_good_as_any() {
    if !need_nut() {
        return;
    }
    let (_nut, fake, mut daemon) = watched("deadtime 15s\n");
    let before = daemon.process("upsentry-mon");
    for (count, bytes) in (1..).zip(junk()) {
        fake.say(&bytes);
        fake.hang_up();
        fake.wait_asked(count + 1);
    }
    // It says "OL" in each dump.
    daemon.tells_nothing(Duration::from_millis(500));
    let ended = daemon.rig.stderr().contains("monitor ended");
    assert!(!ended && daemon.process("upsentry-mon") == before, "{}", daemon.all());
    assert!(!daemon.rig.stderr().contains("contact lost"), "{}", daemon.all());
    fake.status("OB");
    daemon.told(1, "powerfail");
}

/// It never stops talking. What matters still comes through, and the rest of the daemon lives.
#[test]
fn a_flood_does_not_hide_an_outage() {
    if !need_nut() {
        return;
    }
    let (_nut, fake, mut daemon) = watched("deadtime 15s\n");
    let flood = "SETINFO ups.load \"17\"\nSETINFO input.voltage \"231.4\"\n".repeat(200);
    let end = Instant::now() + Duration::from_secs(5);
    let mut said = 0;
    while Instant::now() < end {
        said += fake.say(flood.as_bytes());
    }
    assert!(said > 10, "{said}");
    fake.wait_asked(1);
    // If it was hung up on, the dump of the next connection says it.
    fake.dumps("SETINFO ups.status \"OB\"\nDATAOK\nDUMPDONE\n");
    fake.status("OB");
    daemon.told(1, "powerfail");
    assert!(!daemon.rig.stderr().contains("convicted"), "{}", daemon.rig.stderr());
}

/// A line that is split anywhere is one line.
#[test]
fn bytes_that_come_one_by_one_are_a_line() {
    if !need_nut() {
        return;
    }
    let (_nut, fake, mut daemon) = watched("");
    for byte in b"SETINFO ups.status \"OB\"\n" {
        fake.say(&[*byte]);
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.told(1, "powerfail");
    fake.say(b"SETINFO battery.charge \"50\"\nSETINFO ups.status \"OL\"\nSETINFO ups");
    daemon.told(2, "powerok");
    fake.say(b".status \"OB LB\"\r\n");
    daemon.told(3, "powerfailnow");
}

/// Data that the driver itself calls old is no contact, also while it goes on talking.
#[test]
fn stale_data_is_contact_lost_after_deadtime() {
    if !need_nut() {
        return;
    }
    let (_nut, fake, mut daemon) = watched("");
    fake.say(b"DATASTALE\n");
    for _ in 0..10 {
        fake.say(b"SETINFO ups.status \"OL\"\nSETINFO ups.load \"3\"\n");
        std::thread::sleep(Duration::from_millis(100));
    }
    not_within(&daemon, "contact lost", Duration::from_millis(700));
    daemon.says("ups: contact lost");
    fake.say(b"DATAOK\n");
    daemon.says("ups: contact restored");
    fake.status("OB");
    daemon.told(1, "powerfail");
}

/// Nothing is believed before the end of the first dump, and nothing is known without one.
#[test]
fn a_dump_without_an_end_is_no_news() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let fake = Fake::new(&nut, "dummy", "OL");
    fake.dumps("SETINFO ups.status \"OB LB\"\nDATAOK\n");
    let watch = Source::Driver.watch(&nut, "dummy");
    let mut daemon = started(&alone("", &watch), &nut);
    daemon.says("contact lost");
    daemon.tells_nothing(Duration::from_secs(1));
    fake.say(b"DUMPDONE\n");
    daemon.told(1, "powerfailnow");
}

#[test]
fn a_driver_that_answers_nothing_is_contact_lost() {
    if !need_nut() {
        return;
    }
    let (_nut, fake, mut daemon) = watched("");
    fake.deaf(true);
    daemon.says("ups: contact lost");
    daemon.tells_nothing(Duration::from_millis(500));
    fake.deaf(false);
    daemon.says("ups: contact restored");
}

/// A status that is gone keeps what was last seen until it is too old.
#[test]
fn a_status_that_is_gone_is_no_outage() {
    if !need_nut() {
        return;
    }
    let (_nut, fake, mut daemon) = watched("");
    for say in ["DELINFO ups.status\n", "SETINFO ups.status \"\"\n", "SETINFO ups.status WAIT\n"] {
        fake.say(say.as_bytes());
        daemon.tells_nothing(Duration::from_millis(300));
    }
    fake.status("OB");
    daemon.told(1, "powerfail");
}
