//! The shortest way from a modem line to init, to compare the daemon with: `bareloop TTY FIFO` waits for
//! CTS with TIOCMIWAIT, reads the lines, and writes a power fail (CTS 0) or power ok (CTS 1) request.
//!
//! `bareloop --two TTY FIFO` does the same in two processes, which is the least that a daemon can do whose
//! reader of lines cannot reach init: the first waits, reads and writes a frame to a pipe, the second reads
//! the frame and writes the request.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use upsim::{lines, request, sys};

/// What passes from one process to the other: as long as the daemon's for a UPS called `ups`.
type Frame = [u8; 7];
const FRAME: Frame = *b"\x02?\x03ups\x03";

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--two", tty, fifo] => {
            let mut second = Command::new(std::env::current_exe()?);
            let second = second.args(["--second", fifo]).stdin(Stdio::piped()).spawn()?;
            let mut pipe = second.stdin.ok_or_else(|| io::Error::other("no pipe"))?;
            watch(tty.as_ref(), |on_mains| {
                let mut frame = FRAME;
                let [_, kind, ..] = &mut frame;
                *kind = if on_mains { b'O' } else { b'F' };
                pipe.write_all(&frame)
            })
        }
        ["--second", fifo] => {
            let (mut pipe, mut fifo) = (io::stdin().lock(), fifo_of(fifo.as_ref())?);
            let mut frame: Frame = FRAME;
            loop {
                pipe.read_exact(&mut frame)?;
                fifo.write_all(&message(frame[1] == b'O'))?;
            }
        }
        [tty, fifo] => {
            let mut fifo = fifo_of(fifo.as_ref())?;
            watch(tty.as_ref(), |on_mains| fifo.write_all(&message(on_mains)))
        }
        _ => Err(io::Error::other("usage: bareloop [--two] TTY FIFO")),
    }
}

fn watch(tty: &Path, mut say: impl FnMut(bool) -> io::Result<()>) -> io::Result<()> {
    let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
    let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open(tty)?;
    loop {
        sys::modem_wait(&tty, i32::try_from(lines::CTS).map_err(io::Error::other)?)?;
        let bits = u32::from_ne_bytes(sys::modem_get(&tty)?.to_ne_bytes());
        say(bits & lines::CTS != 0)?;
    }
}

fn fifo_of(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(path)
}

fn message(on_mains: bool) -> [u8; request::SIZE] {
    request::encode(if on_mains { 4 } else { 2 }, 5)
}
