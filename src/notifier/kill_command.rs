//! `kill-command`: the program that has the load of a UPS cut whose lines are not ours to drive.

use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::ForkResult;

use crate::notifier::{hand, open};
use crate::sys::{at, now, process, raw};

/// A halt must not hang on it.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs it as root and waits for its end.
///
/// # Errors
/// It is not root's alone, failed, or was killed after [`LIMIT`].
pub(super) fn run(words: &[String]) -> Result<(), String> {
    let argv = open::command("kill-command", words)?;
    let child = match raw::fork().map_err(at("fork"))? {
        ForkResult::Child => hand::exec(&argv),
        ForkResult::Parent { child } => child,
    };
    let until = now().saturating_add(LIMIT);
    loop {
        let waited = process::again(|| waitpid(child, Some(WaitPidFlag::WNOHANG)));
        match waited.map_err(at("waitpid"))? {
            WaitStatus::StillAlive if now() < until => {
                process::wait(&mut [], Some(Duration::from_millis(20))).map_err(at("wait"))?;
            }
            WaitStatus::StillAlive => {
                // With all that it started; it leads a group of its own.
                let _ = killpg(child, Signal::SIGKILL);
                let _ = process::again(|| waitpid(child, None));
                return Err(format!("kill-command: killed after {} seconds", LIMIT.as_secs()));
            }
            WaitStatus::Exited(_, 0) => return Ok(()),
            WaitStatus::Exited(_, status) => return Err(format!("kill-command: status {status}")),
            other => return Err(format!("kill-command: {other:?}")),
        }
    }
}
