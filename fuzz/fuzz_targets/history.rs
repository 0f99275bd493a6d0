//! The history file as any bytes: read line by line, shown as a table and as JSON; what a line reads as is
//! written as the same line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upsentry::history::record::{Record, SIZE};
use upsentry::notifier::past;

fuzz_target!(|bytes: &[u8]| {
    let table = past::of(bytes, "12345678-1", false);
    assert!(table.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)));
    let json = past::of(bytes, "12345678-1", true);
    assert!(json.starts_with('[') && json.ends_with(']'));
    for line in bytes.chunks(SIZE) {
        let Some(record) = std::str::from_utf8(line).ok().and_then(Record::read) else {
            continue;
        };
        let again = record.to_string();
        let why = record.why.replace('"', "'");
        let wanted = Record { why: &why, ..record };
        assert_eq!(Record::read(&again), Some(wanted));
    }
});
