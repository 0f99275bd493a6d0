use super::{LONGEST, Text, has, number};

#[test]
fn numbers_are_decimal_with_or_without_a_unit() {
    let cases = [
        ("20", Some(20_000_000)),
        (" 20.5 ", Some(20_500_000)),
        ("-0.000001", Some(-1)),
        ("+3", Some(3_000_000)),
        ("007", Some(7_000_000)),
        (".5", Some(500_000)),
        ("5.", Some(5_000_000)),
        ("1.00000099", Some(1_000_000)),
        ("20%", Some(20_000_000)),
        ("45 C", Some(45_000_000)),
        ("230.1V", Some(230_100_000)),
        ("9223372036854.775807", Some(i64::MAX)),
        ("9223372036854.775808", None),
        ("99999999999999999999", None),
        ("", None),
        (".", None),
        ("-", None),
        ("--1", None),
        ("1.2.3", None),
        ("1e3", None),
        ("20 x", None),
        ("NaN", None),
        ("inf", None),
        ("0x10", None),
        ("1,5", None),
        ("٣", None),
    ];
    for (text, value) in cases {
        assert_eq!(number(text), value, "{text:?}");
    }
}

#[test]
fn a_text_is_cut_at_a_letters_edge() {
    assert_eq!(Text::new("  SMART-UPS 700 ").as_str(), "SMART-UPS 700");
    assert_eq!(Text::new("").as_str(), "");
    let long = "ä".repeat(LONGEST);
    assert_eq!(Text::new(&long).as_str(), "ä".repeat(LONGEST / 2));
    let odd = format!("a{long}");
    assert_eq!(Text::new(&odd).as_str().len(), LONGEST - 1);
}

#[test]
fn a_word_is_whole_and_in_letters_of_any_size() {
    assert!(has("OB LB", "ob") && has("OB LB", "LB") && has(" OL  CHRG ", "CHRG"));
    assert!(!has("OB DISCHRG", "CHRG") && !has("", "OB") && !has("OL", ""));
}
