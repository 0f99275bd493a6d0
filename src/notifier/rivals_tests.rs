//! A made-up /proc.
#![allow(clippy::expect_used)]

use super::*;
use std::fs;

#[test]
fn only_their_names_count() {
    let proc = std::env::temp_dir().join(format!("upsentry-rivals-{}", std::process::id()));
    let processes = [
        ("812", "upsmon\n"),
        ("77", "apcupsd\n"),
        ("813", "upsmon\n"),
        ("814", "upsd\n"),
        ("815", "upsmonitor\n"),
        ("12", "powstatd\n"),
        ("816", "upsmo\n"),
        ("817", ""),
        ("self", "upsmon\n"),
        ("819", "(sd-pam)\n"),
    ];
    for (id, comm) in processes {
        fs::create_dir_all(proc.join(id)).expect("a directory");
        fs::write(proc.join(id).join("comm"), comm).expect("a file");
    }
    fs::create_dir_all(proc.join("820")).expect("a directory");
    let found = below(&proc);
    fs::remove_dir_all(&proc).expect("it was there");
    assert_eq!(found, [(12, "powstatd"), (77, "apcupsd"), (812, "upsmon"), (813, "upsmon")]);
    let said = warnings(&found, true);
    assert_eq!(said.len(), 3);
    assert!(said.iter().any(|line| line.contains("upsmon is running (process 812)")), "{said:?}");
    assert!(said.iter().any(|line| line.ends_with("systemctl disable --now apcupsd")), "{said:?}");
    let said = warnings(&found, false);
    assert!(said.iter().any(|line| line.contains("service nut-client stop")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("powstatd is running (process 12)")), "{said:?}");
    assert_eq!(warnings(&[], true), [""; 0]);
    assert_eq!(below(&proc), []);
}
