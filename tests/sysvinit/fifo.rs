//! What becomes of the held descriptor of init's FIFO while init lives on: docs/initctl.md is the table of
//! it. A probe holds one as the daemon does, and shows what the kernel makes of it.

use crate::common::init::{INSIDE, SOON, SysvInit};
use crate::common::skip;
use crate::{BATTERY, LOW, MAINS, fill_run, names, started};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, fstat, stat};
use nix::unistd::write;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

const FIFO: &str = "/run/initctl";
/// Loud: the daemon has found that init does not read.
const UNREAD: &str = "init has not read its FIFO for";
const BACK: &str = "init reads its FIFO again";
/// Ten seconds of gap, and what a busy machine adds.
const LOUD: Duration = Duration::from_secs(30);

/// Init's request to set a variable that nothing looks at.
fn idle_request() -> [u8; 384] {
    let mut request = [0; 384];
    request[..4].copy_from_slice(&0x0309_1969_i32.to_ne_bytes());
    request[4..8].copy_from_slice(&6_i32.to_ne_bytes());
    request[16..29].copy_from_slice(b"INIT_PROBE=1\0");
    request
}

/// A write end of the FIFO, opened as the daemon opens its own, at the same time.
struct Probe(OwnedFd);

impl Probe {
    fn new(rig: &SysvInit) -> Self {
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        Self(open(&rig.inside(FIFO), flags, Mode::empty()).unwrap())
    }

    /// What poll shows of these, now.
    fn shows(&self, flags: PollFlags, timeout: PollTimeout) -> PollFlags {
        let mut fds = [PollFd::new(self.0.as_fd(), flags)];
        poll(&mut fds, timeout).unwrap();
        fds[0].revents().unwrap()
    }

    /// Nobody has it open for reading.
    fn closed(&self) -> bool {
        self.shows(PollFlags::empty(), PollTimeout::ZERO).contains(PollFlags::POLLERR)
    }

    /// Waits for POLLERR, which is then what a write finds too.
    fn expect_closed(&self) {
        let shown = self.shows(PollFlags::empty(), PollTimeout::from(15_000_u16));
        assert_eq!(shown, PollFlags::POLLERR);
    }

    /// What a write would say.
    fn write(&self) -> Errno {
        write(&self.0, &idle_request()).expect_err("a request was taken")
    }

    /// Writes a request, and waits until it has been read: the daemon has made the FIFO that small.
    fn has_told(&self, request: &[u8]) {
        assert_eq!(write(&self.0, request), Ok(request.len()));
        let shown = self.shows(PollFlags::POLLOUT, PollTimeout::from(15_000_u16));
        assert_eq!(shown, PollFlags::POLLOUT);
        // From reading to looking at the path are microseconds.
        std::thread::sleep(Duration::from_millis(100));
    }

    fn links(&self) -> u64 {
        fstat(&self.0).unwrap().st_nlink
    }

    /// It is what init's path leads to.
    fn is_at_its_path(&self, rig: &SysvInit) -> bool {
        let (held, there) = (fstat(&self.0).unwrap(), stat(&rig.inside(FIFO)));
        there.is_ok_and(|there| (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino))
    }
}

/// A rig with the daemon running, and a probe.
fn probed() -> Option<(SysvInit, Probe)> {
    let rig = started("")?;
    let probe = Probe::new(&rig);
    assert!(!probe.closed() && probe.is_at_its_path(&rig));
    Some((rig, probe))
}

/// Puts another file of the rig's directory in init's place, and has init execute that. `false`: this
/// system has no /sbin/init, whose place it could be.
///
/// Never `telinit u` but by this: without the check, init would execute what this system boots with (on
/// most, systemd), which then starts up as root with this system's disks.
fn re_execute(rig: &mut SysvInit, name: &str) -> bool {
    if !Path::new("/sbin/init").exists() {
        skip("needs a /sbin/init, to put the rig's in its place");
        return false;
    }
    let program = format!("{INSIDE}/{name}");
    let ran = rig.run(&format!("mount --bind {program} /sbin/init"));
    assert_eq!(ran.status, 0, "{ran:?}");
    let same = rig.run(&format!("cmp {program} /sbin/init"));
    assert_eq!(same.status, 0, "{same:?}");
    let ran = rig.run(&format!("{INSIDE}/telinit u"));
    assert_eq!(ran.status, 0, "{ran:?}");
    true
}

