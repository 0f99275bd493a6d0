//! Both pipes that a hostile monitor writes: the decoders of events and log lines, and the guard, against
//! references that look at whole slices and whole histories.
//!
//! Input: one byte from which the sizes of the reads and the times between them follow, then the bytes
//! of the pipe. A violation ends a generation; the rest of the bytes is the next one's.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use upsentry::ipc::frame::{Decoder, Events, Format, Frame, Kind, LogLines, Malformed};
use upsentry::ipc::guard::{Event, Guard, Violation};

/// A pipe's grammar: type bytes, longest body, body bytes.
struct Grammar {
    types: &'static [u8],
    longest: usize,
    body: fn(u8) -> bool,
}

const EVENTS: Grammar = Grammar {
    types: b"OFLCRSHN",
    longest: 63,
    body: |byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-'),
};
const LOG: Grammar = Grammar {
    types: b"01234567",
    longest: 255,
    body: |byte| (b' '..=b'~').contains(&byte),
};

/// How a stream begins.
enum Head {
    /// A frame of so many bytes.
    Frame(usize),
    /// The byte at this index is wrong.
    Wrong(usize, Malformed),
    /// A frame that is not complete.
    Partial,
}

impl Grammar {
    fn head(&self, stream: &[u8]) -> Head {
        let Some(start) = stream.first() else {
            return Head::Partial;
        };
        if *start != 2 {
            return Head::Wrong(0, Malformed::Start(*start));
        }
        let Some(letter) = stream.get(1) else {
            return Head::Partial;
        };
        if !self.types.contains(letter) {
            return Head::Wrong(1, Malformed::Type(*letter));
        }
        let Some(length) = stream.get(2) else {
            return Head::Partial;
        };
        let stop = 3 + usize::from(*length);
        if !(4..=3 + self.longest).contains(&stop) {
            return Head::Wrong(2, Malformed::Length(*length));
        }
        let body = &stream[3..stop.min(stream.len())];
        if let Some(at) = body.iter().position(|byte| !(self.body)(*byte)) {
            return Head::Wrong(3 + at, Malformed::Body(body[at]));
        }
        match stream.get(stop) {
            None => Head::Partial,
            Some(3) => Head::Frame(stop + 1),
            Some(byte) => Head::Wrong(stop, Malformed::Stop(*byte)),
        }
    }
}

/// The decoder says at every byte what the reference says, and what it read encodes to the same bytes.
fn check_decoder<F: Format>(
    grammar: &Grammar,
    mut stream: &[u8],
    encode: fn(F::Kind, &[u8]) -> Option<Frame>,
) {
    let mut decoder = Decoder::<F>::default();
    while !stream.is_empty() {
        let (used, wrong) = match grammar.head(stream) {
            Head::Frame(length) => (length, None),
            Head::Wrong(at, error) => (at + 1, Some(error)),
            Head::Partial => (stream.len(), None),
        };
        let whole = matches!(grammar.head(stream), Head::Frame(_));
        let (bytes, rest) = stream.split_at(used);
        for (at, byte) in bytes.iter().enumerate() {
            let last = at + 1 == used;
            match decoder.push(*byte) {
                Ok(None) => assert!(!last || !whole && wrong.is_none()),
                Ok(Some((kind, body))) => {
                    assert!(last && whole && wrong.is_none());
                    let frame = encode(kind, body).expect("what was read can be written");
                    assert_eq!(frame.bytes(), bytes);
                }
                Err(error) => assert_eq!((last, Some(error)), (true, wrong)),
            }
        }
        if wrong.is_some() {
            decoder = Decoder::default();
        }
        stream = rest;
    }
}

const NAMES: [&str; 2] = ["a", "ups-2"];
/// One frame's worth of refill, in nanoseconds.
const FRAME: u64 = 10_000_000;

/// One generation as it should be judged: all frames that passed, and credit in nanoseconds.
struct Generation {
    past: Vec<(u8, usize)>,
    credit: u64,
    credited: u64,
    last_life: u64,
}

