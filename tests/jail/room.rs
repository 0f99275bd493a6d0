//! The room of a monitor that watches a driver of NUT's: what is in it, and what is left of it.

use crate::common::jail::USERS;
use crate::common::nut::GROUP;
use crate::common::{need_root, skip};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use upsentry::sys::confine::{Walls, confine};
use upsentry::sys::{process, raw, room};

/// Long enough for anything that must come, on a busy machine.
const LONG: Duration = Duration::from_secs(10);

/// A directory with an empty one for the room and one with drivers' sockets.
struct Place {
    top: PathBuf,
    empty: PathBuf,
    drivers: PathBuf,
}

impl Place {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("upsentry-room-{}-{number}", std::process::id());
        Self::at(&std::env::temp_dir().join(name))
    }

    fn at(top: &Path) -> Self {
        let (empty, drivers) = (top.join("empty"), top.join("drivers"));
        fs::create_dir_all(&empty).expect("a directory");
        fs::create_dir_all(&drivers).expect("a directory");
        fs::set_permissions(&empty, PermissionsExt::from_mode(0o555)).expect("its mode");
        chown(&drivers, None, Some(GROUP)).expect("as root");
        fs::set_permissions(&drivers, PermissionsExt::from_mode(0o770)).expect("its mode");
        Self { top: top.to_owned(), empty, drivers }
    }

    /// As a driver makes one.
    fn listen(&self, name: &str) -> UnixListener {
        let path = self.drivers.join(name);
        let listener = UnixListener::bind(&path).expect("a socket");
        chown(&path, None, Some(GROUP)).expect("as root");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o660)).expect("its mode");
        listener
    }

    fn enter(&self) -> Result<(), String> {
        room::enter(&self.empty, &self.drivers)
    }

    /// For a child: the same, and says so to who waits for that.
    fn enter_and_say(&self) -> Option<()> {
        or_say(self.enter()).inspect(|()| process::name(c"inside"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.top);
    }
}

/// A process that does this, and says by its exit status what came of it; ended when dropped.
struct Child(Pid);

