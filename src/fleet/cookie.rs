//! The cookie that proves, without any memory of it, that a slave heard an answer at its address not long ago.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::fleet::wire::Session;

/// A cookie is good for this and the next span of so long.
pub const EPOCH: Duration = Duration::from_secs(300);

/// 16 bytes.
pub type Cookie = [u8; 16];

/// What a cookie is good for: one run of a slave, at one address.
#[derive(Clone, Copy, Debug)]
pub struct Bearer {
    /// Its session.
    pub session: Session,
    /// The run of the same slave that it follows: once another has come, the cookie proves nothing any more.
    pub turn: u64,
    /// Where it polls from.
    pub from: SocketAddr,
}

/// Makes and checks them.
#[derive(Clone)]
pub struct Cookies {
    /// `None` never happens: the MAC takes a key of any length.
    mac: Option<Hmac<Sha256>>,
    generation: u64,
}

impl core::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Cookies {}", self.generation)
    }
}

impl core::hash::Hash for Cookies {
    fn hash<H: core::hash::Hasher>(&self, to: &mut H) {
        self.generation.hash(to);
    }
}

impl Cookies {
    /// `secret`: random, of this run of the master.
    pub fn new(secret: &[u8; 32]) -> Cookies {
        Cookies { mac: Hmac::new_from_slice(secret).ok(), generation: 0 }
    }

    /// A fresh one.
    pub fn make(&self, now: Duration, bearer: &Bearer) -> Cookie {
        let mut cookie = [0; 16];
        if let Some(mac) = self.mac(epoch(now), bearer) {
            for (slot, byte) in cookie.iter_mut().zip(mac.finalize().into_bytes()) {
                *slot = byte;
            }
        }
        cookie
    }

    /// It was made for this bearer in this epoch or in the one before.
    pub fn is_good(&self, now: Duration, bearer: &Bearer, cookie: &Cookie) -> bool {
        // A slave that has none yet says so with zeros.
        if *cookie == [0; 16] {
            return false;
        }
        let this = epoch(now);
        let of = |epoch: u64| {
            self.mac(epoch, bearer).is_some_and(|mac| mac.verify_truncated_left(cookie).is_ok())
        };
        of(this) || this.checked_sub(1).is_some_and(of)
    }

    /// None that was made before is good any more: who has one gets another with the next answer.
    pub fn renew(&mut self) {
        self.generation = self.generation.saturating_add(1);
    }

    fn mac(&self, epoch: u64, bearer: &Bearer) -> Option<Hmac<Sha256>> {
        let mut mac = self.mac.clone()?;
        mac.update(&epoch.to_be_bytes());
        mac.update(&self.generation.to_be_bytes());
        mac.update(&bearer.session);
        mac.update(&bearer.turn.to_be_bytes());
        mac.update(&bearer.from.port().to_be_bytes());
        // Last, because its length differs.
        match bearer.from.ip() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        Some(mac)
    }
}

fn epoch(now: Duration) -> u64 {
    now.as_secs() / EPOCH.as_secs()
}

#[cfg(test)]
#[path = "cookie_tests.rs"]
mod tests;
