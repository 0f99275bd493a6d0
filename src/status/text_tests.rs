use super::*;

#[test]
fn two_units_are_enough() {
    let cases = [
        (0, "0.0s"),
        (249, "0.2s"),
        (9_999, "9.9s"),
        (10_000, "10s"),
        (59_999, "59s"),
        (60_000, "1m00s"),
        (348_000, "5m48s"),
        (3_600_000, "1h00m"),
        (86_399_999, "23h59m"),
        (41 * 86_400_000 + 3 * 3_600_000, "41d03h"),
    ];
    for (ms, text) in cases {
        assert_eq!(age(ms), text);
    }
    assert!(age(u64::MAX).ends_with('h'));
}

#[test]
fn a_limit_is_said_as_it_was_written() {
    assert_eq!(
        (limit(600_000), limit(90_000), limit(60_000)),
        ("10m".into(), "90s".into(), "60s".into())
    );
}

#[test]
fn lines_are_named_from_the_lowest_bit() {
    assert_eq!(lines(0b10_0001).map(|(_, level)| level), [1, 0, 0, 0, 0, 1]);
    assert_eq!(lines(0xff).map(|(name, _)| name), ["CTS", "DSR", "DCD", "RNG", "DTR", "RTS"]);
}

#[test]
fn quotes_are_escaped() {
    assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
}
