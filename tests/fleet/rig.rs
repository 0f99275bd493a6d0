//! A master with a simulated UPS, slaves, and somebody else on the wire.

use crate::attacker::Attacker;
use crate::common::DAEMON;
use crate::common::net::{Host, Wire};
use crate::common::sim::{Event, Rig, Setup};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// Long enough for anything that must come, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(15);
/// The port of master and slaves, as the configuration has it by default.
pub(crate) const PORT: u16 = upsentry::config::PORT;

/// How a fleet proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A key file.
    Key,
    /// A password.
    Password,
    /// Addresses only.
    Address,
}

/// What differs between tests.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) slaves: usize,
    pub(crate) proof: Proof,
    pub(crate) six: bool,
    /// More lines for the master's and each slave's configuration.
    pub(crate) master: String,
    pub(crate) slave: String,
}

impl Default for Plan {
    fn default() -> Plan {
        let none = String::new;
        Plan { slaves: 5, proof: Proof::Key, six: false, master: none(), slave: none() }
    }
}

/// The machines.
pub(crate) struct Fleet {
    pub(crate) master: Machine,
    pub(crate) slaves: Vec<Machine>,
    pub(crate) attacker: Attacker,
    pub(crate) wire: Wire,
}

/// A machine with the daemon.
pub(crate) struct Machine {
    pub(crate) host: Host,
    /// A shell under the simulator, which is told to run the daemon.
    pub(crate) rig: Rig,
    runs: String,
}

impl Fleet {
    /// Everything runs and knows the mains to be on.
    pub(crate) fn start(plan: &Plan) -> Fleet {
        let fleet = Fleet::unready(plan);
        for machine in fleet.slaves.iter().chain([&fleet.master]) {
            machine.says("ups: on mains");
        }
        fleet
    }

    /// Everything was started.
    pub(crate) fn unready(plan: &Plan) -> Fleet {
        let mut wire = Wire::new();
        let host = wire.host();
        let slaves: Vec<Host> = (0..plan.slaves).map(|_| wire.host()).collect();
        let attacker = Attacker::on(&wire.host());
        let setup = Setup::new().inside(host.path()).port("a", "cts=1,dcd=1");
        let tty = setup.tty("a").display().to_string();
        let listed: String =
            slaves.iter().map(|one| format!("slave {}\n", at(one, plan))).collect();
        let text = format!("watch {tty}\nmodel power99\nsettle 300ms\n{listed}{}", plan.master);
        let master = Machine::start(host.clone(), setup, &text, plan);
        let slaves = slaves.iter().map(|slave| Machine::slave(slave, &host, plan));
        Fleet { slaves: slaves.collect(), master, attacker, wire }
    }

    /// Moves the UPS's lines.
    pub(crate) fn ups(&self, lines: &str) {
        self.master.rig.command(&format!("set a {lines}"));
    }

    /// The newest request that every init, the slaves' too, has read as the `count`th is this.
    pub(crate) fn all_told(&mut self, count: usize, name: &str) {
        self.master.told(count, name);
        for slave in &mut self.slaves {
            slave.told(count, name);
        }
    }
}

fn at(host: &Host, plan: &Plan) -> String {
    if plan.six { host.six().to_string() } else { host.four().to_string() }
}

impl Machine {
    /// A slave on this host.
    pub(crate) fn slave(host: &Host, master: &Host, plan: &Plan) -> Machine {
        let deadtime = if plan.slave.contains("deadtime") { "" } else { "deadtime 3s\n" };
        let text = format!("watch {}\n{deadtime}{}", at(master, plan), plan.slave);
        Machine::start(host.clone(), Setup::new().inside(host.path()), &text, plan)
    }

