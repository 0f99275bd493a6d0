//! What becomes of other programs' files, line by line.
//!
//! Each `tests/data/import/NAME.conf` has a `NAME.out`; NAME begins with the program's. `UPSENTRY_BLESS=1` writes them
//! anew; read the difference before it is committed.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says by panicking what is missing")]

mod common;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{DAEMON, Scratch, need_root, run};
use upsentry::config::{Purpose, parse};
use upsentry::import::{Source, convert};

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Each file, and whose it is.
fn files() -> Vec<(PathBuf, Source)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
    let found = fs::read_dir(directory).expect("the directory is there");
    let mut files: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "conf"));
    files.sort();
    let source = |file: PathBuf| {
        let name = file.file_name().expect("it has a name").to_string_lossy().into_owned();
        let of = |source: &Source| {
            let program = source.command().strip_prefix("import-").expect("a command");
            name.starts_with(program)
        };
        let source = Source::ALL.into_iter().find(of).expect("named after a program");
        (file, source)
    };
    files.into_iter().map(source).collect()
}

fn converted(file: &Path, source: Source) -> String {
    let text = fs::read(file).expect("the file is there");
    let name = Path::new(source.path());
    convert(source, name, &text).unwrap_or_else(|error| format!("{error}\n"))
}

#[test]
fn each_file_becomes_what_it_became() {
    let files = files();
    assert!(files.len() >= 10, "only {} files", files.len());
    for (file, source) in files {
        let text = converted(&file, source);
        let expected = file.with_extension("out");
        if std::env::var_os("UPSENTRY_BLESS").is_some() {
            fs::write(&expected, &text).expect("the result can be written");
        }
        let expected = fs::read_to_string(&expected).expect("there is an expected result");
        assert_eq!(text, expected, "{}", file.display());
    }
}

#[test]
fn each_result_is_a_configuration() {
    for (file, source) in files() {
        let text = converted(&file, source);
        let parsed = parse(Path::new("result"), &text, Purpose::Run);
        assert!(parsed.is_ok(), "{}: {parsed:?}\n{text}", file.display());
    }
}

/// No directive is lost without a word.
#[test]
fn every_directive_is_taken_over_or_remarked_on() {
    let all = "MONITOR MINSUPPLIES POLLFREQ POLLFREQALERT DEADTIME HOSTSYNC FINALDELAY RBWARNTIME NOCOMMWARNTIME \
               OFFDURATION OBLBDURATION OVERDURATION ALARMCRITICAL SHUTDOWNEXIT POLLFAIL_LOG_THROTTLE_MAX SHUTDOWNCMD \
               NOTIFYCMD POWERDOWNFLAG RUN_AS_USER NOTIFYMSG NOTIFYFLAG CERTPATH CERTFILE CERTIDENT CERTHOST CERTVERIFY \
               FORCESSL debug_min";
    let (file, source) = files()
        .into_iter()
        .find(|(file, _)| file.ends_with("upsmon-primary.conf"))
        .expect("the file of all directives");
    let input = fs::read_to_string(&file).expect("text");
    for name in all.split_whitespace() {
        assert!(input.lines().any(|line| line.split(' ').next() == Some(name)), "no {name}");
    }
    let text = converted(&file, source);
    // What became a directive of the same meaning needs no remark.
    let equal = ["MINSUPPLIES", "POLLFREQ", "DEADTIME", "HOSTSYNC", "OBLBDURATION"];
    let said = [
        "need 1",
        "poll 5s",
        "deadtime 15s",
        "host-sync 15s",
        "low-after 2s",
        "halt /sbin/shutdown -h +0",
        "watch nut://upsmon@localhost/rack",
        "watch nut+tls://observer@nas.example:3494/rack",
        "password sesame-7",
        "primary",
    ];
    for line in said {
        assert!(text.lines().any(|there| there == line), "no `{line}' in\n{text}");
    }
    for (line, number) in input.lines().zip(1..) {
        let name = line.split(' ').next().unwrap_or("");
        let taken = equal.contains(&name) || (name == "MONITOR" && number <= 6);
        if !name.is_empty() && !name.starts_with('#') && !taken {
            let remark = format!("# {number} {name}: ");
            assert!(text.contains(&remark), "no `{remark}' in\n{text}");
        }
    }
    // A password stands in its `password' line only.
    assert_eq!(text.matches("sesame-7").count(), 1, "{text}");
    assert!(!text.contains("its password"), "{text}");
    assert!(text.lines().next().is_some_and(|first| first.contains("chmod 600")), "{text}");
}

