//! Systemd itself as process 1, with the packaged unit; and what its own tools say of that.

use crate::common::skip;
use crate::house::{HALT, House, INSIDE, packaged};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Nothing but what is written here is started.
const BOOT: &str = "
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export SYSTEMD_UNIT_PATH=/run/rig/units container=rig SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=info
exec /lib/systemd/systemd --system --unit=rig.target
";
const TARGET: &str = "[Unit]\nDefaultDependencies=no\nWants=upsentry.service\n";
/// What a halt is here: the targets that it passes, and a file.
const POWEROFF: &str = "\
[Unit]
DefaultDependencies=no
Requires=umount.target halted.service
After=umount.target halted.service
AllowIsolate=yes
JobTimeoutSec=60
";
const HALTED: &str = "\
[Unit]
DefaultDependencies=no
Requires=umount.target
After=umount.target
[Service]
Type=oneshot
ExecStart=/run/rig/halt
";
/// Else the rig's directory, with what halts, may be gone before that is run.
const KEPT: &str = "[Unit]\nDefaultDependencies=no\n";
const UMOUNT: &str = "[Unit]\nDefaultDependencies=no\nRefuseManualStart=no\n";

fn installed() -> bool {
    let there = Path::new("/lib/systemd/systemd").exists();
    if !there {
        skip("needs systemd");
    }
    there
}

/// The packaged unit, with the program and configuration of the rig, and its log in a file.
fn unit() -> String {
    let unit = packaged("systemd/upsentry.service");
    let start = "ExecStart=/usr/sbin/upsentry -f --log syslog";
    let condition =
        "ConditionPathExists=|/etc/upsentry.conf\nConditionPathExists=|/etc/powstatd.conf\n";
    assert!(unit.contains(start) && unit.contains(condition));
    let ours = format!(
        "ExecStart={INSIDE}/upsentry -f --log stderr -c {INSIDE}/upsentry.conf\nStandardError=append:{INSIDE}/said"
    );
    unit.replace(start, &ours).replace(condition, "")
}

fn boot() -> Option<House> {
    boot_with(&[])
}

fn boot_with(more: &[(&str, &str)]) -> Option<House> {
    if !installed() {
        return None;
    }
    let unit = unit();
    let files = [
        ("units/rig.target", TARGET),
        ("units/poweroff.target", POWEROFF),
        ("units/umount.target", UMOUNT),
        ("units/halted.service", HALTED),
        ("units/run-rig.mount.d/kept.conf", KEPT),
        ("units/upsentry.service", &unit),
        HALT,
    ];
    House::boot("systemd", BOOT, &[files.as_slice(), more].concat())
}

fn shown(house: &mut House, property: &str) -> String {
    house.must(&format!("systemctl show --value -p {property} upsentry")).trim().to_owned()
}

#[test]
fn the_unit_runs_under_systemd_itself() {
    let Some(mut house) = boot() else { return };
    house.says("ready: 1 of 1 UPS on mains", 1);
    house.must("systemctl is-active --wait upsentry || systemctl start upsentry");
    assert_eq!(shown(&mut house, "ActiveState"), "active", "{}", house.story());
    assert_eq!(shown(&mut house, "StatusText"), "1 of 1 UPS on mains");
    // Nothing that it does without, such as the status, was refused to it.
    assert!(!house.file("said").contains("ermitted"), "{}", house.story());
    assert!(!house.file("said").contains("but this kernel has no Landlock"), "{}", house.story());
    house.must(&format!("{INSIDE}/upsentry status --socket /run/upsentry/status"));
    // The watchdog is armed, and was fed.
    assert_ne!(shown(&mut house, "WatchdogTimestampMonotonic"), "0");
    let pid = shown(&mut house, "MainPID");
    assert_eq!(house.inside("/run/upsentry.pid").trim(), pid);
    // Whoever dies is followed: the monitor by the daemon, the daemon by systemd.
    house.must("systemctl kill -s KILL --kill-who=main upsentry");
    house.says("ready: ", 2);
    assert_ne!(shown(&mut house, "MainPID"), pid);
    assert_eq!(shown(&mut house, "NRestarts"), "1");
    house.must("systemctl stop upsentry");
    assert!(house.file("said").ends_with("upsentry: stopped\n"), "{}", house.story());
    assert_eq!(shown(&mut house, "Result"), "success");
    assert_eq!(house.inside("/run/upsentry.pid"), "");
}

