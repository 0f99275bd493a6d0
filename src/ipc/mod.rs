//! What passes between the jail and the parent, and what the parent concludes from it: pure code
//! without I/O, without a clock of its own, and without allocation after it was made.
//!
//! Times are a [`std::time::Duration`] on one monotonic clock that the caller reads.

pub mod cause;
pub mod fold;
pub mod frame;
pub mod guard;
pub mod heartbeat;
pub mod judge;
pub mod keeper;
pub mod last_act;
pub mod legal;
pub mod orders;
pub mod page;
pub mod parting;
pub mod record;
pub mod respawn;
pub mod told;
