//! Giving up rights, in the one order that works, and reading back that they are gone.
//!
//! Everything here is per thread, so it runs while the process has one.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use caps::{CapSet, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::stat;
use nix::sys::wait::waitpid;
use nix::unistd::{self, ForkResult, Gid, Uid};

use crate::sys::{at, raw};

/// `nobody`, for a process that can reach nothing and so needs no user of its own.
pub const NOBODY: u32 = 65534;
/// Seconds that a child has for what is only said.
const PATIENCE: u32 = 5;
/// Enough for any of our processes that runs on.
pub const MEMORY: u64 = 16 << 20;
/// So many descriptors may always be had; a process that makes none is kept from it by its list.
const LEAST_FILES: u64 = 16;
/// Landlock is pinned to what was tested: a later ABI may come to govern something that we use.
const LANDLOCK: ABI = ABI::V6;
/// The same as a number.
pub const LANDLOCK_ABI: i32 = LANDLOCK as i32;

/// Where a process ends up.
#[derive(Debug)]
pub struct Walls<'a> {
    /// Descriptors that it keeps.
    pub keep: &'a [RawFd],
    /// The empty directory that becomes its root; `None` where a list without any call that takes a path
    /// makes one needless.
    pub root: Option<&'a Path>,
    /// Its user: shared with nobody, never 0.
    pub uid: Uid,
    /// Its group.
    pub gid: Gid,
    /// More groups; never 0.
    pub groups: &'a [Gid],
    /// TCP ports that it may connect to.
    pub ports: &'a [u16],
    /// Descriptors that it will have beside those that it keeps.
    pub spare: u64,
    /// The largest file that it can write, in bytes.
    pub file_size: u64,
    /// The most memory that it can write to, in bytes.
    pub memory: u64,
    /// No signals and no abstract sockets out of its own Landlock domain.
    pub scoped: bool,
}

impl<'a> Walls<'a> {
    /// No more than any process of ours needs.
    pub fn new(keep: &'a [RawFd], uid: Uid, gid: Gid) -> Walls<'a> {
        Walls {
            keep,
            root: None,
            uid,
            gid,
            groups: &[],
            ports: &[],
            spare: 0,
            file_size: 0,
            memory: MEMORY,
            scoped: true,
        }
    }
}

/// Closes, chroots, drops, and checks. Returns how much of Landlock this kernel enforces.
///
/// # Errors
/// The step that failed and why; the process must end.
pub fn confine(walls: &Walls<'_>) -> Result<RulesetStatus, String> {
    strip(walls)?;
    let status = landlock(walls)?;
    verify(walls)?;
    Ok(status)
}

/// Leaves a process that looks names up what that takes: it reads files, runs a program (its own image, so that
/// nothing of this one stays in its memory), and speaks to the network. It keeps descriptors 0 to 2 and these, and
/// cannot write a file of more than `file_size` bytes.
///
/// # Errors
/// As [`confine`].
pub fn to_resolve(more: &[RawFd], file_size: u64) -> Result<(), String> {
    let keep: Vec<RawFd> = [0, 1, 2].iter().chain(more).copied().collect();
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    // Stacks, and what the C library's plug-ins take.
    // A socket and a file or two for each thread.
    let (spare, memory) = (125, 4 * MEMORY);
    read_only(&Walls { spare, file_size, memory, ..Walls::new(&keep, uid, gid) }, None)
}

/// Leaves a process that runs a program of the administrator's what that takes: it reads and runs files, writes to
/// devices as far as their modes let its user, and connects over the network; it can make or change no file. It and
/// its children are 64 at most, and signal nobody else.
///
/// # Errors
/// As [`confine`].
pub fn to_run_programs(keep: &[RawFd], uid: Uid, gid: Gid) -> Result<(), String> {
    // The log may be a file.
    let (spare, memory, file_size) = (125, 4 * MEMORY, 1 << 20);
    let walls = Walls { spare, memory, file_size, ..Walls::new(keep, uid, gid) };
    read_only(&walls, Some("/dev"))?;
    setrlimit(Resource::RLIMIT_NPROC, PROCESSES, PROCESSES).map_err(at("RLIMIT_NPROC"))
}

/// So many processes may a user have who runs programs for us.
const PROCESSES: u64 = 64;

/// Leaves a process uid 0 and nothing else that it can do without. `replaces`: it replaces files in this directory
/// and signals, and loses every capability for good; else it runs a program as root, and gets them back at exec, not
/// before. `null` becomes its standard streams.
///
/// # Errors
/// As [`confine`].
pub fn to_hand(
    null: &OwnedFd,
    keep: impl Iterator<Item = RawFd>,
    replaces: Option<BorrowedFd<'_>>,
) -> Result<(), String> {
    unistd::dup2_stdin(null).map_err(at("stdin"))?;
    unistd::dup2_stdout(null).map_err(at("stdout"))?;
    let stderr = null.try_clone().map_err(|error| format!("stderr: {error}"))?;
    let keep: Vec<RawFd> = [0, 1, 2, stderr.as_raw_fd()].into_iter().chain(keep).collect();
    raw::close_all_but(&keep).map_err(at("close_range"))?;
    unistd::chdir("/").map_err(at("chdir"))?;
    unistd::setgroups(&[]).map_err(at("setgroups"))?;
    prctl::set_dumpable(false).map_err(at("not dumpable"))?;
    if let Some(directory) = replaces {
        drop_bounding()?;
        drop_held()?;
        replace_files_in(directory)?;
        prctl::set_no_new_privs().map_err(at("no_new_privs"))?;
    } else {
        drop_held()?;
    }
    // Last, so that what fails before it can be said.
    unistd::dup2_stderr(&stderr).map_err(at("stderr"))
}

/// Keeps the program that is about to be run from signalling the process that runs it, as far as this kernel can.
///
/// # Errors
/// The kernel has Landlock and refuses.
pub fn signal_none() -> Result<(), String> {
    let rules = Ruleset::default().scope(Scope::Signal).and_then(|rules| rules.create());
    rules.and_then(landlock::RulesetCreated::restrict_self).map(drop).map_err(unlocked)
}

/// Leaves a process files to read and run, and the network; below `writable` it may write to what is there.
fn read_only(walls: &Walls<'_>, writable: Option<&str>) -> Result<(), String> {
    strip(walls)?;
    let below = |path| PathFd::new(path).map_err(|error| format!("Landlock: {error}"));
    let reads = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|rules| rules.handle_access(AccessNet::BindTcp))
        .and_then(|rules| rules.scope(Scope::from_all(LANDLOCK)))
        .and_then(|rules| rules.create());
    let root = PathBeneath::new(below("/")?, reads);
    let mut rules = rules.and_then(|rules| rules.add_rule(root)).map_err(unlocked)?;
    if let Some(path) = writable {
        let write = PathBeneath::new(below(path)?, AccessFs::WriteFile);
        rules = rules.add_rule(write).map_err(unlocked)?;
    }
    rules.restrict_self().map_err(unlocked)?;
    verify(walls)
}

