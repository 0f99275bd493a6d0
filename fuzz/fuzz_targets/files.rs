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
        let actions = ["powerfail", "powerwait", "powerfailnow", "powerokwait"];
        for entry in inittab::entries(text, &actions) {
            assert!(actions.contains(&entry.action) && entry.line <= text.lines().count());
        }
    }
});
