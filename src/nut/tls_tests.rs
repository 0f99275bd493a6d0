#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{Read, Write};
use std::sync::Arc;

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};
use sha2::{Digest, Sha256};

use super::*;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
const ASK: &[u8] = b"GET VAR ups ups.status\n";

/// A certificate with its key.
struct Made {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

/// What a test changes of a certificate.
type Change = fn(&mut CertificateParams);

fn params(names: &[&str], change: Change) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    change(&mut params);
    params
}

fn self_signed(names: &[&str], change: Change) -> Made {
    let key = KeyPair::generate().expect("a key");
    let made = params(names, change).self_signed(&key).expect("a certificate");
    Made { der: made.der().clone(), pem: made.pem(), key }
}

/// An authority, and a server's certificate of it.
fn issued(names: &[&str], change: Change) -> (Made, Made) {
    let authority: Change = |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let top = self_signed(&[], authority);
    let issuer = Issuer::new(params(&[], authority), &top.key);
    let key = KeyPair::generate().expect("a key");
    let made = params(names, change).signed_by(&key, &issuer).expect("a certificate");
    let own = Made { der: made.der().clone(), pem: made.pem(), key };
    (top, own)
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Shows a chain, and signs with a key that need not belong to it.
fn server_of(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    version: &'static SupportedProtocolVersion,
    clients: Option<&Made>,
) -> ServerConnection {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = any_supported_type(&key).expect("a signing key");
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der.clone()).expect("an authority");
            let provider = Arc::new(default_provider());
            let wants = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(wants.build().expect("a verifier"))
        }
    };
    let shown = Always(Arc::new(CertifiedKey::new(chain, key)));
    let config = builder.with_cert_resolver(Arc::new(shown));
    ServerConnection::new(Arc::new(config)).expect("a server")
}

fn server(own: &Made, version: &'static SupportedProtocolVersion) -> ServerConnection {
    server_of(vec![own.der.clone()], &own.key, version, None)
}

fn file(made: &Made) -> Trust {
    Trust::from_pem(made.pem.as_bytes()).expect("a certificate")
}

fn pin(made: &Made) -> [u8; 32] {
    use rcgen::PublicKeyData;
    Sha256::digest(made.key.subject_public_key_info()).into()
}

fn pinned(pin: [u8; 32]) -> Trust {
    Trust { anchors: Vec::new(), pin: Some(pin) }
}

fn client(trust: &Trust, host: &str) -> Tls {
    Tls::new(&TlsConfig::new(trust).expect("a configuration"), host).expect("a host")
}

/// Carries bytes both ways until nothing moves; what the server sent is kept.
fn carry(
    tls: &mut Tls,
    server: &mut ServerConnection,
    heard: &mut Vec<u8>,
    sent: &mut Vec<u8>,
) -> Result<(), TlsError> {
    loop {
        let output = tls.output().to_vec();
        tls.sent(output.len());
        let mut rest = output.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("room");
            // Its own complaint reaches the client as an alert.
            let _ = server.process_new_packets();
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
        sent.extend(&bytes);
        if bytes.is_empty() && output.is_empty() {
            return Ok(());
        }
        tls.receive(&bytes, &mut |plain| heard.extend(plain))?;
    }
}

fn shake(tls: &mut Tls, server: &mut ServerConnection) -> Result<(), TlsError> {
    carry(tls, server, &mut Vec::new(), &mut Vec::new())?;
    assert!(!tls.handshaking(), "stuck");
    Ok(())
}

/// The first thing that a server of either version makes of it.
fn outcome(trust: &Trust, host: &str, own: &Made) -> Result<(), TlsError> {
    let [old, new] = VERSIONS.map(|version| {
        let mut tls = client(trust, host);
        let result = shake(&mut tls, &mut server(own, version));
        assert_eq!(result.is_ok(), !tls.handshaking());
        if result.is_err() {
            assert_eq!(tls.seal(ASK), Err(TlsError::NotOpen), "credentials must not follow");
        }
        result
    });
    assert_eq!(old, new, "one answer in both versions");
    old
}

