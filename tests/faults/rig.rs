//! A daemon whose calls can be made to fail, and one row of the table tried on it.

use crate::common::DAEMON;
use crate::common::jail::{descriptors, socket_kind};
use crate::common::sim::{Rig, Setup};
use crate::table::{On, Row, Then, When};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// Long enough for anything that must come, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(8);
const MAINS: &str = "cts=1,dcd=1";
/// So many monitors end badly before the next is made to wait.
const FREE: usize = 14;
/// More processor time than a daemon needs for all rows of a table; a spin is there in no time.
pub(crate) const BUSY: Duration = Duration::from_secs(4);

/// Where a request shows up: init's FIFO, or a powerstatus file that somebody takes.
pub(crate) trait Told {
    /// All that init was told so far: `fail`, `ok`.
    fn words(&mut self, rig: &mut Rig) -> Vec<String>;
}

/// init's FIFO, as the simulator reads it.
pub(crate) struct Initctl;

impl Told for Initctl {
    fn words(&mut self, rig: &mut Rig) -> Vec<String> {
        let short = |name: &str| name.trim_start_matches("power").to_owned();
        rig.inits().iter().map(|request| short(&request.name)).collect()
    }
}

/// A configuration that touches nothing outside the rig.
pub(crate) fn config(setup: &Setup, machine: &str) -> String {
    let line = format!("settle 100ms\ncable-grace 0s\n{machine}model power99\n");
    watching(setup, &line, &format!("watch {}\n", setup.tty("a").display()))
}

/// The same for one UPS that is watched so.
pub(crate) fn watching(setup: &Setup, machine: &str, watch: &str) -> String {
    let path = |name: &str| setup.path(name).display().to_string();
    format!(
        "initctl {}\npowerstatus {}\nchroot {}\nstate-file {}\npid-file {}\nhistory-file {}\nstatus-socket none\n\
         user 64996\nnotifier-user 64997\n{machine}{watch}",
        path("initctl"),
        path("powerstatus"),
        path("empty"),
        path("state"),
        path("pid"),
        path("history"),
    )
}

pub(crate) struct Daemon {
    pub(crate) rig: Rig,
}

impl Daemon {
    /// In the foreground, with calls that can fail.
    pub(crate) fn start(machine: &str, faults: &str) -> Self {
        let setup = Setup::new().port("a", MAINS).option("--icount").option("--faults");
        let setup = setup.option(faults);
        let conf = config(&setup, machine);
        Self::of(setup, machine, &conf)
    }

    /// The same with this configuration.
    pub(crate) fn of(setup: Setup, machine: &str, conf: &str) -> Self {
        let daemon = Self::begun(setup, machine, conf);
        daemon.says("ready: ", 1);
        daemon
    }

