use super::*;
use proptest::prelude::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const NANO: Duration = Duration::from_nanos(1);

/// Two UPSs, `a` (settle 2 s) and `b` (settle 4 s).
fn guard() -> Guard {
    Guard::new([("a", ms(2000)), ("b", ms(4000))].into_iter())
}

/// The bytes of a frame, made here and not by the code under test.
fn raw(letter: char, name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let letter = u8::try_from(letter).unwrap();
    [&[2, letter, length], name.as_bytes(), &[3]].concat()
}

/// Gives bytes until the last or the first violation, as the parent does; what the last of them said.
fn give(guard: &mut Guard, now: Duration, bytes: &[u8]) -> Result<Option<Event>, Violation> {
    let mut last = Ok(None);
    for byte in bytes {
        assert_eq!(last, Ok(None));
        last = guard.byte(now, *byte);
        if last.is_err() {
            break;
        }
    }
    last
}

fn send(guard: &mut Guard, now: Duration, letter: char, name: &str) -> Result<Event, Violation> {
    give(guard, now, &raw(letter, name)).map(|event| event.expect("a whole frame"))
}

fn kind(letter: char) -> Kind {
    let byte = u8::try_from(letter).unwrap();
    Kind::ALL.into_iter().find(|kind| kind.letter() == byte).unwrap()
}

/// Says `H` for `a` so often; all must pass.
fn beat(guard: &mut Guard, now: Duration, times: u32) {
    for _ in 0..times {
        assert!(send(guard, now, 'H', "a").is_ok());
    }
}

#[test]
fn a_frame_is_an_event_about_its_ups() {
    let mut guard = guard();
    let event = |kind, ups| Ok(Event { kind, ups });
    assert_eq!(send(&mut guard, ms(1), 'O', "a"), event(Kind::Ok, 0));
    assert_eq!(send(&mut guard, ms(1), 'F', "b"), event(Kind::Fail, 1));
    assert_eq!(send(&mut guard, ms(1), 'H', "a"), event(Kind::Alive, 0));
    assert_eq!(send(&mut guard, ms(1), 'S', "b"), event(Kind::Shutdown, 1));
    let track = guard.track(1).unwrap();
    assert_eq!((track.power, track.lost, track.shutdown), (Some(Power::Battery), false, true));
    assert_eq!(guard.track(2), None);
}

#[test]
fn names_are_looked_up_whole() {
    for name in ["c", "A", "aa", "a.", "ab", "-"] {
        for letter in ['O', 'F', 'L', 'C', 'R', 'S', 'H', 'N'] {
            let got = send(&mut guard(), ms(1), letter, name);
            assert_eq!(got, Err(Violation::UnknownName(kind(letter))), "{letter} {name}");
        }
    }
}

#[test]
fn alive_is_said_by_the_first_ups_only_and_no_rule_is_known() {
    let unknown = |kind| Err(Violation::UnknownName(kind));
    assert!(send(&mut guard(), ms(1), 'H', "a").is_ok());
    assert_eq!(send(&mut guard(), ms(1), 'H', "b"), unknown(Kind::Alive));
    assert_eq!(send(&mut guard(), ms(1), 'N', "a"), unknown(Kind::Notice));
}

#[test]
fn a_malformed_byte_convicts_at_once() {
    let malformed = |error| Err(Violation::Malformed(error));
    let cases: [(&[u8], Malformed); 5] = [
        (b"\x00", Malformed::Start(0)),
        (b"\x02X", Malformed::Type(b'X')),
        (b"\x02O\x00", Malformed::Length(0)),
        (b"\x02O\x01/", Malformed::Body(b'/')),
        (b"\x02O\x01aa", Malformed::Stop(b'a')),
    ];
    for (bytes, error) in cases {
        assert_eq!(give(&mut guard(), ms(1), bytes), malformed(error));
    }
}

