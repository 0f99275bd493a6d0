//! Which directives fit which source.

use super::diagnostic::Diagnostic;
use super::parse::{File, Section};
use super::types::{Config, Watch};

/// What a UPS is watched through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Line,
    Master,
    Driver,
    Plain,
    Sealed,
}

impl Source {
    fn of(watch: &Watch) -> Source {
        match watch {
            Watch::Line(_) => Source::Line,
            Watch::Master(_) => Source::Master,
            Watch::Driver(_) => Source::Driver,
            Watch::Server(server) if server.tls => Source::Sealed,
            Watch::Server(_) => Source::Plain,
        }
    }

    /// In words.
    fn what(self) -> &'static str {
        match self {
            Source::Line => "a line",
            Source::Master => "another machine",
            Source::Driver => "a driver of NUT's",
            Source::Plain | Source::Sealed => "a NUT server",
        }
    }
}

/// What these are said of, in words, and what that is.
type Fit = (&'static [&'static str], &'static str, &'static [Source]);

/// Every directive of a UPS that does not fit all sources.
const FITS: [Fit; 5] = [
    (
        &["model", "fail", "low", "sense", "init", "kill", "debounce", "settle", "cable-grace"],
        "a line",
        &[Source::Line],
    ),
    (&["poll", "primary"], "a NUT server", &[Source::Plain, Source::Sealed]),
    (&["ca-file", "tls-pin"], "a `nut+tls://' server", &[Source::Sealed]),
    (&["flag"], "a UPS that NUT watches", &[Source::Driver, Source::Plain, Source::Sealed]),
    (
        &["kill-command"],
        "a UPS that this machine may cut",
        &[Source::Line, Source::Driver, Source::Plain, Source::Sealed],
    ),
];

fn fit(name: &str) -> Option<&'static Fit> {
    FITS.iter().find(|(names, _, _)| names.contains(&name))
}

/// What to write instead, or why it cannot be.
fn hint(name: &str, source: Source) -> &'static str {
    match (name, source) {
        ("kill-command", Source::Master) => "; its master cuts the load",
        (_, Source::Master) => "; a line has a `/', or begins with tty or cua",
        ("kill", Source::Driver | Source::Plain | Source::Sealed) => {
            "; write `kill-command' for what cuts the load"
        }
        ("poll", Source::Driver) => ", which tells of each change by itself",
        ("primary", Source::Driver) => {
            ", and nobody else can log in there; to lead others run upsd and watch `nut://USER@localhost/NAME'"
        }
        ("ca-file" | "tls-pin", Source::Plain) => " in clear; write `nut+tls://'",
        _ => "",
    }
}

/// What stands in a UPS's section and does not fit it.
pub(super) fn check(
    file: &File,
    sections: &[&Section],
    config: &Config,
    said: &mut Vec<Diagnostic>,
) {
    for (own, ups) in sections.iter().zip(&config.ups) {
        let source = Source::of(&ups.watch);
        // The unnamed section is the defaults of all others as well. Without others it is one like any other,
        // but that powstatd's slaves have what its master has.
        let unnamed = std::ptr::eq(*own, &raw const file.defaults);
        if unnamed && (!file.sections.is_empty() || source == Source::Master) {
            continue;
        }
        if let (Some(entry), Some(kill)) = (own.first("kill-command"), own.first("kill")) {
            let line = kill.span.line;
            let message = format!("what cuts the load was already said in line {line}, by `kill'");
            said.push(entry.span.error(message));
        }
        for entry in &own.entries {
            let Some((_, of, sources)) = fit(entry.name) else { continue };
            if sources.contains(&source) {
                continue;
            }
            let watched = match &ups.watch {
                Watch::Master(master) => master.host.clone(),
                other => other.to_string(),
            };
            let error = entry.span.error(format!(
                "`{}' is said of {of}, and `{watched}' is {}{}",
                entry.name,
                source.what(),
                hint(entry.name, source)
            ));
            if !said.contains(&error) {
                said.push(error);
            }
        }
    }
}

/// Defaults that fit nothing which is watched.
pub(super) fn warn(file: &File, config: &Config, said: &mut Vec<Diagnostic>) {
    for entry in &file.defaults.entries {
        let Some((_, of, sources)) = fit(entry.name) else { continue };
        if config.ups.iter().any(|ups| sources.contains(&Source::of(&ups.watch))) {
            continue;
        }
        let what = if *of == "a line" { "no line" } else { "no such UPS" };
        let warning =
            entry.span.warning(format!("`{}' is said of {of}, and {what} is watched", entry.name));
        if !said.contains(&warning) {
            said.push(warning);
        }
    }
}