impl Child {
    fn new(work: impl FnOnce() -> i32) -> Self {
        // SAFETY: as in `common::jail::make`.
        #[allow(unsafe_code)]
        match unsafe { nix::unistd::fork() }.expect("fork") {
            ForkResult::Child => raw::exit(work()),
            ForkResult::Parent { child } => Self(child),
        }
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0))
    }

    /// Waits until it says that it is in its room; its mounts.
    fn in_room(&self) -> Vec<String> {
        let ready = || fs::read_to_string(self.proc("comm")).is_ok_and(|name| name == "inside\n");
        assert_eq!(until(ready), 0, "it is in no room");
        let mounts = fs::read_to_string(self.proc("mountinfo")).expect("its mounts");
        mounts.lines().map(str::to_owned).collect()
    }

    fn status(self) -> i32 {
        let status = waitpid(self.0, None).expect("our child");
        std::mem::forget(self);
        match status {
            WaitStatus::Exited(_, status) => status,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

/// For a child: the step that failed goes to standard error.
fn or_say<T>(result: Result<T, String>) -> Option<T> {
    result.inspect_err(|error| eprintln!("{error}")).ok()
}

fn hold() -> i32 {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// As the monitor is confined, but for its list.
fn walled(more: &[RawFd]) -> Result<(), String> {
    let keep: Vec<RawFd> = [0, 1, 2].iter().chain(more).copied().collect();
    let walls = Walls::new(&keep, Uid::from_raw(USERS[0]), Gid::from_raw(USERS[0]));
    let groups = [Gid::from_raw(GROUP)];
    confine(&Walls { root: Some(Path::new("/")), groups: &groups, ..walls }).map(drop)
}

fn until(mut done: impl FnMut() -> bool) -> i32 {
    let end = Instant::now() + LONG;
    while !done() {
        if Instant::now() > end {
            return 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    0
}

/// Fields of a line of mountinfo: the root in its file system, where it is, how, and which kind.
fn fields(line: &str) -> [String; 4] {
    let words: Vec<&str> = line.split(' ').collect();
    let dash = words.iter().position(|word| *word == "-").expect("a separator");
    [words[3], words[4], words[5], words[dash + 1]].map(str::to_owned)
}

/// Two mounts, both without any right; of the machine's files only the one directory.
///
/// Seen to fail without the `umount2` of the old root, and without each of the flags.
#[test]
fn a_room_has_two_mounts_and_one_directory() {
    if !need_root() {
        return;
    }
    let place = Place::new();
    let _driver = place.listen("driver");
    let before = fs::read_to_string("/proc/self/mountinfo").expect("ours");
    let child = Child::new(|| place.enter_and_say().map_or(1, |()| hold()));
    let mounts: Vec<_> = child.in_room().iter().map(|line| fields(line)).collect();
    assert_eq!(mounts.len(), 2, "{mounts:?}");
    for (mount, place) in mounts.iter().zip(["/", "/nut"]) {
        let [_, at, how, _] = mount;
        assert_eq!(at, place);
        for flag in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(how.split(',').any(|one| one == flag), "{place} is not {flag}: {how}");
        }
    }
    assert_eq!(mounts[0][3], "tmpfs");
    assert!(mounts[1][0].ends_with("/drivers"), "{mounts:?}");
    let names = |path: &str| -> Vec<String> {
        let entries = fs::read_dir(child.proc(path)).expect("its root").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("root"), ["nut"]);
    assert_eq!(names("root/nut"), ["driver"]);
    // `..` of it is the room.
    assert_eq!(names("root/nut/.."), ["nut"]);
    assert_eq!(names("root/nut/../.."), ["nut"]);
    for path in ["root", "root/nut"] {
        let made = fs::write(child.proc(path).join("x"), "");
        assert_eq!(made.map_err(|error| error.raw_os_error()), Err(Some(Errno::EROFS as i32)));
        let flags = statvfs(&child.proc(path)).expect("it").flags();
        assert!(flags.contains(FsFlags::ST_NOSUID | FsFlags::ST_RDONLY), "{path}: {flags:?}");
    }
    // Nothing of it is seen here, nor left when it has ended.
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("ours"), before);
    assert_eq!(fs::read_dir(&place.empty).expect("it").count(), 0);
    drop(child);
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("ours"), before);
    fs::remove_dir(&place.empty).expect("nothing holds it");
}

/// A driver that starts later, and a second time, makes a new file.
///
/// Seen to fail with mounts that are shared, not private: no room is had.
#[test]
fn a_socket_that_comes_later_is_reached() {
    if !need_root() {
        return;
    }
    let place = Place::new();
    let child = Child::new(|| {
        let entered = place.enter_and_say().and_then(|()| or_say(walled(&[])));
        let reached = || UnixStream::connect("/nut/driver").is_ok();
        entered.map_or(1, |()| until(reached) + until(|| !reached()) + until(reached))
    });
    child.in_room();
    let first = place.listen("driver");
    first.accept().expect("a connection");
    drop(first);
    fs::remove_file(place.drivers.join("driver")).expect("it");
    std::thread::sleep(Duration::from_millis(20));
    let _second = place.listen("driver");
    assert_eq!(child.status(), 0);
}

/// As when NUT is taken off the machine, or its directory made anew: the monitor can tell.
///
/// Seen to fail with a count of links that is never 0.
#[test]
fn a_removed_directory_is_noticed() {
    if !need_root() {
        return;
    }
    let place = Place::new();
    let child = Child::new(|| {
        let Some(()) = or_say(place.enter()) else { return 1 };
        let Ok(shown) = room::shown() else { return 2 };
        process::name(c"inside");
        let links = || raw::links(shown.as_fd());
        if links().is_ok_and(|links| links > 0) { until(|| links() == Ok(0)) } else { 3 }
    });
    child.in_room();
    fs::remove_dir(&place.drivers).expect("an empty directory, whatever shows it");
    fs::create_dir(&place.drivers).expect("another one of that name");
    assert_eq!(child.status(), 0);
}

/// The step is named, and nothing is left here.
#[test]
fn a_room_without_a_directory_is_none() {
    if !need_root() {
        return;
    }
    let place = Place::new();
    fs::remove_dir(&place.drivers).expect("it");
    let before = fs::read_to_string("/proc/self/mountinfo").expect("ours");
    let fails = |place: &Place, step: &'static str| {
        let child = Child::new(|| match place.enter() {
            Err(error) if error.starts_with(step) => 0,
            other => or_say(Err::<(), _>(format!("{other:?}"))).map_or(1, |()| 1),
        });
        assert_eq!(child.status(), 0, "{step}");
    };
    fails(&place, "bind mount: ");
    fs::write(&place.drivers, "").expect("a file");
    fails(&place, "bind mount: ");
    fs::remove_dir(&place.empty).expect("it");
    fails(&place, "tmpfs: ");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("ours"), before);
    let no_sockets = || std::iter::empty::<String>();
    assert!(room::groups(&place.top.join("nothing"), no_sockets()).is_err());
    assert!(room::groups(&place.drivers, no_sockets()).is_err(), "a file is no directory");
}

/// The groups of the directory and of the sockets that are watched, and never root's; nor that of a file which is no
/// socket, or of what a link leads to.
///
/// Seen to fail with `retain` left out, and with `metadata` for `symlink_metadata`.
#[test]
fn the_groups_are_those_of_sockets() {
    if !need_root() {
        return;
    }
    let place = Place::new();
    let groups = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let found = room::groups(&place.drivers, names.into_iter()).expect("its groups");
        found.into_iter().map(Gid::as_raw).collect::<Vec<_>>()
    };
    assert_eq!(groups(&[]), [GROUP]);
    let (_one, _other, _roots) = (place.listen("one"), place.listen("two"), place.listen("roots"));
    chown(place.drivers.join("two"), None, Some(GROUP + 1)).expect("as root");
    chown(place.drivers.join("roots"), None, Some(0)).expect("as root");
    fs::write(place.drivers.join("file"), "").expect("a file");
    chown(place.drivers.join("file"), None, Some(42)).expect("as root");
    std::os::unix::fs::symlink("two", place.drivers.join("link")).expect("a link");
    assert_eq!(groups(&["one"]), [GROUP]);
    assert_eq!(groups(&["one", "two", "roots", "none"]), [GROUP, GROUP + 1]);
    assert_eq!(groups(&["roots", "file", "link"]), [GROUP]);
    chown(&place.drivers, None, Some(0)).expect("as root");
    assert_eq!(groups(&["roots"]), [0; 0]);
    assert_eq!(groups(&["two"]), [GROUP + 1]);
}

