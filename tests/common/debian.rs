//! A Debian with sysvinit of its own, made by `tests/install`, running in namespaces: its own process 1, its own
//! scripts, the package of upsentry installed by its own dpkg. Nothing that it does reaches the system outside.
//!
//! Its file system lies over the tree in `target/parts`, in memory, and is gone with the rig. As in
//! [`super::init`] all runs below the simulator, and sees its port as [`PORT`].

use super::init::{INSIDE, Process, SOON, until};
use super::sim::{Rig, Setup};
use super::{DAEMON, need_root, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// The port, inside.
pub const PORT: &str = "/run/rig/ups";
/// Three lines of a configuration, quick to settle.
pub const CONFIG: &str = "watch /run/rig/ups\nfail cts 0\nlow dcd 1\nkill dtr 1\ninit rts 1 dtr 0\nsettle 100ms\n\
                          debounce 0ms\nlow-after 0ms\n";
/// No rig lives longer.
const LIMIT: &str = "300";

/// Runs outside, as the simulator's command: makes the namespaces, then does what it is told.
const OUTSIDE: &str = r#"
{
    unshare --pid --fork --kill-child --mount --mount-proc --uts --ipc --net /bin/sh "$1/boot" "$1" "$2"
    echo $? >"$1/ended.new"
    mv "$1/ended.new" "$1/ended"
} &
while IFS= read -r line; do eval "$line"; done
"#;

/// Runs as process 1 until it becomes init.
const BOOT: &str = r#"
set -eu
umask 022
rig=$1
parts=$2
mount -t tmpfs rig "$rig/over"
mkdir "$rig/over/upper" "$rig/over/work" "$rig/over/root"
root=$rig/over/root
mount -t overlay -o "lowerdir=$parts/debian,upperdir=$rig/over/upper,workdir=$rig/over/work" debian "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 run "$root/run"
mkdir "$root/run/rig" "$root/run/sendsigs.omit.d" "$root/run/lock"
mount --bind "$rig" "$root/run/rig"
mount --bind "$parts/debian-packages" "$root/mnt"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/pts"
for node in null zero full random urandom; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mount --rbind /dev/pts "$root/dev/pts"
: >"$root/dev/console"
mount --bind /dev/null "$root/dev/console"

# What they would do to the kernel they would do to the one outside; their headers remain, for the order of scripts.
for script in "$root"/etc/init.d/*; do
    case ${script##*/} in
    rc | rcS | halt | reboot | sendsigs | single | killprocs | README) ;;
    *) sed -i '2i exit 0' "$script" ;;
    esac
done
# The stock inittab, but for terminals.
sed -i -e 's,^si::.*,si::sysinit:/bin/true,' -e '/:respawn:\/sbin\/getty/d' "$root/etc/inittab"
# What is said to people.
for name in logger wall; do
    rm -f "$root/usr/bin/$name"
done
printf '#!/bin/sh\necho "logger: $*" >>/run/rig/said\n' >"$root/usr/bin/logger"
printf '#!/bin/sh\nsed "s/^/wall: /" >>/run/rig/said\n' >"$root/usr/bin/wall"
chmod 755 "$root/usr/bin/logger" "$root/usr/bin/wall"

export DEBIAN_FRONTEND=noninteractive PATH=/sbin:/usr/sbin:/bin:/usr/bin
chroot "$root" /bin/sh -eu /run/rig/prepare >"$rig/prepared" 2>&1
exec env -i PATH=/sbin:/usr/sbin:/bin:/usr/bin chroot "$root" /sbin/init
"#;

/// How a command inside ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    /// Standard output and error.
    pub said: String,
}

/// The rig.
#[derive(Debug)]
pub struct Debian {
    rig: Rig,
    init: u32,
    jobs: u32,
}

/// Where `tests/install` puts things.
fn parts() -> PathBuf {
    match std::env::var_os("UPSENTRY_PARTS") {
        Some(parts) => PathBuf::from(parts),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"),
    }
}

