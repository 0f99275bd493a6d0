//! A whole machine: Debian's kernel, Debian's sysvinit with all its scripts, on a disk of its own, and Debian's
//! package of upsentry installed in it as an administrator would; the UPS's port is the simulator's.
//!
//! ```ignore
//! let Some(mut machine) = Whole::boot("short outage") else { return };
//! machine.plug("cts=0", "the plug is pulled");
//! machine.logs("FAIL", SOON, "init's script ran");
//! ```
//!
//! The disk's image is made once for each package: a bare Debian is booted, `dpkg -i` run in it, the file edited
//! by three lines, and the machine switched off. Each test starts from that, and what it writes is forgotten.

use super::guest::cpio::Archive;
use super::guest::{Guest, Lines, Qemu, SHELL, Said, between, connect, parts, turn};
use super::sim::Setup;
use super::{need_root, skip};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
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

/// Loads what the disk needs, and hands over to Debian's init.
const INIT: &str = "#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t tmpfs -o mode=755,nosuid run /run
for module in MODULES; do $b insmod /modules/$module.ko; done
$b ifconfig eth0 10.0.2.15
$b mount -o ro /dev/vda /root
for at in dev proc sys run; do $b mount --move /$at /root/$at; done
exec $b switch_root /root /sbin/init </root/dev/console >/root/dev/console 2>&1
";

/// In this order: each needs those before it.
const MODULES: [&str; 9] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
];

/// The machine. Dropping it cuts its power.
#[derive(Debug)]
pub struct Whole {
    guest: Guest,
    /// What QEMU says of it.
    events: Lines,
    /// To which the story's times refer: when the plug was pulled.
    zero: u64,
    /// What was said before that is not looked at.
    marks: [usize; 3],
}

impl Deref for Whole {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl DerefMut for Whole {
    fn deref_mut(&mut self) -> &mut Guest {
        &mut self.guest
    }
}

/// What there must be.
struct Needed {
    kernel: PathBuf,
    busybox: PathBuf,
    modules: PathBuf,
    tree: PathBuf,
    package: PathBuf,
}

impl Needed {
    /// `None`: it cannot be done here; that has been said.
    fn find() -> Option<Self> {
        if !need_root() {
            return None;
        }
        let names = [
            ("kernel", "vmlinuz"),
            ("busybox", "bin/busybox"),
            ("kernel", "modules"),
            ("debian", "etc/inittab"),
        ];
        let [kernel, busybox, modules, inittab] = parts(names)?;
        let tree = inittab.parent()?.parent()?.to_owned();
        let Some(package) = package() else {
            skip("the Debian package could not be built; `tests/install` installs what that needs");
            return None;
        };
        Some(Self { kernel, busybox, modules, tree, package })
    }

    /// The first file system.
    fn initrd(&self) -> Vec<u8> {
        let mut archive = Archive::default();
        archive.executable("/bin/busybox", &fs::read(&self.busybox).expect("busybox"));
        archive.executable("/init", INIT.replace("MODULES", &MODULES.join(" ")).as_bytes());
        for module in MODULES {
            let name = format!("{module}.ko");
            let bytes = fs::read(self.modules.join(&name)).expect("a module of the kernel");
            archive.file(&format!("/modules/{name}"), &bytes);
        }
        for directory in ["/dev", "/proc", "/sys", "/run", "/root"] {
            archive.directory(directory);
        }
        archive.finish()
    }

    /// The name of the image made of just these.
    fn image(&self) -> PathBuf {
        let mut hash = DefaultHasher::new();
        for path in [&self.package, &script(), &self.tree.join("var/lib/dpkg/status")] {
            fs::read(path).expect("what the image is made of").hash(&mut hash);
        }
        (INIT, SHELL, THREE_LINES).hash(&mut hash);
        directory().join(format!("{:016x}.img", hash.finish()))
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script() -> PathBuf {
    top().join("tests/whole/image")
}

/// Where images are kept.
fn directory() -> PathBuf {
    top().join("target/whole")
}

/// The Debian package of this checkout as it is, with the program as it is given to others; built once.
fn package() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let target = top().join("target");
        let release = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--release",
                "--locked",
                "--bin",
                "upsentry",
                "--target-dir",
            ])
            .arg(&target)
            .current_dir(top())
            .status();
        assert!(release.is_ok_and(|status| status.success()), "`cargo build --release` failed");
        let package = Command::new("sh")
            .arg(top().join("packaging/debian/build"))
            .args([&target.join("whole-deb"), Path::new("--tree")])
            .env("UPSENTRY_BINARY", target.join("release/upsentry"))
            .output()
            .expect("sh");
        if !package.status.success() {
            println!("{}", String::from_utf8_lossy(&package.stderr));
            return None;
        }
        Some(PathBuf::from(String::from_utf8_lossy(&package.stdout).trim()))
    });
    built.clone()
}

