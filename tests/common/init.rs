//! Real sysvinit as process 1: of pid, mount, network, IPC and UTS namespaces of its own, where nothing
//! that it does reaches the system outside.
//!
//! ```ignore
//! let Some(mut rig) = SysvInit::boot("") else { return };
//! let config = rig.config("via initctl");
//! assert_eq!(rig.daemon(&config).status, 0);
//! rig.lines("cts=0");
//! rig.expect("powerfail", "FAIL");
//! ```
//!
//! The simulator runs a shell; that shell makes the namespaces and takes commands to run in them. So all
//! of it, init too, is under the simulator's filter and sees its port, and all of it ends with the rig,
//! with the test program, or after [`LIMIT`] seconds.

use super::sim::{Rig, Setup};
use super::{DAEMON, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No rig lives longer.
const LIMIT: &str = "180";
/// Longer than anything takes on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(15);
/// The rig's directory as init and all below it see it. Short, because init takes 127 bytes of command.
pub const INSIDE: &str = "/run/rig";

/// Runs outside, as the simulator's command: makes the namespaces, then does what it is told.
const OUTSIDE: &str = r#"
unshare --pid --fork --kill-child --mount --mount-proc --uts --ipc --net /bin/sh "$1/boot" "$1" &
while IFS= read -r line; do eval "$line"; done
"#;

/// Runs as process 1 until it becomes init. What init writes to or reads from outside a tmpfs is hidden:
/// /run (FIFO, powerstatus), /etc (inittab), /var/log (wtmp), /dev (console, keyboard, log).
const BOOT: &str = r#"
set -eu
umask 022
rig=$1
for tree in /run /var/log "$rig/dev"; do
    mount -t tmpfs -o mode=755 rig "$tree"
done
mkdir /run/rig "$rig/dev/pts"
mount --bind "$rig" /run/rig
for file in passwd group nsswitch.conf ld.so.cache ld.so.conf ld.so.conf.d alternatives localtime; do
    if [ -e "/etc/$file" ]; then cp -a "/etc/$file" "$rig/etc"; fi
done
mount --bind "$rig/etc" /etc
for node in null zero full random urandom console; do
    source=$node
    if [ "$node" = console ]; then source=null; fi
    : >"$rig/dev/$node"
    mount --bind "/dev/$source" "$rig/dev/$node"
done
mount --rbind /dev/pts "$rig/dev/pts"
mount --move "$rig/dev" /dev
# What init runs on `telinit u`, wherever it was run from itself.
if [ -e /sbin/init ]; then mount --bind "$rig/init" /sbin/init; fi
exec env -i PATH=/sbin:/usr/sbin:/bin:/usr/bin SELINUX_INIT=YES /run/rig/init
"#;

/// What every line of the inittab runs: one line of the log, and nothing else.
const SCRIPT: &str = r#"#!/bin/sh
state=-
if [ -e /run/upsentry.state ]; then IFS= read -r state </run/upsentry.state; fi
read -r at rest </proc/uptime
echo "$1 $state ${INIT_HALT:--} ${RUNLEVEL:--} $at" >>/run/rig/scripts
"#;

/// What a respawn line can run: the daemon in the foreground, once there is a configuration.
const RESPAWN: &str = r#"#!/bin/sh
until [ -e /run/rig/upsentry.conf ]; do sleep 0.05; done
exec DAEMON -f -c /run/rig/upsentry.conf --log stderr 2>>/run/rig/respawn.err
"#;

/// In the order of the packaged inittab: fail before ok before low.
const INITTAB: &str = "\
id:2:initdefault:
l0:0:wait:/run/rig/script rc0
l2:2:wait:/run/rig/script rc2
l6:6:wait:/run/rig/script rc6
pf::powerfail:/run/rig/script powerfail
pw::powerwait:/run/rig/script powerwait
po::powerokwait:/run/rig/script powerokwait
pn::powerfailnow:/run/rig/script powerfailnow
";

/// A run of a line of the inittab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// `powerfail`, `powerwait`, `powerokwait`, `powerfailnow`, `rc0`, `rc2` or `rc6`.
    pub entry: String,
    /// The first line of the state file as it found it; `-` for no such file.
    pub state: String,
    /// `INIT_HALT`, `-` for unset.
    pub halt: String,
    /// `RUNLEVEL`.
    pub runlevel: String,
    /// Time since the kernel's boot.
    pub at: Duration,
}

