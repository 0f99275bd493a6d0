//! ups.conf, as far as it is asked; passwd and group.

use super::*;
use crate::config::accounts;
use crate::config::drivers::{Drivers, Wanted, find};

const CONF: &str = "statepath = /var/lib/nut\n[rack]\ndriver = usbhid-ups\nport = auto\n[Old]\n  driver = \"genericups\"\n[bare]\nport = auto\n";

fn ask(text: &str, names: &[&str]) -> Result<Drivers, String> {
    let wanted = |(name, line): (&&str, usize)| Wanted { name: (*name).to_owned(), line };
    let wanted: Vec<Wanted> = names.iter().zip(3..).map(wanted).collect();
    find(Path::new("/etc/nut/ups.conf"), (text.as_bytes(), 0o640), Path::new(FILE), &wanted)
}

#[test]
fn what_is_found() {
    let found = ask(CONF, &["old", "rack"]).unwrap();
    // As ups.conf has it: the socket is called so.
    let expected = [("Old", "genericups"), ("rack", "usbhid-ups")];
    let expected = expected.map(|(name, driver)| (name.to_owned(), driver.to_owned()));
    assert_eq!(found.found, expected);
    assert_eq!(found.state_path.as_deref(), Some(Path::new("/var/lib/nut")));
    assert_eq!(found.driver_path, None);
    let mut config = good(
        "need 1\nups a\nwatch driver:old\nups b\nwatch ttyS0\nmodel power99\nups c\nwatch driver:rack\n",
    );
    assert_eq!(config.wanted_drivers().len(), 2);
    config.take_drivers(found, &|path| path == Path::new("/usr/lib/nut/usbhid-ups"));
    let shown: Vec<String> = config.ups.iter().map(|ups| ups.watch.to_string()).collect();
    assert_eq!(shown, ["driver:Old", "/dev/ttyS0", "driver:rack"]);
    let Watch::Driver(driver) = &config.ups[2].watch else { panic!() };
    assert_eq!(driver.socket().as_deref(), Some("usbhid-ups-rack"));
    assert_eq!(config.state_path, Path::new("/var/lib/nut"));
    // By what is there, unless something was written.
    assert!(config.ups[0].kill_command.is_empty());
    assert_eq!(config.ups[2].kill_command, ["/usr/lib/nut/usbhid-ups", "-a", "rack", "-k"]);
    let found = ask("driverpath=/opt\n[u]\ndriver=x\n", &["u"]).unwrap();
    let mut own = good("watch driver:u\n");
    own.take_drivers(found.clone(), &|_| true);
    assert_eq!(own.ups[0].kill_command.first().map(String::as_str), Some("/opt/x"));
    let mut own = good("watch driver:u\nkill-command /bin/cut\n");
    own.take_drivers(found, &|_| true);
    assert_eq!(own.ups[0].kill_command, ["/bin/cut"]);
    let (run, state) = ("/run/nut", "/var/state/ups");
    for (there, expected) in
        [(&[run, state][..], run), (&[run], run), (&[state], state), (&[], run)]
    {
        let found = ask("[rack]\ndriver=x\n", &["rack"]).unwrap();
        config.take_drivers(found, &|path| there.iter().any(|one| path == Path::new(one)));
        assert_eq!(config.state_path, Path::new(expected));
    }
}

#[test]
fn what_is_missing() {
    let long = "x".repeat(100);
    for (text, names, expected) in [
        (
            CONF,
            &["rock", "bare"][..],
            "/etc/nut/ups.conf: no [rock], which t.conf:3 watches; there are rack, Old, bare (did you mean `rack'?)\n\
             /etc/nut/ups.conf:7: [bare] has no `driver'\n\
             2 errors; nothing was started",
        ),
        (
            "",
            &["a"],
            "/etc/nut/ups.conf: no [a], which t.conf:3 watches; it has no sections at all\n1 error; nothing was started",
        ),
        (
            "[a]\ndriver=../x\n",
            &["a"],
            "/etc/nut/ups.conf:1: [a] has a `driver' with a `/' in its name\n1 error; nothing was started",
        ),
        (
            &format!("[a]\ndriver={long}xx\n"),
            &["a"],
            "/etc/nut/ups.conf:1: [a] and its `driver' are too long for the name of a socket\n1 error; nothing was started",
        ),
        (
            "statepath = nut\n[a]\ndriver=x\n",
            &["a"],
            "/etc/nut/ups.conf: `statepath' is not an absolute path of at most 255 bytes\n1 error; nothing was started",
        ),
    ] {
        assert_eq!(ask(text, names).unwrap_err(), expected);
    }
    assert!(ask(&format!("[a]\ndriver={long}\n"), &["a"]).is_ok());
}

#[test]
fn who_our_processes_run_as() {
    let passwd = b"root:x:0:0::/:\nbroken\n_upsentry:x:101:102::/:\n_upsentryd:x:103:104::/:\nsame:x:101:9::/:\nrooty:x:7:0::/:\n";
    let users = |text: &str| accounts::users(passwd, &good(&format!("{BASE}{text}")));
    let found = users("").unwrap();
    assert_eq!((found.monitor.uid, found.monitor.gid), (101, 102));
    assert_eq!((found.notifier.uid, found.notifier.gid), (103, 104));
    // A number needs no entry, and has that one's group where there is one.
    let found = users("user 5000\nnotifier-user 103\n").unwrap();
    assert_eq!((found.monitor.uid, found.monitor.gid), (5000, 5000));
    assert_eq!((found.notifier.uid, found.notifier.gid), (103, 104));
    for (text, expected) in [
        (
            "user nobody-here\n",
            "user nobody-here: no such user; make it with\n    useradd --system",
        ),
        ("notifier-user same\n", "are the same uid 101"),
        ("notify-command /bin/x\nnotify-user 103\n", "is the monitor's or the parent's uid 103"),
        ("notify-command /bin/x\nnotify-user 101\n", "is the monitor's or the parent's uid 101"),
        ("notify-command /bin/x\n", "notify-user _upsentryn: no such user; make it with"),
        ("user rooty\n", "user rooty: is root or in root's group"),
    ] {
        let error = users(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(accounts::name(b"adm:x:4:a,b\n", 4).as_deref(), Some("adm"));
    assert_eq!(accounts::name(b"adm:x:4:a,b\n", 5), None);
    let group = |spec| accounts::group(b"adm:x:4:a,b\nbad:x:y:\n", &spec);
    assert_eq!(group(GroupSpec::Name("adm".to_owned())), Ok(4));
    assert_eq!(group(GroupSpec::Id(77)), Ok(77));
    assert!(
        group(GroupSpec::Name("bad".to_owned())).unwrap_err().contains("groupadd --system bad")
    );
}

proptest::proptest! {
    /// Whatever ups.conf says: nothing panics, and what is shown of it can be shown.
    #[test]
    fn any_ups_conf_is_survived(
        text in "(\\[\\PC{0,9}\\]|driver *= *\\PC{0,9}|statepath=\\PC{0,9}|[\\x00-\\x20]|\\PC|\"|#){0,40}",
    ) {
        for text in [text.clone(), format!("[u]\ndriver=x\nport=y\n{text}")] {
            let shown = match ask(&text, &["u"]) {
                Ok(found) => {
                    assert!(found.state_path.is_none_or(|path| path.is_absolute()));
                    let (name, program) = &found.found[0];
                    assert!(name.eq_ignore_ascii_case("u") && !program.contains('/'));
                    found.warnings.join("\n")
                }
                Err(wrong) => wrong,
            };
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        }
    }
}
