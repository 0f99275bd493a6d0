//! `upsim`: runs any unmodified program with serial ports that have modem lines, and plays init.
//!
//! A pty answers modem ioctls with an error. So the program runs under a seccomp filter that hands
//! exactly those ioctls to the simulator, which answers them for its ptys and lets the kernel do all
//! others. See the README beside this package for the log, the commands and what cannot be modelled.
//!
//! Pure: [`lines`], [`command`], [`script`], [`request`], [`schedule`], [`filter`], [`options`]. With
//! system calls: [`sys`] (all `unsafe` code), [`port`], [`calls`], [`faults`], [`init`], [`process`], [`sim`], [`log`].

pub mod calls;
pub mod command;
pub mod faults;
pub mod filter;
pub mod init;
pub mod lines;
pub mod log;
pub mod options;
pub mod port;
pub mod process;
pub mod request;
pub mod schedule;
pub mod script;
pub mod sim;
pub mod sys;
