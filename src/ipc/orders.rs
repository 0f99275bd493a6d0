//! What the parent and the warden say to each other: one byte each way on a socket, two for a death.

/// Parent to warden: start a monitor. Answered by nothing.
pub const GO: u8 = b'G';
/// Parent to warden: start a monitor, and some UPS was last seen on battery.
pub const GO_IN_OUTAGE: u8 = b'B';
/// Parent to warden: kill the monitor. Answered by [`DEAD`].
pub const KILL: u8 = b'K';
/// Warden to parent: confined, waiting.
pub const READY: u8 = b'W';
/// Warden to parent: the monitor is dead; the second byte is how: a signal number, or 0x80 and the low
/// bits of its exit status. Also sent unasked, when it dies by itself.
pub const DEAD: u8 = b'D';
/// Exit status of a monitor that could not be confined.
pub const EXIT_UNCONFINED: u8 = 71;
/// As such a status: the warden cannot fork.
pub const EXIT_UNMADE: u8 = 73;
/// Exit status of a monitor that panicked.
pub const EXIT_PANIC: u8 = 70;
/// Exit status of a monitor all of whose ports have been gone for a minute: only root can open them anew.
pub const EXIT_PORTS_GONE: u8 = 72;
/// Exit status of a monitor that was told to part, and need not stay: every slave that counts said goodbye, and
/// the time is over that it asked for.
pub const EXIT_SERVED: u8 = 74;
/// The same, and `slave-wait` ended before some slave had said goodbye.
pub const EXIT_UNSERVED: u8 = 75;
