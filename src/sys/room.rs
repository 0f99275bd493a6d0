//! A root directory of one's own that shows a single directory of the machine's: a private mount namespace. What is
//! made anew in that directory is seen; all else is not there.

use std::fs::{self, DirBuilder};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, chdir, chroot, pivot_root};

use crate::sys::at;

/// The directory's name in the room.
pub const NAME: &str = "nut";

const NONE: Option<&Path> = None;

/// The groups that reach what is shown: of the directory, and of those sockets in it that are there. Never root's, and
/// not that of any other file, or of a link: whoever may write the directory could choose it.
///
/// # Errors
/// The directory is not there, or is not one.
pub fn groups(shown: &Path, sockets: impl Iterator<Item = String>) -> Result<Vec<Gid>, String> {
    let failed = |error| format!("{}: {error}", shown.display());
    let directory = fs::metadata(shown).map_err(|error| failed(error.to_string()))?;
    if !directory.is_dir() {
        return Err(failed("is no directory".to_owned()));
    }
    let sockets = sockets.filter_map(|name| fs::symlink_metadata(shown.join(name)).ok());
    let sockets = sockets.filter(|meta| meta.file_type().is_socket());
    let mut groups: Vec<u32> = sockets.map(|meta| meta.gid()).chain([directory.gid()]).collect();
    groups.retain(|group| *group != 0);
    groups.sort_unstable();
    groups.dedup();
    Ok(groups.into_iter().map(Gid::from_raw).collect())
}

/// Moves this process into a room at `place`, an empty directory, with `shown` in it as [`NAME`]. Nothing can be
/// written or run there, but sockets can be reached. Needs root, and a single thread.
///
/// # Errors
/// The step that failed; the process must end.
pub fn enter(place: &Path, shown: &Path) -> Result<(), String> {
    let bare = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let closed = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | bare;
    unshare(CloneFlags::CLONE_NEWNS).map_err(at("mount namespace"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(at("private mounts"))?;
    let room = Some("mode=0555,size=4k,nr_inodes=2");
    mount(Some("upsentry"), place, Some("tmpfs"), bare, room).map_err(at("tmpfs"))?;
    let inside = place.join(NAME);
    let made = DirBuilder::new().mode(0o555).create(&inside);
    made.map_err(|error| format!("{}: {error}", inside.display()))?;
    mount(Some(shown), &inside, NONE, MsFlags::MS_BIND, NONE).map_err(at("bind mount"))?;
    mount(NONE, &inside, NONE, closed, NONE).map_err(at("read-only bind mount"))?;
    mount(NONE, place, NONE, closed, NONE).map_err(at("read-only tmpfs"))?;
    chdir(place).map_err(at("chdir"))?;
    match pivot_root(".", ".") {
        // The old root lies on top of the new one.
        Ok(()) => umount2(".", MntFlags::MNT_DETACH).map_err(at("the old root"))?,
        // The first file system of a boot cannot be taken away, only covered.
        Err(Errno::EINVAL) => {
            mount(Some("."), "/", NONE, MsFlags::MS_MOVE, NONE).map_err(at("moving the root"))?;
            chroot(".").map_err(at("chroot"))?;
        }
        Err(error) => return Err(at("pivot_root")(error)),
    }
    chdir("/").map_err(at("chdir /"))
}

/// The directory that the room shows, only to ask whether it still has a name ([`crate::sys::raw::links`]).
///
/// # Errors
/// It cannot be opened.
pub fn shown() -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(Path::new("/").join(NAME).as_path(), flags, Mode::empty())
}
