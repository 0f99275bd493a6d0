//! What upsd is asked, one request at a time, and how its answers read.

use core::fmt::{self, Write};

use crate::nut::words::{Lines, quote};

/// Bytes of a request, with its LF: upsd and NUT's clients take no more.
pub const LONGEST: usize = 511;
/// Bytes of all words of an answer that are kept.
pub const ROOM: usize = 2048;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// `STARTTLS`
    StartTls,
    /// `USERNAME`
    User,
    /// `PASSWORD`
    Password,
    /// `LOGIN`: upsd then counts this machine.
    Login,
    /// `PRIMARY`: leave to set FSD.
    Primary,
    /// `MASTER`: the same, before 2.8.0.
    Master,
    /// `FSD`: sets it.
    Fsd,
    /// `GET NUMLOGINS`
    Logins,
    /// `GET VAR`, of the name of this number in [`crate::nut::values::Values::names`]; 0: `ups.status`.
    Variable(usize),
    /// `LOGOUT`
    Logout,
}

impl Ask {
    /// Its keyword.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ask::StartTls => "STARTTLS",
            Ask::User => "USERNAME",
            Ask::Password => "PASSWORD",
            Ask::Login => "LOGIN",
            Ask::Primary => "PRIMARY",
            Ask::Master => "MASTER",
            Ask::Fsd => "FSD",
            Ask::Logins => "GET NUMLOGINS",
            Ask::Variable(_) => "GET VAR",
            Ask::Logout => "LOGOUT",
        }
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// It is done.
    Ok,
    /// A variable's value.
    Value(&'a str),
    /// A number.
    Count(u32),
    /// `ERR`, and its token.
    Error(&'a str),
    /// Not an answer to this request.
    Garbled,
}

/// Reads an answer to `ask`, which names the UPS `ups` and perhaps the variable `name`. Names come back as they were
/// sent, but a server may write them its own way.
pub(crate) fn read<'a>(ask: Ask, ups: &str, name: &str, line: &'a Lines<ROOM>) -> Reply<'a> {
    if line.is(0, "ERR") {
        return line.word(1).map_or(Reply::Garbled, Reply::Error);
    }
    match ask {
        Ask::StartTls if line.is(0, "OK") && line.is(1, "STARTTLS") && line.count() == 2 => {
            Reply::Ok
        }
        Ask::StartTls => Reply::Garbled,
        Ask::Logins if line.is(0, "NUMLOGINS") && line.is(1, ups) => {
            let count = line.word(2).and_then(|count| count.parse().ok());
            count.map_or(Reply::Garbled, Reply::Count)
        }
        Ask::Variable(_) if line.is(0, "VAR") && line.is(1, ups) && line.is(2, name) => {
            line.word(3).map_or(Reply::Garbled, Reply::Value)
        }
        Ask::Logins | Ask::Variable(_) => Reply::Garbled,
        // Old servers say goodbye without an OK.
        Ask::Logout => Reply::Ok,
        _ if line.is(0, "OK") => Reply::Ok,
        _ => Reply::Garbled,
    }
}

/// A request as bytes, until they are sent. It holds a password for that long, so it is not shown and it is wiped.
#[derive(Clone)]
pub(crate) struct Request {
    bytes: [u8; LONGEST],
    used: usize,
    sent: usize,
}

impl Request {
    pub(crate) const EMPTY: Request = Request { bytes: [0; LONGEST], used: 0, sent: 0 };

    /// Takes a keyword and its words; what does not fit is refused.
    pub(crate) fn put(&mut self, keyword: &str, words: &[&str]) -> fmt::Result {
        self.wipe();
        let written = self.all(keyword, words);
        if written.is_err() {
            self.wipe();
        }
        written
    }

    /// What is still to be sent.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..self.used).unwrap_or_default()
    }

    /// So many bytes of it were sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes);
        if self.sent >= self.used {
            self.wipe();
        }
    }

    pub(crate) fn wipe(&mut self) {
        self.bytes.fill(0);
        core::hint::black_box(&self.bytes);
        (self.used, self.sent) = (0, 0);
    }

    fn all(&mut self, keyword: &str, words: &[&str]) -> fmt::Result {
        self.write_str(keyword)?;
        for word in words {
            self.write_char(' ')?;
            // A server that is not upsd may know no quotes.
            let plain = |letter: char| letter.is_ascii_graphic() && !"\"#\\=".contains(letter);
            if !word.is_empty() && word.chars().all(plain) {
                self.write_str(word)?;
            } else {
                quote(self, word)?;
            }
        }
        self.write_char('\n')
    }
}

impl Write for Request {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used + text.len();
        let place = self.bytes.get_mut(self.used..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Request")
    }
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
