//! The error tokens of upsd, and what each leads to. docs/nut.md has the table from here.

/// What an error leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// The status is not fresh; asked again at the next poll.
    Wait,
    /// The UPS does not have the variable.
    Absent,
    /// What was asked for is so already.
    Holds,
    /// Goes on without; where it concerns the log-in, another connection tries it after a minute.
    Refused,
    /// The connection is given up, and another is tried later.
    HangUp,
    /// Answers nothing that we ask.
    Never,
}

impl Does {
    /// In words, for docs/nut.md.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Does::Wait => {
                "the status is not fresh, so silence begins; asked again at the next poll"
            }
            Does::Absent => {
                "the UPS does not have it: nothing is shown; for `ups.status` as if not fresh"
            }
            Does::Holds => "taken as `OK`",
            Does::Refused => {
                "goes on reading without a log-in; connects anew for it after a minute, not on battery"
            }
            Does::HangUp => "hangs up; nothing is ever sent in clear instead",
            Does::Never => "an answer to nothing that is asked; taken as not fresh",
        }
    }
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name after `ERR`; empty: any that is not in the table.
    pub name: &'static str,
    /// What upsd says with it.
    pub means: &'static str,
    /// What we do.
    pub does: Does,
}

const fn token(name: &'static str, does: Does, means: &'static str) -> Token {
    Token { name, means, does }
}

/// All that upsd sends or NUT's clients know.
pub const TOKENS: [Token; 29] = [
    token("ACCESS-DENIED", Does::Refused, "user, password or rights are not those of upsd.users"),
    token("UNKNOWN-UPS", Does::Wait, "no UPS of this name in its ups.conf"),
    token("VAR-NOT-SUPPORTED", Does::Absent, "no such variable"),
    token("CMD-NOT-SUPPORTED", Does::Never, "no such instant command"),
    token("INVALID-ARGUMENT", Does::Wait, "a request that it cannot read"),
    token("INSTCMD-FAILED", Does::Never, "the driver did not take a command"),
    token("SET-FAILED", Does::Never, "the driver did not take a value"),
    token("READONLY", Does::Never, "the variable cannot be set"),
    token("TOO-LONG", Does::Never, "the value is too long"),
    token("INVALID-VALUE", Does::Never, "the value is out of range"),
    token("FEATURE-NOT-SUPPORTED", Does::HangUp, "built without TLS"),
    token("FEATURE-NOT-CONFIGURED", Does::HangUp, "TLS without a certificate"),
    token("ALREADY-SSL-MODE", Does::HangUp, "a second STARTTLS"),
    token("DRIVER-NOT-CONNECTED", Does::Wait, "the driver does not run"),
    token("DATA-STALE", Does::Wait, "the driver has lost its UPS"),
    token("ALREADY-LOGGED-IN", Does::Holds, "a second LOGIN"),
    token("ALREADY-SET-PASSWORD", Does::Holds, "a second PASSWORD"),
    token("ALREADY-SET-USERNAME", Does::Holds, "a second USERNAME"),
    token("USERNAME-REQUIRED", Does::Refused, "it wants a user"),
    token("PASSWORD-REQUIRED", Does::Refused, "it wants a password"),
    token(
        "UNKNOWN-COMMAND",
        Does::Wait,
        "too old for the request; PRIMARY is then asked for as MASTER",
    ),
    token("INVALID-PASSWORD", Does::Refused, "known, but not sent by upsd"),
    token("INVALID-USERNAME", Does::Refused, "known, but not sent by upsd"),
    token("PASSWORD-INCORRECT", Does::Refused, "known to clients only"),
    token("VAR-UNKNOWN", Does::Absent, "known, but not sent by upsd"),
    token("UNKNOWN-VAR", Does::Absent, "known to clients only"),
    token("UNKNOWN-TYPE", Does::Never, "known, but not sent by upsd"),
    token("UNKNOWN-INSTCMD", Does::Never, "known, but not sent by upsd"),
    token("MISSING-ARGUMENT", Does::Never, "known, but not sent by upsd"),
];

/// Any other token.
pub const OTHER: Token = token("", Does::Wait, "a token that is not known");

/// The row of a token, in any case; [`OTHER`] for what is not there.
#[must_use]
pub fn find(name: &str) -> Token {
    TOKENS.into_iter().find(|token| token.name.eq_ignore_ascii_case(name)).unwrap_or(OTHER)
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
