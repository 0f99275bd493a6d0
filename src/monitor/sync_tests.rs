use super::*;

const WAIT: Duration = Duration::from_secs(15);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(100 + seconds)
}

fn feed(power: Power, low: bool, over: bool) -> Feed {
    Feed { weight: 1, reported: Some(power), low, over }
}

fn primary(forced: bool, logins: Option<u32>) -> Primary {
    Primary { reached: true, forced, logins }
}

/// One turn of one primary with one feed.
fn turn(sync: &mut Sync, seconds: u64, feed: Feed, primary: Primary) -> Act {
    sync.turn(at(seconds), false, [feed].into_iter(), [primary].into_iter())
}

const LOW: fn() -> Feed = || feed(Power::Battery, true, false);

#[test]
fn nothing_is_held_back_while_the_machine_stays_up() {
    let mut sync = Sync::new(1, WAIT);
    for feed in [feed(Power::Mains, false, false), feed(Power::Battery, false, false)] {
        assert_eq!(turn(&mut sync, 0, feed, primary(false, None)), Act::None);
        assert_eq!(sync.next(), None);
    }
    // What is only watched.
    let two =
        [Feed { weight: 0, ..feed(Power::Battery, true, true) }, feed(Power::Mains, false, false)];
    let primaries = [primary(false, None)];
    assert_eq!(sync.turn(at(0), false, two.into_iter(), primaries.into_iter()), Act::None);
    // One of two is enough.
    let two = [LOW(), feed(Power::Mains, false, false)];
    let primaries = [primary(false, None)];
    assert_eq!(sync.turn(at(0), false, two.into_iter(), primaries.into_iter()), Act::None);
    let mut both = Sync::new(2, WAIT);
    assert_eq!(both.turn(at(0), false, two.into_iter(), primaries.into_iter()), Act::Hold);
}

#[test]
fn the_last_to_log_out_lets_it_go() {
    for due in [LOW(), feed(Power::Battery, false, true)] {
        let mut sync = Sync::new(1, WAIT);
        assert_eq!(turn(&mut sync, 0, due, primary(false, None)), Act::Hold);
        // What was known before FSD was set counts for nothing.
        assert_eq!(turn(&mut sync, 1, due, primary(false, Some(1))), Act::Hold);
        assert_eq!(turn(&mut sync, 2, due, primary(true, None)), Act::Hold);
        assert_eq!(turn(&mut sync, 3, due, primary(true, Some(2))), Act::Hold);
        assert_eq!(sync.next(), Some(at(15)));
        assert_eq!(turn(&mut sync, 4, due, primary(true, Some(1))), Act::Release);
        assert_eq!(sync.next(), None);
        // For good: somebody who comes now comes too late.
        assert_eq!(turn(&mut sync, 5, due, primary(true, Some(3))), Act::Release);
    }
}

#[test]
fn they_have_no_longer_than_host_sync() {
    let mut sync = Sync::new(1, WAIT);
    assert_eq!(turn(&mut sync, 0, LOW(), primary(true, Some(2))), Act::Hold);
    assert_eq!(turn(&mut sync, 14, LOW(), primary(true, Some(2))), Act::Hold);
    assert_eq!(turn(&mut sync, 15, LOW(), primary(true, Some(2))), Act::Release);
}

#[test]
fn a_server_that_cannot_be_asked_is_not_waited_for_but_the_others_are() {
    let mut sync = Sync::new(1, WAIT);
    let away = Primary { reached: false, ..primary(false, None) };
    let low = [LOW()];
    let both = [away, primary(true, Some(2))];
    assert_eq!(sync.turn(at(0), false, low.into_iter(), both.into_iter()), Act::Hold);
    assert_eq!(sync.turn(at(1), false, low.into_iter(), [away].into_iter()), Act::Release);
}

/// FSD cannot be taken back, so the others go down.
#[test]
fn the_return_of_the_mains_does_not_end_what_has_begun() {
    let mut sync = Sync::new(1, WAIT);
    assert_eq!(turn(&mut sync, 0, LOW(), primary(false, None)), Act::Hold);
    let mains = feed(Power::Mains, false, false);
    assert_eq!(turn(&mut sync, 1, mains, primary(true, Some(2))), Act::Hold);
    assert_eq!(turn(&mut sync, 2, mains, primary(true, Some(1))), Act::Release);
}

#[test]
fn what_the_parent_has_decided_waits_for_nobody() {
    let mut sync = Sync::new(1, WAIT);
    let mains = [feed(Power::Mains, false, false)];
    let primaries = [primary(false, None)];
    assert_eq!(sync.turn(at(0), true, mains.into_iter(), primaries.into_iter()), Act::Release);
}
