//! What upsmon's, apcupsd's and NUT's drivers' files say, in the words of upsentry.conf: text to text, for those who
//! come from there.
//!
//! The files are anybody's: what is kept of them is bounded, and nothing of them but plain printable words gets into
//! what is shown.

use std::path::Path;

use crate::config::{self, Purpose, UPS_CONF};

mod apcupsd;
mod contacts;
mod lines;
mod monitors;
mod output;
mod ups_conf;
mod upsmon;

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// upsmon.conf of NUT.
    Upsmon,
    /// apcupsd.conf.
    Apcupsd,
    /// ups.conf of NUT.
    UpsConf,
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 3] = [Source::Upsmon, Source::Apcupsd, Source::UpsConf];

    /// The word of the command line.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Source::Upsmon => "import-upsmon",
            Source::Apcupsd => "import-apcupsd",
            Source::UpsConf => "import-ups-conf",
        }
    }

    /// Where the file is if nothing else is said.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Source::Upsmon => "/etc/nut/upsmon.conf",
            Source::Apcupsd => "/etc/apcupsd/apcupsd.conf",
            Source::UpsConf => UPS_CONF,
        }
    }

    /// Debian's package that brings it.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Source::Upsmon => "nut-client",
            Source::Apcupsd => "apcupsd",
            Source::UpsConf => "nut-server",
        }
    }
}

/// The equivalent upsentry.conf. `path`: where the text is from.
///
/// # Errors
/// There is nothing to watch in it, or what would be watched cannot be said.
pub fn convert(source: Source, path: &Path, text: &[u8]) -> Result<String, String> {
    match source {
        Source::Upsmon => upsmon::convert(path, text),
        Source::Apcupsd => apcupsd::convert(path, text),
        Source::UpsConf => ups_conf::convert(path, text),
    }
}

/// What upsentry's own parser has against such a file, a line each; empty: it takes it.
#[must_use]
pub fn refused(text: &str) -> Vec<String> {
    let path = Path::new("the result");
    match config::parse(path, text, Purpose::Run) {
        Ok(_) => Vec::new(),
        Err(all) => {
            let errors = all.iter().filter(|one| one.severity == config::Severity::Error);
            errors.map(|one| one.headline(path)).collect()
        }
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
