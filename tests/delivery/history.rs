//! The history file: what is in it after an outage, after restarts, after a halt, and while its disk hangs.

use crate::common::sim::Setup;
use crate::common::{DAEMON, need_root, skip};
use crate::rig::{Daemon, LONG, MAINS, POWER99, one, shell};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes of a line, as the manual says.
const LINE: usize = 256;

/// Lines of the file, once there are so many.
fn lines(path: &Path, count: usize) -> Vec<String> {
    let end = Instant::now() + LONG;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        assert_eq!(text.len() % LINE, 0, "{text:?}");
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(Instant::now() < end, "{count} lines wanted: {lines:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A word of a line: `battery` of `... battery=3 ...`.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let word = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    word.unwrap_or_else(|| panic!("no {name} in {line}"))
}

fn shown(daemon: &Daemon, more: &[&str]) -> String {
    let conf = daemon.rig.setup().path("conf");
    let ran = Command::new(DAEMON).arg("history").arg("-c").arg(conf).args(more).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// Seen to fail with `heard` empty (no reason), with the outage's line written only once, and without a
/// `told` for LOW.
#[test]
fn an_outage_is_one_line_and_each_word_one() {
    if !need_root() {
        return;
    }
    let mut daemon = Daemon::start(&format!("{POWER99}low-after 0s\ncable-grace 0s\n"), MAINS);
    let path = daemon.rig.setup().path("history");
    assert!(shown(&daemon, &[]).starts_with("no outage yet"));
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
    daemon.set("set a cts=0");
    daemon.told(3, "powerfail");
    daemon.set("set a dcd=0");
    daemon.told(4, "powerfailnow");
    let found = lines(&path, 7);
    let kind = |line: &String| line.split(' ').nth(3).unwrap().to_owned();
    assert_eq!(
        found.iter().map(kind).collect::<Vec<_>>(),
        ["start=OK", "outage=FAIL", "told=FAIL", "told=OK", "outage=LOW", "told=FAIL", "told=LOW"]
    );
    for (seq, line) in found.iter().enumerate() {
        assert_eq!(field(line, "seq"), seq.to_string());
    }
    assert_eq!((field(&found[1], "over"), field(&found[4], "over")), ("yes", "no"));
    for (line, why) in [(2, "on battery (CTS 0 "), (3, "on mains (CTS 1 "), (6, "LOW (CTS 0 DCD 0")]
    {
        assert!(found[line].contains("ups=ups "), "{}", found[line]);
        assert!(found[line].contains(&format!("why=\"{why}")), "{}", found[line]);
    }
    let table = shown(&daemon, &[]);
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[1].contains("so far  LOW       fail, low"), "{table}");
    assert!(table.contains("FAIL      fail, ok             mains returned"), "{table}");
    let json = shown(&daemon, &["--json"]);
    assert!(json.contains("\"worst\":\"LOW\",\"ended\":\"open\""), "{json}");
    assert_eq!(json.matches("\"cause\":\"seen\"").count(), 4, "{json}");
}

/// Seen to fail with `open` not taken over from the file.
#[test]
fn an_outage_goes_on_over_a_restart() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    let conf = one(&setup, POWER99);
    let (mut daemon, run) = shell(setup, &conf);
    let path = daemon.rig.setup().path("history");
    daemon.rig.input(&run);
    daemon.says("ready: ");
    daemon.set("set a cts=0");
    daemon.told(1, "powerfail");
    lines(&path, 3);
    daemon.stop(1);
    std::thread::sleep(Duration::from_millis(1100));
    daemon.rig.input(&run);
    daemon.says_times("ready: ", 2);
    daemon.set("set a cts=1");
    daemon.told(2, "powerok");
    let found = lines(&path, 4);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[1].contains("outage=FAIL") && field(&found[1], "over") == "yes", "{found:#?}");
    let away: u64 = field(&found[3], "battery").parse().unwrap();
    assert!((1..60).contains(&away), "{found:#?}");
}

/// What a halt of ours leaves in the file, as another boot wrote it.
fn after_our_halt(setup: &Setup) {
    let line = "seq=7 2026-11-21T02:14:07Z boot=00000000-1 told=LOW cause=seen ups=ups battery=650 \
                why=\"LOW (CTS 0 DCD 0 for 2s)\"";
    let place = " ".repeat(LINE).repeat(7);
    fs::write(setup.path("history"), format!("{place}{line:<255}\n")).unwrap();
}

