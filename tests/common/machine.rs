//! A whole machine: QEMU, run under the simulator, so that a real kernel's 16550A driver sees the lines of
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
//! Four UARTs: the console, into a file; the UPS, as `/dev/ttyS1`; a shell that takes commands; and what
//! scripts and daemon have to say, each line stamped with this machine's clock when it arrives. Sysvinit is
//! process 1; all else in the first file system is a static busybox and the daemon with its libraries.
//! The processor is emulated (no KVM), so it is a slow machine, and QEMU looks at the UPS's lines every 10 ms.

mod base64;
mod cpio;

use super::sim::{Event, Kind, Rig, Setup};
use super::{DAEMON, skip};
use cpio::Archive;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// No machine runs longer.
const LIMIT: &str = "170";
/// From power on to a shell, on a host that is busy with other things.
const BOOT: Duration = Duration::from_secs(90);
/// Longer than anything takes that has no time of its own.
pub const SOON: Duration = Duration::from_secs(20);

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

/// Takes commands: `ID BASE64`, answers `ID STATUS BASE64`.
const SHELL: &str = "#!/bin/sh
exec </dev/ttyS2 >/dev/ttyS2 2>&1
stty raw -echo
echo 0 0
while read -r id job; do
    echo \"$job\" | base64 -d >/run/job
    sh /run/job >/run/job.out 2>&1 </dev/null
    echo \"$id $? $(base64 -w 0 /run/job.out)\"
done
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

/// A line that came out of the machine.
#[derive(Debug, Clone)]
pub struct Said {
    /// When it arrived: CLOCK_MONOTONIC of this machine, as in the simulator's log.
    pub nanos: u64,
    pub text: String,
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

/// How a command in the machine ended.
#[derive(Debug, Clone)]
pub struct Ran {
    pub status: i32,
    /// Both its outputs.
    pub output: String,
}

/// The machine. Dropping it ends QEMU.
#[derive(Debug)]
pub struct Machine {
    rig: Rig,
    shell: BufReader<UnixStream>,
    said: Arc<Mutex<Vec<Said>>>,
    commands: u32,
    seen: usize,
    booted: Instant,
    _turn: MutexGuard<'static, ()>,
}

/// One machine at a time: two would take the time from each other.
static TURN: Mutex<()> = Mutex::new(());

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

/// A file of a part that `tests/install` has unpacked.
pub fn part(name: &str, file: &str) -> PathBuf {
    let parts = match std::env::var_os("UPSENTRY_PARTS") {
        Some(parts) => PathBuf::from(parts),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"),
    };
    parts.join(name).join(file)
}

/// All that is needed from outside: QEMU, a kernel, sysvinit, busybox.
fn parts(boot: &Boot) -> Option<[PathBuf; 3]> {
    let qemu = Command::new("qemu-system-x86_64").arg("--version").output();
    if !cfg!(target_arch = "x86_64") || !qemu.is_ok_and(|output| output.status.success()) {
        skip("needs x86-64 and qemu-system-x86_64: `tests/install` installs it");
        return None;
    }
    let names = [("sysvinit", "sbin/init"), ("busybox", "bin/busybox"), (boot.kernel, "vmlinuz")];
    let found = names.map(|(name, file)| part(name, file));
    if let Some(path) = found.iter().find(|path| !path.exists()) {
        skip(&format!("needs {}: `tests/install` unpacks it", path.display()));
        return None;
    }
    Some(found)
}

fn words(boot: &Boot, setup: &Setup, kernel: &Path) -> Vec<String> {
    let path = |name: &str| setup.path(name).display().to_string();
    let append = format!(
        "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off random.trust_cpu=on {}",
        boot.append
    );
    let socket = |id: &str| format!("socket,id={id},path={},server=on,wait=off", path(id));
    // Interrupts of their own: COM3 and COM4 would share those of COM1 and COM2.
    let uart = |id: &str, index, port, irq| {
        format!("isa-serial,chardev={id},index={index},iobase={port},irq={irq}")
    };
    let mut words: Vec<String> =
        "-s KILL".split(' ').chain([LIMIT, "qemu-system-x86_64"]).map(str::to_owned).collect();
    words.extend(
        "-accel tcg -machine pc,vmport=off -cpu max -smp 1 -m 192 -nodefaults -display none -no-reboot"
            .split(' ')
            .map(str::to_owned),
    );
    let options = [
        ("-kernel", kernel.display().to_string()),
        ("-initrd", path("initrd")),
        ("-append", append),
        ("-chardev", format!("file,id=console,path={}", path("console"))),
        ("-serial", "chardev:console".to_owned()),
        ("-chardev", format!("serial,id=ups,path={}", path("ups"))),
        ("-serial", "chardev:ups".to_owned()),
        ("-chardev", socket("shell")),
        ("-device", uart("shell", 2, "0x3e8", 5)),
        ("-chardev", socket("said")),
        ("-device", uart("said", 3, "0x2e8", 7)),
    ];
    words.extend(options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
    words
}

/// Now, on the clock of the simulator's log.
fn nanos() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
    u64::try_from(Duration::from(now).as_nanos()).expect("a time")
}

/// Between two times of the simulator's clock.
pub fn between(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}

fn connect(path: &Path) -> UnixStream {
    let end = Instant::now() + SOON;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < end, "QEMU's {}: {error}", path.display()),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Stamps each line as it arrives, until the machine is off.
fn listen(stream: UnixStream) -> Arc<Mutex<Vec<Said>>> {
    let said = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&said);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            list.lock().expect("the list").push(Said { nanos: nanos(), text });
        }
    });
    said
}

