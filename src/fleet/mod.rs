//! What a master and its slaves say to each other: keys, datagrams, and both sides of the protocol as state
//! machines. Pure: datagrams, clock and random bytes go in, datagrams and states come out; nothing allocates
//! after it was made. docs/protocol.md says it for an independent implementer.

pub mod cookie;
pub mod keys;
pub mod master;
pub mod peers;
pub mod refused;
mod roll;
pub mod seal;
pub mod slave;
pub mod wire;
