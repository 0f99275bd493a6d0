//! From hosts' names to addresses: what is to be looked up, and what follows from what was found.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::types::{Config, SlaveHost, Ups, Watch};

/// More addresses of one host are not used.
pub const MOST_ADDRESSES: usize = 16;
/// The largest entry of what was found: a number, a count, and addresses.
pub const ENTRY: usize = 16 + 20 * MOST_ADDRESSES;

/// All addresses of each name that resolves.
pub type Found = BTreeMap<String, Vec<IpAddr>>;

/// A slave's name, and all its addresses; none: it does not resolve.
pub type Slave = (String, Vec<IpAddr>);

/// The names of masters and NUT servers, then of slaves; no literal addresses.
pub fn names<'a>(ups: impl Iterator<Item = &'a Ups>, slaves: &[SlaveHost]) -> Vec<String> {
    let masters = ups.filter_map(|ups| ups.watch.host().map(str::to_owned));
    let slaves = slaves.iter().map(|slave| slave.name.clone());
    masters.chain(slaves).filter(|name| name.parse::<IpAddr>().is_err()).collect()
}

/// An entry of what was found: the name's place, and its addresses. `None`: there is nothing to say.
#[must_use]
pub fn entry(place: usize, addresses: &[IpAddr]) -> Option<Vec<u8>> {
    let place = u32::try_from(place).ok().filter(|_| !addresses.is_empty())?;
    postcard::to_allocvec(&(place, addresses)).ok()
}

/// Entries for these names, as far as they are whole.
#[must_use]
pub fn decode(mut bytes: &[u8], names: &[String]) -> Found {
    let mut found = Found::new();
    while let Ok((entry, rest)) = postcard::take_from_bytes::<(u32, Vec<IpAddr>)>(bytes) {
        bytes = rest;
        let (place, addresses) = entry;
        let name = usize::try_from(place).ok().and_then(|place| names.get(place));
        let addresses = addresses.into_iter().filter(|address| !address.is_unspecified());
        let addresses: Vec<IpAddr> = addresses.take(MOST_ADDRESSES).collect();
        if let (Some(name), false) = (name, addresses.is_empty()) {
            found.insert(name.clone(), addresses);
        }
    }
    found
}

/// Of a name, or the address that it is.
pub fn addresses<'a>(found: &'a Found, name: &str) -> impl Iterator<Item = IpAddr> + use<'a> {
    let literal = name.parse().ok();
    literal.into_iter().chain(found.get(name).into_iter().flatten().copied())
}

impl Config {
    /// For each UPS all addresses of its master or NUT server; none where no other machine is asked.
    #[must_use]
    pub fn masters(&self, found: &Found) -> Vec<Vec<SocketAddr>> {
        let of = |ups: &Ups| {
            let port = match &ups.watch {
                Watch::Server(server) => server.port,
                _ => self.port,
            };
            let all = ups.watch.host().into_iter().flat_map(|host| addresses(found, host));
            all.map(|address| SocketAddr::new(address, port)).collect()
        };
        self.ups.iter().map(of).collect()
    }

    /// `slave` lines that are a host's, and the groups among them.
    pub fn hosts(
        &self,
        found: &Found,
        is_group: impl Fn(IpAddr) -> bool,
    ) -> (Vec<Slave>, Vec<SocketAddr>) {
        let (mut slaves, mut groups) = (Vec::new(), Vec::new());
        for slave in &self.slaves {
            let all = addresses(found, &slave.name);
            let (of_many, own): (Vec<_>, Vec<_>) = all.partition(|address| is_group(*address));
            if of_many.is_empty() || !own.is_empty() {
                slaves.push((slave.name.clone(), own));
            }
            groups.extend(of_many.into_iter().map(|to| SocketAddr::new(to, self.port)));
        }
        (slaves, groups)
    }
}

impl Ups {
    /// What to say of it while it is not there.
    #[must_use]
    pub fn away(&self) -> String {
        let lost = match self.watch {
            Watch::Line(_) => "no such device now; it counts as lost",
            Watch::Driver(_) => {
                "the directory of NUT's drivers is not there now; it counts as lost"
            }
            _ => "the name does not resolve now; it counts as lost",
        };
        format!("{}: {}: {lost}", self.name, self.watch)
    }
}

/// Why a master's port could not be had at a place; `in_use`: another program has it.
#[must_use]
pub fn taken(place: &str, port: u16, error: &dyn std::fmt::Display, in_use: bool) -> String {
    let why = match in_use {
        true => format!(
            "another program has it (`ss -ulnp sport = {port}' shows which); choose another `port', here and on the other machines"
        ),
        false => error.to_string(),
    };
    format!("{place}, UDP port {port}: {why}")
}

/// What to say of slaves that do not resolve.
#[must_use]
pub fn unresolved(slaves: &[Slave]) -> Option<String> {
    let missing = slaves.iter().filter(|(_, hosts)| hosts.is_empty());
    let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
    match missing.as_slice() {
        [] => None,
        [one] => Some(format!("slave {one}: the name does not resolve now")),
        [first, rest @ ..] => {
            Some(format!("slave {first} and {} more: the names do not resolve now", rest.len()))
        }
    }
}
