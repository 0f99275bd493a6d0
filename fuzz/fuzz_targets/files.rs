//! Files that root reads at a start or for `check`: the state file, whose writer has no rights, and the
//! inittab. The first byte picks one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upsentry::ipc::record::{Boot, Record};
use upsentry::notifier::state::current_boot;
use upsentry::sysvinit::inittab;

thread_local! {
    static BOOT: Boot = current_boot();
}

fuzz_target!(|data: (bool, &str)| {
    let (is_state, text) = data;
    if is_state {
        if let Ok(record) = BOOT.with(|boot| Record::read(text, boot)) {
            assert!(text.is_empty() || text.lines().any(|line| line == "end"));
            assert!(record.seen.len() <= text.lines().count());
        }
    } else {
        let table = inittab::Table::read(text.as_bytes());
        let lines = text.split('\n').count();
        assert!(table.refused.iter().all(|(line, _)| (1..=lines).contains(line)));
        for entry in &table.entries {
            assert!((1..=lines).contains(&entry.line) && entry.process.len() <= 127);
            assert!(!entry.shown().contains(char::is_control));
            if let inittab::Program::Named(name) = entry.program() {
                assert!(!name.is_empty());
            }
        }
    }
});
