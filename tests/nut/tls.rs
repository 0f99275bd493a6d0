//! `watch nut+tls://…`: upsd's STARTTLS, and whom it is believed.

use crate::common::DAEMON;
use crate::common::nut::{Nut, PASSWORD, Process, need_nut};
use crate::common::nut_cert::Certificate;
use crate::common::sim::Setup;
use crate::rig::Daemon;
use crate::{alone, started, told_all};
use std::fs;
use std::time::Duration;

const HANDSHAKE: &str = "SSL handshake done successfully";

struct Served {
    nut: Nut,
    certificate: Certificate,
    _driver: Process,
    upsd: Process,
}

/// upsd with a certificate. It is not asked for anything: that upsd has spoken TLS is then our doing.
fn served() -> Served {
    let nut = Nut::new(&["dummy"]);
    let certificate = nut.secure();
    let driver = nut.driver("dummy");
    let upsd = nut.upsd();
    upsd.says("Connected to UPS [dummy]");
    Served { nut, certificate, _driver: driver, upsd }
}

fn trusting(nut: &Nut, trust: &str) -> Daemon {
    let lines = format!("watch nut+tls://{}\npassword {PASSWORD}\n{trust}\n", nut.address("dummy"));
    started(&alone("", &lines), nut)
}

/// It is seen, over TLS, and an outage is told.
fn works(trust: impl Fn(&Certificate) -> String) {
    if !need_nut() {
        return;
    }
    let served = served();
    let mut daemon = trusting(&served.nut, &trust(&served.certificate));
    daemon.says("ups: on mains");
    served.upsd.says(HANDSHAKE);
    served.upsd.says("logged into UPS [dummy] (SSL)");
    served.nut.set("dummy", "OB");
    daemon.told(1, "powerfail");
    served.nut.set("dummy", "OL");
    daemon.told(2, "powerok");
}

/// It is not seen, and no password was sent.
fn refused(trust: impl Fn(&Certificate) -> String, said: &str) {
    if !need_nut() {
        return;
    }
    let served = served();
    let mut daemon = trusting(&served.nut, &trust(&served.certificate));
    daemon.says("contact lost");
    daemon.says(said);
    daemon.tells_nothing(Duration::from_secs(2));
    assert!(!daemon.rig.stderr().contains("ups: on mains"), "{}", daemon.rig.stderr());
    let log = served.upsd.log();
    assert!(!log.contains("logged into") && !log.contains(HANDSHAKE), "{log}");
}

fn another() -> Certificate {
    let dir = std::env::temp_dir().join(format!(
        "upsnut-cert-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    Certificate::new(&dir)
}

#[test]
fn a_certificate_from_the_file_is_believed() {
    works(|certificate| format!("ca-file {}", certificate.pem().display()));
}

#[test]
fn a_pinned_key_is_believed() {
    works(|certificate| format!("tls-pin {}", certificate.pin()));
}

#[test]
fn both_together_are_believed() {
    works(|certificate| {
        format!("ca-file {}\ntls-pin {}", certificate.pem().display(), certificate.pin())
    });
}

#[test]
fn another_certificate_is_refused() {
    if !need_nut() {
        return;
    }
    let other = another();
    refused(|_| format!("ca-file {}", other.pem().display()), "ca-file");
    other.remove();
}

#[test]
fn another_key_is_refused() {
    refused(|_| format!("tls-pin {}", "5a".repeat(32)), "tls-pin");
}

/// The right name, from somebody who has made a certificate for it.
#[test]
fn the_right_certificate_with_another_pin_is_refused() {
    let pin = "0".repeat(64);
    refused(
        |certificate| format!("ca-file {}\ntls-pin {pin}", certificate.pem().display()),
        "tls-pin",
    );
}

/// What upsd says without a certificate, or somebody in between for it: no password goes out in clear.
#[test]
fn a_server_without_tls_is_refused() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, upsd) = Nut::served();
    let mut daemon = trusting(&nut, &format!("tls-pin {}", "5a".repeat(32)));
    daemon.says("contact lost");
    daemon.says("STARTTLS");
    daemon.tells_nothing(Duration::from_secs(2));
    assert!(!upsd.log().contains("logged into"), "{}", upsd.log());
    assert!(!daemon.rig.stderr().contains("ups: on mains"), "{}", daemon.rig.stderr());
}

/// A restart of upsd, with the same key: contact comes back.
#[test]
fn it_comes_back_over_tls() {
    if !need_nut() {
        return;
    }
    let mut served = served();
    let trust = format!("ca-file {}", served.certificate.pem().display());
    let mut daemon = trusting(&served.nut, &trust);
    daemon.says("ups: on mains");
    served.upsd.kill();
    daemon.says("ups: contact lost");
    let upsd = served.nut.upsd();
    daemon.says("ups: contact restored");
    upsd.says(HANDSHAKE);
    served.nut.set("dummy", "OB");
    told_all(&mut daemon, &["powerfail"]);
}