/// A daemon that hangs is ended and followed by the next.
#[test]
fn the_watchdog_bites() {
    let Some(mut house) = boot() else { return };
    house.says("ready: ", 1);
    let unit = house.path("units/upsentry.service");
    let text = fs::read_to_string(&unit).unwrap();
    assert!(text.contains("WatchdogSec=120s"));
    // Frames of life come each 10 seconds: it is fed in time.
    fs::write(&unit, text.replace("WatchdogSec=120s", "WatchdogSec=20s")).unwrap();
    house.must("systemctl daemon-reload; systemctl restart upsentry");
    house.says("ready: ", 2);
    std::thread::sleep(Duration::from_secs(22));
    assert_eq!(shown(&mut house, "NRestarts"), "0", "{}", house.story());
    house.must("kill -STOP $(cat /run/upsentry.pid)");
    house.says("ready: ", 3);
    assert_eq!(shown(&mut house, "NRestarts"), "1", "{}", house.story());
}

/// The start is over although a device is missing, and the process that waits for it, which is root, ends in order.
#[test]
fn an_absent_device_does_not_fail_the_unit() {
    let Some(mut house) = boot() else { return };
    house.says("ready: ", 1);
    let config = house.file("upsentry.conf").replace("watch /run/rig/ups\n", "");
    let both = "need 1\nups ups\nwatch /run/rig/ups\nups absent\nwatch /dev/ttyUSB-absent\n";
    let (global, _) = both.split_once("ups ups").unwrap();
    let both = both.strip_prefix(global).unwrap();
    fs::write(house.path("upsentry.conf"), format!("{global}{config}{both}")).unwrap();
    house.must("systemctl restart upsentry");
    house.says("of 2 UPS on mains", 1);
    assert_eq!(shown(&mut house, "StatusText"), "waiting for a device or a name");
    assert_eq!(house.processes("upsentry-wait").len(), 1);
    house.must("systemctl stop upsentry");
    assert_eq!(shown(&mut house, "Result"), "success", "{}", house.story());
    assert!(house.file("said").ends_with("upsentry: stopped\n"), "{}", house.story());
}

/// Other machines, and a driver of NUT's: refused aloud by the unit, allowed by the files beside it.
#[test]
fn network_and_drivers_are_let_in_by_drop_ins() {
    let key = "k".repeat(32);
    let nut = "statepath = /run/upsentry-driver\n[dummy]\ndriver = dummy-ups\n";
    let Some(mut house) = boot_with(&[("key", &key), ("ups.conf", nut)]) else { return };
    house.says("ready: ", 1);
    let alone = house.file("upsentry.conf");
    let drop_in = |house: &mut House, name: &str| {
        let dir = house.path("units/upsentry.service.d");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), packaged(&format!("systemd/{name}"))).unwrap();
        house.must("systemctl daemon-reload; systemctl restart upsentry");
    };
    let network = "listen 0.0.0.0\nslave 127.0.0.1\nkey-file /run/rig/key\n";
    fs::write(house.path("upsentry.conf"), format!("{network}{alone}")).unwrap();
    house.must("chmod 600 /run/rig/key");
    let refused = house.run("systemctl restart upsentry");
    assert_ne!(refused.status, 0, "{}", house.story());
    house.says("Address family not supported", 1);
    drop_in(&mut house, "network.conf");
    house.says("ready: ", 2);
    let driver = "need 1\nups-conf /run/rig/ups.conf\n";
    let both = "ups ups\nwatch /run/rig/ups\nups driver\nwatch driver:dummy\n";
    let both = format!("{}{both}", alone.replace("watch /run/rig/ups\n", driver));
    fs::write(house.path("upsentry.conf"), both).unwrap();
    house.must("install -d -g 64003 -m 770 /run/upsentry-driver");
    let refused = house.run("systemctl restart upsentry");
    assert_ne!(refused.status, 0, "{}", house.story());
    drop_in(&mut house, "driver.conf");
    house.says("ready: ", 3);
    assert!(house.file("said").ends_with("of 2 UPS on mains\n"), "{}", house.story());
}

