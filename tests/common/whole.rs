//! A whole machine: Debian's kernel, Debian's sysvinit with all its scripts, on a disk of its own, and Debian's
//! package of upsentry installed in it as an administrator would; the UPS's port is the simulator's.
//!
//! ```ignore
//! let Some(mut machine) = Whole::boot("a short outage") else { return };
//! machine.plug(BATTERY, "the plug is pulled");
//! machine.hears("upsentry.power: on battery", SOON);
//! ```
//!
//! The disk is made once for each package: a bare Debian is booted, `dpkg -i` run in it, the file edited by three
//! lines, the service started, and then the state of the whole machine saved. Each test goes on from there, and what it
//! writes is forgotten. Where a machine reboots QEMU ends, and is started again on the same disk: a real boot, which in
//! QEMU itself is slow beyond use (writes to pages with translated code).

mod disk;

use super::guest::{Guest, Lines, Qemu, Said, Turn, between, connect, turn};
use super::sim::{Event, Setup};
use disk::{Disk, Needed};
use std::fs;
use std::io::Write as _;
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The UPS's lines: CTS is the mains, DCD that the battery is well, DSR the bridge in the plug.
pub const MAINS: &str = "cts=1 dcd=1 dsr=1";
pub const BATTERY: &str = "cts=0 dcd=1 dsr=1";
pub const LOW: &str = "cts=0 dcd=0 dsr=1";

/// What the administrator writes into the file: three lines.
pub const THREE_LINES: &str = "watch ttyS1\nmodel power99\nsense dsr 1\n";

/// Whatever takes its time in a slow machine: a halt, a level of init's.
pub const WHILE: Duration = Duration::from_secs(90);
/// What no UPS takes for a kill signal.
const A_MOMENT: Duration = Duration::from_millis(500);
/// No machine runs longer.
const LIMIT: Duration = Duration::from_secs(600);

/// The machine. Dropping it cuts its power.
#[derive(Debug)]
pub struct Whole {
    /// There always is one, but while it boots once more.
    guest: Option<Guest>,
    disk: Disk,
    /// What QEMU says of it.
    events: Lines,
    monitor: UnixStream,
    /// To which the story's times refer: when the plug was pulled.
    zero: u64,
    /// What was said before that is not looked at.
    marks: [usize; 3],
}

impl Deref for Whole {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        self.guest.as_ref().expect("a machine")
    }
}

impl DerefMut for Whole {
    fn deref_mut(&mut self) -> &mut Guest {
        self.guest.as_mut().expect("a machine")
    }
}

/// Runs a machine on a disk: from the beginning, or from where its state was saved. With its events and its monitor.
fn run(needed: &Needed, disk: &Disk, resumed: bool, turn: Turn) -> (Guest, Lines, UnixStream) {
    let setup = Setup::new().port("ups", &MAINS.replace(' ', ","));
    fs::write(setup.path("initrd"), needed.initrd()).expect("the initrd");
    let path = setup.path("monitor");
    let mut more: Vec<String> =
        ["-no-reboot", "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
            .map(str::to_owned)
            .into();
    more.extend(["-drive".to_owned(), format!("file={},if=virtio,format=qcow2", disk.0.display())]);
    more.extend(["-qmp".to_owned(), format!("unix:{},server=on,wait=off", path.display())]);
    if resumed {
        more.extend(["-loadvm", "ready"].map(str::to_owned));
    }
    let qemu = Qemu { kernel: &needed.kernel, append: "", limit: LIMIT, more, resumed };
    let guest = Guest::boot(setup, &qemu, turn);
    let mut monitor: UnixStream = connect(&path);
    monitor.write_all(b"{\"execute\": \"qmp_capabilities\"}\n").expect("QEMU's monitor");
    let events = Lines::listen(monitor.try_clone().expect("a descriptor"));
    assert!(events.wait(0, "\"return\"", WHILE).is_some(), "QEMU's monitor");
    (guest, events, monitor)
}

/// The image with the package installed, which is made if it is not there.
fn ready(needed: &Needed) -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let image = needed.image();
    if !image.exists() {
        let disk = Disk::bare(needed, &image);
        let mut machine = Whole::start(needed, disk, false);
        machine.install();
        machine.monitor("savevm ready");
        machine.cut();
        fs::rename(&machine.disk.0, &image).expect("the image");
    }
    image
}

