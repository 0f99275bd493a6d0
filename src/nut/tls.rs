//! TLS to a NUT server: whom to trust, and a connection without I/O.
//!
//! The library that speaks it is as large as all the rest, so it is in a program of its own, `upsentry-tls`, which gives
//! it to this module by [`provide`] before all else. `upsentry` becomes that program where the configuration asks for it.

#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod verify;
#[cfg(feature = "tls")]
pub use client::{Tls, TlsConfig, client};

use core::fmt::{self, Display};

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// The program that has it, in the directory of this one.
pub const PROGRAM: &str = "upsentry-tls";
/// The largest file of certificates, in bytes.
pub const FILE: usize = 256 << 10;
/// The most certificates in it.
pub const CERTIFICATES: usize = 200;
/// The most bytes that a server may send without a byte of plain text coming out of them: a record of the largest kind
/// (16 KiB), and some. That is also what the handshake may take, of which certificates are most: four of the largest
/// usual kind (RSA, 4096 bits) are 8 KiB. It bounds what a server can make us hold, a stranger as much as a known one.
pub const QUIET: usize = 20 << 10;
/// The most bytes in one [`Session::seal`].
pub const SEALED: usize = 1024;
/// The most bytes that wait to be sent.
pub const WAITING: usize = 8 << 10;
/// The most memory that one connection takes from the heap at any moment, in bytes, whatever the server sends:
/// `tests/nut_tls.rs` measures it, and there is room to spare for how the allocator cuts it up. At rest it is 7 KiB.
pub const HEAP: usize = 1 << 20;

/// One connection, from its first byte. It reads no socket: the caller carries bytes both ways, and ends the
/// connection after any error (when what [`Session::output`] holds, an alert, is sent, or not).
pub trait Session: fmt::Debug {
    /// Takes what came from the socket, all of it, and gives `plain` what it says, in pieces of up to 16 KiB. What it
    /// says after a close is not looked at.
    ///
    /// # Errors
    /// The connection is over; nothing that failed its check was given to `plain`.
    fn receive(&mut self, bytes: &[u8], plain: &mut dyn FnMut(&[u8])) -> Result<(), TlsError>;

    /// Seals at most [`SEALED`] bytes for the server.
    ///
    /// # Errors
    /// [`TlsError::NotOpen`] before the handshake is done and after a close; [`TlsError::Full`].
    fn seal(&mut self, plain: &[u8]) -> Result<(), TlsError>;

    /// What is to be sent; then [`Session::sent`].
    fn output(&self) -> &[u8];

    /// So many bytes of the output were sent.
    fn sent(&mut self, count: usize);

    /// The server is not known yet, and nothing can be sealed.
    fn handshaking(&self) -> bool;

    /// The server has said goodbye. A connection that ends without may have been cut by somebody else.
    fn closed(&self) -> bool;
}

/// What all connections to one server have in common.
pub trait Client: fmt::Debug + Send + Sync {
    /// The handshake's first message waits in [`Session::output`]. `host`: a name or an address, as the certificate of an
    /// authority must have it; IPv6 with or without brackets.
    ///
    /// # Errors
    /// This cannot be a host, or the system gives no random bytes.
    fn connect(&self, host: &str) -> Result<Box<dyn Session>, String>;
}

/// Makes a client of the text of a `ca-file` and the pin of a `tls-pin`, before the system call filter is on.
pub type Maker = fn(Option<&[u8]>, Option<[u8; 32]>) -> Result<Box<dyn Client>, String>;

static MAKER: OnceLock<Maker> = OnceLock::new();

/// This program speaks TLS, by this.
pub fn provide(maker: Maker) {
    // A second one would be the same.
    let _ = MAKER.set(maker);
}

/// By what this program speaks TLS; `None`: it does not.
pub fn maker() -> Option<Maker> {
    MAKER.get().copied()
}

/// Whom a server must be. One of the two is there, or both: then the pin decides alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Certificates (DER): of authorities, or the server's own. An authority's server must bear the host's name or
    /// address and be valid now. A server that shows one of these very certificates is believed whatever names and
    /// dates it has, because the operator named it: NUT's usual certificate is self-signed, with a CN alone.
    pub anchors: Vec<Vec<u8>>,
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER) in the server's certificate. Neither names nor dates
    /// count then.
    pub pin: Option<[u8; 32]>,
}

#[cfg(feature = "tls")]
impl Trust {
    /// The certificates in the text of a `ca-file` (PEM); what else is in it is not looked at.
    ///
    /// # Errors
    /// Larger than [`FILE`], more than [`CERTIFICATES`], none at all, or one that cannot be read; says what to do.
    pub fn from_pem(text: &[u8]) -> Result<Trust, String> {
        verify::anchors(text).map(|anchors| Trust { anchors, pin: None })
    }
}

/// Why a connection is over. The server sent nothing that counts before it, or what counted was before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// No authority of `ca-file` vouches for the certificate.
    Untrusted,
    /// The certificate is for other hosts.
    OtherHost,
    /// It was valid until some time ago.
    Expired,
    /// It is valid from some time on.
    NotYet,
    /// The public key has this pin, not the one of `tls-pin`.
    OtherKey([u8; 32]),
    /// It is an X.509 certificate of version 1 or 2, which have no extensions.
    OldVersion,
    /// Something else is wrong with the certificate.
    Certificate(String),
    /// The server ended it with this alert.
    Alert(String),
    /// It wants a certificate from us.
    WantsCertificate,
    /// What came is not TLS, or not as TLS must be.
    Protocol(String),
    /// More than [`QUIET`] bytes came that say nothing.
    TooMuch,
    /// More than [`WAITING`] bytes or [`SEALED`] bytes at once would wait to be sent.
    Full,
    /// Something was to be sealed before the handshake was done, or after the end.
    NotOpen,
}

impl Display for TlsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Untrusted => out.write_str(
                "its certificate is not from an authority in `ca-file`: put the authority's certificate, or the \
                 server's own, into that file",
            ),
            TlsError::OtherHost => out.write_str(
                "its certificate is for another name: write the host in `watch` as the certificate has it, or put the \
                 server's own certificate into `ca-file`, or use `tls-pin`",
            ),
            TlsError::Expired => {
                out.write_str("its certificate has expired: renew it (is this machine's clock right?)")
            }
            TlsError::NotYet => {
                out.write_str("its certificate is not valid yet: is this machine's clock right?")
            }
            TlsError::OtherKey(pin) => {
                out.write_str("its key is not that of `tls-pin`; if it was changed on purpose: tls-pin ")?;
                pin.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
            }
            TlsError::OldVersion => out.write_str(
                "its certificate is of X.509 version 1: make it again with `openssl req -x509`, which makes version 3",
            ),
            TlsError::Certificate(why) => write!(out, "its certificate cannot be used: {why}"),
            TlsError::Alert(why) => write!(out, "it ended the TLS connection: {why}"),
            TlsError::WantsCertificate => out.write_str(
                "it wants a certificate from its clients, which upsentry has none of: see CERTREQUEST in its upsd.conf",
            ),
            TlsError::Protocol(why) => write!(out, "no TLS 1.2 or 1.3 as we can speak it: {why}"),
            TlsError::TooMuch => write!(
                out,
                "it sent over {QUIET} bytes of TLS that say nothing: does it send more certificates than its own and \
                 those between it and its authority?"
            ),
            TlsError::Full => out.write_str("it does not read what we send"),
            TlsError::NotOpen => out.write_str("the TLS connection is not open"),
        }
    }
}

#[cfg(all(test, feature = "tls"))]
#[path = "tls_tests.rs"]
mod tests;
