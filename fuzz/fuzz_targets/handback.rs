//! What processes without rights hand back to root. Of the one that parses the configuration: any bytes; and any
//! configuration, which must come back as it was. Of the one that looks names up: any bytes.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upsentry::config::places::{self, MOST_ADDRESSES};
use upsentry::config::{Config, Purpose, parse};
use upsentry::notifier::reader::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let names = ["a", "b", "c"].map(str::to_owned);
    let found = places::decode(bytes, &names);
    assert!(found.values().all(|all| (1..=MOST_ADDRESSES).contains(&all.len())));
    assert!(found.keys().all(|name| names.contains(name)));
    if let Some(config) = decode::<Config>(bytes) {
        // Numbers have more than one form, so only what was written is compared.
        let written = encode(&config).expect("what was read can be written");
        assert_eq!(encode(&decode::<Config>(&written).expect("ours")).as_deref(), Some(&written[..]));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(config) = parse(Path::new("/etc/upsentry.conf"), text, Purpose::Test) {
            let written = encode(&config).expect("a configuration can be written");
            let again: Config = decode(&written).expect("what was written can be read");
            assert_eq!(format!("{config:?}"), format!("{again:?}"));
            // Nothing may follow it.
            assert!(decode::<Config>(&[&written[..], &[0]].concat()).is_none());
        }
    }
});
