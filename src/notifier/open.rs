//! Opening everything while there is root: afterwards nothing is opened again.

use std::ffi::CString;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, Flock, FlockArg, OFlag, fallocate, fcntl, open};
use nix::libc::O_NOFOLLOW;
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::pipe2;

use crate::config::{Config, Ups, Via, Watch};
use crate::history::record::BOUND;
use crate::ipc::record::{Record, Unusable};
use crate::notifier::net::Net;
use crate::notifier::port::{self, Problem};
use crate::notifier::state::{self, StateFile};
use crate::notifier::users::{self, Users};
use crate::notifier::via::Init;
use crate::notifier::via::Route;
use crate::sys::now;
use crate::sys::text::complain;

/// A FIFO without a reader: init is just starting or re-executing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that only root could open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) init: Init,
    pub(super) route: Route,
    pub(super) users: Users,
    pub(super) ttys: Vec<Option<OwnedFd>>,
    pub(super) set_at: Duration,
    /// The directory of NUT's drivers is there.
    pub(super) shown: bool,
    pub(super) net: Net,
    pub(super) fifo: Option<OwnedFd>,
    pub(super) state: StateFile,
    pub(super) record: Record,
    /// `Err`: why none is kept.
    pub(super) history: Result<History, String>,
    pub(super) null: OwnedFd,
    /// Process 1's command line, where sysvinit says the runlevel.
    pub(super) title: Option<File>,
    /// What is not there, for the log.
    pub(super) away: Vec<String>,
}

impl Opened {
    /// Opens what this configuration and route need.
    ///
    /// # Errors
    /// What cannot be had, and why.
    pub(super) fn new(config: &Config, init: Init, route: Route) -> Result<Opened, String> {
        let users = users::resolve(config)?;
        empty_root(&config.chroot)?;
        let (state, record) = StateFile::open(&config.state_file, config.ups.len())?;
        let record = record.unwrap_or_else(|unusable| {
            // Another boot's is what every first start finds.
            if matches!(unusable, Unusable::Foreign) {
                complain(format_args!(
                    "upsentry: {}: torn or not ours; starting afresh",
                    config.state_file.display()
                ));
            }
            Record::default()
        });
        let net = Net::open(config)?;
        let ttys = config.ups.iter().map(open_port).collect::<Result<Vec<_>, _>>()?;
        let set_at = now();
        let fifo = match route.via {
            Via::Initctl => {
                let path = config.initctl.as_ref().or(init.fifo.as_ref());
                let path =
                    path.ok_or("via initctl: neither /run/initctl nor /dev/initctl is there")?;
                Some(fifo(path)?)
            }
            Via::Signal | Via::Command => None,
        };
        let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
        let null = null.map_err(|error| format!("/dev/null: {error}"))?.into();
        let history = History::open(&config.history_file);
        let title = config.speaks().then(|| File::open("/proc/1/cmdline").ok()).flatten();
        let away = Vec::new();
        Ok(Opened {
            init,
            away,
            route,
            users,
            ttys,
            set_at,
            shown: config.state_path.is_dir(),
            net,
            fifo,
            state,
            record,
            history,
            null,
            title,
        })
    }
}

/// The history file, and the pipe to the thread that will write it.
#[derive(Debug)]
pub(super) struct History {
    pub(super) file: Flock<File>,
    pub(super) from: OwnedFd,
    /// Never waits.
    pub(super) to: OwnedFd,
}

impl History {
    /// Its descriptors.
    pub(super) fn descriptors(&self) -> [RawFd; 3] {
        [self.file.as_raw_fd(), self.from.as_raw_fd(), self.to.as_raw_fd()]
    }

    /// Opens and locks it, makes its directory, and reserves what it may grow to.
    ///
    /// # Errors
    /// Why not. The machine is watched all the same.
    fn open(path: &Path) -> Result<History, String> {
        let said = |error: &dyn std::fmt::Display| format!("history {}: {error}", path.display());
        if let Some(directory) = path.parent() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(directory);
            made.map_err(|error| said(&error))?;
        }
        let file = state::plain(path).map_err(|error| said(&error))?;
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let file = file.map_err(|(_, error)| said(&error))?;
        let room = i64::try_from(BOUND).unwrap_or(i64::MAX);
        // Not every file system can; then the disk may be full when a line comes.
        let _ = fallocate(&*file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, room);
        let (from, to) = pipe2(OFlag::O_CLOEXEC).map_err(|error| said(&error))?;
        fcntl(&to, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|error| said(&error))?;
        Ok(History { file, from, to })
    }
}

