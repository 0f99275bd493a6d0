use super::*;

fn roll() -> Roll {
    let listed = |name: &str, addresses: &[&str]| Listed {
        name: name.to_owned(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    Roll::new(vec![
        listed("two.example", &["192.0.2.2", "2001:db8::2"]),
        listed("one.example", &["192.0.2.1"]),
        listed("alias.example", &["192.0.2.2"]),
        listed("nowhere", &[]),
    ])
}

fn missing(roll: &Roll) -> Vec<&str> {
    roll.never_heard().map(|one| one.name.as_str()).collect()
}

#[test]
fn every_address_of_a_host_is_its() {
    let roll = roll();
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::2"] {
        assert!(roll.has(address.parse().unwrap()), "{address}");
    }
    for address in ["192.0.2.3", "::ffff:192.0.2.1", "2001:db8::1", "0.0.0.0"] {
        assert!(!roll.has(address.parse().unwrap()), "{address}");
    }
    assert!(!Roll::new(Vec::new()).has("192.0.2.1".parse().unwrap()));
}

#[test]
fn who_was_heard_is_known_by_address_or_name() {
    let mut roll = roll();
    assert_eq!(missing(&roll), ["two.example", "one.example", "alias.example", "nowhere"]);
    // One address, two lines.
    roll.hear("192.0.2.2".parse().unwrap(), "stranger");
    assert_eq!(missing(&roll), ["one.example", "nowhere"]);
    roll.hear("198.51.100.1".parse().unwrap(), "one");
    assert_eq!(missing(&roll), ["nowhere"]);
    roll.hear("198.51.100.1".parse().unwrap(), "nowher");
    roll.hear("198.51.100.1".parse().unwrap(), "nowhere.example");
    assert_eq!(missing(&roll), ["nowhere"]);
    roll.hear("198.51.100.1".parse().unwrap(), "nowhere");
    assert_eq!(missing(&roll), [""; 0]);
}
