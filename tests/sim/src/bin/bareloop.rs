//! The shortest way from a modem line to init, to compare the daemon with: `bareloop TTY FIFO` waits for
//! CTS with TIOCMIWAIT, reads the lines, and writes a power fail (CTS 0) or power ok (CTS 1) request.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use upsim::{lines, request, sys};

fn main() -> io::Result<()> {
    let mut words = std::env::args_os().skip(1);
    let (Some(tty), Some(fifo)) = (words.next(), words.next()) else {
        return Err(io::Error::other("usage: bareloop TTY FIFO"));
    };
    let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
    let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open(tty)?;
    let mut fifo = OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(fifo)?;
    loop {
        sys::modem_wait(&tty, i32::try_from(lines::CTS).map_err(io::Error::other)?)?;
        let on_mains = u32::from_ne_bytes(sys::modem_get(&tty)?.to_ne_bytes()) & lines::CTS != 0;
        fifo.write_all(&request::encode(if on_mains { 4 } else { 2 }, 5))?;
    }
}
