//! What `status` says of a UPS that NUT watches.

use crate::common::DAEMON;
use crate::common::nut::{Nut, need_nut};
use crate::common::sim::Setup;
use crate::driver::running;
use crate::rig::{Daemon, LONG};
use crate::{BOTH, Source, alone, conf};
use std::process::Command;
use std::time::Instant;

/// Asks until the answer has all these words.
fn shows(daemon: &Daemon, option: &[&str], words: &[&str]) -> String {
    let end = Instant::now() + LONG;
    loop {
        let conf = daemon.rig.setup().path("conf");
        let mut command = Command::new(DAEMON);
        let output = command.arg("status").arg("-c").arg(conf).args(option).output().expect("it");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if words.iter().all(|word| text.contains(word)) {
            return text;
        }
        assert!(Instant::now() < end, "no {words:?} in {text}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// A number of the object's.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.split(&format!("\"{name}\":")).nth(1)?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// Seen to fail with an age that is always 0, and with a text that has no flags.
#[test]
fn its_variables_source_and_age_are_shown() {
    if !need_nut() {
        return;
    }
    for source in BOTH {
        let nut = Nut::new(&["dummy"]);
        let (mut driver, mut upsd) = running(source, &nut);
        let setup = Setup::new();
        let socket = format!("status-socket {}\n", setup.path("status").display());
        let (own, shown) = match source {
            Source::Driver => (source.watch(&nut, "dummy"), "driver:dummy".to_owned()),
            Source::Server => {
                (source.watch(&nut, "dummy"), format!("nut://{}", nut.address("dummy")))
            }
        };
        let lines = conf(&setup, &nut, &format!("{socket}{}", alone("deadtime 6s\n", &own)));
        let daemon = Daemon::unready(setup, &lines);
        daemon.says("ups: on mains");
        let ours = format!("\"source\":\"{shown}\"");
        let values = ["\"battery.charge\":\"90\"", "\"battery.runtime\":\"600\""];
        let words =
            ["\"watched_by\":\"nut\"", &ours, "\"ups.status\":\"OL\"", values[0], values[1]];
        let text = shows(&daemon, &["--json"], &words);
        assert!(number(&text, "heard_ago_ms").is_some_and(|age| age < 6000), "{text}");
        nut.set("dummy", "OB DISCHRG");
        nut.set_value("dummy", "battery.charge", "71");
        let text = shows(&daemon, &[], &["ON BATTERY", "OB DISCHRG", "71"]);
        assert!(text.contains(&shown), "{text}");
        // Gone: what it last said is not shown as if it were so now.
        driver.kill();
        if let Some(upsd) = &mut upsd {
            upsd.kill();
        }
        let text = shows(&daemon, &["--json"], &["\"contact\":false", "\"state\":\"battery\""]);
        assert!(number(&text, "heard_ago_ms").is_some_and(|age| age >= 1900), "{text}");
        assert!(!text.contains("\"71\""), "{text}");
        shows(&daemon, &[], &["NO CONTACT", &shown]);
    }
}
