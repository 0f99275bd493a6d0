//! Rules: what the administrator wants done when values say so, `rule NAME: if COND then ACTION`.
//!
//! The text is parsed before the fork (`parse`, [`Compiler`]) into a [`Program`]: flat arrays without a pointer,
//! checked again wherever they come from other bytes. The jail gives an [`Engine`] the values of the UPSs and the
//! time, and hears what is to be done. Nothing here reads a clock or a file. What rules mean is written down in
//! `docs/rules.md`.

mod compile;
mod engine;
mod grammar;
mod index;
mod keep;
mod literals;
mod names;
pub(crate) mod near;
mod program;
pub mod replay;
mod show;
mod text;

pub use compile::{Compiler, Problem};
pub use engine::{Effect, Engine, Truth, Why};
pub use program::{
    Action, Compare, LONGEST_DELAY, LONGEST_LINE, MOST_RULES, MOST_TIMERS, MOST_VARIABLES, Op,
    Program, Rule, SHORTEST_DELAY, Timer, Variable, When,
};
pub use text::{LONGEST, Text, number};
