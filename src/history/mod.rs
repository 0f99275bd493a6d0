//! The history file: what was told when and why, one line each, in a ring of lines of one length. Pure:
//! who reads and writes the file is elsewhere.

pub mod record;
pub mod view;
