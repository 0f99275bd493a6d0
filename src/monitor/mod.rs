//! The jail and all that runs in it: the warden, which only forks and kills monitors, and the monitor,
//! which reads the lines, asks masters, tells slaves, and decides.

mod debounce;
mod fed;
pub mod filter;
mod lines;
mod local;
mod memory;
mod net;
pub mod power;
mod remote;
mod ruled;
mod run;
mod serve;
mod shown;
mod sync;
pub mod test;
mod told;
mod upstream;
mod voice;
mod waiter;
pub mod warden;

use core::net::SocketAddr;
use core::time::Duration;
use std::os::fd::OwnedFd;

use crate::fleet::master::Listed;
use crate::fleet::seal::Keyring;
use crate::nut::flags::Treat;
use crate::nut::server;
use crate::nut::tls::{self, Client};
use crate::rules::Program;
use crate::sys::cage::Cage;
use crate::sys::udp::Udp;

/// One UPS for the monitor.
#[derive(Debug)]
pub struct Line {
    /// Its name on the pipe.
    pub name: String,
    /// Its port, opened and set; `None`: the device is absent.
    pub tty: Option<OwnedFd>,
    /// Conditions and times.
    pub settings: power::Settings,
}

/// One UPS that another machine watches, for the monitor.
#[derive(Debug)]
pub struct Distant {
    /// Its name on the pipe.
    pub name: String,
    /// The master, as the configuration calls it.
    pub host: String,
    /// All its addresses; none: the name does not resolve yet.
    pub addresses: Vec<SocketAddr>,
    /// The keys that it is spoken to with; none: only these addresses are heard.
    pub ring: Keyring,
    /// The master's name for it.
    pub ups: String,
    /// A master with a single UPS means that one.
    pub or_only: bool,
    /// Silence so long is loss of contact.
    pub deadtime: Duration,
    /// It feeds this machine; else it is only watched.
    pub feeds: bool,
    /// Times.
    pub settings: power::Settings,
}

/// One UPS that NUT watches, for the monitor.
#[derive(Debug)]
pub struct Fed {
    /// Its name on the pipe.
    pub name: String,
    /// The driver or the server, as the log calls it.
    pub source: String,
    /// It feeds this machine; else it is only watched.
    pub feeds: bool,
    /// Data so old is loss of contact.
    pub deadtime: Duration,
    /// What OFF, BYPASS and ALARM are taken for.
    pub treat: Treat,
    /// Variables that rules name.
    pub wanted: Vec<String>,
    /// Times.
    pub settings: power::Settings,
    /// How it is asked.
    pub asked: Source,
}

/// How NUT is asked for a UPS.
#[derive(Debug)]
pub enum Source {
    /// Its driver, at this path in the jail.
    Driver(String),
    /// A server.
    Server(Box<Upsd>),
}

/// A server of NUT's.
#[derive(Debug)]
pub struct Upsd {
    /// All its addresses; none: the name does not resolve yet.
    pub addresses: Vec<SocketAddr>,
    /// TCP, non-blocking: one for each family of the addresses, IPv4 first.
    pub sockets: Vec<OwnedFd>,
    /// Who asks for what, and how often.
    pub settings: server::Settings,
    /// For `nut+tls://`.
    pub tls: Option<Secured>,
}

/// Who a server must be.
#[derive(Debug)]
pub struct Secured {
    /// Of `ca-file`: PEM, as it stands there.
    pub anchors: Option<Vec<u8>>,
    /// SHA-256 of its certificate's SubjectPublicKeyInfo.
    pub pin: Option<[u8; 32]>,
    /// The host that its certificate must name.
    pub host: String,
    /// Made of these in the jail: nothing is parsed before.
    pub made: Option<Box<dyn Client>>,
}

impl Fed {
    /// Those that are there from the start.
    pub fn sockets(&self) -> impl Iterator<Item = &OwnedFd> {
        let server = match &self.asked {
            Source::Driver(_) => None,
            Source::Server(upsd) => Some(upsd),
        };
        server.into_iter().flat_map(|upsd| &upsd.sockets)
    }