#[test]
fn both_versions_carry_both_ways_and_say_goodbye() {
    let (top, own) = issued(&["ups.example"], |_| ());
    for version in VERSIONS {
        let (mut tls, mut server) = (client(&file(&top), "ups.example"), server(&own, version));
        assert_eq!(tls.seal(ASK), Err(TlsError::NotOpen), "the server is not known yet");
        shake(&mut tls, &mut server).expect("a handshake");
        assert_eq!(server.protocol_version(), Some(version.version));
        tls.seal(ASK).expect("room");
        let long = vec![b'x'; 40_000];
        server.writer().write_all(&long).expect("room");
        let mut heard = Vec::new();
        carry(&mut tls, &mut server, &mut heard, &mut Vec::new()).expect("both ways");
        assert!(heard == long);
        let mut asked = vec![0; ASK.len()];
        server.reader().read_exact(&mut asked).expect("the request");
        assert_eq!(asked, ASK);
        assert!(!tls.closed());
        server.send_close_notify();
        carry(&mut tls, &mut server, &mut heard, &mut Vec::new()).expect("a goodbye");
        assert!(tls.closed());
        assert_eq!(tls.seal(ASK), Err(TlsError::NotOpen));
        tls.close();
        assert!(!tls.output().is_empty());
    }
}

#[test]
fn an_authority_vouches_for_names_and_addresses() {
    let (top, own) = issued(&["ups.example", "192.0.2.1", "2001:db8::1"], |_| ());
    let trust = file(&top);
    for host in ["ups.example", "UPS.example", "192.0.2.1", "2001:db8::1", "[2001:db8::1]"] {
        assert_eq!(outcome(&trust, host, &own), Ok(()), "{host}");
    }
    for host in ["example", "xups.example", "192.0.2.2", "2001:db8::2", "localhost"] {
        assert_eq!(outcome(&trust, host, &own), Err(TlsError::OtherHost), "{host}");
    }
    let config = TlsConfig::new(&trust).expect("a configuration");
    for host in ["", "a b", "ups/example", "[::1", "::g", &"x".repeat(300)] {
        assert!(Tls::new(&config, host).is_err(), "{host}");
    }
}

#[test]
fn an_authority_vouches_for_its_time_only() {
    let old: Change = |params| params.not_after = date_time_ymd(2020, 1, 1);
    let new: Change = |params| params.not_before = date_time_ymd(4000, 1, 1);
    for (change, wrong) in [(old, TlsError::Expired), (new, TlsError::NotYet)] {
        let (top, own) = issued(&["ups"], change);
        assert_eq!(outcome(&file(&top), "ups", &own), Err(wrong));
        assert_eq!(outcome(&pinned(pin(&own)), "ups", &own), Ok(()), "a pin knows no time");
        assert_eq!(outcome(&file(&own), "ups", &own), Ok(()), "nor does the certificate itself");
    }
}

#[test]
fn others_are_not_trusted() {
    let (top, own) = issued(&["ups"], |_| ());
    let (other, _) = issued(&["ups"], |_| ());
    assert_eq!(outcome(&file(&other), "ups", &own), Err(TlsError::Untrusted));
    assert_eq!(
        outcome(&file(&top), "ups", &self_signed(&["ups"], |_| ())),
        Err(TlsError::Untrusted)
    );
    // Not an authority: it vouches for itself alone.
    let plain = self_signed(&["ups"], |_| ());
    let issuer = Issuer::new(params(&["ups"], |_| ()), &plain.key);
    let key = KeyPair::generate().expect("a key");
    let made = params(&["ups"], |_| ()).signed_by(&key, &issuer).expect("a certificate");
    let forged = Made { der: made.der().clone(), pem: made.pem(), key };
    // webpki lets a trust anchor issue, whatever it says of itself; then the name and the dates are checked.
    assert_eq!(outcome(&file(&plain), "other", &forged), Err(TlsError::OtherHost));
}

#[test]
fn the_servers_own_certificate_is_enough_whatever_its_name() {
    let kinds: [Change; 2] =
        [|_| (), |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)];
    for kind in kinds {
        let own = self_signed(&[], kind);
        assert_eq!(outcome(&file(&own), "any.host", &own), Ok(()));
        let twin = self_signed(&[], kind);
        assert_eq!(outcome(&file(&twin), "any.host", &own), Err(TlsError::Untrusted));
    }
}

#[test]
fn a_pin_looks_at_the_key_alone() {
    let (top, own) = issued(&["ups"], |_| ());
    assert_eq!(outcome(&pinned(pin(&own)), "any.host", &own), Ok(()));
    let other = Trust { pin: Some([7; 32]), ..file(&top) };
    assert_eq!(
        outcome(&other, "ups", &own),
        Err(TlsError::OtherKey(pin(&own))),
        "both: the pin decides"
    );
    let text = TlsError::OtherKey([0xab; 32]).to_string();
    assert!(text.contains(&format!("tls-pin {}", "ab".repeat(32))), "{text}");
}

