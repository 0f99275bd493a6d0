//! Every directive there is, as data; and which of a line may be shown to others.

use super::words::suggest;

/// What may follow a directive's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Ups,
    Watch,
    Model,
    Inputs,
    Outputs,
    /// Bounds in ms.
    Time(u64, u64),
    /// Bounds.
    Number(u32, u32),
    Path,
    Command,
    User,
    Via,
    Tell,
    /// A host that is told.
    Slave,
    /// An address to listen on.
    Address,
    /// Two at most.
    KeyFile,
    Password,
    StatusSocket,
    /// The directive says all by itself.
    Bare,
    /// A flag of NUT's and its meaning.
    Flag,
    /// When the notify command is run.
    Occasions,
    /// The fingerprint of a key.
    Pin,
    /// The rest of the line is a rule.
    Rule,
}

const S: u64 = 1000;
const H: u64 = 3600 * S;
const MONTH: u64 = 30 * 24 * H;

/// A directive.
#[derive(Debug)]
pub(super) struct Directive {
    pub name: &'static str,
    /// Whose it is: the machine's, or a UPS's.
    pub machine: bool,
    pub kind: Kind,
    /// How to write it, for messages.
    pub example: &'static str,
}

const fn ups(name: &'static str, kind: Kind, example: &'static str) -> Directive {
    Directive { name, machine: false, kind, example }
}

const fn machine(name: &'static str, kind: Kind, example: &'static str) -> Directive {
    Directive { name, machine: true, kind, example }
}

const DIRECTIVES: &[Directive] = &[
    ups("ups", Kind::Ups, "ups left"),
    ups("watch", Kind::Watch, "watch ttyS0"),
    ups("model", Kind::Model, "model power99"),
    ups("fail", Kind::Inputs, "fail cts 0"),
    ups("low", Kind::Inputs, "low dcd 0"),
    ups("sense", Kind::Inputs, "sense dsr 1"),
    ups("init", Kind::Outputs, "init rts 1"),
    ups("kill", Kind::Outputs, "kill dtr 1"),
    ups("debounce", Kind::Time(0, 10 * S), "debounce 20ms"),
    ups("settle", Kind::Time(0, 60 * S), "settle 2s"),
    ups("fail-after", Kind::Time(0, MONTH), "fail-after 5s"),
    ups("ok-after", Kind::Time(0, MONTH), "ok-after 5s"),
    ups("low-after", Kind::Time(0, H), "low-after 2s"),
    ups("cable-grace", Kind::Time(0, H), "cable-grace 60s"),
    ups("shutdown-after", Kind::Time(0, MONTH), "shutdown-after 5m"),
    ups("deadtime", Kind::Time(100, H), "deadtime 15s"),
    ups("blind-after", Kind::Time(100, 24 * H), "blind-after 15s"),
    ups("power", Kind::Number(0, 1000), "power 1"),
    ups("password", Kind::Password, "password WORDS"),
    ups("kill-command", Kind::Command, "kill-command /usr/local/sbin/cut-load rack"),
    ups("poll", Kind::Time(200, 30 * S), "poll 5s"),
    ups("primary", Kind::Bare, "primary"),
    ups("flag", Kind::Flag, "flag bypass battery"),
    ups("ca-file", Kind::Path, "ca-file /etc/upsentry/ca.pem"),
    ups("tls-pin", Kind::Pin, "tls-pin HEX"),
    machine("need", Kind::Number(1, 1_000_000), "need 1"),
    machine("via", Kind::Via, "via initctl"),
    machine("initctl", Kind::Path, "initctl /run/initctl"),
    machine("powerstatus", Kind::Path, "powerstatus /run/powerstatus"),
    machine("halt", Kind::Command, "halt /sbin/shutdown -hP now"),
    machine("tell", Kind::Tell, "tell low runlevel 0"),
    machine("insist", Kind::Time(S, 24 * H), "insist 60s"),
    machine("sleep-time", Kind::Time(S, 60 * S), "sleep-time 5s"),
    machine("user", Kind::User, "user _upsentry"),
    machine("notifier-user", Kind::User, "notifier-user _upsentryd"),
    machine("chroot", Kind::Path, "chroot /run/upsentry/empty"),
    machine("state-file", Kind::Path, "state-file /run/upsentry.state"),
    machine("pid-file", Kind::Path, "pid-file /run/upsentry.pid"),
    machine("history-file", Kind::Path, "history-file /var/lib/upsentry/history"),
    machine("kill-hold", Kind::Time(0, 600 * S), "kill-hold 10s"),
    machine("kill-wait", Kind::Time(0, H), "kill-wait 3m"),
    machine("slave", Kind::Slave, "slave host.example"),
    machine("listen", Kind::Address, "listen 192.0.2.1"),
    machine("port", Kind::Number(1, 65535), "port 4386"),
    machine("key-file", Kind::KeyFile, "key-file /etc/upsentry.key"),
    machine("slave-wait", Kind::Time(0, H), "slave-wait 60s"),
    machine("halt-time", Kind::Time(0, 600 * S), "halt-time 30s"),
    machine("status-socket", Kind::StatusSocket, "status-socket /run/upsentry/status 0660 adm"),
    machine("ups-conf", Kind::Path, "ups-conf /etc/nut/ups.conf"),
    machine("host-sync", Kind::Time(0, 600 * S), "host-sync 15s"),
    machine("notify", Kind::Occasions, "notify fail ok low shutdown"),
    machine("notify-command", Kind::Command, "notify-command /etc/upsentry/notify"),
    machine("notify-user", Kind::User, "notify-user _upsentryn"),
    machine("rule", Kind::Rule, "rule charge: if battery.charge < 20 then shutdown"),
    machine("rules", Kind::Path, "rules /etc/upsentry.rules"),
];

/// The directive called so.
pub(super) fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.name == name)
}

/// The directive that may have been meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    suggest(name, DIRECTIVES.iter().map(|directive| directive.name))
}

/// The line as it may be shown: of one that may hold a password, or that is like no directive, only
/// the first word, and of that only what could be a directive's name.
pub(super) fn without_secrets(line: &str) -> String {
    let line = line.trim_end();
    let (blanks, rest) = line.split_at(line.len() - line.trim_start().len());
    let (name, more) = name_like(rest);
    let word = rest.split([' ', '\t']).next().unwrap_or_default();
    let meant = find(word).map(|directive| directive.name).or_else(|| nearest(word));
    // The password of a URL, which does not belong there.
    let url = rest.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    let in_url = url.is_some_and(|(user, _)| user.contains(':'));
    let shown = match meant.filter(|_| !in_url) {
        None | Some("password") => format!("{blanks}{name}{more}"),
        Some(_) => line.to_owned(),
    };
    shown.replace(is_unprintable, "?")
}

/// A word's beginning, as far as it could be a directive's name, and dots for what follows:
/// `password=x` tells no password.
pub(super) fn name_like(word: &str) -> (&str, &'static str) {
    let other = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
    let (name, rest) = word.split_at(word.find(other).unwrap_or(word.len()));
    (name, if rest.is_empty() { "" } else { "..." })
}

pub(super) fn is_unprintable(c: char) -> bool {
    (c.is_control() && c != '\t') || c == '\u{feff}'
}
