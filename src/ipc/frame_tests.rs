use super::*;
use proptest::prelude::*;

const NAME_BYTES: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
const LETTERS: &[u8] = b"OFLCRSHN";
const DIGITS: &[u8] = b"01234567";

fn name_byte(byte: u8) -> bool {
    NAME_BYTES.contains(&byte)
}

fn text_byte(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// A pipe's grammar, said again.
struct Grammar {
    types: &'static [u8],
    longest: usize,
    body: fn(u8) -> bool,
}

const EVENTS: Grammar = Grammar { types: LETTERS, longest: 63, body: name_byte };
const LOG: Grammar = Grammar { types: DIGITS, longest: 255, body: text_byte };

/// What came out of a stream up to the first violation: frames as (bytes read by then, type, body).
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    frames: Vec<(usize, u8, Vec<u8>)>,
    /// Index of the offending byte.
    violation: Option<(usize, Malformed)>,
}

impl Grammar {
    /// Slow and obvious: looks at whole slices instead of states.
    fn read(&self, stream: &[u8]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut at = 0;
        while let Some(frame) = stream.get(at..).filter(|rest| !rest.is_empty()) {
            let bad = |offset: usize, error: fn(u8) -> Malformed| {
                Some((at + offset, error(stream[at + offset])))
            };
            if frame[0] != 2 {
                outcome.violation = bad(0, Malformed::Start);
                break;
            }
            if frame.len() > 1 && !self.types.contains(&frame[1]) {
                outcome.violation = bad(1, Malformed::Type);
                break;
            }
            let Some(length) = frame.get(2).map(|length| usize::from(*length)) else {
                break;
            };
            if !(1..=self.longest).contains(&length) {
                outcome.violation = bad(2, Malformed::Length);
                break;
            }
            let body: Vec<u8> = frame.iter().copied().skip(3).take(length).collect();
            if let Some(wrong) = body.iter().position(|byte| !(self.body)(*byte)) {
                outcome.violation = bad(3 + wrong, Malformed::Body);
                break;
            }
            match frame.get(3 + length) {
                None => break,
                Some(3) => outcome.frames.push((at + length + 4, frame[1], body)),
                Some(_) => {
                    outcome.violation = bad(3 + length, Malformed::Stop);
                    break;
                }
            }
            at += length + 4;
        }
        outcome
    }
}

/// The same by the decoder; stops at the first violation, as its users must.
fn decode<F: Format>(stream: &[u8], letter: fn(F::Kind) -> u8) -> Outcome {
    let mut decoder = Decoder::<F>::default();
    let mut outcome = Outcome::default();
    for (at, byte) in stream.iter().enumerate() {
        match decoder.push(*byte) {
            Ok(None) => {}
            Ok(Some((kind, body))) => outcome.frames.push((at + 1, letter(kind), body.to_vec())),
            Err(error) => {
                outcome.violation = Some((at, error));
                break;
            }
        }
    }
    outcome
}

fn events(stream: &[u8]) -> Outcome {
    decode::<Events>(stream, Kind::letter)
}

fn log(stream: &[u8]) -> Outcome {
    decode::<LogLines>(stream, |severity| b'0' + severity)
}

fn raw(letter: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    [&[2, letter, length], body, &[3]].concat()
}

/// Not `rand`: the same bytes in every run.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

#[test]
fn kinds_have_the_letters_of_the_design() {
    assert_eq!(Kind::ALL.map(Kind::letter), *b"OFLCRSHN");
    for byte in 0..=u8::MAX {
        let kind = Events::kind(byte);
        assert_eq!(kind.is_some(), LETTERS.contains(&byte), "{byte}");
        assert!(kind.is_none_or(|kind| kind.letter() == byte));
        let severity = LogLines::kind(byte);
        assert_eq!(severity.is_some(), DIGITS.contains(&byte), "{byte}");
        assert!(severity.is_none_or(|severity| severity + b'0' == byte));
        assert_eq!(Events::body(byte), name_byte(byte), "{byte}");
        assert_eq!(LogLines::body(byte), text_byte(byte), "{byte}");
    }
}

#[test]
fn a_frame_is_start_type_length_name_stop() {
    let frame = Frame::event(Kind::Fail, "ups").unwrap();
    assert_eq!(frame.bytes(), b"\x02F\x03ups\x03");
    let frame = Frame::log(5, b"on battery").unwrap();
    assert_eq!(frame.bytes(), b"\x025\x0aon battery\x03");
}

