//! `upsentry kill`: the last act of a halt. Needs root and nothing else: no daemon, nothing writable,
//! no lock of anybody's.

use std::fmt::{Arguments, Display};
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::libc::O_NOFOLLOW;

use crate::config::wiring::{Status, Wiring};
use crate::config::{Config, Kill, Ups, Watch};
use crate::ipc::legal::Power;
use crate::ipc::parting::Slaves;
use crate::ipc::record::Record;
use crate::notifier::{kill_command, port, state};
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
/// A port could not be used, or this is not root.
pub fn run(config: &Config) -> Result<u8, String> {
    must_be_root()?;
    let mut failed = Vec::new();
    let mut status = NOT_SENT;
    let record = of_this_boot(&config.state_file);
    for ups in &config.ups {
        match one(config, ups, record.as_ref()) {
            Ok(NOT_SENT) => {}
            Ok(other) => status = other,
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() { Ok(status) } else { Err(failed.join("\nupsentry: ")) }
}

/// # Errors
/// This is not root.
pub(super) fn must_be_root() -> Result<(), String> {
    let root = nix::unistd::Uid::effective().is_root();
    root.then_some(()).ok_or_else(|| "kill must be run by root".to_owned())
}

/// Why slaves may still be up; `None`: the daemon saw them go in this boot, or there are none.
fn unserved(config: &Config, record: Option<&Record>) -> Option<&'static str> {
    if !config.is_master() {
        return None;
    }
    match record.and_then(|record| record.slaves) {
        Some(Slaves::Served) => None,
        Some(Slaves::Missing) => Some("some slave did not say goodbye within `slave-wait'"),
        Some(Slaves::Waiting) => Some("the slaves were not told to shut down"),
        None => Some("what became of the slaves is not in the state file"),
    }
}

/// What a daemon of this boot has left in its state file; needs nothing but to read it.
pub(super) fn of_this_boot(path: &Path) -> Option<Record> {
    let file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(path).ok()?;
    let mut text = String::new();
    file.take(state::LARGEST).read_to_string(&mut text).ok()?;
    Record::read(&text, &state::current_boot()).ok()
}

fn one(config: &Config, ups: &Ups, record: Option<&Record>) -> Result<u8, String> {
    let nothing = ups.kill.is_none() && ups.kill_command.is_empty();
    let why = match ups.watch {
        Watch::Master(_) => "another machine drives it",
        Watch::Driver(_) if nothing => {
            return Err(fault(ups, &"its driver's program was not found; write a `kill-command'"));
        }
        Watch::Line(_) if nothing => "no line to drive (no kill given)",
        _ if nothing => "no kill-command given",
        _ => "",
    };
    if !why.is_empty() {
        say(ups, format_args!("not sent: {why}"));
        return Ok(NOT_SENT);
    }
    cut(config, look(ups, record)?, record)
}

/// What a UPS says at the end of a halt.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) ups: &'a Ups,
    /// The port, with the lines at their `init` levels; `None`: a daemon's last word, it has no lines.
    pub(super) tty: Option<OwnedFd>,
    pub(super) status: Status,
    shown: String,
}

/// Reads its lines, or what a daemon has recorded.
///
/// # Errors
/// The port could not be used.
pub(super) fn look<'a>(ups: &'a Ups, record: Option<&Record>) -> Result<Seen<'a>, String> {
    let Watch::Line(path) = &ups.watch else {
        let shown = "the daemon's last word".to_owned();
        return Ok(Seen { ups, tty: None, status: recorded(ups, record), shown });
    };
    let tty = port::seize(path, ups.init).map_err(|error| fault(ups, &error))?;
    let lines = settle(&tty, ups.settle).map_err(|error| fault(ups, &error))?;
    let [cts, dsr, dcd, rng] = [lines.cts(), lines.dsr(), lines.dcd(), lines.rng()].map(u8::from);
    let shown = format!("CTS {cts} DSR {dsr} DCD {dcd} RNG {rng}");
    let status = Wiring::new(ups).status(Some(lines.inputs()));
    Ok(Seen { ups, tty: Some(tty), status, shown })
}

/// Has its load cut if it is on battery, and no slave needs that any more.
///
/// # Errors
/// It could not be sent.
pub(super) fn cut(config: &Config, seen: Seen<'_>, record: Option<&Record>) -> Result<u8, String> {
    let Seen { ups, tty, status, shown } = seen;
    let word = match status {
        Status::Low => "LOW",
        Status::Battery => "FAIL",
        _ => {
            say(ups, format_args!("{shown}: not sent: mains is on, or the cable is not there"));
            return Ok(NOT_SENT);
        }
    };
    if let Some(why) = unserved(config, record) {
        say(ups, format_args!("{shown} = {word}: not sent: {why}"));
        return Ok(NOT_SERVED);
    }
    match (tty, ups.kill) {
        (Some(tty), Some(kill)) => {
            let hold = config.kill_hold;
            say(ups, format_args!("{shown} = {word}: {}, held {hold:?}", kill.upper()));
            send(tty, kill, hold).map_err(|error| fault(ups, &error))?;
        }
        _ => {
            say(ups, format_args!("{shown} = {word}: runs {}", ups.kill_command.join(" ")));
            kill_command::run(&ups.kill_command).map_err(|error| fault(ups, &error))?;
        }
    }
    Ok(SENT)
}

fn say(ups: &Ups, what: Arguments<'_>) {
    show(format_args!("upsentry -k: {}: {what}", ups.name));
}

fn fault(ups: &Ups, error: &dyn Display) -> String {
    format!("-k: {}: {}: {error}", ups.name, ups.watch)
}

/// What was last seen of a UPS that has no lines.
pub(super) fn recorded(ups: &Ups, record: Option<&Record>) -> Status {
    match record.and_then(|record| record.last(&ups.name)) {
        Some(Power::Low) => Status::Low,
        Some(Power::Battery) => Status::Battery,
        Some(Power::Mains) | None => Status::Mains,
    }
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