    /// The same, whatever it does.
    pub(crate) fn begun(setup: Setup, machine: &str, conf: &str) -> Self {
        let conf = setup.write("conf", conf);
        let mut words: Vec<&str> = Vec::new();
        if machine.contains("via signal") {
            // So that its SIGPWR reaches nobody but a process 1 of root's, which is not its parent.
            words.extend(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
            words.extend(["sh", "-c", "(\"$@\"; exit $?); exit $?", "sh"]);
        }
        words.extend([DAEMON, "-c", conf.to_str().unwrap(), "-f", "--log", "stderr"]);
        Self { rig: setup.start(words[0], &words[1..]) }
    }

    /// In the background, behind `outer`; says `started STATUS` when the start is over.
    pub(crate) fn in_background(outer: &[String], faults: &str) -> Self {
        let setup = Setup::new().port("a", MAINS).option("--until-gone").option("--faults");
        let setup = setup.option(faults);
        let text = config(&setup, "via initctl\n").replace("settle 100ms", "settle 2s");
        let conf = setup.write("conf", &text);
        let start = format!("{DAEMON} -c {}; echo started $?", conf.display());
        let words: Vec<&str> =
            outer.iter().map(String::as_str).chain(["sh", "-c", &start]).collect();
        Self { rig: setup.start(words[0], &words[1..]) }
    }

    /// Waits until the jail is there.
    pub(crate) fn wait_for_warden(&self) {
        let end = Instant::now() + LONG;
        while self.pid("upsentry-mon").is_none() {
            assert!(Instant::now() < end, "no monitor: {}", self.rig.stderr());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// The simulator has done all commands so far.
    pub(crate) fn set(&mut self, command: &str) {
        self.rig.command(command);
        self.rig.command("mark done");
        let mark = self.rig.wait_for(|event| event.is("mark done"), LONG);
        assert!(mark.is_some(), "`{command}` was not done: {}", self.all());
    }

    /// Waits until the log has words so often; words with `|` between are alternatives.
    pub(crate) fn says(&self, words: &str, times: usize) {
        let end = Instant::now() + LONG;
        while self.said(words) < times {
            assert!(Instant::now() < end, "not {times} times `{words}`: {}", self.rig.stderr());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Waits until the state file begins so.
    pub(crate) fn recorded(&self, begin: &str) {
        let end = Instant::now() + LONG;
        let state = || fs::read_to_string(self.rig.setup().path("state")).unwrap_or_default();
        while !state().starts_with(begin) {
            assert!(Instant::now() < end, "{}{}", state(), self.rig.stderr());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// How often the log has words.
    pub(crate) fn said(&self, words: &str) -> usize {
        let log = self.rig.stderr();
        words.split('|').map(|words| log.matches(words).count()).sum()
    }

    pub(crate) fn all(&mut self) -> String {
        let log = self.rig.log_text();
        format!("\n{log}\n{}", self.rig.stderr())
    }

    /// The newest process of this name.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        let named = |pid: &u32| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
            comm.is_ok_and(|comm| comm.trim_end() == name)
        };
        self.rig.processes().into_iter().rfind(named)
    }

    pub(crate) fn kill(&self, name: &str, signal: Signal) {
        let pid = self.pid(name).unwrap_or_else(|| panic!("no {name}: {}", self.rig.stderr()));
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).expect("our own process");
    }

    /// Processor time of all that runs.
    pub(crate) fn busy(&self) -> Duration {
        let ticks = |pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (_, rest) = stat.rsplit_once(')')?;
            let times = rest.split_whitespace().skip(11).take(2);
            Some(times.filter_map(|time| time.parse::<u64>().ok()).sum::<u64>())
        };
        let sum: u64 = self.rig.processes().into_iter().filter_map(ticks).sum();
        Duration::from_millis(sum * 10)
    }

    /// The number of such a descriptor of a process.
    pub(crate) fn fd(&self, name: &str, on: On) -> Option<i32> {
        let pid = self.pid(name)?;
        let fds = descriptors(pid);
        let path = |file: &str| self.rig.setup().path(file).display().to_string();
        let is = |wanted: &str| fds.iter().find(|(_, (to, _))| to == wanted).map(|(fd, _)| *fd);
        let kind = |kind: &'static str| {
            let fits = move |(_, (to, _)): &(&i32, &(String, _))| to.starts_with(kind);
            fds.iter().filter(fits).map(|(fd, _)| *fd)
        };
        // Both ends of a pair are made at once.
        let peer = |name| {
            let theirs = descriptors(self.pid(name)?);
            let (_, (to, _)) = theirs.iter().find(|(_, (to, _))| to.starts_with("socket:"))?;
            let inode: u64 = to.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
            is(&format!("socket:[{}]", inode - 1))
        };
        match on {
            On::Any | On::Request(_) | On::File => None,
            On::Driver => sockets(&fds, &[Some("unix")]),
            On::Server => sockets(&fds, &[Some("tcp"), Some("tcp6"), None]),
            On::Shown => is("/nut"),
            On::Fifo => is(&path("initctl")),
            On::State => is(&path("state")),
            On::History => is(&path("history")),
            // The parent has both ends of it.
            On::ToHistory | On::FromHistory => {
                let end = if on == On::ToHistory { "w" } else { "r" };
                fds.iter()
                    .find(|(fd, (_, how))| *how == end && twice(&fds, **fd))
                    .map(|(fd, _)| *fd)
            }
            On::Pid => is(&path("pid")),
            On::Stderr => Some(2),
            On::Signals => is("anon_inode:[signalfd]"),
            On::Poke => is("anon_inode:[eventfd]"),
            On::Hand => peer("upsentry-hand"),
            On::Link if name == "upsentry" => peer("upsentry-warden"),
            On::Link => kind("socket:").next(),
            On::Events | On::Log | On::Started => {
                // The warden's end of the event pipe waits; its end of the log pipe does not.
                let warden = self.pid("upsentry-warden")?;
                let of = |wait| {
                    let ends = descriptors(warden);
                    let mut pipes = ends.into_iter().filter(|(_, (to, _))| to.starts_with("pipe:"));
                    pipes.find(|(fd, _)| waits(warden, *fd) == wait).map(|(_, (to, _))| to)
                };
                let (events, log) = (of(true)?, of(false)?);
                match on {
                    On::Events => is(&events),
                    On::Log => is(&log),
                    _ => kind("pipe:").find(|fd| {
                        let other = fds[fd].0 != events && fds[fd].0 != log;
                        *fd > 2 && other && !twice(&fds, *fd)
                    }),
                }
            }
        }
    }

    /// The next such call fails, or the next few, or `always`.
    pub(crate) fn arm(&mut self, row: &Row, errno: &str, times: &str) {
        let name = comm(row);
        let mut which = match row.on {
            On::Any => String::new(),
            On::Request(request) => format!(" arg={request}"),
            // The lowest that is free.
            On::File => " fd=3".to_owned(),
            on => {
                let fd = self.fd(name, on).or_else(|| self.fd("upsentry-warden", on));
                format!(" fd={}", fd.unwrap_or_else(|| panic!("no {on:?}: {}", self.all())))
            }
        };
        which.insert_str(0, &format!("{} {errno} {times}", row.call));
        // The warden's child has the warden's name for its first moment.
        self.set(&format!("fail {name} {which}"));
    }

    /// How often such a call has failed.
    pub(crate) fn failed(&mut self, row: &Row) -> usize {
        let begin = format!("fault {} {} ", comm(row), row.call);
        self.rig.log().iter().filter(|event| event.text.starts_with(&begin)).count()
    }
}

/// The first socket of these kinds; `None`: not connected.
fn sockets(fds: &BTreeMap<i32, (String, &'static str)>, kinds: &[Option<&str>]) -> Option<i32> {
    let fits = |to: &str| to.starts_with("socket:") && kinds.contains(&socket_kind(to));
    fds.iter().find(|(_, (to, _))| fits(to)).map(|(fd, _)| *fd)
}

/// Whether a process has both ends of this pipe.
fn twice(fds: &BTreeMap<i32, (String, &'static str)>, fd: i32) -> bool {
    let same = fds.values().filter(|(to, _)| to.starts_with("pipe:") && *to == fds[&fd].0);
    same.count() == 2
}

/// The process that makes the calls of a row.
fn comm(row: &Row) -> &'static str {
    match row.list {
        "parent" => "upsentry",
        "hand" => "upsentry-hand",
        "warden" => "upsentry-warden",
        _ => "upsentry-mon",
    }
}

fn waits(pid: u32, fd: i32) -> bool {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("0");
    i32::from_str_radix(flags.trim(), 8).is_ok_and(|flags| flags & nix::libc::O_NONBLOCK == 0)
}

/// Tries rows one after the other on the same daemon while it stays in good health.
pub(crate) struct Bench<T> {
    machine: &'static str,
    faults: String,
    daemon: Option<Daemon>,
    told: T,
    make: fn() -> T,
    pub(crate) wrong: Vec<String>,
}

impl<T: Told> Bench<T> {
    pub(crate) fn new(machine: &'static str, rows: &[Row], make: fn() -> T) -> Self {
        let mut calls: Vec<_> = rows.iter().map(|row| row.call).chain(["read"]).collect();
        calls.sort_unstable();
        calls.dedup();
        let faults = calls.join(",");
        Self { machine, faults, daemon: None, told: make(), make, wrong: Vec::new() }
    }

    /// Every row with every error.
    pub(crate) fn try_all(&mut self, rows: &[Row]) {
        for row in rows {
            for errno in row.errors {
                let began = Instant::now();
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    self.try_one(row, errno);
                }));
                let name = format!("{} {} {:?} {errno} {:?}", row.list, row.call, row.on, row.when);
                println!("{name}: {:?}", began.elapsed());
                if let Err(panic) = done {
                    let words = panic.downcast_ref::<String>().cloned();
                    self.wrong.push(format!("{name}: {}", words.unwrap_or_default()));
                    self.daemon = None;
                }
            }
        }
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n\n"));
    }

