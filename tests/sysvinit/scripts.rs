//! What init will run for what it is told: `check` and the start read its inittab, whatever that is, and say what would
//! come to nothing.

use crate::BATTERY;
use crate::common::init::{Ran, SOON, SysvInit, unpacked};
use crate::common::{DAEMON, skip};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Uid, chown, mkfifo};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

pub(crate) const INITTAB: &str = "etc/inittab";
/// All that is needed.
pub(crate) const GOOD: &str = "id:2:initdefault:\npf::powerfail:/run/rig/script powerfail\n\
    po::powerokwait:/run/rig/script powerokwait\npn::powerfailnow:/run/rig/script powerfailnow\n\
    ue:0123456:respawn:/run/rig/respawn # upsentry\n";

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A machine whose init has read a good inittab; what the file says later it has not read yet.
pub(crate) fn boot() -> Option<(SysvInit, String)> {
    let rig = SysvInit::boot("")?;
    let config = rig.config("kill rts 1");
    Some((rig, config))
}

pub(crate) fn check(rig: &mut SysvInit, config: &str) -> Ran {
    rig.run(&format!("{DAEMON} check -c {config}"))
}

/// Starts the daemon, and stops it once it has said what there is to say; that.
fn said_at_start(rig: &mut SysvInit, config: &str) -> String {
    let ran = rig.daemon(config);
    assert_eq!(ran.status, 0, "{}", rig.story());
    rig.signal("upsentry", Signal::SIGTERM);
    rig.until("the end of all", SOON, || rig.ours().is_empty().then_some(()));
    ran.stderr
}

