//! The rig of `tests/nut` alone, with nothing of upsentry's: NUT does by itself what those tests rely on.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

use common::init::SysvInit;
use common::nut::{GROUP, Generic, Nut, OWNER, need_nut};
use common::nut_fake::Fake;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

#[test]
fn upsc_sees_what_is_set_live() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    nut.set("dummy", "OB");
    nut.wait_status("dummy", "OB");
    nut.set_value("dummy", "battery.charge", "17");
    nut.set("dummy", "OB LB");
    nut.wait_status("dummy", "OB LB");
    assert_eq!(nut.upsc("dummy", "battery.charge").as_deref(), Some("17"));
}

/// As on Debian: who is not in the group does not reach the socket.
#[test]
fn a_socket_is_the_groups() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let _driver = nut.driver("dummy");
    for (path, mode) in [(nut.state(), 0o770), (nut.state().join("dummy-ups-dummy"), 0o660)] {
        let is = std::fs::metadata(&path).unwrap();
        assert_eq!((is.uid(), is.gid(), is.mode() & 0o7777), (OWNER, GROUP, mode), "{path:?}");
    }
}

#[test]
fn a_killed_driver_comes_back() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let mut driver = nut.driver("dummy");
    let mut upsd = nut.upsd();
    nut.set("dummy", "OB");
    nut.wait_status("dummy", "OB");
    driver.kill();
    assert!(!driver.runs());
    assert_eq!(nut.upsc("dummy", "ups.status"), None, "{}", nut.story());
    let _driver = nut.driver("dummy");
    nut.wait_status("dummy", "OL");
    upsd.kill();
    let _upsd = nut.upsd();
    nut.wait_status("dummy", "OL");
}

#[test]
fn genericups_reads_the_simulated_lines() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&[]);
    let generic = Generic::start(&nut, "generic");
    let _upsd = nut.upsd();
    nut.wait_status("generic", "OL");
    generic.lines("cts=0");
    nut.wait_status("generic", "OB");
    generic.lines("cts=0 dcd=0");
    nut.wait_status("generic", "LB OB");
}

/// Two real ones: the primary sees low, the secondary goes first.
#[test]
fn a_secondary_follows_its_primary() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let primary = nut.upsmon("dummy", "primary");
    let secondary = nut.upsmon("dummy", "secondary");
    assert!(!secondary.shut_down() && !primary.shut_down());
    nut.set("dummy", "OB LB");
    secondary.expect_shutdown();
    primary.expect_shutdown();
    assert_eq!(nut.upsc("dummy", "ups.status").as_deref(), Some("FSD OB LB"));
}

#[test]
fn a_secondary_follows_fsd_on_mains() {
    if !need_nut() {
        return;
    }
    let (nut, _driver, _upsd) = Nut::served();
    let secondary = nut.upsmon("dummy", "secondary");
    nut.force("dummy");
    secondary.expect_shutdown();
}

#[test]
fn upsd_speaks_tls_where_it_has_a_certificate() {
    if !need_nut() {
        return;
    }
    for secure in [true, false] {
        let nut = Nut::new(&["dummy"]);
        let pin = secure.then(|| nut.secure().pin());
        assert!(pin.is_none_or(|pin| pin.len() == 64));
        let _driver = nut.driver("dummy");
        let _upsd = nut.upsd();
        let mut stream = nut.connect();
        stream.write_all(b"STARTTLS\n").unwrap();
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        let wanted = if secure { "OK STARTTLS\n" } else { "ERR FEATURE-NOT-CONFIGURED\n" };
        assert_eq!(answer, wanted);
        drop(stream);
        // Its clients then use it.
        nut.wait_status("dummy", "OL");
        assert_eq!(nut.story().contains("SSL handshake done successfully"), secure);
    }
}

/// The liar of `tests/nut/hostile.rs` can also be honest.
#[test]
fn upsd_believes_a_socket_of_ours() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    let fake = Fake::new(&nut, "dummy", "OL");
    let _upsd = nut.upsd();
    fake.wait_asked(1);
    nut.wait_status("dummy", "OL");
    fake.status("OB");
    nut.wait_status("dummy", "OB");
    fake.hang_up();
    fake.wait_asked(2);
    nut.wait_status("dummy", "OL");
}

/// Behind a machine of its own: upsd and its clients are in that machine's network, the driver's socket is a file.
#[test]
fn upsd_runs_in_the_network_of_another_machine() {
    if !need_nut() {
        return;
    }
    let Some(mut rig) = SysvInit::boot("") else { return };
    assert_eq!(rig.run("ip link set lo up").status, 0, "{}", rig.story());
    let net = PathBuf::from(format!("/proc/{}/ns/net", rig.init().pid));
    let nut = Nut::new(&["dummy"]).inside(&net);
    let _driver = nut.driver("dummy");
    let _upsd = nut.upsd();
    nut.wait_status("dummy", "OL");
    assert!(TcpStream::connect(("127.0.0.1", nut.port())).is_err());
    let seen = rig.run(&format!("test -e {}", nut.state().join("dummy-ups-dummy").display()));
    assert_eq!(seen.status, 0, "{}", rig.story());
}

/// Where there is an openssl to ask: the pin is what others make of the certificate.
#[test]
fn a_pin_is_the_digest_of_the_public_key() {
    if !need_nut() {
        return;
    }
    let nut = Nut::new(&[]);
    let certificate = nut.secure();
    let line = format!(
        "openssl x509 -in {} -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -r",
        certificate.pem().display()
    );
    let asked = std::process::Command::new("sh").args(["-c", &line]).output().expect("a shell");
    if !asked.status.success() || asked.stdout.is_empty() {
        return common::skip("needs openssl");
    }
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert_eq!(said.split(' ').next(), Some(certificate.pin().as_str()));
}
