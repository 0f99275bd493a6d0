//! `upsentry check`: what it would do here. Needs neither root nor devices.

use crate::config::Config;

/// The whole screen.
pub fn report(config: &Config) -> String {
    crate::config::describe(config)
}
