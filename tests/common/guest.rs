//! QEMU under the simulator, and what is known of the machine in it: its console, a shell that takes commands,
//! and a port on which it says something, each line stamped with this machine's clock when it arrives.
//!
//! Four UARTs: the console; the UPS, as `/dev/ttyS1`; the shell; what is said. The processor is emulated (no
//! KVM), so it is a slow machine, and QEMU looks at the UPS's lines every 10 ms.

mod base64;
pub mod cpio;

use super::sim::{Event, Kind, Rig, Setup};
use super::skip;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// From power on to a shell, on a host that is busy with other things.
const BOOT: Duration = Duration::from_secs(120);
/// Longer than anything takes that has no time of its own.
pub const SOON: Duration = Duration::from_secs(20);

/// Runs in the machine; [`Guest::run`] talks with it.
pub const SHELL: &str = include_str!("guest/shell");

/// The right to run a machine.
pub type Turn = MutexGuard<'static, ()>;

/// One machine at a time: two would take the time from each other.
static TURN: Mutex<()> = Mutex::new(());

/// A line that came out of the machine.
#[derive(Debug, Clone)]
pub struct Said {
    /// When it arrived: CLOCK_MONOTONIC of this machine, as in the simulator's log.
    pub nanos: u64,
    pub text: String,
}

/// The lines of one port, as they arrive.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<Said>>>);

