//! Hosts' names: root asks, a program without rights looks them up, and root decodes what it found.
//!
//! The C library's resolver reads what the network says, and loads plug-ins. So it runs in an image of its own,
//! in whose memory no key of ours is, and never in a process of ours.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, Uid, alarm, dup2_stdin, dup2_stdout, execve};

use crate::config::places::{ENTRY, Found, decode};
use crate::notifier::resolver::COMMAND;
use crate::sys::text::complain;
use crate::sys::{at, confine, now, process, raw};

/// For all names together.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look-up that runs.
#[derive(Debug)]
pub(super) struct Question {
    names: Vec<String>,
    /// `None`: it is over.
    child: Option<Pid>,
    answer: File,
    until: Duration,
}

/// Asks for all addresses of these names.
///
/// # Errors
/// The kernel refuses.
pub(super) fn ask(names: Vec<String>) -> io::Result<Question> {
    let page = |name| memfd_create(name, MFdFlags::MFD_CLOEXEC).map(File::from);
    let (mut question, answer) = (page(c"names")?, page(c"addresses")?);
    question.write_all(names.join("\n").as_bytes())?;
    match raw::fork()? {
        ForkResult::Parent { child } => Ok(Question {
            names,
            child: Some(child),
            answer,
            until: now().saturating_add(PATIENCE),
        }),
        ForkResult::Child => {
            let Err(error) = resolve(&question, &answer, names.len());
            complain(format_args!("upsentry: looking up names: {error}"));
            raw::exit(1)
        }
    }
}

/// Waits for all addresses of these names.
///
/// # Errors
/// The kernel refuses.
pub(super) fn find(names: Vec<String>) -> io::Result<Found> {
    if names.is_empty() { Ok(Found::new()) } else { ask(names)?.wait() }
}

/// The child: gives up every right, then becomes the program that looks the names up.
fn resolve(mut question: &File, answer: &File, names: usize) -> Result<Infallible, String> {
    question.rewind().map_err(|error| format!("rewind: {error}"))?;
    dup2_stdin(question).and_then(|()| dup2_stdout(answer)).map_err(at("dup2"))?;
    process::unblock_signals().map_err(at("signal mask"))?;
    // Should root be gone by then.
    alarm::set(u32::try_from(PATIENCE.as_secs()).unwrap_or(0).saturating_add(1));
    if Uid::effective().is_root() {
        let room = u64::try_from(names.saturating_mul(ENTRY)).unwrap_or(u64::MAX);
        confine::to_resolve(&[], room)?;
    }
    execve(c"/proc/self/exe", &[c"upsentry", COMMAND], &[c"PATH=/usr/bin"]).map_err(at("exec"))
}

impl Question {
    /// What was found; `None`: it is still being looked up.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn poll(&mut self) -> io::Result<Option<Found>> {
        let Some(child) = self.child else { return Ok(None) };
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive if now() < self.until => return Ok(None),
            WaitStatus::StillAlive => self.end(),
            _ => self.child = None,
        }
        let most = self.names.len().saturating_mul(ENTRY);
        let length = usize::try_from(self.answer.metadata()?.len()).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(most)];
        self.answer.read_exact_at(&mut bytes, 0)?;
        Ok(Some(decode(&bytes, &self.names)))
    }

    /// What was found, once it was or the time for it is over.
    ///
    /// # Errors
    /// The kernel refuses.
    fn wait(mut self) -> io::Result<Found> {
        loop {
            if let Some(found) = self.poll()? {
                return Ok(found);
            }
            process::wait(&mut [], Some(Duration::from_millis(5)))?;
        }
    }

    /// Nobody waits for it any longer.
    fn end(&mut self) {
        if let Some(child) = self.child.take() {
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.end();
    }
}
