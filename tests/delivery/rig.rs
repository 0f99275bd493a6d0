//! The daemon on a rig.

use crate::common::DAEMON;
use crate::common::jail::Status;
use crate::common::sim::{Event, InitRequest, Kind, Rig, Setup};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Long enough for anything that must come, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// On mains, for the cable of [`POWER99`].
pub(crate) const MAINS: &str = "cts=1,dcd=1";
/// One UPS on port `a`: `fail cts 0`, `low dcd 0`, `kill dtr 1`.
pub(crate) const POWER99: &str = "model power99\n";

/// Writes a configuration for port `a`, with short times and users of its own.
pub(crate) fn one(setup: &Setup, ups: &str) -> PathBuf {
    let watch = format!("watch {}\n{ups}", setup.tty("a").display());
    write(setup, &watch)
}

/// Writes a configuration: these UPSs, and a machine that touches nothing outside the rig.
pub(crate) fn write(setup: &Setup, ups: &str) -> PathBuf {
    let path = |name| setup.path(name).display().to_string();
    let machine = format!(
        "via initctl\ninitctl {}\nchroot {}\nstate-file {}\npid-file {}\nhistory-file {}\nuser 64998\nnotifier-user 64999\n",
        path("initctl"),
        path("empty"),
        path("state"),
        path("pid"),
        path("history"),
    );
    let settle = if ups.contains("settle") { "" } else { "settle 300ms\n" };
    let status = if ups.contains("status-socket") { "" } else { "status-socket none\n" };
    setup.write("conf", &format!("{settle}{machine}{status}{ups}"))
}

/// The daemon under the simulator.
pub(crate) struct Daemon {
    pub(crate) rig: Rig,
}

impl Daemon {
    /// Port `a` with a cable and these lines; returns when the first state is known.
    pub(crate) fn start(ups: &str, lines: &str) -> Self {
        let setup = Setup::new().port("a", lines);
        let conf = one(&setup, ups);
        Self::on(setup, &conf)
    }

    /// On a rig with ports and configuration; returns when every first state is known.
    pub(crate) fn on(setup: Setup, conf: &Path) -> Self {
        let daemon = Self::unready(setup, conf);
        daemon.says("ready: ");
        daemon
    }

    /// As [`Daemon::on`], without waiting for a first state.
    pub(crate) fn unready(setup: Setup, conf: &Path) -> Self {
        let words = ["-c", conf.to_str().unwrap(), "-f", "--log", "stderr"];
        Self { rig: setup.start(DAEMON, &words) }
    }

    /// Gives the simulator a command and waits until it has been done; its time.
    pub(crate) fn set(&mut self, command: &str) -> u64 {
        self.rig.command(command);
        self.rig.command("mark done");
        let mark = self.rig.wait_for(|event| event.is("mark done"), LONG);
        let mark = mark.unwrap_or_else(|| panic!("`{command}` was not done: {}", self.all()));
        let before =
            |event: &&Event| event.nanos <= mark.nanos && matches!(event.kind, Kind::In { .. });
        self.rig.log().iter().rfind(before).map_or(mark.nanos, |event| event.nanos)
    }

    /// Waits until init has heard so many requests in all; the newest.
    pub(crate) fn told(&mut self, count: usize, name: &str) -> InitRequest {
        let inits = self.rig.wait_inits(count, LONG);
        let last = inits.last().filter(|last| inits.len() == count && last.name == name).cloned();
        last.unwrap_or_else(|| panic!("request {count} is not {name}: {}", self.all()))
    }

    /// So long nothing new is told.
    pub(crate) fn tells_nothing(&mut self, time: Duration) {
        let before = self.rig.inits().len();
        std::thread::sleep(time);
        assert_eq!(self.rig.inits().len(), before, "{}", self.all());
    }

    /// Waits for words in the daemon's log.
    pub(crate) fn says(&self, words: &str) {
        self.says_times(words, 1);
    }

    /// Waits until the daemon's log has words so often.
    pub(crate) fn says_times(&self, words: &str, times: usize) {
        let end = Instant::now() + LONG;
        while self.rig.stderr().matches(words).count() < times {
            assert!(Instant::now() < end, "no `{words}` in: {}", self.rig.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Requests in order.
    pub(crate) fn names(&mut self) -> Vec<String> {
        self.rig.inits().into_iter().map(|request| request.name).collect()
    }

    /// The process that wrote the pid file.
    pub(crate) fn pid(&self) -> i32 {
        let text = fs::read_to_string(self.rig.setup().path("pid")).unwrap_or_default();
        text.trim().parse().unwrap_or_else(|_| panic!("no pid: {}", self.rig.stderr()))
    }

    /// Stops the daemon of a [`shell`], which has ended so often then.
    pub(crate) fn stop(&self, times: usize) {
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).expect("the daemon runs");
        self.says_times("ended 0", times);
    }

    /// The process of this name in `ps`.
    pub(crate) fn process(&self, name: &str) -> Option<u32> {
        let named = |pid: &u32| Status::of(*pid).is_some_and(|status| status.get("Name") == name);
        self.rig.processes().into_iter().find(named)
    }

    /// All that is known, for messages.
    pub(crate) fn all(&mut self) -> String {
        let log = self.rig.log_text();
        format!("\n{log}\n{}", self.rig.stderr())
    }
}

/// A shell under the simulator, and what to give it to run the daemon as often as it is told to.
pub(crate) fn shell(setup: Setup, conf: &Path) -> (Daemon, String) {
    let command =
        format!("{DAEMON} -c {} -f --log stderr </dev/null; echo ended $? >&2", conf.display());
    (Daemon { rig: setup.start("sh", &[""; 0]) }, command)
}

/// Between two times of the simulator's clock.
pub(crate) fn between(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.checked_sub(earlier).expect("in order"))
}
