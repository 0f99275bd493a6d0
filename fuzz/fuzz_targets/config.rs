//! Any file, for each purpose: read, and shown, whatever is wrong with it.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use upsentry::config::{Purpose, Severity, describe, describe_links, hazards, parse_with};
use upsentry::fleet::keys::Key;

fuzz_target!(|text: &str| {
    let path = Path::new("/etc/upsentry.conf");
    for purpose in [Purpose::Run, Purpose::Test, Purpose::Kill] {
        // A true key takes long.
        match parse_with(path, text, purpose, Some(|_| Key::from_bytes(&[1; 32]))) {
            Ok(config) => {
                assert!(!config.ups.is_empty());
                assert!(describe(&config, 0, config.warnings.len()).ends_with('\n'));
                assert!(describe_links(&config, &|_| None).ends_with('\n'));
                for ups in &config.ups {
                    let _ = hazards(ups);
                }
            }
            Err(all) => {
                assert!(all.iter().any(|one| one.severity == Severity::Error));
                // Showing one looks for its line from the top: the first are enough.
                for one in all.iter().take(20) {
                    let line = text
                        .split('\n')
                        .nth(one.line - 1)
                        .expect("the line is there");
                    assert!(one.column - 1 + one.width <= line.chars().count());
                    let shown = one.render(path, text);
                    assert!(
                        !shown
                            .chars()
                            .any(|c| c.is_control() && c != '\n' && c != '\t')
                    );
                }
            }
        }
    }
});