impl Lines {
    /// Stamps each line as it arrives, until the machine is off.
    pub fn listen(stream: UnixStream) -> Self {
        let lines = Self::default();
        let list = Arc::clone(&lines.0);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { return };
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                list.lock().expect("the list").push(Said { nanos: nanos(), text });
            }
        });
        lines
    }

    /// All so far.
    pub fn all(&self) -> Vec<Said> {
        self.0.lock().expect("the list").clone()
    }

    /// So many so far.
    pub fn count(&self) -> usize {
        self.0.lock().expect("the list").len()
    }

    /// Waits until there is one with these words, after a [`Lines::count`].
    pub fn wait(&self, mark: usize, words: &str, timeout: Duration) -> Option<Said> {
        let end = Instant::now() + timeout;
        loop {
            let found = self.all().into_iter().skip(mark).find(|said| said.text.contains(words));
            if found.is_some() || Instant::now() >= end {
                return found;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
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
pub struct Guest {
    rig: Rig,
    shell: BufReader<UnixStream>,
    said: Lines,
    console: Lines,
    commands: u32,
    booted: Instant,
    turn: Turn,
}

/// How to run QEMU. The first file system is `initrd` in the rig's directory.
#[derive(Debug)]
pub struct Qemu<'a> {
    pub kernel: &'a Path,
    /// More for the kernel's command line.
    pub append: &'a str,
    /// Whatever happens, it ends so long after its start.
    pub limit: Duration,
    /// More options.
    pub more: Vec<String>,
    /// It does not boot: it goes on where its state was saved, with the shell running.
    pub resumed: bool,
}

/// A file of a part that `tests/install` has unpacked.
pub fn part(name: &str, file: &str) -> PathBuf {
    let parts = match std::env::var_os("UPSENTRY_PARTS") {
        Some(parts) => PathBuf::from(parts),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"),
    };
    parts.join(name).join(file)
}

/// That QEMU and these files of parts are there; else says so.
pub fn parts<const N: usize>(names: [(&str, &str); N]) -> Option<[PathBuf; N]> {
    let qemu = Command::new("qemu-system-x86_64").arg("--version").output();
    if !cfg!(target_arch = "x86_64") || !qemu.is_ok_and(|output| output.status.success()) {
        skip("needs x86-64 and qemu-system-x86_64: `tests/install` installs it");
        return None;
    }
    let found = names.map(|(name, file)| part(name, file));
    if let Some(path) = found.iter().find(|path| !path.exists()) {
        skip(&format!("needs {}: `tests/install` unpacks it", path.display()));
        return None;
    }
    Some(found)
}

fn words(qemu: &Qemu<'_>, setup: &Setup) -> Vec<String> {
    let path = |name: &str| setup.path(name).display().to_string();
    let append = format!(
        "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off random.trust_cpu=on {}",
        qemu.append
    );
    let socket = |id: &str| format!("socket,id={id},path={},server=on,wait=off", path(id));
    // Interrupts of their own: COM3 and COM4 would share those of COM1 and COM2.
    let uart = |id: &str, index, port, irq| {
        format!("isa-serial,chardev={id},index={index},iobase={port},irq={irq}")
    };
    let limit = qemu.limit.as_secs().to_string();
    let mut words: Vec<String> =
        ["-s", "KILL", limit.as_str(), "qemu-system-x86_64"].map(str::to_owned).into();
    let machine =
        "-accel tcg -machine pc,vmport=off -cpu max -smp 1 -m 192 -nodefaults -display none";
    words.extend(machine.split(' ').map(str::to_owned));
    let options = [
        ("-kernel", qemu.kernel.display().to_string()),
        ("-initrd", path("initrd")),
        ("-append", append),
        ("-chardev", socket("console")),
        ("-serial", "chardev:console".to_owned()),
        ("-chardev", format!("serial,id=ups,path={}", path("ups"))),
        ("-serial", "chardev:ups".to_owned()),
        ("-chardev", socket("shell")),
        ("-device", uart("shell", 2, "0x3e8", 5)),
        ("-chardev", socket("said")),
        ("-device", uart("said", 3, "0x2e8", 7)),
    ];
    words.extend(options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
    words.extend(qemu.more.iter().cloned());
    words
}

/// Now, on the clock of the simulator's log.
pub fn nanos() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
    u64::try_from(Duration::from(now).as_nanos()).expect("a time")
}

/// Between two times of the simulator's clock.
pub fn between(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}

/// One of QEMU's sockets, which it makes while it starts.
pub fn connect(path: &Path) -> UnixStream {
    let end = Instant::now() + SOON;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < end, "QEMU's {}: {error}", path.display()),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Until no other machine runs.
pub fn turn() -> Turn {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guest {
    /// Boots until commands can be run. The port of the UPS in the setup is called `ups`.
    pub fn boot(setup: Setup, qemu: &Qemu<'_>, turn: Turn) -> Self {
        let words = words(qemu, &setup);
        let booted = Instant::now();
        let rig = setup.start("timeout", &words);
        let lines = |name: &str| Lines::listen(connect(&rig.setup().path(name)));
        let (console, said) = (lines("console"), lines("said"));
        let shell = connect(&rig.setup().path("shell"));
        shell.set_read_timeout(Some(BOOT)).expect("a timeout");
        let shell = BufReader::new(shell);
        let mut guest = Self { rig, shell, said, console, commands: 0, booted, turn };
        if qemu.resumed {
            guest.must("true");
        } else {
            guest.answer();
            println!("booted in {:.1} s: {}", booted.elapsed().as_secs_f32(), qemu.append);
        }
        guest
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

    /// As [`Guest::run`]; it must succeed. Its output.
    pub fn must(&mut self, command: &str) -> String {
        let ran = self.run(command);
        assert_eq!(ran.status, 0, "`{command}`: {} {}", ran.output, self.story());
        ran.output.trim_end().to_owned()
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
        self.said.all()
    }

    /// So much has been said.
    pub fn mark(&self) -> usize {
        self.said.count()
    }

    /// What has been said since a [`Guest::mark`], as text.
    pub fn since(&self, mark: usize) -> String {
        let lines = self.said().into_iter().skip(mark).map(|said| said.text + "\n");
        lines.collect()
    }

    /// Waits until something is said with these words, after a [`Guest::mark`].
    pub fn says(&mut self, mark: usize, words: &str, timeout: Duration) -> Said {
        let said = self.said.wait(mark, words, timeout);
        said.unwrap_or_else(|| panic!("no `{words}` in {timeout:?} {}", self.story()))
    }

    /// The lines of the console.
    pub fn console(&self) -> &Lines {
        &self.console
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

    /// A file of the rig.
    pub fn path(&self, name: &str) -> PathBuf {
        self.rig.setup().path(name)
    }

    /// Waits until the machine has switched itself off; QEMU's exit status.
    pub fn off(&mut self) -> Option<i32> {
        self.rig.wait_exit(SOON)
    }

    /// Takes the power away, for good; the turn is still the caller's.
    pub fn end(self) -> Turn {
        let Self { rig, turn, .. } = self;
        drop(rig);
        turn
    }

    /// Takes the power away.
    pub fn cut(&mut self) {
        self.rig.kill();
    }

    /// All that is known, for messages.
    pub fn story(&mut self) -> String {
        let mut story = String::from("\n");
        let said = self.said().into_iter().map(|said| (said.nanos, said.text));
        let log = self.rig.log().iter().map(|event| (event.nanos, event.text.clone()));
        let console = self
            .console
            .all()
            .into_iter()
            .map(|said| (said.nanos, format!("console: {}", said.text)));
        let mut all: Vec<(u64, String)> = log.chain(said).chain(console).collect();
        all.sort();
        for (nanos, text) in all.iter().skip(all.len().saturating_sub(170)) {
            let _ = writeln!(story, "{:.3} {text}", between(0, *nanos).as_secs_f64());
        }
        let _ = write!(story, "QEMU:\n{}", self.rig.stderr());
        story
    }
}
