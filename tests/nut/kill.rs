//! `upsentry -k` after an outage that NUT has seen: the driver's own program, Debian's, cuts the load.

use crate::common::DAEMON;
use crate::common::nut::{Generic, Nut, OWNER, need_nut};
use crate::common::sim::{Kind, Setup};
use crate::driver::running;
use crate::rig::{Daemon, LONG, shell};
use crate::{Source, alone, conf};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

/// genericups and the daemon on one port of the simulator, which `-k` can drive too; below a shell.
struct Machine {
    daemon: Daemon,
    nut: Nut,
    run: String,
}

impl Machine {
    fn start() -> Self {
        let nut = Nut::new(&[]);
        let home = Generic::path();
        let home = home.parent().expect("the directory of drivers").display();
        // Debian's would become `nut`, which need not be there.
        nut.global(&format!("driverpath = {home}\nuser = root\n"));
        let setup = Setup::new().port("g", "cts=1,dcd=1");
        let tty = setup.tty("g").display().to_string();
        let text = format!("driver = genericups\nport = {tty}\nupstype = 7\npollinterval = 1\n");
        nut.section("generic", &text);
        let watch = Source::Driver.watch(&nut, "generic");
        let conf = conf(&setup, &nut, &alone("", &watch));
        let etc = setup.path("etc");
        fs::create_dir_all(etc.join("nut")).expect("a directory");
        fs::copy(nut.ups_conf(), etc.join("nut/ups.conf")).expect("ups.conf");
        for name in ["passwd", "group", "nsswitch.conf"] {
            // Some need not be there.
            let _ = fs::copy(Path::new("/etc").join(name), etc.join(name));
        }
        let (mut daemon, run) = shell(setup, &conf);
        let words: Vec<String> =
            Generic::command(&nut, "generic").iter().map(|word| format!("'{word}'")).collect();
        daemon.rig.input(&format!("chown {OWNER} {tty}; {} >&2 &", words.join(" ")));
        Generic::wait(&nut, "generic", &daemon.rig);
        let mut machine = Self { daemon, nut, run };
        machine.run();
        machine
    }

    /// Runs the daemon until it knows the mains to be on.
    fn run(&mut self) {
        self.daemon.rig.input(&format!("{{ {}; }} &", self.run));
        self.daemon.says("ups: on mains");
    }

    /// As a halt does it: the daemon ends, then the driver, then the load is cut. NUT's `ups.conf` is where it is on
    /// a machine with NUT. The status of `-k`, and whether the kill line was driven.
    fn halt(&mut self) -> (i32, bool) {
        self.daemon.stop(1);
        let driver = self.daemon.process("genericups").expect("the driver");
        let rig = &mut self.daemon.rig;
        rig.input(&format!(
            "kill {driver}; while kill -0 {driver}; do sleep 0.05; done 2>/dev/null"
        ));
        let dir = rig.setup().path("");
        let (conf, etc) = (dir.join("conf"), dir.join("etc"));
        rig.command("mark halt");
        rig.input(&format!(
            "unshare --mount sh -c 'mount --bind {} /etc; exec {DAEMON} -c {} -k'; echo code $? >&2",
            etc.display(),
            conf.display()
        ));
        let end = Instant::now() + 2 * LONG;
        while !rig.stderr().contains("code ") {
            assert!(Instant::now() < end, "{}{}", rig.stdout(), rig.stderr());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let said = rig.stderr();
        let code = said.rsplit("code ").next().and_then(|rest| rest.trim().parse().ok());
        // Opening the port raises both for a moment.
        let log = rig.log().iter().skip_while(|event| !event.is("mark halt"));
        let driven = log.into_iter().any(|event| {
            matches!(&event.kind, Kind::Out { dtr: true, rts: false, by, .. } if by != "open")
        });
        (code.unwrap_or_else(|| panic!("{said}")), driven)
    }
}

/// Seen to fail without `-k` among the words that the driver's program is run with.
#[test]
fn genericups_cuts_the_load_after_an_outage() {
    if !need_nut() {
        return;
    }
    let mut machine = Machine::start();
    machine.daemon.set("set g cts=0");
    machine.daemon.told(1, "powerfail");
    machine.daemon.set("set g dcd=0");
    machine.daemon.told(2, "powerfailnow");
    let (code, driven) = machine.halt();
    let story = format!("{}\n{}", machine.daemon.rig.stdout(), machine.daemon.all());
    assert!(code == 0 && driven, "{code} {driven} {story}");
    assert!(machine.daemon.rig.stdout().contains("genericups -a generic -k"), "{story}");
    drop(machine.nut);
}

/// And not when the mains is back.
#[test]
fn genericups_is_not_run_on_mains() {
    if !need_nut() {
        return;
    }
    let mut machine = Machine::start();
    machine.daemon.set("set g cts=0");
    machine.daemon.told(1, "powerfail");
    machine.daemon.set("set g cts=1");
    machine.daemon.told(2, "powerok");
    let (code, driven) = machine.halt();
    assert!(code == 3 && !driven, "{code} {driven} {}", machine.daemon.all());
    assert!(machine.daemon.rig.stdout().contains("not sent"), "{}", machine.daemon.rig.stdout());
}

/// A server's UPS has no command of its own: what is written is run, after an outage only.
#[test]
fn a_command_is_run_for_the_ups_of_a_server() {
    if !need_nut() {
        return;
    }
    for (status, written, code) in
        [("OB", true, 0), ("OB", false, 3), ("OL", true, 3), ("OB LB", true, 0)]
    {
        let nut = Nut::new(&["dummy"]);
        let _running = running(Source::Server, &nut);
        let setup = Setup::new();
        let program = setup.write("cut", "#!/bin/sh\necho \"$1\" >\"${0%/*}/sent\"\n");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
        let mut lines = Source::Server.watch(&nut, "dummy");
        if written {
            lines.push_str(&format!("kill-command {} outlet-2\n", program.display()));
        }
        let conf = conf(&setup, &nut, &alone("", &lines));
        let (mut daemon, run) = shell(setup, &conf);
        daemon.rig.input(&format!("{{ {run}; }} &"));
        daemon.says("ups: on mains");
        if status != "OL" {
            nut.set("dummy", status);
            daemon.says(if status == "OB" { "ups: on battery" } else { "ups: LOW" });
            daemon.told(1, if status == "OB" { "powerfail" } else { "powerfailnow" });
        }
        daemon.stop(1);
        daemon.rig.input(&format!("{DAEMON} -c {} -k; echo code $? >&2", conf.display()));
        daemon.says(&format!("code {code}"));
        let sent = fs::read_to_string(daemon.rig.setup().path("sent")).ok();
        assert_eq!(sent.as_deref(), (code == 0).then_some("outlet-2\n"), "{}", daemon.all());
    }
}
