//! Sealing and opening datagrams under a shared secret.
//!
//! XChaCha20-Poly1305. Its nonce, 24 bytes, is the sender's session and sequence: a session is random and
//! belongs to one run of one process, and a sequence is never used twice in it. Each direction has a key of its
//! own (HKDF-SHA256), so that nothing that a machine sent can be turned back to it.

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::fleet::keys::Key;
use crate::fleet::wire::{HEADER, Header, Kind, LARGEST, Refusal, Session};

/// What the seal adds.
pub const TAG: usize = 16;
/// Keys that are accepted at once.
pub const MOST_KEYS: usize = 2;

/// One secret, ready for both directions.
#[derive(Clone)]
struct Keys {
    id: [u8; 4],
    poll: XChaCha20Poly1305,
    state: XChaCha20Poly1305,
}

impl core::hash::Hash for Keys {
    fn hash<H: core::hash::Hasher>(&self, to: &mut H) {
        self.id.hash(to);
    }
}

/// The keys of one side; without any nothing is sealed.
#[derive(Clone, Hash)]
pub struct Keyring {
    keys: Vec<Keys>,
}

impl core::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Keyring of {}", self.keys.len())
    }
}

/// 32 bytes for one purpose.
fn expand<const N: usize>(key: &Key, label: &str) -> [u8; N] {
    let mut bytes = [0; N];
    // Fails only for more than 8160 bytes.
    let _ = Hkdf::<Sha256>::new(None, key.bytes()).expand(label.as_bytes(), &mut bytes);
    bytes
}

impl Keyring {
    /// Of these secrets: the first is used to send, all are accepted; more than [`MOST_KEYS`] are not taken.
    pub fn new(keys: &[Key]) -> Keyring {
        let cipher = |key, label| XChaCha20Poly1305::new(&expand::<32>(key, label).into());
        let keys = keys.iter().take(MOST_KEYS).map(|key| Keys {
            id: expand(key, "upsentry 1 key id"),
            poll: cipher(key, "upsentry 1 slave to master"),
            state: cipher(key, "upsentry 1 master to slave"),
        });
        Keyring { keys: keys.collect() }
    }

    /// Nothing is sealed: addresses must do.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The id of each key, the one to send with first; without any, the zeros of no key.
    pub fn ids(&self) -> impl Iterator<Item = [u8; 4]> + '_ {
        let none = self.is_empty().then_some([0; 4]);
        self.keys.iter().map(|keys| keys.id).chain(none)
    }

    /// What a body of this length becomes.
    pub fn sealed_length(&self, body: usize) -> usize {
        let tag = if self.is_empty() { 0 } else { TAG };
        HEADER.saturating_add(body).saturating_add(tag)
    }

    /// The most that a body can be in a datagram of this length.
    pub fn room(&self, datagram: usize) -> usize {
        datagram.min(LARGEST).saturating_sub(self.sealed_length(0))
    }

    /// Seals the body that stands in `buffer` behind room for the header; the datagram's length. `key`: the
    /// id to use, else the first. `None`: it does not fit.
    pub fn seal(
        &self,
        kind: Kind,
        key: Option<[u8; 4]>,
        (session, sequence): (Session, u64),
        body: usize,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let wanted = self.keys.iter().find(|one| Some(one.id) == key);
        let keys = wanted.or(self.keys.first());
        let id = keys.map_or([0; 4], |keys| keys.id);
        let header = Header { kind, key: id, session, sequence }.bytes();
        let length = self.sealed_length(body);
        let (front, rest) = buffer.get_mut(..length)?.split_at_mut_checked(HEADER)?;
        front.copy_from_slice(&header);
        if let Some(keys) = keys {
            let (body, tag) = rest.split_at_mut_checked(body)?;
            let nonce = nonce(session, sequence);
            let sealed =
                keys.cipher(kind).encrypt_inout_detached(&nonce, &header, body.into()).ok()?;
            tag.copy_from_slice(&sealed);
        }
        Some(length)
    }

    /// Opens a datagram of this kind in place: its header and body.
    ///
    /// # Errors
    /// Why it is not to be used. What costs least is looked at first.
    pub fn open<'a>(
        &self,
        kind: Kind,
        datagram: &'a mut [u8],
    ) -> Result<(Header, &'a [u8]), Refusal> {
        if datagram.len() > LARGEST {
            return Err(Refusal::Shape);
        }
        let (front, rest) = datagram.split_first_chunk_mut().ok_or(Refusal::Shape)?;
        let header = Header::read(front, kind)?;
        if self.keys.is_empty() {
            return if header.key == [0; 4] { Ok((header, rest)) } else { Err(Refusal::Key) };
        }
        let keys = self.keys.iter().find(|keys| keys.id == header.key).ok_or(Refusal::Key)?;
        let length = rest.len().checked_sub(TAG).ok_or(Refusal::Shape)?;
        let (body, tag) = rest.split_at_mut_checked(length).ok_or(Refusal::Shape)?;
        let tag: [u8; TAG] = (&*tag).try_into().map_err(|_| Refusal::Shape)?;
        let nonce = nonce(header.session, header.sequence);
        let opened = keys.cipher(kind).decrypt_inout_detached(
            &nonce,
            front,
            (&mut *body).into(),
            &Tag::from(tag),
        );
        opened.map_err(|_| Refusal::Forged)?;
        Ok((header, body))
    }
}

impl Keys {
    fn cipher(&self, kind: Kind) -> &XChaCha20Poly1305 {
        match kind {
            Kind::Poll => &self.poll,
            Kind::State => &self.state,
        }
    }
}

fn nonce(session: Session, sequence: u64) -> XNonce {
    let mut bytes = [0; 24];
    let all = session.into_iter().chain(sequence.to_be_bytes());
    for (slot, byte) in bytes.iter_mut().zip(all) {
        *slot = byte;
    }
    bytes.into()
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
