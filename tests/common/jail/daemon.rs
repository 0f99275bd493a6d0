//! A daemon to look at: how it is started, and its processes.

use super::proc::Status;
use crate::common::sim::{Rig, Setup};
use crate::common::{DAEMON, nut};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The daemon's release build: the program named by `UPSENTRY_RELEASE`, else one that cargo builds.
pub fn release() -> &'static Path {
    static PATH: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("UPSENTRY_RELEASE") {
            return path.into();
        }
        // target/PROFILE/upsentry; beside it is the one with TLS.
        let target = Path::new(DAEMON).ancestors().nth(2).expect("target/PROFILE");
        let mut build = std::process::Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--release", "--package", "upsentry", "--bins"]);
        build.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
        build.arg("--target-dir").arg(target);
        let built = build.stdin(std::process::Stdio::null()).status();
        assert!(built.is_ok_and(|status| status.success()), "`cargo build --release` failed");
        target.join("release/upsentry")
    })
}

/// The jailed user of the tests, and the parent's.
pub const USERS: [u32; 2] = [64001, 64002];
/// The notify command's.
pub const NOTIFY: u32 = 64003;

/// A second: security comes with the start, and not some time after it. On a machine that has more to do than
/// it can, longer.
pub fn soon() -> Duration {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let cores = u32::try_from(cores).map_or(1.0, f64::from);
    Duration::from_secs(if load > cores { 10 } else { 1 })
}

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `initctl`, `signal` or `command`.
    pub via: &'static str,
    /// Without `-f`.
    pub background: bool,
    /// UPSs.
    pub ports: usize,
    /// Serves its status.
    pub status: bool,
    /// Answers slaves on this port, of loopback's addresses of both families.
    pub serves: Option<u16>,
    /// Is the slave of whoever has this port.
    pub asks: Option<u16>,
    /// Watches a driver of NUT's, which does not run; its directory is there.
    pub driver: bool,
    /// Asks a server of NUT's that is not there, `nut` or `nut+tls`.
    pub server: Option<&'static str>,
    /// Has a notify command.
    pub notify: bool,
    /// The daemon.
    pub program: PathBuf,
    /// Put before the daemon's own command line.
    pub wrapper: Vec<String>,
}

impl Wanted {
    /// A master, with one UPS, that is the slave of itself and serves its status.
    pub fn fleet(via: &'static str) -> Self {
        let port = free_port();
        Self { status: true, serves: Some(port), asks: Some(port), ..Self::new(via) }
    }

    /// In the foreground, one UPS, the build of these tests.
    pub fn new(via: &'static str) -> Self {
        let program = DAEMON.into();
        let (serves, asks) = (None, None);
        let (driver, server, wrapper) = (false, None, Vec::new());
        Self {
            via,
            background: false,
            ports: 1,
            status: false,
            serves,
            asks,
            driver,
            server,
            notify: false,
            program,
            wrapper,
        }
    }

    /// Watches a driver and asks a server under TLS, has no port, and serves its status.
    pub fn nut(via: &'static str) -> Self {
        let server = Some("nut+tls");
        Self { ports: 0, status: true, driver: true, server, ..Self::new(via) }
    }

    /// Its configuration; `more` is put before the first UPS.
    pub fn config(&self, setup: &Setup, more: &str) -> String {
        let [user, notifier] = USERS;
        let path = |name: &str| setup.path(name).display().to_string();
        let mut text = format!(
            "user {user}\nnotifier-user {notifier}\nchroot {}\nstate-file {}\npid-file {}\nhistory-file {}\nstatus-socket {}\n\
             powerstatus {}\ninitctl {}\nvia {}\nsettle 50ms\nfail cts 0\nlow dcd 0\n\
             cable-grace 0s\n{more}\n",
            path("empty"),
            path("state"),
            path("pid"),
            path("history"),
            if self.status { path("status") } else { "none".to_owned() },
            path("powerstatus"),
            path("initctl"),
            self.via,
        );
        if self.via == "command" {
            text.push_str("halt /bin/true\n");
        }
        if self.notify {
            text.push_str(&format!("notify-command /bin/true\nnotify-user {NOTIFY}\n"));
        }
        let others = [self.asks.is_some(), self.driver, self.server.is_some()];
        if self.ports + others.into_iter().filter(|one| *one).count() > 1 {
            text.push_str("need 1\n");
        }
        if self.driver {
            text.push_str(&format!("ups-conf {}\n", path("ups.conf")));
        }
        if let Some(port) = self.serves.or(self.asks) {
            text.push_str(&format!("port {port}\nkey-file {}\n", path("key")));
        }
        if self.serves.is_some() {
            text.push_str("listen 127.0.0.1\nlisten ::1\nslave 127.0.0.1\n");
        }
        for port in self.names() {
            text.push_str(&format!("ups {port}\nwatch {}\n", setup.tty(port).display()));
        }
        if self.asks.is_some() {
            text.push_str("ups far\nwatch 127.0.0.1\n");
        }
        if self.driver {
            text.push_str("ups driver\nwatch driver:dummy\n");
        }
        if let Some(scheme) = self.server {
            // Nobody's port.
            text.push_str(&format!("ups server\nwatch {scheme}://127.0.0.1:1/dummy\n"));
            let pin = format!("tls-pin {}\n", "0".repeat(64));
            text.push_str(if scheme == "nut" { "" } else { &pin });
        }
        text
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        ["a", "b"].into_iter().take(self.ports)
    }

