//! A clock that runs faster for all processes of this program: what the daemon does after a minute, or
//! in 100,000 events at their legal rate, can be waited for.
//!
//! The daemon asks the C library's `clock_gettime` and sleeps in its `ppoll`; these here stand before those.
#![allow(unsafe_code, reason = "functions of the C library are replaced, for this program only")]

use std::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicI64, Ordering};

use nix::libc::{
    CLOCK_MONOTONIC, SYS_clock_gettime, SYS_ppoll, clockid_t, nfds_t, pollfd, syscall, timespec,
};

const SECOND: i64 = 1_000_000_000;
static SPEED: AtomicI64 = AtomicI64::new(1);
static BEGAN: AtomicI64 = AtomicI64::new(0);

/// From now on, also in every process forked later.
pub(crate) fn start(speed: u32) {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { clock_gettime(CLOCK_MONOTONIC, &raw mut time) };
    BEGAN.store(nanos(time), Ordering::Relaxed);
    SPEED.store(speed.max(1).into(), Ordering::Relaxed);
}

fn nanos(time: timespec) -> i64 {
    time.tv_sec * SECOND + time.tv_nsec
}

fn timespec(nanos: i64) -> timespec {
    timespec { tv_sec: nanos / SECOND, tv_nsec: nanos % SECOND }
}

/// clock_gettime(2), the monotonic clock sped up.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the caller's timespec, as the call wants it.
    unsafe {
        let result = syscall(SYS_clock_gettime, c_long::from(clock), time);
        if result == 0 && clock == CLOCK_MONOTONIC {
            let began = BEGAN.load(Ordering::Relaxed);
            let passed = nanos(*time) - began;
            *time = timespec(began + passed * SPEED.load(Ordering::Relaxed));
        }
        if result == 0 { 0 } else { -1 }
    }
}

/// ppoll(2) without a signal mask, which nobody here uses, by the faster clock.
#[unsafe(no_mangle)]
unsafe extern "C" fn ppoll(
    fds: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    _: *const c_void,
) -> c_int {
    // SAFETY: the caller's descriptors, as the call wants them; the timeout is null or one timespec.
    unsafe {
        // Up, so that a deadline has passed when this returns.
        let real = |wait: timespec| timespec(nanos(wait) / SPEED.load(Ordering::Relaxed) + 1);
        // The kernel writes back what is left of it.
        let mut wait = timeout.as_ref().copied().map(real);
        let wait = wait.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
        let none = std::ptr::null::<c_void>();
        c_int::try_from(syscall(SYS_ppoll, fds, count, wait, none, 8_usize)).unwrap_or(-1)
    }
}