    /// It is asked through a socket that the monitor makes.
    pub fn is_driver(&self) -> bool {
        matches!(self.asked, Source::Driver(_))
    }

    /// It is asked under TLS.
    pub fn secured(&self) -> bool {
        matches!(&self.asked, Source::Server(upsd) if upsd.tls.is_some())
    }

    /// Makes of the `ca-file` what the server must be; in the jail.
    ///
    /// # Errors
    /// It holds no certificate that can be used; what to do.
    fn trust(&mut self) -> Result<(), String> {
        let Source::Server(upsd) = &mut self.asked else { return Ok(()) };
        let Some(secured) = &mut upsd.tls else { return Ok(()) };
        // Without it the program would have become one that has it.
        let make = tls::maker().ok_or_else(|| format!("{}: no TLS in this program", self.name))?;
        let made = make(secured.anchors.take().as_deref(), secured.pin);
        secured.made = Some(made.map_err(|error| format!("{}: ca-file: {error}", self.name))?);
        Ok(())
    }

    /// This machine is a primary of the server's.
    pub fn is_primary(&self) -> bool {
        matches!(&self.asked, Source::Server(upsd) if upsd.settings.primary)
    }
}

/// How this machine goes down beside others on a NUT server.
#[derive(Clone, Copy, Debug)]
pub struct Together {
    /// Of the power of all feeds.
    pub need: u32,
    /// How long the others have.
    pub host_sync: Duration,
}

/// What the monitor needs to tell slaves.
#[derive(Debug)]
pub struct Serving {
    /// Its keys; none: only listed addresses are answered.
    pub ring: Keyring,
    /// `slave` lines that are no group.
    pub listed: Vec<Listed>,
    /// Broadcast and multicast addresses.
    pub groups: Vec<SocketAddr>,
    /// `slave-wait`.
    pub wait: Duration,
}

/// UDP, both roles.
#[derive(Debug, Default)]
pub struct Network {
    /// The master's sockets.
    pub serve: Vec<Udp>,
    /// The slave's, to ask with.
    pub ask: Vec<Udp>,
    /// The slave's, that are members of a group.
    pub hear: Vec<Udp>,
    /// As a master.
    pub master: Option<Serving>,
    /// This machine's name for its masters.
    pub host: String,
    /// `halt-time`: so long this machine needs its power after it said goodbye.
    pub halt_time: Duration,
}

impl Network {
    /// Everything that a datagram can come from.
    pub fn sockets(&self) -> impl Iterator<Item = &Udp> {
        self.serve.iter().chain(&self.ask).chain(&self.hear)
    }
}

/// What the configuration says of one UPS, for the status only.
#[derive(Debug)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// The cable; empty: none was named.
    pub model: String,
    /// The device, or the master.
    pub source: String,
    /// `power`.
    pub weight: u32,
    /// `shutdown-after`, where it counts.
    pub shutdown_after: Option<Duration>,
}

/// What the status says beside what the monitor sees; printable ASCII, at most 128 bytes each.
#[derive(Debug, Default)]
pub struct About {
    /// This machine's name.
    pub host: String,
    /// One for each UPS: those on ports, then those of other machines, then NUT's.
    pub labels: Vec<Label>,
    /// Of each, its number in the configuration, as rules have it.
    pub numbers: Vec<usize>,
}

/// Everything that the jail gets.
#[derive(Debug)]
pub struct Plan {
    /// The first UPS of the configuration, whose name a sign of life carries.
    pub first: String,
    /// UPSs on serial ports.
    pub lines: Vec<Line>,
    /// UPSs of other machines.
    pub distant: Vec<Distant>,
    /// UPSs that NUT watches.
    pub fed: Vec<Fed>,
    /// For those of them that this machine is a primary of.
    pub together: Together,
    /// The administrator's rules; none: nothing is evaluated.
    pub rules: Program,
    /// `None`: this machine speaks to no other of upsentry's.
    pub network: Option<Network>,
    /// The status socket: a Unix stream socket that listens, non-blocking; `None`: no status is served.
    pub status: Option<OwnedFd>,
    /// For it.
    pub about: About,
    /// All else that was left to it.
    pub cage: Cage,
}
