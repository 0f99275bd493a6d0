//! Whole configuration files, and what is said of them, line by line.
//!
//! Each `tests/data/config/NAME.conf` has a `NAME.out`: the screen of `check` and the warnings, or the
//! errors. `UPSENTRY_BLESS=1` writes them anew; read the difference before it is committed.

#![allow(clippy::expect_used, reason = "a test says by panicking what is missing")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use upsentry::config::{Purpose, describe, describe_links, parse, parse_with};
use upsentry::fleet::keys::Key;

/// What the program would print.
fn said_of(path: &Path, purpose: Purpose) -> String {
    let text = fs::read_to_string(path).expect("the file is UTF-8");
    let name = Path::new(path.file_name().expect("it has a name"));
    let mut said = String::new();
    // A true key takes long.
    match parse_with(name, &text, purpose, Some(|_| Key::from_bytes(&[1; 32]))) {
        Ok(config) => {
            said.push_str(&describe(&config, 0, config.warnings.len()));
            said.push_str(&describe_links(&config, &|_| None));
            for warning in &config.warnings {
                let _ = writeln!(said, "{warning}");
            }
        }
        Err(all) => {
            for one in &all {
                let _ = writeln!(said, "{}", one.render(name, &text));
            }
        }
    }
    said
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config");
    let found = fs::read_dir(directory).expect("the directory is there");
    let mut files: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "conf"));
    files.sort();
    files
}

#[test]
fn each_file_is_read_as_it_was() {
    let files = files();
    assert!(files.len() >= 8, "only {} files", files.len());
    for path in files {
        let said = said_of(&path, Purpose::Run);
        let expected = path.with_extension("out");
        if std::env::var_os("UPSENTRY_BLESS").is_some() {
            fs::write(&expected, &said).expect("the result can be written");
        }
        let expected = fs::read_to_string(&expected).expect("there is an expected result");
        assert_eq!(said, expected, "{}", path.display());
    }
}

/// What powstatd's users have must work as it is.
#[test]
fn every_powstatd_file_works() {
    let mut seen = 0;
    for path in files() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("powstatd") {
            let text = fs::read_to_string(&path).expect("the file is UTF-8");
            let powstatd = Path::new("/etc/powstatd.conf");
            assert!(parse(powstatd, &text, Purpose::Run).is_ok(), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} files");
}
