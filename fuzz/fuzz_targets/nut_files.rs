//! Any ups.conf: read within its bounds, and the same by a lexer with little room as far as that goes. The same file as
//! each of those that are imported: what becomes of it can be read by our own parser.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upsentry::import::{Source, convert, refused};
use upsentry::nut::ups_conf::{self, MOST_KEYS, MOST_SECTIONS, MOST_WARNINGS, socket_name};
use upsentry::nut::words::{FULL, LONGEST, Lines, MOST, quote};

fuzz_target!(|text: &[u8]| {
    let (mut small, mut full) = (Lines::<16>::new(), Lines::<FULL>::new());
    for byte in text {
        let event = full.push(*byte);
        assert_eq!(small.push(*byte), event);
        if event.is_none() {
            continue;
        }
        assert!(full.count() <= MOST && full.words().count() == full.count());
        assert_eq!(small.count(), full.count());
        for (one, whole) in small.words().zip(full.words()) {
            assert!(whole.len() <= LONGEST && whole.starts_with(one));
        }
        if let Some(word) = full.word(0) {
            let mut sent = String::new();
            quote(&mut sent, word).expect("a string takes all");
            let mut again = Lines::<FULL>::new();
            assert!(sent.bytes().all(|byte| again.push(byte).is_none()));
            assert!(again.push(b'\n').is_some() && again.word(0) == Some(word));
        }
    }
    let conf = ups_conf::read(text);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(conf.sections.len() <= MOST_SECTIONS && conf.warnings.len() <= MOST_WARNINGS);
    for (line, _) in &conf.warnings {
        assert!((1..=lines).contains(line));
    }
    for section in &conf.sections {
        assert!(section.keys.len() <= MOST_KEYS && (1..=lines).contains(&section.line));
        assert_eq!(conf.find(&section.name), Some(section));
        let driver = section.driver.as_deref().unwrap_or_default();
        if let Some(name) = socket_name("/run/nut", driver, &section.name) {
            assert!(!name.contains('/') && name.len() < 100);
        }
    }
    for source in Source::ALL {
        let Ok(result) = convert(source, Path::new("/etc/nut/ups.conf"), text) else {
            continue;
        };
        assert!(!result.contains(|c: char| c.is_control() && c != '\n'));
        let known = ["nothing could ever shut this machine down", "watched already"];
        for error in refused(&result) {
            assert!(known.iter().any(|known| error.contains(known)), "{error}\n{result}");
        }
    }
});
