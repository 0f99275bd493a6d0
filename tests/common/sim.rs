//! Runs a command on simulated ports and reads what happened from the simulator's log.
//!
//! ```text
//! let mut rig = Setup::new().port("a", "cts=1").start(DAEMON, &["--config", …]);
//! rig.command("set a cts=0");
//! let told = rig.wait_for(|event| event.init("powerfail"), Duration::from_secs(1));
//! ```

pub use super::event::{Event, InitRequest, Kind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A rig that is not running yet: its directory exists, so the command's files can be put there.
#[derive(Debug)]
pub struct Setup {
    dir: PathBuf,
    /// The network namespace that it runs in; `None`: ours.
    netns: Option<PathBuf>,
    options: Vec<OsString>,
}

impl Setup {
    /// A new directory, removed with the [`Rig`] (or with this, if it is never started).
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("upsentry-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).expect("the rig's directory");
        let mut setup = Self { dir, netns: None, options: Vec::new() };
        for (option, file) in [("--log", "log"), ("--control", "control"), ("--initctl", "initctl")]
        {
            let path = setup.path(file);
            setup = setup.option(option).option(path);
        }
        setup.option("--with-parent")
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The link to a port's tty.
    pub fn tty(&self, port: &str) -> PathBuf {
        self.path(port)
    }

    /// init's FIFO.
    pub fn initctl(&self) -> PathBuf {
        self.path("initctl")
    }

    /// Writes a file there and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file of the rig");
        path
    }

    /// Adds a port, with levels as `cts=1,dcd=1` or none.
    pub fn port(self, name: &str, levels: &str) -> Self {
        let mut link = OsString::from(format!("{name}="));
        link.push(self.tty(name));
        let setup = self.option("--port").option(link);
        if levels.is_empty() {
            setup
        } else {
            setup.option("--lines").option(format!("{name}:{levels}"))
        }
    }

    /// Plays a script from the start.
    pub fn script(self, text: &str) -> Self {
        let path = self.write("script", text);
        self.option("--script").option(path)
    }

    /// Adds any option of the simulator, such as `--icount`.
    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Has it run in this network namespace.
    pub fn inside(mut self, netns: PathBuf) -> Self {
        self.netns = Some(netns);
        self
    }

    /// Runs a command on the ports and waits until it does. Its output goes to the files `stdout` and
    /// `stderr` of the directory; its standard input is a pipe (see [`Rig::input`]).
    pub fn start<S: AsRef<OsStr>>(self, program: impl AsRef<OsStr>, arguments: &[S]) -> Rig {
        let output = |name| File::create(self.path(name)).expect("a file for output");
        let mut command = match &self.netns {
            None => Command::new(upsim()),
            Some(path) => {
                // It becomes the simulator: one process.
                let mut enter = Command::new("nsenter");
                enter.arg(format!("--net={}", path.display())).arg(upsim());
                enter
            }
        };
        let mut child = command
            .args(&self.options)
            .arg("--")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .expect("the simulator");
        let stdin = child.stdin.take();
        let mut rig = Rig {
            child,
            stdin,
            setup: self,
            log: Vec::new(),
            half: String::new(),
            offset: 0,
            seen: 0,
        };
        let started =
            rig.wait_for(|event| matches!(event.kind, Kind::Start(_)), Duration::from_secs(10));
        assert!(started.is_some(), "the simulator did not start: {}", rig.stderr());
        rig
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A command that runs on simulated ports. Dropping it ends everything that runs below the simulator.
#[derive(Debug)]
pub struct Rig {
    child: Child,
    stdin: Option<ChildStdin>,
    setup: Setup,
    log: Vec<Event>,
    half: String,
    offset: u64,
    seen: usize,
}

impl Rig {
    /// Gives the simulator a command: see `upsim --help`.
    pub fn command(&self, line: &str) {
        let mut control = OpenOptions::new()
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(self.setup.path("control"))
            .expect("the control FIFO");
        control.write_all(format!("{line}\n").as_bytes()).expect("the control FIFO");
    }

    /// Writes a line to the command's standard input; of use when it is a shell.
    pub fn input(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is closed");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("standard input");
    }

    /// Closes the command's standard input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Paths of the rig.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// All that has been logged so far.
    pub fn log(&mut self) -> &[Event] {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.setup.path("log")) {
            use std::io::Seek;
            file.seek(std::io::SeekFrom::Start(self.offset)).expect("the log");
            self.offset += file.read_to_string(&mut text).expect("the log") as u64;
        }
        self.half.push_str(&text);
        while let Some(end) = self.half.find('\n') {
            let line: String = self.half.drain(..=end).collect();
            self.log.push(Event::parse(line.trim_end_matches('\n')));
        }
        &self.log
    }

    /// The next event of this kind, counted from the one that the last `wait_for` returned.
    pub fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&Event) -> bool,
        timeout: Duration,
    ) -> Option<Event> {
        let end = Instant::now() + timeout;
        let mut at = self.seen;
        loop {
            let ended = self.child.try_wait().expect("the simulator's status").is_some();
            let events = self.log();
            while let Some(event) = events.get(at) {
                at += 1;
                if wanted(event) {
                    let found = event.clone();
                    self.seen = at;
                    return Some(found);
                }
            }
            if ended || Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for a line that is exactly this, its time apart, and fails the test when it does not come.
    pub fn expect(&mut self, text: &str) -> Event {
        let found = self.wait_for(|event| event.is(text), Duration::from_secs(5));
        found.unwrap_or_else(|| {
            panic!("no `{text}`; the log:\n{}\nstderr:\n{}", self.log_text(), self.stderr())
        })
    }

    /// Requests that init has read so far.
    pub fn inits(&mut self) -> Vec<InitRequest> {
        let requests = self.log().iter().filter_map(|event| match &event.kind {
            Kind::Init(request) => Some(request.clone()),
            _ => None,
        });
        requests.collect()
    }

    /// Waits until init has read so many requests, and returns all that it has read.
    pub fn wait_inits(&mut self, count: usize, timeout: Duration) -> Vec<InitRequest> {
        let end = Instant::now() + timeout;
        loop {
            let inits = self.inits();
            if inits.len() >= count || Instant::now() >= end {
                return inits;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The log as text, for messages.
    pub fn log_text(&mut self) -> String {
        let lines = self.log().iter().map(|event| format!("{} {}", event.nanos, event.text));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What the command has written to standard error.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.setup.path("stderr")).unwrap_or_default()
    }

    /// What the command has written to standard output.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.setup.path("stdout")).unwrap_or_default()
    }

    /// The command's process id.
    pub fn pid(&mut self) -> u32 {
        let pid = self.log().iter().find_map(|event| match event.kind {
            Kind::Start(pid) => Some(pid),
            _ => None,
        });
        pid.expect("the command has started")
    }

    /// The simulator's process id.
    pub fn sim_pid(&self) -> u32 {
        self.child.id()
    }

    /// All processes of the command, parents before their children.
    pub fn processes(&self) -> Vec<u32> {
        below(self.child.id())
    }

    /// Sends a signal to the command.
    pub fn signal(&mut self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits until nothing runs any more; the command's exit code.
    pub fn wait_exit(&mut self, timeout: Duration) -> Option<i32> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(status) = self.child.try_wait().expect("the simulator's status") {
                return status.code();
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends everything in order (SIGTERM first) and returns the command's exit code.
    pub fn stop(&mut self) -> Option<i32> {
        if self.child.try_wait().expect("the simulator's status").is_none() {
            self.command("quit");
        }
        self.wait_exit(Duration::from_secs(5))
    }

    /// Ends everything at once: first what runs below the simulator, then the simulator.
    pub fn kill(&mut self) {
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            for pid in below(self.child.id()) {
                send(pid, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill();
    }
}

fn send(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(i32::try_from(pid).expect("a process id")), signal);
}

/// All processes below `root`, parents before their children.
pub fn below(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in brackets may hold anything, brackets too.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found
}

/// The simulator: the program named by `UPSIM`, else one that cargo builds (so that it is never an old
/// one), else what lies beside the tests.
pub fn upsim() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| std::env::var_os("UPSIM").map_or_else(|| built("upsim"), PathBuf::from))
}

/// The daemon with a hostile jail.
pub fn upevil() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("upevil"))
}

/// A package of this workspace and its program of the same name.
fn built(package: &str) -> PathBuf {
    // target/PROFILE/deps/TEST
    let test = std::env::current_exe().expect("our own path");
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", package, "--manifest-path"]);
    build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    build.arg("--target-dir").arg(profile.parent().expect("target"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let built = build.stdin(Stdio::null()).status().is_ok_and(|status| status.success());
    let path = profile.join(package);
    assert!(built || path.exists(), "`cargo build -p {package}` failed");
    path
}

/// A program that lies beside the simulator: `probe` or `bareloop`.
pub fn tool(name: &str) -> PathBuf {
    upsim().with_file_name(name)
}
