//! A supervisor that is nothing but the socket of `$NOTIFY_SOCKET`.

use crate::common::jail::Wanted;
use crate::common::need_root;
use crate::common::sim::{Kind, Rig};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt,
};
use nix::unistd::Pid;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longer than three frames of life on mains, and what may follow.
const LONG: Duration = Duration::from_secs(50);
const FED: &str = "WATCHDOG=1";

struct Manager {
    socket: UnixDatagram,
    name: String,
    heard: Vec<(i32, String)>,
}

impl Manager {
    /// By a path, or an abstract name.
    fn new(by_path: bool) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("upsentry-notify-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let (address, name) = match by_path {
            true => (SocketAddr::from_pathname(&path), path.display().to_string()),
            false => (SocketAddr::from_abstract_name(&name), format!("@{name}")),
        };
        let socket = UnixDatagram::bind_addr(&address.unwrap()).unwrap();
        setsockopt(&socket, sockopt::PassCred, &true).unwrap();
        Self { socket, name, heard: Vec::new() }
    }

    /// The daemon with one UPS, told of this supervisor.
    fn start(&self, wanted: Wanted, watchdog: Option<Duration>, more: &str) -> Rig {
        let mut wanted = wanted;
        wanted.wrapper = vec!["env".into(), format!("NOTIFY_SOCKET={}", self.name)];
        wanted.wrapper.extend(watchdog.map(|limit| format!("WATCHDOG_USEC={}", limit.as_micros())));
        wanted.start(more)
    }

    /// The next words and who says them.
    fn next(&mut self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut bytes = [0; 1024];
        let mut room = nix::cmsg_space!(UnixCredentials);
        let mut buffer = [IoSliceMut::new(&mut bytes)];
        let got =
            recvmsg::<()>(self.socket.as_raw_fd(), &mut buffer, Some(&mut room), MsgFlags::empty());
        let got = got.ok()?;
        let pid = got.cmsgs().unwrap().find_map(|message| match message {
            ControlMessageOwned::ScmCredentials(who) => Some(who.pid()),
            _ => None,
        });
        let length = got.bytes;
        let words = String::from_utf8(bytes[..length].to_vec()).unwrap();
        self.heard.push((pid.unwrap(), words.clone()));
        Some(words)
    }

    fn expect(&mut self, words: &str, rig: &Rig) {
        let end = Instant::now() + LONG;
        loop {
            let next = self
                .next(end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
            match next {
                Some(next) if next.starts_with(words) => return,
                Some(_) => {}
                None => panic!("no {words} in {:?}: {}", self.heard, rig.stderr()),
            }
        }
    }

    /// A supervisor passes over what another process than the one it started says.
    fn heard_only(&self, pid: u32) {
        let others = self.heard.iter().filter(|(who, _)| u32::try_from(*who) != Ok(pid));
        assert_eq!(others.count(), 0, "{pid}: {:?}", self.heard);
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // An abstract name is no file.
        let _ = std::fs::remove_file(&self.name);
    }
}

fn process(rig: &Rig, name: &str) -> Option<Pid> {
    let named = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let pid = rig.processes().into_iter().find(named)?;
    Some(Pid::from_raw(i32::try_from(pid).unwrap()))
}

#[test]
fn it_hears_of_the_start_of_outages_and_of_the_end() {
    if !need_root() {
        return;
    }
    let mut manager = Manager::new(true);
    let mut rig = manager.start(Wanted::new("initctl"), None, "");
    assert_eq!(manager.next(LONG).as_deref(), Some("READY=1\nSTATUS=1 of 1 UPS on mains"));
    assert!(rig.stderr().contains("a: on mains"), "before the first state: {}", rig.stderr());
    rig.command("set a cts=0");
    assert_eq!(manager.next(LONG).as_deref(), Some("STATUS=on battery; init told: power fail"));
    rig.command("set a cts=1");
    manager.expect("STATUS=mains on; init told: ", &rig);
    rig.signal(Signal::SIGTERM);
    manager.expect("STOPPING=1\n", &rig);
    assert_eq!(rig.wait_exit(LONG), Some(0));
    // No watchdog was asked for.
    assert_eq!(manager.next(Duration::from_millis(1)), None);
    assert!(manager.heard.iter().all(|(_, words)| words != FED), "{:?}", manager.heard);
    manager.heard_only(rig.pid());
}

