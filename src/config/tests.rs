//! Each rule by its own example; then what must hold of any text.

mod cables;
mod drivers;
mod grammar;
mod loading;
mod machine;
mod network;
mod nut;
mod places;
mod properties;
mod rules;
mod wiring;

use std::path::Path;
use std::time::Duration;

use super::*;

const FILE: &str = "t.conf";

/// The file's UPSs and all, or a failing test that shows why.
fn good(text: &str) -> Config {
    match parse(Path::new(FILE), text, Purpose::Run) {
        Ok(config) => config,
        Err(all) => panic!("{text}\n{}", rendered(text, &all)),
    }
}

fn rendered(text: &str, all: &[Diagnostic]) -> String {
    let shown: Vec<String> = all.iter().map(|one| one.render(Path::new(FILE), text)).collect();
    shown.join("\n")
}

/// The errors of a text as `LINE:COLUMN: message`, without source lines and warnings.
fn errors_for(text: &str, purpose: Purpose) -> Vec<String> {
    let all = parse(Path::new(FILE), text, purpose).err().unwrap_or_default();
    let errors = all.iter().filter(|one| one.severity == Severity::Error);
    errors.map(|one| format!("{}:{}: {}", one.line, one.column, one.message)).collect()
}

fn errors(text: &str) -> Vec<String> {
    errors_for(text, Purpose::Run)
}

/// Lines that are a whole UPS, to add something to.
const BASE: &str = "watch ttyS0\nmodel power99\n";

/// The one error of a line added to a whole file; it is in line 3.
fn error_of(line: &str) -> String {
    let all = errors(&format!("{BASE}{line}\n"));
    assert_eq!(all.len(), 1, "{line}: {all:?}");
    let one = all.into_iter().next().unwrap_or_default();
    one.strip_prefix("3:").map(str::to_owned).unwrap_or(one)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
