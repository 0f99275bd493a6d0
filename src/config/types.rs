//! The public types: the file's content, checked, with every default filled in.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cables::{self, Cable};
use super::notify::Notify;
use super::nut::{NutDriver, NutServer, NutSettings};
use crate::fleet::keys::Key;
use crate::rules::Program;

/// One input line of a serial port, from the computer's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Clear to send.
    Cts,
    /// Data set ready.
    Dsr,
    /// Data carrier detect (`cd` is taken too).
    Dcd,
    /// Ring indicator (`ri` is taken too).
    Rng,
}

/// `LINE 0|1`: the line is at that level. True = raised (positive voltage, TIOCM bit set).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Which line.
    pub line: Input,
    /// The level that satisfies it.
    pub level: bool,
}

/// Levels for the two output lines; `None` leaves a line as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// Data terminal ready.
    pub dtr: Option<bool>,
    /// Request to send.
    pub rts: Option<bool>,
}

/// How the UPS is told to cut the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// Levels to drive.
    pub outputs: Outputs,
    /// Hold a break on TxD.
    pub send_break: bool,
}

/// What a UPS is watched through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watch {
    /// A serial line with a contact-closure cable; an absolute path, possibly of a device that is absent.
    Line(PathBuf),
    /// Another machine's upsentry, asked over UDP.
    Master(Master),
    /// A driver of NUT's on this machine, through its socket.
    Driver(NutDriver),
    /// A server of NUT's, on this machine or another.
    Server(NutServer),
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Watch::Line(path) => path.display().fmt(f),
            Watch::Master(master) => f.write_str(&master.host),
            Watch::Driver(driver) => write!(f, "driver:{}", driver.name),
            Watch::Server(server) => server.fmt(f),
        }
    }
}

impl Watch {
    /// The machine that is asked, a name to look up or an address; `None`: nothing is asked over the network.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Watch::Line(_) | Watch::Driver(_) => None,
            Watch::Master(master) => Some(&master.host),
            Watch::Server(server) => Some(&server.host),
        }
    }
}

/// A UPS that another machine watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Master {
    /// The machine: a name to look up, in small letters, or an address.
    pub host: String,
    /// What it calls the UPS; the section's name where none was written.
    pub ups: String,
    /// None was written: a master with a single UPS means that one.
    pub or_only: bool,
}

/// One UPS, with every default filled in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ups {
    /// 1..=63 bytes of `[A-Za-z0-9._-]`, unique in the file.
    pub name: String,
    /// Line number of its `watch`, for messages.
    pub watch_line: usize,
    /// What it is watched through.
    pub watch: Watch,
    /// The cable that `model` named.
    #[serde(with = "cable_name")]
    pub model: Option<&'static Cable>,
    /// On battery while all of these hold; empty: never said by a line.
    pub fail: Vec<Condition>,
    /// Battery low while all of these (and `fail`) hold; empty: never said by a line.
    pub low: Vec<Condition>,
    /// The cable is there while all of these hold; empty: not known.
    pub sense: Vec<Condition>,
    /// Levels set when the port is opened.
    pub init: Outputs,
    /// How to cut the load; `None`: no line to drive.
    pub kill: Option<Kill>,
    /// A status must hold so long to be believed. Default 20 ms; 0: at once.
    pub debounce: Duration,
    /// Nothing is believed until so long after `init` was set. Default 2 s.
    pub settle: Duration,
    /// On battery so long before it is reported. Default 0.
    pub fail_after: Duration,
    /// On mains so long before it is reported. Default 0.
    pub ok_after: Duration,
    /// Low so long before it is reported. Default 2 s.
    pub low_after: Duration,
    /// How long LOW is held back after a jump from mains to all inputs zero. Default 60 s.
    pub cable_grace: Duration,
    /// Shut down after so long on battery; `None`: never.
    pub shutdown_after: Option<Duration>,
    /// Network sources: silence so long is loss of contact. Default 15 s.
    pub deadtime: Duration,
    /// Blind on battery so long is a shutdown. Default: `deadtime`.
    pub blind_after: Duration,
    /// Its weight in `need`. Default 1; 0: watch only.
    pub power: u32,
    /// Of its own `password`, else of the defaults'; `None`: there is none.
    pub key: Option<Key>,
    /// What is said of a UPS that NUT watches; the defaults for any other.
    pub nut: NutSettings,
    /// What `-k` runs to cut the load, absolute path first: what was written, else for a driver its own `-k`;
    /// empty: nothing.
    pub kill_command: Vec<String>,
}

/// How init hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Via {
    /// Requests on init's FIFO.
    Initctl,
    /// A powerstatus file and SIGPWR to process 1.
    Signal,
    /// The `halt` command.
    Command,
}