    /// Starts it, with `more` configuration.
    pub fn start(&self, more: &str) -> Rig {
        let mut setup = Setup::new();
        for port in self.names() {
            setup = setup.port(port, "cts=1,dcd=1");
        }
        if self.background {
            setup = setup.option("--until-gone");
        }
        let key = setup.write("key", &"k".repeat(32));
        let mode = PermissionsExt::from_mode(0o600);
        fs::set_permissions(key, mode).expect("the key's mode");
        if self.driver {
            let state = setup.path("drivers");
            fs::create_dir(&state).expect("NUT's directory");
            chown(&state, None, Some(nut::GROUP)).expect("as root");
            fs::set_permissions(&state, PermissionsExt::from_mode(0o770)).expect("its mode");
            let text = format!("statepath = {}\n[dummy]\ndriver = dummy-ups\n", state.display());
            setup.write("ups.conf", &text);
        }
        let config = setup.write("conf", &self.config(&setup, more));
        let mut words = self.wrapper.clone();
        words.push(self.program.display().to_string());
        words.extend(["-c".to_owned(), config.display().to_string()]);
        if !self.background {
            words.extend(["-f", "--log", "stderr"].map(str::to_owned));
        }
        setup.start(&words[0], &words[1..])
    }

    /// The names of its processes, as in ps.
    pub fn processes(&self) -> BTreeSet<&'static str> {
        let hand = (self.via != "initctl").then_some("upsentry-hand");
        let notify = self.notify.then_some("upsentry-notify");
        let always = ["upsentry", "upsentry-warden", "upsentry-mon"];
        always.into_iter().chain(hand).chain(notify).collect()
    }
}

/// A UDP port that nobody has now, of both families.
pub fn free_port() -> u16 {
    let one = || {
        let four = std::net::UdpSocket::bind("127.0.0.1:0").ok()?;
        let port = four.local_addr().ok()?.port();
        match std::net::UdpSocket::bind(("::1", port)) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => None,
            // Or there is no IPv6.
            _ => Some(port),
        }
    };
    (0..100).find_map(|_| one()).expect("a port")
}

/// A system log that the test reads, and what a command is put behind to have it: a /dev of its own, with
/// ptys and `null` as they are and `log` in `setup`.
pub fn own_log(setup: &Setup) -> (UnixDatagram, Vec<String>) {
    let socket = UnixDatagram::bind(setup.path("log")).expect("a socket");
    let dev = setup.path("dev").display().to_string();
    let log = setup.path("log").display().to_string();
    let script = format!(
        "set -e; mkdir {dev}; mount -t tmpfs dev {dev}; mkdir {dev}/pts; mount --rbind /dev/pts {dev}/pts
         mknod -m 666 {dev}/null c 1 3; ln -s {log} {dev}/log; mount --rbind {dev} /dev; exec \"$@\""
    );
    (socket, ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec())
}

/// Reads the log until it says this.
pub fn heard(log: &UnixDatagram, wanted: &str) {
    log.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let mut said = String::new();
    let mut bytes = [0; 1024];
    while !said.contains(wanted) {
        let length = log.recv(&mut bytes);
        let length = length.unwrap_or_else(|error| panic!("no {wanted:?}, {error}: {said}"));
        // As syslogd does, the tag's process id apart.
        let line = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let (tag, text) = line.split_once(": ").unwrap_or(("", &line));
        said.push_str(&format!("{}: {text}\n", tag.split('[').next().unwrap_or("")));
    }
}

/// The daemon's processes by name; `None` while one of them is not yet (or no more) what it is to be, or
/// the process that returns to the shell is still there.
pub fn processes(rig: &Rig, wanted: &Wanted) -> Option<BTreeMap<&'static str, u32>> {
    let mut found = BTreeMap::new();
    for pid in rig.processes() {
        let status = Status::of(pid)?;
        let name = status.get("Name");
        if !name.starts_with("upsentry") || status.get("State").starts_with('Z') {
            continue;
        }
        let name = wanted.processes().into_iter().find(|wanted| *wanted == name)?;
        if found.insert(name, pid).is_some() {
            return None;
        }
    }
    (found.len() == wanted.processes().len()).then_some(found)
}

/// Waits until all of the daemon's processes are there and each has put its own last list on.
pub fn confined(rig: &Rig, wanted: &Wanted, within: Duration) -> BTreeMap<&'static str, u32> {
    let end = Instant::now() + within;
    loop {
        let ready = |name: &str, pid: u32| {
            let status = Status::of(pid);
            status.is_some_and(|status| own_filters(&status) == filters(name, wanted))
        };
        let found = processes(rig, wanted);
        let found = found.filter(|all| all.iter().all(|(name, pid)| ready(name, *pid)));
        if let Some(found) = found {
            return found;
        }
        assert!(Instant::now() < end, "not confined within {within:?}: {}", rig.stderr());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many lists a process of this name has to have.
pub fn filters(name: &str, wanted: &Wanted) -> u32 {
    match name {
        // The warden's and its own.
        "upsentry-mon" => 2,
        // The command would inherit it.
        "upsentry-hand" if wanted.via == "command" => 0,
        "upsentry-notify" => 0,
        _ => 1,
    }
}

/// Lists of the daemon's own: what else runs under the simulator has the simulator's.
pub fn own_filters(status: &Status) -> u32 {
    static BASE: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let base = BASE.get_or_init(|| {
        let mut rig = Setup::new().start("sleep", &["60"]);
        let pid = rig.pid();
        Status::of(pid).expect("sleep runs").number("Seccomp_filters")
    });
    status.number("Seccomp_filters") - base
}
