//! Other ways into a halt, and what the last act makes of each.

use crate::common::DAEMON;
use crate::common::guest::between;
use crate::common::sim::{Rig, Setup};
use crate::common::whole::{BATTERY, LOW, MAINS, WHILE, Whole};
use crate::{QUICK, SOON, all, configure};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// A machine that is too hot, say: one that came back by itself would be halted again, for ever.
#[test]
fn halted_by_a_rule() {
    let Some(mut machine) = Whole::boot("a rule, on mains") else { return };
    configure(&mut machine, &format!("{QUICK}rule hot: if ups.status has OL for 3s then shutdown"));
    machine.hears("Switching to runlevel: 0", WHILE);
    machine.hears("this halt is a rule's", WHILE);
    machine.hears("not sent; power off", WHILE);
    machine.off();
    machine.no_kill_signal();
}

/// What a rule does on battery is an outage's: the machine must come back.
#[test]
fn halted_by_a_rule_on_battery() {
    if !all() {
        return;
    }
    let Some(mut machine) = Whole::boot("a rule, on battery") else { return };
    configure(
        &mut machine,
        &format!("{QUICK}rule long: if ups.status has OB for 3s then shutdown"),
    );
    machine.plug(BATTERY, "the plug is pulled");
    machine.hears("Switching to runlevel: 0", WHILE);
    machine.hears("this halt is an outage's", WHILE);
    machine.kill_signal(Duration::from_secs(2), WHILE);
    machine.stays(Duration::from_secs(2), "the machine is halted, and on");
    machine.load_cut();
}

/// Somebody halts a machine that is on battery: as in an outage, once its slaves were waited for; and one was not there.
#[test]
fn halted_by_hand_on_battery_before_the_slaves() {
    if !all() {
        return;
    }
    let Some(mut machine) = Whole::boot("halted by hand, on battery") else { return };
    configure(&mut machine, &format!("{QUICK}slave 10.0.2.2\nslave-wait 3s"));
    machine.plug(BATTERY, "the plug is pulled");
    machine.hears("upsentry.power: on battery", SOON);
    machine.must("shutdown -h -P now");
    machine.hears("Switching to runlevel: 0", WHILE);
    machine.hears("not sent: some slave did not say goodbye", WHILE);
    machine.stays(Duration::from_secs(5), "the machine is halted, and on");
    machine.no_kill_signal();
    machine.turn(MAINS, "mains is back");
    machine.reboots(WHILE);
}

#[test]
fn halted_by_hand_on_battery() {
    if !all() {
        return;
    }
    let Some(mut machine) = Whole::boot("halted by hand, on battery") else { return };
    configure(&mut machine, QUICK);
    machine.plug(BATTERY, "the plug is pulled");
    machine.hears("upsentry.power: on battery", SOON);
    machine.must("shutdown -h -P now");
    machine.kill_signal(Duration::from_secs(2), WHILE);
    machine.stays(Duration::from_secs(2), "the machine is halted, and on");
    machine.load_cut();
}

/// Other ways to init than its FIFO.
#[test]
fn told_by_signal_and_by_command() {
    if !all() {
        return;
    }
    for (via, script) in
        [("via signal\n", true), ("via command\nhalt /sbin/shutdown -h -P now\n", false)]
    {
        let Some(mut machine) = Whole::boot("another way to init") else { return };
        configure(&mut machine, &format!("{QUICK}{via}"));
        machine.plug(BATTERY, "the plug is pulled");
        if script {
            machine.hears("upsentry.power: on battery", SOON);
        }
        machine.hears("on battery; init told", SOON);
        machine.turn(MAINS, "mains is back");
        machine.hears("mains on; init told", SOON);
        machine.plug(BATTERY, "the plug is pulled again");
        machine.turn(LOW, "the battery is low");
        machine.hears("Switching to runlevel: 0", WHILE);
        machine.hears("this halt is an outage's", WHILE);
        machine.kill_signal(Duration::from_secs(2), WHILE);
        machine.load_cut();
    }
}

/// A master on this machine, on a simulated UPS, for a slave in QEMU. Its init is the simulator.
fn master() -> (Rig, u16) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let setup = Setup::new().port("a", &MAINS.replace(' ', ","));
    let key = setup.path("key");
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let path = |name: &str| setup.path(name).display().to_string();
    let files = [
        "initctl",
        "chroot",
        "state-file",
        "pid-file",
        "history-file",
        "status-socket",
        "key-file",
    ];
    let names = ["initctl", "empty", "state", "pid", "history", "status", "key"];
    let files: String =
        files.iter().zip(names).map(|(word, name)| format!("{word} {}\n", path(name))).collect();
    let text = format!(
        "via initctl\nuser 64998\nnotifier-user 64999\n{files}listen 127.0.0.1\nport {port}\nslave-wait 1s\n\
         watch {}\nmodel power99\nsettle 300ms\nlow-after 0s\n",
        path("a")
    );
    let conf = setup.write("conf", &text);
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o600)).unwrap();
    let conf = conf.display().to_string();
    (setup.start(DAEMON, &["-f", "--log", "stderr", "-c", conf.as_str()]), port)
}

#[test]
fn a_slave_goes_down_and_comes_back() {
    let Some(mut machine) = Whole::boot("a slave") else { return };
    let (master, port) = master();
    machine.must(
        "head -c 32 /dev/zero | tr '\\0' '\\7' >/etc/upsentry.key; chmod 600 /etc/upsentry.key",
    );
    machine.must(&format!(
        "printf '%s\\n' 'watch 10.0.2.2' 'port {port}' 'key-file /etc/upsentry.key' 'deadtime 3s' 'kill-wait 5s' 'slave-wait 4s' >/etc/upsentry.conf"
    ));
    machine.story_of("configured as a slave");
    machine.must("service upsentry restart");
    machine.hears("ready: 1 of 1 UPS on mains", SOON);
    machine.story_of("the master's plug is pulled");
    master.command(&format!("set a {BATTERY}"));
    machine.hears("upsentry.power: on battery", SOON);
    master.command(&format!("set a {LOW}"));
    machine.hears("the battery is low: this machine shuts down now", SOON);
    machine.hears("Switching to runlevel: 0", WHILE);
    let hook = machine.hears("no line to read here", WHILE);
    let reset = machine.reboots(WHILE);
    assert!(between(hook, reset) >= Duration::from_secs(8), "{}", machine.story());
    machine.no_kill_signal();
}