#[test]
fn the_watchdog_is_fed_while_the_monitor_lives() {
    if !need_root() {
        return;
    }
    let mut manager = Manager::new(false);
    // Each frame of life is passed on.
    let mut rig = manager.start(Wanted::new("initctl"), Some(Duration::from_secs(3)), "");
    manager.expect("READY=1\n", &rig);
    assert!(rig.stderr().contains("watchdog of 3s: it should be 90s"), "{}", rig.stderr());
    manager.expect(FED, &rig);
    let monitor = process(&rig, "upsentry-mon").unwrap();
    kill(monitor, Signal::SIGSTOP).unwrap();
    // What was on its way.
    while manager.next(Duration::from_millis(500)).is_some() {}
    let convicted = || rig.stderr().contains("monitor convicted");
    let silent = manager.next(Duration::from_secs(15));
    assert!(silent.is_none() || convicted(), "{silent:?}: {}", rig.stderr());
    // The next one feeds it again; the daemon itself went on.
    manager.expect(FED, &rig);
    assert!(convicted(), "{}", rig.stderr());
    assert_ne!(process(&rig, "upsentry-mon"), Some(monitor));
    manager.heard_only(rig.pid());
}

/// Only who was started may speak: that is the process which waits, and not the child that watches meanwhile.
#[test]
fn a_device_that_is_absent_does_not_hold_up_the_start() {
    if !need_root() {
        return;
    }
    let mut manager = Manager::new(true);
    let wanted = Wanted::new("initctl");
    let more = "need 1\nups absent\nwatch /dev/ttyUSB-absent\n";
    let mut rig = manager.start(wanted, Some(Duration::from_secs(90)), more);
    manager.expect("READY=1\nSTATUS=waiting", &rig);
    manager.expect(FED, &rig);
    manager.expect(FED, &rig);
    let stops = |rig: &Rig| process(rig, "upsentry-mon").is_some();
    let end = Instant::now() + LONG;
    while !stops(&rig) {
        assert!(Instant::now() < end, "{}", rig.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    rig.signal(Signal::SIGTERM);
    assert_eq!(rig.wait_exit(LONG), Some(0));
    while manager.next(Duration::from_millis(1)).is_some() {}
    manager.heard_only(rig.pid());
}

/// Without -f nobody waits for the process that goes on.
#[test]
fn in_the_background_it_says_nothing() {
    if !need_root() {
        return;
    }
    let mut manager = Manager::new(true);
    let wanted = Wanted { background: true, ..Wanted::new("initctl") };
    let mut rig = manager.start(wanted, Some(Duration::from_secs(90)), "");
    let exit = rig.wait_for(|event| matches!(event.kind, Kind::Exit(_)), LONG);
    assert!(exit.is_some_and(|exit| exit.is("exit 0")), "{}", rig.stderr());
    assert_eq!(manager.next(Duration::from_millis(200)), None);
}

/// A name that leads nowhere is said, and the mains is watched.
#[test]
fn without_a_reader_it_watches_all_the_same() {
    if !need_root() {
        return;
    }
    let mut manager = Manager::new(true);
    std::fs::remove_file(&manager.name).unwrap();
    let mut rig = manager.start(Wanted::new("initctl"), None, "");
    let end = Instant::now() + LONG;
    while !rig.stderr().contains("ready: ") {
        assert!(Instant::now() < end, "{}", rig.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(rig.stderr().contains("upsentry: NOTIFY_SOCKET "), "{}", rig.stderr());
    rig.command("set a cts=0");
    assert_eq!(rig.wait_inits(1, LONG).len(), 1);
    assert_eq!(manager.next(Duration::from_millis(1)), None);
}
