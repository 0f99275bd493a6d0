//! NUT's drivers and servers as sources: what they say and what is said to them. Pure: no I/O, no clock of its own.

pub mod tls;
