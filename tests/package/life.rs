//! From install to purge.

use crate::common::debian::{CONFIG, Debian, build};
use crate::installed;
use std::path::Path;

/// All that a package could leave: files with their modes, owners and contents, users, diversions, alternatives. Not dpkg's own
/// notes, and not the copies that the tools for users make.
const LISTING: &str = r#"
cd /
find etc usr var run -xdev \( -path run/rig -o -path run/lock -o -path var/lib/dpkg -o -path var/log \
    -o -path var/cache -o -path run/adduser -o -name .depend.\* -o -name passwd- -o -name group- -o -name shadow- -o -name gshadow- \) -prune \
    -o -printf '%p %M %u %g %l\n' | grep -v -e '^run/\(initctl\|utmp\|runlevel\|shutdown\)' -e '^run .*' | sort
find etc -type f ! -name .depend.\* ! -name \*- -exec md5sum {} + | sort -k 2
dpkg-divert --list
"#;

#[test]
fn nothing_is_watched_before_it_is_configured() {
    let Some(mut rig) = Debian::boot("") else { return };
    rig.must("dpkg -i /run/rig/upsentry.deb");
    assert!(rig.text("/etc/inittab").contains("\nue:0123456:respawn:/usr/sbin/upsentry -f\n"));
    assert_eq!(rig.must("stat -c '%a %U' /etc/upsentry.conf"), "600 root\n");
    rig.must("getent passwd _upsentry && getent group _upsentry");
    rig.must("getent passwd _upsentryd && getent group _upsentryd");
    // Init has started it, and it waits.
    rig.until("upsentry", |rig| (!rig.ours().is_empty()).then_some(()));
    let ran = rig.run("service upsentry status");
    assert_eq!(ran.status, 3, "{}", ran.said);
    assert!(ran.said.contains("not configured"), "{}", ran.said);
    assert_eq!(rig.state(), "");
    // Three lines later it watches.
    rig.must(&format!("cat >>/etc/upsentry.conf <<'END'\n{CONFIG}END\nservice upsentry start"));
    rig.expect_state("OK");
    rig.must("service upsentry status");
    let uid = |rig: &mut Debian, name: &str| -> u32 {
        rig.must(&format!("id -u {name}")).trim().parse().unwrap()
    };
    let (monitor, parent) = (uid(&mut rig, "_upsentry"), uid(&mut rig, "_upsentryd"));
    rig.until("users of its own", |rig| {
        let all = rig.ours();
        let of = |name: &str| Some(all.iter().find(|process| process.name == name)?.uids()[0]);
        (of("upsentry") == Some(parent) && of("upsentry-mon") == Some(monitor)).then_some(())
    });
}

#[test]
fn a_purge_leaves_nothing() {
    let Some(mut rig) = Debian::boot("") else { return };
    let before = rig.must(LISTING);
    assert!(before.contains("etc/inittab "), "{before}");
    rig.must("dpkg -i /run/rig/upsentry.deb");
    rig.must(&format!("cat >>/etc/upsentry.conf <<'END'\n{CONFIG}END\nservice upsentry start"));
    rig.expect_state("OK");
    rig.lines("cts=0");
    rig.expect_state("FAIL");
    rig.lines("cts=1");
    rig.expect_state("OK");
    rig.must("upsentry keygen");
    rig.until("a history", |rig| (!rig.text("/var/lib/upsentry/history").is_empty()).then_some(()));
    rig.must("echo SHUTDOWN_AFTER=1h >>/etc/default/upsentry");
    assert_ne!(rig.must(LISTING), before);
    rig.must("dpkg -r upsentry");
    rig.until("the end of all", |rig| rig.ours().is_empty().then_some(()));
    // What the administrator wrote is there until the purge; what would run is not.
    assert!(rig.text("/etc/upsentry.conf").contains("\nwatch /run/rig/ups\n"));
    assert!(!rig.text("/etc/inittab").contains("upsentry"));
    rig.must("test ! -e /etc/init.d/powerfail");
    rig.must("/etc/init.d/ups-monitor poweroff && /etc/init.d/upsentry stop; true");
    rig.must("dpkg -P upsentry");
    let after = rig.must(LISTING);
    let new: Vec<_> = after.lines().filter(|line| !before.contains(line)).collect();
    let lost: Vec<_> = before.lines().filter(|line| !after.contains(line)).collect();
    assert!(new.is_empty() && lost.is_empty(), "new: {new:#?}\nlost: {lost:#?}");
    let users = rig.must("getent passwd; getent group");
    assert!(!users.contains("upsentry"), "{users}");
}

/// Removed and installed again it is what it was: the configuration is the administrator's.
#[test]
fn it_comes_back_as_it_was() {
    let Some(mut rig) = installed() else { return };
    rig.expect_state("OK");
    rig.must("dpkg -r upsentry && dpkg -i /run/rig/upsentry.deb");
    rig.expect_state("OK");
    assert_eq!(rig.text("/etc/inittab").matches("upsentry -f").count(), 1);
}

