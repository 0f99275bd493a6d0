//! Values as rules see them: texts in fixed room, and the numbers in them.

use core::fmt;

/// Bytes that are kept of a value.
pub const LONGEST: usize = 64;

/// Units that may stand behind a number. They are not converted: they only say what NUT measures in.
pub(super) const UNITS: [&str; 10] = ["%", "A", "Ah", "C", "F", "Hz", "V", "VA", "W", "s"];

/// Millionths in one.
pub(super) const ONE: i64 = 1_000_000;

/// A text of at most [`LONGEST`] bytes, without blanks at its ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Text {
    /// What is longer is cut, at a letter's edge.
    #[must_use]
    pub fn new(text: &str) -> Text {
        let text = text.trim();
        let mut length = text.len().min(LONGEST);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        let mut bytes = [0; LONGEST];
        for (place, byte) in bytes.iter_mut().zip(text.bytes().take(length)) {
            *place = byte;
        }
        Text { bytes, length }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A decimal number in millionths, with or without a unit behind it; `None`: it is none, or too large.
/// What is smaller than a millionth is cut off.
#[must_use]
pub fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let unit = unit.trim_start();
    if !unit.is_empty() && !UNITS.contains(&unit) {
        return None;
    }
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && part.is_empty()) || part.contains('.') {
        return None;
    }
    let mut value: i64 = 0;
    for digit in whole.bytes().chain(part.bytes().chain([b'0'; 6]).take(6)) {
        value = value.checked_mul(10)?.checked_add(i64::from(digit.wrapping_sub(b'0')))?;
    }
    Some(if negative { -value } else { value })
}

/// Whether the word is one of a status, in letters of any size.
pub(super) fn has(status: &str, word: &str) -> bool {
    status.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case(word))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
