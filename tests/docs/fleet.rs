//! What docs/protocol.md says of the datagrams between master and slaves, compared with the code.
#![allow(clippy::indexing_slicing)]

use std::fmt::Write as _;

use hkdf::Hkdf;
use sha2::Sha256;
use upsentry::fleet::keys::{self, Key};
use upsentry::fleet::seal::{Keyring, TAG};
use upsentry::fleet::wire::{
    self, Answer, HEADER, Head, Kind, LARGEST, Poll, Refusal, Session, State, Ups, Writer,
};

use crate::mdoc::section;
use crate::{UPSENTRY_PROTOCOL_7, set};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Indented, 32 bytes a line.
fn block(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| format!("    {}\n", hex(line))).collect()
}

fn limits() -> String {
    let rows = [
        ("a datagram", format!("{HEADER} to {LARGEST} bytes")),
        ("UPSs in a state", format!("0 to {}", wire::MOST_UPS)),
        ("a name", format!("1 to {} bytes", wire::LONGEST_NAME)),
        ("variables of a UPS", format!("0 to {}", wire::MOST_VARIABLES)),
        ("a value", format!("0 to {} bytes", wire::LONGEST_VALUE)),
    ];
    let rows = rows.map(|(what, range)| format!("| {what} | {range} |\n"));
    format!("| what | at most |\n|---|---|\n{}", rows.concat())
}

fn argon2() -> String {
    let salt = core::str::from_utf8(keys::SALT).unwrap();
    let rows = [
        ("version", "0x13".to_owned()),
        ("memory", format!("{} KiB", keys::MEMORY)),
        ("passes", keys::PASSES.to_string()),
        ("lanes", keys::LANES.to_string()),
        ("salt", format!("`{salt}`, {} bytes", keys::SALT.len())),
        ("password", "as UTF-8".to_owned()),
        ("length of the result", "32 bytes".to_owned()),
    ];
    let rows = rows.map(|(what, value)| format!("| {what} | {value} |\n"));
    format!("| Argon2id | |\n|---|---|\n{}", rows.concat())
}

fn refused() -> String {
    let why = |refusal| match refusal {
        Refusal::Unlisted => "without a key: not from an address that is configured",
        Refusal::Shape => {
            "the length, the magic, the kind, or a body that is not what is said above"
        }
        Refusal::Version => "another version",
        Refusal::Key => {
            "a key id that is not ours; none where there must be one, or one where there is none"
        }
        Refusal::Forged => "the seal is broken",
        Refusal::Stale => "seen before, older than what was seen, or not asked for",
        Refusal::Full => "a poll that was answered, but there is no room for one more slave",
    };
    let rows = Refusal::ALL.map(|one| format!("| `{}` | {} |\n", one.name(), why(one)));
    format!("| counter | what |\n|---|---|\n{}", rows.concat())
}

fn expand(secret: &Key, label: &str, bytes: &mut [u8]) -> String {
    let hkdf = Hkdf::<Sha256>::new(None, secret.bytes());
    hkdf.expand(label.as_bytes(), bytes).unwrap();
    hex(bytes)
}

const SLAVE: (Session, u64) = (*b"slave's session.", 2);
const MASTER: (Session, u64) = (*b"master's session", 0x0102_0304);
const NONCE: [u8; 16] = *b"nonce of a poll.";
const COOKIE: [u8; 16] = *b"cookie, 16 bytes";

const POLL: Poll<'static> = Poll {
    name: "web1",
    ups: "rack",
    nonce: NONCE,
    cookie: COOKIE,
    seen: 300,
    interval: 5000,
    halting: Some(30),
};

fn body(kind: Kind, answer: bool) -> Vec<u8> {
    let mut bytes = [0; LARGEST];
    let mut writer = Writer::new(&mut bytes);
    if kind == Kind::Poll {
        writer.put(&POLL).unwrap();
        writer.pad(writer.length() + 4).unwrap();
    } else {
        let variables = if answer { vec![("battery.charge", "80")] } else { Vec::new() };
        let answer =
            answer.then_some(Answer { nonce: NONCE, cookie: COOKIE, bound: true, room: 181 });
        writer.put(&Head { answer, shutdown: false, count: 1 }).unwrap();
        let count = u8::try_from(variables.len()).unwrap();
        let ups = Ups { name: "rack", power: 2, lost: false, spent: 12_345, variables: count };
        writer.put(&ups).unwrap();
        variables.iter().for_each(|pair| writer.put(pair).unwrap());
    }
    let length = writer.length();
    bytes[..length].to_vec()
}