/// Seen to fail with both of what keeps it from saying it again taken out: `fresh`, and the start's line.
#[test]
fn the_start_after_our_halt_says_so_once() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    after_our_halt(&setup);
    let conf = one(&setup, POWER99);
    let (mut daemon, run) = shell(setup, &conf);
    for times in 1..3 {
        daemon.rig.input(&run);
        daemon.says_times("ready: ", times);
        daemon.stop(times);
    }
    let said = daemon.rig.stderr();
    let words = "previous halt was ours: LOW after 10m50s on battery (LOW (CTS 0 DCD 0 for 2s)), ";
    assert_eq!(said.matches(words).count(), 1, "{said}");
    assert!(shown(&daemon, &[]).contains("halted by us"), "{}", shown(&daemon, &[]));
}

/// A file that is torn, not ours, held by another or not a file: the machine is watched all the same.
#[test]
fn a_file_that_cannot_be_used_is_said_and_survived() {
    if !need_root() {
        return;
    }
    let noise = "x".repeat(1000);
    for (what, words) in [
        ("noise", "lines are torn or not ours"),
        ("locked", "no history is kept"),
        ("directory", "no history is kept"),
    ] {
        let setup = Setup::new().port("a", MAINS);
        let path = setup.path("history");
        let mut lock = None;
        match what {
            "noise" => fs::write(&path, &noise).unwrap(),
            "locked" => {
                let file = File::create(&path).unwrap();
                lock = Some(Flock::lock(file, FlockArg::LockExclusive).unwrap());
            }
            _ => fs::create_dir(&path).unwrap(),
        }
        let conf = one(&setup, POWER99);
        let mut daemon = Daemon::on(setup, &conf);
        daemon.says(words);
        daemon.set("set a cts=0");
        daemon.told(1, "powerfail");
        drop(lock);
    }
}

/// A file system in a file, which is thawed and unmounted also when the test fails.
struct Disk {
    mount: PathBuf,
}

impl Disk {
    fn run(program: &str, words: &[&str]) -> bool {
        let ran = Command::new("timeout").arg("10").arg(program).args(words).output();
        ran.is_ok_and(|ran| ran.status.success())
    }

    fn new(setup: &Setup) -> Option<Disk> {
        let image = setup.path("image");
        File::create(&image).unwrap().set_len(8 << 20).unwrap();
        let mount = setup.path("disk");
        fs::create_dir(&mount).unwrap();
        let [image, place] = [&image, &mount].map(|path| path.to_str().unwrap());
        let made = Disk::run("mkfs.ext4", &["-q", image])
            && Disk::run("mount", &["-o", "loop", image, place]);
        made.then_some(Disk { mount })
    }

    fn freeze(&self, how: &str) -> bool {
        Disk::run("fsfreeze", &[how, self.mount.to_str().unwrap()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.freeze("-u");
        Disk::run("umount", &["-l", self.mount.to_str().unwrap()]);
    }
}

/// Every write to a frozen file system waits, and cannot even be killed. Seen to fail (nothing was told
/// after the first word) with the parent writing the line itself.
#[test]
fn a_disk_that_hangs_delays_no_word() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", MAINS);
    let Some(disk) = Disk::new(&setup) else {
        skip("needs a loop device and mkfs.ext4");
        return;
    };
    let path = disk.mount.join("history");
    let conf = one(&setup, POWER99);
    let text = fs::read_to_string(&conf).unwrap();
    let text = text.lines().filter(|line| !line.starts_with("history-file"));
    let text = text.collect::<Vec<_>>().join("\n");
    setup.write("conf", &format!("history-file {}\n{text}\n", path.display()));
    let mut daemon = Daemon::on(setup, &conf);
    // Thawed before the daemon is stopped: who waits for a frozen disk cannot end.
    let disk = disk;
    lines(&path, 1);
    assert!(disk.freeze("-f"), "the file system cannot be frozen");
    for pair in 0..3 {
        daemon.set("set a cts=0");
        daemon.told(2 * pair + 1, "powerfail");
        daemon.set("set a cts=1");
        daemon.told(2 * pair + 2, "powerok");
    }
    assert!(disk.freeze("-u"), "the file system cannot be thawed");
    let found = lines(&path, 10);
    assert_eq!(found.iter().filter(|line| line.contains(" told=")).count(), 6, "{found:#?}");
}
