use super::*;
use proptest::prelude::*;

fn key(byte: u8) -> Key {
    Key::from_bytes(&[byte; 32]).unwrap()
}

fn ring(keys: &[u8]) -> Keyring {
    Keyring::new(&keys.iter().map(|byte| key(*byte)).collect::<Vec<_>>())
}

const ID: (Session, u64) = ([9; 16], 77);

fn sealed(ring: &Keyring, kind: Kind, key: Option<[u8; 4]>, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; LARGEST];
    bytes[HEADER..HEADER + body.len()].copy_from_slice(body);
    let length = ring.seal(kind, key, ID, body.len(), &mut bytes).unwrap();
    assert_eq!(length, ring.sealed_length(body.len()));
    bytes.truncate(length);
    bytes
}

fn opened(ring: &Keyring, kind: Kind, datagram: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut copy = datagram.to_vec();
    let opened = ring.open(kind, &mut copy).map(|(_, body)| body.to_vec());
    // What is refused stays as it was.
    assert!(opened.is_ok() || copy == datagram);
    opened
}

const BOTH: [Kind; 2] = [Kind::Poll, Kind::State];

#[test]
fn every_bit_is_under_the_seal() {
    let ring = ring(&[1, 2]);
    for kind in BOTH {
        let datagram = sealed(&ring, kind, None, b"some words");
        assert_eq!(opened(&ring, kind, &datagram), Ok(b"some words".to_vec()));
        for bit in 0..datagram.len() * 8 {
            let mut forged = datagram.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let wanted = match bit / 8 {
                0..3 | 4 => Refusal::Shape,
                3 => Refusal::Version,
                5..9 => Refusal::Key,
                _ => Refusal::Forged,
            };
            assert_eq!(opened(&ring, kind, &forged), Err(wanted), "bit {bit}");
        }
        for length in 0..datagram.len() {
            assert!(opened(&ring, kind, &datagram[..length]).is_err(), "{length} bytes");
        }
        let longer = [&datagram[..], &[0]].concat();
        assert_eq!(opened(&ring, kind, &longer), Err(Refusal::Forged));
    }
}

#[test]
fn nothing_can_be_turned_back() {
    let ring = ring(&[1]);
    for (kind, other) in [(Kind::Poll, Kind::State), (Kind::State, Kind::Poll)] {
        let mut datagram = sealed(&ring, kind, None, b"words");
        assert_eq!(opened(&ring, other, &datagram), Err(Refusal::Shape));
        datagram[4] = other.byte();
        assert_eq!(opened(&ring, other, &datagram), Err(Refusal::Forged));
    }
}

#[test]
fn other_keys_open_nothing() {
    let ours = ring(&[1]);
    let mut datagram = sealed(&ring(&[2]), Kind::Poll, None, b"words");
    assert_eq!(opened(&ours, Kind::Poll, &datagram), Err(Refusal::Key));
    datagram[5..9].copy_from_slice(&ours.ids().next().unwrap());
    assert_eq!(opened(&ours, Kind::Poll, &datagram), Err(Refusal::Forged));
}

#[test]
fn two_keys_are_accepted_and_either_can_be_used() {
    let both = ring(&[1, 2]);
    let ids: Vec<_> = both.ids().collect();
    assert_eq!(ids.len(), 2);
    for (key, id) in [(1, ids[0]), (2, ids[1])] {
        let datagram = sealed(&both, Kind::State, Some(id), b"words");
        assert_eq!(opened(&ring(&[key]), Kind::State, &datagram), Ok(b"words".to_vec()));
        let datagram = sealed(&ring(&[key]), Kind::Poll, None, b"words");
        assert_eq!(opened(&both, Kind::Poll, &datagram), Ok(b"words".to_vec()));
    }
    // The first is used to send, also where the one that was asked for is not there.
    for wanted in [None, Some([0; 4])] {
        assert_eq!(sealed(&both, Kind::Poll, wanted, b"")[5..9], ids[0]);
    }
    assert_eq!(ring(&[1, 2, 3]).ids().count(), MOST_KEYS);
}

#[test]
fn without_a_key_nothing_is_sealed_and_nothing_sealed_is_taken() {
    let none = ring(&[]);
    assert!(none.is_empty());
    assert_eq!(none.ids().collect::<Vec<_>>(), [[0; 4]]);
    let open = sealed(&none, Kind::Poll, None, b"words");
    assert_eq!(opened(&none, Kind::Poll, &open), Ok(b"words".to_vec()));
    assert_eq!(opened(&ring(&[1]), Kind::Poll, &open), Err(Refusal::Key));
    let closed = sealed(&ring(&[1]), Kind::Poll, None, b"words");
    assert_eq!(opened(&none, Kind::Poll, &closed), Err(Refusal::Key));
}

#[test]
fn it_fits_or_it_is_refused() {
    for ring in [ring(&[]), ring(&[1])] {
        let room = ring.room(LARGEST);
        assert_eq!(ring.sealed_length(room), LARGEST);
        assert_eq!(ring.room(usize::MAX), room);
        assert_eq!(ring.room(HEADER), 0);
        let mut bytes = [0; LARGEST + 1];
        assert_eq!(ring.seal(Kind::Poll, None, ID, room, &mut bytes), Some(LARGEST));
        assert_eq!(ring.seal(Kind::Poll, None, ID, room, &mut bytes[..LARGEST - 1]), None);
        assert_eq!(ring.seal(Kind::Poll, None, ID, usize::MAX, &mut bytes), None);
        assert_eq!(opened(&ring, Kind::Poll, &[b'u'; LARGEST + 1]), Err(Refusal::Shape));
    }
    assert_eq!(format!("{:?}", ring(&[1, 2])), "Keyring of 2");
}

#[test]
fn each_run_and_each_datagram_of_it_has_another_stream() {
    let ring = ring(&[1]);
    let of = |session, sequence| {
        let mut bytes = [0; HEADER + 32 + TAG];
        ring.seal(Kind::Poll, None, (session, sequence), 32, &mut bytes).unwrap();
        bytes[HEADER..HEADER + 32].to_vec()
    };
    let all = [of([1; 16], 1), of([1; 16], 2), of([2; 16], 1), of([1; 16], 1 << 32)];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[..at].contains(one));
    }
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened(
        body in prop::collection::vec(any::<u8>(), 0..=1183),
        (session, sequence) in any::<(Session, u64)>(),
        keys in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let ring = ring(&keys);
        for kind in BOTH {
            let mut bytes = vec![0; LARGEST];
            bytes[HEADER..HEADER + body.len()].copy_from_slice(&body);
            let length = ring.seal(kind, None, (session, sequence), body.len(), &mut bytes).unwrap();
            let (header, again) = ring.open(kind, &mut bytes[..length]).unwrap();
            prop_assert_eq!((header.kind, header.session), (kind, session));
            prop_assert_eq!((header.sequence, again), (sequence, &body[..]));
        }
    }

    #[test]
    fn noise_is_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..1400)) {
        let ring = ring(&[1]);
        if let Some(front) = bytes.first_chunk_mut::<HEADER>() {
            *front = Header { kind: Kind::State, key: ring.ids().next().unwrap(), session: [0; 16], sequence: 1 }.bytes();
        }
        prop_assert!(opened(&ring, Kind::State, &bytes).is_err());
    }
}
