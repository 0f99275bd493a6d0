use super::*;
use proptest::prelude::*;

const GOOD: &str = "driver = usbhid-ups\nport = auto\n";

/// The file has one UPS; its driver, its port and the warnings.
fn one(text: &str) -> (String, String, String) {
    let conf = read(format!("[u]\n{text}").as_bytes());
    assert_eq!(conf.sections.len(), 1, "{text}");
    let section = conf.sections.into_iter().next().unwrap();
    let warnings: Vec<String> =
        conf.warnings.iter().map(|(line, text)| format!("{line}: {text}")).collect();
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    (or_none(section.driver), or_none(section.port), warnings.join("\n"))
}

#[test]
fn a_file_as_it_should_be() {
    let text = "# ours\nstatepath=/run/nut\nDriverPath = /lib/nut\nnowait\nmaxretry = 3\n\n\
        [rack-1.a_b]\n\tdriver = \"usbhid-ups\"  \n  port = auto\n  desc = \"The rack's [big] one\"\n\tignorelb\n\
        [web]# comment\ndriver=dummy-ups\nport=\"http://host/x=1\"\nsynchronous=yes\n";
    let conf = read(text.as_bytes());
    assert_eq!(conf.warnings, []);
    assert_eq!(conf.state_path.as_deref(), Some("/run/nut"));
    assert_eq!(conf.driver_path.as_deref(), Some("/lib/nut"));
    let names: Vec<_> = conf.sections.iter().map(|one| (one.name.as_str(), one.line)).collect();
    assert_eq!(names, [("rack-1.a_b", 7), ("web", 12)]);
    assert_eq!(conf.sections[0].keys.last().unwrap(), &("ignorelb".to_owned(), None));
    assert_eq!(conf.sections[1].port.as_deref(), Some("http://host/x=1"));
    assert_eq!(conf.find("WEB").unwrap().driver.as_deref(), Some("dummy-ups"));
    assert!(conf.find("we").is_none());
}

/// What NUT's own shell script reads otherwise, and what does nothing: read as the drivers do, and told.
#[test]
fn what_is_read_otherwise_than_it_looks_is_told() {
    let cases = [
        ("driver = d\nport = /dev/x # cable\n", "d", "/dev/x", "3: a comment after the value"),
        ("driver = 'd e'\nport = p\n", "'d", "p", "2: single quotes"),
        ("driver = \"d \"\nport = p\n", "d ", "p", "2: the blanks"),
        ("driver = d=e\nport = p\n", "d", "p", "2: the value ends before `='"),
        ("driver = d\nport = p#1\n", "d", "p", "3: the value ends before `#'"),
        ("driver = d#comment\nport = p\n", "d", "p", "2: the value ends before `#'"),
        ("driver = d\nport = \"p#1\"\n", "d", "-", "3: `#' in quotes"),
        ("driver = d e\nport = p\n", "d", "p", "2: words after the value"),
        ("driver = d\nport = p\n[two words]\nport = q\n", "d", "q", "4: no section"),
        ("driver = d\nport = p\nsome words\n", "d", "p", "4: ignored: more"),
        ("driver = d\nport = p\nsdorder =\n", "d", "p", "4: ignored: no value"),
        ("driver = d\nport = p\nDriver = e\n", "d", "p", "4: upsd takes only `driver"),
        ("driver = d\nport = p\nport\n", "d", "p", "4: upsd takes only `port"),
        ("driver = d\nport = p\n[u] x\n", "d", "p", "4: words after a section"),
        ("driver = d\nport = p\n[u]\nport = q\n", "d", "q", "4: [u] is there twice"),
        ("driver = d\nport = p\ndesc = \"a\nb\n", "d", "p", "4: a quoted word goes on"),
        ("driver = d\nport = p\ndesc = caf\u{e9}\n", "d", "p", "4: bytes outside"),
        ("driver = d\nport = p\nignorelb", "d", "p", "4: the last line"),
        ("driver = d\n", "d", "-", "1: [u] has no port"),
    ];
    for (text, driver, port, warning) in cases {
        let (is, at, warnings) = one(text);
        assert_eq!((is.as_str(), at.as_str()), (driver, port), "{text}");
        assert!(warnings.contains(warning), "{text}: {warnings}");
        assert!(warnings.lines().count() <= 3, "{warnings}");
    }
    for quiet in ["flag # comment\n", "desc = \"a # b\\# c\" # d\n", "  [u] \t# c\n"] {
        let (.., warnings) = one(&format!("{GOOD}{quiet}"));
        assert!(!warnings.contains("comment after"), "{quiet}: {warnings}");
    }
}

#[test]
fn a_quoted_section_may_have_a_blank() {
    let conf = read(b"\"[a b]\"\ndriver = d\nport = p\n[A B]\n[U]\n[u]\n");
    let names: Vec<&str> = conf.sections.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a b", "U", "u"]);
    assert!(conf.warnings.iter().any(|(line, text)| *line == 6 && text.contains("only in case")));
    assert_eq!(conf.find("u").unwrap().line, 6);
}

#[test]
fn a_socket_is_named_by_driver_and_ups() {
    assert_eq!(socket_name("/run/nut", "usbhid-ups", "rack").unwrap(), "usbhid-ups-rack");
    for (driver, ups) in [("../x", "u"), ("d", "a/b"), ("", "u"), ("d", ""), ("d\0", "u")] {
        assert_eq!(socket_name("/run/nut", driver, ups), None);
    }
    let longest = "x".repeat(LONGEST_PATH - "/run/nut/d-".len());
    assert!(socket_name("/run/nut", "d", &longest).is_some());
    assert_eq!(socket_name("/run/nut", "d", &format!("{longest}x")), None);
}

#[test]
fn what_is_kept_is_bounded() {
    let sections: String = (0..1100).map(|number| format!("[u{number}]\ndriver = d\n")).collect();
    let conf = read(sections.as_bytes());
    assert_eq!((conf.sections.len(), conf.warnings.len()), (MOST_SECTIONS, MOST_WARNINGS));
    let keys = format!("[u]\n{}", "k = v\n".repeat(300));
    assert_eq!(read(keys.as_bytes()).sections[0].keys.len(), MOST_KEYS);
    let long = [vec![b'\n'; LARGEST], b"[u]\n".to_vec()].concat();
    let conf = read(&long);
    assert!(conf.sections.is_empty() && conf.warnings[0].1.contains("too long"));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let conf = read(&bytes);
        let lines = bytes.split(|byte| *byte == b'\n').count();
        prop_assert!(conf.warnings.iter().all(|(line, _)| (1..=lines).contains(line)));
    }

    #[test]
    fn lines_are_found_again(text in "(\\[a\\]|k|=|#|\"|\\\\|port|v| |\n){0,60}") {
        let conf = read(text.as_bytes());
        let lines = text.split('\n').count();
        prop_assert!(conf.warnings.iter().all(|(line, _)| (1..=lines).contains(line)));
        for section in &conf.sections {
            prop_assert!(conf.find(&section.name) == Some(section));
        }
    }
}