/// Who copies a certificate has not its key.
#[test]
fn the_signature_of_the_handshake_counts_always() {
    let (top, own) = issued(&["ups"], |_| ());
    let thief = KeyPair::generate().expect("a key");
    for trust in [pinned(pin(&own)), file(&own), file(&top)] {
        for version in VERSIONS {
            let mut tls = client(&trust, "ups");
            let mut server = server_of(vec![own.der.clone()], &thief, version, None);
            let result = shake(&mut tls, &mut server);
            assert_eq!(result, Err(TlsError::Certificate("BadSignature".to_owned())));
            assert!(tls.handshaking() && !tls.output().is_empty(), "an alert tells the server");
        }
    }
}

#[test]
fn nothing_to_trust_is_no_configuration() {
    let why = TlsConfig::new(&Trust::default()).expect_err("nothing");
    assert!(why.contains("ca-file") && why.contains("tls-pin"), "{why}");
    let bad = Trust { anchors: vec![vec![1, 2, 3]], pin: None };
    assert!(TlsConfig::new(&bad).is_err());
}

#[test]
fn a_file_of_certificates_is_bounded_and_checked() {
    let own = self_signed(&["ups"], |_| ());
    let key = own.key.serialize_pem();
    let both = format!("words\n{}{key}{}", own.pem, own.pem);
    assert_eq!(Trust::from_pem(both.as_bytes()).expect("two").anchors.len(), 2);
    assert!(Trust::from_pem(own.pem.repeat(CERTIFICATES).as_bytes()).is_ok());
    let cut = &own.pem[..own.pem.len() / 2];
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, part) in [
        (own.pem.repeat(CERTIFICATES + 1), "over 200"),
        (own.pem.repeat(FILE / own.pem.len() + 1), "larger"),
        (String::new(), "no certificate"),
        (key, "no certificate"),
        (cut.to_owned(), "certificate 1"),
        (format!("{}{wrong}", own.pem), "certificate 2"),
    ] {
        let why = Trust::from_pem(text.as_bytes()).expect_err(part);
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn a_server_that_wants_our_certificate_is_named_as_such() {
    let (top, own) = issued(&["ups"], |_| ());
    let mut tls = client(&file(&top), "ups");
    let mut server = server_of(vec![own.der.clone()], &own.key, &TLS13, Some(&top));
    let result = carry(&mut tls, &mut server, &mut Vec::new(), &mut Vec::new());
    assert_eq!(result, Err(TlsError::WantsCertificate));
}

#[test]
fn alerts_and_what_is_no_tls_end_it() {
    let trust = pinned([0; 32]);
    let refused = client(&trust, "ups").receive(&[21, 3, 3, 0, 2, 2, 40], &mut |_| panic!("plain"));
    assert_eq!(refused, Err(TlsError::Alert("HandshakeFailure".to_owned())));
    for text in ["OK STARTTLS\nVAR ups\n", "ERR FEATURE-NOT-CONFIGURED\n", "HTTP/1.1 400 no\r\n"] {
        let garbage = client(&trust, "ups").receive(text.as_bytes(), &mut |_| panic!("plain"));
        assert!(matches!(garbage, Err(TlsError::Protocol(_))), "{garbage:?}");
    }
}

#[test]
fn a_handshake_is_bounded() {
    let (top, own) = issued(&["ups"], |_| ());
    for version in VERSIONS {
        for (more, result) in [(QUIET * 3 / 4, None), (QUIET, Some(TlsError::TooMuch))] {
            let filler = CertificateDer::from(vec![0x30; more]);
            let chain = vec![own.der.clone(), filler];
            let mut tls = client(&file(&top), "ups");
            let mut server = server_of(chain, &own.key, version, None);
            assert_eq!(shake(&mut tls, &mut server).err(), result);
        }
    }
}

#[test]
fn what_waits_is_bounded() {
    let own = self_signed(&[], |_| ());
    for version in VERSIONS {
        let (mut tls, mut server) = (client(&file(&own), "ups"), server(&own, version));
        shake(&mut tls, &mut server).expect("a handshake");
        assert_eq!(tls.seal(&[b'x'; SEALED + 1]), Err(TlsError::Full));
        let sealed = (0..100).take_while(|_| tls.seal(&[b'x'; SEALED]).is_ok()).count();
        assert_eq!(sealed, 7);
        assert_eq!(tls.seal(&[b'x'; SEALED]), Err(TlsError::Full));
        tls.sent(usize::MAX);
        assert_eq!(tls.output(), b"");
    }
    // Each asks for an answer.
    let (mut tls, mut server) = (client(&file(&own), "ups"), server(&own, &TLS13));
    shake(&mut tls, &mut server).expect("a handshake");
    for _ in 0..1000 {
        server.refresh_traffic_keys().expect("TLS 1.3");
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
        if tls.receive(&bytes, &mut |_| ()).is_err() {
            break;
        }
        assert!(tls.output().len() <= WAITING);
    }
}

/// All that a server sends when it answers a client and says `lines`, in order.
fn recorded(own: &Made, version: &'static SupportedProtocolVersion) -> (Tls, Vec<u8>, Vec<u8>) {
    let (mut tls, mut server) = (client(&file(own), "ups"), server(own, version));
    shake(&mut tls, &mut server).expect("a handshake");
    let mut lines = Vec::new();
    let mut bytes = Vec::new();
    for line in 0..20 {
        let line = format!("VAR ups ups.status \"OL {line}\"\n");
        server.writer().write_all(line.as_bytes()).expect("room");
        lines.extend(line.as_bytes());
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
    }
    server.send_close_notify();
    while server.wants_write() {
        server.write_tls(&mut bytes).expect("memory");
    }
    (tls, bytes, lines)
}

/// The first message of a server, for which no key is needed to be believed.
fn answer(own: &Made, version: &'static SupportedProtocolVersion) -> (Tls, Vec<u8>) {
    let (mut tls, mut server) = (client(&file(own), "ups"), server(own, version));
    let hello = tls.output().to_vec();
    tls.sent(hello.len());
    server.read_tls(&mut hello.as_slice()).expect("room");
    server.process_new_packets().expect("a client");
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).expect("memory");
    }
    (tls, bytes)
}

