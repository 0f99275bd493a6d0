//! A machine: QEMU, run under the simulator, so that a real kernel's 16550A driver sees the lines of
//! the UPS move, with interrupts, and the simulator sees what that driver drives.
//!
//! ```ignore
//! let Some(mut machine) = Machine::boot(&Boot::default()) else { return };
//! machine.daemon("fail cts 0");
//! let moved = machine.lines("cts=0");
//! let script = machine.expect("powerfail", "FAIL");
//! println!("{:?}", between(moved, script.nanos));
//! ```
//!
//! Sysvinit is process 1; all else in the first file system is a static busybox and the daemon with its libraries.
//! Scripts and daemon say what they do on a port of their own; see [`Guest`].

use super::DAEMON;
pub use super::guest::SOON;
use super::guest::cpio::Archive;
use super::guest::{Guest, Qemu, SHELL, Said, parts, turn};
use super::sim::Setup;
use std::fmt::Write as _;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// No machine runs longer.
const LIMIT: Duration = Duration::from_secs(170);

/// Process 1 until it becomes init.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs -o mode=755 run /run
/bin/busybox --install -s /bin
ln -s /run /var/run
ln -s init /sbin/telinit
mkfifo /run/said
stty -F /dev/ttyS3 raw -echo
cat 0<>/run/said >/dev/ttyS3 &
exec env -i PATH=/bin:/sbin SELINUX_INIT=YES /sbin/init
";

/// What every line of the inittab runs.
const SCRIPT: &str = "#!/bin/sh
state=-
if [ -e /run/upsentry.state ]; then IFS= read -r state </run/upsentry.state; fi
read -r at rest </proc/uptime
echo \"@ $1 $state ${INIT_HALT:--} ${RUNLEVEL:--} $at\" >/run/said
";

/// A halt in Debian's order: what runs is ended, file systems become read-only, the hook kills the power.
const RC0: &str = "#!/bin/sh
/script rc0
pid=$(cat /run/upsentry.pid)
if [ -n \"$pid\" ]; then
    kill \"$pid\"
    while kill -0 \"$pid\"; do sleep 0.1; done
fi
mount -o remount,ro /
mount -o remount,ro /run
upsentry -c /run/upsentry.conf -k >/run/said 2>&1
echo \"@ kill $? - - -\" >/run/said
sleep 0.5
poweroff -f
";

/// In the order of the packaged inittab: fail before ok before low.
const INITTAB: &str = "\
id:2:initdefault:
sh:2:respawn:/shell
l0:0:wait:/rc0
pf::powerfail:/script powerfail
po::powerokwait:/script powerokwait
pn::powerfailnow:/script powerfailnow
";

/// How to boot.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    /// The part that holds it: `kernel`, `kernel-6.12`.
    pub kernel: &'static str,
    /// More for its command line.
    pub append: &'static str,
    /// The UPS's lines.
    pub lines: &'static str,
}

impl Default for Boot {
    fn default() -> Self {
        Self { kernel: "kernel", append: "", lines: "cts=1,dsr=1" }
    }
}

/// A run of a line of the inittab.
#[derive(Debug, Clone)]
pub struct Script {
    /// When it was heard of here.
    pub nanos: u64,
    /// `powerfail`, `powerokwait`, `powerfailnow`, `rc0`, or `kill`.
    pub entry: String,
    /// The first line of the state file as it found it; the exit status for `kill`.
    pub state: String,
    /// `INIT_HALT`, `-` for unset.
    pub halt: String,
}

impl Script {
    fn parse(said: &Said) -> Option<Self> {
        let mut words = said.text.strip_prefix("@ ")?.split(' ').map(str::to_owned);
        let mut word = || words.next();
        Some(Self { nanos: said.nanos, entry: word()?, state: word()?, halt: word()? })
    }
}

/// The machine. Dropping it ends QEMU.
#[derive(Debug)]
pub struct Machine {
    guest: Guest,
    seen: usize,
}

