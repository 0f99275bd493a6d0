//! OpenRC, by its own init as process 1, with the packaged services.

use crate::common::skip;
use crate::house::{HALT, House, OWN_ETC, packaged, part};
use std::process::Command;

/// Nothing of the machine is in any runlevel, but what is tested.
const BOOT: &str = "
mkdir -p /etc/runlevels/sysinit /etc/runlevels/boot /etc/runlevels/default /etc/runlevels/shutdown
ln -s /etc/init.d/upsentry /etc/runlevels/default/upsentry
ln -s /etc/init.d/zz-net /etc/runlevels/default/zz-net
ln -s /etc/init.d/upsentry-kill /etc/runlevels/shutdown/upsentry-kill
ln -s /etc/init.d/zz-last /etc/runlevels/shutdown/zz-last
echo 'rc_parallel=NO' >/etc/rc.conf
exec env -i PATH=/usr/sbin:/usr/bin openrc-init </dev/null >>/run/rig/console 2>&1
";
/// What stands for the machine's own: what the service needs, and the network, which notes when it goes; without an
/// order it would go first.
const LOCALMOUNT: &str = "#!/sbin/openrc-run\nstart() { :; }\n";
const NET: &str = "\
#!/sbin/openrc-run
depend() { provide net; }
start() { :; }
stop() { tail -n 1 /run/rig/said >/run/rig/before-net; }
";
/// What comes after the kill hook.
const LAST: &str = "\
#!/sbin/openrc-run
depend() { after upsentry-kill; }
start() { touch /run/rig/last; }
";
/// Where upsentry is, and its log.
const CONF: &str = "\
UPSENTRY=/run/rig/upsentry
UPSENTRY_LOG=stderr
error_log=/run/rig/said
";

/// In the default runlevel, with the daemon on mains.
fn boot() -> Option<House> {
    let parts = part("openrc")?;
    let boot = format!("parts={}\n{OWN_ETC}\n{BOOT}", parts.display());
    let mut house = House::boot(
        "openrc-init",
        &boot,
        &[
            ("etc/init.d/localmount", LOCALMOUNT),
            ("etc/init.d/zz-net", NET),
            ("etc/init.d/zz-last", LAST),
            ("etc/init.d/upsentry", &packaged("openrc/upsentry")),
            ("etc/init.d/upsentry-kill", &packaged("openrc/upsentry-kill")),
            ("etc/conf.d/upsentry", CONF),
            (
                "etc/conf.d/upsentry-kill",
                "UPSENTRY=/run/rig/last-act\nREBOOT='touch /run/rig/rebooted'\n",
            ),
            ("last-act", "#!/bin/sh\n[ \"$*\" = 'kill --wait' ] && touch /run/rig/hook\nexit 5\n"),
            HALT,
        ],
    )?;
    house.says("ready: 1 of 1 UPS on mains", 1);
    house.until("the default runlevel", |house| {
        house.inside("/run/openrc/softlevel").starts_with("default").then_some(())
    });
    Some(house)
}

#[test]
fn the_service_runs_under_openrc_itself() {
    let Some(mut house) = boot() else { return };
    assert!(house.must("rc-service upsentry status").contains("started"));
    assert!(
        house.run("rc-service upsentry check").said.contains("via command"),
        "{}",
        house.story()
    );
    house.must("kill -9 $(cat /run/upsentry.pid)");
    // Five seconds later.
    house.says("ready: ", 2);
    assert_eq!(house.processes("upsentry-mon").len(), 1, "{}", house.story());
    house.halts_at_low();
    house.must("rc-service upsentry stop");
    assert!(house.file("said").ends_with("upsentry: stopped\n"), "{}", house.story());
    assert!(house.processes("upsentry-mon").is_empty());
    assert_eq!(house.run("rc-service upsentry status").status, 3);
    house.must(": >/etc/upsentry.conf; ! rc-service upsentry start");
    house.must("cp /run/rig/upsentry.conf /etc/upsentry.conf; rc-service upsentry start");
    house.says("ready: ", 3);
}

/// The whole shutdown runlevel: the daemon ends before the network, the hook is run, and its word is followed.
#[test]
fn a_halt_stops_it_before_the_network_and_runs_the_kill_hook() {
    let Some(mut house) = boot() else { return };
    house.run("openrc-shutdown --poweroff now");
    house.until("the hook", |house| house.path("hook").exists().then_some(()));
    house.until("the reboot", |house| house.path("rebooted").exists().then_some(()));
    assert_eq!(house.file("before-net"), "upsentry: stopped\n", "{}", house.story());
}

/// OpenRC reboots through the same runlevel.
#[test]
fn a_reboot_cuts_nothing() {
    let Some(mut house) = boot() else { return };
    house.run("openrc-shutdown --reboot now");
    house.until("the last", |house| house.path("last").exists().then_some(()));
    assert!(!house.path("hook").exists(), "{}", house.story());
}

#[test]
fn the_scripts_are_clean() {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        return skip("needs shellcheck");
    }
    let scripts = ["upsentry", "upsentry-kill"];
    let checked = Command::new("shellcheck")
        // Variables that openrc-run reads.
        .args(["-s", "sh", "-e", "SC2034"])
        .args(scripts.map(|name| format!("{}/packaging/openrc/{name}", env!("CARGO_MANIFEST_DIR"))))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
