//! Names and addresses.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::config::places::{self, *};

fn asked() -> Vec<String> {
    ["one", "two", "three"].map(str::to_owned).to_vec()
}

fn entry(place: usize, addresses: &[&str]) -> Vec<u8> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    places::entry(place, &addresses).unwrap()
}

#[test]
fn what_was_found_until_then_counts() {
    let whole = [entry(2, &["192.0.2.1", "2001:db8::1"]), entry(0, &["192.0.2.2"])].concat();
    let found = decode(&whole, &asked());
    let shown: Vec<_> = found.iter().map(|(name, all)| (name.as_str(), all.len())).collect();
    assert_eq!(shown, [("one", 1), ("three", 2)]);
    // Cut in the middle of the second.
    let found = decode(&whole[..whole.len() - 1], &asked());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["three"]);
}

#[test]
fn what_is_no_answer_is_left_out() {
    let many: Vec<String> = (0..100).map(|n| format!("192.0.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let bytes = [entry(3, &["192.0.2.1"]), entry(1, &["0.0.0.0", "::"]), entry(0, &many)].concat();
    let found = decode(&bytes, &asked());
    assert_eq!(found.len(), 1);
    assert_eq!(found.get("one").map(Vec::len), Some(MOST_ADDRESSES));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let found = decode(&bytes, &asked());
        prop_assert!(found.values().all(|all| (1..=MOST_ADDRESSES).contains(&all.len())));
    }
}

#[test]
fn what_is_looked_up() {
    let text = "need 1\nups a\nwatch m.example\nups b\nwatch 192.0.2.1\nups c\nwatch ttyS0\nmodel power99\n\
                slave 2001:db8::1\nslave s.example\n";
    let config = good(text);
    assert_eq!(names(config.ups.iter(), &config.slaves), ["m.example", "s.example"]);
}

#[test]
fn where_masters_and_slaves_are() {
    let text = "need 1\nport 5000\nups a\nwatch m.example\nups b\nwatch 192.0.2.1\nups c\nwatch ttyS0\nmodel power99\n\
                slave 2001:db8::1\nslave s.example\nslave gone.example\nslave 224.0.1.5\nslave both.example\n";
    let config = good(text);
    let all =
        |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    let found: Found = [
        ("m.example", all(&["192.0.2.9", "2001:db8::9"])),
        ("s.example", all(&["192.0.2.10"])),
        ("both.example", all(&["192.0.2.255", "192.0.2.11"])),
    ]
    .map(|(name, addresses)| (name.to_owned(), addresses))
    .into();
    let masters: Vec<Vec<String>> = config
        .masters(&found)
        .iter()
        .map(|all| all.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(masters[0], ["192.0.2.9:5000", "[2001:db8::9]:5000"]);
    assert_eq!(masters[1], ["192.0.2.1:5000"]);
    assert!(masters[2].is_empty() && masters.len() == 3);
    let group = |address: IpAddr| address.is_multicast() || address.to_string() == "192.0.2.255";
    let (slaves, groups) = config.hosts(&found, group);
    let shown: Vec<_> = slaves.iter().map(|(name, all)| (name.as_str(), all.len())).collect();
    let expected = [("2001:db8::1", 1), ("s.example", 1), ("gone.example", 0), ("both.example", 1)];
    assert_eq!(shown, expected);
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["224.0.1.5:5000", "192.0.2.255:5000"]);
    assert_eq!(unresolved(&slaves).unwrap(), "slave gone.example: the name does not resolve now");
    assert_eq!(unresolved(&slaves[..2]), None);
}
