//! The parent under attack, what it told init and what it logged, and what it cost.

use crate::common::jail::{Status, USERS, own_filters, own_log};
use crate::common::sim::{InitRequest, Rig, Setup, upevil};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Long enough for anything that must come, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(10);

/// A frame's bytes in hexadecimal, written down here a second time.
pub(crate) fn frame(kind: char, name: &str) -> String {
    raw(kind as u8, name.as_bytes())
}

/// A frame with any type and body.
pub(crate) fn raw(kind: u8, body: &[u8]) -> String {
    let length = u8::try_from(body.len()).expect("a short body");
    hex(&[&[2, kind, length], body, &[3]].concat())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Frames about UPS `a` in one write: `OF` is mains, then battery.
pub(crate) fn says(kinds: &str) -> String {
    let frames: String = kinds.chars().map(|kind| frame(kind, "a")).collect();
    format!("e {frames}")
}

/// Where the log goes, and how it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// With `-f`, to a file that takes any number of lines.
    File,
    /// With `-f`, to a system log that shows severities.
    Syslog,
    /// As [`Log::Syslog`], without `-f`.
    Background,
}

/// How to start it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) log: Log,
    pub(crate) speed: u32,
    /// Names of the UPSs, each on a port of its own.
    pub(crate) names: &'static [&'static str],
    pub(crate) more: String,
    /// The state file that it finds.
    pub(crate) state: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { log: Log::Syslog, speed: 1, names: &["a"], more: String::new(), state: None }
    }
}

/// A parent under attack.
pub(crate) struct Victim {
    pub(crate) rig: Rig,
    pid: u32,
    log: Log,
    speed: u32,
    heard: Arc<Mutex<Vec<String>>>,
    done: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
    warm: Option<(Usage, Instant)>,
    /// Where the system log is.
    _log: Setup,
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Clock ticks, of 10 ms.
    ticks: u64,
    /// Kilobytes.
    resident: u64,
    anonymous: u64,
    data: u64,
}

impl Usage {
    fn of(pid: u32) -> Self {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}"));
        let field = |file, name| {
            let text: String = read(file).expect("the parent lives");
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let word = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            word.expect("a number of kilobytes")
        };
        let stat = read("stat").expect("the parent lives");
        let (_, words) = stat.rsplit_once(')').expect("a name in brackets");
        let words: Vec<&str> = words.split_whitespace().collect();
        let ticks = |at: usize| words[at].parse::<u64>().expect("a number of ticks");
        Self {
            ticks: ticks(11) + ticks(12),
            resident: field("smaps_rollup", "Rss"),
            anonymous: field("smaps_rollup", "Anonymous"),
            data: field("status", "VmData"),
        }
    }
}

impl Wanted {
    /// Starts the attack: one word a generation.
    pub(crate) fn start(&self, words: &[String]) -> Victim {
        let mut setup = Setup::new();
        for name in self.names {
            setup = setup.port(name, "cts=1,dcd=1");
        }
        if self.log == Log::Background {
            setup = setup.option("--until-gone");
        }
        if let Some(state) = &self.state {
            setup.write("state", state);
        }
        let config = setup.write("conf", &self.config(&setup));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let done = Arc::new(AtomicBool::new(false));
        let mut line = Vec::new();
        let mut listener = None;
        let place = Setup::new();
        if self.log != Log::File {
            let (socket, outer) = own_log(&place);
            line.extend(outer);
            let (lines, done) = (Arc::clone(&heard), Arc::clone(&done));
            listener = Some(std::thread::spawn(move || listen(&socket, &lines, &done)));
        }
        let log = match self.log {
            Log::File => "stderr",
            Log::Syslog => "syslog",
            Log::Background => "background",
        };
        let path = |path: std::path::PathBuf| path.display().to_string();
        line.extend([path(upevil().to_owned()), path(config), path(setup.path("report"))]);
        line.extend([self.speed.to_string(), log.to_owned()]);
        line.extend(words.iter().cloned());
        let rig = setup.start(&line[0], &line[1..]);
        let mut victim = Victim {
            rig,
            pid: 0,
            log: self.log,
            speed: self.speed,
            heard,
            done,
            listener,
            warm: None,
            _log: place,
        };
        if self.log != Log::Background {
            victim.pid = victim.rig.pid();
        }
        victim
    }

    fn config(&self, setup: &Setup) -> String {
        let [user, notifier] = USERS;
        let path = |name: &str| setup.path(name).display().to_string();
        let mut text = format!(
            "user {user}\nnotifier-user {notifier}\nchroot {}\nstate-file {}\npid-file {}\nhistory-file {}\nstatus-socket none\n\
             initctl {}\nvia initctl\nsettle 50ms\nfail cts 0\nlow dcd 0\ncable-grace 0s\n{}\n",
            path("empty"),
            path("state"),
            path("pid"),
            path("history"),
            path("initctl"),
            self.more,
        );
        for name in self.names {
            text.push_str(&format!("ups {name}\nwatch {}\n", setup.tty(name).display()));
        }
        text
    }
}