/// Builds a package of the tree as it is, with the program that these tests run, in a directory of its own; `None`: that
/// needs debhelper, which is not here.
pub fn build(directory: &Path, version: &str) -> Option<PathBuf> {
    if Command::new("dh").arg("--version").output().is_err() {
        skip("needs debhelper: `tests/install` installs it");
        return None;
    }
    fs::create_dir_all(directory).expect("a directory");
    let program = directory.join("program");
    for end in ["", "-tls"] {
        let to = format!("{}{end}", program.display());
        let stripped = Command::new("strip").args(["-o", &to, &format!("{DAEMON}{end}")]).status();
        assert!(stripped.expect("strip").success());
    }
    let built = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/debian/build"))
        .arg(directory)
        .arg("--tree")
        .env("UPSENTRY_BINARY", program)
        .env("UPSENTRY_VERSION", version)
        .env("DPKG_DEB_COMPRESSOR_LEVEL", "1")
        .output()
        .expect("packaging/debian/build");
    let said = String::from_utf8_lossy(&built.stdout);
    let error = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}{error}");
    Some(PathBuf::from(said.trim()))
}

/// The package, built once for all tests of a program.
pub fn package() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let new = || build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("deb"), "0.1.0");
    BUILT.get_or_init(new).as_deref()
}

impl Debian {
    /// Boots into runlevel 2 after the script `prepare`, which sees our package as `/run/rig/upsentry.deb` and those of
    /// others in /mnt. `None`: it cannot be done here; that has been said.
    pub fn boot(prepare: &str) -> Option<Self> {
        if !need_root() {
            return None;
        }
        let parts = parts();
        if !parts.join("debian/etc/inittab").exists() {
            skip("needs a Debian root: `tests/install` makes it");
            return None;
        }
        let package = package()?;
        let setup = Setup::new().port("ups", "cts=1,dsr=1");
        let dir = setup.path("");
        // What a user inside may reach, /run/rig, is no secret.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("its mode");
        fs::create_dir(setup.path("over")).expect("a directory of the rig");
        fs::copy(package, setup.path("upsentry.deb")).expect("the package");
        setup.write("boot", BOOT);
        setup.write("prepare", prepare);
        setup.write("said", "");
        let words = ["-s", "KILL", LIMIT, "/bin/sh", "-c", OUTSIDE, "outside"];
        let mut words: Vec<_> = words.iter().map(Into::into).collect();
        words.push(dir.into_os_string());
        words.push(parts.into_os_string());
        let mut rig = Self { rig: setup.start("timeout", &words), init: 0, jobs: 0 };
        rig.init = rig.until("init", |rig| rig.find_init());
        rig.until("runlevel 2", |rig| (rig.run("runlevel").said == "N 2\n").then_some(()));
        Some(rig)
    }

    /// Boots with our package installed, and this as its configuration.
    pub fn installed(config: &str) -> Option<Self> {
        Self::boot(&format!(
            "dpkg -i /run/rig/upsentry.deb\ncat >>/etc/upsentry.conf <<'END'\n{config}END\n"
        ))
    }

    fn find_init(&self) -> Option<u32> {
        if self.rig.setup().path("ended").exists() {
            panic!("it did not boot: {}", self.story());
        }
        let all = self.rig.processes().into_iter().filter_map(Process::read);
        let mut inits = all.filter(|process| process.name == "init" && process.inner() == 1);
        Some(inits.next()?.pid)
    }

    /// Waits for something, and shows what was said where it does not come.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(std::time::Instant::now() < end, "no {what}; {}", self.story());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts lines of the shell inside; what follows `exec` of them. The paths of its output and of its end.
    pub fn spawn(&mut self, script: &str) -> (PathBuf, PathBuf) {
        self.jobs += 1;
        let name = format!("job{}", self.jobs);
        let setup = self.rig.setup();
        let path = setup.write(&name, script);
        let shown = path.display();
        let (out, end) = (path.with_extension("out"), path.with_extension("end"));
        let line = format!(
            "{{ nsenter -t {} -a -r -w env -i PATH=/sbin:/usr/sbin:/bin:/usr/bin DEBIAN_FRONTEND=noninteractive \
             /bin/sh -u {INSIDE}/{name} >{shown}.out 2>&1 </dev/null; \
             echo $? >{shown}.ended; mv {shown}.ended {shown}.end; }} &",
            self.init
        );
        self.rig.input(&line);
        (out, end)
    }