/// All but Landlock.
fn strip(walls: &Walls<'_>) -> Result<(), String> {
    raw::close_all_but(walls.keep).map_err(at("close_range"))?;
    if let Some(root) = walls.root {
        unistd::chdir(root).map_err(at("chdir"))?;
        unistd::chroot(".").map_err(at("chroot"))?;
    }
    unistd::chdir("/").map_err(at("chdir /"))?;
    unistd::setgroups(walls.groups).map_err(at("setgroups"))?;
    // Before the uid changes: afterwards the kernel refuses it.
    drop_bounding()?;
    unistd::setresgid(walls.gid, walls.gid, walls.gid).map_err(at("setresgid"))?;
    unistd::setresuid(walls.uid, walls.uid, walls.uid).map_err(at("setresuid"))?;
    drop_held()?;
    prctl::set_no_new_privs().map_err(at("no_new_privs"))?;
    prctl::set_dumpable(false).map_err(at("not dumpable"))?;
    limit(walls)
}

/// Leaves a command of root's no right, but standard input and output and these descriptors.
///
/// # Errors
/// As [`confine`].
pub fn to_nobody(more: &[RawFd]) -> Result<(), String> {
    let keep: Vec<RawFd> = [0, 1, 2].iter().chain(more).copied().collect();
    let nobody = Walls::new(&keep, Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    confine(&Walls { file_size: u64::MAX, ..nobody }).map(drop)
}

/// Has a child without rights do something that needs none but to read files, and waits for its end, but not long: what
/// it looks at may be on a server that is not there. It keeps standard input, output and error, and these descriptors.
pub fn have_nobody(more: &[RawFd], work: impl FnOnce()) {
    match raw::fork() {
        Ok(ForkResult::Child) => {
            unistd::alarm::set(PATIENCE);
            if to_resolve(more, u64::MAX).is_ok() {
                work();
            }
            raw::exit(0)
        }
        Ok(ForkResult::Parent { child }) => {
            let _ = waitpid(child, None);
        }
        // What it would have said is not worth a failure.
        Err(_) => {}
    }
}

/// Empties the bounding set, so that no exec brings a capability back.
///
/// # Errors
/// Names the set.
pub fn drop_bounding() -> Result<(), String> {
    caps::clear(None, CapSet::Bounding).map_err(|error| format!("bounding set: {error}"))
}

/// Empties the ambient, inheritable, effective and permitted sets.
///
/// # Errors
/// Names the set.
pub fn drop_held() -> Result<(), String> {
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| format!("{set:?} set: {error}"))?;
    }
    Ok(())
}

