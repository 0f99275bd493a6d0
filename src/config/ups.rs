//! A section's UPS: its own words, else the defaults', else ours.

use std::path::PathBuf;
use std::time::Duration;

use super::cables::Cable;
use super::nut::{NutDriver, NutSettings};
use super::parse::{Section, value};
use super::source::Watched;
use super::types::{Condition, Kill, Master, Outputs, Ups, Watch};
use super::values::{Flag, Output, Value};
use crate::nut::flags::Treat;

/// What a section watches.
pub(super) fn watched(section: &Section) -> Option<Watch> {
    Some(match value!(section, "watch", Value::Watch)? {
        Watched::Line(path) => Watch::Line(path),
        Watched::Master(host, ups) => {
            let or_only = ups.is_none();
            Watch::Master(Master {
                host,
                ups: ups.unwrap_or_else(|| section.name.clone()),
                or_only,
            })
        }
        Watched::Driver(name) => Watch::Driver(NutDriver { name, program: String::new() }),
        Watched::Server(server) => Watch::Server(server),
    })
}

/// A section's UPS. Where the file has errors some of it is made up, and nobody sees it.
pub(super) fn ups(own: &Section, defaults: &Section) -> Ups {
    let layers = [own, defaults];
    let after = |name: &str| layers.iter().find_map(|layer| value!(layer, name, Value::Time));
    let ms = |name: &str, default| after(name).unwrap_or(Duration::from_millis(default));
    let model = |layer: &Section| value!(layer, "model", Value::Model);
    let deadtime = ms("deadtime", 15_000);
    let watch = watched(own).unwrap_or_else(|| Watch::Line(PathBuf::new()));
    let (kill, kill_command) = cut(layers);
    let bare = Ups {
        name: own.name.clone(),
        watch_line: own.place(&["watch"]).line,
        watch,
        model: None,
        fail: Vec::new(),
        low: Vec::new(),
        sense: Vec::new(),
        init: Outputs::default(),
        kill: None,
        debounce: Duration::ZERO,
        settle: Duration::ZERO,
        fail_after: ms("fail-after", 0),
        ok_after: ms("ok-after", 0),
        low_after: ms("low-after", 0),
        cable_grace: Duration::ZERO,
        shutdown_after: after("shutdown-after"),
        deadtime,
        blind_after: after("blind-after").unwrap_or(deadtime),
        power: layers.iter().find_map(|layer| value!(layer, "power", Value::Number)).unwrap_or(1),
        key: None,
        nut: NutSettings::default(),
        kill_command: Vec::new(),
    };
    match bare.watch {
        Watch::Line(_) => {}
        // Nothing of a line is left, and what the other has held back for a while is not held back again.
        Watch::Master(_) => return bare,
        Watch::Driver(_) | Watch::Server(_) => {
            return Ups { nut: nut(layers, &bare.watch), kill_command, ..bare };
        }
    }
    Ups {
        model: layers.iter().find_map(|layer| model(layer)),
        fail: conditions(layers, "fail", |cable| cable.fail),
        low: conditions(layers, "low", |cable| cable.low),
        sense: conditions(layers, "sense", |cable| cable.sense),
        init: layers
            .iter()
            .find_map(|layer| outputs(layer, "init").or(model(layer).map(|cable| cable.init)))
            .unwrap_or_default(),
        kill,
        debounce: ms("debounce", 20),
        settle: ms("settle", 2000),
        low_after: ms("low-after", 2000),
        cable_grace: ms("cable-grace", 60_000),
        kill_command,
        ..bare
    }
}

/// What is said of a UPS that NUT watches. Its password is never the defaults': that is the key of this
/// machine's slaves.
fn nut(layers: [&Section; 2], watch: &Watch) -> NutSettings {
    let [own, _] = layers;
    let of = |name: &str| layers.into_iter().find(|layer| layer.first(name).is_some());
    let mut treat = Treat::default();
    // The nearest word of each flag.
    for entry in layers.iter().rev().flat_map(|layer| layer.all("flag")) {
        match entry.value {
            Value::Flag(Flag::Off, meaning) => treat.off = meaning,
            Value::Flag(Flag::Bypass, meaning) => treat.bypass = meaning,
            Value::Flag(Flag::Alarm, meaning) => treat.alarm = meaning,
            _ => {}
        }
    }
    let plain = NutSettings { treat, ..NutSettings::default() };
    let Watch::Server(server) = watch else { return plain };
    let tls = |name: &str| of(name).filter(|_| server.tls);
    NutSettings {
        poll: of("poll").and_then(|s| value!(s, "poll", Value::Time)).unwrap_or(plain.poll),
        primary: of("primary").is_some(),
        login: value!(own, "password", Value::Secret),
        ca_file: tls("ca-file").and_then(|s| value!(s, "ca-file", Value::Path)),
        pin: tls("tls-pin").and_then(|s| value!(s, "tls-pin", Value::Pin)),
        ..plain
    }
}

/// How the load is cut: by lines, or by a program. The nearest word counts, and a model's is the last in its
/// section.
fn cut(layers: [&Section; 2]) -> (Option<Kill>, Vec<String>) {
    for layer in layers {
        if let Some(kill) = kill(layer) {
            return (Some(kill), Vec::new());
        }
        if let Some(command) = value!(layer, "kill-command", Value::Words) {
            return (None, command);
        }
        if let Some(cable) = value!(layer, "model", Value::Model) {
            return (cable.kill, Vec::new());
        }
    }
    (None, Vec::new())
}

/// The nearest word counts: the section's own lines, its own model, then the same of the defaults.
fn conditions(
    layers: [&Section; 2],
    name: &str,
    of: fn(&Cable) -> &'static [Condition],
) -> Vec<Condition> {
    let said = |layer: &Section| {
        layer.first(name)?;
        let inputs = layer.all(name).filter_map(|entry| match entry.value {
            Value::Input(condition) => Some(condition),
            _ => None,
        });
        Some(inputs.collect())
    };
    let model = |layer: &Section| value!(layer, "model", Value::Model);
    let nearest = |layer: &&Section| said(layer).or_else(|| model(layer).map(|c| of(c).to_vec()));
    layers.iter().find_map(nearest).unwrap_or_default()
}

fn outputs(section: &Section, name: &str) -> Option<Outputs> {
    section.first(name)?;
    let mut outputs = Outputs::default();
    for entry in section.all(name) {
        match entry.value {
            Value::Output(Output::Dtr, level) => outputs.dtr = Some(level),
            Value::Output(Output::Rts, level) => outputs.rts = Some(level),
            _ => {}
        }
    }
    Some(outputs)
}

fn kill(section: &Section) -> Option<Kill> {
    let send_break = section.all("kill").any(|entry| entry.value == Value::Break);
    Some(Kill { outputs: outputs(section, "kill")?, send_break })
}
