use proptest::prelude::*;

use super::*;

fn names() -> Vec<String> {
    ["one", "two", "three"].map(str::to_owned).to_vec()
}

fn entry(place: u32, addresses: &[&str]) -> Vec<u8> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    postcard::to_allocvec(&(place, addresses)).unwrap()
}

#[test]
fn what_was_found_until_then_counts() {
    let whole = [entry(2, &["192.0.2.1", "2001:db8::1"]), entry(0, &["192.0.2.2"])].concat();
    let found = decode(&whole, &names());
    let shown: Vec<_> = found.iter().map(|(name, all)| (name.as_str(), all.len())).collect();
    assert_eq!(shown, [("one", 1), ("three", 2)]);
    // Cut in the middle of the second.
    let found = decode(&whole[..whole.len() - 1], &names());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["three"]);
}

#[test]
fn what_is_no_answer_is_left_out() {
    let many: Vec<String> = (0..100).map(|n| format!("192.0.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let bytes = [entry(3, &["192.0.2.1"]), entry(1, &["0.0.0.0", "::"]), entry(0, &many)].concat();
    let found = decode(&bytes, &names());
    assert_eq!(found.len(), 1);
    assert_eq!(found.get("one").map(Vec::len), Some(MOST_ADDRESSES));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let found = decode(&bytes, &names());
        prop_assert!(found.values().all(|all| (1..=MOST_ADDRESSES).contains(&all.len())));
    }
}

#[test]
fn what_is_looked_up() {
    let text = "need 1\nups a\nwatch m.example\nups b\nwatch 192.0.2.1\nups c\nwatch ttyS0\nmodel power99\n\
                slave 2001:db8::1\nslave s.example\n";
    let config = crate::config::parse("t".as_ref(), text, crate::config::Purpose::Run).unwrap();
    assert_eq!(of(config.ups.iter(), &config.slaves), ["m.example", "s.example"]);
}