/// In a user namespace, as `make demo` makes one, where whoever calls is root only to himself.
#[test]
fn a_room_in_a_user_namespace() {
    if !need_root() {
        return;
    }
    let place = Place::new();
    let _driver = place.listen("driver");
    let child = Child::new(|| {
        if unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).is_err() {
            return 77;
        }
        let mapped = || fs::read_to_string("/proc/self/gid_map").is_ok_and(|map| !map.is_empty());
        let entered = or_say(Some(()).filter(|()| until(mapped) == 0).ok_or("no maps".to_owned()));
        let walled = entered.and_then(|()| or_say(place.enter().and_then(|()| walled(&[]))));
        walled.map_or(1, |()| until(|| UnixStream::connect("/nut/driver").is_ok()))
    });
    let ours = fs::read_link("/proc/self/ns/user").expect("ours");
    let apart = until(|| fs::read_link(child.proc("ns/user")).is_ok_and(|theirs| theirs != ours));
    if apart == 0 {
        for map in ["uid_map", "gid_map"] {
            fs::write(child.proc(map), "0 0 100000").expect("as root");
        }
    }
    match child.status() {
        77 => skip("this kernel has no user namespaces"),
        status => assert_eq!(status, 0),
    }
}

/// Where a machine runs from its initramfs, the root cannot be taken away, only covered. There is one such file system
/// under every root: a child without any other is in it.
///
/// Seen to fail with EINVAL as any other error of `pivot_root`, and without the chroot after it.
#[test]
fn a_room_on_the_first_file_system() {
    if !need_root() {
        return;
    }
    let name = format!("/upsentry-room-{}", std::process::id());
    let child = Child::new(|| {
        let Some(()) = on_rootfs() else { return 77 };
        let place = Place::at(Path::new(&name));
        let driver = place.listen("driver");
        let pivots = mount_at(&place.empty).and_then(|()| pivots(&place.empty));
        let entered = or_say(place.enter());
        let inside = entered.is_some()
            && UnixStream::connect("/nut/driver").is_ok()
            && fs::read_dir("/").is_ok_and(|root| root.count() == 1)
            && fs::read_dir("/nut/..").is_ok_and(|root| root.count() == 1)
            && fs::write("/x", "").is_err()
            && fs::write("/nut/x", "").is_err();
        let walled = or_say(walled(&[driver.as_raw_fd()])).is_some()
            && UnixStream::connect("/nut/driver").is_ok();
        // Its names are gone from here: the file system is swept by a process that sees it.
        std::mem::forget(place);
        i32::from(pivots != Some(false)) + 2 * i32::from(!inside) + 4 * i32::from(!walled)
    });
    let status = child.status();
    let sweep = Child::new(|| {
        if on_rootfs().is_some() {
            let _ = fs::remove_dir_all(&name);
        }
        0
    });
    sweep.status();
    match status {
        77 => skip("this machine's first file system cannot be had"),
        status => {
            assert_eq!(status, 0, "1: pivot_root works there, 2: not in the room, 4: no walls")
        }
    }
}

/// Moves this process to the file system that the kernel began with, which lies under the root.
fn on_rootfs() -> Option<()> {
    unshare(CloneFlags::CLONE_NEWNS).ok()?;
    let own = open("/proc/self/ns/mnt", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).ok()?;
    umount2("/", MntFlags::MNT_DETACH).ok()?;
    // Whoever enters a namespace stands on its lowest root.
    setns(own.as_fd(), CloneFlags::CLONE_NEWNS).ok()?;
    fs::create_dir_all("/upsentry-try").ok()?;
    fs::remove_dir("/upsentry-try").ok()
}

fn mount_at(place: &Path) -> Option<()> {
    let none = MsFlags::empty();
    mount(Some("try"), place, Some("tmpfs"), none, None::<&str>).ok()
}

/// Whether a mount can take the root's place; it is gone afterwards.
fn pivots(place: &Path) -> Option<bool> {
    nix::unistd::chdir(place).ok()?;
    let can = match nix::unistd::pivot_root(".", ".") {
        Ok(()) => return Some(true),
        Err(error) => error != Errno::EINVAL,
    };
    nix::unistd::chdir("/").ok()?;
    umount2(place, MntFlags::MNT_DETACH).ok()?;
    Some(can)
}
