//! Which way init hears of it: as configured, or by what process 1 is. Decides, and looks at nothing.

use std::path::PathBuf;

use super::types::{Action, Config, Tell, Via};

/// What can be seen of process 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Init {
    /// Its name in /proc/1/comm.
    pub name: String,
    /// The FIFO it reads requests from, where one is.
    pub fifo: Option<PathBuf>,
    /// It is systemd.
    pub systemd: bool,
    /// Where systemd's command is.
    pub systemctl: String,
    /// It catches SIGPWR.
    pub catches_sigpwr: bool,
}

/// How init is told, completely decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The way.
    pub via: Via,
    /// It was not configured but chosen.
    pub chosen: bool,
    /// The halt command, if any action runs it; absolute path first.
    pub halt: Vec<String>,
    /// What each word does.
    pub actions: Actions,
}

/// The four rows, with defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions {
    /// Mains returned.
    pub ok: Action,
    /// On battery.
    pub fail: Action,
    /// Low.
    pub low: Action,
    /// Shut down.
    pub shutdown: Action,
}

impl Actions {
    fn new(via: Via, tell: Tell) -> Actions {
        let (ok, fail, low, shutdown) = match via {
            Via::Initctl => (Action::Ok, Action::Fail, Action::Low, Action::Runlevel(b'0')),
            Via::Signal => (Action::Ok, Action::Fail, Action::Low, Action::Low),
            Via::Command => (Action::None, Action::None, Action::Halt, Action::Halt),
        };
        Actions {
            ok: tell.ok.unwrap_or(ok),
            fail: tell.fail.unwrap_or(fail),
            low: tell.low.unwrap_or(low),
            shutdown: tell.shutdown.unwrap_or(shutdown),
        }
    }

    /// All four.
    pub fn all(self) -> [Action; 4] {
        [self.ok, self.fail, self.low, self.shutdown]
    }
}

/// Decides. The way that no configuration names is init's own where there is one.
///
/// # Errors
/// Nothing fits; the message says what to write.
pub fn route(config: &Config, init: &Init) -> Result<Route, String> {
    let halt = config.halt.clone();
    let (via, halt) = match config.via {
        Some(Via::Command) => (Via::Command, halt),
        Some(via) => (via, halt),
        None if init.systemd && halt.is_empty() => {
            (Via::Command, vec![init.systemctl.clone(), "poweroff".to_owned()])
        }
        None if init.systemd => (Via::Command, halt),
        None if init.fifo.is_some() => (Via::Initctl, halt),
        None if !halt.is_empty() => (Via::Command, halt),
        None if init.catches_sigpwr => (Via::Signal, halt),
        None => {
            return Err(format!(
                "process 1 ({}) has no /run/initctl, is not systemd and does not catch SIGPWR; write\n    \
                 halt /sbin/shutdown -h -P now\nor whatever stops this machine, with its absolute path",
                init.name
            ));
        }
    };
    let actions = Actions::new(via, config.tell);
    let halt = if actions.all().contains(&Action::Halt) { halt } else { Vec::new() };
    let messages = [Action::Ok, Action::Fail, Action::Low];
    for action in actions.all() {
        let runlevel = matches!(action, Action::Runlevel(_));
        if (runlevel && via != Via::Initctl) || (messages.contains(&action) && via == Via::Command)
        {
            let action = match action {
                Action::Ok => "ok",
                Action::Fail => "fail",
                Action::Low => "low",
                _ => "runlevel",
            };
            return Err(format!("tell … {action} does not go with via {}", name(via)));
        }
        if action == Action::Halt && halt.is_empty() {
            return Err("an action is `halt`, but no `halt COMMAND` is given".to_owned());
        }
    }
    Ok(Route { via, chosen: config.via.is_none(), halt, actions })
}

/// As in the configuration.
pub fn name(via: Via) -> &'static str {
    match via {
        Via::Initctl => "initctl",
        Via::Signal => "signal",
        Via::Command => "command",
    }
}