impl Whole {
    /// The machine that has the package, which runs; it must be the first thing in a test.
    pub fn boot(story: &str) -> Option<Self> {
        let needed = Needed::find()?;
        let disk = Disk::copy(&ready(&needed));
        let mut machine = Self::start(&needed, disk, true);
        machine.story_of(story);
        Some(machine)
    }

    fn start(needed: &Needed, disk: Disk, resumed: bool) -> Self {
        let (guest, events, monitor) = run(needed, &disk, resumed, turn());
        let zero = guest.now();
        Self { guest: Some(guest), events, monitor, disk, zero, marks: [0; 3] }
    }

    /// As an administrator would: the package, three lines, the start.
    fn install(&mut self) {
        self.story_of("a bare Debian: the package is installed");
        let tab = self.must("cat /etc/inittab");
        println!("{}", self.must("dpkg -i /root/upsentry.deb"));
        self.must(&format!("cat >>/etc/upsentry.conf <<'END'\n{THREE_LINES}END"));
        let diff = self
            .run(&format!("cat >/run/before <<'END'\n{tab}\nEND\ndiff /run/before /etc/inittab"));
        println!("{}", diff.output);
        println!("{}", self.must("upsentry check"));
        println!("{}", self.must("service upsentry start"));
        self.hears("ready: 1 of 1 UPS on mains", WHILE);
        assert_eq!(self.must("stat -c %a /etc/upsentry.conf"), "600");
    }

    /// Begins a story: what was before does not count.
    pub fn story_of(&mut self, words: &str) {
        println!("--- {words}");
        self.zero = self.now();
        self.marks = [self.mark(), self.console().count(), self.events.count()];
    }

    /// Tells what happened, and when.
    pub fn tell(&self, nanos: u64, what: &str) {
        println!("{:8.2} s  {what}", between(self.zero, nanos).as_secs_f64());
    }

    /// Moves the UPS's lines, and begins to count from there.
    pub fn plug(&mut self, levels: &str, what: &str) -> u64 {
        self.story_of(what);
        self.zero = self.lines(levels);
        self.zero
    }

    /// Moves the UPS's lines in a story.
    pub fn turn(&mut self, levels: &str, what: &str) -> u64 {
        let moved = self.lines(levels);
        self.tell(moved, what);
        moved
    }