/// Every sequence of up to five frames over all kinds and three names, against the rules said over
/// its history. It stops at the first violation, as the parent does.
#[test]
fn every_sequence_of_frames_is_judged_by_each_ups_own_history() {
    fn legal(past: &[(char, usize)], letter: char, ups: usize) -> bool {
        let own: Vec<char> = past.iter().filter(|f| f.1 == ups).map(|f| f.0).collect();
        let count = |wanted| own.iter().filter(|c| **c == wanted).count();
        let lost = count('C') > count('R');
        let last = own.iter().rfind(|c| "OFL".contains(**c));
        match letter {
            'H' => ups == 0,
            'S' => count('S') == 0,
            'C' => !lost,
            'R' => lost,
            'F' => !lost && !matches!(last, Some('F' | 'L')),
            'O' | 'L' => !lost && last != Some(&letter),
            _ => false,
        }
    }
    fn explore(past: &mut Vec<(char, usize)>, left: usize, guard: &mut Guard) -> usize {
        let names = ["a", "b", "zz"];
        let mut seen = 0;
        for letter in ['O', 'F', 'L', 'C', 'R', 'S', 'H', 'N'] {
            for (ups, name) in names.iter().enumerate() {
                guard.reset(ms(0));
                for (letter, ups) in past.iter() {
                    assert!(send(guard, ms(0), *letter, names[*ups]).is_ok());
                }
                let got = send(guard, ms(0), letter, name);
                let (kind, unknown) = (kind(letter), ups == 2 || "HN".contains(letter));
                let expected = match legal(past, letter, ups) && ups < 2 {
                    true => Ok(Event { kind, ups }),
                    false if unknown => Err(Violation::UnknownName(kind)),
                    false => Err(Violation::Illegal { kind, ups }),
                };
                assert_eq!(got, expected, "{past:?} {letter} {name}");
                seen += 1;
                if got.is_ok() && left > 1 {
                    past.push((letter, ups));
                    seen += explore(past, left - 1, guard);
                    past.pop();
                }
            }
        }
        seen
    }
    let seen = explore(&mut Vec::new(), 5, &mut guard());
    assert!(seen > 50_000, "{seen}");
}

#[test]
fn two_hundred_frames_may_come_at_once_and_not_one_more() {
    let mut guard = guard();
    beat(&mut guard, ms(5000), 200);
    assert_eq!(send(&mut guard, ms(5000), 'H', "a"), Err(Violation::TooFast));
}

#[test]
fn a_frame_is_earned_each_ten_milliseconds_to_the_nanosecond() {
    for (later, passes) in [(ms(10) - NANO, false), (ms(10), true), (ms(19), true)] {
        let mut guard = guard();
        beat(&mut guard, ms(0), 200);
        let got = send(&mut guard, later, 'H', "a");
        assert_eq!(got.is_ok(), passes, "{later:?}");
    }
    // A started interval is not forgotten: 200 at 0, one at 15 ms, one at 20 ms.
    let mut guard = guard();
    beat(&mut guard, ms(0), 200);
    beat(&mut guard, ms(15), 1);
    beat(&mut guard, ms(20), 1);
    assert_eq!(send(&mut guard, ms(30) - NANO, 'H', "a"), Err(Violation::TooFast));
}

#[test]
fn a_full_bucket_earns_nothing_however_long() {
    let mut guard = guard();
    let century = Duration::from_secs(3_200_000_000);
    beat(&mut guard, century, 200);
    let later = century + ms(9);
    assert_eq!(send(&mut guard, later, 'H', "a"), Err(Violation::TooFast));
}

#[test]
fn a_hundred_a_second_pass_for_ever() {
    let mut guard = guard();
    beat(&mut guard, ms(0), 200);
    for tick in 1..=10_000 {
        beat(&mut guard, ms(10 * tick), 1);
    }
    assert_eq!(send(&mut guard, ms(100_000), 'H', "a"), Err(Violation::TooFast));
}

#[test]
fn a_clock_that_stands_still_or_steps_back_earns_nothing() {
    let mut guard = guard();
    beat(&mut guard, ms(1000), 100);
    beat(&mut guard, ms(10), 100);
    assert_eq!(send(&mut guard, ms(1000), 'H', "a"), Err(Violation::TooFast));
}

/// The `H` of a healthy monitor is due every 10 s, or each second while anything is not on mains.
#[test]
fn alive_comes_each_second_unless_all_is_well() {
    assert_eq!(alive_interval(true), Duration::from_secs(10));
    assert_eq!(alive_interval(false), Duration::from_secs(1));
}

/// Both UPSs known, last frame at 1 s.
fn known() -> Guard {
    let mut guard = guard();
    assert!(send(&mut guard, ms(500), 'O', "a").is_ok());
    assert!(send(&mut guard, ms(1000), 'O', "b").is_ok());
    guard
}