impl Script {
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_else(|| panic!("log of scripts: {line:?}"));
        Self {
            entry: word(),
            state: word(),
            halt: word(),
            runlevel: word(),
            at: Duration::from_secs_f64(word().parse().expect("a time")),
        }
    }

    /// Is it this line, and did it find this state?
    pub fn is(&self, entry: &str, state: &str) -> bool {
        self.entry == entry && self.state == state
    }
}

/// How a command in the namespaces ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status.
    pub status: i32,
    /// How long it took.
    pub took: Duration,
    pub stdout: String,
    pub stderr: String,
}

/// A command that may still run.
#[derive(Debug)]
pub struct Job {
    path: PathBuf,
    began: Instant,
}

impl Job {
    /// Its end, if it has ended.
    pub fn ended(&self) -> Option<Ran> {
        let file = |end: &str| fs::read_to_string(self.path.with_extension(end));
        let status = file("end").ok()?;
        Some(Ran {
            status: status.trim().parse().expect("an exit status"),
            took: self.began.elapsed(),
            stdout: file("out").expect("its output"),
            stderr: file("err").expect("its errors"),
        })
    }

    /// Waits for its end.
    pub fn wait(&self) -> Ran {
        until("the end of a command", Duration::from_secs(40), || self.ended())
    }
}

/// A process as /proc shows it from outside.
#[derive(Debug, Clone)]
pub struct Process {
    /// Outside the namespace.
    pub pid: u32,
    /// The name in `ps`.
    pub name: String,
    status: String,
}

impl Process {
    /// Reads it, unless it has just ended.
    pub fn read(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mut process = Self { pid, name: String::new(), status };
        process.name = process.field("Name").to_owned();
        (!process.field("State").starts_with('Z')).then_some(process)
    }

    /// A field of its status, words separated by tabs.
    pub fn field(&self, name: &str) -> &str {
        let field = self.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        field.map_or("", str::trim)
    }

    /// Its number inside the innermost namespace.
    pub fn inner(&self) -> u32 {
        let inner = self.field("NSpid").split_whitespace().last();
        inner.and_then(|pid| pid.parse().ok()).unwrap_or(0)
    }

    /// Any number of a field.
    pub fn number(&self, field: &str) -> u32 {
        self.field(field).parse().expect("a number")
    }

    /// Its inheritable, permitted, effective, bounding and ambient capabilities.
    pub fn capabilities(&self) -> [u64; 5] {
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
            .map(|set| u64::from_str_radix(self.field(set), 16).expect("a capability set"))
    }

    /// Real, effective, saved and file system user.
    pub fn uids(&self) -> Vec<u32> {
        let words = self.field("Uid").split_whitespace();
        words.map(|uid| uid.parse().expect("a uid")).collect()
    }

    /// Its descriptors and what they are, lowest first.
    pub fn descriptors(&self) -> Vec<(i32, String)> {
        let mut all: Vec<(i32, String)> = fs::read_dir(format!("/proc/{}/fd", self.pid))
            .expect("its descriptors")
            .flatten()
            .filter_map(|entry| {
                let target = fs::read_link(entry.path()).ok()?;
                let number = entry.file_name().to_str()?.parse().ok()?;
                Some((number, target.to_str()?.to_owned()))
            })
            .collect();
        all.sort_unstable();
        all
    }
}

/// Waits until there is something, and fails the test if that takes too long.
pub fn until<T>(what: &str, timeout: Duration, look: impl FnMut() -> Option<T>) -> T {
    within(timeout, look).unwrap_or_else(|| panic!("not within {timeout:?}: {what}"))
}

