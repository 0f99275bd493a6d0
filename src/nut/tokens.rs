//! The error tokens of upsd.
