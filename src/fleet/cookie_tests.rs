use super::*;
use proptest::prelude::*;

fn bearer() -> Bearer {
    Bearer { session: [3; 16], turn: 0, from: "192.0.2.1:4711".parse().unwrap() }
}

#[test]
fn it_is_good_for_this_epoch_and_the_next() {
    let cookies = Cookies::new(&[9; 32]);
    for begin in [0, EPOCH.as_secs() - 1, 7 * EPOCH.as_secs() + 1] {
        let begin = Duration::from_secs(begin);
        let cookie = cookies.make(begin, &bearer());
        let start = EPOCH * u32::try_from(epoch(begin)).unwrap();
        let last = start + 2 * EPOCH - Duration::from_nanos(1);
        assert!(cookies.is_good(begin, &bearer(), &cookie));
        assert!(cookies.is_good(last, &bearer(), &cookie));
        assert!(!cookies.is_good(start + 2 * EPOCH, &bearer(), &cookie));
        // The clock is monotonic; one of the future is none of ours.
        assert!(begin < EPOCH || !cookies.is_good(start - EPOCH, &bearer(), &cookie));
    }
}

#[test]
fn it_is_good_for_nobody_else() {
    let cookies = Cookies::new(&[9; 32]);
    let now = Duration::from_secs(1000);
    let cookie = cookies.make(now, &bearer());
    let good = |bearer: Bearer| cookies.is_good(now, &bearer, &cookie);
    assert!(good(bearer()));
    assert!(!good(Bearer { session: [4; 16], ..bearer() }));
    assert!(!good(Bearer { turn: 1, ..bearer() }));
    for other in ["192.0.2.1:4712", "192.0.2.2:4711", "[::ffff:192.0.2.1]:4711"] {
        assert!(!good(Bearer { from: other.parse().unwrap(), ..bearer() }), "{other}");
    }
    assert!(!Cookies::new(&[8; 32]).is_good(now, &bearer(), &cookie));
    assert!(!cookies.is_good(now, &bearer(), &[0; 16]));
}

#[test]
fn none_is_good_after_a_renewal() {
    let mut cookies = Cookies::new(&[9; 32]);
    let cookie = cookies.make(Duration::ZERO, &bearer());
    cookies.renew();
    assert!(!cookies.is_good(Duration::ZERO, &bearer(), &cookie));
    let cookie = cookies.make(Duration::ZERO, &bearer());
    assert!(cookies.is_good(Duration::ZERO, &bearer(), &cookie));
    assert_eq!(format!("{cookies:?}"), "Cookies 1");
}

proptest! {
    #[test]
    fn guesses_are_refused(guess: [u8; 16], now in 0..u64::MAX / 2) {
        let cookies = Cookies::new(&[9; 32]);
        prop_assert!(!cookies.is_good(Duration::from_secs(now), &bearer(), &guess));
    }
}
