//! Runit as process 1, with the packaged service and kill hook.

use crate::common::skip;
use crate::house::{HALT, House, INSIDE, OWN_ETC, packaged, part};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const ONE: &str = "#!/bin/sh\necho one >>/run/rig/stages\n";
const TWO: &str = "#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin\nexec runsvdir -P /run/rig/service\n";
/// As Debian's, with the last line that the README wants.
const THREE: &str = "\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin
sv force-stop /run/rig/service/*
sv exit /run/rig/service/*
echo three >>/run/rig/stages
/run/rig/kill-hook >>/run/rig/console 2>&1
";

/// The packaged script, with the rig's program, which says what it does into a file.
fn ours(name: &str) -> String {
    let text = packaged(name).replace("/usr/sbin/upsentry", &format!("{INSIDE}/upsentry"));
    text.replace("--log syslog", "--log stderr 2>>/run/rig/said")
}

fn boot() -> Option<House> {
    let parts = part("runit")?;
    let boot = format!(
        "parts={}\n{OWN_ETC}\nexec env -i PATH=/usr/sbin:/usr/bin runit\n",
        parts.display()
    );
    let (run, finish, check) =
        (ours("runit/upsentry/run"), ours("runit/upsentry/finish"), ours("runit/upsentry/check"));
    House::boot(
        "runit",
        &boot,
        &[
            ("etc/runit/1", ONE),
            ("etc/runit/2", TWO),
            ("etc/runit/3", THREE),
            ("service/upsentry/run", &run),
            ("service/upsentry/finish", &finish),
            ("service/upsentry/check", &check),
            ("kill-hook", &ours("runit/kill-hook")),
            HALT,
        ],
    )
}

#[test]
fn the_service_runs_under_runit_itself() {
    let Some(mut house) = boot() else { return };
    house.says("ready: 1 of 1 UPS on mains", 1);
    let sv = "SVDIR=/run/rig/service sv";
    house.must(&format!("{sv} check upsentry"));
    let status = house.must(&format!("{sv} status upsentry"));
    let pid = house.inside("/run/upsentry.pid");
    assert!(status.starts_with(&format!("run: upsentry: (pid {})", pid.trim())), "{status}");
    house.must("kill -9 $(cat /run/upsentry.pid)");
    house.says("ready: ", 2);
    // All of the one before are gone.
    assert_eq!(house.processes("upsentry-mon").len(), 1, "{}", house.story());
    house.halts_at_low();
    house.must(&format!("{sv} stop upsentry"));
    assert!(house.file("said").ends_with("upsentry: stopped\n"), "{}", house.story());
    assert!(house.processes("upsentry-mon").is_empty());
    assert!(house.run(&format!("{sv} check upsentry")).said.contains("ok: down"));
}

/// Nothing is configured: it waits, starts nothing, and sees when that changes.
#[test]
fn without_a_configuration_the_service_waits() {
    let Some(mut house) = boot() else { return };
    house.says("ready: ", 1);
    house.must("SVDIR=/run/rig/service sv stop upsentry; : >/etc/upsentry.conf");
    house.must("SVDIR=/run/rig/service sv start upsentry || true");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(house.processes("upsentry").is_empty());
    house.must("cp /run/rig/upsentry.conf /etc/upsentry.conf");
    house.says("ready: ", 2);
}

/// Stage 3 on mains, after nobody's outage: the daemon is stopped, the hook sends nothing, process 1 ends.
#[test]
fn a_halt_passes_the_service_and_the_hook() {
    let Some(mut house) = boot() else { return };
    house.says("ready: ", 1);
    house.must(": >/run/runit.stopit; chmod 100 /run/runit.stopit; : >/run/runit.reboot; chmod 0 /run/runit.reboot; mkdir -p /etc/runit; : >/etc/runit/stopit; chmod 100 /etc/runit/stopit; kill -CONT 1");
    house.until("the hook", |house| {
        house.file("console").contains("not sent; power off").then_some(())
    });
    assert!(house.file("said").ends_with("upsentry: stopped\n"), "{}", house.story());
    assert_eq!(house.file("stages"), "one\nthree\n");
}

#[test]
fn the_hook_asks_runit_to_reboot_where_the_mains_is_back() {
    let dir = std::env::temp_dir().join(format!("upsentry-runit-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    };
    let hook = file("hook", &packaged("runit/kill-hook"), 0o755);
    let run = |flag: u32, status: u8| {
        let upsentry = file("upsentry", &format!("#!/bin/sh\nexit {status}\n"), 0o755);
        let flag = file("flag", "", flag);
        let ran = Command::new(&hook).env("UPSENTRY", upsentry).env("FLAGS", &flag).output();
        let ran = ran.unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let mode = fs::metadata(&flag).unwrap().permissions().mode() & 0o777;
        (mode, String::from_utf8(ran.stdout).unwrap().contains("rebooting"))
    };
    assert_eq!(run(0o000, 5), (0o100, true));
    assert_eq!(run(0o000, 0), (0o000, false));
    assert_eq!(run(0o644, 1), (0o644, false));
    // A reboot is not the end: nothing is asked.
    assert_eq!(run(0o100, 5), (0o100, false));
    fs::remove_dir_all(&dir).unwrap();
    if Command::new("shellcheck").arg("--version").output().is_err() {
        return skip("needs shellcheck");
    }
    let scripts =
        ["runit/kill-hook", "runit/upsentry/run", "runit/upsentry/finish", "runit/upsentry/check"];
    let scripts = scripts.iter().chain(&["systemd/upsentry.shutdown"]);
    let checked = Command::new("shellcheck")
        .args(scripts.map(|name| format!("{}/packaging/{name}", env!("CARGO_MANIFEST_DIR"))))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