/// The lines of the inittab that have run, in their order; a respawned daemon's start is none.
fn ran(rig: &SysvInit) -> Vec<String> {
    rig.scripts().into_iter().skip(1).map(|script| script.entry).collect()
}

/// An outage that ends, each word heard once.
fn an_outage_is_told(rig: &mut SysvInit) {
    let before = ran(rig).len();
    rig.lines(BATTERY);
    rig.expect_fail();
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    assert_eq!(ran(rig).len(), before + 3, "{}", rig.story());
}

/// Waits for the emergency while nothing has happened on the line: long before any outage.
fn expect_loud_on_mains(rig: &SysvInit, text: &str) {
    rig.until(text, LOUD, || rig.log().contains(text).then_some(()));
    assert_eq!((rig.state().as_str(), ran(rig).len()), ("OK", 0), "{}", rig.story());
}

fn lives_on(rig: &SysvInit) {
    assert_eq!(names(rig), ["upsentry", "upsentry-mon", "upsentry-warden"], "{}", rig.story());
}

/// An upgrade of init's package does it. (Seen to fail with a gap taken for a dead FIFO.)
#[test]
fn telinit_u_is_a_gap_in_the_same_fifo() {
    let Some(mut rig) = started("tell low runlevel 0") else { return };
    let probe = Probe::new(&rig);
    for _ in 0..3 {
        if !re_execute(&mut rig, "init") {
            return;
        }
        rig.until("its reader again", SOON, || (!probe.closed()).then_some(()));
        assert!(probe.is_at_its_path(&rig));
        an_outage_is_told(&mut rig);
    }
    // The same descriptor brings the machine down.
    rig.lines(LOW);
    let script = rig.expect("rc0", "LOW");
    assert_eq!((script.halt.as_str(), script.runlevel.as_str()), ("POWEROFF", "0"));
    assert!(!rig.log().contains(UNREAD), "{}", rig.story());
    lives_on(&rig);
}

/// Init closes its FIFO and opens it again at once, under a request or between two. (Seen to fail with a gap
/// taken for a dead FIFO.)
#[test]
fn sigusr1_loses_nothing() {
    let Some((mut rig, probe)) = probed() else { return };
    for _ in 0..5 {
        rig.signal_init(Signal::SIGUSR1);
        rig.lines(BATTERY);
        rig.signal_init(Signal::SIGUSR1);
        rig.expect_fail();
        rig.signal_init(Signal::SIGUSR1);
        rig.lines(MAINS);
        rig.signal_init(Signal::SIGUSR1);
        rig.expect("powerokwait", "OK");
    }
    assert_eq!(ran(&rig).len(), 15, "{}", rig.story());
    assert!(!probe.closed() && probe.is_at_its_path(&rig));
    assert!(!rig.log().contains(UNREAD), "{}", rig.story());
}

/// (Seen to fail with no word after 10 s, and with words written into a gap.)
#[test]
fn sigusr2_is_loud_and_the_newest_word_follows_sigusr1() {
    let Some((mut rig, probe)) = probed() else { return };
    rig.signal_init(Signal::SIGUSR2);
    probe.expect_closed();
    assert_eq!((probe.write(), probe.links()), (Errno::EPIPE, 1));
    expect_loud_on_mains(&rig, UNREAD);
    rig.lines(BATTERY);
    rig.expect_log("ups: on battery");
    rig.lines(LOW);
    rig.expect_log("ups: LOW");
    assert!(ran(&rig).is_empty(), "{}", rig.story());
    rig.signal_init(Signal::SIGUSR1);
    rig.expect("powerfailnow", "LOW");
    assert!(rig.log().contains(BACK), "{}", rig.story());
    assert!(probe.is_at_its_path(&rig));
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    assert_eq!(ran(&rig), ["powerfailnow", "powerokwait"], "{}", rig.story());
}