/// A datagram, and the check that it is opened as what it was.
fn sealed(ring: &Keyring, kind: Kind, body: &[u8]) -> Vec<u8> {
    let id = if kind == Kind::Poll { SLAVE } else { MASTER };
    let mut bytes = vec![0; LARGEST];
    bytes[HEADER..][..body.len()].copy_from_slice(body);
    let length = ring.seal(kind, None, id, body.len(), &mut bytes).unwrap();
    bytes.truncate(length);
    let (header, opened) = {
        let mut copy = bytes.clone();
        let (header, opened) = ring.open(kind, &mut copy).unwrap();
        (header, opened.to_vec())
    };
    assert_eq!((header.session, header.sequence), id);
    assert_eq!(opened, body);
    assert!(Poll::read(&opened).is_some() || State::read(&opened).is_some());
    bytes
}

fn vectors() -> String {
    let secret: Vec<u8> = (0..32).collect();
    let secret = Key::from_bytes(&secret).unwrap();
    let password = "correct horse battery staple";
    let from = Key::from_password(password).unwrap();
    let ring = Keyring::new(std::slice::from_ref(&secret));
    let id = expand(&secret, "upsentry 1 key id", &mut [0; 4]);
    assert_eq!(id, hex(&ring.ids().next().unwrap()));
    let mut text = format!(
        "```\npassword `{password}' gives\n    {}\n\nsecret\n    {}\nkey id\n    {id}\nkey for polls\n    {}\n\
         key for states\n    {}\n",
        hex(from.bytes()),
        hex(secret.bytes()),
        expand(&secret, "upsentry 1 slave to master", &mut [0; 32]),
        expand(&secret, "upsentry 1 master to slave", &mut [0; 32]),
    );
    let poll = body(Kind::Poll, false);
    let answer = body(Kind::State, true);
    let push = body(Kind::State, false);
    let words = |at: &[u8; 16]| core::str::from_utf8(at).unwrap().to_owned();
    let _ = write!(
        text,
        "\npoll of session `{}', sequence 2: name web1, ups rack, nonce `{}',\n\
         cookie `{}', seen 300, interval 5000, halting 30, and four zeros\n{}\
         sealed\n{}without a key\n{}",
        words(&SLAVE.0),
        words(&NONCE),
        words(&COOKIE),
        block(&poll),
        block(&sealed(&ring, Kind::Poll, &poll)),
        block(&sealed(&Keyring::new(&[]), Kind::Poll, &poll)),
    );
    let _ = write!(
        text,
        "\nits answer, of session `{}', sequence 16909060: bound, room 181, no shutdown, one UPS:\n\
         rack, on battery, not lost, for 12345 ms, battery.charge 80\n{}sealed\n{}\
         \na push of the same state\n{}sealed\n{}```\n",
        words(&MASTER.0),
        block(&answer),
        block(&sealed(&ring, Kind::State, &answer)),
        block(&push),
        block(&sealed(&ring, Kind::State, &push)),
    );
    text
}

/// The parts of the page, and what is in them.
pub(crate) fn parts() -> [(&'static str, String); 4] {
    assert_eq!((HEADER, TAG), (33, 16));
    [("limits", limits()), ("argon2", argon2()), ("refused", refused()), ("vectors", vectors())]
}

/// upsentry-protocol(7) has the same counters, labels and limits.
#[test]
fn the_manual_says_the_same() {
    let lines = section(UPSENTRY_PROTOCOL_7, "WHAT IS REFUSED");
    let counters = lines.iter().filter_map(|line| line.strip_prefix(".It Cm "));
    assert_eq!(set(counters), set(Refusal::ALL.map(Refusal::name)));
    let text = section(UPSENTRY_PROTOCOL_7, "").join("\n");
    for label in ["upsentry 1 key id", "upsentry 1 slave to master", "upsentry 1 master to slave"] {
        assert!(text.contains(&format!("Li {label}\n")), "{label}");
    }
    let salt = core::str::from_utf8(keys::SALT).unwrap();
    for words in [
        format!("{HEADER} to {LARGEST} bytes in all"),
        format!("a tag of {TAG} bytes"),
        format!("UPSs that follow, 0 to {}", wire::MOST_UPS),
        format!("is 1 to {} of", wire::LONGEST_NAME),
        format!("pairs that follow, 0 to {}:", wire::MOST_VARIABLES),
        format!("at most {} bytes", wire::LONGEST_VALUE),
        format!("{} KiB, {} passes, {} lane", keys::MEMORY, keys::PASSES, keys::LANES),
        salt.to_owned(),
    ] {
        assert!(text.contains(&words), "the page does not say: {words}");
    }
}
