//! NUT's drivers and servers as sources: Debian's real ones, and what init is told of them.
//!
//! As in `tests/delivery`, no test asserts that something is fast.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../delivery/rig.rs"]
#[allow(dead_code, reason = "made for serial lines too")]
mod rig;

mod addresses;
mod driver;
mod fleet;
mod hostile;
mod jail;
mod kill;
mod primary;
mod rules;
mod secondary;
mod server;
mod status;
mod sysvinit;
mod thousand;
mod tls;

use common::nut::{Nut, PASSWORD};
use common::sim::Setup;
use rig::Daemon;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// The two ways to a UPS of NUT's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Driver,
    Server,
}

pub(crate) const BOTH: [Source; 2] = [Source::Driver, Source::Server];

/// Delays that are not what a test is about.
pub(crate) const QUICK: &str = "low-after 0s\npoll 500ms\ndeadtime 3s\nblind-after 1h\n";

impl Source {
    /// The directives that watch this UPS.
    pub(crate) fn watch(self, nut: &Nut, name: &str) -> String {
        match self {
            Source::Driver => format!("watch driver:{name}\n"),
            Source::Server => {
                format!("watch nut://{}\npassword {PASSWORD}\n", nut.address(name))
            }
        }
    }
}

/// A configuration with these lines; who may read it may read passwords.
pub(crate) fn conf(setup: &Setup, nut: &Nut, lines: &str) -> PathBuf {
    let lines = format!("ups-conf {}\n{lines}", nut.ups_conf().display());
    let path = rig::write(setup, &lines);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    path
}

/// The daemon, once the UPS called `dummy` is on mains for it; with [`QUICK`] delays and these lines.
pub(crate) fn watching(source: Source, nut: &Nut, more: &str) -> Daemon {
    let daemon = started(&alone(more, &source.watch(nut, "dummy")), nut);
    daemon.says("ups: on mains");
    daemon
}

/// A configuration of one UPS, called `ups`: [`quick`] defaults, which need not fit what it is watched through, and its
/// own section.
pub(crate) fn alone(more: &str, own: &str) -> String {
    format!("{}ups ups\n{own}", quick(more))
}

/// [`QUICK`], but for what these lines say otherwise, and these lines.
pub(crate) fn quick(more: &str) -> String {
    let name = |line: &str| line.split(' ').next().map(str::to_owned);
    let others = QUICK.lines().filter(|line| !more.lines().any(|more| name(more) == name(line)));
    let mut text: String = others.map(|line| format!("{line}\n")).collect();
    text.push_str(more);
    text
}

/// The daemon with this configuration, before it knows anything.
pub(crate) fn started(lines: &str, nut: &Nut) -> Daemon {
    let setup = Setup::new();
    let conf = conf(&setup, nut, lines);
    Daemon::unready(setup, &conf)
}

/// The daemon's log has these words only after so long.
pub(crate) fn not_within(daemon: &Daemon, words: &str, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert!(!daemon.rig.stderr().contains(words), "{words}: {}", daemon.rig.stderr());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the shutdown of a primary that was on battery. Its own FSD may have come back before that, as low.
pub(crate) fn goes_down(daemon: &mut Daemon) {
    let end = Instant::now() + rig::LONG;
    while daemon.names().last().is_none_or(|last| last != "runlevel") {
        assert!(Instant::now() < end, "{}", daemon.all());
        thread::sleep(Duration::from_millis(10));
    }
    let mut names = daemon.names();
    names.retain(|name| name != "powerfailnow");
    assert_eq!(names, ["powerfail", "setenv", "runlevel"], "{}", daemon.all());
}

/// Waits until this many requests and not one more were made: these.
pub(crate) fn told_all(daemon: &mut Daemon, names: &[&str]) {
    daemon.rig.wait_inits(names.len(), rig::LONG);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(daemon.names(), names, "{}", daemon.all());
}
