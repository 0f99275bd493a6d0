//! The public types of what NUT watches: a driver on this machine, or a UPS of a server.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::nut::Secret;
use crate::nut::flags::Treat;

/// The port of NUT's servers, which IANA gave them.
pub const SERVER_PORT: u16 = 3493;
/// Where NUT keeps its list of UPSs.
pub const UPS_CONF: &str = "/etc/nut/ups.conf";
/// The longest path that a Unix socket's address holds.
pub const LONGEST_SOCKET: usize = 107;

/// A UPS that a driver of NUT's reads on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NutDriver {
    /// Its section in ups.conf; never empty, without `/`.
    pub name: String,
    /// `driver` of that section, without `/`; empty: not known, because ups.conf was not read.
    pub program: String,
}

impl NutDriver {
    /// The name of the driver's socket in the state path; `None`: the program is not known.
    #[must_use]
    pub fn socket(&self) -> Option<String> {
        let NutDriver { name, program } = self;
        (!program.is_empty()).then(|| format!("{program}-{name}"))
    }
}

/// A UPS that a server of NUT's (upsd) tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NutServer {
    /// Nothing is said before STARTTLS: `nut+tls://`.
    pub tls: bool,
    /// Who logs in; `None`: the UPS is only asked.
    pub user: Option<String>,
    /// A name to look up, in small letters, or an address, without brackets.
    pub host: String,
    /// Default [`SERVER_PORT`].
    pub port: u16,
    /// What the server calls the UPS.
    pub ups: String,
}

impl fmt::Display for NutServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "nut+tls" } else { "nut" };
        write!(f, "{scheme}://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]")?,
            Err(_) => f.write_str(&self.host)?,
        }
        if self.port != SERVER_PORT {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}", self.ups)
    }
}

/// What else is said of a UPS that NUT watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NutSettings {
    /// A server is asked so often. Default 5 s; 200 ms to 30 s.
    pub poll: Duration,
    /// This machine says when the others on the UPS must shut down (`primary`).
    pub primary: bool,
    /// What OFF, BYPASS and ALARM are taken for.
    pub treat: Treat,
    /// Of `password`, for a server only.
    pub login: Option<Secret>,
    /// Who may have signed the server's certificate: PEM, read as root at the start.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the SubjectPublicKeyInfo that the server's certificate must have.
    pub pin: Option<[u8; 32]>,
}

impl Default for NutSettings {
    fn default() -> NutSettings {
        NutSettings {
            poll: Duration::from_secs(5),
            primary: false,
            treat: Treat::default(),
            login: None,
            ca_file: None,
            pin: None,
        }
    }
}
