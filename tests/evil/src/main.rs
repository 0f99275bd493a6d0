//! `upevil CONF REPORT SPEED LOG WORD …`: the daemon with its real parent, and a warden that starts, instead of
//! monitors, what the words say: one word a generation, the last one for ever. `LOG` is `stderr`,
//! `syslog`, or `background` (syslog, and no `-f`).
//!
//! A word is [`attack`]'s steps, with how the warden behaves before it ([`relay`]); or `real`: the daemon's own
//! warden and monitor. `REPORT` gets a line for each generation that ended: what it wrote, and how much
//! of that nobody had read. `SPEED`: the clock of all these processes runs so much faster ([`clock`]).

mod attack;
mod clock;
mod relay;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use upsentry::config::Purpose;
use upsentry::notifier::reader::{self, Problem};
use upsentry::notifier::{self, Mode};
use upsentry::sys::raw;

fn main() -> ExitCode {
    raw::close_inherited();
    let words: Vec<String> = std::env::args().skip(1).collect();
    raw::forget_environment();
    match run(&words) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("upevil: {error}");
            ExitCode::from(1)
        }
    }
}

fn run(words: &[String]) -> Result<u8, String> {
    let [conf, report, speed, log, script @ ..] = words else {
        return Err("usage: upevil CONF REPORT SPEED LOG WORD ...".to_owned());
    };
    clock::start(speed.parse().map_err(|error| format!("{speed}: {error}"))?);
    relay::prepare(script, Path::new(report))?;
    let mut config =
        reader::load(Path::new(conf), Purpose::Run).map_err(|problem| match problem {
            Problem::Faulty(text) | Problem::Unconfigured(text) | Problem::Failed(text) => text,
        })?;
    let mode = Mode {
        foreground: log != "background",
        log_stderr: log == "stderr",
        linger: Duration::ZERO,
        supervisor: None,
    };
    notifier::run(&mut config, mode, relay::enter)
}