    fn fresh(&mut self) -> Daemon {
        let kept = self.daemon.take();
        let kept = kept.filter(|daemon| daemon.said("monitor ended|monitor convicted") < FREE);
        kept.unwrap_or_else(|| {
            self.told = (self.make)();
            Daemon::start(self.machine, &self.faults)
        })
    }

    fn try_one(&mut self, row: &Row, errno: &str) {
        let mut daemon = self.fresh();
        let before = self.told.words(&mut daemon.rig).len();
        let failed = daemon.failed(row);
        let (said, times) = match row.then {
            Then::Recovers(words) | Then::Ends(words) | Then::Stops(words) => {
                (words, if words.is_empty() { 0 } else { daemon.said(words) + 1 })
            }
        };
        daemon.arm(row, errno, "1");
        self.cause(&mut daemon, row, before);
        match row.then {
            Then::Recovers(_) => {
                self.hit(&mut daemon, row, failed);
                daemon.says(said, times);
                // Nothing more is told, and all works as before.
                self.outage(&mut daemon, before + 2);
                let words = self.told.words(&mut daemon.rig);
                assert_eq!(words[before..].concat(), "failokfailok", "{}", daemon.all());
                daemon.recorded("OK\ntold OK\n");
                assert!(daemon.busy() < BUSY, "{:?}: {}", daemon.busy(), daemon.all());
                daemon.set("fail off");
                self.daemon = Some(daemon);
            }
            Then::Ends(_) | Then::Stops(_) => {
                let code = i32::from(matches!(row.then, Then::Ends(_)));
                self.ends(&mut daemon, code);
                self.hit(&mut daemon, row, failed);
                assert!(daemon.said(said) >= times, "no `{said}`: {}", daemon.all());
            }
        }
    }