impl Opened {
    /// The UPSs that are not there: no device, or no address of their master.
    pub(super) fn absent<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = &'a Ups> {
        let all = config.ups.iter().zip(self.ttys.iter().zip(&self.net.masters));
        let absent = all.filter(|(ups, (tty, found))| match ups.watch {
            Watch::Line(_) => tty.is_none(),
            // Its socket may come at any time: the jail looks for that itself, once it sees the directory.
            Watch::Driver(_) => !self.shown,
            _ => ups.watch.host().is_some() && found.is_empty(),
        });
        absent.map(|(ups, _)| ups)
    }

    /// The same in words.
    pub(super) fn away(&self, config: &Config) -> Vec<String> {
        self.absent(config).map(Ups::away).collect()
    }

    /// Takes over what a child of ours has told init meanwhile.
    pub(super) fn reread(&mut self) {
        if let Ok(record) = self.state.reread() {
            self.record = record;
        }
    }
}

fn open_port(ups: &Ups) -> Result<Option<OwnedFd>, String> {
    let Watch::Line(path) = &ups.watch else { return Ok(None) };
    match port::watch(path, ups.init) {
        Ok(tty) => Ok(Some(tty)),
        Err(Problem::Absent) => Ok(None),
        Err(problem) => Err(format!("{}: {}: {problem}", ups.name, path.display())),
    }
}

/// The jail's root: made if it is missing; root's own, empty, and nobody can write in it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn empty_root(path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("chroot {}: {error}", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed)?;
    check_root(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o555)).map_err(failed)
}

/// Whether a directory can be the jail's root.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_root(path: &Path) -> Result<(), String> {
    let failed = |error: &dyn Display| format!("chroot {}: {error}", path.display());
    let meta = fs::symlink_metadata(path).map_err(|error| failed(&error))?;
    if !meta.is_dir() || meta.uid() != 0 || meta.mode() & 0o022 != 0 {
        return Err(failed(&"must be a directory of root's that nobody else can write in"));
    }
    let empty = fs::read_dir(path).map_err(|error| failed(&error))?.next().is_none();
    empty.then_some(()).ok_or_else(|| failed(&"must be empty"))
}

/// Init's FIFO, write-only and non-blocking. Read-write it would never fail, and swallow 160 requests
/// that nobody reads.
///
/// # Errors
/// It is not there, not root's FIFO, or nobody reads it for ten seconds.
pub(super) fn fifo(path: &Path) -> Result<OwnedFd, String> {
    let failed = |error: &dyn Display| format!("initctl {}: {error}", path.display());
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let deadline = Instant::now() + PATIENCE;
    let fd = loop {
        match open(path, flags, Mode::empty()) {
            Ok(fd) => break fd,
            Err(Errno::ENXIO) if Instant::now() < deadline => sleep(Duration::from_millis(100)),
            Err(Errno::ENXIO) => return Err(failed(&"nobody reads it; is process 1 sysvinit?")),
            Err(error) => return Err(failed(&error)),
        }
    };
    let meta = fstat(&fd).map_err(|error| failed(&error))?;
    let kind = SFlag::from_bits_truncate(meta.st_mode & SFlag::S_IFMT.bits());
    if kind != SFlag::S_IFIFO || meta.st_uid != 0 {
        return Err(failed(&"is not a FIFO of root's"));
    }
    // One page, and room in it is reported only when it is empty: so poll says whether init has read what it
    // was told. Where that is refused, because much is waiting in it, it says so only once it is full.
    let _ = fcntl(&fd, FcntlArg::F_SETPIPE_SZ(1));
    Ok(fd)
}

/// Directory and name of the powerstatus file.
///
/// # Errors
/// The directory cannot be opened.
pub(super) fn powerstatus(path: &Path) -> Result<(File, CString), String> {
    let failed = |error: &dyn Display| format!("powerstatus {}: {error}", path.display());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(&"not the path of a file"));
    };
    let directory = File::open(directory).map_err(|error| failed(&error))?;
    Ok((directory, CString::new(name.as_bytes()).map_err(|error| failed(&error))?))
}

/// The words of a command (`what`: its directive); its program must be root's, so that nobody else decides what
/// root runs.
///
/// # Errors
/// It cannot be run, or is not root's alone.
pub(super) fn command(what: &str, argv: &[String]) -> Result<Vec<CString>, String> {
    let program = argv.first().map_or("", String::as_str);
    let failed = |error: &dyn Display| format!("{what} {program}: {error}");
    let meta = fs::metadata(program).map_err(|error| failed(&error))?;
    if !meta.is_file() || meta.mode() & 0o111 == 0 {
        return Err(failed(&"is not a program"));
    }
    if meta.uid() != 0 || meta.mode() & 0o022 != 0 {
        return Err(failed(&"must be root's, and nobody else may write to it"));
    }
    let words = argv.iter().map(|word| CString::new(word.as_str()));
    words.collect::<Result<_, _>>().map_err(|error| failed(&error))
}

/// Writes our pid for scripts; emptied at the end, because the jail's root hides the path.
///
/// # Errors
/// It cannot be written.
pub(super) fn pid_file(path: &Path) -> Result<File, String> {
    let write = || -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644).custom_flags(O_NOFOLLOW);
        let mut file = options.open(path)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(file)
    };
    write().map_err(|error| format!("pid file {}: {error}", path.display()))
}
