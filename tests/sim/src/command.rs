//! The lines that drive the simulator: pure parsing.

use crate::faults::{self, Fault};
use crate::lines::Change;
use nix::errno::Errno;
use std::time::Duration;

/// What a refused TIOCMIWAIT answers when nobody said.
pub const REFUSAL: Errno = Errno::ENOTTY;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Something happens to the port of this name.
    Port(String, PortCommand),
    /// init no longer reads its FIFO.
    StopInit,
    /// init reads it again.
    StartInit,
    /// init closes its end, as on SIGUSR2.
    CloseInit,
    /// init opens its end again, making the FIFO if it is gone, as on SIGUSR1.
    OpenInit,
    /// The FIFO is removed under everybody's hands.
    UnlinkInit,
    /// Calls fail.
    Fail(Fault),
    /// No call fails any more.
    FailOff,
    /// End everything.
    Quit,
    /// A remark for the log.
    Mark(String),
}

/// What can happen to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortCommand {
    /// Lines take levels.
    Set(Change),
    /// Lines take levels for so long, then go back.
    Pulse(Change, Duration),
    /// So many changes, one each so long; the last leaves the levels given.
    Bounce(Change, u32, Duration),
    /// TIOCMIWAIT is refused with this error, or served again.
    Refuse(Option<Errno>),
    /// Every modem call fails with EIO, or works again.
    Eio(bool),
    /// The tty hangs up: what has it open has a dead descriptor.
    Hangup,
    /// The adapter is pulled: EIO, hang-up and no device file any more.
    Unplug,
    /// The adapter is back.
    Plug,
}

/// Parses one line; `None` when it is empty or a `#` remark.
pub fn parse(line: &str) -> Result<Option<Command>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let alone = |command: Command| {
        if rest.is_empty() {
            Ok(command)
        } else {
            Err(format!("`{verb}` takes nothing, so not `{rest}`"))
        }
    };
    let command = match verb {
        "mark" => Ok(Command::Mark(rest.to_owned())),
        "fail" if rest == "off" => Ok(Command::FailOff),
        "fail" => faults::parse(rest).map(Command::Fail),
        "quit" => alone(Command::Quit),
        "stop-init" => alone(Command::StopInit),
        "start-init" => alone(Command::StartInit),
        "close-init" => alone(Command::CloseInit),
        "open-init" => alone(Command::OpenInit),
        "unlink-init" => alone(Command::UnlinkInit),
        _ => port_command(verb, rest),
    }?;
    Ok(Some(command))
}

fn port_command(verb: &str, rest: &str) -> Result<Command, String> {
    let mut words = rest.split_whitespace();
    let mut port = || words.next().ok_or_else(|| format!("`{verb}` needs the name of a port"));
    let known = ["set", "pulse", "bounce", "refuse", "eio", "hangup", "unplug", "plug"];
    if !known.contains(&verb) {
        return Err(format!("no command `{verb}`"));
    }
    let name = port()?.to_owned();
    let words: Vec<&str> = words.collect();
    let what = match (verb, words.as_slice()) {
        ("set", levels) => PortCommand::Set(change(levels)?),
        ("pulse", [levels @ .., time]) => PortCommand::Pulse(change(levels)?, duration(time)?),
        ("bounce", [levels @ .., times, period]) => {
            let times =
                times.parse().map_err(|_| format!("`{times}` is not a number of changes"))?;
            PortCommand::Bounce(change(levels)?, times, duration(period)?)
        }
        ("refuse", ["on"]) => PortCommand::Refuse(Some(REFUSAL)),
        ("refuse", ["on", name]) => PortCommand::Refuse(Some(errno(name)?)),
        ("refuse", ["off"]) => PortCommand::Refuse(None),
        ("eio", ["on"]) => PortCommand::Eio(true),
        ("eio", ["off"]) => PortCommand::Eio(false),
        ("hangup", []) => PortCommand::Hangup,
        ("unplug", []) => PortCommand::Unplug,
        ("plug", []) => PortCommand::Plug,
        _ => return Err(format!("`{verb} {rest}` is not how `{verb}` is written")),
    };
    Ok(Command::Port(name, what))
}

/// Parses `cts=1 dcd=0`, at least one.
pub fn change<'a>(words: impl IntoIterator<Item = &'a &'a str>) -> Result<Change, String> {
    let mut change = Change::default();
    for word in words {
        change.add(word)?;
    }
    if change.is_empty() {
        return Err("no line to change".to_owned());
    }
    Ok(change)
}