    /// Runs lines of the shell inside to their end.
    pub fn run(&mut self, script: &str) -> Ran {
        let (out, end) = self.spawn(script);
        let status =
            until(&format!("the end of `{script}`"), SOON * 8, || fs::read_to_string(&end).ok());
        let said = fs::read_to_string(out).expect("its output");
        Ran { status: status.trim().parse().expect("an exit status"), said }
    }

    /// As [`Debian::run`]; it must succeed.
    pub fn must(&mut self, script: &str) -> String {
        let ran = self.run(script);
        assert_eq!(ran.status, 0, "{script}: {}; {}", ran.said, self.story());
        ran.said
    }

    /// A file inside, as text; empty where it is not there.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A file inside, seen from outside.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// A file of the rig's directory.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.rig.setup().path(name)
    }

    /// Its loopback, which no script there brings up, for it has no network.
    pub fn loopback(&mut self) {
        let line = format!("nsenter -t {} -n ip link set lo up", self.init);
        self.rig.input(&line);
        self.until("the loopback", |rig| {
            let addresses = fs::read_to_string(format!("/proc/{}/net/fib_trie", rig.init)).ok()?;
            addresses.contains("127.0.0.1").then_some(())
        });
    }

    /// Moves the UPS's lines.
    pub fn lines(&self, levels: &str) {
        self.rig.command(&format!("set ups {levels}"));
    }

    /// Waits until the program drives DTR up, and not by opening the port only.
    pub fn expect_signal(&mut self) {
        let signal = |text: &str| text.contains(" out dtr=1 ") && !text.contains("by=open");
        let seen = self.rig.wait_for(|event| signal(&event.text), SOON * 8);
        assert!(seen.is_some(), "no signal; {}", self.story());
    }

    /// The first line of the state file.
    pub fn state(&self) -> String {
        self.text("/run/upsentry.state").lines().next().unwrap_or("").to_owned()
    }

    /// Waits until the state file says so.
    pub fn expect_state(&mut self, state: &str) {
        self.until(&format!("state {state}"), |rig| (rig.state() == state).then_some(()));
    }

    /// What was said to the log and to people.
    pub fn said(&self) -> String {
        fs::read_to_string(self.outside("said")).unwrap_or_default()
    }

    /// Waits until such a thing was said.
    pub fn expect_said(&mut self, text: &str) {
        self.until(&format!("`{text}`"), |rig| rig.said().contains(text).then_some(()));
    }

    /// The daemon's processes.
    pub fn ours(&self) -> Vec<Process> {
        let all = self.rig.processes().into_iter().filter_map(Process::read);
        all.filter(|process| process.name.starts_with("upsentry")).collect()
    }

    /// Waits for the end of the machine: `Some(true)` it was to boot again, `Some(false)` it was turned off. As the kernel says it
    /// of a pid namespace: the parent sees HUP or INT.
    pub fn ending(&mut self) -> Option<bool> {
        let status =
            self.until("end of the machine", |rig| fs::read_to_string(rig.outside("ended")).ok());
        match status.trim() {
            "129" => Some(true),
            "130" => Some(false),
            _ => None,
        }
    }

    /// All that is known, for messages.
    pub fn story(&self) -> String {
        let file = |name: &str| fs::read_to_string(self.outside(name)).unwrap_or_default();
        let jobs = (1..=self.jobs).map(|job| file(&format!("job{job}.out")));
        let jobs: String = jobs.filter(|out| !out.is_empty()).collect();
        format!(
            "prepared:\n{}said:\n{}jobs:\n{jobs}rig:\n{}",
            file("prepared"),
            file("said"),
            self.rig.stderr()
        )
    }
}
