use super::*;
use crate::config::wiring::Pattern;
use crate::config::{Condition, Input};
use crate::ipc::legal::Track;
use nix::libc::{TIOCM_CAR, TIOCM_CTS, TIOCM_DSR};
use proptest::prelude::*;

const MAINS: Option<i32> = Some(TIOCM_CTS | TIOCM_CAR);
const BATTERY: Option<i32> = Some(TIOCM_CAR);
const ZERO: Option<i32> = Some(0);
const LOW_ON_MAINS: Option<i32> = Some(TIOCM_CTS);
const GONE: Option<i32> = None;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn pattern(line: Input, level: bool) -> Pattern {
    Pattern::new(&[Condition { line, level }])
}

/// `fail cts 0`, `low dcd 0`: a pulled cable reads as low.
fn power99() -> Settings {
    Settings {
        wiring: Wiring {
            fail: pattern(Input::Cts, false),
            low: pattern(Input::Dcd, false),
            sense: Pattern::default(),
        },
        settled_at: ms(2000),
        settle: ms(2000),
        debounce: ms(20),
        low_after: ms(2000),
        cable_grace: ms(60_000),
        ..Settings::default()
    }
}

/// Plays readings at their times, steps whenever `next` says so, and gives what was emitted and when.
/// `grain`: steps in between as well, so often.
struct Play {
    ups: Ups,
    inputs: Option<i32>,
    time: Duration,
    said: Vec<(Kind, Duration)>,
    grain: Option<Duration>,
}

impl Play {
    fn new(set: Settings) -> Play {
        Play {
            ups: Ups::new(set),
            inputs: GONE,
            time: Duration::ZERO,
            said: Vec::new(),
            grain: None,
        }
    }

    fn step(&mut self) {
        let (time, said) = (self.time, &mut self.said);
        self.ups.step(time, self.inputs, true, &mut |kind| said.push((kind, time)));
    }

    /// This reading, then so much time.
    fn then(&mut self, inputs: Option<i32>, wait: Duration) -> &mut Play {
        self.inputs = inputs;
        self.step();
        let end = self.time + wait;
        for _ in 0..100_000 {
            let next = self.ups.next(self.time);
            let grain = self.grain.map(|grain| self.time + grain);
            match [next, grain].into_iter().flatten().min() {
                Some(at) if at <= end => {
                    assert!(at > self.time, "next() must be later than now");
                    self.time = at;
                    self.step();
                }
                _ => break,
            }
        }
        self.time = end;
        self
    }

    fn letters(&self) -> String {
        self.said.iter().map(|(kind, _)| char::from(kind.letter())).collect()
    }

    fn at(&self, kind: Kind) -> Option<Duration> {
        self.said.iter().find(|(said, _)| *said == kind).map(|(_, at)| *at)
    }
}

/// A started UPS on mains.
fn on_mains(set: Settings) -> Play {
    let mut play = Play::new(set);
    play.then(MAINS, ms(10_000));
    assert_eq!(play.letters(), "O", "settled on mains");
    play.said.clear();
    play
}

#[test]
fn nothing_is_believed_before_it_settled_and_stood_still() {
    let mut play = Play::new(power99());
    // All zero until the cable is powered, as opto cables read.
    play.then(ZERO, ms(500)).then(MAINS, ms(5000));
    assert_eq!(play.said, [(Kind::Ok, ms(2000))]);
    // Restless at the end of the settle time: believed once still, counted as lost meanwhile.
    let mut play = Play::new(power99());
    for _ in 0..60 {
        play.then(MAINS, ms(25)).then(BATTERY, ms(25));
    }
    play.then(MAINS, ms(1000));
    assert_eq!(play.letters(), "CRO");
    assert_eq!(play.at(Kind::Lost), Some(ms(2700)));
}

/// What no condition names may be a pin that nothing is tied to, and that never stands still.
#[test]
fn noise_on_an_input_that_says_nothing_does_not_keep_the_first_reading_from_counting() {
    let mut play = Play::new(power99());
    let noisy = |inputs: Option<i32>| inputs.map(|inputs| inputs | TIOCM_DSR);
    play.then(MAINS, ms(1990));
    for _ in 0..20 {
        play.then(noisy(MAINS), ms(30)).then(MAINS, ms(30));
    }
    assert_eq!(play.letters(), "O");
    assert_eq!(play.said[0].1, ms(2000));
}

