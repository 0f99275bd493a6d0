//! What the commands do.

use super::{Sim, Step, later};
use crate::calls;
use crate::command::{Command, PortCommand};
use crate::lines::{self, Change};
use crate::log::now;
use crate::sys::Answer;
use nix::errno::Errno;

impl Sim {
    /// Does a command. Its own times count from now, not from when it was due, so that a pulse is as long
    /// as it is meant to be even if it began late.
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Port(name, what) => match self.ports.iter().position(|port| port.name == name)
            {
                Some(port) => self.port_command(port, what),
                None => self.log.note(format_args!("error no port `{name}`")),
            },
            Command::Fail(fault) => {
                if let Err(error) = self.faults.arm(fault) {
                    self.log.note(format_args!("error {error}"));
                }
            }
            Command::FailOff => {
                self.faults.disarm();
                self.log.note(format_args!("fault off"));
            }
            Command::Mark(text) => self.log.note(format_args!("mark {text}")),
            Command::Quit => self.quit(),
            init => self.init_command(&init),
        }
    }

    fn port_command(&mut self, at: usize, what: PortCommand) {
        match what {
            PortCommand::Set(change) => self.change(at, change),
            PortCommand::Pulse(change, time) => {
                let Some(port) = self.ports.get(at) else {
                    return;
                };
                self.schedule
                    .add(later(now(), time), Step::Change(at, change.undo(port.lines.inputs)));
                self.change(at, change);
            }
            PortCommand::Bounce(change, times, period) => {
                let start = now();
                for turn in 0..times {
                    let level =
                        if (times - 1 - turn) % 2 == 0 { change } else { change.inverted() };
                    self.schedule
                        .add(later(start, period.saturating_mul(turn)), Step::Change(at, level));
                }
            }
            other => self.port_state(at, other),
        }
    }

    fn port_state(&mut self, at: usize, what: PortCommand) {
        // So that no open is overlooked while a hang-up has the watch off.
        self.opens();
        let nanos = now();
        let (Some(port), log) = (self.ports.get_mut(at), &mut self.log) else {
            return;
        };
        let name = port.name.clone();
        // What those who wait in TIOCMIWAIT get, if they get anything.
        let mut ends = None;
        match what {
            PortCommand::Refuse(refuse) => {
                port.refuse = refuse;
                ends = refuse.map(Answer::Fail);
                let shown = refuse.map_or_else(|| "off".to_owned(), |errno| format!("{errno:?}"));
                log.line(nanos, format_args!("{name} refuse {shown}"));
            }
            PortCommand::Eio(eio) => {
                port.eio = eio;
                ends = eio.then_some(Answer::Fail(Errno::EIO));
                log.line(nanos, format_args!("{name} eio {}", if eio { "on" } else { "off" }));
            }
            PortCommand::Hangup => {
                port.hang_up(log, &self.inotify, nanos);
                ends = Some(Answer::Done);
            }
            PortCommand::Unplug => {
                log.line(nanos, format_args!("{name} unplug"));
                port.remove_link();
                port.eio = true;
                port.hang_up(log, &self.inotify, nanos);
                ends = Some(Answer::Fail(Errno::EIO));
            }
            PortCommand::Plug => {
                port.eio = false;
                log.line(nanos, format_args!("{name} plug"));
                if let Err(error) = port.make_link() {
                    log.note(format_args!("error {name}: {error}"));
                }
            }
            PortCommand::Set(_) | PortCommand::Pulse(..) | PortCommand::Bounce(..) => {}
        }
        if let (Some(answer), Some(listener)) = (ends, &self.listener) {
            for id in port.waiters.take_all() {
                calls::end(listener, id, answer);
            }
        }
    }

    /// The UPS moves its lines. Those who wait are answered first, then it is logged.
    pub(super) fn change(&mut self, at: usize, change: Change) {
        let Some(port) = self.ports.get_mut(at) else {
            return;
        };
        let before = port.lines.inputs;
        let nanos = now();
        let edges = port.lines.set_inputs(change.apply(before));
        if port.lines.inputs == before {
            return;
        }
        let mut woke = 0;
        if let Some(listener) = &self.listener {
            for id in port.waiters.take(edges) {
                woke += usize::from(calls::end(listener, id, Answer::Done));
            }
        }
        let levels = port.lines.show_inputs();
        self.log.line(nanos, format_args!("{} in {levels} woke={woke}", port.name));
        let dropped = edges & lines::DCD != 0 && port.lines.inputs & lines::DCD == 0;
        if dropped && port.is_open() && port.follows_carrier() {
            self.port_state(at, PortCommand::Hangup);
        }
    }

    fn init_command(&mut self, command: &Command) {
        let Some(init) = &mut self.init else {
            self.log.note(format_args!("error there is no --initctl"));
            return;
        };
        if let Some(end) = init.end() {
            let _ = self.epoll.delete(end);
            self.init_waited = false;
        }
        let nanos = now();
        let mut result = Ok(());
        let what = match command {
            Command::StopInit => {
                init.stop(true);
                "stop"
            }
            Command::StartInit => {
                init.stop(false);
                "start"
            }
            Command::CloseInit => {
                init.close();
                "close"
            }
            Command::OpenInit => {
                result = init.open();
                "open"
            }
            _ => {
                result = init.unlink();
                "unlink"
            }
        };
        match result {
            Ok(()) => self.log.line(nanos, format_args!("init {what}")),
            Err(error) => self.log.line(nanos, format_args!("error init {what}: {error}")),
        }
    }
}
