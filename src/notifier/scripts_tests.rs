#![allow(clippy::expect_used)]

use super::*;
use crate::config::Purpose;
use crate::config::route::route;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

fn scripts(text: &str) -> Scripts {
    let Table { entries, .. } = Table::read(text.as_bytes());
    let lines = entries.into_iter().map(|entry| Line { file: INITTAB.to_owned(), entry }).collect();
    Scripts { lines, level: Some('2'), ..Scripts::default() }
}

fn sysvinit() -> Init {
    Init {
        name: "init".to_owned(),
        fifo: Some(PathBuf::from("/run/initctl")),
        catches_sigpwr: true,
        ..Init::default()
    }
}

fn route_of(more: &str) -> Route {
    let text = format!("watch ttyS0\nfail cts 0\nlow dcd 0\n{more}\n");
    let config = config::parse(Path::new("/etc/upsentry.conf"), &text, Purpose::Run);
    route(&config.expect("a right configuration"), &sysvinit()).expect("a route")
}

fn said(scripts: &Scripts, more: &str) -> Vec<String> {
    scripts.remarks(&sysvinit(), &route_of(more)).iter().map(Remark::to_string).collect()
}

/// This program is root's, or whoever's the tests are; and is there.
const GOOD: &str = "/bin/sh";

#[test]
fn all_is_well() {
    let text = format!("a::powerfail:{GOOD}\nb::powerokwait:+{GOOD} x\nc::powerfailnow:sh\n");
    assert_eq!(said(&scripts(&text), "via initctl"), [""; 0]);
    assert_eq!(said(&scripts(&text), "via signal"), [""; 0]);
}

#[test]
fn a_missing_line_is_an_error() {
    let all = said(&scripts(""), "via initctl");
    assert_eq!(
        all,
        [
            "/etc/inittab: error: no powerfail or powerwait line: init would do nothing when the mains fails",
            "/etc/inittab: error: no powerokwait line: init would do nothing when the mains returns",
            "/etc/inittab: error: no powerfailnow line: init would do nothing when the battery is low",
        ]
    );
    // Only of what init is told.
    let told = "via initctl\ntell fail none\ntell ok none\ntell low runlevel 0";
    assert_eq!(said(&scripts(""), told), [""; 0]);
    assert_eq!(said(&scripts(""), "via command\nhalt /sbin/halt"), [""; 0]);
    let some = format!("a:345:powerfail:{GOOD}\nb::powerokwait:{GOOD}\nc::powerfailnow:{GOOD}\n");
    let [only] = said(&scripts(&some), "via initctl").try_into().expect("one");
    assert!(only.contains("error: no powerfail or powerwait line for runlevel 2:"), "{only}");
}

#[test]
fn a_missing_file_is_an_error_where_the_fifo_is_used() {
    let absent = Scripts { absent: true, ..Scripts::default() };
    assert_eq!(
        said(&absent, "via initctl"),
        ["/etc/inittab: error: is not there: init would do nothing"]
    );
    assert!(said(&absent, "via signal").iter().all(|line| line.contains(": warning: ")));
    let other = Init { name: "busybox".to_owned(), ..sysvinit() };
    assert_eq!(absent.remarks(&other, &route_of("via initctl")), []);
    // What may stand in a file that could not be read is not missing.
    let unread = Scripts { unread: true, ..Scripts::default() };
    assert_eq!(said(&unread, "via initctl"), [""; 0]);
}

#[test]
fn each_program_is_looked_at() {
    let root = std::env::temp_dir().join(format!("upsentry-scripts-{}", std::process::id()));
    fs::create_dir_all(&root).expect("a directory");
    let file = |name: &str, mode: u32| {
        let path = root.join(name);
        fs::write(&path, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path.display().to_string()
    };
    let (plain, open) = (file("plain", 0o644), file("open", 0o777));
    let directory = root.display();
    for (process, wanted) in [
        ("/nonexistent/powerfail start", "error: /nonexistent/powerfail is not there: init would"),
        ("+/bin/sh/x", "error: /bin/sh/x is not there: init would"),
        ("no-such-program", "error: no-such-program is in no directory of init's: init would"),
        ("", "error: names no program: init would"),
        (&format!("{plain} >/dev/null"), "/plain is not executable: init would"),
        (&open, "/open is run by init as root, so it must be root's, and nobody else may write"),
        (&format!("{directory} x"), " is not a program: init would"),
        ("/no\u{1b}such", "error: /no?such is not there"),
    ] {
        let text =
            format!("a::powerfail:{process}\nb::powerokwait:{GOOD}\nc::powerfailnow:{GOOD}\n");
        let all = said(&scripts(&text), "via initctl");
        assert_eq!(all.len(), 1, "{process}: {all:?}");
        assert!(all.iter().all(|line| line.contains(wanted)), "{process}: {all:?}");
        assert!(all.iter().all(|line| line.starts_with("/etc/inittab:1: error: ")), "{all:?}");
    }
    fs::remove_dir_all(&root).expect("it was there");
    // A shell's business.
    let text =
        format!("a::powerfail:[ -x /a ] && /a\nb::powerokwait:{GOOD}\nc::powerfailnow:{GOOD}\n");
    assert_eq!(said(&scripts(&text), "via initctl"), [""; 0]);
}

#[test]
fn a_line_that_blocks_and_an_order_that_ends_wrong_are_warned_of() {
    let text = format!("a::powerokwait:{GOOD}\nb::powerwait:{GOOD}\nc::powerfailnow:{GOOD}\n");
    let [blocks, order] = said(&scripts(&text), "via initctl").try_into().expect("two");
    assert!(
        blocks.starts_with("/etc/inittab:2: warning: powerwait: init starts nothing else"),
        "{blocks}"
    );
    assert!(
        order.starts_with(
            "/etc/inittab:1: warning: powerokwait stands before powerwait (inittab 2)"
        ),
        "{order}"
    );
    // Nobody is told of low.
    let low = format!("c::powerfailnow:{GOOD}\nb::powerfail:{GOOD}\na::powerokwait:{GOOD}\n");
    assert_eq!(said(&scripts(&low), "via initctl").len(), 1);
    assert_eq!(said(&scripts(&low), "via initctl\ntell low runlevel 0"), [""; 0]);
}

#[test]
fn what_is_not_process_1_s_inittab_is_only_warned_of() {
    let other = Init { name: "runit".to_owned(), ..sysvinit() };
    let all = scripts("").remarks(&other, &route_of("via initctl"));
    assert!(all.len() == 3 && all.iter().all(|remark| !remark.error), "{all:?}");
}
