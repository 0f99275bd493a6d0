//! Root does not parse: whatever text the start depends on is read by a child without rights, which hands back the
//! checked result as plain data.

use std::fs::File;
use std::io::ErrorKind::PermissionDenied;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, pipe2};
use serde::{Serialize, de::DeserializeOwned};

use crate::config::drivers;
use crate::config::{self, Config, Purpose};
use crate::notifier::filter;
use crate::sys::confine::{NOBODY, Walls, confine};
use crate::sys::{filter as seccomp, raw};

/// A checked configuration of the largest file is smaller.
const LARGEST: u64 = 16 << 20;
/// Nearly all are; and so much is mapped by itself, and leaves no hole in the heap.
const USUAL: usize = 512 << 10;
/// For the longest file with an error on each line.
const MEMORY: u64 = 512 << 20;
/// The child's exit status when the file has errors, which follow in place of the result.
const FAULTY: i32 = 2;

/// Why there is no result.
#[derive(Debug)]
pub enum Problem {
    /// The file has errors: all of them, ready to be shown.
    Faulty(String),
    /// There is no file, or nothing in it; the same, for a file where something is needed.
    Unconfigured(String),
    /// The child could not be confined, or died.
    Failed(String),
}

/// Reads and checks the configuration, and with it what ups.conf says of the drivers that it watches. As root only
/// opening files is done with root's rights.
///
/// # Errors
/// What is wrong with them.
pub fn load(path: &Path, purpose: Purpose) -> Result<Config, Problem> {
    let faulty = |failure: config::Failure| format!("{failure}\n");
    raw::one_arena();
    let unread = if path.exists() { Problem::Faulty } else { Problem::Unconfigured };
    let (file, mode) = config::open(path).map_err(|error| unread(faulty(error)))?;
    let read = |file| match config::load_open(path, file, mode, purpose) {
        Err(failure) if failure.nothing => Ok(None),
        read => read.map(Some).map_err(faulty),
    };
    let config: Option<Config> = apart(path, file, read)?;
    let nothing = || Problem::Unconfigured(faulty(config::Failure::nothing(path)));
    let mut config = config.ok_or_else(nothing)?;
    if let Some(path) = config.rules_file.clone() {
        let (file, mode) = config::open(&path).map_err(|error| Problem::Faulty(faulty(error)))?;
        (config.rules, config.warnings) = apart(&path, file, |file| config.read_rules(file, mode))?;
    }
    if purpose != Purpose::Test {
        find_drivers(&mut config, purpose)?;
    }
    Ok(config)
}

/// Looks up in ups.conf the drivers that are watched.
fn find_drivers(config: &mut Config, purpose: Purpose) -> Result<(), Problem> {
    let (path, wanted) = (config.ups_conf.as_path(), config.wanted_drivers());
    if wanted.is_empty() {
        return Ok(());
    }
    let found = match config::open_plain(path) {
        Ok((file, mode)) => apart(path, file, |file| {
            drivers::find(path, (&config::text(path, file)?, mode), &config.path, &wanted)
        }),
        // `check` may be run by anybody.
        Err(error) if error.kind() == PermissionDenied && !Uid::effective().is_root() => {
            config.without_drivers(&drivers::unreadable(&config.ups_conf, &error));
            return Ok(());
        }
        Err(error) => Err(Problem::Faulty(drivers::unreadable(path, &error))),
    };
    match found {
        Ok(found) => config.take_drivers(found, &Path::exists),
        // There may be others whose load is to be cut.
        Err(Problem::Faulty(why)) if purpose == Purpose::Kill => config.without_drivers(&why),
        Err(problem) => return Err(problem),
    }
    Ok(())
}

/// Has a child without rights read the open file, where this process has some.
///
/// # Errors
/// What is wrong with the file, or with the child.
pub(super) fn apart<T: Serialize + DeserializeOwned>(
    path: &Path,
    file: File,
    read: impl FnOnce(File) -> Result<T, String>,
) -> Result<T, Problem> {
    if !Uid::effective().is_root() {
        return read(file).map_err(Problem::Faulty);
    }
    let said = |why: &str| Problem::Failed(format!("the reader of {}: {why}", path.display()));
    let failed = |error: nix::Error| said(error.desc());
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let child = match raw::fork().map_err(failed)? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => work(file, read, theirs),
    };
    drop(theirs);
    // In one place, to be wiped: it may hold keys.
    let mut bytes = Vec::with_capacity(USUAL);
    let received = File::from(ours).take(LARGEST).read_to_end(&mut bytes);
    let status = waitpid(child, None).map_err(failed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match (received.is_ok(), status) {
        (true, WaitStatus::Exited(_, 0)) => {
            let result = decode(&bytes);
            bytes.fill(0);
            core::hint::black_box(&bytes);
            result.ok_or_else(|| said("gave no result"))
        }
        (true, WaitStatus::Exited(_, FAULTY)) => Err(Problem::Faulty(text(&bytes))),
        _ => Err(said(&format!("failed ({status:?}): {}", text(&bytes)))),
    }
}

/// A result for [`decode`].
pub fn encode<T: Serialize>(result: &T) -> Option<Vec<u8>> {
    postcard::to_allocvec(result).ok()
}

/// What the child handed back: a result and nothing after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (result, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(result)
}

/// The child: gives up every right, then reads.
fn work<T: Serialize>(
    file: File,
    read: impl FnOnce(File) -> Result<T, String>,
    result: OwnedFd,
) -> ! {
    let keep = [0, 1, 2, file.as_raw_fd(), result.as_raw_fd()];
    let nobody = Walls::new(&keep, Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let walls = Walls { memory: MEMORY, ..nobody };
    let list = filter::reader(file.as_raw_fd(), result.as_raw_fd());
    let confined = confine(&walls).and_then(|_| seccomp::install(&list.compile()?));
    let mut result = File::from(result);
    let (status, bytes) = match confined.map(|()| read(file)) {
        Ok(Ok(value)) => encode(&value).map_or((1, Vec::new()), |bytes| (0, bytes)),
        Ok(Err(wrong)) => (FAULTY, wrong.into_bytes()),
        Err(error) => (1, error.into_bytes()),
    };
    let written = result.write_all(&bytes).is_ok();
    raw::exit(if written { status } else { 1 })
}
