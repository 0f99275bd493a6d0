//! What sysvinit understands: requests on its FIFO, words in the powerstatus file, and what a long-held
//! descriptor of that FIFO goes through. Pure: the caller does the I/O.

pub mod inittab;
pub mod lifeline;
pub mod request;
pub mod runlevel;
