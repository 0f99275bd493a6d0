//! What the status socket says as any bytes, in pieces of any size: read, and shown in every form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upsentry::status::collect::Collector;
use upsentry::status::report::{Message, encode};
use upsentry::status::{check, json, prometheus, screen};

fuzz_target!(|bytes: &[u8]| {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let mut collector = Collector::default();
    let mut all = Vec::new();
    for piece in rest.chunks(usize::from(*first).max(1)) {
        if collector.take(piece, &mut |snapshot| all.push(snapshot)).is_err() {
            break;
        }
    }
    for snapshot in all {
        let printable =
            |text: &str| text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte));
        let later = snapshot.clone().later(u64::from(*first) << 40);
        for snapshot in [snapshot, later] {
            assert!(printable(&screen::draw(&snapshot, false)));
            let json = json::write(&snapshot);
            assert!(printable(&json) && json.starts_with('{') && json.ends_with('}'));
            assert!(printable(&prometheus::write(&snapshot)));
            let (line, status) = check::line(&snapshot);
            assert!(printable(&line) && !line.contains('\n') && status <= 3);
            for (ups, _) in snapshot.ups {
                assert!(encode(&Message::Ups(ups), &mut [0; 1400]).is_some());
            }
        }
    }
});
