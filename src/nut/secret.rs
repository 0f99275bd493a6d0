//! A password of upsd.

use serde::{Deserialize, Serialize};

/// A password that upsd wants in the clear, so that it cannot be kept as a hash. Not shown, and not left in memory.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Takes the password over; its text must not be kept elsewhere.
    #[must_use]
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The password, to be sent.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    /// Leaves nothing of it to whoever comes to read this memory.
    fn drop(&mut self) {
        let mut bytes = core::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Else the compiler may leave it out, because nothing reads it.
        core::hint::black_box(&bytes);
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
