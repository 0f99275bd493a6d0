//! The notify hook: what is run, by whom, and on which occasions.

use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::parse::{File, Section, value};
use super::types::{Config, UserSpec};
use super::values::Value;

/// An occasion to run the notify command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Occasion {
    /// A UPS went on battery.
    Fail,
    /// It is back on mains.
    Ok,
    /// Its battery is low.
    Low,
    /// The machine goes down.
    Shutdown,
    /// Contact with a UPS was lost.
    Lost,
    /// It was found again.
    Found,
    /// A UPS wants a new battery: RB in its status.
    ReplaceBattery,
    /// The first start after upsentry brought the machine down.
    StartedAfterOutage,
    /// A rule's words.
    Notice,
}

impl Occasion {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Fail,
        Self::Ok,
        Self::Low,
        Self::Shutdown,
        Self::Lost,
        Self::Found,
        Self::ReplaceBattery,
        Self::StartedAfterOutage,
        Self::Notice,
    ];

    /// As the file says it, and as the command hears it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Ok => "ok",
            Self::Low => "low",
            Self::Shutdown => "shutdown",
            Self::Lost => "lost",
            Self::Found => "found",
            Self::ReplaceBattery => "replace-battery",
            Self::StartedAfterOutage => "started-after-outage",
            Self::Notice => "notice",
        }
    }
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Absolute path first; never empty.
    pub command: Vec<String>,
    /// On these occasions.
    pub on: Vec<Occasion>,
    /// By this user. Default `_upsentryn`.
    pub user: UserSpec,
}

/// What the file says of it; `None`: nothing is run.
pub(super) fn notify(machine: &Section) -> Option<Notify> {
    let command = value!(machine, "notify-command", Value::Words)?;
    let chosen = machine.all("notify").filter_map(|entry| match entry.value {
        Value::Occasion(occasion) => Some(occasion),
        _ => None,
    });
    let chosen: Vec<Occasion> = chosen.collect();
    let on = if chosen.is_empty() { Occasion::ALL.to_vec() } else { chosen };
    let user = value!(machine, "notify-user", Value::User);
    Some(Notify {
        command,
        on,
        user: user.unwrap_or_else(|| UserSpec::Name("_upsentryn".to_owned())),
    })
}

/// Directives of it that do not go together.
pub(super) fn check(file: &File, config: &Config, said: &mut Vec<Diagnostic>) {
    let machine = &file.machine;
    for name in ["notify", "notify-user"] {
        let entry = machine.first(name).filter(|entry| entry.value != Value::Void);
        if let (Some(entry), None) = (entry, machine.first("notify-command")) {
            let message = format!("`{name}' without a `notify-command' does nothing");
            said.push(entry.span.error(message));
        }
    }
    let Some(notify) = &config.notify else { return };
    for (name, other) in [("user", &config.user), ("notifier-user", &config.notifier_user)] {
        if notify.user == *other {
            said.push(machine.place(&["notify-user", name]).error(format!(
                "`notify-user' and `{name}' must differ: a command could kill what runs as its user"
            )));
        }
    }
}