/// A new monitor, or a start on a busy machine: the settle time is over before the first reading.
#[test]
fn a_late_first_reading_is_not_taken_for_lines_that_do_not_stand_still() {
    let mut play = Play::new(Settings { in_outage: true, ..power99() });
    play.time = ms(60_000);
    play.then(BATTERY, ms(5000));
    assert_eq!(play.said, [(Kind::Fail, ms(60_100))]);
    let mut play = Play::new(power99());
    play.time = ms(60_000);
    for _ in 0..10 {
        play.then(BATTERY, ms(90)).then(MAINS, ms(90));
    }
    assert_eq!(play.said, [(Kind::Lost, ms(60_700))]);
}

#[test]
fn the_first_state_comes_in_the_parents_time_even_with_a_long_debounce() {
    let mut play = Play::new(Settings { debounce: ms(10_000), ..power99() });
    play.then(MAINS, ms(20_000));
    assert_eq!(play.letters(), "CRO");
    assert!(play.at(Kind::Lost) < Some(ms(3000)));
}

#[test]
fn an_outage_is_told_after_the_debounce_and_low_after_low_after() {
    let mut play = on_mains(power99());
    play.then(BATTERY, ms(5000)).then(ZERO, ms(5000)).then(MAINS, ms(5000));
    assert_eq!(
        play.said,
        [(Kind::Fail, ms(10_020)), (Kind::Low, ms(17_000)), (Kind::Ok, ms(20_020))]
    );
}

#[test]
fn a_pulse_shorter_than_the_debounce_tells_nothing_and_is_counted() {
    let mut play = on_mains(power99());
    play.then(BATTERY, ms(19)).then(MAINS, ms(5000));
    assert_eq!(play.letters(), "");
    assert_eq!(play.ups.glitches(), 1);
}

#[test]
fn without_debounce_the_first_reading_decides() {
    let mut play = on_mains(Settings { debounce: ms(0), ..power99() });
    play.then(BATTERY, ms(0)).then(MAINS, ms(0)).then(BATTERY, ms(1));
    assert_eq!(play.letters(), "FOF");
}

#[test]
fn chatter_ends_in_the_worst_status_seen() {
    let mut play = on_mains(power99());
    for _ in 0..100 {
        play.then(BATTERY, ms(10)).then(MAINS, ms(10));
    }
    assert_eq!(play.said.first(), Some(&(Kind::Fail, ms(11_000))));
    play.then(MAINS, ms(5000));
    assert_eq!(play.letters(), "FO");
}

#[test]
fn delays_hold_back_both_ways() {
    let mut play = on_mains(Settings { fail_after: ms(3000), ok_after: ms(4000), ..power99() });
    play.then(BATTERY, ms(2999)).then(MAINS, ms(5000));
    assert_eq!(play.letters(), "");
    play.then(BATTERY, ms(3500)).then(MAINS, ms(3999)).then(BATTERY, ms(100)).then(MAINS, ms(5000));
    assert_eq!(play.letters(), "FO");
}

#[test]
fn low_counts_only_with_fail_and_is_latched_until_mains() {
    let mut play = on_mains(power99());
    play.then(LOW_ON_MAINS, ms(10_000));
    assert_eq!(play.letters(), "", "low on mains is a notice");
    play.then(BATTERY, ms(1000)).then(ZERO, ms(3000)).then(BATTERY, ms(5000));
    assert_eq!(play.letters(), "FL", "a battery that recovers is still low");
    play.then(ZERO, ms(5000)).then(MAINS, ms(1000));
    assert_eq!(play.letters(), "FLO");
    let mut play = on_mains(power99());
    play.then(BATTERY, ms(1000)).then(ZERO, ms(1900)).then(BATTERY, ms(1000)).then(ZERO, ms(1900));
    play.then(BATTERY, ms(1000));
    assert_eq!(play.letters(), "F", "low must hold for low-after without a break");
}

