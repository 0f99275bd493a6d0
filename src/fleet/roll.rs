//! The slaves that the configuration lists, found by address and by name whatever their number.

use core::net::IpAddr;

/// A slave of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listed {
    /// As it stands there.
    pub name: String,
    /// All its addresses; none: the name did not resolve.
    pub addresses: Vec<IpAddr>,
}

/// All of them.
#[derive(Clone, Debug, Hash)]
pub(super) struct Roll {
    listed: Vec<Listed>,
    /// Sorted, with the place in `listed`.
    addresses: Vec<(IpAddr, usize)>,
    names: Vec<(String, usize)>,
    /// Beside `listed`: a poll of it was bound.
    heard: Vec<bool>,
}

impl Roll {
    pub(super) fn new(listed: Vec<Listed>) -> Roll {
        let mut addresses = Vec::new();
        let mut names = Vec::new();
        for (place, one) in listed.iter().enumerate() {
            addresses.extend(one.addresses.iter().map(|address| (*address, place)));
            names.push((one.name.clone(), place));
            if let Some((host, _)) = one.name.split_once('.') {
                names.push((host.to_owned(), place));
            }
        }
        addresses.sort_unstable();
        names.sort_unstable();
        Roll { heard: vec![false; listed.len()], listed, addresses, names }
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.addresses.binary_search_by(|(one, _)| one.cmp(&address)).is_ok()
    }

    /// A slave that calls itself so polls from there.
    pub(super) fn hear(&mut self, address: IpAddr, name: &str) {
        let from = self.addresses.partition_point(|(one, _)| *one < address);
        let here = self.addresses.iter().skip(from).take_while(|(one, _)| *one == address);
        let from = self.names.partition_point(|(one, _)| one.as_str() < name);
        let named = self.names.iter().skip(from).take_while(|(one, _)| one == name);
        for place in here.map(|(_, place)| place).chain(named.map(|(_, place)| place)) {
            if let Some(heard) = self.heard.get_mut(*place) {
                *heard = true;
            }
        }
    }

    /// By place; `None`: behind the last; `Some(None)`: a poll of it was bound.
    pub(super) fn at(&self, place: usize) -> Option<Option<&Listed>> {
        let (listed, heard) = (self.listed.get(place)?, self.heard.get(place)?);
        Some(Some(listed).filter(|_| !heard))
    }

    pub(super) fn never_heard(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter().zip(&self.heard).filter(|(_, heard)| !**heard).map(|(one, _)| one)
    }
}

#[cfg(test)]
#[path = "roll_tests.rs"]
mod tests;