/// What an upgrade of its package leaves: another file under init's name, and `telinit u`. Here the new one
/// is first a program that knows no FIFO at all. (Seen to fail as the one before.)
#[test]
fn another_init_without_a_fifo_is_loud_and_one_with_it_hears_the_newest_word() {
    let Some((mut rig, probe)) = probed() else { return };
    let mut build = fs::read(rig.path("init")).unwrap();
    build.extend(b"another build");
    fs::write(rig.path("init.new"), build).unwrap();
    fs::set_permissions(
        rig.path("init.new"),
        fs::metadata(rig.path("init")).unwrap().permissions(),
    )
    .unwrap();
    let wait =
        "#!/bin/sh\nuntil [ -e /run/rig/go ]; do sleep 0.1; done\nexec /run/rig/init.new \"$@\"\n";
    rig.executable("init.sh", wait);
    if !re_execute(&mut rig, "init.sh") {
        return;
    }
    probe.expect_closed();
    assert_eq!((probe.write(), probe.links()), (Errno::EPIPE, 1));
    expect_loud_on_mains(&rig, UNREAD);
    rig.lines(BATTERY);
    rig.expect_log("ups: on battery");
    assert!(ran(&rig).is_empty(), "{}", rig.story());
    fs::write(rig.path("go"), "").unwrap();
    rig.expect_fail();
    assert!(rig.log().contains(BACK), "{}", rig.story());
    let now = fs::read_link(format!("/proc/{}/exe", rig.init().pid)).unwrap();
    assert!(now.ends_with("init.new"), "{now:?}");
    assert!(probe.is_at_its_path(&rig));
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    assert_eq!(ran(&rig).len(), 3, "{}", rig.story());
}

/// Init reads the removed FIFO until it next looks at the path, at most 5 s later or when it has been told
/// something. Whoever finds it removed before that is loud at once, and still tells. (Seen to fail with
/// `Look::Removed` taken for `Look::Dead`.)
#[test]
fn a_removed_fifo_is_read_until_init_lets_go_of_it_and_that_is_loud_at_once() {
    let Some((mut rig, probe)) = probed() else { return };
    // Init has just looked at its path: that is 5 s for what follows.
    probe.has_told(&idle_request());
    fs::remove_file(rig.inside(FIFO)).unwrap();
    assert_eq!((probe.closed(), probe.links()), (false, 0));
    // Only wakes the parent, as each sign of life does.
    rig.signal("upsentry", Signal::SIGHUP);
    rig.expect_log("init's FIFO was removed: it cannot be told of an outage; restart upsentry");
    rig.lines(BATTERY);
    rig.expect_fail();
    probe.expect_closed();
    assert_eq!((probe.write(), probe.links()), (Errno::EPIPE, 0));
    // Nobody would start it again.
    rig.expect_log("init cannot be told of an outage; restart upsentry");
    lives_on(&rig);
    rig.until("a new FIFO", SOON, || rig.inside(FIFO).exists().then_some(()));
    assert!(!probe.is_at_its_path(&rig) && probe.closed());
    rig.lines(MAINS);
    rig.expect_log("ups: on mains");
    rig.signal("upsentry", Signal::SIGTERM);
    rig.until("the end of all", SOON, || rig.ours().is_empty().then_some(()));
    assert_eq!(ran(&rig).len(), 2, "{}", rig.story());
    let config = rig.config("");
    assert_eq!(rig.daemon(&config).status, 0, "{}", rig.story());
    rig.expect("powerokwait", "OK");
    assert_eq!(ran(&rig).len(), 3, "{}", rig.story());
}

/// Nothing happens but that the FIFO is removed. (Seen to fail when only a gap's descriptor was looked at.)
#[test]
fn a_removed_fifo_is_loud_on_mains() {
    let Some((rig, probe)) = probed() else { return };
    fs::remove_file(rig.inside(FIFO)).unwrap();
    expect_loud_on_mains(&rig, "init's FIFO was removed: it cannot be told of an outage");
    probe.expect_closed();
    lives_on(&rig);
}

