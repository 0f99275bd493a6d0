//! Debian's own NUT, unpacked by `tests/install`, in a directory of its own: drivers, upsd, upsmon and upsc run as on a
//! machine that has them installed, and nothing outside the directory knows of them.
//!
//! ```ignore
//! let nut = Nut::new(&["dummy"]);
//! let driver = nut.driver("dummy");
//! let upsd = nut.upsd();
//! nut.wait_status("dummy", "OL");
//! nut.set("dummy", "OB");
//! ```
//!
//! Drivers and upsd run as a user and a group that only have a number, so sockets are as Debian's, `0660` in a
//! directory of `0770`, of that user and group. They keep the right to read what they are made of: a checkout may lie
//! where other users may not look.

mod process;

use super::nut_cert::Certificate;
use super::sim::{Rig, Setup};
use super::{need_root, skip};
use process::Line;
pub use process::{Process, Upsmon};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The user of drivers and upsd, and the group of the drivers' sockets.
pub const OWNER: u32 = 64020;
pub const GROUP: u32 = 64021;
/// Long enough for anything that must come, on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);
/// The user of every client, in upsd.users, and its password.
pub const USER: &str = "mon";
pub const PASSWORD: &str = "three-words-here";

/// True when there is a NUT and we may run it. Else the test is skipped: `if !need_nut() { return; }`.
pub fn need_nut() -> bool {
    if !need_root() {
        return false;
    }
    let there = program("upsd").is_some() && program("dummy-ups").is_some();
    if !there {
        skip("needs NUT: `tests/install` unpacks Debian's");
    }
    there
}

/// The part that it was unpacked to.
fn part() -> PathBuf {
    let parts = match std::env::var_os("UPSENTRY_PARTS") {
        Some(parts) => PathBuf::from(parts),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"),
    };
    parts.join("nut")
}

/// A program of it. Where two have a name, the one in `sbin` is a script that wants a system that runs NUT.
fn program(name: &str) -> Option<PathBuf> {
    let places =
        ["lib/nut", "usr/lib/nut", "usr/libexec/nut", "usr/sbin", "sbin", "usr/bin", "bin"];
    places.iter().map(|place| part().join(place).join(name)).find(|path| path.is_file())
}

/// A command of NUT's, with its own libraries.
pub(super) fn command(name: &str) -> Command {
    let path = program(name).unwrap_or_else(|| panic!("no {name} in {}", part().display()));
    let mut command = Command::new(path);
    command.env("LD_LIBRARY_PATH", libraries());
    command
}

