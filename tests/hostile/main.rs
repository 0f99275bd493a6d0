//! The parent against monitors and wardens that were taken over (docs/threat-model.md): it stays up,
//! its memory stays what it was, init hears only what the tables allow, the log says what happened, and a
//! decent monitor afterwards works.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::format_push_string
)]

#[path = "../common/mod.rs"]
mod common;

mod floods;
mod frames;
mod memory;
mod monitors;
mod rig;
mod wardens;

/// docs/threat-model.md names the tests that prove what it says: each is one of these, or of the jail's.
///
/// Seen to fail with a letter changed in one name.
#[test]
fn the_tests_in_the_docs_are_there() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(top.join("docs/threat-model.md")).unwrap();
    let (_, section) = docs.split_once("\n## A monitor that was taken over\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let files = ["tests/hostile", "tests/jail"].map(|place| std::fs::read_dir(top.join(place)));
    let files = files.into_iter().flat_map(|files| files.unwrap().flatten());
    let code: String = files.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect();
    let quoted = section.split('`').skip(1).step_by(2);
    let name = |word: &&str| word.contains('_') && !word.contains('/');
    let named: Vec<&str> = quoted.filter(name).collect();
    assert!(named.len() > 20, "{named:?}");
    let missing = named.iter().filter(|name| !code.contains(&format!("\nfn {name}()")));
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0]);
}