fn listen(socket: &UnixDatagram, lines: &Mutex<Vec<String>>, done: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    let mut bytes = [0; 2048];
    while !done.load(Ordering::Relaxed) {
        if let Ok(length) = socket.recv(&mut bytes) {
            let line = String::from_utf8_lossy(&bytes[..length]).into_owned();
            lines.lock().expect("no panic there").push(line);
        }
    }
}

impl Victim {
    /// Every line of the daemon's log, as `SEVERITY TAG: TEXT` (`-`: a file does not say it). Fails where one
    /// is not clean: printable, with a tag of ours.
    pub(crate) fn log(&self) -> Vec<String> {
        let lines: Vec<String> = match self.log {
            Log::File => self.rig.stderr().lines().map(str::to_owned).collect(),
            _ => self.heard.lock().expect("no panic there").clone(),
        };
        let clean = |line: String| {
            assert!(line.bytes().all(|byte| matches!(byte, 0x20..=0x7e)), "not clean: {line:?}");
            let (head, text) = line.split_once(": ").unwrap_or_else(|| panic!("no tag: {line}"));
            let (severity, tag) = match head.strip_prefix('<') {
                None => ("-".to_owned(), head),
                Some(head) => {
                    let (priority, tag) = head.split_once('>').expect("a priority");
                    let priority: u8 = priority.parse().expect("a number");
                    assert_eq!(priority >> 3, 3, "not of the daemon facility: {line}");
                    (format!("{}", priority & 7), tag.split('[').next().unwrap_or(""))
                }
            };
            assert!(["upsentry", "upsentry-mon"].contains(&tag), "a strange tag: {line}");
            format!("{severity} {tag}: {text}")
        };
        lines.into_iter().map(clean).collect()
    }

    /// How many lines of the log have these words.
    pub(crate) fn said(&self, words: &str) -> usize {
        self.log().iter().filter(|line| line.contains(words)).count()
    }

    /// Waits until the log has so many lines with these words.
    pub(crate) fn says(&self, words: &str, times: usize) {
        self.says_within(words, times, LONG);
    }