impl Machine {
    /// Boots until commands can be run. `None`: it cannot be done here; that has been said.
    pub fn boot(boot: &Boot) -> Option<Self> {
        if !super::need_root() {
            return None;
        }
        let [init, busybox, kernel] = parts(boot)?;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let setup = Setup::new().port("ups", boot.lines);
        fs::write(setup.path("initrd"), first_file_system(&init, &busybox)).expect("the initrd");
        let words = words(boot, &setup, &kernel);
        let booted = Instant::now();
        let rig = setup.start("timeout", &words);
        let shell = connect(&rig.setup().path("shell"));
        shell.set_read_timeout(Some(BOOT)).expect("a timeout");
        let said = listen(connect(&rig.setup().path("said")));
        let shell = BufReader::new(shell);
        let mut machine = Self { rig, shell, said, commands: 0, seen: 0, booted, _turn: turn };
        machine.answer();
        println!("booted in {:.1} s: {}", booted.elapsed().as_secs_f32(), boot.append);
        Some(machine)
    }

    /// The answer to the newest command: its status and output.
    fn answer(&mut self) -> Ran {
        let mut line = String::new();
        let read = self.shell.read_line(&mut line);
        let mut words = line.trim().split(' ');
        let mut word = || words.next().unwrap_or("").to_owned();
        let (number, status, output) = (word(), word(), word());
        assert!(read.is_ok() && number == self.commands.to_string(), "{line:?} {}", self.story());
        let output = String::from_utf8_lossy(&base64::decode(&output)).into_owned();
        Ran { status: status.parse().expect("a status"), output }
    }

    /// Runs a command of the machine's shell to its end.
    pub fn run(&mut self, command: &str) -> Ran {
        self.commands += 1;
        let line = format!("{} {}\n", self.commands, base64::encode(command.as_bytes()));
        let written = self.shell.get_mut().write_all(line.as_bytes());
        written.unwrap_or_else(|error| panic!("{error} {}", self.story()));
        self.answer()
    }

    /// As [`Machine::run`]; it must succeed. Its output.
    pub fn must(&mut self, command: &str) -> String {
        let ran = self.run(command);
        assert_eq!(ran.status, 0, "`{command}`: {} {}", ran.output, self.story());
        ran.output.trim_end().to_owned()
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

    /// Moves the UPS's lines; when that was, on the simulator's clock.
    pub fn lines(&mut self, levels: &str) -> u64 {
        self.command(&format!("set ups {levels}"))
    }

    /// Gives the simulator a command and waits until it is done; when it was, on the simulator's clock.
    pub fn command(&mut self, command: &str) -> u64 {
        let from = nanos();
        self.rig.command(command);
        self.rig.command("mark done");
        let mark = self.rig.wait_for(|event| event.nanos >= from && event.is("mark done"), SOON);
        let mark = mark.unwrap_or_else(|| panic!("`{command}` was not done"));
        let moved = |event: &&Event| {
            event.nanos >= from && event.nanos <= mark.nanos && event.text.starts_with("ups in ")
        };
        self.rig.log().iter().rfind(moved).map_or(mark.nanos, |event| event.nanos)
    }

    /// All that the machine has said.
    pub fn said(&self) -> Vec<Said> {
        self.said.lock().expect("the list").clone()
    }

    /// So much has been said.
    pub fn mark(&self) -> usize {
        self.said.lock().expect("the list").len()
    }

    /// What has been said since a [`Machine::mark`], as text.
    pub fn since(&self, mark: usize) -> String {
        let lines = self.said().into_iter().skip(mark).map(|said| said.text + "\n");
        lines.collect()
    }

    /// Waits until something is said with these words, after a [`Machine::mark`].
    pub fn says(&mut self, mark: usize, words: &str, timeout: Duration) -> Said {
        let end = Instant::now() + timeout;
        loop {
            let said = self.said().into_iter().skip(mark).find(|said| said.text.contains(words));
            if let Some(said) = said {
                return said;
            }
            assert!(Instant::now() < end, "no `{words}` in {timeout:?} {}", self.story());
            std::thread::sleep(Duration::from_millis(2));
        }
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

    /// What the port's outputs were driven to and by what, since a time: DTR, RTS.
    pub fn driven(&mut self, since: u64) -> Vec<(bool, bool, Event)> {
        let all = self.rig.log().iter().filter(|event| event.nanos >= since);
        let outs = all.filter_map(|event| match event.kind {
            Kind::Out { dtr, rts, .. } => Some((dtr, rts, event.clone())),
            _ => None,
        });
        outs.collect()
    }

    /// Now, on the simulator's clock.
    pub fn now(&self) -> u64 {
        nanos()
    }

    /// Since power on.
    pub fn up(&self) -> Duration {
        self.booted.elapsed()
    }

    /// Waits until the machine has switched itself off; QEMU's exit status.
    pub fn off(&mut self) -> Option<i32> {
        self.rig.wait_exit(SOON)
    }

    /// All that is known, for messages.
    pub fn story(&mut self) -> String {
        let mut story = String::from("\n");
        let said = self.said().into_iter().map(|said| (said.nanos, said.text));
        let log = self.rig.log().iter().map(|event| (event.nanos, event.text.clone()));
        let mut all: Vec<(u64, String)> = log.chain(said).collect();
        all.sort();
        for (nanos, text) in all.iter().skip(all.len().saturating_sub(150)) {
            let _ = writeln!(story, "{:.3} {text}", between(0, *nanos).as_secs_f64());
        }
        let console = fs::read(self.rig.setup().path("console")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        let _ = write!(story, "console:\n{last}\nQEMU:\n{}", self.rig.stderr());
        story
    }
}
