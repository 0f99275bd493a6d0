//! Root does not parse: the configuration is read by a child without rights, which hands back the
//! checked result as plain data.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, pipe2};

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

/// Why there is no configuration.
#[derive(Debug)]
pub enum Problem {
    /// It has errors: all of them, ready to be shown.
    Faulty(String),
    /// The child could not be confined, or died.
    Failed(String),
}

/// Reads and checks the file. As root only opening it is done with root's rights.
///
/// # Errors
/// What is wrong with it.
pub fn load(path: &Path, purpose: Purpose) -> Result<Config, Problem> {
    let faulty = |failure: config::Failure| Problem::Faulty(format!("{failure}\n"));
    let (file, mode) = config::open(path).map_err(faulty)?;
    if !Uid::effective().is_root() {
        return config::load_open(path, file, mode, purpose).map_err(faulty);
    }
    let failed = |error: nix::Error| Problem::Failed(format!("reading the configuration: {error}"));
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let child = match raw::fork().map_err(failed)? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => read(path, file, mode, purpose, theirs),
    };
    drop(theirs);
    // In one place, to be wiped: it may hold keys.
    let mut bytes = Vec::with_capacity(USUAL);
    let received = File::from(ours).take(LARGEST).read_to_end(&mut bytes);
    received.map_err(|error| Problem::Failed(error.to_string()))?;
    match waitpid(child, None).map_err(failed)? {
        WaitStatus::Exited(_, 0) => {
            let config = decode(&bytes);
            bytes.fill(0);
            core::hint::black_box(&bytes);
            config.ok_or_else(|| {
                Problem::Failed("the reader of the configuration gave no configuration".to_owned())
            })
        }
        WaitStatus::Exited(_, FAULTY) => {
            Err(Problem::Faulty(String::from_utf8_lossy(&bytes).into_owned()))
        }
        status => Err(Problem::Failed(format!(
            "the reader of the configuration failed ({status:?}): {}",
            String::from_utf8_lossy(&bytes)
        ))),
    }
}

/// A configuration for [`decode`].
pub fn encode(config: &Config) -> Option<Vec<u8>> {
    postcard::to_allocvec(config).ok()
}

/// What the child handed back: a configuration and nothing after it.
pub fn decode(bytes: &[u8]) -> Option<Config> {
    postcard::take_from_bytes(bytes)
        .ok()
        .and_then(|(config, rest)| rest.is_empty().then_some(config))
}

/// The child: gives up every right, then parses.
fn read(path: &Path, file: File, mode: u32, purpose: Purpose, result: OwnedFd) -> ! {
    let keep = [0, 1, 2, file.as_raw_fd(), result.as_raw_fd()];
    let nobody = Walls::new(&keep, Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let walls = Walls { memory: MEMORY, ..nobody };
    let list = filter::reader(file.as_raw_fd(), result.as_raw_fd());
    let confined = confine(&walls).and_then(|_| seccomp::install(&list.compile()?));
    let mut result = File::from(result);
    let (status, bytes) = match confined.map(|()| config::load_open(path, file, mode, purpose)) {
        Ok(Ok(config)) => encode(&config).map_or((1, Vec::new()), |bytes| (0, bytes)),
        Ok(Err(failure)) => (FAULTY, format!("{failure}\n").into_bytes()),
        Err(error) => (1, error.into_bytes()),
    };
    let written = result.write_all(&bytes).is_ok();
    raw::exit(if written { status } else { 1 })
}
