//! The hand: the one process that stays uid 0, and only with `via signal` or a halt command. It reads
//! one byte of four, does that one thing, answers one byte.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, fstatat};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execve, setsid, write};

use crate::ipc::told::Word;
use crate::sys::{now, process, raw};

/// Init reads the file within a millisecond; a stopped init may take for ever.
const CONSUMED_WITHIN: Duration = Duration::from_secs(10);

/// Answer: done.
pub(super) const DONE: u8 = 0;
/// Answer: init did not read the powerstatus file in time.
pub(super) const UNREAD: u8 = 0xfe;
/// Answer: the system call failed.
pub(super) const FAILED: u8 = 0xff;

/// What the hand can do.
#[derive(Debug)]
pub(super) struct Hand {
    /// Its end of the socket to the parent.
    pub(super) link: OwnedFd,
    /// Directory and name of the powerstatus file.
    pub(super) powerstatus: Option<(File, CString)>,
    /// The halt command: path and arguments.
    pub(super) halt: Option<Vec<CString>>,
}

impl Hand {
    /// Serves the parent until it is gone. Comes confined by `start`.
    pub(super) fn serve(&self) -> ! {
        let mut byte = [0];
        // Ready.
        let mut answer = DONE;
        let mut unread = false;
        while process::again(|| write(&self.link, &[answer])).is_ok()
            && process::again(|| nix::unistd::read(&self.link, &mut byte)) == Ok(1)
        {
            let [byte] = byte;
            answer = match (Word::from_byte(byte), &self.powerstatus, &self.halt) {
                (Some(Word::Shutdown), _, Some(halt)) => run(halt),
                (Some(word @ (Word::Ok | Word::Fail | Word::Low)), Some((directory, name)), _) => {
                    signal(directory, name, word, unread).unwrap_or(FAILED)
                }
                _ => FAILED,
            };
            unread = answer == UNREAD;
        }
        raw::exit(0)
    }

    /// What `start` keeps open for it, beside 0 to 2.
    pub(super) fn keep(&self) -> impl Iterator<Item = RawFd> {
        let directory = self.powerstatus.as_ref().map(|(directory, _)| directory.as_raw_fd());
        [self.link.as_raw_fd()].into_iter().chain(directory)
    }
}

/// Writes the word beside the powerstatus file and renames it over, so that init never reads half of
/// it; signals; waits until init has taken it. The last word still `unread` means that its signal is on
/// its way: a second one would find no file, which init reads as FAIL. For a file that was left by
/// anybody else no signal is, and without one init would never look.
fn signal(directory: &File, name: &CString, word: Word, unread: bool) -> nix::Result<u8> {
    let mut new = name.clone().into_bytes();
    new.extend(b".new");
    let new = CString::new(new).map_err(|_| Errno::EINVAL)?;
    let meta = || fstatat(directory, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
    let exists = || meta() != Err(Errno::ENOENT);
    let waiting = unread && exists();
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(directory, new.as_c_str(), flags, Mode::from_bits_truncate(0o644))?;
    write(&file, word.text().as_bytes())?;
    drop(file);
    renameat(directory, new.as_c_str(), directory, name.as_c_str())?;
    if !waiting {
        kill(Pid::from_raw(1), Signal::SIGPWR)?;
    }
    let deadline = now().saturating_add(CONSUMED_WITHIN);
    let mut pause = Duration::from_millis(1);
    while exists() {
        if now() >= deadline {
            return Ok(UNREAD);
        }
        if process::wait(&mut [], Some(pause)).is_err() {
            // The signal is on its way, and not to be sent again.
            return Ok(UNREAD);
        }
        pause = pause.saturating_mul(2).min(Duration::from_millis(100));
    }
    Ok(DONE)
}

/// Runs the halt command with root's rights, which come back at exec, and answers its exit status.
fn run(argv: &[CString]) -> u8 {
    match raw::fork() {
        Ok(ForkResult::Parent { child }) => match process::again(|| waitpid(child, None)) {
            Ok(WaitStatus::Exited(_, status)) => u8::try_from(status).unwrap_or(FAILED),
            _ => FAILED,
        },
        Ok(ForkResult::Child) => exec(argv),
        Err(_) => FAILED,
    }
}

/// Becomes a command, with a clean environment and nothing that was open but 0 to 2.
pub(super) fn exec(argv: &[CString]) -> ! {
    let environment = [c"PATH=/sbin:/usr/sbin:/bin:/usr/bin", c"HOME=/", c"LANG=C"];
    let _ = setsid();
    let _ = process::unblock_signals();
    let _ = raw::default_signal(Signal::SIGPIPE);
    let _ = raw::close_on_exec_above_2();
    let _ = argv.first().map(|path| execve(path, argv, &environment));
    raw::exit(127)
}