fn libraries() -> String {
    let all = ["usr/lib", "lib"].iter().flat_map(|place| {
        let base = part().join(place);
        let found = fs::read_dir(&base).into_iter().flatten().flatten().map(|entry| entry.path());
        found.filter(|path| path.to_string_lossy().contains("-linux-")).collect::<Vec<_>>()
    });
    all.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

/// As [`OWNER`], ended with the thread that started it.
fn as_owner() -> Vec<String> {
    let words = format!(
        "setpriv --pdeathsig KILL --reuid {OWNER} --regid {GROUP} --clear-groups --inh-caps +dac_read_search \
         --ambient-caps +dac_read_search"
    );
    words.split_whitespace().map(str::to_owned).collect()
}

/// A NUT that is configured. Whoever runs a part of it holds its [`Process`].
#[derive(Debug)]
pub struct Nut {
    dir: PathBuf,
    port: u16,
    sections: RefCell<String>,
    /// The network namespace of upsd and its clients; `None`: ours.
    netns: Option<PathBuf>,
    logs: Cell<u32>,
    /// One to each driver, kept: the 2.8.0 driver that is told something by a client, while another has just gone, dies.
    lines: RefCell<BTreeMap<String, Line>>,
}

impl Nut {
    /// With a dummy-ups of each of these names, that says `OL`.
    pub fn new(dummies: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("upsnut-{}-{number}", std::process::id()));
        fs::create_dir(&dir).expect("the directory of NUT");
        let nut = Self {
            port: free_port(),
            sections: RefCell::new(String::new()),
            netns: None,
            logs: Cell::new(0),
            lines: RefCell::default(),
            dir,
        };
        nut.make_state();
        nut.server("");
        nut.users("primary");
        for name in dummies {
            nut.dummy(name, "OL");
        }
        nut
    }

    /// One dummy-ups, called `dummy`, with its driver and upsd, which says `OL` of it.
    pub fn served() -> (Self, Process, Process) {
        let nut = Self::new(&["dummy"]);
        let driver = nut.driver("dummy");
        let upsd = nut.upsd();
        nut.wait_status("dummy", "OL");
        (nut, driver, upsd)
    }

    /// Makes the state path, as Debian has it.
    pub fn make_state(&self) {
        fs::create_dir(self.state()).expect("the directory of its sockets");
        chown(self.state(), Some(OWNER), Some(GROUP)).expect("as root");
        fs::set_permissions(self.state(), fs::Permissions::from_mode(0o770)).expect("its mode");
    }

    /// Has upsd and its clients run in this network namespace, where 127.0.0.1 is up.
    pub fn inside(mut self, netns: &Path) -> Self {
        self.netns = Some(netns.to_owned());
        self
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where sockets are: NUT's state path.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Its ups.conf.
    pub fn ups_conf(&self) -> PathBuf {
        self.path("ups.conf")
    }

    /// upsd's port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a UPS as upsentry has it, without a scheme.
    pub fn address(&self, name: &str) -> String {
        format!("{USER}@127.0.0.1:{}/{name}", self.port)
    }

    /// One more UPS, of dummy-ups. It looks at its file once, and then only at its sockets: a poll would make it deaf
    /// for a second.
    pub fn dummy(&self, name: &str, status: &str) {
        let file = format!("{name}.dev");
        let values = format!("ups.status: {status}\nbattery.charge: 90\nbattery.runtime: 600\n");
        fs::write(self.path(&file), values).expect("a file of NUT's");
        self.section(name, &format!("driver = dummy-ups\nport = {file}\npollinterval = 900\n"));
    }

    /// Lines of ups.conf that are not of one UPS; before the first section.
    pub fn global(&self, text: &str) {
        self.sections.borrow_mut().insert_str(0, text);
    }

    /// One more section of ups.conf.
    pub fn section(&self, name: &str, text: &str) {
        self.sections.borrow_mut().push_str(&format!("[{name}]\n{text}\n"));
        let text = format!("statepath = {}\n{}", self.state().display(), self.sections.borrow());
        fs::write(self.ups_conf(), text).expect("ups.conf");
    }

    /// upsd.conf, with more lines.
    pub fn server(&self, more: &str) {
        let state = self.state().display().to_string();
        let text = format!("LISTEN 127.0.0.1 {}\nSTATEPATH {state}\n{more}", self.port);
        fs::write(self.path("upsd.conf"), text).expect("upsd.conf");
    }

    /// upsd.users: [`USER`] as this kind of upsmon, `primary` or `secondary`.
    pub fn users(&self, kind: &str) {
        let text = format!("[{USER}]\npassword = {PASSWORD}\nupsmon {kind}\nactions = SET\n");
        fs::write(self.path("upsd.users"), text).expect("upsd.users");
    }

    /// A certificate of upsd's, which it speaks TLS with from its next start.
    pub fn secure(&self) -> Certificate {
        let certificate = Certificate::new(&self.path("certificate"));
        self.server(&certificate.directives());
        certificate
    }

    /// Runs a driver, until it answers.
    pub fn driver(&self, name: &str) -> Process {
        let driver = self.dummy_unready(name);
        self.ask(name, "");
        driver
    }

    /// Runs a dummy-ups.
    pub fn dummy_unready(&self, name: &str) -> Process {
        self.run("dummy-ups", &as_owner(), &self.dir, &["-a", name, "-u", "root", "-F"])
    }

    /// Runs upsd, until it listens.
    pub fn upsd(&self) -> Process {
        let upsd = self.run("upsd", &self.enter(as_owner()), &self.dir, &["-u", "root", "-F"]);
        upsd.says("listening on ");
        upsd
    }

    /// Runs an upsmon as `primary` or `secondary` of a UPS, until it is logged in.
    pub fn upsmon(&self, name: &str, kind: &str) -> Upsmon {
        let dir = self.path(&format!("upsmon-{}", self.logs.get()));
        fs::create_dir(&dir).expect("the directory of an upsmon");
        let marker = dir.join("shutdown");
        let text = format!(
            "RUN_AS_USER root\nMONITOR {name}@127.0.0.1:{} 1 {USER} {PASSWORD} {kind}\nMINSUPPLIES 1\nPOLLFREQ 1\n\
             POLLFREQALERT 1\nDEADTIME 6\nHOSTSYNC 5\nFINALDELAY 0\nNOTIFYFLAG SHUTDOWN IGNORE\nSHUTDOWNCMD \"date +%s.%N >{}\"\n",
            self.port,
            marker.display()
        );
        fs::write(dir.join("upsmon.conf"), text).expect("upsmon.conf");
        let words = ["setpriv", "--pdeathsig", "KILL"].map(str::to_owned).to_vec();
        let process = self.run("upsmon", &self.enter(words), &dir, &["-u", "root", "-F", "-D"]);
        process.says("Logged into UPS");
        Upsmon { process, marker }
    }

    /// Before a command of upsd's or its clients'.
    fn enter(&self, mut words: Vec<String>) -> Vec<String> {
        if let Some(path) = &self.netns {
            let enter = ["nsenter".to_owned(), format!("--net={}", path.display())];
            words.splice(0..0, enter);
        }
        words
    }

    fn run(&self, name: &str, before: &[String], conf: &Path, words: &[&str]) -> Process {
        self.logs.set(self.logs.get() + 1);
        let log = self.path(&format!("{name}-{}.log", self.logs.get()));
        let output = File::create(&log).expect("a log");
        let real = command(name);
        let mut wrapped = Command::new(&before[0]);
        wrapped.args(&before[1..]).arg(real.get_program()).args(words);
        wrapped.env("LD_LIBRARY_PATH", libraries()).env("NUT_CONFPATH", conf);
        wrapped.env("NUT_STATEPATH", self.state()).stdin(Stdio::null());
        wrapped.stdout(output.try_clone().expect("a log")).stderr(output);
        Process { child: wrapped.spawn().expect("a program of NUT's"), log }
    }

    /// Changes the status of a dummy-ups; returns when the driver has told all its clients.
    pub fn set(&self, name: &str, status: &str) {
        self.set_value(name, "ups.status", status);
    }

    /// Changes a variable of a dummy-ups.
    pub fn set_value(&self, name: &str, variable: &str, value: &str) {
        self.ask(name, &format!("SET {variable} \"{value}\""));
    }

    /// Says something to a dummy-ups and waits until it has taken it in.
    fn ask(&self, name: &str, request: &str) {
        let path = self.state().join(format!("dummy-ups-{name}"));
        let end = Instant::now() + LONG;
        loop {
            let kept = self.lines.borrow_mut().remove(name).or_else(|| Line::to(&path));
            if let Some(mut line) = kept
                && line.ask(request).is_ok()
            {
                self.lines.borrow_mut().insert(name.to_owned(), line);
                return;
            }
            assert!(Instant::now() < end, "nobody on {}: {}", path.display(), self.story());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A variable of a UPS's as upsd has it.
    pub fn upsc(&self, name: &str, variable: &str) -> Option<String> {
        let words = self.enter(vec!["env".to_owned()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program("upsc")?);
        command.env("LD_LIBRARY_PATH", libraries());
        command.args([format!("{name}@127.0.0.1:{}", self.port), variable.to_owned()]);
        let output = command.output().expect("upsc");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Waits until upsd gives out this status.
    pub fn wait_status(&self, name: &str, status: &str) {
        let end = Instant::now() + LONG;
        loop {
            let found = self.upsc(name, "ups.status");
            if found.as_deref() == Some(status) {
                return;
            }
            assert!(Instant::now() < end, "{name} is {found:?}, not {status:?}: {}", self.story());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A connection to upsd, in clear.
    pub fn connect(&self) -> TcpStream {
        assert!(self.netns.is_none(), "its port is in another network namespace");
        TcpStream::connect(("127.0.0.1", self.port)).expect("upsd")
    }

    /// Another primary: sets FSD on a UPS, as `upsmon` does, and goes.
    pub fn force(&self, name: &str) {
        self.client(&[format!("PRIMARY {name}"), format!("FSD {name}")]);
    }

    /// Another secondary, that stays until it is dropped and follows nobody.
    pub fn login(&self, name: &str) -> TcpStream {
        self.client(&[format!("LOGIN {name}")])
    }

    /// A client of upsd's that may do things, and does these.
    fn client(&self, lines: &[String]) -> TcpStream {
        let mut stream = self.connect();
        let mut answers = BufReader::new(stream.try_clone().expect("a socket"));
        let proof = [format!("USERNAME {USER}"), format!("PASSWORD {PASSWORD}")];
        for line in proof.iter().chain(lines) {
            stream.write_all(format!("{line}\n").as_bytes()).expect("upsd");
            let mut answer = String::new();
            answers.read_line(&mut answer).expect("upsd");
            assert!(answer.starts_with("OK"), "{line}: {answer}");
        }
        stream
    }

    /// Clients that are logged in.
    pub fn logins(&self, name: &str) -> usize {
        let mut stream = self.connect();
        stream.write_all(format!("GET NUMLOGINS {name}\n").as_bytes()).expect("upsd");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("upsd");
        let number = answer.trim().rsplit(' ').next().and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("{answer}"))
    }

    /// Waits until so many are.
    pub fn wait_logins(&self, name: &str, count: usize) {
        let end = Instant::now() + LONG;
        while self.logins(name) != count {
            assert!(Instant::now() < end, "not {count} clients: {}", self.story());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What all have said, for messages.
    pub fn story(&self) -> String {
        let mut logs: Vec<PathBuf> =
            fs::read_dir(&self.dir).expect("it").flatten().map(|entry| entry.path()).collect();
        logs.retain(|path| path.extension().is_some_and(|end| end == "log"));
        logs.sort();
        let text = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            format!("--- {name}\n{}", fs::read_to_string(path).unwrap_or_default())
        };
        logs.iter().map(text).collect()
    }
}

impl Drop for Nut {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A TCP port that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// genericups as it is, on a simulated port.
#[derive(Debug)]
pub struct Generic {
    rig: Rig,
}

impl Generic {
    /// Runs it as this UPS: on line with CTS, low without DCD (NUT's type 7).
    pub fn start(nut: &Nut, name: &str) -> Self {
        let setup = Setup::new().port("g", "cts=1,dcd=1");
        let tty = setup.tty("g").display().to_string();
        let text = format!("driver = genericups\nport = {tty}\nupstype = 7\npollinterval = 1\n");
        nut.section(name, &text);
        let script = format!("chown {OWNER} {tty}; exec \"$@\"");
        let mut words = ["-c", &script, "sh"].map(str::to_owned).to_vec();
        words.extend(Self::command(nut, name));
        let rig = setup.start("sh", &words);
        Self::wait(nut, name, &rig);
        Self { rig }
    }

    /// What runs it as this UPS, on a port that is [`OWNER`]'s.
    pub fn command(nut: &Nut, name: &str) -> Vec<String> {
        let mut words = vec![
            "env".to_owned(),
            format!("NUT_CONFPATH={}", nut.dir.display()),
            format!("NUT_STATEPATH={}", nut.state().display()),
            format!("LD_LIBRARY_PATH={}", libraries()),
        ];
        words.extend(as_owner());
        words.push(Self::path().display().to_string());
        words.extend(["-a", name, "-u", "root", "-F"].map(str::to_owned));
        words
    }

    /// The driver's program.
    pub fn path() -> PathBuf {
        program("genericups").expect("genericups")
    }

    /// Waits until it answers, on this rig.
    pub fn wait(nut: &Nut, name: &str, rig: &Rig) {
        let socket = nut.state().join(format!("genericups-{name}"));
        let end = Instant::now() + LONG;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < end, "no genericups: {}", rig.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Moves the UPS's lines.
    pub fn lines(&self, levels: &str) {
        self.rig.command(&format!("set g {levels}"));
    }
}
