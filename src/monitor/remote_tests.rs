use super::*;

fn known(power: Option<Power>, lost: bool) -> Known {
    Known { power, lost, ..Known::default() }
}

#[test]
fn only_a_master_in_contact_that_sees_its_ups_is_believed() {
    let all = [
        (Power::Mains, Status::Mains),
        (Power::Battery, Status::Battery),
        (Power::Low, Status::Low),
    ];
    for (power, word) in all {
        assert_eq!(status(&known(Some(power), false), true, true), Some(word));
        assert_eq!(status(&known(Some(power), true), true, true), Some(Status::Lost));
        assert_eq!(status(&known(Some(power), false), true, false), Some(Status::Lost));
    }
}

#[test]
fn a_master_that_has_not_answered_or_knows_nothing_yet_says_nothing() {
    assert_eq!(status(&Known::default(), false, false), None);
    assert_eq!(status(&Known::default(), true, true), None);
    assert_eq!(status(&Known::default(), true, false), Some(Status::Lost));
}
