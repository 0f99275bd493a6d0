//! Whether a server is the one that the operator meant.

use core::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

use super::{CERTIFICATES, FILE, TlsError, Trust};

/// See [`Trust::from_pem`].
pub(super) fn anchors(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if text.len() > FILE {
        return Err(format!(
            "it is larger than {FILE} bytes: name the authorities that count only"
        ));
    }
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let number = found.len().saturating_add(1);
        if number > CERTIFICATES {
            return Err(format!(
                "it holds over {CERTIFICATES} certificates: name those that count only"
            ));
        }
        let certificate =
            certificate.map_err(|_| format!("certificate {number} in it is not proper PEM"))?;
        webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|error| format!("certificate {number} in it cannot be used: {error}"))?;
        found.push(certificate.to_vec());
    }
    if found.is_empty() {
        return Err("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(found)
}

/// Holds a server to a [`Trust`].
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
    /// The authorities; `None`: a pin decides.
    chains: Option<Arc<WebPkiServerVerifier>>,
}

impl Verifier {
    /// # Errors
    /// There is nothing to trust, or a certificate cannot be used.
    pub(super) fn new(trust: &Trust, provider: Arc<CryptoProvider>) -> Result<Verifier, String> {
        let mut chains = None;
        if trust.pin.is_none() {
            let mut roots = RootCertStore::empty();
            for anchor in &trust.anchors {
                let anchor = CertificateDer::from(anchor.clone());
                roots.add(anchor).map_err(|error| format!("certificate of `ca-file`: {error}"))?;
            }
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            let made =
                builder.build().map_err(|_| "TLS needs `ca-file` or `tls-pin`".to_owned())?;
            chains = Some(made);
        }
        Ok(Verifier { provider, trust: trust.clone(), chains })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let own = EndEntityCert::try_from(shown).map_err(|error| match error {
            webpki::Error::UnsupportedCertVersion => other(Wrong::OldVersion),
            _ => Error::InvalidCertificate(CertificateError::BadEncoding),
        })?;
        if let Some(pin) = self.trust.pin {
            let key: [u8; 32] = Sha256::digest(own.subject_public_key_info()).into();
            return match key == pin {
                true => Ok(ServerCertVerified::assertion()),
                false => Err(other(Wrong::Key(key))),
            };
        }
        // That the server has the key to it is what the signature of the handshake shows, as always.
        if self.trust.anchors.iter().any(|anchor| anchor.as_slice() == shown.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let chains = self.chains.as_ref().ok_or_else(unknown)?;
        let verified = chains.verify_server_cert(shown, between, host, staple, now);
        verified.map_err(|error| if stranger(&error) { unknown() } else { error })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, shown, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Two of the library's errors mean no more than that nobody vouches for it: another key by a trusted name, and the
/// self-signed certificate of some server.
fn stranger(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => true,
        Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
            matches!(why.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// What is wrong with a certificate that the library has no error for.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Key([u8; 32]),
    OldVersion,
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, out)
    }
}

impl core::error::Error for Wrong {}

fn other(wrong: Wrong) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(wrong))))
}

/// The library's error in our words. What it quotes of the server is cut, and holds nothing that is not printable.
pub(super) fn explain(error: &Error) -> TlsError {
    use rustls::AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::AlertReceived(Alert::CertificateRequired) => TlsError::WantsCertificate,
        Error::AlertReceived(alert) => TlsError::Alert(short(alert)),
        Error::NoCertificatesPresented => TlsError::Certificate("it shows none".to_owned()),
        _ => TlsError::Protocol(short(error)),
    }
}

fn certificate(why: &CertificateError) -> TlsError {
    match why {
        CertificateError::UnknownIssuer => TlsError::Untrusted,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsError::NotYet
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsError::OtherHost
        }
        CertificateError::Other(OtherError(wrong)) => match wrong.downcast_ref() {
            Some(Wrong::Key(key)) => TlsError::OtherKey(*key),
            Some(Wrong::OldVersion) => TlsError::OldVersion,
            None => TlsError::Certificate(short(why)),
        },
        _ => TlsError::Certificate(short(why)),
    }
}

fn short(error: &dyn fmt::Debug) -> String {
    format!("{error:?}").chars().filter(|letter| (' '..='~').contains(letter)).take(120).collect()
}