#[test]
fn silence_convicts_after_three_missing_beats_and_a_little() {
    for (all_on_mains, limit) in [(true, ms(30_200)), (false, ms(3200))] {
        let guard = known();
        let due = ms(1000) + limit;
        assert_eq!(guard.due(all_on_mains), due);
        assert_eq!(guard.silence(ms(0), all_on_mains), Ok(()));
        assert_eq!(guard.silence(due, all_on_mains), Ok(()));
        assert_eq!(guard.silence(due + NANO, all_on_mains), Err(Violation::Silent));
    }
}

#[test]
fn any_valid_frame_is_life_and_a_part_of_one_is_not() {
    for (letter, name) in [('H', "a"), ('F', "b"), ('C', "a"), ('S', "b"), ('L', "a")] {
        let mut guard = known();
        assert!(send(&mut guard, ms(4000), letter, name).is_ok());
        assert_eq!(guard.due(false), ms(7200), "{letter}");
    }
    let mut guard = known();
    assert_eq!(give(&mut guard, ms(4000), &raw('H', "a")[..4]), Ok(None));
    assert_eq!(guard.due(false), ms(4200));
    let mut guard = known();
    assert!(send(&mut guard, ms(4000), 'H', "b").is_err());
    assert_eq!(guard.due(false), ms(4200));
}

/// Limit: 3 s, or a settle time of over 2 s and one second more.
#[test]
fn the_first_state_must_come_in_time() {
    for (settle, limit) in [(0, 3000), (2000, 3000), (2001, 3001), (4000, 5000)] {
        let mut guard = Guard::new([("a", ms(0)), ("b", ms(settle))].into_iter());
        guard.reset(ms(100));
        assert!(send(&mut guard, ms(100), 'O', "a").is_ok());
        assert!(!guard.all_known());
        // Life alone is no state, nor is S.
        let last = ms(100 + limit);
        assert!(send(&mut guard, last, 'H', "a").is_ok());
        assert!(send(&mut guard, last, 'S', "b").is_ok());
        assert_eq!(guard.due(true), last);
        assert_eq!(guard.silence(last, true), Ok(()));
        assert_eq!(guard.silence(last + NANO, true), Err(Violation::NoState(1)), "{settle}");
    }
}

#[test]
fn each_of_o_f_l_and_c_is_a_first_state() {
    for letter in ['O', 'F', 'L', 'C'] {
        let mut guard = Guard::new([("a", ms(2000))].into_iter());
        assert!(!guard.all_known());
        assert!(send(&mut guard, ms(3000), letter, "a").is_ok());
        assert!(guard.all_known());
        assert_eq!(guard.silence(ms(3001), true), Ok(()));
        assert_eq!(guard.all_on_mains(), letter == 'O');
    }
}

#[test]
fn the_slowest_ups_is_named_and_the_earliest_limit_is_due() {
    let guard = guard();
    assert_eq!(guard.due(true), ms(3000));
    assert_eq!(guard.silence(ms(3001), true), Err(Violation::NoState(0)));
    let mut known_first = guard;
    assert!(send(&mut known_first, ms(0), 'F', "a").is_ok());
    assert_eq!(known_first.due(true), ms(5000));
    assert_eq!(known_first.due(false), ms(3200));
    assert_eq!(known_first.silence(ms(3201), false), Err(Violation::Silent));
}

#[test]
fn contact_restored_before_any_state_starts_the_limit_again() {
    let mut guard = Guard::new([("a", ms(2000))].into_iter());
    assert!(send(&mut guard, ms(1000), 'C', "a").is_ok());
    assert!(send(&mut guard, ms(20_000), 'H', "a").is_ok());
    assert_eq!(guard.silence(ms(20_000), true), Ok(()));
    assert!(send(&mut guard, ms(21_000), 'R', "a").is_ok());
    assert!(!guard.all_known());
    assert_eq!(guard.due(true), ms(24_000));
    assert_eq!(guard.silence(ms(24_000), true), Ok(()));
    assert_eq!(guard.silence(ms(24_001), true), Err(Violation::NoState(0)));
    // With a state known, R asks for nothing more.
    let mut guard = known();
    assert!(send(&mut guard, ms(2000), 'C', "a").is_ok());
    assert!(send(&mut guard, ms(3000), 'R', "a").is_ok());
    assert!(guard.all_known());
    assert_eq!(guard.due(true), ms(33_200));
}

#[test]
fn all_on_mains_needs_every_ups_of_this_generation() {
    let mut guard = guard();
    assert!(!guard.all_on_mains());
    assert!(send(&mut guard, ms(0), 'O', "a").is_ok());
    assert!(!guard.all_on_mains());
    assert!(send(&mut guard, ms(0), 'O', "b").is_ok());
    assert!(guard.all_on_mains());
    assert!(send(&mut guard, ms(0), 'C', "b").is_ok());
    assert!(guard.all_on_mains());
    assert!(send(&mut guard, ms(0), 'L', "a").is_ok());
    assert!(!guard.all_on_mains());
}