#[test]
fn a_jump_to_all_zero_is_on_battery_and_lost_and_low_waits_for_the_grace() {
    let mut play = on_mains(power99());
    play.then(ZERO, ms(59_000));
    assert_eq!(play.said, [(Kind::Fail, ms(10_020)), (Kind::Lost, ms(10_020))]);
    assert!(play.ups.in_doubt());
    play.then(ZERO, ms(5000));
    assert_eq!(play.letters(), "FCRL");
    assert_eq!(play.at(Kind::Low), Some(ms(70_000)));
    // The plug back in time.
    let mut play = on_mains(power99());
    play.then(ZERO, ms(38_000)).then(MAINS, ms(5000));
    assert_eq!(play.letters(), "FCRO");
    // A plug bounces while it is pulled: one contact first, then the other.
    let mut play = on_mains(power99());
    play.then(BATTERY, ms(60)).then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "FC");
    // And a bounce of 3 ms in the middle of it proves nothing.
    play.then(BATTERY, ms(3)).then(ZERO, ms(10_000));
    assert_eq!(play.letters(), "FC");
    // A line that stands up proves that the cable is there.
    play.then(BATTERY, ms(1000));
    assert_eq!(play.letters(), "FCR");
    play.then(ZERO, ms(3000));
    assert_eq!(play.letters(), "FCRL");
}

#[test]
fn all_zero_at_the_start_is_doubted_unless_the_monitor_was_started_in_an_outage() {
    let mut play = Play::new(power99());
    play.then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "FC");
    let mut play = Play::new(Settings { in_outage: true, ..power99() });
    play.then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "FL");
}

/// The model's way to a LOW for a pulled cable: the port comes late, and all zero. Seen to fail with the
/// first reading alone doubted.
#[test]
fn all_zero_is_doubted_when_the_port_comes_back_so_and_no_outage_was_seen() {
    let mut play = Play::new(power99());
    play.then(GONE, ms(10_000)).then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "C");
    let mut play = on_mains(power99());
    play.then(GONE, ms(10_000)).then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "C");
    play.then(ZERO, ms(40_000));
    assert_eq!(play.letters(), "CRL");
    let mut play = on_mains(power99());
    play.then(BATTERY, ms(1000)).then(GONE, ms(10_000)).then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "FCRL");
    let mut play = Play::new(Settings { in_outage: true, ..power99() });
    play.then(GONE, ms(10_000)).then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "CRFL");
}

/// Seen to fail where a port that is gone counts as a line that stood up.
#[test]
fn a_port_that_goes_while_the_cable_is_in_doubt_proves_nothing() {
    let mut play = on_mains(power99());
    play.then(ZERO, ms(1000)).then(GONE, ms(5000)).then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "FC");
}

#[test]
fn a_real_low_during_an_outage_is_not_doubted() {
    let mut play = on_mains(power99());
    play.then(BATTERY, ms(500)).then(ZERO, ms(3000));
    assert_eq!(play.letters(), "FL");
    assert!(!play.ups.in_doubt());
}

#[test]
fn a_sense_line_tells_a_pulled_cable_from_an_outage() {
    let mut set = power99();
    set.wiring.sense = pattern(Input::Dsr, true);
    let with = |inputs: Option<i32>| inputs.map(|bits| bits | TIOCM_DSR);
    let mut play = Play::new(set);
    play.then(with(MAINS), ms(10_000));
    play.then(ZERO, ms(30_000));
    assert_eq!(play.letters(), "OC");
    play.then(with(BATTERY), ms(5000));
    assert_eq!(play.letters(), "OCRF");
    play.then(with(ZERO), ms(5000));
    assert_eq!(play.letters(), "OCRFL");
}

#[test]
fn a_port_that_goes_away_is_lost_and_comes_back_as_it_is() {
    let mut play = on_mains(power99());
    play.then(GONE, ms(5000)).then(MAINS, ms(5000));
    assert_eq!(play.letters(), "CR");
    play.then(GONE, ms(5000)).then(BATTERY, ms(5000)).then(GONE, ms(5000)).then(MAINS, ms(5000));
    assert_eq!(play.letters(), "CRCRFCRO");
}

#[test]
fn shutdown_after_counts_time_on_battery_and_only_steady_mains_refills_it() {
    let set = Settings { shutdown_after: Some(ms(10_000)), ..power99() };
    let mut play = on_mains(set);
    play.then(BATTERY, ms(30_000));
    assert_eq!(play.letters(), "FS");
    assert_eq!(play.at(Kind::Shutdown), Some(ms(20_000)));
    let mut play = on_mains(set);
    // 6 s, 59 s of mains, 3 s, 59 s of mains, then 1 s is left.
    play.then(BATTERY, ms(6000))
        .then(MAINS, ms(59_000))
        .then(BATTERY, ms(3000))
        .then(MAINS, ms(59_000));
    play.then(BATTERY, ms(900));
    assert_eq!(play.at(Kind::Shutdown), None);
    play.then(BATTERY, ms(200));
    assert!(play.at(Kind::Shutdown).is_some());
    let mut play = on_mains(set);
    play.then(BATTERY, ms(9000))
        .then(MAINS, ms(60_100))
        .then(BATTERY, ms(9000))
        .then(MAINS, ms(1000));
    assert_eq!(play.at(Kind::Shutdown), None, "a minute of mains refills it");
    let mut play = on_mains(Settings { spent: ms(9000), ..set });
    play.then(BATTERY, ms(900));
    assert_eq!(play.at(Kind::Shutdown), None);
    play.then(BATTERY, ms(200));
    assert!(
        play.at(Kind::Shutdown).is_some(),
        "9 s were spent before, and ten seconds of mains refill nothing"
    );
}