/// Gives a client bytes in pieces; what it hears.
fn hear(tls: &mut Tls, bytes: &[u8], piece: usize) -> (Result<(), TlsError>, Vec<u8>) {
    let mut heard = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        let result = tls.receive(piece, &mut |plain| heard.extend(plain));
        if result.is_err() {
            return (result, heard);
        }
    }
    (Ok(()), heard)
}

fn version() -> impl Strategy<Value = &'static SupportedProtocolVersion> {
    prop_oneof![Just(&TLS12), Just(&TLS13)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_cut_stream_says_less_and_nothing_else(version in version(), at: prop::sample::Index, piece in 1..2000_usize) {
        let own = self_signed(&[], |_| ());
        let (mut tls, bytes, lines) = recorded(&own, version);
        let at = at.index(bytes.len() + 1);
        let (result, heard) = hear(&mut tls, &bytes[..at], piece);
        prop_assert_eq!(result, Ok(()));
        prop_assert!(lines.starts_with(&heard));
        prop_assert_eq!(tls.closed(), at == bytes.len());
        let (mut tls, bytes) = answer(&own, version);
        let at = at.min(bytes.len() - 1);
        let (_, heard) = hear(&mut tls, &bytes[..at], piece);
        prop_assert_eq!(heard, b"");
        prop_assert!(tls.handshaking());
    }

    #[test]
    fn a_changed_byte_is_noticed(version in version(), at: prop::sample::Index, bit in 0..8_u32, piece in 1..2000_usize) {
        let own = self_signed(&[], |_| ());
        let (mut tls, mut bytes, lines) = recorded(&own, version);
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let (result, heard) = hear(&mut tls, &bytes, piece);
        prop_assert!(lines.starts_with(&heard));
        // A changed length can leave it waiting for more; the version in a record's head means nothing in TLS 1.3.
        prop_assert!(result.is_err() || !tls.closed() || heard == lines, "{place}");
        let (mut tls, mut bytes) = answer(&own, version);
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let (_, heard) = hear(&mut tls, &bytes, piece);
        prop_assert_eq!(heard, b"");
    }

    #[test]
    fn anything_at_any_time_is_survived(
        version in version(),
        at: prop::sample::Index,
        kind in 18..26_u8,
        junk in prop::collection::vec(any::<u8>(), 0..3000),
        head: bool,
    ) {
        let own = self_signed(&[], |_| ());
        let mut insert = junk.clone();
        if head {
            let [high, low] = u16::try_from(junk.len()).expect("short").to_be_bytes();
            insert.splice(0..0, [kind, 3, 3, high, low]);
        }
        let (mut tls, mut bytes, lines) = recorded(&own, version);
        let place = at.index(bytes.len());
        bytes.splice(place..place, insert.iter().copied());
        let (_, heard) = hear(&mut tls, &bytes, 999);
        prop_assert!(lines.starts_with(&heard));
        let (mut tls, mut bytes) = answer(&own, version);
        let place = at.index(bytes.len());
        bytes.splice(place..place, insert);
        let (_, heard) = hear(&mut tls, &bytes, 999);
        prop_assert_eq!(heard, b"");
        prop_assert!(tls.output().len() <= WAITING);
    }
}