    fn start(host: Host, setup: Setup, text: &str, plan: &Plan) -> Machine {
        let path = |name| setup.path(name).display().to_string();
        let proof = match plan.proof {
            Proof::Key => {
                let file = setup.path("key");
                fs::write(&file, [7; 32]).expect("a key");
                fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode");
                format!("key-file {}\n", file.display())
            }
            Proof::Password => "password three words here\n".to_owned(),
            Proof::Address => String::new(),
        };
        let text = format!(
            "via initctl\ninitctl {}\nchroot {}\nstate-file {}\npid-file {}\nhistory-file {}\nstatus-socket {}\nuser 64998\nnotifier-user 64999\n{proof}{text}",
            path("initctl"),
            path("empty"),
            path("state"),
            path("pid"),
            path("history"),
            path("status"),
        );
        let conf = setup.write("conf", &text);
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o600)).expect("its mode");
        let runs =
            format!("{DAEMON} -c {} -f --log stderr </dev/null; echo ended $? >&2", conf.display());
        let rig = setup.start("sh", &[""; 0]);
        let mut machine = Machine { host, rig, runs };
        machine.run();
        machine
    }

    /// Runs the daemon.
    pub(crate) fn run(&mut self) {
        self.rig.input(&self.runs.clone());
    }

    /// Stops the daemon and runs it again with these keys, each of equal bytes; the first one is spoken.
    pub(crate) fn rekey(&mut self, keys: &[u8]) {
        let path = |number| self.rig.setup().path(&format!("key{number}"));
        let mut text = String::new();
        for key in keys {
            fs::write(path(*key), [*key; 32]).expect("a key");
            fs::set_permissions(path(*key), fs::Permissions::from_mode(0o600)).expect("its mode");
            text.push_str(&format!("key-file {}\n", path(*key).display()));
        }
        let conf = self.rig.setup().path("conf");
        let before = fs::read_to_string(&conf).expect("the configuration");
        let rest = before.lines().filter(|line| !line.starts_with("key-file "));
        for line in rest {
            text.push_str(&format!("{line}\n"));
        }
        fs::write(&conf, text).expect("the configuration");
        let (starts, contacts) = (self.count("ended 0"), self.count("ups: on mains"));
        self.stop();
        self.says_times("ended 0", starts + 1);
        self.run();
        self.says_times("ups: on mains", contacts + 1);
    }

    fn count(&self, words: &str) -> usize {
        self.rig.stderr().matches(words).count()
    }

    /// The process that wrote the pid file.
    pub(crate) fn pid(&self) -> Pid {
        let text = fs::read_to_string(self.rig.setup().path("pid")).unwrap_or_default();
        Pid::from_raw(
            text.trim().parse().unwrap_or_else(|_| panic!("no pid: {}", self.rig.stderr())),
        )
    }

    /// Sends TERM to the daemon.
    pub(crate) fn stop(&self) {
        kill(self.pid(), Signal::SIGTERM).expect("the daemon runs");
    }

    /// Stops all its processes where they stand, or lets them go on.
    pub(crate) fn freeze(&self, freeze: bool) {
        let signal = if freeze { Signal::SIGSTOP } else { Signal::SIGCONT };
        for pid in self.rig.processes() {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.starts_with("upsentry") {
                let _ = kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), signal);
            }
        }
    }

    /// Waits for words in the daemon's log.
    pub(crate) fn says(&self, words: &str) {
        self.says_times(words, 1);
    }

    /// Waits until the daemon's log has words so often.
    pub(crate) fn says_times(&self, words: &str, times: usize) {
        let end = Instant::now() + LONG;
        while self.rig.stderr().matches(words).count() < times {
            assert!(
                Instant::now() < end,
                "{}: no `{words}` in: {}",
                self.host.netns,
                self.rig.stderr()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until init has heard so many requests; the newest is this.
    pub(crate) fn told(&mut self, count: usize, name: &str) {
        let inits = self.rig.wait_inits(count, LONG);
        let names: Vec<&str> = inits.iter().map(|request| request.name.as_str()).collect();
        let right = names.len() == count && names.last() == Some(&name);
        assert!(
            right,
            "{}: {names:?} is not {count} up to {name}: {}",
            self.host.netns,
            self.rig.stderr()
        );
    }

    /// What init has heard.
    pub(crate) fn names(&mut self) -> Vec<String> {
        self.rig.inits().into_iter().map(|request| request.name).collect()
    }

    /// A field of the state file's.
    pub(crate) fn state(&self, field: &str) -> Option<String> {
        let text = fs::read_to_string(self.rig.setup().path("state")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(' '));
        line.map(str::to_owned)
    }

    /// Runs `upsentry -k` here, on the simulated port; its status and words.
    pub(crate) fn kill_the_load(&mut self) -> (i32, String) {
        let conf = self.rig.setup().path("conf");
        let out = self.rig.setup().path("k");
        let line = format!(
            "{DAEMON} -k -c {} >{out} 2>&1; echo minus-k $? >&2",
            conf.display(),
            out = out.display()
        );
        self.rig.input(&line);
        self.says("minus-k ");
        let stderr = self.rig.stderr();
        let status = stderr.rsplit("minus-k ").next().and_then(|rest| rest.trim().parse().ok());
        (status.unwrap_or(-1), fs::read_to_string(out).unwrap_or_default())
    }

    /// Whether the kill line was driven.
    pub(crate) fn killed(&mut self) -> bool {
        use crate::common::sim::Kind;
        // The first open of a port raises both outputs for a moment.
        let driven =
            |event: &Event| matches!(&event.kind, Kind::Out { dtr: true, by, .. } if by != "open");
        self.rig.log().iter().any(driven)
    }
}