fn limit(walls: &Walls<'_>) -> Result<(), String> {
    let highest = walls.keep.iter().copied().max().unwrap_or(2);
    // poll() refuses more descriptors than this limit, so never 0.
    let files = u64::try_from(highest).unwrap_or(0).saturating_add(1);
    let files = files.saturating_add(walls.spare).max(LEAST_FILES);
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, walls.file_size),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_NOFILE, files),
        (Resource::RLIMIT_DATA, walls.memory),
    ];
    for (resource, limit) in limits {
        setrlimit(resource, limit, limit).map_err(|error| format!("{resource:?}: {error}"))?;
    }
    Ok(())
}

/// Denies every file and TCP right that Landlock knows but connecting to the ports, and with `scoped` signals and
/// abstract sockets to others; as much of it as this kernel has.
fn landlock(walls: &Walls<'_>) -> Result<RulesetStatus, String> {
    let mut rules = deny_all()?;
    if walls.scoped {
        rules = rules.scope(Scope::from_all(LANDLOCK)).map_err(unlocked)?;
    }
    let ports = walls
        .ports
        .iter()
        .map(|port| Ok::<_, landlock::RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let status = rules
        .create()
        .and_then(|rules| rules.add_rules(ports))
        .and_then(landlock::RulesetCreated::restrict_self);
    Ok(status.map_err(unlocked)?.ruleset)
}

/// As [`confine`] does with Landlock, but plain files in this directory can be made, written and renamed
/// over each other; as much of it as this kernel has. It may signal others.
///
/// # Errors
/// The kernel has Landlock and refuses.
pub fn replace_files_in(directory: BorrowedFd<'_>) -> Result<RulesetStatus, String> {
    let rights =
        AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let status = deny_all()?
        .create()
        .and_then(|rules| rules.add_rule(PathBeneath::new(directory, rights)))
        .and_then(landlock::RulesetCreated::restrict_self);
    Ok(status.map_err(unlocked)?.ruleset)
}

fn deny_all() -> Result<Ruleset, String> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(LANDLOCK)))
        .map_err(unlocked)
}

fn unlocked(error: landlock::RulesetError) -> String {
    format!("Landlock: {error}")
}

fn verify(walls: &Walls<'_>) -> Result<(), String> {
    let step = |error: nix::Error| format!("reading back: {error}");
    let uids = unistd::getresuid().map_err(step)?;
    let gids = unistd::getresgid().map_err(step)?;
    let users = [uids.real, uids.effective, uids.saved];
    let groups = [gids.real, gids.effective, gids.saved];
    if users != [walls.uid; 3] || walls.uid.is_root() || groups != [walls.gid; 3] {
        return Err("user or group is not what it should be".to_owned());
    }
    // The path was checked before; somebody may have put another directory there since.
    let root = stat("/").map_err(step)?;
    if walls.root.is_some() && (root.st_uid != 0 || root.st_mode & 0o222 != 0) {
        return Err("the root directory is not root's, or can be written to".to_owned());
    }
    let mut groups = unistd::getgroups().map_err(step)?;
    groups.retain(|group| !walls.groups.contains(group));
    if !groups.is_empty() || walls.groups.contains(&Gid::from_raw(0)) {
        return Err("supplementary groups are left".to_owned());
    }
    let sets = [
        CapSet::Ambient,
        CapSet::Bounding,
        CapSet::Effective,
        CapSet::Inheritable,
        CapSet::Permitted,
    ];
    for set in sets {
        let left: CapsHashSet =
            caps::read(None, set).map_err(|error| format!("{set:?}: {error}"))?;
        if !left.is_empty() {
            return Err(format!("capabilities are left in the {set:?} set"));
        }
    }
    if unistd::setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        return Err("root can be had back".to_owned());
    }
    match prctl::get_no_new_privs().map_err(step)? {
        true => Ok(()),
        false => Err("no_new_privs is not set".to_owned()),
    }
}

/// The Landlock ABI of this kernel; `None`: it has none, or it is switched off.
pub fn landlock_abi() -> Option<i32> {
    raw::landlock_abi().ok()
}

/// No process or thread can be made any more by this process.
///
/// # Errors
/// The kernel refuses.
pub fn no_more_processes() -> Result<(), String> {
    setrlimit(Resource::RLIMIT_NPROC, 0, 0).map_err(|error| format!("RLIMIT_NPROC: {error}"))
}
