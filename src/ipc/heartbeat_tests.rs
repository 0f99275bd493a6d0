use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// When it was fed, with frames of life at these seconds and a round each second.
fn fed(frames: impl Fn(u64) -> bool, outage: impl Fn(u64) -> bool, until: u64) -> Vec<u64> {
    let mut heartbeat = Heartbeat::new(s(120));
    let round = |second: &u64| {
        if frames(*second) {
            heartbeat.heard();
        }
        heartbeat.due(s(*second), outage(*second))
    };
    (0..until).filter(round).collect()
}

#[test]
fn frames_feed_it_but_not_each() {
    assert_eq!(fed(|at| at % 10 == 0, |_| false, 200), [0, 40, 80, 120, 160]);
    assert_eq!(fed(|_| true, |_| false, 100), [0, 40, 80]);
}

/// A frame that came too early to be passed on says nothing later.
#[test]
fn without_frames_it_starves_on_mains() {
    assert_eq!(fed(|at| at <= 30 && at % 10 == 0, |_| false, 500), [0]);
    assert_eq!(fed(|_| false, |_| false, 500), [0; 0]);
}

#[test]
fn in_an_outage_the_daemon_is_not_ended() {
    assert_eq!(fed(|_| false, |at| at >= 100, 200), [100, 140, 180]);
    let mut heartbeat = Heartbeat::new(s(120));
    assert_eq!(heartbeat.next(true), None);
    assert!(heartbeat.due(s(7), true));
    assert_eq!((heartbeat.next(true), heartbeat.next(false)), (Some(s(47)), None));
}

/// A monitor that stops answering is convicted and followed by the next within [`ENOUGH`].
#[test]
fn one_replacement_is_not_too_much() {
    use crate::ipc::guard::alive_interval;
    let silence = alive_interval(true) * 3 + s(1);
    let last_fed = ENOUGH / PARTS + alive_interval(true);
    // The first frame of life of the next comes with its first state.
    let next = s(3);
    assert!(last_fed + silence + next < ENOUGH, "{:?}", last_fed + silence + next);
}
