use super::*;

fn wanted(names: &[&str]) -> Values {
    Values::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

#[test]
fn what_is_wanted_is_kept_and_nothing_else() {
    let mut values = wanted(&["ambient.humidity"]);
    assert!(values.set("UPS.Status", "OL CHRG"));
    assert!(values.set("Ambient.Humidity", "41"));
    assert!(!values.set("ups.mfr", "Acme"));
    assert_eq!(values.get("ups.mfr"), None);
    assert_eq!(values.get("ups.status"), Some("OL CHRG"));
    let all: Vec<_> = values.iter().collect();
    assert_eq!(all, [("ups.status", "OL CHRG"), ("ambient.humidity", "41")]);
    assert!(values.remove("ups.STATUS"));
    assert!(!values.remove("ups.mfr"));
    assert_eq!(values.get("ups.status"), None);
    values.clear();
    assert_eq!(values.iter().count(), 0);
}

#[test]
fn room_is_fixed() {
    let names: Vec<String> = (0..1000).map(|number| format!("outlet.{number}.status")).collect();
    let values = Values::new(&names);
    assert_eq!(values.names().count(), ALWAYS.len() + MOST_WANTED);
    let values = wanted(&["a", "A", "ups.LOAD", "", &"x".repeat(65), "b"]);
    assert_eq!(values.names().skip(ALWAYS.len()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_value_is_short_and_printable() {
    let mut values = wanted(&[]);
    values.set("ups.alarm", &"x".repeat(200));
    assert_eq!(values.get("ups.alarm"), Some("x".repeat(LONGEST).as_str()));
    values.set("ups.alarm", "a\tb\u{e9}\u{1b}[m\0\u{7f}~ \"");
    assert_eq!(values.get("ups.alarm"), Some("a?b??[m??~ \""));
    values.set("ups.alarm", "");
    assert_eq!(values.get("ups.alarm"), Some(""));
}