#[test]
fn what_may_not_be_said_now_is_said_later_and_is_the_newest_but_low_never_waits() {
    let mut ups =
        Ups::new(Settings { debounce: ms(0), settled_at: ms(0), settle: ms(0), ..power99() });
    let mut said = Vec::new();
    let mut step = |time, inputs, may, said: &mut Vec<Kind>| {
        ups.step(ms(time), inputs, may, &mut |kind| said.push(kind))
    };
    step(0, MAINS, true, &mut said);
    step(1, BATTERY, false, &mut said);
    step(2, MAINS, false, &mut said);
    step(3, BATTERY, false, &mut said);
    assert_eq!(said, [Kind::Ok]);
    step(4, BATTERY, true, &mut said);
    assert_eq!(said, [Kind::Ok, Kind::Fail]);
    step(200, ZERO, false, &mut said);
    step(2200, ZERO, false, &mut said);
    assert_eq!(said, [Kind::Ok, Kind::Fail, Kind::Low]);
}

/// What must hold whatever the lines do.
fn check(play: &Play, history: &[(Option<i32>, Duration)], low_after: Duration) {
    let mut track = Track::default();
    for (kind, at) in &play.said {
        track = track
            .step(*kind)
            .unwrap_or_else(|| panic!("{} is illegal after {history:?}", play.letters()));
        if *kind == Kind::Low {
            // No reading but ZERO from low_after before it until then.
            let from = *at - low_after;
            let mut start = Duration::ZERO;
            for (inputs, wait) in history {
                let end = start + *wait;
                assert!(
                    *inputs == ZERO || end <= from || start >= *at || *wait < ms(20),
                    "L at {at:?} although {inputs:?} from {start:?} to {end:?}: {history:?}"
                );
                start = end;
            }
        }
    }
}

/// The truth, after time enough, of these last inputs.
fn truth(play: &mut Play, inputs: Option<i32>, history: &[(Option<i32>, Duration)]) {
    play.then(inputs, ms(130_000));
    let expected = match inputs {
        MAINS | LOW_ON_MAINS => Some(Power::Mains),
        ZERO => Some(Power::Low),
        BATTERY if play.said.iter().any(|(kind, _)| *kind == Kind::Low) => play.ups.reported(),
        BATTERY => Some(Power::Battery),
        _ => play.ups.reported(),
    };
    assert_eq!(play.ups.reported(), expected, "after {history:?} {inputs:?}: {}", play.letters());
    assert!(inputs != BATTERY || play.ups.reported() != Some(Power::Mains), "{history:?}");
    assert_eq!(play.ups.is_lost(), inputs.is_none(), "{history:?} {inputs:?}");
}