/// Moved, or hidden by another /run: it still has a link, so it could come back, and does not. (Seen to fail
/// with no word after 10 s.)
#[test]
fn a_renamed_fifo_is_loud_and_a_restart_mends_it() {
    let Some((mut rig, probe)) = probed() else { return };
    fs::rename(rig.inside(FIFO), rig.inside("/run/initctl.old")).unwrap();
    probe.expect_closed();
    assert_eq!((probe.write(), probe.links()), (Errno::EPIPE, 1));
    expect_loud_on_mains(&rig, UNREAD);
    assert!(rig.inside(FIFO).exists() && !probe.is_at_its_path(&rig));
    lives_on(&rig);
    rig.lines(BATTERY);
    rig.expect_log("ups: on battery");
    rig.signal("upsentry", Signal::SIGTERM);
    rig.until("the end of all", SOON, || rig.ours().is_empty().then_some(()));
    assert!(ran(&rig).is_empty(), "{}", rig.story());
    let config = rig.config("");
    assert_eq!(rig.daemon(&config).status, 0, "{}", rig.story());
    rig.expect_fail();
    assert_eq!(ran(&rig).len(), 2, "{}", rig.story());
}

/// The FIFO needs no room of its file system, and the state file has all that it will ever need. (Seen to fail
/// with an outage's record written beyond what the start had written.)
#[test]
fn a_full_run_does_not_keep_a_request_or_the_state_back() {
    let Some((mut rig, _probe)) = probed() else { return };
    fill_run(&mut rig);
    an_outage_is_told(&mut rig);
    rig.lines(BATTERY);
    rig.expect_fail();
    rig.lines(LOW);
    rig.expect("powerfailnow", "LOW");
    assert_eq!(rig.state(), "LOW");
    assert!(!rig.log().contains("state file:"), "{}", rig.story());
    lives_on(&rig);
}

/// Init stopped: the FIFO takes a request, and nobody reads it. (Seen to fail with a FIFO of more than one page,
/// and with words written that nobody has read yet.)
#[test]
fn a_stopped_init_is_loud_and_then_reads_every_word_once_in_order() {
    let Some((mut rig, probe)) = probed() else { return };
    rig.signal_init(Signal::SIGSTOP);
    rig.lines(BATTERY);
    rig.expect_log("init told: power fail");
    rig.until(UNREAD, LOUD, || rig.log().contains(UNREAD).then_some(()));
    assert!(!probe.closed());
    for levels in [MAINS, BATTERY, LOW] {
        rig.lines(levels);
        std::thread::sleep(Duration::from_millis(300));
    }
    rig.expect_log("ups: LOW");
    assert!(ran(&rig).is_empty(), "{}", rig.story());
    rig.signal_init(Signal::SIGCONT);
    rig.expect("powerfailnow", "LOW");
    rig.expect_log(BACK);
    rig.lines(MAINS);
    rig.expect("powerokwait", "OK");
    // What `powerfail` starts is not waited for.
    let (fails, others): (Vec<_>, Vec<_>) =
        ran(&rig).into_iter().partition(|entry| entry == "powerfail");
    assert_eq!(fails.len(), 1, "{}", rig.story());
    assert_eq!(others, ["powerwait", "powerfailnow", "powerokwait"], "{}", rig.story());
}

/// Init stopped, and others have filled its FIFO to the brim. (Seen to fail with no word after 10 s.)
#[test]
fn a_full_fifo_is_loud_before_an_outage_and_then_takes_the_newest_word() {
    let Some((mut rig, probe)) = probed() else { return };
    rig.signal_init(Signal::SIGSTOP);
    let taken = (0..200).find(|_| write(&probe.0, &idle_request()).is_err()).unwrap();
    assert_eq!((probe.write(), probe.closed()), (Errno::EAGAIN, false), "{taken}");
    expect_loud_on_mains(&rig, UNREAD);
    rig.lines(BATTERY);
    rig.expect_log("ups: on battery");
    rig.lines(LOW);
    rig.expect_log("ups: LOW");
    rig.signal_init(Signal::SIGCONT);
    rig.expect("powerfailnow", "LOW");
    rig.expect_log(BACK);
    assert_eq!(ran(&rig), ["powerfailnow"], "{}", rig.story());
}
