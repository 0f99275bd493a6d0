//! The client of upsd.