/// Half a frame, an empty bucket, every row used up, silence: all of the last generation.
#[test]
fn a_reset_forgets_everything() {
    let mut guard = guard();
    for (letter, name) in [('L', "a"), ('S', "a"), ('C', "a"), ('O', "b"), ('S', "b")] {
        assert!(send(&mut guard, ms(0), letter, name).is_ok());
    }
    beat(&mut guard, ms(0), 195);
    assert_eq!(give(&mut guard, ms(0), b"\x02O\x01"), Ok(None));
    let now = ms(60_000);
    guard.reset(now);
    assert_eq!(guard.track(0), Some(Track::default()));
    assert_eq!(guard.track(1), Some(Track::default()));
    assert!(!guard.all_known());
    assert_eq!(guard.due(true), now + ms(3000));
    assert_eq!(guard.silence(now + ms(3000), false), Ok(()));
    for (letter, name) in [('F', "a"), ('L', "a"), ('S', "a"), ('O', "b"), ('S', "b")] {
        assert!(send(&mut guard, now, letter, name).is_ok());
    }
    beat(&mut guard, now, 195);
    assert_eq!(send(&mut guard, now, 'H', "a"), Err(Violation::TooFast));
}

#[test]
fn a_violation_says_what_the_monitor_did() {
    let texts = [
        (Violation::Malformed(Malformed::Length(0)), "malformed frame: length 0"),
        (Violation::UnknownName(Kind::Notice), "N for an unknown name"),
        (Violation::Illegal { kind: Kind::Restored, ups: 1 }, "R is not legal now for UPS 2"),
        (Violation::TooFast, "too many frames"),
        (Violation::Silent, "no sign of life"),
        (Violation::NoState(0), "no state of UPS 1 in time"),
        (Violation::Closed, "closed its pipe"),
    ];
    for (violation, text) in texts {
        assert_eq!(violation.to_string(), text);
    }
}

proptest! {
    /// The bucket against credit counted in nanoseconds of refill.
    #[test]
    fn the_bucket_is_two_hundred_refilled_with_a_hundred_a_second(
        gaps in prop::collection::vec(prop_oneof![
            4 => 0..1_000_000_u64,
            3 => 8_000_000..12_000_000_u64,
            1 => 0..200_000_000_u64,
        ], 1..700),
    ) {
        let frame = 10_000_000;
        let (mut guard, mut now, mut credit) = (guard(), 0, 200 * frame);
        for gap in gaps {
            now += gap;
            credit = (credit + gap).min(200 * frame);
            let got = send(&mut guard, Duration::from_nanos(now), 'H', "a");
            if credit < frame {
                prop_assert_eq!(got, Err(Violation::TooFast));
                break;
            }
            prop_assert!(got.is_ok());
            credit -= frame;
        }
    }

    /// `due` is the last moment at which silence is no crime, whatever came before.
    #[test]
    fn silence_convicts_after_due_and_not_before(
        frames in prop::collection::vec((0..4000_u64, 0..7_usize, any::<bool>()), 0..30),
        mains: bool,
    ) {
        let (mut guard, mut now) = (guard(), ms(0));
        for (gap, letter, second) in frames {
            now += ms(gap);
            let letter = ['O', 'F', 'L', 'C', 'R', 'S', 'H'][letter];
            let mut trial = guard.track(usize::from(second)).unwrap();
            if let Some(next) = trial.step(kind(letter)) {
                trial = next;
                if letter == 'H' && second { continue; }
                let name = if second { "b" } else { "a" };
                prop_assert!(send(&mut guard, now, letter, name).is_ok());
                prop_assert_eq!(guard.track(usize::from(second)), Some(trial));
            }
            let due = guard.due(mains);
            prop_assert_eq!(guard.silence(due, mains), Ok(()));
            prop_assert!(guard.silence(due + NANO, mains).is_err());
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), now: u64) {
        let mut guard = guard();
        let now = Duration::from_nanos(now);
        let _ = give(&mut guard, now, b"\x02H\x01a\x03");
        for byte in bytes {
            let _ = guard.byte(now, byte);
            let _ = guard.silence(Duration::MAX, byte > 127);
        }
    }
}
