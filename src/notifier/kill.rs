//! `upsentry kill`: the last act of a halt. Needs root and nothing else: no daemon, nothing writable,
//! no lock of anybody's.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::libc::O_NOFOLLOW;

use crate::config::wiring::{Status, Wiring};
use crate::config::{Config, Kill, Ups, Watch};
use crate::ipc::parting::Slaves;
use crate::ipc::record::Record;
use crate::notifier::{port, state};
use crate::sys::text::show;
use crate::sys::tty::{Lines, drive};
use crate::sys::{now, process, raw};

/// Sent.
const SENT: u8 = 0;
/// The mains is on, or there is no line to drive.
const NOT_SENT: u8 = 3;
/// On battery, but slaves may still be up on the same UPS.
const NOT_SERVED: u8 = 4;

/// Sends the kill signal to every UPS that is on battery, one after the other; leaves the lines so.
/// 0: sent to at least one and failed on none; 3: to none, because the mains is on or no line is there
/// to drive; 4: to none, because the daemon has not seen all slaves go.
///
/// # Errors
/// A port could not be used.
pub fn run(config: &Config) -> Result<u8, String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err("kill must be run by root".to_owned());
    }
    let mut failed = Vec::new();
    let mut status = NOT_SENT;
    let unserved = unserved(config);
    for ups in &config.ups {
        match one(config, ups, unserved) {
            Ok(NOT_SENT) => {}
            Ok(other) => status = other,
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() { Ok(status) } else { Err(failed.join("\nupsentry: ")) }
}

/// Why slaves may still be up; `None`: the daemon saw them go in this boot, or there are none.
fn unserved(config: &Config) -> Option<&'static str> {
    if !config.is_master() {
        return None;
    }
    match of_this_boot(&config.state_file).and_then(|record| record.slaves) {
        Some(Slaves::Served) => None,
        Some(Slaves::Missing) => Some("some slave did not say goodbye within `slave-wait'"),
        Some(Slaves::Waiting) => Some("the slaves were not told to shut down"),
        None => Some("what became of the slaves is not in the state file"),
    }
}

/// What a daemon of this boot has left in its state file; needs nothing but to read it.
fn of_this_boot(path: &Path) -> Option<Record> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(O_NOFOLLOW).open(path).ok()?;
    let mut text = String::new();
    file.take(state::LARGEST).read_to_string(&mut text).ok()?;
    Record::read(&text, &state::current_boot()).ok()
}

fn one(config: &Config, ups: &Ups, unserved: Option<&str>) -> Result<u8, String> {
    let name = &ups.name;
    let Watch::Line(path) = &ups.watch else {
        show(format_args!("upsentry -k: {name}: not sent: another machine drives it"));
        return Ok(NOT_SENT);
    };
    let Some(kill) = ups.kill else {
        show(format_args!("upsentry -k: {name}: not sent: no line to drive (no kill given)"));
        return Ok(NOT_SENT);
    };
    let fault = |error: &dyn core::fmt::Display| format!("-k: {name}: {}: {error}", path.display());
    let tty = port::seize(path, ups.init).map_err(|error| fault(&error))?;
    let lines = settle(&tty, ups.settle).map_err(|error| fault(&error))?;
    let status = Wiring::new(ups).status(Some(lines.inputs()));
    let shown = Shown(lines);
    if !matches!(status, Status::Battery | Status::Low) {
        show(format_args!(
            "upsentry -k: {name}: {shown}: not sent: mains is on, or the cable is not there"
        ));
        return Ok(NOT_SENT);
    }
    let word = if status == Status::Low { "LOW" } else { "FAIL" };
    if let Some(why) = unserved {
        show(format_args!("upsentry -k: {name}: {shown} = {word}: not sent: {why}"));
        return Ok(NOT_SERVED);
    }
    show(format_args!(
        "upsentry -k: {name}: {shown} = {word}: {}, held {:?}",
        Sending(kill),
        config.kill_hold
    ));
    send(tty, kill, config.kill_hold).map_err(|error| fault(&error))?;
    Ok(SENT)
}

/// Waits until the cable's electronics are powered and the inputs stand still.
fn settle(tty: &OwnedFd, settle: Duration) -> nix::Result<Lines> {
    const STEP: Duration = Duration::from_millis(20);
    const STILL: Duration = Duration::from_millis(100);
    let begin = now();
    let longest = begin.saturating_add(settle.saturating_mul(2));
    let mut lines = Lines::read(tty.as_fd())?;
    let mut moved = begin;
    loop {
        let time = now();
        let still = time.saturating_sub(moved) >= STILL.min(settle);
        if time >= longest || (still && time.saturating_sub(begin) >= settle) {
            return Ok(lines);
        }
        process::wait(&mut [], Some(STEP))?;
        let again = Lines::read(tty.as_fd())?;
        if again.inputs() != lines.inputs() {
            moved = now();
        }
        lines = again;
    }
}

/// Drives the kill signal, holds it, and leaves it so: the port keeps its levels when we end.
fn send(tty: OwnedFd, kill: Kill, hold: Duration) -> Result<(), String> {
    drive(tty.as_fd(), kill.outputs.dtr, kill.outputs.rts).map_err(|error| error.to_string())?;
    if !kill.send_break {
        std::thread::sleep(hold);
        return Ok(());
    }
    // Another holder's lock must not keep the load on, so a port that is not ours alone will do.
    let port = raw::adopt(tty).unwrap_or_else(|port| port);
    let set = serialport::SerialPort::set_break(&port).map_err(|error| error.to_string());
    if set.is_ok() {
        std::thread::sleep(hold);
    }
    let cleared = serialport::SerialPort::clear_break(&port).map_err(|error| error.to_string());
    drop(raw::release(port));
    set.and(cleared)
}

struct Shown(Lines);

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let lines = self.0;
        let [cts, dsr, dcd, rng] =
            [lines.cts(), lines.dsr(), lines.dcd(), lines.rng()].map(u8::from);
        write!(f, "CTS {cts} DSR {dsr} DCD {dcd} RNG {rng}")
    }
}

struct Sending(Kill);

impl core::fmt::Display for Sending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Kill { outputs, send_break } = self.0;
        let mut blank = "";
        for (name, level) in [("DTR", outputs.dtr), ("RTS", outputs.rts)] {
            if let Some(level) = level {
                write!(f, "{blank}{name} {}", u8::from(level))?;
                blank = " ";
            }
        }
        if send_break { write!(f, "{blank}break") } else { Ok(()) }
    }
}