/// The image with the package installed, which is made if it is not there.
fn installed(needed: &Needed) -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let image = needed.image();
    if image.exists() {
        return image;
    }
    fs::create_dir_all(directory()).expect("target/whole");
    for old in fs::read_dir(directory()).expect("target/whole").flatten() {
        let _ = fs::remove_file(old.path());
    }
    let new = image.with_extension("new");
    let shell = directory().join("shell");
    fs::write(&shell, SHELL).expect("the shell");
    let made = Command::new("sh")
        .arg(script())
        .args([&needed.tree, &needed.package, &shell, &needed.busybox, &new])
        .output()
        .expect("sh");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut machine = Whole::start(needed, &new, "");
    machine.story_of("the package is installed");
    let before = machine.must("cat /etc/inittab");
    println!("{}", machine.must("dpkg -i /root/upsentry.deb"));
    machine.must(&format!(
        "cat >>/etc/upsentry.conf <<'END'\n{THREE_LINES}END\nchmod 600 /etc/upsentry.conf"
    ));
    println!(
        "{}",
        machine
            .run(&format!("cat >/run/before <<'END'\n{before}\nEND\ndiff /run/before /etc/inittab"))
            .output
    );
    println!("{}", machine.must("upsentry check"));
    println!("{}", machine.must("service upsentry start"));
    machine.must("shutdown -h -P now");
    machine.off();
    drop(machine);
    fs::rename(new, &image).expect("the image");
    image
}

impl Whole {
    /// Boots the machine that has the package; it must be the first thing in a test.
    pub fn boot(story: &str) -> Option<Self> {
        let needed = Needed::find()?;
        let image = installed(&needed);
        let mut machine = Self::start(&needed, &image, ",snapshot=on");
        machine.hears("upsentry: ready: 1 of 1 UPS on mains", WHILE);
        machine.story_of(story);
        Some(machine)
    }

    fn start(needed: &Needed, image: &Path, how: &str) -> Self {
        let turn = turn();
        let setup = Setup::new().port("ups", &MAINS.replace(' ', ","));
        fs::write(setup.path("initrd"), needed.initrd()).expect("the initrd");
        let events = setup.path("events");
        let disk = format!("file={},if=virtio,format=raw{how}", image.display());
        let qmp = format!("unix:{},server=on,wait=off", events.display());
        let network = ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="];
        let mut more: Vec<String> = network.map(str::to_owned).into();
        more.extend(
            [("-drive", disk), ("-qmp", qmp)].into_iter().flat_map(|(a, b)| [a.to_owned(), b]),
        );
        let qemu = Qemu { kernel: &needed.kernel, append: "", limit: LIMIT, more };
        let guest = Guest::boot(setup, &qemu, turn);
        let mut stream: UnixStream = connect(&events);
        stream.write_all(b"{\"execute\": \"qmp_capabilities\"}\n").expect("QEMU's monitor");
        let events = Lines::listen(stream);
        assert!(events.wait(0, "\"return\"", WHILE).is_some(), "QEMU's monitor");
        let zero = guest.now();
        Self { guest, events, zero, marks: [0; 3] }
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
        assert!(!self.is_reset(), "{}", self.story());
        assert_eq!(self.guest.off(), Some(0), "{}", self.story());
        self.tell(said.nanos, "the machine has switched itself off");
        said.nanos
    }

    /// What QEMU says of the machine, since the story began.
    fn event(&mut self, name: &str, within: Duration) -> Said {
        let said = self.events.wait(self.marks[2], &format!("\"{name}\""), within);
        said.unwrap_or_else(|| panic!("no {name} in {within:?} {}", self.story()))
    }

    fn is_reset(&self) -> bool {
        self.events.all().iter().skip(self.marks[2]).any(|said| said.text.contains("\"RESET\""))
    }

    /// Waits until it reboots, its outputs as in normal operation, and until all is there again.
    pub fn comes_back(&mut self, within: Duration) -> u64 {
        let reset = self.reboots(within);
        self.marks = [self.mark(), self.console().count(), self.events.count()];
        self.again();
        self.tell(self.now(), "it is up again");
        self.hears("upsentry: ready: 1 of 1 UPS on mains", WHILE);
        reset
    }

    /// Waits until it reboots, its outputs as in normal operation.
    pub fn reboots(&mut self, within: Duration) -> u64 {
        let said = self.event("RESET", within);
        assert!(said.text.contains("\"guest-reset\""), "{} {}", said.text, self.story());
        let before = self.driven(0).into_iter().rfind(|(_, _, event)| event.nanos < said.nanos);
        let (dtr, rts, _) = before.expect("an open port");
        assert_eq!((dtr, rts), (false, true), "{}", self.story());
        self.tell(said.nanos, "the machine reboots");
        said.nanos
    }

    /// It is neither off nor does it reboot.
    pub fn stays(&mut self, time: Duration, words: &str) {
        let end = self.now() + u64::try_from(time.as_nanos()).expect("a time");
        while self.now() < end {
            let all = self.events.all();
            let ended = all
                .iter()
                .skip(self.marks[2])
                .find(|said| said.text.contains("\"SHUTDOWN\"") || said.text.contains("\"RESET\""));
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