#[test]
fn every_sequence_of_inputs_is_legal_and_ends_in_the_truth() {
    let inputs = [MAINS, BATTERY, ZERO, LOW_ON_MAINS, GONE];
    let waits = [ms(7), ms(150), ms(2500), ms(61_000)];
    let steps: Vec<_> =
        inputs.iter().flat_map(|inputs| waits.map(|wait| (*inputs, wait))).collect();
    let sets = [
        power99(),
        Settings { debounce: ms(0), fail_after: ms(100), ok_after: ms(2000), ..power99() },
    ];
    let mut count = 0_u32;
    for set in sets {
        for a in &steps {
            for b in &steps {
                for c in &steps {
                    let history = [*a, *b, *c];
                    let mut play = Play::new(set);
                    for (inputs, wait) in history {
                        play.then(inputs, wait);
                    }
                    for last in inputs {
                        let mut end = Play {
                            ups: play.ups.clone(),
                            said: play.said.clone(),
                            ..Play::new(set)
                        };
                        end.time = play.time;
                        end.inputs = play.inputs;
                        truth(&mut end, last, &history);
                        let mut whole = history.to_vec();
                        whole.push((last, ms(130_000)));
                        check(&end, &whole, set.low_after);
                        count += 1;
                    }
                }
            }
        }
    }
    assert_eq!(count, 2 * 20 * 20 * 20 * 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Sleeping until `next` misses nothing: looking every 3 ms says the same words, at most 3 ms later.
    #[test]
    fn next_never_oversleeps(
        steps in proptest::collection::vec((0_usize..5, 1_u64..3000), 1..12),
        debounce in prop_oneof![Just(0_u64), Just(20), Just(300)],
        fail_after in prop_oneof![Just(0_u64), Just(700)],
        ok_after in prop_oneof![Just(0_u64), Just(700)],
        shutdown_after in prop_oneof![Just(None), Just(Some(Duration::from_millis(2500)))],
    ) {
        let set = Settings {
            debounce: ms(debounce),
            fail_after: ms(fail_after),
            ok_after: ms(ok_after),
            cable_grace: ms(1500),
            shutdown_after,
            ..power99()
        };
        let inputs = [MAINS, BATTERY, ZERO, LOW_ON_MAINS, GONE];
        let mut sparse = Play::new(set);
        let mut fine = Play { grain: Some(ms(3)), ..Play::new(set) };
        for (index, wait) in steps {
            sparse.then(inputs[index], ms(wait));
            fine.then(inputs[index], ms(wait));
        }
        prop_assert_eq!(sparse.letters(), fine.letters());
        for ((_, sparse), (_, fine)) in sparse.said.iter().zip(&fine.said) {
            prop_assert!(sparse.abs_diff(*fine) <= ms(3), "{sparse:?} {fine:?}");
        }
    }
}

#[test]
fn what_is_only_watched_shuts_nothing_down() {
    let of = |more: &str| {
        let text = format!("watch ttyS0\nmodel power99\nshutdown-after 5m\n{more}");
        let config = config::parse("t".as_ref(), &text, config::Purpose::Run).unwrap();
        Settings::new(config.ups.last().unwrap(), Duration::ZERO).shutdown_after
    };
    assert_eq!(of(""), Some(ms(300_000)));
    assert_eq!(of("ups b\nwatch ttyS1\npower 0"), None);
}

/// What a source that says its status itself emits at these times (ms).
fn said(set: Settings, steps: &[(u64, Option<Status>)]) -> Vec<(u64, Kind)> {
    let mut ups = Ups::new(set);
    let mut all = Vec::new();
    for (ms, status) in steps {
        ups.step_status(Duration::from_millis(*ms), *status, true, &mut |kind| {
            all.push((*ms, kind))
        });
    }
    all
}

#[test]
fn a_source_that_says_nothing_is_lost_and_comes_with_its_state() {
    let steps = [
        (0, None),
        (699, None),
        (701, None),
        (900, Some(Status::Battery)),
        (901, Some(Status::Low)),
    ];
    let expected = [(701, Kind::Lost), (900, Kind::Restored), (900, Kind::Fail), (901, Kind::Low)];
    assert_eq!(said(Settings::default(), &steps), expected);
}

#[test]
fn a_source_is_believed_at_once_and_delayed_as_a_line_is() {
    let steps = [
        (0, Some(Status::Mains)),
        (10, Some(Status::Battery)),
        (300, Some(Status::Battery)),
        (600, Some(Status::Lost)),
    ];
    assert_eq!(
        said(Settings::default(), &steps),
        [(0, Kind::Ok), (10, Kind::Fail), (600, Kind::Lost)]
    );
    let set = Settings { fail_after: Duration::from_millis(250), ..Settings::default() };
    assert_eq!(said(set, &steps), [(0, Kind::Ok), (300, Kind::Fail), (600, Kind::Lost)]);
}

#[test]
fn a_demanded_shutdown_is_said_once_and_not_again_by_the_clock() {
    let set = Settings { shutdown_after: Some(Duration::from_secs(1)), ..Settings::default() };
    let mut ups = Ups::new(set);
    let mut all = Vec::new();
    ups.step_status(Duration::ZERO, Some(Status::Battery), true, &mut |kind| all.push(kind));
    ups.demand(&mut |kind| all.push(kind));
    ups.demand(&mut |kind| all.push(kind));
    ups.step_status(Duration::from_secs(2), Some(Status::Battery), true, &mut |kind| {
        all.push(kind)
    });
    assert_eq!(all, [Kind::Fail, Kind::Shutdown]);
}
