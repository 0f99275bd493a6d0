//! The system below: the only `unsafe` code of upsentry ([`raw`]), the serial port's modem lines, the
//! confinement of a process, system call filters, clock and descriptors. Knows nothing of UPSs.

pub mod bind;
pub mod board;
pub mod cage;
pub mod confine;
pub mod datagram;
pub mod filter;
pub mod process;
pub mod raw;
pub mod rest;
pub mod room;
pub mod supervisor;
pub mod text;
pub mod tty;
pub mod udp;

use core::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The monotonic clock: time since boot without suspends, so that a machine that slept has not been
/// "on battery for eight hours" when it wakes. Zero if the kernel refuses, which it never does.
pub fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

/// Wall-clock seconds since 1970, for people to read; 0 if the kernel refuses, which it never does.
pub fn unix_time() -> i64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_sec())
}

/// An error with the step that failed, for the start's messages.
pub fn at(step: &str) -> impl Fn(nix::Error) -> String + '_ {
    move |error| format!("{step}: {error}")
}
