//! An init in namespaces of its own, under the simulator: it and all below it see the simulator's port, and end with
//! the test.

use crate::common::sim::{Rig, Setup};
use crate::common::{DAEMON, need_root, skip};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No rig lives longer.
const LIMIT: &str = "180";
/// Longer than anything takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The rig's directory, inside.
pub(crate) const INSIDE: &str = "/run/rig";

/// Runs outside: makes the namespaces, then does what it is told.
const OUTSIDE: &str = r#"
unshare --pid --fork --kill-child --mount --mount-proc --uts --ipc --net --cgroup /bin/sh "$1/boot" "$1" &
while IFS= read -r line; do eval "$line"; done
"#;

/// Runs inside as process 1, before it becomes the init: what is written to is the rig's.
const BOOT: &str = r#"
set -eu
umask 022
mount --make-rprivate /
rig=$1
for tree in /run /var/log /var/lib "$rig/dev"; do mount -t tmpfs -o mode=755 rig "$tree"; done
mkdir /run/rig /run/lock "$rig/dev/pts"
mount --bind "$rig" /run/rig
for node in null zero full random urandom; do : >"$rig/dev/$node"; mount --bind "/dev/$node" "$rig/dev/$node"; done
mount --rbind /dev/pts "$rig/dev/pts"
: >"$rig/dev/console"; : >"$rig/console"; mount --bind "$rig/console" "$rig/dev/console"
mount --move "$rig/dev" /dev
"#;

/// For inits that read /etc: one of the rig's own. `$parts` is laid over this system's programs and libraries.
pub(crate) const OWN_ETC: &str = r#"
mkdir -p "$rig/etc"
for file in passwd group nsswitch.conf ld.so.cache ld.so.conf ld.so.conf.d alternatives localtime pam.d security; do
    if [ -e "/etc/$file" ]; then cp -a "/etc/$file" "$rig/etc"; fi
done
mount --bind "$rig/etc" /etc
cp "$rig/upsentry.conf" /etc/upsentry.conf
for tree in bin sbin lib; do
    over=
    for part in "$parts/$tree" "$parts/usr/$tree"; do if [ -d "$part" ]; then over=$over$part:; fi; done
    if [ -n "$over" ]; then mount -t overlay -o "lowerdir=$over/usr/$tree" over "/usr/$tree"; fi
done
"#;

pub(crate) struct House {
    rig: Rig,
    init: u32,
    jobs: u32,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) said: String,
}

impl House {
    /// `files` make up the rig's directory; `boot` ends with the exec of the init, which is then called `name`.
    /// `None`: not here, which has been said.
    pub(crate) fn boot(name: &str, boot: &str, files: &[(&str, &str)]) -> Option<Self> {
        if !need_root() {
            return None;
        }
        let setup = Setup::new().port("ups", "cts=1,dsr=1");
        let dir = setup.path("");
        fs::create_dir(setup.path("dev")).unwrap();
        setup.write("boot", &format!("{BOOT}{boot}"));
        for (file, text) in files {
            let path = setup.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        fs::copy(DAEMON, setup.path("upsentry")).unwrap();
        let config = setup.write("upsentry.conf", CONFIG);
        fs::set_permissions(config, PermissionsExt::from_mode(0o600)).unwrap();
        let words = ["-s", "KILL", LIMIT, "/bin/sh", "-c", OUTSIDE, "outside"];
        let mut words = words.map(OsStr::new).to_vec();
        words.push(dir.as_os_str());
        let mut house = Self { rig: setup.start("timeout", &words), init: 0, jobs: 0 };
        house.init = house.until("process 1", |house| {
            house.rig.processes().into_iter().find(|pid| {
                let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
                let first = read("status").is_ok_and(|status| {
                    status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"))
                });
                first && read("comm").is_ok_and(|comm| comm.trim() == name)
            })
        });
        Some(house)
    }

    /// Runs a command of the shell inside, to its end.
    pub(crate) fn run(&mut self, command: &str) -> Ran {
        self.jobs += 1;
        let name = format!("job{}", self.jobs);
        let path = self.rig.setup().write(&name, &format!("{command}\n"));
        let (shown, init) = (path.display(), self.init);
        self.rig.input(&format!(
            "{{ nsenter -t {init} -a /bin/sh {INSIDE}/{name} >{shown}.out 2>&1; \
             echo $? >{shown}.ended; mv {shown}.ended {shown}.end; }} &"
        ));
        let status = self.until(command, |_| fs::read_to_string(path.with_extension("end")).ok());
        let said = fs::read_to_string(path.with_extension("out")).unwrap();
        Ran { status: status.trim().parse().unwrap(), said }
    }

    /// As [`House::run`], and it has to go well.
    pub(crate) fn must(&mut self, command: &str) -> String {
        let ran = self.run(command);
        assert_eq!(ran.status, 0, "{command}: {}{}", ran.said, self.story());
        ran.said
    }

    pub(crate) fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + SOON;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < end, "in vain: {what}: {}", self.story());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// An outage until the battery is low, by which the halt command is run.
    pub(crate) fn halts_at_low(&mut self) {
        self.lines("cts=0");
        self.says("ups: on battery", 1);
        self.lines("dcd=1");
        self.says("running the halt command", 1);
        self.until("the halt", |house| (house.file("halted") == "halted\n").then_some(()));
    }

    /// A file of the rig's directory.
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.rig.setup().path(name)
    }

    /// A file as it is inside.
    pub(crate) fn inside(&self, path: &str) -> String {
        fs::read_to_string(format!("/proc/{}/root{path}", self.init)).unwrap_or_default()
    }

    /// Waits until the daemon has said something so often.
    pub(crate) fn says(&mut self, words: &str, times: usize) {
        self.until(words, |house| {
            (house.file("said").matches(words).count() >= times).then_some(())
        });
    }

    /// Moves the UPS's lines.
    pub(crate) fn lines(&self, levels: &str) {
        self.rig.command(&format!("set ups {levels}"));
    }

    /// Processes of this name, as seen outside.
    pub(crate) fn processes(&self, name: &str) -> Vec<u32> {
        let named = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
        };
        self.rig.processes().into_iter().filter(named).collect()
    }

    /// All that is known, for messages.
    pub(crate) fn story(&self) -> String {
        format!(
            "\nlog:\n{}console:\n{}rig:\n{}{}",
            self.file("said"),
            self.file("console"),
            self.rig.stdout(),
            self.rig.stderr()
        )
    }
}

/// One UPS on the rig's port. What the halt would be is a file there.
const CONFIG: &str = "\
watch /run/rig/ups
fail cts 0
low dcd 1
sense dsr 1
settle 100ms
debounce 0ms
low-after 0ms
user 64001
notifier-user 64002
via command
halt /run/rig/halt
";

/// Does what a halt would be: says so.
pub(crate) const HALT: (&str, &str) = ("halt", "#!/bin/sh\necho halted >>/run/rig/halted\n");

/// A part that `tests/install` unpacks; `None`: it is missing, which has been said.
pub(crate) fn part(name: &str) -> Option<PathBuf> {
    let parts = match std::env::var_os("UPSENTRY_PARTS") {
        Some(parts) => PathBuf::from(parts),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"),
    };
    let path = parts.join(name);
    if !path.is_dir() {
        skip(&format!("needs {name}: `tests/install` unpacks Debian's"));
        return None;
    }
    Some(path)
}

/// A file of `packaging/`.
pub(crate) fn packaged(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
