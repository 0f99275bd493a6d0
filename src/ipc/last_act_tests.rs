use super::*;
use crate::ipc::told::Told;

const BLIND: Duration = Duration::from_secs(240);
const MAINS: Reading = Reading::Seen(Power::Mains);
const LOW: Reading = Reading::Seen(Power::Low);
const BATTERY: Reading = Reading::Seen(Power::Battery);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn record(word: Word, cause: Option<(Cause, u64)>) -> Record {
    let cause = cause.map(|(cause, at)| (cause, s(at)));
    Record { told: Told::Ok, word, fresh: false, cause, ..Record::default() }
}

#[test]
fn the_cause_is_what_took_the_machine_down() {
    use Cause::{Outage, Rule};
    let table = [
        (Word::Ok, None, false, None),
        (Word::Ok, None, true, Some(Outage)),
        (Word::Fail, None, false, Some(Outage)),
        (Word::Low, None, false, Some(Outage)),
        (Word::Shutdown, None, false, Some(Outage)),
        (Word::Shutdown, Some((Outage, 100)), false, Some(Outage)),
        (Word::Shutdown, Some((Rule, 100)), false, Some(Rule)),
        // The power script marks every halt that it calls for.
        (Word::Shutdown, Some((Rule, 100)), true, Some(Rule)),
        // Mains came back after low was told.
        (Word::Ok, Some((Outage, 100)), false, Some(Outage)),
        (Word::Ok, Some((Rule, 100)), false, None),
    ];
    for (word, told, marked, wanted) in table {
        let record = record(word, told);
        assert_eq!(cause(Some(&record), s(200), marked), wanted, "{word:?} {told:?} {marked}");
    }
    assert_eq!(cause(None, s(200), false), None);
    assert_eq!(cause(None, s(200), true), Some(Outage));
}

#[test]
fn an_outage_that_was_got_over_long_ago_is_no_cause() {
    let record = record(Word::Ok, Some((Cause::Outage, 100)));
    let end = s(100) + MEMORY;
    assert_eq!(cause(Some(&record), end - s(1), false), Some(Cause::Outage));
    assert_eq!(cause(Some(&record), end, false), None);
}

#[test]
fn the_table() {
    for cause in [None, Some(Cause::Rule)] {
        assert_eq!(LastAct::new(cause, s(9), BLIND).next(s(9), MAINS), Step::PowerOff);
        let recorded = Reading::Recorded(Power::Mains);
        assert_eq!(LastAct::new(cause, s(9), BLIND).next(s(9), recorded), Step::PowerOff);
    }
    for cause in [None, Some(Cause::Rule), Some(Cause::Outage)] {
        for reading in [BATTERY, LOW] {
            let mut act = LastAct::new(cause, s(9), BLIND);
            assert_eq!(act.next(s(9), reading), Step::Kill(AGAIN));
            assert_eq!(act.next(s(39), reading), Step::Kill(AGAIN));
            assert!(matches!(act.next(s(69), MAINS), Step::Look(_)));
            assert!(matches!(act.next(s(78), MAINS), Step::Look(_)));
            assert_eq!(act.next(s(79), MAINS), Step::Reboot);
        }
    }
}

#[test]
fn mains_must_be_steady() {
    let mut act = LastAct::new(Some(Cause::Outage), s(0), BLIND);
    assert!(matches!(act.next(s(0), MAINS), Step::Look(_)));
    assert!(matches!(act.next(s(9), MAINS), Step::Look(_)));
    assert_eq!(act.next(s(10), BATTERY), Step::Kill(AGAIN));
    assert!(matches!(act.next(s(40), MAINS), Step::Look(_)));
    assert!(matches!(act.next(s(49), MAINS), Step::Look(_)));
    assert_eq!(act.next(s(50), MAINS), Step::Reboot);
}

#[test]
fn where_nothing_can_be_read_others_have_their_time() {
    for power in [Power::Mains, Power::Battery, Power::Low] {
        let mut act = LastAct::new(Some(Cause::Outage), s(5), BLIND);
        for at in 5..245 {
            let step = act.next(s(at), Reading::Recorded(power));
            assert!(matches!(step, Step::Look(_) | Step::Kill(_)), "{power:?} {at}: {step:?}");
        }
        assert_eq!(act.next(s(245), Reading::Recorded(power)), Step::Reboot);
    }
}

/// Every sequence of readings, five seconds apart, of every cause.
#[test]
fn a_machine_that_was_on_battery_comes_back_and_one_that_was_not_is_turned_off() {
    const LENGTH: u32 = 7;
    let readings = [MAINS, BATTERY, LOW];
    let count = 3_u32;
    for cause in [None, Some(Cause::Rule), Some(Cause::Outage)] {
        for number in 0..count.pow(LENGTH) {
            let mut act = LastAct::new(cause, s(0), BLIND);
            let (mut battery, mut mains) = (false, 0);
            for at in 0..LENGTH {
                let reading = readings[((number / count.pow(at)) % count) as usize];
                let step = act.next(s(u64::from(at) * 5), reading);
                battery |= reading != MAINS;
                mains = if reading == MAINS { mains + 1 } else { 0 };
                let outage = battery || cause == Some(Cause::Outage);
                match step {
                    Step::PowerOff => assert!(!outage, "{cause:?} {number}"),
                    Step::Reboot => assert!(outage && mains == 3, "{cause:?} {number}"),
                    Step::Kill(_) => assert!(reading != MAINS),
                    Step::Look(_) => assert!(outage && (1..3).contains(&mains)),
                }
                if matches!(step, Step::PowerOff | Step::Reboot) {
                    break;
                }
            }
        }
    }
}