/// The lines about the inittab, of `check` and of a start, which must say the same. With whether `check` failed.
fn both(rig: &mut SysvInit, config: &str) -> (bool, Vec<String>) {
    let ran = check(rig, config);
    let about = |text: &str, before: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(before));
        let lines = lines.filter(|line| line.starts_with("/etc/inittab"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let shown = about(&ran.stderr, "");
    let logged = about(&said_at_start(rig, config), "upsentry: ");
    assert_eq!(shown, logged, "{}", rig.story());
    let errors = shown.iter().filter(|line| line.contains(": error: ")).count();
    assert_eq!(ran.status, if errors > 0 { 2 } else { 0 }, "{ran:?}");
    (errors > 0, shown)
}

#[test]
fn debian_s_own_inittab_needs_a_program_that_nobody_brings() {
    let Some((mut rig, config)) = boot() else { return };
    let Ok(stock) = fs::read_to_string(unpacked("usr/share/sysvinit/inittab")) else {
        return skip("needs Debian's inittab: `tests/install` unpacks it");
    };
    fs::write(rig.path(INITTAB), stock).unwrap();
    let (failed, said) = both(&mut rig, &config);
    let missing = said.iter().filter(|line| line.contains("/etc/init.d/powerfail is not there"));
    assert!(failed && missing.count() == 3, "{said:#?}");
    // With the package's script in its place all that is left is what blocks.
    fs::create_dir(rig.path("etc/init.d")).unwrap();
    fs::write(rig.path("etc/init.d/powerfail"), "#!/bin/sh\n").unwrap();
    set_mode(&rig.path("etc/init.d/powerfail"), 0o755);
    let (failed, said) = both(&mut rig, &config);
    let [only] = said.try_into().unwrap();
    assert!(!failed && only.contains(": warning: powerwait: init starts nothing else"), "{only}");
    let screen = check(&mut rig, &config).stdout;
    for row in [
        "  mains on       power ok         -> inittab 41 powerokwait   /etc/init.d/powerfail stop\n",
        "  on battery     power fail       -> inittab 39 powerwait     /etc/init.d/powerfail start\n",
        "  low            power fail now   -> inittab 40 powerfailnow  /etc/init.d/powerfail now\n",
    ] {
        assert!(screen.contains(row), "{row}{screen}");
    }
}

#[test]
fn what_would_come_to_nothing_is_said() {
    let Some((mut rig, config)) = boot() else { return };
    for (name, mode) in [("plain", 0o644), ("everybodys", 0o777), ("somebodys", 0o755)] {
        fs::write(rig.path(name), "#!/bin/sh\n").unwrap();
        set_mode(&rig.path(name), mode);
    }
    chown(&rig.path("somebodys"), Some(Uid::from_raw(64001)), None).unwrap();
    let fail = "pf::powerfail:/run/rig/script powerfail\n";
    let line = |process: &str| GOOD.replace(fail, &format!("pf::powerfail:{process}\n"));
    for (text, failed, wanted) in [
        (GOOD.to_owned(), false, &[][..]),
        (String::new(), true, &["no powerfail or", "no powerokwait", "no powerfailnow"]),
        (GOOD.replace(fail, ""), true, &["error: no powerfail or powerwait line: init would do"]),
        (GOOD.replace("pf::", "pf:345:"), true, &["no powerfail or powerwait line for runlevel 2"]),
        (GOOD.replace("pf::", "po::"), true, &["leaves this line out", "no powerokwait"]),
        (line("/nonexistent"), true, &[":2: error: /nonexistent is not there: init would"]),
        (line("/run/rig/plain x"), true, &[":2: error: /run/rig/plain is not executable"]),
        (line("/run/rig/everybodys"), true, &["everybodys is run by init as root, so it must be"]),
        (line("+/run/rig/somebodys"), true, &["somebodys is run by init as root, so it must be"]),
        (line("/run/rig"), true, &["/run/rig is not a program"]),
        (line("/run/rig/plain x; true"), true, &["/run/rig/plain is not executable"]),
        (line("[ -e /x ] && /y"), false, &[]),
        (GOOD.replace(":powerfail:", ":powerwait:"), false, &["warning: powerwait: init starts"]),
        (
            GOOD.replace(fail, "") + fail,
            false,
            &["warning: powerokwait stands before powerfail (inittab 5)"],
        ),
    ] {
        fs::write(rig.path(INITTAB), &text).unwrap();
        let (did, said) = both(&mut rig, &config);
        assert_eq!((did, said.len()), (failed, wanted.len()), "{text}: {said:#?}");
        let all = said.join("\n");
        assert!(wanted.iter().all(|one| all.contains(one)), "{text}: {all}");
    }
}

/// Something in the file's place.
type Make = fn(&Path);

/// What may stand there, and what is said of it.
const HOSTILE: [(&str, Make, &str); 8] = [
    ("nothing", |_| {}, "error: is not there: init would do nothing"),
    ("a directory", |path| fs::create_dir(path).unwrap(), "error: not a regular file: what init"),
    (
        "a FIFO",
        |path| mkfifo(path, Mode::from_bits_truncate(0o644)).unwrap(),
        "error: not a regular file: what init",
    ),
    (
        "a device",
        |path| symlink("/dev/zero", path).unwrap(),
        "error: not a regular file: what init",
    ),
    (
        "a terabyte",
        |path| File::create(path).unwrap().set_len(1 << 40).unwrap(),
        "over 1 MiB: what init runs is not known",
    ),
    (
        "bytes",
        |path| fs::write(path, (0..=255).rev().cycle().take(1 << 20).collect::<Vec<u8>>()).unwrap(),
        "error: no powerokwait line",
    ),
    (
        "many lines",
        |path| fs::write(path, "a::powerfail\n".repeat(80_000)).unwrap(),
        "init leaves this line out: it has not four fields",
    ),
    (
        "what a terminal would obey",
        |path| fs::write(path, GOOD.replace("/run/rig/script", "/\u{1b}2J")).unwrap(),
        "/?2J is not there",
    ),
];

/// None of these stops a start, or holds it up.
#[test]
fn whatever_stands_in_its_place_the_daemon_starts() {
    let Some((mut rig, config)) = boot() else { return };
    let path = rig.path(INITTAB);
    let remove = || fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
    for (name, make, wanted) in HOSTILE {
        // There is none after `nothing`.
        let _ = remove();
        make(&path);
        let (failed, said) = both(&mut rig, &config);
        assert!(failed && said.iter().any(|line| line.contains(wanted)), "{name}: {said:#?}");
        assert!(said.len() <= 32 && said.iter().all(|line| line.len() < 400), "{name}: {said:#?}");
    }
    // Only root may read it: what it says is known all the same.
    remove().unwrap();
    fs::write(&path, GOOD.replace("/run/rig/script powerokwait", "/nonexistent")).unwrap();
    set_mode(&path, 0o600);
    let (failed, said) = both(&mut rig, &config);
    assert!(
        failed && said.len() == 1 && said[0].contains("/nonexistent is not there"),
        "{said:#?}"
    );
}

/// Init's more recent versions read these, too; and so do we.
#[test]
fn a_line_in_another_file_is_found_by_init_and_by_check() {
    let Some((mut rig, config)) = boot() else { return };
    fs::create_dir(rig.path("etc/inittab.d")).unwrap();
    let fail = "pf::powerfail:/run/rig/script powerfail\n";
    let without = GOOD.replace(fail, "").replace("ue:", "#");
    fs::write(rig.path(INITTAB), &without).unwrap();
    fs::write(rig.path("etc/inittab.d/ups.tab"), fail).unwrap();
    fs::write(rig.path("etc/inittab.d/ups.bak"), "px::pf").unwrap();
    assert_eq!(rig.run("/run/rig/telinit q").status, 0, "{}", rig.story());
    let ran = check(&mut rig, &config);
    assert_eq!(ran.status, 0, "{ran:?}");
    let row =
        "  on battery     power fail       -> ups.tab 1 powerfail     /run/rig/script powerfail\n";
    assert!(ran.stdout.contains(row), "{}", ran.stdout);
    assert_eq!(rig.daemon(&config).status, 0, "{}", rig.story());
    rig.lines(BATTERY);
    rig.expect("powerfail", "FAIL");
}

/// In the system's log it has the severity of what must be acted on at once.
#[test]
fn it_is_an_alert_in_the_log() {
    let Some((mut rig, config)) = boot() else { return };
    fs::write(rig.path(INITTAB), GOOD.replace(":powerokwait:", ":powerwait:")).unwrap();
    let path = rig.inside("/dev/log");
    let log = UnixDatagram::bind(&path).unwrap();
    set_mode(&path, 0o666);
    log.set_read_timeout(Some(SOON)).unwrap();
    let ran = rig.run(&format!("{DAEMON} -c {config} --log syslog"));
    assert_eq!(ran.status, 0, "{}", rig.story());
    let (mut said, mut bytes) = (Vec::new(), [0; 1024]);
    while !said.iter().any(|line: &String| line.contains("ready: ")) {
        let length = log.recv(&mut bytes).unwrap();
        said.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    let severity = |text: &str| {
        let line = said.iter().find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("{text}: {said:#?}")).split('>').next().unwrap().to_owned()
    };
    // The facility `daemon` is 24.
    assert_eq!(severity("no powerokwait line: init would do nothing"), "<25");
    assert_eq!(severity("powerwait: init starts nothing else"), "<28");
    // Who called hears it, too.
    assert!(ran.stderr.contains("/etc/inittab: error: no powerokwait line"), "{}", ran.stderr);
}

/// What is done by another way than init's lines needs none.
#[test]
fn nothing_is_asked_of_an_inittab_that_is_not_used() {
    let Some(mut rig) = SysvInit::boot("") else { return };
    fs::write(rig.path(INITTAB), "").unwrap();
    for more in ["via command\nhalt /bin/true", "tell ok none\ntell fail none\ntell low runlevel 0"]
    {
        let config = rig.config(more);
        let (_, said) = both(&mut rig, &config);
        assert_eq!(said, [""; 0], "{more}");
    }
    let config = rig.config("via signal");
    let (failed, said) = both(&mut rig, &config);
    assert!(failed && said.len() == 3, "{said:#?}");
}