impl Deref for Machine {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl DerefMut for Machine {
    fn deref_mut(&mut self) -> &mut Guest {
        &mut self.guest
    }
}

/// A program and all the libraries that it needs.
fn with_libraries(archive: &mut Archive, program: &Path, path: &str) {
    archive.executable(path, &stripped(program));
    let ldd = Command::new("ldd").arg(program).output().expect("ldd");
    for word in String::from_utf8_lossy(&ldd.stdout).split_whitespace() {
        if word.starts_with('/') {
            archive.executable(word, &fs::read(word).expect("a library"));
        }
    }
}

/// Without its symbols, most of a debug build.
fn stripped(program: &Path) -> Vec<u8> {
    let new = std::env::temp_dir().join(format!("upsentry-stripped-{}", std::process::id()));
    let strip = Command::new("strip").arg("-o").arg(&new).arg(program).output();
    let source = if strip.is_ok_and(|output| output.status.success()) { &new } else { program };
    let bytes = fs::read(source).expect("a program");
    let _ = fs::remove_file(new);
    bytes
}

fn first_file_system(init: &Path, busybox: &Path) -> Vec<u8> {
    let mut archive = Archive::default();
    with_libraries(&mut archive, init, "/sbin/init");
    with_libraries(&mut archive, Path::new(DAEMON), "/sbin/upsentry");
    with_libraries(&mut archive, &super::sim::tool("probe"), "/sbin/probe");
    // Busybox's cannot make time namespaces.
    with_libraries(&mut archive, Path::new("/usr/bin/unshare"), "/sbin/unshare-all");
    archive.executable("/bin/busybox", &fs::read(busybox).expect("busybox"));
    for (path, text) in [("/init", INIT), ("/shell", SHELL), ("/script", SCRIPT), ("/rc0", RC0)] {
        archive.executable(path, text.as_bytes());
    }
    archive.file("/etc/inittab", INITTAB.as_bytes());
    archive.file("/etc/passwd", b"root:x:0:0::/:/bin/sh\n");
    archive.file("/etc/group", b"root:x:0:\n");
    for directory in ["/proc", "/sys", "/dev", "/run", "/tmp", "/var", "/var/log"] {
        archive.directory(directory);
    }
    archive.finish()
}

impl Machine {
    /// Boots until commands can be run. `None`: it cannot be done here; that has been said.
    pub fn boot(boot: &Boot) -> Option<Self> {
        if !super::need_root() {
            return None;
        }
        let needed =
            [("sysvinit", "sbin/init"), ("busybox", "bin/busybox"), (boot.kernel, "vmlinuz")];
        let [init, busybox, kernel] = parts(needed)?;
        let turn = turn();
        let setup = Setup::new().port("ups", boot.lines);
        fs::write(setup.path("initrd"), first_file_system(&init, &busybox)).expect("the initrd");
        let more = vec!["-no-reboot".to_owned()];
        let qemu =
            Qemu { kernel: &kernel, append: boot.append, limit: LIMIT, more, resumed: false };
        Some(Self { guest: Guest::boot(setup, &qemu, turn), seen: 0 })
    }

    /// Writes a configuration for the port, quick to settle, with `more`, which may say one of these otherwise.
    pub fn config(&mut self, more: &str) {
        let mut text = format!("watch ttyS1\n{more}\n");
        let quick = "via initctl\nsettle 200ms\nlow-after 0ms\nshutdown-after 5m\n\
                     user 64001\nnotifier-user 64002\n";
        for line in quick.lines() {
            let name = line.split(' ').next();
            if !more.lines().any(|other| other.split(' ').next() == name) {
                let _ = writeln!(text, "{line}");
            }
        }
        self.must(&format!("cat >/run/upsentry.conf <<'END'\n{text}END"));
    }

    /// Starts the daemon with a configuration; it returns with the first state.
    pub fn daemon(&mut self, more: &str) {
        self.config(more);
        self.restart("");
    }

    /// Starts the daemon once more, `before` it words such as `nice`.
    pub fn restart(&mut self, before: &str) {
        self.must(&format!("{before} upsentry -c /run/upsentry.conf --log stderr 2>/run/said"));
    }

    /// Sends the daemon's parent a signal and waits until nothing of it is left.
    pub fn stop(&mut self, signal: &str) {
        let wait = "i=0; while pidof upsentry upsentry-warden upsentry-mon >/dev/null; do \
                    i=$((i+1)); [ $i -lt 200 ] || exit 9; usleep 20000; done";
        self.must(&format!("kill -{signal} $(cat /run/upsentry.pid); {wait}"));
    }

    /// All runs of lines of the inittab so far.
    pub fn scripts(&self) -> Vec<Script> {
        self.said().iter().filter_map(Script::parse).collect()
    }

    /// The next run, which must be this.
    pub fn expect(&mut self, entry: &str, state: &str) -> Script {
        self.expect_within(entry, state, SOON)
    }

    /// As [`Machine::expect`], for what takes its time.
    pub fn expect_within(&mut self, entry: &str, state: &str, timeout: Duration) -> Script {
        let end = Instant::now() + timeout;
        loop {
            if let Some(script) = self.scripts().get(self.seen) {
                let is = (script.entry.as_str(), script.state.as_str());
                assert_eq!(is, (entry, state), "{}", self.story());
                self.seen += 1;
                return script.clone();
            }
            assert!(Instant::now() < end, "no {entry} in {timeout:?} {}", self.story());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Runs of lines that nobody has expected yet.
    pub fn unexpected(&mut self) -> Vec<Script> {
        let all = self.scripts();
        let new = all.iter().skip(self.seen).cloned().collect();
        self.seen = all.len();
        new
    }

    /// So long no line runs.
    pub fn quiet(&mut self, time: Duration) {
        std::thread::sleep(time);
        let new = self.unexpected();
        assert!(new.is_empty(), "{new:?} {}", self.story());
    }
}
