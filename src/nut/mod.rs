//! Network UPS Tools as a source: its words, its status flags, its ups.conf, and the two clients - of a driver's
//! socket and of upsd. Pure code without I/O and without a clock of its own.
//!
//! Times are a [`core::time::Duration`] on one monotonic clock that the caller reads. After it was made, nothing here
//! allocates but [`ups_conf`], which runs before the jail, and [`tls`], within a bound: whoever is at the other end is hostile, and gets no more
//! than the fixed arrays. What is said of NUT was read from its source (2.8.0 and later) or seen of its programs.

pub mod ask;
pub mod driver;
pub mod flags;
pub mod known;
pub mod secret;
pub mod server;
pub mod tls;
pub mod tokens;
pub mod ups_conf;
pub mod values;
pub mod words;

pub use secret::Secret;
