use super::*;

#[test]
fn a_token_is_found_in_any_case_and_whole() {
    assert_eq!(find("data-stale").does, Does::Wait);
    assert_eq!(find("VAR-NOT-SUPPORTED").does, Does::Absent);
    for other in ["DATA-STALE-X", "DATA", "", "#"] {
        assert_eq!(find(other), OTHER, "{other}");
    }
}

#[test]
fn each_token_is_there_once() {
    for (number, one) in TOKENS.iter().enumerate() {
        assert_eq!(find(one.name), *one);
        assert!(TOKENS.iter().skip(number + 1).all(|other| other.name != one.name));
        assert!(!one.means.is_empty() && !one.does.text().is_empty());
    }
}