#[test]
fn an_upgrade_changes_the_program_and_nothing_else() {
    let Some(mut rig) = installed() else { return };
    let newer = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deb-newer");
    let Some(newer) = build(&newer, "0.1.1") else { return };
    std::fs::copy(newer, rig.outside("newer.deb")).unwrap();
    rig.expect_state("OK");
    rig.must("echo '# mine' >>/etc/default/upsentry");
    let files = "cd /etc; md5sum upsentry.conf default/upsentry inittab passwd group; stat -c %a upsentry.conf";
    let before = rig.must(files);
    let pid = rig.text("/run/upsentry.pid");
    rig.must("dpkg -i /run/rig/newer.deb");
    assert_eq!(rig.must(files), before);
    rig.until("another daemon", |rig| {
        let new = rig.text("/run/upsentry.pid");
        (!new.is_empty() && new != pid).then_some(())
    });
    rig.expect_state("OK");
    // Who takes the line out of force, or the file away, has it so after an upgrade.
    rig.must(
        "sed -i 's/^ue:/#&/' /etc/inittab; telinit q; service upsentry stop; rm /etc/upsentry.conf",
    );
    let before = rig.must("cat /etc/inittab");
    rig.must("dpkg -i /run/rig/upsentry.deb");
    assert_eq!(rig.must("cat /etc/inittab"), before);
    rig.must("test ! -e /etc/upsentry.conf");
}

/// The scripts read two files where they are by default.
#[test]
fn check_says_that_scripts_look_elsewhere() {
    let Some(mut rig) = installed() else { return };
    assert!(!rig.run("upsentry check").said.contains("upsentry.power and"));
    rig.must("printf 'state-file /run/other.state\\npid-file /run/other.pid\\n' >/run/more; cat /etc/upsentry.conf >>/run/more; chmod 600 /run/more");
    let said = rig.run("upsentry check -c /run/more").said;
    for words in [
        "/run/other.state: warning: `state-file': upsentry.power and /etc/init.d/upsentry read /run/upsentry.state",
        "/run/other.pid: warning: `pid-file': upsentry.power and /etc/init.d/upsentry read /run/upsentry.pid",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

/// An inittab as people leave it: no end of the last line, and our marks tidied up.
#[test]
fn an_inittab_is_left_as_it_was() {
    let prepare = "printf 'x9:2:off:/bin/true' >>/etc/inittab\ncp /etc/inittab /run/rig/tab\n\
                   dpkg -i /run/rig/upsentry.deb\nsed -i '/^#-- upsentry end/d' /etc/inittab\n\
                   echo 'x8:2:off:/bin/true' >>/etc/inittab\n";
    let Some(mut rig) = Debian::boot(prepare) else { return };
    let tab = rig.text("/etc/inittab");
    assert!(tab.contains("\nx9:2:off:/bin/true\n"), "{tab}");
    rig.must("dpkg -r upsentry");
    let before = std::fs::read_to_string(rig.outside("tab")).unwrap();
    assert_eq!(rig.text("/etc/inittab"), format!("{before}\nx8:2:off:/bin/true\n"));
}

/// Installed where powstatd was, with nothing said to it.
#[test]
fn a_powstatd_conf_stays_in_force() {
    let prepare = format!(
        "cat >/etc/powstatd.conf <<'END'\n{CONFIG}END\nchmod 600 /etc/powstatd.conf\ndpkg -i /run/rig/upsentry.deb\n"
    );
    let Some(mut rig) = Debian::boot(&prepare) else { return };
    rig.expect_state("OK");
    rig.must("test ! -e /etc/upsentry.conf");
    rig.lines("cts=0");
    rig.expect_state("FAIL");
    // An upgrade is not the first install either.
    rig.must("dpkg -i /run/rig/upsentry.deb && test ! -e /etc/upsentry.conf");
}

/// An id of the inittab's that is somebody else's, and a /etc/init.d/powerfail that is.
#[test]
fn what_is_somebody_s_stays_his() {
    let prepare = "sed -i '/^ue:/d; $aue:2:once:/bin/true' /etc/inittab\n\
                   printf '#!/bin/sh\\n# mine\\n' >/etc/init.d/powerfail\nchmod 755 /etc/init.d/powerfail\n\
                   cp /etc/init.d/powerfail /root/powerfail\n";
    let Some(mut rig) = Debian::boot(prepare) else { return };
    let tab = rig.text("/etc/inittab");
    rig.must("dpkg -i /run/rig/upsentry.deb");
    let text = rig.text("/etc/inittab");
    assert!(text.starts_with(&tab), "{text}");
    assert!(text.contains("\nu1:0123456:respawn:/usr/sbin/upsentry -f\n"), "{text}");
    rig.must("cmp /etc/init.d/powerfail /root/powerfail");
    rig.must("dpkg -P upsentry && cmp /etc/init.d/powerfail /root/powerfail");
    assert_eq!(rig.text("/etc/inittab"), tab);
}