/// Every prefix of up to three bytes that is not already convicted, times every byte.
#[test]
fn every_short_prefix_is_judged_at_its_last_byte() {
    for (grammar, decode) in [(EVENTS, events as fn(&[u8]) -> Outcome), (LOG, log)] {
        let mut alive: Vec<Vec<u8>> = vec![vec![]];
        for length in 1..=3 {
            let mut next = Vec::new();
            for prefix in &alive {
                for byte in 0..=u8::MAX {
                    let stream = [prefix.as_slice(), &[byte]].concat();
                    let got = decode(&stream);
                    assert_eq!(got, grammar.read(&stream), "{stream:x?}");
                    assert!(got.frames.is_empty());
                    match got.violation {
                        Some((at, _)) => assert_eq!(at, length - 1),
                        None => next.push(stream),
                    }
                }
            }
            alive = next;
        }
        assert_eq!(alive.len(), grammar.types.len() * grammar.longest);
    }
}

#[test]
fn a_frame_comes_out_with_its_last_byte_and_not_before() {
    for name in ["a", "ups", &"x".repeat(63)] {
        for kind in Kind::ALL {
            let frame = Frame::event(kind, name).unwrap();
            for cut in 0..frame.bytes().len() {
                assert_eq!(events(&frame.bytes()[..cut]), Outcome::default());
            }
            let whole = (frame.bytes().len(), kind.letter(), name.into());
            assert_eq!(events(frame.bytes()).frames, [whole]);
        }
    }
}

#[test]
fn frames_may_follow_each_other_without_a_gap() {
    let stream = [raw(b'O', b"a"), raw(b'F', b"b-long.er_name"), raw(b'H', b"c")].concat();
    let got = events(&stream);
    assert_eq!(got, EVENTS.read(&stream));
    assert_eq!(got.frames.len(), 3);
    let noise = [raw(b'O', b"a"), vec![0], raw(b'F', b"b")].concat();
    let got = events(&noise);
    assert_eq!((got.frames.len(), got.violation), (1, Some((5, Malformed::Start(0)))));
}

/// One wrong byte: another legal type or another legal name byte makes another valid frame; anything
/// else is a violation, at the wrong byte itself, or where a wrong length makes the stop byte or a name
/// byte stand in the wrong place.
#[test]
fn every_corruption_of_one_byte_is_rejected_or_another_valid_frame() {
    for name in [b"a".as_slice(), b"ups", b"A.z_0-9", &[b'n'; 63]] {
        for letter in LETTERS {
            let good = raw(*letter, name);
            let stop = good.len() - 1;
            for (at, right) in good.iter().enumerate() {
                for wrong in (0..=u8::MAX).filter(|byte| byte != right) {
                    let mut bytes = good.clone();
                    bytes[at] = wrong;
                    let got = events(&bytes);
                    let new_stop = 3 + usize::from(wrong);
                    let violation = match at {
                        0 => Some((0, Malformed::Start(wrong))),
                        1 if LETTERS.contains(&wrong) => None,
                        1 => Some((1, Malformed::Type(wrong))),
                        2 if !(1..=63).contains(&wrong) => Some((2, Malformed::Length(wrong))),
                        2 if new_stop < stop => Some((new_stop, Malformed::Stop(good[new_stop]))),
                        2 => Some((stop, Malformed::Body(3))),
                        _ if at == stop => Some((at, Malformed::Stop(wrong))),
                        _ if name_byte(wrong) => None,
                        _ => Some((at, Malformed::Body(wrong))),
                    };
                    assert_eq!(got.violation, violation, "{bytes:x?}");
                    let frames = match violation {
                        Some(_) => vec![],
                        None => vec![(good.len(), bytes[1], bytes[3..stop].to_vec())],
                    };
                    assert_eq!(got.frames, frames, "{bytes:x?}");
                }
            }
        }
    }
}

#[test]
fn lengths_at_the_limits() {
    for length in [0_u8, 1, 62, 63, 64, 254, 255] {
        let body = vec![b'a'; usize::from(length)];
        let event = raw(b'O', &body);
        assert_eq!(events(&event).frames.len(), usize::from((1..=63).contains(&length)));
        let line = raw(b'3', &body);
        assert_eq!(log(&line).frames.len(), usize::from(length > 0));
        if !(1..=63).contains(&length) {
            assert_eq!(events(&event).violation, Some((2, Malformed::Length(length))));
        }
        if length == 0 {
            assert_eq!(log(&line).violation, Some((2, Malformed::Length(0))));
        }
    }
}

#[test]
fn a_name_without_legal_form_has_no_frame() {
    let long = "x".repeat(64);
    for name in ["", "a b", "ü", "a\n", "\x03", "a/b", "ups@host", long.as_str()] {
        assert!(Frame::event(Kind::Ok, name).is_none(), "{name:?}");
    }
    for byte in 0..=127_u8 {
        let name = format!("a{}", char::from(byte));
        assert_eq!(Frame::event(Kind::Ok, &name).is_some(), name_byte(byte), "{name:?}");
    }
    assert!(Frame::event(Kind::Ok, &"x".repeat(63)).is_some());
    assert!(Frame::event(Kind::Ok, &"x".repeat(300)).is_none());
}

