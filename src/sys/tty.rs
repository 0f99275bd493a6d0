//! The modem lines of a serial port.

use std::os::fd::BorrowedFd;

use nix::libc::{TIOCM_CAR, TIOCM_CTS, TIOCM_DSR, TIOCM_DTR, TIOCM_RNG, TIOCM_RTS, c_int};

use crate::sys::raw;

/// All four input lines, for TIOCMIWAIT.
pub const INPUTS: c_int = TIOCM_CTS | TIOCM_DSR | TIOCM_CAR | TIOCM_RNG;

/// The lines at one moment; true = raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines(c_int);

impl Lines {
    /// Reads all lines in one call, so they belong together.
    ///
    /// # Errors
    /// ENOTTY: no modem lines; EIO, ENXIO, ENODEV: the device is gone.
    pub fn read(tty: BorrowedFd<'_>) -> nix::Result<Lines> {
        raw::modem_get(tty).map(Lines)
    }

    /// Lines from TIOCM bits.
    pub fn from_bits(bits: c_int) -> Lines {
        Lines(bits)
    }

    /// Clear to send.
    pub fn cts(self) -> bool {
        self.has(TIOCM_CTS)
    }

    /// Data set ready.
    pub fn dsr(self) -> bool {
        self.has(TIOCM_DSR)
    }

    /// Data carrier detect.
    pub fn dcd(self) -> bool {
        self.has(TIOCM_CAR)
    }

    /// Ring indicator.
    pub fn rng(self) -> bool {
        self.has(TIOCM_RNG)
    }

    /// Data terminal ready, as we drive it.
    pub fn dtr(self) -> bool {
        self.has(TIOCM_DTR)
    }

    /// Request to send, as we drive it.
    pub fn rts(self) -> bool {
        self.has(TIOCM_RTS)
    }

    /// The four input lines, as TIOCM bits.
    pub fn inputs(self) -> c_int {
        self.0 & INPUTS
    }

    fn has(self, bit: c_int) -> bool {
        self.0 & bit != 0
    }
}

/// Drives the outputs that are given and leaves the others; both in one call.
///
/// # Errors
/// As [`Lines::read`].
pub fn drive(tty: BorrowedFd<'_>, dtr: Option<bool>, rts: Option<bool>) -> nix::Result<()> {
    let mut bits = raw::modem_get(tty)?;
    for (bit, level) in [(TIOCM_DTR, dtr), (TIOCM_RTS, rts)] {
        match level {
            Some(true) => bits |= bit,
            Some(false) => bits &= !bit,
            None => {}
        }
    }
    raw::modem_set(tty, bits & (TIOCM_DTR | TIOCM_RTS))
}
