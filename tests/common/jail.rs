//! The jail from outside: what the kernel says of a process; a second reading of compiled system call lists;
//! processes that make one call under them; a daemon whose processes are looked at, or made to do something else.
#![allow(
    unsafe_code,
    clippy::indexing_slicing,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "numbers of calls and words of registers change their signs at this border"
)]
#![allow(unused_imports, reason = "each test program uses a part")]

mod daemon;
mod list;
mod made;
mod proc;
mod traced;

pub use daemon::*;
pub use list::*;
pub use made::*;
pub use proc::*;
pub use traced::*;