#[test]
fn a_log_line_is_cut_and_cleaned_and_never_empty() {
    assert!(Frame::log(3, b"").is_none());
    let frame = Frame::log(3, b"a\tb\x7f\x00\xff\n~ ").unwrap();
    assert_eq!(frame.bytes(), b"\x023\x09a?b????~ \x03");
    let frame = Frame::log(200, &[b'y'; 1000]).unwrap();
    assert_eq!(frame.bytes().len(), FRAME_MAX);
    assert_eq!(frame.bytes().len(), 259);
    assert_eq!(log(frame.bytes()).frames, [(259, b'7', vec![b'y'; 255])]);
}

#[test]
fn a_frame_is_written_in_one_piece() {
    // POSIX's least PIPE_BUF; Linux has 4096.
    const { assert!(FRAME_MAX <= 512) };
}

/// Ten to the six bytes on each pipe, half of them of the kind that frames are made of.
#[test]
fn random_bytes_never_panic_and_give_what_the_reference_gives() {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    for (grammar, decode) in [(EVENTS, events as fn(&[u8]) -> Outcome), (LOG, log)] {
        let (mut bytes, mut frames, mut violations) = (0, 0, 0);
        while bytes < 1_000_000 {
            let mut stream = Vec::new();
            while stream.len() < 200 {
                match random.byte() {
                    0..128 => stream.push(random.byte()),
                    128..250 => {
                        let length = random.byte() % 4 + 1;
                        let pick = |from: &[u8], random: &mut Xorshift| {
                            from[usize::from(random.byte()) % from.len()]
                        };
                        let letter = pick(grammar.types, &mut random);
                        let body: Vec<u8> =
                            (0..length).map(|_| pick(NAME_BYTES, &mut random)).collect();
                        stream.extend(raw(letter, &body));
                    }
                    _ => stream.extend([2, grammar.types[0], random.byte()]),
                }
            }
            let got = decode(&stream);
            assert_eq!(got, grammar.read(&stream), "{stream:x?}");
            bytes += stream.len();
            frames += got.frames.len();
            violations += usize::from(got.violation.is_some());
        }
        assert!(frames > 1000 && violations > 1000, "{frames} {violations}");
    }
}

#[test]
fn a_violation_says_what_was_wrong() {
    let texts = [
        (Malformed::Start(0), "start byte 0x00"),
        (Malformed::Type(b'X'), "unknown type 0x58"),
        (Malformed::Length(64), "length 64"),
        (Malformed::Body(b'/'), "byte 0x2f in a body"),
        (Malformed::Stop(0xff), "stop byte 0xff"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}

proptest! {
    #[test]
    fn every_legal_name_survives_the_pipe(name in "[A-Za-z0-9._-]{1,63}", kind in 0..8_usize) {
        let kind = Kind::ALL[kind];
        let frame = Frame::event(kind, &name).unwrap();
        prop_assert_eq!(frame.bytes(), raw(kind.letter(), name.as_bytes()));
        let whole = (frame.bytes().len(), kind.letter(), name.into_bytes());
        prop_assert_eq!(events(frame.bytes()).frames, [whole]);
    }

    #[test]
    fn no_other_name_has_a_frame(name in "\\PC{0,70}") {
        let legal = (1..=63).contains(&name.len()) && name.bytes().all(name_byte);
        prop_assert_eq!(Frame::event(Kind::Low, &name).is_some(), legal);
    }

    #[test]
    fn every_log_line_survives_the_pipe_cut_and_cleaned(
        severity in 0..=u8::MAX,
        text in prop::collection::vec(any::<u8>(), 1..400),
    ) {
        let frame = Frame::log(severity, &text).unwrap();
        let clean = |byte: &u8| if text_byte(*byte) { *byte } else { b'?' };
        let body: Vec<u8> = text.iter().take(255).map(clean).collect();
        let whole = (body.len() + 4, b'0' + severity.min(7), body);
        prop_assert_eq!(log(frame.bytes()).frames, [whole]);
    }

    #[test]
    fn any_bytes_give_what_the_reference_gives(stream in prop::collection::vec(any::<u8>(), 0..600)) {
        let started: Vec<u8> = [&[2, b'S', 9], stream.as_slice()].concat();
        for stream in [stream, started] {
            prop_assert_eq!(events(&stream), EVENTS.read(&stream));
            prop_assert_eq!(log(&stream), LOG.read(&stream));
        }
    }
}
