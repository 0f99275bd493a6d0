//! A server whose name has two addresses: it is found on each of them.

use crate::common::DAEMON;
use crate::common::nut::{Nut, PASSWORD, Process, USER, need_nut};
use crate::common::sim::Setup;
use crate::rig::Daemon;
use crate::{alone, conf};
use std::fs;
use std::net::TcpListener;

const FIRST: &str = "127.0.0.8";
const SECOND: &str = "127.0.0.9";

/// upsd on this address only.
fn upsd(nut: &Nut, address: &str) -> Process {
    let state = nut.state().display().to_string();
    let text = format!("LISTEN {address} {}\nSTATEPATH {state}\n", nut.port());
    fs::write(nut.path("upsd.conf"), text).expect("upsd.conf");
    let upsd = nut.upsd();
    upsd.says("Connected to UPS [dummy]");
    upsd
}

/// Somebody takes connections there and says nothing; or nobody does.
fn nobody(nut: &Nut, address: &str, silent: bool) -> Option<TcpListener> {
    silent.then(|| TcpListener::bind((address, nut.port())).expect("an address of loopback"))
}

/// The daemon, with an /etc/hosts of its own.
fn watching(nut: &Nut) -> Daemon {
    let setup = Setup::new();
    let hosts = setup.write("hosts", &format!("{FIRST} ups.example\n{SECOND} ups.example\n"));
    let names = setup.write("nsswitch.conf", "hosts: files\n");
    let multi = setup.write("host.conf", "multi on\n");
    let lines =
        format!("watch nut://{USER}@ups.example:{}/dummy\npassword {PASSWORD}\n", nut.port());
    let conf = conf(&setup, nut, &alone("", &lines));
    let mounts: String = [("hosts", hosts), ("nsswitch.conf", names), ("host.conf", multi)]
        .iter()
        .map(|(name, path)| format!("mount --bind {} /etc/{name} && ", path.display()))
        .collect();
    let script = format!("{mounts}exec {DAEMON} -c {} -f --log stderr", conf.display());
    Daemon { rig: setup.start("unshare", &["--mount", "sh", "-c", &script]) }
}

/// Whichever is tried first: at the start the one, after the move the other is where it is not.
///
/// Seen to fail with `tried_address` always 0.
#[test]
fn a_server_is_found_on_each_of_its_addresses() {
    if !need_nut() {
        return;
    }
    for silent in [false, true] {
        let nut = Nut::new(&["dummy"]);
        let _driver = nut.driver("dummy");
        let mut running = upsd(&nut, SECOND);
        let away = nobody(&nut, FIRST, silent);
        let mut daemon = watching(&nut);
        daemon.says("ups: on mains");
        nut.set("dummy", "OB");
        daemon.told(1, "powerfail");
        nut.set("dummy", "OL");
        daemon.told(2, "powerok");
        let lost = daemon.rig.stderr().matches("contact lost").count();
        running.kill();
        drop(away);
        let _away = nobody(&nut, SECOND, silent);
        daemon.says_times("contact lost", lost + 1);
        let _running = upsd(&nut, FIRST);
        daemon.says_times("contact restored", 1);
        nut.set("dummy", "OB");
        daemon.told(3, "powerfail");
    }
}
