//! What single words of a rule may be: names, numbers, times.

use std::time::Duration;

use super::grammar::{Checked, Token};
use super::program::{LONGEST_DELAY, is_delay};
use super::text::{LONGEST, ONE, UNITS, number};

/// Bytes of a name.
const LONGEST_NAME: usize = 63;
/// Bytes of a variable's name.
const LONGEST_VARIABLE: usize = 64;

pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits)
}

pub(super) fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= LONGEST_VARIABLE
        && name.bytes().all(fits)
        && name.contains('.')
        && name.split('.').all(|part| !part.is_empty())
}

/// No more than is kept of a value.
pub(super) fn short(token: &Token<'_>) -> Checked<String> {
    if token.text.len() > LONGEST {
        return Err(
            token.wrong(format!("only {LONGEST} bytes are kept of a value; this is longer"))
        );
    }
    Ok(token.text.to_owned())
}

/// `500ms 20s 5m 1h`, in ms.
fn time(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(ms)
}

pub(super) fn delay(token: &Token<'_>) -> Checked<u64> {
    match time(token.text) {
        Some(ms) if is_delay(ms) => Ok(ms),
        Some(_) => {
            let days = LONGEST_DELAY.as_secs() / Duration::from_secs(24 * 3600).as_secs();
            Err(token.wrong(format!("this time is from 1s to {days} days, not {}", token.text)))
        }
        None => {
            Err(token.wrong(format!("`{}' is not a time; write it like 20s, 5m or 1h", token.text)))
        }
    }
}

/// A number in millionths, and whether it is a time in seconds.
pub(super) fn literal(token: &Token<'_>) -> Checked<(i64, bool)> {
    if let Some(value) = number(token.text) {
        return Ok((value, false));
    }
    let micros = time(token.text).and_then(|ms| ms.checked_mul(ONE.unsigned_abs() / 1000));
    match micros.and_then(|micros| i64::try_from(micros).ok()) {
        Some(value) => Ok((value, true)),
        None if token.text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            Err(token.wrong(format!(
                "`{}' is no number; one may have a unit ({}) or be a time (5m)",
                token.text,
                UNITS.join(" ")
            )))
        }
        None => Err(token.wrong(format!("`{}' is no number; a text stands in quotes", token.text))),
    }
}
