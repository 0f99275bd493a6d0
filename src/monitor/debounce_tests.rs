use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_status_is_believed_once_it_held_and_since_it_began() {
    let mut debounce = Debounce::new(ms(20));
    debounce.reading(ms(100), Status::Mains);
    assert_eq!(debounce.status(ms(119)), None);
    assert_eq!(debounce.next(ms(100)), Some(ms(120)));
    assert_eq!(debounce.status(ms(120)), Some(Status::Mains));
    assert_eq!(debounce.since(), ms(100));
    assert_eq!(debounce.next(ms(120)), None);
}

#[test]
fn the_worst_of_a_long_chatter_wins_and_its_window_starts_again() {
    let mut debounce = Debounce::new(ms(200));
    debounce.reading(ms(0), Status::Mains);
    assert_eq!(debounce.status(ms(200)), Some(Status::Mains));
    // Ten times the debounce is longer than a second here.
    for round in 0..10 {
        debounce.reading(ms(1000 + round * 200), Status::Low);
        debounce.reading(ms(1100 + round * 200), Status::Battery);
        assert_eq!(debounce.status(ms(1150 + round * 200)), Some(Status::Mains));
    }
    debounce.reading(ms(3000), Status::Mains);
    assert_eq!(debounce.status(ms(3000)), Some(Status::Low));
    assert_eq!(debounce.since(), ms(1000));
    assert_eq!(debounce.status(ms(3200)), Some(Status::Mains));
}

/// The monitor was stopped after one reading: the next is no chatter of a second, and low is counted from
/// when it was read. Seen to fail with the worst counted from the start of the unrest.
#[test]
fn the_worst_counts_from_when_it_was_first_read() {
    let mut debounce = Debounce::new(ms(20));
    debounce.reading(ms(0), Status::Mains);
    debounce.status(ms(20));
    debounce.reading(ms(1000), Status::Battery);
    debounce.reading(ms(4000), Status::Low);
    assert_eq!(debounce.status(ms(4000)), Some(Status::Low));
    assert_eq!(debounce.since(), ms(4000));
}

#[test]
fn coming_back_to_what_is_believed_is_a_glitch() {
    let mut debounce = Debounce::new(ms(20));
    debounce.reading(ms(0), Status::Mains);
    debounce.status(ms(20));
    debounce.reading(ms(30), Status::Battery);
    debounce.reading(ms(35), Status::Mains);
    assert_eq!(debounce.status(ms(60)), Some(Status::Mains));
    assert_eq!(debounce.glitches(), 1);
}

#[test]
fn a_pulse_between_two_equal_readings_breaks_what_has_not_held_yet() {
    let mut debounce = Debounce::new(ms(20));
    debounce.reading(ms(0), Status::Mains);
    debounce.status(ms(20));
    debounce.reading(ms(100), Status::Battery);
    debounce.pulse(ms(115));
    assert_eq!(debounce.status(ms(130)), Some(Status::Mains));
    assert_eq!(debounce.status(ms(135)), Some(Status::Battery));
    debounce.pulse(ms(140));
    assert_eq!(debounce.status(ms(140)), Some(Status::Battery), "what is believed stays so");
    assert_eq!(debounce.glitches(), 2);
}
