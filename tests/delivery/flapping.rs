//! A line that does not come to rest.

use crate::common::need_root;
use crate::rig::{Daemon, MAINS, POWER99, between};
use std::thread::sleep;
use std::time::Duration;

const SPACING: Duration = Duration::from_millis(100);

/// 1 kHz for three seconds, ending on battery: the worst is believed, and the end is right.
#[test]
fn flapping_at_a_kilohertz_ends_in_the_right_state() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start(POWER99, MAINS);
    daemon.rig.command("bounce a cts=0 3001 1ms");
    assert_eq!(daemon.rig.wait_inits(1, crate::rig::LONG)[0].name, "powerfail");
    sleep(Duration::from_secs(4));
    daemon.set("set a cts=1");
    sleep(Duration::from_secs(2));
    // A machine that is too busy to see the edges may believe a level in between.
    let names = daemon.names();
    let turns = ["powerfail", "powerok"].into_iter().cycle();
    assert!(names.iter().zip(turns).all(|(name, turn)| name == turn), "{names:?}");
    assert!(names.len() % 2 == 0 && names.len() <= 8, "{names:?}");
    assert!(!daemon.rig.stderr().contains("convicted"), "{}", daemon.rig.stderr());
}

/// With `debounce 0` every reading is believed, but init hears at most ten a second.
#[test]
fn flapping_without_debounce_is_told_in_turn_and_not_too_often() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start("model power99\ndebounce 0s\n", MAINS);
    daemon.rig.command("bounce a cts=0 3001 1ms");
    sleep(Duration::from_secs(4));
    daemon.tells_nothing(Duration::from_millis(500));
    let inits = daemon.rig.inits();
    let names = daemon.names();
    assert!(names.len() >= 3, "hardly anything was told: {names:?}");
    let turns = ["powerfail", "powerok"].into_iter().cycle();
    let wrong = names.iter().zip(turns).position(|(name, turn)| name != turn);
    assert_eq!(wrong, None, "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("powerfail"));
    let (Some(first), Some(last)) = (inits.first(), inits.last()) else { panic!("none") };
    let most = between(first.nanos, last.nanos).as_millis() / SPACING.as_millis() + 2;
    assert!(names.len() as u128 <= most, "{} in {most}", names.len());
    assert!(!daemon.rig.stderr().contains("convicted"), "{}", daemon.rig.stderr());
}
