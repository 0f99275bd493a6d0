//! The configuration: what upsentry.conf says, checked, as plain data.
//!
//! Everything here runs before the fork, as root or as whoever calls `upsentry check`. It reads one
//! file, opens nothing else and asks the system nothing: users, devices and init are looked at by
//! the modules that use them.
//!
//! The grammar is one directive a line. Words are parted by blanks and tabs; a `#` at the start of a
//! word begins a comment; a word that begins with `"` runs to the next `"` and may hold blanks and
//! `#` (there are no escapes, and a `"` inside a word is an ordinary character). The work is done in
//! two steps: `parse` looks at each line by itself, `check` at what the lines say together.

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub mod accounts;
pub mod cables;
mod check;
mod diagnostic;
mod directives;
pub mod drivers;
mod file;
mod fits;
mod hazards;
mod hosts;
mod links;
mod network;
mod notify;
mod nut;
mod nut_screen;
mod parse;
pub mod places;
pub mod route;
mod rules;
mod screen;
mod servers;
mod source;
#[cfg(test)]
mod tests;
mod types;
mod ups;
mod values;
pub mod wiring;
mod words;

use crate::fleet::keys::Key;

pub use diagnostic::{Diagnostic, Failure, Severity};
pub use file::{find, open, open_plain};
pub use hazards::{Pulled, hazards, pulled};
pub use links::describe_links;
pub use notify::{Notify, Occasion};
pub use nut::*;
pub use rules::check_rules;
pub use screen::describe;
pub use types::*;

/// A configuration is a page of text; more than this is something else.
const LARGEST: u64 = 1 << 20;

/// Opens and checks the file.
///
/// # Errors
/// Everything that is wrong with it, ready to be shown; the exit code is 2.
pub fn load(path: &Path, purpose: Purpose) -> Result<Config, Failure> {
    let (file, mode) = open(path)?;
    load_open(path, file, mode, purpose)
}

/// Reads and checks the open file; needs no right and no path any more.
///
/// # Errors
/// As [`load`].
pub fn load_open(path: &Path, file: File, mode: u32, purpose: Purpose) -> Result<Config, Failure> {
    let text = read(file, LARGEST).map_err(|reason| Failure::unreadable(path, &reason))?;
    let blank = |line: &str| line.trim_start().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(blank) {
        return Err(Failure::nothing(path));
    }
    read_with(path, &text, purpose, mode, Some(Key::from_password))
        .map_err(|all| Failure::faulty(path, &text, &all))
}

/// Checks the file's text, as if only its owner could read and write it. No key is made of a password: that
/// takes long.
///
/// # Errors
/// All errors, and the warnings among them, in file order.
pub fn parse(path: &Path, text: &str, purpose: Purpose) -> Result<Config, Vec<Diagnostic>> {
    parse_with(path, text, purpose, None)
}

/// As [`parse()`]; `derive` makes the key of a password (its `None`: there was no memory for that).
///
/// # Errors
/// As [`parse()`].
pub fn parse_with(
    path: &Path,
    text: &str,
    purpose: Purpose,
    derive: Option<fn(&str) -> Option<Key>>,
) -> Result<Config, Vec<Diagnostic>> {
    read_with(path, text, purpose, 0o600, derive)
}

fn read_with(
    path: &Path,
    text: &str,
    purpose: Purpose,
    mode: u32,
    derive: check::Derive,
) -> Result<Config, Vec<Diagnostic>> {
    check::assemble(path, parse::read(text, mode), purpose, derive)
}

/// All of ups.conf, passwd or group; they are not large.
///
/// # Errors
/// It cannot be read, or is over 1 MiB.
pub fn text(path: &Path, file: File) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match file.take(LARGEST + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 <= LARGEST => Ok(bytes),
        Ok(_) => Err(format!("{}: over 1 MiB", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn read(file: File, largest: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.take(largest + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!(" cannot be read: {error}"))?;
    if bytes.len() as u64 > largest {
        return Err(format!(" over {} MiB; a configuration is shorter", largest >> 20));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default())
                .into_owned();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
            Err(format!("{line}:{column}: not UTF-8; save the file as UTF-8 or plain ASCII"))
        }
    }
}
