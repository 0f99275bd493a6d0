//! One TLS connection: bytes of the socket in and out, plain bytes in and out.

use std::io::{BufRead, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::SigningKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, Error};

use super::verify::{Verifier, explain};
use super::{Client, QUIET, SEALED, Session, TlsError, Trust, WAITING};

/// The [`Maker`](super::Maker) of this program.
///
/// # Errors
/// As [`Trust::from_pem`] and [`TlsConfig::new`].
pub fn client(pem: Option<&[u8]>, pin: Option<[u8; 32]>) -> Result<Box<dyn Client>, String> {
    let trust = pem.map_or(Ok(Trust::default()), Trust::from_pem)?;
    Ok(Box::new(TlsConfig::new(&Trust { pin, ..trust })?))
}

impl Client for TlsConfig {
    fn connect(&self, host: &str) -> Result<Box<dyn Session>, String> {
        Ok(Box::new(Tls::new(self, host)?))
    }
}

/// We have no certificate of our own: what reads private keys is not even in the program.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("no private keys".to_owned()))
    }
}

/// What all connections to one server have in common; a clone shares it.
#[derive(Clone, Debug)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// To be made before the system call filter is on: a first handshake is begun here and thrown away, so that what
    /// the library asks of the system once only (the CPU's features, whether there is getrandom) has been asked.
    ///
    /// # Errors
    /// There is nothing to trust, a certificate cannot be used, or the system gives no random bytes.
    pub fn new(trust: &Trust) -> Result<TlsConfig, String> {
        let provider = CryptoProvider { key_provider: &NoKeys, ..ring::default_provider() };
        let provider = Arc::new(provider);
        let verifier = Arc::new(Verifier::new(trust, Arc::clone(&provider))?);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| format!("TLS: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        // Tickets would be memory that the server controls, for connections that last.
        config.resumption = Resumption::disabled();
        let config = TlsConfig(Arc::new(config));
        Tls::new(&config, "localhost")?;
        Ok(config)
    }
}

/// The [`Session`] of this program.
#[derive(Debug)]
pub struct Tls {
    link: ClientConnection,
    /// Sealed, to be sent.
    waiting: Vec<u8>,
    /// Received since the last plain text.
    quiet: usize,
    closed: bool,
}

impl Tls {
    /// As [`Client::connect`].
    ///
    /// # Errors
    /// As there.
    pub fn new(config: &TlsConfig, host: &str) -> Result<Tls, String> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| format!("{bare:?} is not a name that a certificate can have"))?;
        let link = ClientConnection::new(Arc::clone(&config.0), name)
            .map_err(|error| format!("TLS: {error}"))?;
        let mut tls = Tls { link, waiting: Vec::new(), quiet: 0, closed: false };
        tls.flush();
        Ok(tls)
    }

    /// Says goodbye (close_notify), in the output.
    pub fn close(&mut self) {
        self.link.send_close_notify();
        self.flush();
    }

    fn flush(&mut self) {
        // More than this waits in the library, which bounds it (a request has no answer of ours but one alert).
        while self.link.wants_write() && self.waiting.len() <= WAITING {
            if self.link.write_tls(&mut self.waiting).is_err() {
                return;
            }
        }
    }
}

impl Session for Tls {
    fn receive(&mut self, bytes: &[u8], plain: &mut dyn FnMut(&[u8])) -> Result<(), TlsError> {
        let mut rest = bytes;
        while !rest.is_empty() && !self.closed {
            let before = rest.len();
            let read = self.link.read_tls(&mut rest);
            let taken = before.saturating_sub(rest.len());
            if read.is_err() || taken == 0 {
                return Err(TlsError::Protocol("a message is too long".to_owned()));
            }
            self.quiet = self.quiet.saturating_add(taken);
            if self.quiet > QUIET {
                return Err(TlsError::TooMuch);
            }
            let state = self.link.process_new_packets();
            // Also after an error, which leaves an alert.
            self.flush();
            self.closed = state.map_err(|error| explain(&error))?.peer_has_closed();
            let mut reader = self.link.reader();
            while let Ok(chunk) = reader.fill_buf() {
                let length = chunk.len();
                if length == 0 {
                    break;
                }
                self.quiet = 0;
                plain(chunk);
                reader.consume(length);
            }
        }
        if self.waiting.len() > WAITING { Err(TlsError::Full) } else { Ok(()) }
    }

    fn seal(&mut self, plain: &[u8]) -> Result<(), TlsError> {
        if self.handshaking() || self.closed {
            return Err(TlsError::NotOpen);
        }
        if plain.len() > SEALED || self.waiting.len().saturating_add(plain.len()) > WAITING {
            return Err(TlsError::Full);
        }
        self.link.writer().write_all(plain).map_err(|_| TlsError::Full)?;
        self.flush();
        Ok(())
    }

    fn output(&self) -> &[u8] {
        &self.waiting
    }

    fn sent(&mut self, count: usize) {
        self.waiting.drain(..count.min(self.waiting.len()));
    }

    fn handshaking(&self) -> bool {
        self.link.is_handshaking()
    }

    fn closed(&self) -> bool {
        self.closed
    }
}
