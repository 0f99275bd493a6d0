//! `upsentry kill --wait`: what the kill hook runs as the last program of a halt. It may never return: while the UPS
//! is on battery the machine stays halted with its power on.

use std::fmt::Arguments;
use std::path::Path;
use std::time::Duration;

use crate::config::wiring::{Status, Wiring};
use crate::config::{Config, STATE_FILE, Watch};
use crate::ipc::cause::{Cause, MEMORY};
use crate::ipc::fold::fold;
use crate::ipc::last_act::{LastAct, Reading, STEADY, Step, cause};
use crate::ipc::legal::Power;
use crate::ipc::record::Record;
use crate::notifier::kill::{self, Seen};
use crate::sys::text::{complain, show};
use crate::sys::tty::Lines;
use crate::sys::{now, process};

/// Turn the machine off.
const POWER_OFF: u8 = 0;
/// Start it again.
const REBOOT: u8 = 5;
/// Where no UPS is known, a battery that is nearly empty has so long to be emptied here and not in the middle of a boot.
const BLIND: Duration = Duration::from_secs(300);

/// Does what the cause of this halt and the lines ask for. 0: the machine is to be turned off; 5: to be started again.
///
/// # Errors
/// This is not root.
pub fn run(config: &Config) -> Result<u8, String> {
    kill::must_be_root()?;
    let record = kill::of_this_boot(&config.state_file);
    let (record, begin) = (record.as_ref(), now());
    let cause = cause(record, begin, marked(&config.state_file));
    let blind_for = config.kill_wait.saturating_add(config.slave_wait);
    let mut act = LastAct::new(cause, begin, blind_for);
    say(format_args!(
        "this halt is {}",
        match cause {
            None => "somebody's",
            Some(Cause::Outage) => "an outage's",
            Some(Cause::Rule) => "a rule's",
        }
    ));
    let mut unread = false;
    loop {
        let seen: Vec<Seen<'_>> = config.ups.iter().filter_map(|ups| look(ups, record)).collect();
        let readable = seen.iter().any(|seen| seen.tty.is_some());
        let last = reading(config, &seen, record);
        let stays = cause == Some(Cause::Outage) || last != Reading::Recorded(Power::Mains);
        if !readable && !unread && stays {
            say(format_args!(
                "no line to read here; others may cut the power within {blind_for:?}"
            ));
        }
        unread = !readable;
        let alive = now().saturating_sub(begin).as_secs();
        match watch(&mut act, config, &seen, record) {
            Step::PowerOff => {
                say(format_args!("mains is on: not sent; power off"));
                return Ok(POWER_OFF);
            }
            Step::Reboot if readable => {
                say(format_args!(
                    "still alive after {alive}s, mains is on for {}s: rebooting",
                    STEADY.as_secs()
                ));
                return Ok(REBOOT);
            }
            Step::Reboot => {
                say(format_args!("still alive after {alive}s: rebooting"));
                return Ok(REBOOT);
            }
            Step::Kill(pause) | Step::Look(pause) => {
                let until = now().saturating_add(pause);
                cut(config, seen, record);
                rest(until.saturating_sub(now()));
            }
        }
    }
}

/// Where the configuration has become faulty, so that no line and no UPS is known: after an outage as where nothing can be
/// read, after a rule off, and else `otherwise`.
pub fn blindly(otherwise: u8) -> u8 {
    let state_file = Path::new(STATE_FILE);
    let record = kill::of_this_boot(state_file);
    let cause = cause(record.as_ref(), now(), marked(state_file));
    match cause.filter(|_| kill::must_be_root().is_ok()) {
        None => otherwise,
        Some(Cause::Rule) => POWER_OFF,
        Some(Cause::Outage) => {
            say(format_args!(
                "this halt is an outage's, and no UPS can be told: rebooting in {BLIND:?}, if there still is power"
            ));
            rest(BLIND);
            REBOOT
        }
    }
}

/// A power script of ours called for this halt, not long ago: `/run/upsentry.halt` beside `/run/upsentry.state`.
fn marked(state_file: &Path) -> bool {
    let made = std::fs::symlink_metadata(state_file.with_extension("halt"));
    let age = made.and_then(|mark| mark.modified()).map(|at| at.elapsed().unwrap_or_default());
    age.is_ok_and(|age| age < MEMORY)
}

fn look<'a>(ups: &'a crate::config::Ups, record: Option<&Record>) -> Option<Seen<'a>> {
    kill::look(ups, record).map_err(|error| complain(format_args!("upsentry: {error}"))).ok()
}

/// Reads the lines until there is more to do than that.
fn watch(act: &mut LastAct, config: &Config, seen: &[Seen<'_>], record: Option<&Record>) -> Step {
    loop {
        match act.next(now(), reading(config, seen, record)) {
            Step::Look(pause) => rest(pause),
            step => return step,
        }
    }
}

/// What all UPSs say together; one that cannot be read counts as a daemon saw it last.
fn reading(config: &Config, seen: &[Seen<'_>], record: Option<&Record>) -> Reading {
    let mut readable = false;
    let feeds = config.ups.iter().map(|ups| {
        let seen = seen.iter().find(|seen| core::ptr::eq(seen.ups, ups));
        let lines =
            seen.and_then(|seen| Lines::read(std::os::fd::AsFd::as_fd(seen.tty.as_ref()?)).ok());
        let status = Wiring::new(ups).status(lines.map(Lines::inputs));
        let (known, status) = match status {
            Status::Lost => (false, kill::recorded(ups, record)),
            status => (true, status),
        };
        readable |= known && ups.power > 0;
        let power = match status {
            Status::Low => Power::Low,
            Status::Battery => Power::Battery,
            Status::Mains | Status::Lost => Power::Mains,
        };
        (ups.power, power)
    });
    let power = fold(feeds, config.need);
    if readable { Reading::Seen(power) } else { Reading::Recorded(power) }
}

/// To every UPS that is on battery and that this machine can have cut.
fn cut(config: &Config, seen: Vec<Seen<'_>>, record: Option<&Record>) {
    for seen in seen {
        let ups = seen.ups;
        let command = !ups.kill_command.is_empty() && !matches!(ups.watch, Watch::Master(_));
        if (ups.kill.is_some() && seen.tty.is_some()) || command {
            if let Err(error) = kill::cut(config, seen, record) {
                complain(format_args!("upsentry: {error}"));
            }
        }
    }
}

fn rest(time: Duration) {
    // Nothing can be done about a sleep that fails; the next reading decides again.
    let _ = process::wait(&mut [], Some(time));
}

fn say(what: Arguments<'_>) {
    show(format_args!("upsentry -k: {what}"));
}