    /// Waits until the call has failed.
    fn hit(&mut self, daemon: &mut Daemon, row: &Row, before: usize) {
        let end = Instant::now() + LONG;
        while daemon.failed(row) == before {
            assert!(Instant::now() < end, "the call was not made: {}", daemon.all());
            self.told.words(&mut daemon.rig);
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    fn ends(&mut self, daemon: &mut Daemon, code: i32) {
        let end = Instant::now() + LONG;
        loop {
            self.told.words(&mut daemon.rig);
            match daemon.rig.wait_exit(Duration::from_millis(10)) {
                None => assert!(Instant::now() < end, "it did not end: {}", daemon.all()),
                found => return assert_eq!(found, Some(code), "{}", daemon.all()),
            }
        }
    }

    /// Lets happen what makes the call.
    fn cause(&mut self, daemon: &mut Daemon, row: &Row, before: usize) {
        if row.when == When::Convicted {
            let fd = daemon.fd("upsentry", On::Events).unwrap();
            daemon.set(&format!("fail upsentry read EIO 1 fd={fd}"));
        }
        match row.when {
            When::Killed => daemon.kill("upsentry-mon", Signal::SIGKILL),
            When::Stopped => daemon.kill("upsentry", Signal::SIGTERM),
            When::Replaced => daemon.kill("upsentry-mon", Signal::SIGKILL),
            When::Outage | When::Convicted => {}
            When::Left | When::Removed => panic!("this daemon does not ask NUT"),
        }
        match (row.when, row.then) {
            (When::Killed | When::Stopped, _) => {}
            (_, Then::Ends(_)) => daemon.set("set a cts=0"),
            _ => self.outage(daemon, before),
        }
    }

    /// The mains fail and return, and init is told so.
    pub(crate) fn outage(&mut self, daemon: &mut Daemon, before: usize) {
        for (lines, count) in [("set a cts=0", before + 1), ("set a cts=1", before + 2)] {
            daemon.set(lines);
            let end = Instant::now() + LONG;
            while self.told.words(&mut daemon.rig).len() < count {
                assert!(Instant::now() < end, "{lines} was not told: {}", daemon.all());
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}
