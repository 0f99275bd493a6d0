use super::*;

fn entry(line: usize, id: &str, levels: &str, action: &str, process: &str) -> Entry {
    let [id, levels, action, process] = [id, levels, action, process].map(str::to_owned);
    Entry { line, id, levels, action, process }
}

fn program(process: &str) -> Option<String> {
    match entry(1, "pf", "", "powerfail", process).program() {
        Program::Named(name) => Some(name.to_owned()),
        Program::Shell => None,
        Program::Nothing => Some(String::new()),
    }
}

#[test]
fn lines_of_interest_are_found_with_their_numbers() {
    let text = "# pf:x:powerwait:/no\nid:2:initdefault:\nsi::sysinit:/etc/init.d/rcS\n\
        pf::powerwait:/etc/init.d/powerfail start\n\n  pn:12345:PowerFailNow:/a:b now\n#\n\
        ue:0123456:respawn:/usr/sbin/upsentry -f\nl0:0:wait:/etc/init.d/rc 0\n";
    let table = Table::read(text.as_bytes());
    let wanted = [
        entry(2, "id", "2", "initdefault", ""),
        entry(4, "pf", "", "powerwait", "/etc/init.d/powerfail start"),
        entry(6, "pn", "12345", "powerfailnow", "/a:b now"),
        entry(8, "ue", "0123456", "respawn", "/usr/sbin/upsentry -f"),
    ];
    assert_eq!(table, Table { entries: wanted.to_vec(), refused: Vec::new() });
}

#[test]
fn lines_that_init_leaves_out_are_named() {
    let long = "x".repeat(128);
    let text = format!(
        "pf::powerfail:/a\npf::powerokwait:/b\n:2:powerfail:/c\npower::powerfail:/d\n\
         pg:012345678901:powerfail:/e\nph::powerfail:{long}\npx::powerfail\npi::powerfailed:/f\n\
         12345::getty:/g\nx\n"
    );
    let table = Table::read(text.as_bytes());
    assert_eq!(table.entries, [entry(1, "pf", "", "powerfail", "/a")]);
    let lines: Vec<usize> = table.refused.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(table.refused[0].1, "has the name of a line before it");
    let many = "pf::powerfail\n".repeat(1000);
    assert_eq!(Table::read(many.as_bytes()).refused.len(), MOST_REFUSED);
}

#[test]
fn the_program_is_the_first_word() {
    for (process, wanted) in [
        ("/etc/init.d/powerfail start", Some("/etc/init.d/powerfail")),
        ("+/sbin/ok", Some("/sbin/ok")),
        ("@/sbin/ok a=b", Some("/sbin/ok")),
        ("+@/sbin/what?", Some("/sbin/what?")),
        (" \t/sbin/ok\tx", Some("/sbin/ok")),
        ("/sbin/ok# comment", Some("/sbin/ok")),
        ("powerfail now", Some("powerfail")),
        ("/sbin/ok >/dev/console 2>&1", Some("/sbin/ok")),
        ("[ -x /a ] && /a", None),
        ("A=b /sbin/ok", None),
        ("\"/sbin/a b\"", None),
        ("", Some("")),
        ("+", Some("")),
        ("  # nothing", Some("")),
    ] {
        assert_eq!(program(process).as_deref(), wanted, "{process}");
    }
}

#[test]
fn runlevels_are_all_or_those_named() {
    assert!(entry(1, "pf", "", "powerfail", "/a").is_in('2'));
    assert!(entry(1, "pf", "12345", "powerfail", "/a").is_in('2'));
    assert!(!entry(1, "pf", "345", "powerfail", "/a").is_in('2'));
}

/// Init reads 255 bytes at a time, and its texts end at a NUL.
#[test]
fn long_lines_and_odd_bytes_are_read_as_init_reads_them() {
    let long = format!("# {}pf::powerfail:/a\n", "x".repeat(PIECE - 2));
    assert_eq!(Table::read(long.as_bytes()).entries, [entry(1, "pf", "", "powerfail", "/a")]);
    let nul = b"pf::powerfail:/a\0b\n\0pg::powerfail:/c\n";
    assert_eq!(Table::read(nul).entries, [entry(1, "pf", "", "powerfail", "/a")]);
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 16).collect();
    assert_eq!(Table::read(&bytes), Table::default());
    let odd = Table::read(b"pf::powerfail:/a\xff\x1b[2J\r\n");
    assert_eq!(odd.entries.first().map(Entry::shown).as_deref(), Some("/a\u{fffd}?[2J"));
}
