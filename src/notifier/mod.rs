//! Telling init: opening everything as root, forking the others, giving up every right, then listening
//! to the pipe. Nothing here parses what a line or a socket said.

mod absent;
pub mod before;
mod begin;
pub mod check;
mod check_nut;
mod chronicle;
mod doubts;
mod entry;
mod farewell;
pub mod filter;
mod hand;
mod hook;
pub mod import;
mod installed;
pub mod keygen;
pub mod kill;
mod kill_command;
pub mod kill_wait;
mod link;
pub mod logging;
mod names;
mod net;
mod notice;
mod notify;
mod open;
mod parent;
pub mod past;
pub mod port;
mod queue;
pub mod reader;
pub mod resolver;
mod rivals;
pub mod rules;
mod run;
pub mod scripts;
mod start;
pub mod state;
mod supervisor;
mod teller;
mod trouble;
pub mod users;
pub mod via;

pub use begin::judge;
pub use net::Net;
pub use start::{Enter, Jail, Mode, run};