#[test]
fn the_program_prints_it() {
    for (file, source) in files() {
        let done = run(&[source.command(), path(&file)]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{}: {said}", file.display());
        assert!(said.is_empty(), "{}: {said}", file.display());
        // Only where it is from differs.
        let text = String::from_utf8(done.stdout).expect("text");
        let directives = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.filter(|line| !line.starts_with("ups-conf ")).map(str::to_owned).collect()
        };
        let expected = converted(&file, source);
        assert_eq!(directives(&text), directives(&expected), "{}", file.display());
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let scratch = Scratch::new("unread");
    let gone = scratch.0.join("gone");
    for source in Source::ALL {
        let done = run(&[source.command(), path(&gone)]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(done.stdout.is_empty());
        for part in ["gone is not there", source.package(), source.command()] {
            assert!(said.contains(part), "{said}");
        }
    }
    let cases: [(&str, &[u8], &str); 4] = [
        ("empty", b"", "no MONITOR line"),
        ("only-comments", b"# MONITOR ups@localhost 1 a b primary\n", "no MONITOR line"),
        ("noise", &[0xff; 4096], "no MONITOR line"),
        ("large", &vec![b'#'; (1 << 20) + 1], "more than 1 MiB"),
    ];
    for (name, text, why) in cases {
        let done = run(&["import-upsmon", path(&scratch.file(name, text))]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(why) && done.stdout.is_empty(), "{name}: {said}");
    }
    let done = run(&["import-upsmon", path(&scratch.0)]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("not a regular file"));
    assert_eq!(run(&["import-upsmon", "a", "b"]).status.code(), Some(2), "two files");
    assert_eq!(run(&["import-upsd"]).status.code(), Some(2), "no such command");
}

/// It would shut down what upsmon never did: upsentry has no such configuration, and says so.
#[test]
fn a_machine_that_no_ups_feeds_is_refused() {
    let scratch = Scratch::new("watching");
    let file = scratch.file("upsmon.conf", "MONITOR u@localhost 0 m p secondary\nMINSUPPLIES 0\n");
    let done = run(&["import-upsmon", path(&file)]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("nothing could ever shut this machine down"), "{said}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("power 0"));
}

/// A whole file of the shortest lines: what is kept of it must fit in the little memory that there is.
#[test]
fn the_largest_files_are_read() {
    let scratch = Scratch::new("largest");
    let fill = |line: &str| line.repeat((1 << 20) / line.len()).into_bytes();
    let cases = [
        ("import-upsmon", "MONITOR u@localhost 1 m p primary\n", ""),
        ("import-upsmon", "MONITOR u@localhost 1 m p primary\n", "X\n"),
        ("import-upsmon", "MONITOR u@localhost 1 m p primary\n", "MONITOR a@b 1 m p slave\n"),
        ("import-upsmon", "MONITOR u@localhost 1 m p primary\n", "CERTHOST a b 1 1\n"),
        ("import-apcupsd", "UPSTYPE usb\n", "X\n"),
        ("import-apcupsd", "UPSTYPE usb\n", "MINUTES 3\n"),
        ("import-ups-conf", "[u]\ndriver=usbhid-ups\nport=auto\n", "a\n"),
        ("import-ups-conf", "[u]\ndriver=usbhid-ups\nport=auto\n", "[a]\n"),
        ("import-ups-conf", "a=b\n[u]\ndriver=x\nport=y\n", "[a]\ndriver=x\nport=y\n"),
    ];
    for (command, first, rest) in cases {
        let rest = if rest.is_empty() { Vec::new() } else { fill(rest) };
        let mut text = first.as_bytes().to_vec();
        text.extend(rest);
        text.truncate(1 << 20);
        let done = run(&[command, path(&scratch.file("large", &text))]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{command} {first}: {said}");
        assert!(done.stdout.len() < 1 << 20, "{command}: {} bytes", done.stdout.len());
    }
    // As many UPSs as it takes, and more.
    let many: String = (0..1200).map(|n| format!("MONITOR u{n}@h{n} 1 m p slave\n")).collect();
    let done = run(&["import-upsmon", path(&scratch.file("many", many))]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(text.matches("\nups u").count(), 1000);
    assert!(text.contains("u1199@h1199: too many UPSs"), "{text}");
}

/// Another monitor beside ours would cut the load by itself.
#[test]
fn a_rival_is_warned_of() {
    let scratch = Scratch::new("rival");
    let rival = scratch.0.join("upsmon");
    fs::copy("/bin/sleep", &rival).expect("there is a sleep");
    let mut rival = Command::new(rival).arg("60").spawn().expect("it starts");
    let file = scratch.file("upsentry.conf", "watch ttyS0\nmodel power99\nvia initctl\n");
    // Its name is its own only once it runs.
    std::thread::sleep(Duration::from_millis(200));
    let done = run(&["check", "-c", path(&file)]);
    rival.kill().expect("it runs");
    rival.wait().expect("it is ours");
    let said = String::from_utf8_lossy(&done.stderr);
    let warning = said.lines().find(|line| line.contains("upsmon is running (process "));
    let warning = warning.unwrap_or_else(|| panic!("{said}"));
    assert!(warning.contains("two kills") && warning.contains("disable"), "{warning}");
    assert_eq!(done.status.code(), Some(0), "{said}");
}

/// As root the file is opened, and nothing more: it is understood without any right.
#[test]
fn root_does_not_parse() {
    if !need_root() {
        return;
    }
    let scratch = Scratch::new("rights");
    // More than a pipe takes, so that it can be looked at while it prints.
    let many: String = (0..1000)
        .map(|n| format!("MONITOR ups{n}@host{n}.some-domain.example 1 m p slave\n"))
        .collect();
    let file = scratch.file("upsmon.conf", many);
    let mut child = Command::new(DAEMON)
        .args(["import-upsmon", path(&file)])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let status = || fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let until = Instant::now() + Duration::from_secs(20);
    while !status().contains("Uid:\t65534\t65534\t65534\t65534") {
        assert!(Instant::now() < until, "{}", status());
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = status();
    for held in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        let line = status.lines().find(|line| line.starts_with(held)).expect("the kernel says it");
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    let mut text = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
    assert!(child.wait().expect("it ends").success());
    assert!(text.len() > 65536 && text.contains("ups ups999"), "{} bytes", text.len());
}