    pub(crate) fn says_within(&self, words: &str, times: usize, time: Duration) {
        let end = Instant::now() + time;
        while self.said(words) < times {
            assert!(Instant::now() < end, "not {times} times `{words}`: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that is known, for messages.
    pub(crate) fn all(&mut self) -> String {
        let log = self.rig.log_text();
        format!("\n{log}\n{:#?}\n{}{}", self.log(), self.report(), self.rig.stderr())
    }

    /// The parent's process id.
    pub(crate) fn pid(&mut self) -> u32 {
        let path = self.rig.setup().path("pid");
        let end = Instant::now() + LONG;
        while self.pid == 0 {
            assert!(Instant::now() < end, "no pid file: {}", self.all());
            let text = fs::read_to_string(&path).unwrap_or_default();
            self.pid = text.trim().parse().unwrap_or(0);
        }
        self.pid
    }

    /// The parent has not been replaced, and has not ended.
    pub(crate) fn lives(&mut self) -> bool {
        let pid = self.pid();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains("(upsentry)") && !stat.contains(") Z")
    }

    /// What the attackers wrote, a generation a line.
    pub(crate) fn report(&self) -> String {
        fs::read_to_string(self.rig.setup().path("report")).unwrap_or_default()
    }

    /// Waits until so many generations have ended.
    pub(crate) fn generations(&mut self, count: usize) {
        let end = Instant::now() + 3 * LONG;
        while self.report().lines().count() < count {
            assert!(Instant::now() < end, "not {count} generations: {}", self.all());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// From here on memory must not grow and processor time is counted.
    pub(crate) fn warm(&mut self) {
        self.warm = Some((Usage::of(self.pid()), Instant::now()));
    }

    /// The parent lives, its memory is what it was after the warm-up, and it did not spin. On a core of its own a
    /// spinning parent takes all, on a very busy machine still a quarter.
    pub(crate) fn unmoved(&mut self) {
        assert!(self.lives(), "{}", self.all());
        let (before, since) = self.warm.expect("it was warm");
        let (after, wall) = (Usage::of(self.pid()), since.elapsed());
        assert_eq!(after.data, before.data, "{before:?} {after:?}");
        assert!(after.anonymous <= before.anonymous + 8, "{before:?} {after:?}");
        // Pages of files: the start gave them back, and what is used again brings 64 KiB around it.
        assert!(after.resident <= before.resident + 1024, "{before:?} {after:?}");
        let used = Duration::from_millis(10 * (after.ticks - before.ticks));
        eprintln!("used {used:?} of {wall:?}, {before:?} {after:?}");
        assert!(used <= wall / 10 + Duration::from_millis(300), "{used:?} of {wall:?}");
    }

    /// What the state file has of UPS `a`.
    pub(crate) fn waits_for_state(&mut self, wanted: &str) {
        let path = self.rig.setup().path("state");
        let end = Instant::now() + 3 * LONG;
        let line = format!("ups a {wanted}");
        while !fs::read_to_string(&path).unwrap_or_default().lines().any(|found| found == line) {
            assert!(Instant::now() < end, "no `{line}`: {}", self.all());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The daemon's own monitor has seen mains, and init has heard of it if it had heard of an outage.
    pub(crate) fn comes_back(&mut self) {
        self.says_within(" upsentry-mon: a: on mains", 1, 3 * LONG);
        self.waits_for_state("O");
        let end = Instant::now() + LONG;
        let outage = ["powerfail", "powerfailnow"];
        while self.told().last().is_some_and(|word| outage.contains(&word.as_str())) {
            assert!(Instant::now() < end, "{}", self.all());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The running monitor's process id.
    pub(crate) fn monitor(&mut self) -> u32 {
        let end = Instant::now() + LONG;
        loop {
            let named = |pid: &u32| {
                let status = Status::of(*pid);
                // It has both lists: it is what it is going to be.
                status.is_some_and(|status| {
                    status.get("Name") == "upsentry-mon" && own_filters(&status) == 2
                })
            };
            if let Some(pid) = self.rig.processes().into_iter().find(named) {
                return pid;
            }
            assert!(Instant::now() < end, "no monitor: {}", self.all());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the running monitor, which the parent does not count against it; how long that was watched.
    pub(crate) fn kill_monitor(&mut self) -> Duration {
        let pid = i32::try_from(self.monitor()).expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("our own process");
        self.warm.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// The names of what init was asked for.
    pub(crate) fn told(&mut self) -> Vec<String> {
        self.rig.inits().into_iter().map(|request| request.name).collect()
    }

    /// The daemon's own monitor runs again, and what it sees arrives: mains and outage, told.
    pub(crate) fn works_again(&mut self) {
        let before = self.rig.inits().len();
        self.rig.command("set a cts=0");
        let told = |victim: &mut Self, count: usize, name: &str| {
            let inits = victim.rig.wait_inits(before + count, 3 * LONG);
            let last = inits.get(before + count - 1).map(|request| request.name.as_str());
            assert_eq!(last, Some(name), "{}", victim.all());
        };
        told(self, 1, "powerfail");
        self.rig.command("set a cts=1");
        told(self, 2, "powerok");
    }

    /// What init was asked for is what the tables of the design allow.
    pub(crate) fn by_the_tables(&mut self) {
        let inits = self.rig.inits();
        if let Err(error) = allowed(&inits, self.speed) {
            panic!("{error}: {}", self.all());
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// What is told after what: section 3's table by its rows, with T as it was last told. `S` is a change of
/// INIT_HALT and runlevel 0, both in one message.
const TABLE: [(&str, &[&str]); 4] = [
    ("", &["powerfail", "powerfailnow", "setenv"]),
    ("powerfail", &["powerok", "powerfailnow", "setenv"]),
    ("powerfailnow", &["powerok", "setenv"]),
    ("powerok", &["powerfail", "powerfailnow", "setenv"]),
];

/// Every request is a whole one, follows its predecessor by the table, and comes 100 ms after it unless it is
/// L or S. After S there is only the same again (`insist`), a minute later.
pub(crate) fn allowed(inits: &[InitRequest], speed: u32) -> Result<(), String> {
    // Half of it: init reads when it comes to it. By a clock that runs 100 times faster that is half a millisecond,
    // less than a busy machine lets a process wait: there only the order is looked at.
    let spacing = if speed > 10 { 0 } else { 50_000_000 / u64::from(speed) };
    let insist = 59_000_000_000 / u64::from(speed);
    let mut told = "";
    let mut at = 0;
    let mut left = inits.iter();
    while let Some(request) = left.next() {
        let next = TABLE.iter().find(|(now, _)| *now == told).map(|(_, next)| *next);
        let name = request.name.as_str();
        let again = name == "setenv" && told == "setenv" && request.nanos >= at + insist;
        if !again && !next.unwrap_or(&[]).contains(&name) {
            return Err(format!("{name:?} after {told:?}"));
        }
        let urgent = ["powerfailnow", "setenv"].contains(&name);
        if !urgent && at > 0 && request.nanos < at + spacing {
            return Err(format!("{name} too soon after {told}"));
        }
        if name == "setenv" {
            let runlevel = left.next();
            let zero = runlevel.is_some_and(|next| next.name == "runlevel" && next.runlevel == "0");
            if request.env != ["INIT_HALT=POWEROFF"] || !zero {
                return Err(format!("half a shutdown: {request:?} {runlevel:?}"));
            }
        }
        (told, at) = (name, request.nanos);
    }
    Ok(())
}