/// The errors with which TIOCMIWAIT can be refused.
pub fn errno(name: &str) -> Result<Errno, String> {
    match name {
        "ENOTTY" => Ok(Errno::ENOTTY),
        "EINVAL" => Ok(Errno::EINVAL),
        "EIO" => Ok(Errno::EIO),
        _ => Err(format!("`{name}` is not ENOTTY, EINVAL or EIO")),
    }
}

/// Parses `3ms`, `1.5s`, `200us`.
pub fn duration(word: &str) -> Result<Duration, String> {
    let wrong = || format!("`{word}` is not a time such as 3ms, 1.5s or 200us");
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = word.split_at(end);
    let nanos: u64 = match unit {
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" => 1_000,
        _ => return Err(wrong()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.contains('.') || part.len() > 9 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let scale = 10u64.pow(u32::try_from(part.len()).map_err(|_| wrong())?);
    let part: u64 = if part.is_empty() { 0 } else { part.parse().map_err(|_| wrong())? };
    let total = whole.checked_mul(nanos).and_then(|n| {
        n.checked_add(u64::try_from(u128::from(part) * u128::from(nanos) / u128::from(scale)).ok()?)
    });
    total.map(Duration::from_nanos).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Command {
        parse(line).unwrap().unwrap()
    }

    #[test]
    fn every_command_is_understood() {
        let drop = change(&["cts=0", "dcd=1"]).unwrap();
        let ms = Duration::from_millis;
        let port = |what| Command::Port("a".to_owned(), what);
        assert_eq!(one("set a cts=0 dcd=1"), port(PortCommand::Set(drop)));
        assert_eq!(one(" pulse a cts=0  dcd=1 3ms "), port(PortCommand::Pulse(drop, ms(3))));
        assert_eq!(
            one("bounce a cts=0 dcd=1 5 1.5s"),
            port(PortCommand::Bounce(drop, 5, ms(1500)))
        );
        assert_eq!(one("refuse a on"), port(PortCommand::Refuse(Some(Errno::ENOTTY))));
        assert_eq!(one("refuse a on EINVAL"), port(PortCommand::Refuse(Some(Errno::EINVAL))));
        assert_eq!(one("refuse a off"), port(PortCommand::Refuse(None)));
        assert_eq!(one("eio a on"), port(PortCommand::Eio(true)));
        assert_eq!(one("eio a off"), port(PortCommand::Eio(false)));
        assert_eq!(one("hangup a"), port(PortCommand::Hangup));
        assert_eq!(one("unplug a"), port(PortCommand::Unplug));
        assert_eq!(one("plug a"), port(PortCommand::Plug));
        assert_eq!(one("stop-init"), Command::StopInit);
        assert_eq!(one("start-init"), Command::StartInit);
        assert_eq!(one("close-init"), Command::CloseInit);
        assert_eq!(one("open-init"), Command::OpenInit);
        assert_eq!(one("unlink-init"), Command::UnlinkInit);
        assert_eq!(one("fail x read EIO"), Command::Fail(faults::parse("x read EIO").unwrap()));
        assert_eq!(one("fail off"), Command::FailOff);
        assert_eq!(one("quit"), Command::Quit);
        assert_eq!(one("mark  a b"), Command::Mark("a b".to_owned()));
    }

    #[test]
    fn remarks_and_nothing_are_nothing() {
        assert_eq!(parse("  "), Ok(None));
        assert_eq!(parse("# set a cts=1"), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for line in [
            "sett a cts=1",
            "set",
            "set a",
            "set a cts",
            "pulse a cts=1",
            "pulse a 3ms",
            "bounce a cts=1 3ms",
            "bounce a cts=0 -1 3ms",
            "refuse a",
            "refuse a on EPERM",
            "eio a maybe",
            "quit now",
            "fail x",
            "hangup a b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn times_have_units_and_fractions() {
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("200us"), Ok(Duration::from_micros(200)));
        assert_eq!(duration("0.25ms"), Ok(Duration::from_micros(250)));
        for wrong in [
            "",
            "3",
            "ms",
            ".5s",
            "1..5s",
            "1.2.3s",
            "3m",
            "-1s",
            "99999999999999999999s",
            "18446744073710s",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