/// What `tell` maps an event to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Say nothing.
    None,
    /// Power is back (initctl command 4, `OK`).
    Ok,
    /// Power is failing (initctl command 2, `FAIL`).
    Fail,
    /// Power is failing now (initctl command 3, `LOW`).
    Low,
    /// Change to this runlevel, a character init takes: `0`-`6`, `s`, `S`.
    Runlevel(u8),
    /// Run the `halt` command.
    Halt,
}

/// The four rows of `tell`; `None` where the file says nothing (the defaults depend on `via`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tell {
    /// Mains returned.
    pub ok: Option<Action>,
    /// On battery.
    pub fail: Option<Action>,
    /// On battery and low.
    pub low: Option<Action>,
    /// Shut down now.
    pub shutdown: Option<Action>,
}

/// A user as written: a name, or a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserSpec {
    /// To be looked up in passwd.
    Name(String),
    /// A uid, taken as it is.
    Id(u32),
}

/// A group as written: a name, or a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupSpec {
    /// To be looked up in group.
    Name(String),
    /// A gid, taken as it is.
    Id(u32),
}

/// Where `status` asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusSocket {
    /// Default /run/upsentry/status.
    pub path: PathBuf,
    /// Who may connect: permission bits, 0..=0o777. Default 0660.
    pub mode: u32,
    /// `None`: root's.
    pub group: Option<GroupSpec>,
}

/// A `slave` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlaveHost {
    /// A name to look up, in small letters, or an address, of a group too.
    pub name: String,
    /// Its line number, for messages.
    pub line: usize,
}

/// A `listen` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// Of this machine, or of a group.
    pub address: IpAddr,
    /// Its line number, for messages.
    pub line: usize,
}

/// The whole file, checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// How many lines it has.
    pub lines: usize,
    /// At least one.
    pub ups: Vec<Ups>,
    /// The machine is OK while the power on mains is at least this. 1 with one feed.
    pub need: u32,
    /// `None`: chosen by what PID 1 is.
    pub via: Option<Via>,
    /// `None`: /run/initctl, else /dev/initctl.
    pub initctl: Option<PathBuf>,
    /// Default /run/powerstatus.
    pub powerstatus: PathBuf,
    /// The halt command, absolute path first; empty: none.
    pub halt: Vec<String>,
    /// Changed rows of the told table.
    pub tell: Tell,
    /// After L or S with the machine still up: ask for runlevel 0 each so often. Default 60 s.
    pub insist: Duration,
    /// Seconds between TERM and KILL that init keeps, 1..=60. Default 5.
    pub sleep_time: u8,
    /// The monitor's user. Default `_upsentry`.
    pub user: UserSpec,
    /// The parent's user. Default `_upsentryd`.
    pub notifier_user: UserSpec,
    /// The empty root. Default /run/upsentry/empty.
    pub chroot: PathBuf,
    /// Default [`STATE_FILE`].
    pub state_file: PathBuf,
    /// Default [`PID_FILE`].
    pub pid_file: PathBuf,
    /// Default /var/lib/upsentry/history.
    pub history_file: PathBuf,
    /// How long `-k` holds the kill signal. Default 10 s.
    pub kill_hold: Duration,
    /// How long the last act of a halt waits for the power to go where it can read nothing, beside
    /// [`Config::slave_wait`]. Default 3 min.
    pub kill_wait: Duration,
    /// As a master: the hosts that are told, and without a key the only ones that are answered.
    pub slaves: Vec<SlaveHost>,
    /// As a master: the addresses that are served; none: all. As a slave: the groups that it joins.
    pub listen: Vec<Listen>,
    /// UDP port of a master. Default [`PORT`].
    pub port: u16,
    /// Files of 32 secret bytes, at most two: the first is used to speak, both are understood.
    pub key_files: Vec<PathBuf>,
    /// A `password` stands before the first `ups`.
    pub fleet_password: bool,
    /// Its key, which only a start needs: what this machine, as a master, is spoken to with.
    pub fleet_key: Option<Key>,
    /// How long a master that goes down waits for its slaves. Default 60 s.
    pub slave_wait: Duration,
    /// How long a slave needs its power after it said goodbye. Default 30 s.
    pub halt_time: Duration,
    /// `None`: no status is served.
    pub status_socket: Option<StatusSocket>,
    /// NUT's list of UPSs. Default [`UPS_CONF`](super::UPS_CONF).
    pub ups_conf: PathBuf,
    /// Where NUT's drivers have their sockets; empty: none is watched, or ups.conf was not read.
    pub state_path: PathBuf,
    /// As a primary: how long the others that are logged in are waited for. Default 15 s.
    pub host_sync: Duration,
    /// The rules of this file, and of [`Self::rules_file`] once that was read.
    pub rules: Program,
    /// More rules are in there; `None`: in no file, or none is needed for the purpose.
    pub rules_file: Option<PathBuf>,
    /// What is missing unless a rule of that file can shut the machine down.
    pub means: Option<String>,
    /// The notify hook; `None`: there is none, and no process for it.
    pub notify: Option<Notify>,
    /// Things to say that do not stop a start, already formatted as `FILE:LINE:COLUMN: warning: …`.
    pub warnings: Vec<String>,
}