/// As by default under systemd, with the rights that the unit leaves to the command.
#[test]
fn low_halts_the_machine_by_systemctl_and_the_daemon_is_stopped_before_umount() {
    if !installed() {
        return;
    }
    let Some(mut house) = boot() else { return };
    house.says("ready: ", 1);
    let config =
        house.file("upsentry.conf").replace("halt /run/rig/halt", "halt /bin/systemctl poweroff");
    fs::write(house.path("upsentry.conf"), config).unwrap();
    house.must("systemctl restart upsentry");
    house.says("ready: ", 2);
    house.lines("cts=0");
    house.says("ups: on battery", 1);
    house.lines("dcd=1");
    house.says("battery low; init told", 1);
    house.until("the halt", |house| (house.file("halted") == "halted\n").then_some(()));
    assert!(house.file("said").ends_with("upsentry: stopped\n"), "{}", house.story());
}

fn analyze(words: &[&str]) -> Option<Output> {
    let ran = Command::new("systemd-analyze").args(words).output();
    if ran.is_err() {
        skip("needs systemd-analyze");
    }
    ran.ok()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn its_own_tools_find_nothing() {
    let dir = std::env::temp_dir().join(format!("upsentry-unit-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("upsentry.service");
    let unit = packaged("systemd/upsentry.service");
    fs::write(&path, unit.replace("/usr/sbin/upsentry", "/bin/true")).unwrap();
    let path = path.to_str().unwrap();
    let Some(verified) = analyze(&["verify", "--man=no", path]) else { return };
    let ours: Vec<String> = said(&verified)
        .lines()
        .filter(|line| line.contains("upsentry"))
        .map(str::to_owned)
        .collect();
    assert_eq!(ours, [""; 0]);
    let Some(scored) = analyze(&["security", "--offline=true", "--threshold=20", path]) else {
        return;
    };
    fs::remove_dir_all(&dir).unwrap();
    assert!(scored.status.success(), "more than 2.0: {}", said(&scored));
}

/// The hook with a program in upsentry's place.
fn hook(word: &str, upsentry: &str) -> (Duration, bool) {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("upsentry-hook-{}-{number}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    };
    let marked = dir.join("rebooted");
    let upsentry =
        file("upsentry", &format!("#!/bin/sh\n[ \"$*\" = 'kill --wait' ] || exit 9\n{upsentry}\n"));
    let hook = file("hook", &packaged("systemd/upsentry.shutdown"));
    let began = Instant::now();
    let status = Command::new("sh")
        .arg(hook)
        .arg(word)
        .env("UPSENTRY", upsentry)
        .env("REBOOT", format!("touch {}", marked.display()))
        .env("LIMIT", "1")
        .status()
        .unwrap();
    assert!(status.success());
    let rebooted = marked.exists();
    fs::remove_dir_all(&dir).unwrap();
    (began.elapsed(), rebooted)
}

#[test]
fn the_shutdown_hook_reboots_where_the_mains_is_back_and_before_systemd_would_kill_it() {
    assert!(hook("poweroff", "exit 5").1);
    assert!(hook("halt", "exit 5").1);
    assert!(!hook("poweroff", "exit 0").1);
    assert!(!hook("poweroff", "exit 1").1);
    // What is no end of the machine.
    assert!(!hook("reboot", "exit 5").1);
    assert!(!hook("kexec", "exit 5").1);
    let (took, rebooted) = hook("poweroff", "exec sleep 60");
    assert!(rebooted && took < Duration::from_secs(30), "{took:?}");
}
