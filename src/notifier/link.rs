//! The parent's end of the warden, and what the log pipe may cost.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::unistd::write;

use crate::ipc::frame::{Decoder, LogLines, Malformed};
use crate::ipc::keeper::Said;
use crate::ipc::orders::{DEAD, READY};
use crate::notifier::logging::{WARNING, quote, say};
use crate::sys::process;

/// The socket to the warden.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) fd: OwnedFd,
}

impl Link {
    /// To a warden that was just forked.
    /// Reads one message; `None`: none is there.
    pub(super) fn read(&self) -> Option<Said> {
        let mut bytes = [0; 2];
        let said = match process::read_some(self.fd.as_fd(), &mut bytes) {
            Ok(None) => return None,
            Ok(Some(length)) => match (length, bytes) {
                (1, [READY, _]) => Said::Ready,
                (2, [DEAD, how]) => Said::Dead(how),
                _ => Said::Gone,
            },
            Err(_) => Said::Gone,
        };
        Some(said)
    }

    /// Orders something; false: it could not be written.
    pub(super) fn order(&self, byte: u8) -> bool {
        // If it is the warden's death, the next read reports it.
        write(&self.fd, &[byte]).is_ok()
    }
}

/// Lines of the log pipe that are passed on in a second; more are dropped and counted.
const LINES: u32 = 20;
/// Bytes that are even read in a second; then the pipe is left alone until the next.
const BYTES: usize = 64 << 10;
const SECOND: Duration = Duration::from_secs(1);

/// The log pipe, read within bounds.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) fd: OwnedFd,
    decoder: Decoder<LogLines>,
    second: Duration,
    lines: u32,
    bytes: usize,
    /// Lines that were lost, and when to say so.
    pub(super) dropped: u64,
    pub(super) dropped_at: Option<Duration>,
}

impl Gate {
    pub(super) fn new(fd: OwnedFd) -> Gate {
        let decoder = Decoder::default();
        Gate {
            fd,
            decoder,
            second: Duration::ZERO,
            lines: 0,
            bytes: 0,
            dropped: 0,
            dropped_at: None,
        }
    }

    /// Whether to read it now.
    pub(super) fn open(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.second) >= SECOND {
            (self.second, self.lines, self.bytes) = (now, 0, 0);
        }
        self.bytes < BYTES
    }

    /// When it opens again, if it is closed.
    pub(super) fn next(&self) -> Option<Duration> {
        (self.bytes >= BYTES).then(|| self.second.saturating_add(SECOND))
    }

    /// Passes on what is there, within the bounds; `heard` gets every line, also one that is dropped.
    ///
    /// # Errors
    /// Not a log line.
    pub(super) fn pass(
        &mut self,
        now: Duration,
        heard: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Malformed> {
        let mut buffer = [0; 1024];
        while self.open(now) {
            let length = match process::read_some(self.fd.as_fd(), &mut buffer) {
                Ok(Some(length @ 1..)) => length,
                Ok(_) => break,
                Err(error) => {
                    say(WARNING, format_args!("log pipe: {error}"));
                    // It stays readable: closed until the next second.
                    self.bytes = BYTES;
                    break;
                }
            };
            self.bytes = self.bytes.saturating_add(length);
            for byte in buffer.iter().take(length) {
                let Some((severity, line)) = self.decoder.push(*byte)? else {
                    continue;
                };
                heard(line);
                if self.lines < LINES {
                    self.lines = self.lines.saturating_add(1);
                    quote(severity, line);
                } else {
                    self.dropped = self.dropped.saturating_add(1);
                }
            }
        }
        Ok(())
    }

    /// The generation ended: what is left of it is thrown away.
    pub(super) fn discard(&mut self) {
        self.decoder = Decoder::default();
        discard(self.fd.as_fd());
    }
}

/// Empties a pipe whose writer is dead.
pub(super) fn discard(pipe: BorrowedFd<'_>) {
    let mut buffer = [0; 4096];
    while let Ok(Some(1..)) = process::read_some(pipe, &mut buffer) {}
}