/// Somebody else answers in its place, in the middle of an outage: he is not believed, and that is to be blind on
/// battery.
///
/// Seen to fail with a client that believes any key.
#[test]
fn another_key_in_an_outage_is_blind_on_battery() {
    if !need_nut() {
        return;
    }
    for pinned in [true, false] {
        let mut served = served();
        let trust = match pinned {
            true => format!("tls-pin {}", served.certificate.pin()),
            false => format!("ca-file {}", served.certificate.pem().display()),
        };
        let watch = format!("watch nut+tls://{}\n", served.nut.address("dummy"));
        let lines = format!("{watch}password {PASSWORD}\n{trust}\n");
        let mut daemon = started(&alone("blind-after 2s\ndeadtime 15s\n", &lines), &served.nut);
        daemon.says("ups: on mains");
        served.nut.set("dummy", "OB");
        daemon.told(1, "powerfail");
        served.upsd.kill();
        let other = Certificate::new(&served.nut.path("another"));
        served.nut.server(&other.directives());
        let upsd = served.nut.upsd();
        // The mains is back, says the other one.
        served.nut.set("dummy", "OL");
        upsd.says("Connected to UPS [dummy]");
        daemon.says("ups: contact lost");
        told_all(&mut daemon, &["powerfail", "setenv", "runlevel"]);
        assert!(!upsd.log().contains("logged into"), "{}", upsd.log());
        let why = if pinned { "tls-pin" } else { "ca-file" };
        assert!(daemon.rig.stderr().contains(why), "{}", daemon.rig.stderr());
    }
}

/// What is wrong with the file is seen in the jail only, by a process that ends with it: said all the same.
///
/// Seen to fail where the parent did not read the last words of a warden that is gone.
#[test]
fn a_file_that_is_no_certificate_is_said() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let file = nut.path("no.pem");
    std::fs::write(&file, "not a certificate\n").expect("a file");
    let mut daemon = trusting(&nut, &format!("ca-file {}", file.display()));
    assert_eq!(daemon.rig.wait_exit(crate::rig::LONG), Some(1));
    let said = daemon.rig.stderr();
    assert!(said.contains("ups: ca-file: it holds no certificate in PEM"), "{said}");
    let end = "the warden is gone; ending";
    assert!(said.trim_end().ends_with(end), "{said}");
}

/// TLS is as large as all the rest: who does not use it has none of it in memory, and no line of it to audit.
#[test]
fn it_is_in_a_program_of_its_own() {
    // The label of every key of TLS 1.3.
    let speaks = |path: &str| {
        let program = fs::read(path).expect("a program");
        program.windows(6).any(|bytes| bytes == b"tls13 ")
    };
    assert!(!speaks(DAEMON));
    assert!(speaks(&format!("{DAEMON}-tls")));
    if !need_nut() {
        return;
    }
    let served = served();
    let trust = format!("tls-pin {}", served.certificate.pin());
    let daemon = trusting(&served.nut, &trust);
    daemon.says("ups: on mains");
    // By its name it is the daemon that everybody knows.
    for name in ["upsentry", "upsentry-warden", "upsentry-mon"] {
        let pid = daemon.process(name).expect("it runs");
        let program = fs::read_link(format!("/proc/{pid}/exe")).expect("its program");
        assert!(program.ends_with("upsentry-tls"), "{name}: {}", program.display());
    }
}

#[test]
fn without_that_program_the_start_says_what_is_missing() {
    if !need_nut() {
        return;
    }
    let (nut, setup) = (Nut::new(&["dummy"]), Setup::new());
    let alone = setup.path("upsentry");
    fs::copy(DAEMON, &alone).expect("a copy");
    let pin = "a".repeat(64);
    let lines =
        format!("watch nut+tls://{}\npassword {PASSWORD}\ntls-pin {pin}\n", nut.address("dummy"));
    let conf = crate::conf(&setup, &nut, &crate::alone("", &lines));
    let mut rig = setup.start(&alone, &["-c", conf.to_str().expect("a path"), "-f"]);
    assert_eq!(rig.wait_exit(Duration::from_secs(20)), Some(1));
    let said = rig.stderr();
    assert!(said.contains("upsentry-tls, which belongs beside this program: ENOENT"), "{said}");
}

/// Who started `upsentry` hears of the program that took its place.
#[test]
fn a_supervisor_hears_of_it() {
    if !need_nut() {
        return;
    }
    let served = served();
    let setup = Setup::new();
    let path = setup.path("supervisor");
    let supervisor = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    supervisor.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let trust = format!("tls-pin {}", served.certificate.pin());
    let watch = format!("watch nut+tls://{}\n", served.nut.address("dummy"));
    let lines = alone("", &format!("{watch}password {PASSWORD}\n{trust}\n"));
    let conf = crate::conf(&setup, &served.nut, &lines);
    let named = format!("NOTIFY_SOCKET={}", path.display());
    let words = [&named, "WATCHDOG_USEC=9000000", DAEMON, "-f", "-c", conf.to_str().expect("it")];
    let rig = setup.start("env", &words);
    let mut heard = String::new();
    while !(heard.contains("READY=1") && heard.contains("WATCHDOG=1")) {
        let mut bytes = [0; 512];
        let length =
            supervisor.recv(&mut bytes).unwrap_or_else(|_| panic!("{heard}{}", rig.stderr()));
        heard += &String::from_utf8_lossy(&bytes[..length]);
    }
}