    /// Waits for these words in the log or on the console, since the story began.
    pub fn hears(&mut self, words: &str, within: Duration) -> u64 {
        let end = Instant::now() + within;
        loop {
            if let Some(heard) = self.heard().into_iter().find(|heard| heard.text.contains(words)) {
                self.tell(heard.nanos, &heard.text);
                return heard.nanos;
            }
            assert!(Instant::now() < end, "no `{words}` in {within:?} {}", self.story());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The log and the console, since the story began.
    fn heard(&self) -> Vec<Said> {
        let console = self.console().all().into_iter().skip(self.marks[1]);
        self.said().into_iter().skip(self.marks[0]).chain(console).collect()
    }

    /// Nothing like this was in the log or on the console, since the story began.
    pub fn never(&mut self, words: &str) {
        let heard = self.heard().into_iter().find(|heard| heard.text.contains(words));
        assert!(heard.is_none(), "{heard:?} {}", self.story());
    }

    /// The first line of the state file.
    pub fn state(&mut self) -> String {
        self.must("head -n 1 /run/upsentry.state")
    }

    /// Waits until the kill signal (DTR, raised) has been on the line for so long; when it rose.
    pub fn kill_signal(&mut self, held: Duration, within: Duration) -> u64 {
        let end = Instant::now() + within;
        loop {
            let now = self.now();
            let found =
                self.signals(now).into_iter().find(|(from, to)| between(*from, *to) >= held);
            if let Some((from, _)) = found {
                self.tell(from, "the kill signal is on the line");
                self.tell(now, &format!("and has been for {held:?}"));
                return from;
            }
            assert!(Instant::now() < end, "no kill signal in {within:?} {}", self.story());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// From when to when DTR was raised, since the story began. A driver raises it for a moment when it opens the port.
    fn signals(&mut self, now: u64) -> Vec<(u64, u64)> {
        let zero = self.zero;
        let mut raised = None;
        let mut all = Vec::new();
        for (dtr, _, event) in self.driven(zero) {
            match (raised, dtr) {
                (None, true) => raised = Some(event.nanos),
                (Some(from), false) => {
                    all.push((from, event.nanos));
                    raised = None;
                }
                _ => {}
            }
        }
        all.extend(raised.map(|from| (from, now)));
        all
    }

    /// The kill signal was taken back, and RTS is raised, as in normal operation.
    pub fn no_signal_is_left(&mut self) {
        let zero = self.zero;
        // At its end QEMU closes the port, which lowers both.
        let set = |out: &&(bool, bool, Event)| !out.2.text.contains("by=close");
        let last = self.driven(zero).iter().rfind(set).map(|(dtr, rts, _)| (*dtr, *rts));
        assert_eq!(last, Some((false, true)), "{}", self.story());
    }

    /// No UPS would have cut the load: since the story began there was no kill signal but of a moment.
    pub fn no_kill_signal(&mut self) {
        let now = self.now();
        let long = self.signals(now).into_iter().find(|(from, to)| between(*from, *to) >= A_MOMENT);
        assert!(long.is_none(), "a kill signal {long:?} {}", self.story());
    }

    /// The power is the machine's own to switch off; waits until it does. There was no reboot before.
    pub fn off(&mut self) -> u64 {
        let said = self.event("SHUTDOWN", WHILE);
        assert!(said.text.contains("\"guest-shutdown\""), "{} {}", said.text, self.story());
        assert_eq!((**self).off(), Some(0), "{}", self.story());
        self.tell(said.nanos, "the machine has switched itself off");
        said.nanos
    }

    /// What QEMU says of the machine, since the story began.
    fn event(&mut self, name: &str, within: Duration) -> Said {
        let said = self.events.wait(self.marks[2], &format!("\"{name}\""), within);
        said.unwrap_or_else(|| panic!("no {name} in {within:?} {}", self.story()))
    }

    /// Gives QEMU's monitor a command, and waits until it is done; what it answers.
    pub fn monitor(&mut self, command: &str) -> String {
        let mark = self.events.count();
        let words = format!(
            "{{\"execute\": \"human-monitor-command\", \"arguments\": {{\"command-line\": \"{command}\"}}}}\n"
        );
        self.monitor.write_all(words.as_bytes()).expect("QEMU's monitor");
        let answer = self.events.wait(mark, "\"return\"", WHILE);
        answer.unwrap_or_else(|| panic!("no answer to `{command}` {}", self.story())).text
    }

    /// A machine that [`Whole::reboots`], or whose load was cut, is started once more, until it is there again.
    pub fn comes_back(&mut self) {
        let needed = Needed::find().expect("what there was before");
        // The old one must be gone before.
        let turn = self.guest.take().expect("a machine").end();
        let (guest, events, monitor) = run(&needed, &self.disk, false, turn);
        (self.events, self.monitor, self.guest) = (events, monitor, Some(guest));
        self.marks = [0; 3];
        self.tell(self.now(), "it is up again");
        self.hears("ready: 1 of 1 UPS on mains", WHILE);
    }

    /// Waits until it reboots.
    pub fn reboots(&mut self, within: Duration) -> u64 {
        let said = self.event("SHUTDOWN", within);
        assert!(said.text.contains("\"guest-reset\""), "{} {}", said.text, self.story());
        self.tell(said.nanos, "the machine reboots");
        said.nanos
    }

    /// It is neither off nor does it reboot.
    pub fn stays(&mut self, time: Duration, words: &str) {
        let end = self.now() + u64::try_from(time.as_nanos()).expect("a time");
        while self.now() < end {
            let all = self.events.all();
            let ended =
                all.iter().skip(self.marks[2]).find(|said| said.text.contains("\"SHUTDOWN\""));
            assert!(ended.is_none(), "{ended:?} {}", self.story());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.tell(self.now(), words);
    }

    /// The UPS cuts the load.
    pub fn load_cut(&mut self) {
        self.tell(self.now(), "the UPS cuts the load");
        self.cut();
    }
}
