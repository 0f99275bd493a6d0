//! What NUT's programs say: pure, no I/O.

pub mod flags;
pub mod ups_conf;

use serde::{Deserialize, Serialize};

/// A password; no message shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub String);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret")
    }
}
