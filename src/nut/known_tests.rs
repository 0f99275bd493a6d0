use super::*;

#[test]
fn silence_is_borne_for_less_time_on_battery() {
    let deadtime = Duration::from_secs(15);
    let never = Known::default();
    assert_eq!(lost_at(&never, deadtime, false), None);
    assert_eq!(lost_at(&never, deadtime, true), None);
    let known = Known { trusted_at: Some(Duration::from_secs(100)), ..never };
    assert_eq!(lost_at(&known, deadtime, false), Some(Duration::from_secs(115)));
    assert_eq!(lost_at(&known, deadtime, true), Some(Duration::from_secs(105)));
    let late = Known { trusted_at: Some(Duration::MAX), ..never };
    assert_eq!(lost_at(&late, deadtime, false), Some(Duration::MAX));
}
