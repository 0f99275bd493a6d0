//! What stands where TLS would, in a build without it: types that no value can have.

use super::{ABSENT, TlsError, Trust};

pub(super) fn anchors(_: &[u8]) -> Result<Trust, String> {
    Err(ABSENT.to_owned())
}

/// See the feature `tls`.
#[derive(Clone, Debug)]
pub enum TlsConfig {}

impl TlsConfig {
    /// Is not there.
    ///
    /// # Errors
    /// Always [`ABSENT`].
    pub fn new(_: &Trust) -> Result<TlsConfig, String> {
        Err(ABSENT.to_owned())
    }
}

/// See the feature `tls`.
#[derive(Debug)]
pub enum Tls {}

#[allow(missing_docs, clippy::missing_errors_doc)]
impl Tls {
    pub fn new(config: &TlsConfig, _: &str) -> Result<Tls, String> {
        match *config {}
    }
    pub fn receive(&mut self, _: &[u8], _: impl FnMut(&[u8])) -> Result<(), TlsError> {
        match *self {}
    }
    pub fn seal(&mut self, _: &[u8]) -> Result<(), TlsError> {
        match *self {}
    }
    pub fn output(&self) -> &[u8] {
        match *self {}
    }
    pub fn sent(&mut self, _: usize) {
        match *self {}
    }
    pub fn handshaking(&self) -> bool {
        match *self {}
    }
    pub fn close(&mut self) {
        match *self {}
    }
    pub fn closed(&self) -> bool {
        match *self {}
    }
}