fn within<T>(timeout: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + timeout;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A file of sysvinit's package, where `tests/install` unpacks it.
pub fn unpacked(path: &str) -> PathBuf {
    let parts = match std::env::var_os("UPSENTRY_PARTS") {
        Some(parts) => PathBuf::from(parts),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"),
    };
    parts.join("sysvinit").join(path)
}

/// Sysvinit's program: unpacked by `tests/install`, or this system's own.
fn program() -> Option<PathBuf> {
    let unpacked = ["sbin/init", "usr/sbin/init"].map(unpacked);
    unpacked.into_iter().chain([PathBuf::from("/sbin/init")]).find(|path| {
        let code = fs::read(path).unwrap_or_default();
        code.windows(12).any(|text| text == b"/etc/inittab")
    })
}

/// The rig.
#[derive(Debug)]
pub struct SysvInit {
    rig: Rig,
    init: u32,
    jobs: u32,
    seen: usize,
}

impl SysvInit {
    /// Boots into runlevel 2, with a port whose lines say "on mains": CTS and DSR high. `more` goes to the
    /// inittab. `None`: it cannot be done here; that has been said.
    pub fn boot(more: &str) -> Option<Self> {
        if !super::need_root() {
            return None;
        }
        let Some(init) = program() else {
            skip("needs sysvinit's init: `tests/install` unpacks Debian's");
            return None;
        };
        let setup = Setup::new().port("ups", "cts=1,dsr=1");
        let dir = setup.path("");
        for tree in ["etc", "dev"] {
            fs::create_dir(setup.path(tree)).expect("a directory of the rig");
        }
        setup.write("etc/inittab", &format!("{INITTAB}{more}"));
        setup.write("boot", BOOT);
        setup.write("scripts", "");
        write_executable(&setup, "script", SCRIPT);
        write_executable(&setup, "respawn", &RESPAWN.replace("DAEMON", DAEMON));
        // Copies, under the name by which each knows what it is: a test may put another in init's place.
        for name in ["init", "telinit"] {
            fs::copy(&init, setup.path(name)).expect("a copy of init");
        }
        let words = ["-s", "KILL", LIMIT, "/bin/sh", "-c", OUTSIDE, "outside"];
        let mut words = words.map(OsStr::new).to_vec();
        words.push(dir.as_os_str());
        let mut rig = Self { rig: setup.start("timeout", &words), init: 0, jobs: 0, seen: 0 };
        rig.expect("rc2", "-");
        rig.init = rig.find_init();
        Some(rig)
    }

    fn find_init(&self) -> u32 {
        let all = self.rig.processes().into_iter().filter_map(Process::read);
        let mut inits = all.filter(|process| process.name == "init" && process.inner() == 1);
        inits.next().expect("process 1 of the namespace").pid
    }

    /// Process 1, outside its namespace.
    pub fn init(&self) -> Process {
        Process::read(self.init).expect("process 1 of the namespace")
    }

    /// Sends process 1 a signal from outside, which also stops it.
    pub fn signal_init(&self, signal: Signal) {
        send(self.init, signal);
    }

    /// Writes an executable file; its path inside.
    pub fn executable(&self, name: &str, text: &str) -> String {
        write_executable(self.rig.setup(), name, text);
        format!("{INSIDE}/{name}")
    }

    /// Writes a configuration for the port, quick to settle, with numbers for users, and with `more`, which
    /// may say one of these otherwise; its path inside. All else is as by default, in a /run of its own.
    pub fn config(&self, more: &str) -> String {
        self.config_of(&format!("watch {INSIDE}/ups\nfail cts 0\nlow dcd 1\nsense dsr 1\n{more}\n"))
    }

    /// As [`SysvInit::config`], for whatever these lines watch; the rest are defaults, which need not fit it.
    pub fn config_of(&self, more: &str) -> String {
        let mut text = String::new();
        let quick = "settle 100ms\ndebounce 0ms\nlow-after 0ms\nuser 64001\nnotifier-user 64002\n\
                     history-file /run/rig/history\n";
        for line in quick.lines() {
            let name = line.split(' ').next();
            if !more.lines().any(|other| other.split(' ').next() == name) {
                text.push_str(line);
                text.push('\n');
            }
        }
        text.push_str(more);
        // Whole or not there: a respawned daemon waits for it.
        let new = self.rig.setup().write("upsentry.conf.new", &text);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&new, mode).expect("its mode");
        fs::rename(new, self.path("upsentry.conf")).expect("the configuration");
        format!("{INSIDE}/upsentry.conf")
    }

    /// Starts a command in the namespaces: words of the shell, without redirections.
    pub fn spawn(&mut self, command: &str) -> Job {
        self.jobs += 1;
        let name = format!("job{}", self.jobs);
        let path = self.rig.setup().write(&name, &format!("exec {command}\n"));
        let shown = path.display();
        let began = Instant::now();
        self.rig.input(&format!(
            "{{ nsenter -t {} -a /bin/sh {INSIDE}/{name} >{shown}.out 2>{shown}.err; \
             echo $? >{shown}.ended; mv {shown}.ended {shown}.end; }} &",
            self.init
        ));
        Job { path, began }
    }

    /// Runs a command in the namespaces to its end.
    pub fn run(&mut self, command: &str) -> Ran {
        self.spawn(command).wait()
    }

    /// Starts the daemon in the background, logging to [`SysvInit::log`].
    pub fn daemon(&mut self, config: &str) -> Ran {
        self.run(&format!("{DAEMON} -c {config} --log stderr"))
    }

    /// What all commands and daemons have said on standard error, in the order of their starts.
    pub fn log(&self) -> String {
        let job = |number| self.path(&format!("job{number}.err"));
        let files = (1..=self.jobs).map(job).chain([self.path("respawn.err")]);
        files.filter_map(|path| fs::read_to_string(path).ok()).collect()
    }

    /// Waits until the log has such a text.
    pub fn expect_log(&self, text: &str) {
        self.until(&format!("`{text}` in the log"), SOON, || {
            self.log().contains(text).then_some(())
        });
    }

    /// A file of the rig's directory, outside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.rig.setup().path(name)
    }

    /// A file as init sees it, from outside.
    pub fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// The first line of the state file.
    pub fn state(&self) -> String {
        let text = fs::read_to_string(self.inside("/run/upsentry.state")).unwrap_or_default();
        text.lines().next().unwrap_or("").to_owned()
    }

    /// Moves the UPS's lines.
    pub fn lines(&self, levels: &str) {
        self.rig.command(&format!("set ups {levels}"));
    }

    /// Moves them several times, so far apart; then waits until that is done.
    pub fn play(&mut self, steps: &[&str], apart: Duration) {
        let mut at = Instant::now();
        for step in steps {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            self.lines(step);
            at += apart;
        }
    }

    /// All runs of lines of the inittab so far.
    pub fn scripts(&self) -> Vec<Script> {
        let text = fs::read_to_string(self.path("scripts")).expect("the log of scripts");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(Script::parse).collect()
    }

    /// Waits for such a run, after the one that this returned last.
    pub fn expect(&mut self, entry: &str, state: &str) -> Script {
        let found = self.until(&format!("{entry} with {state}"), SOON, || {
            let all = self.scripts();
            let mut rest = all.iter().enumerate().skip(self.seen);
            let (at, script) = rest.find(|(_, script)| script.is(entry, state))?;
            Some((at, script.clone()))
        });
        self.seen = found.0 + 1;
        found.1
    }

    /// Waits for an outage's runs: `powerfail` and `powerwait`, which may come in either order.
    pub fn expect_fail(&mut self) {
        let from = self.seen;
        self.expect("powerfail", "FAIL");
        self.seen = from;
        self.expect("powerwait", "FAIL");
        self.seen = from + 2;
    }

    /// The daemon's processes.
    pub fn ours(&self) -> Vec<Process> {
        let all = self.rig.processes().into_iter().filter_map(Process::read);
        all.filter(|process| process.name.starts_with("upsentry")).collect()
    }

    /// The daemon's only process of this name.
    pub fn our(&self, name: &str) -> Process {
        let mut found = self.ours();
        found.retain(|process| process.name == name);
        match found.as_slice() {
            [only] => only.clone(),
            all => panic!("{} processes are called {name}", all.len()),
        }
    }

    /// Sends a signal to a process of the daemon.
    pub fn signal(&self, name: &str, signal: Signal) {
        send(self.our(name).pid, signal);
    }

    /// Waits as [`until`], and shows logs where it fails.
    pub fn until<T>(&self, what: &str, timeout: Duration, look: impl FnMut() -> Option<T>) -> T {
        within(timeout, look)
            .unwrap_or_else(|| panic!("not within {timeout:?}: {what}; {}", self.story()))
    }

    /// All that is known, for messages.
    pub fn story(&self) -> String {
        let scripts = fs::read_to_string(self.path("scripts")).unwrap_or_default();
        format!("scripts:\n{scripts}log:\n{}rig:\n{}", self.log(), self.rig.stderr())
    }
}

fn write_executable(setup: &Setup, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = setup.write(name, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("an executable file");
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("a signal");
}