impl Generation {
    fn new(now: u64) -> Generation {
        Generation {
            past: Vec::new(),
            credit: 200 * FRAME,
            credited: now,
            last_life: now,
        }
    }

    fn judge(&mut self, now: u64, frame: &[u8]) -> Result<Option<Event>, Violation> {
        let (letter, name) = (frame[1], &frame[3..frame.len() - 1]);
        let kinds = Kind::ALL.into_iter();
        let kind = kinds.clone().find(|kind| kind.letter() == letter).unwrap();
        let ups = NAMES.iter().position(|known| known.as_bytes() == name);
        self.credit = (self.credit + (now - self.credited)).min(200 * FRAME);
        self.credited = now;
        if self.credit < FRAME {
            return Err(Violation::TooFast);
        }
        self.credit -= FRAME;
        let Some(ups) = ups.filter(|ups| letter != b'N' && (letter != b'H' || *ups == 0)) else {
            return Err(Violation::UnknownName(kind));
        };
        if !self.legal(letter, ups) {
            return Err(Violation::Illegal { kind, ups });
        }
        self.past.push((letter, ups));
        self.last_life = now;
        Ok(Some(Event { kind, ups }))
    }

    fn legal(&self, letter: u8, ups: usize) -> bool {
        let own = || self.past.iter().filter(|f| f.1 == ups).map(|f| f.0);
        let count = |wanted| own().filter(|letter| *letter == wanted).count();
        let lost = count(b'C') > count(b'R');
        let last = own().filter(|letter| b"OFL".contains(letter)).last();
        match letter {
            b'H' => true,
            b'S' => count(b'S') == 0,
            b'C' => !lost,
            b'R' => lost,
            b'F' => !lost && !matches!(last, Some(b'F' | b'L')),
            _ => !lost && last != Some(letter),
        }
    }
}

/// Gaps between reads, in nanoseconds: around the refill, around both limits of silence, long.
const GAPS: [u64; 8] = [
    0,
    1_000_000,
    FRAME - 1,
    FRAME,
    700_000_000,
    3_200_000_001,
    30_200_000_000,
    86_400_000_000_000,
];

fn check_guard(mut seed: u64, stream: &[u8]) {
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 40).unwrap()
    };
    // An even seed: everything at once.
    let still = random() % 2 == 0;
    let settles = [Duration::from_secs(2), Duration::from_secs(5)];
    let mut guard = Guard::new(NAMES.into_iter().zip(settles));
    let (mut now, mut at, mut frame_start) = (0, 0, 0);
    let mut generation = Generation::new(now);
    while at < stream.len() {
        let chunk = (at + 1 + random() % 300).min(stream.len());
        while at < chunk {
            let expected = match EVENTS.head(&stream[frame_start..=at]) {
                Head::Frame(length) => {
                    let frame = &stream[frame_start..frame_start + length];
                    frame_start += length;
                    generation.judge(now, frame)
                }
                Head::Wrong(_, error) => Err(Violation::Malformed(error)),
                Head::Partial => Ok(None),
            };
            let got = guard.byte(Duration::from_nanos(now), stream[at]);
            assert_eq!(got, expected, "byte {at}");
            at += 1;
            if got.is_err() {
                guard.reset(Duration::from_nanos(now));
                generation = Generation::new(now);
                frame_start = at;
            }
        }
        for mains in [false, true] {
            let due = guard.due(mains);
            assert_eq!(guard.silence(due, mains), Ok(()));
            let after = due + Duration::from_nanos(1);
            assert!(guard.silence(after, mains).is_err());
            let life = generation.last_life + if mains { 30_200_000_000 } else { 3_200_000_000 };
            assert!(due <= Duration::from_nanos(life));
            assert!(due == Duration::from_nanos(life) || !guard.all_known());
        }
        if !still {
            now += GAPS[random() % GAPS.len()];
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((seed, stream)) = data.split_first() else {
        return;
    };
    check_decoder::<Events>(&EVENTS, stream, |kind, name| {
        Frame::event(kind, std::str::from_utf8(name).ok()?)
    });
    check_decoder::<LogLines>(&LOG, stream, Frame::log);
    check_guard(u64::from(*seed), stream);
});