/// Where the state file is unless the configuration says otherwise.
pub const STATE_FILE: &str = "/run/upsentry.state";

/// And the file with the parent's number.
pub const PID_FILE: &str = "/run/upsentry.pid";

/// UDP port of a master. IANA has given 4381 to 4388 to nobody; it is not what NUT (3493) and apcupsd (3551)
/// use, and no socket without a port of its own gets it by chance (32768 and up).
pub const PORT: u16 = 4386;

impl Config {
    /// Tells other machines: it has slaves, or a UPS of its own to tell of, an address to listen on, and a key that
    /// proves who may ask.
    #[must_use]
    pub fn is_master(&self) -> bool {
        let serves = self.listen.iter().any(|listen| !is_group(listen.address));
        let own = self.ups.iter().any(|ups| !matches!(ups.watch, Watch::Master(_)));
        !self.slaves.is_empty() || (own && serves && self.has_key())
    }

    /// Slaves can prove that they may ask.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.fleet_password || !self.key_files.is_empty()
    }

    /// The keys to speak with, the first, and to understand: `files` are the key files', `password` is that
    /// of a UPS or of the whole. A password that a UPS has for itself counts alone.
    #[must_use]
    pub fn ring(&self, files: &[Key], password: Option<&Key>) -> Vec<Key> {
        let own = password.filter(|_| password != self.fleet_key.as_ref());
        let files = files.iter().filter(|_| own.is_none());
        files.chain(password).cloned().collect()
    }

    /// Forgets all keys and passwords: they are the jail's, and no other process has a use for them.
    pub fn forget_keys(&mut self) {
        self.fleet_key = None;
        self.ups.iter_mut().for_each(|ups| (ups.key, ups.nut.login) = (None, None));
    }

    /// Speaks to other machines at all.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.is_master() || self.ups.iter().any(|ups| matches!(ups.watch, Watch::Master(_)))
    }
}

/// An address that several machines have: a multicast group, or everyone on this wire. That an address is a
/// network's broadcast address cannot be seen from itself.
#[must_use]
pub fn is_group(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_multicast() || four.is_broadcast(),
        IpAddr::V6(six) => six.is_multicast(),
    }
}

/// Why a file is read: what it may leave out depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To run, or to `check`: it must be complete, and something must be able to shut the machine down.
    Run,
    /// For `-t`: a `watch` is enough.
    Test,
    /// For `-k`: nothing may be missing that decides whether the kill signal is sent.
    Kill,
}

impl Input {
    /// Its name as written in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cts => "cts",
            Self::Dsr => "dsr",
            Self::Dcd => "dcd",
            Self::Rng => "rng",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.line.word(), u8::from(self.level))
    }
}

impl Outputs {
    /// What the lines are once these levels are set on top of `before`.
    #[must_use]
    pub fn over(self, before: Self) -> Self {
        Self { dtr: self.dtr.or(before.dtr), rts: self.rts.or(before.rts) }
    }
}

impl fmt::Display for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels = [("dtr", self.dtr), ("rts", self.rts)];
        let mut blank = "";
        for (line, level) in levels {
            if let Some(level) = level {
                write!(f, "{blank}{line} {}", u8::from(level))?;
                blank = " ";
            }
        }
        Ok(())
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.send_break, self.outputs == Outputs::default()) {
            (true, true) => write!(f, "break"),
            (true, false) => write!(f, "{} break", self.outputs),
            (false, _) => write!(f, "{}", self.outputs),
        }
    }
}

impl Kill {
    /// As the lines stand on a connector: `DTR 1 RTS 0 break`.
    #[must_use]
    pub fn upper(&self) -> String {
        self.to_string().to_uppercase().replace("BREAK", "break")
    }
}

/// Conditions in the words of the file: `cts 0 dcd 1`.
#[must_use]
pub fn words(conditions: &[Condition]) -> String {
    let words: Vec<String> = conditions.iter().map(Condition::to_string).collect();
    words.join(" ")
}

/// A duration in the words of the file, in the largest unit that divides it; a minute is `60s`.
#[must_use]
pub fn time(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        _ if ms % 60_000 == 0 && ms > 60_000 => format!("{}m", ms / 60_000),
        _ if ms % 1000 == 0 => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

/// A cable travels as its name.
mod cable_name {
    use super::{Cable, cables};
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::{Serialize, Serializer};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(
        cable: &Option<&'static Cable>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        cable.map(|cable| cable.name).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<&'static Cable>, D::Error> {
        let name: Option<Cow<'de, str>> = Option::deserialize(deserializer)?;
        Ok(name.and_then(|name| cables::find(&name)))
    }
}
