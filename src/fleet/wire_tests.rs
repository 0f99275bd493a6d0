use super::*;
use proptest::prelude::*;

const POLL: Poll<'static> = Poll {
    name: "web1",
    ups: "",
    nonce: [1; 16],
    cookie: [2; 16],
    seen: 300,
    interval: 5000,
    halting: Some(30),
};

fn written<T: Serialize>(parts: &[T]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * LARGEST];
    let mut writer = Writer::new(&mut bytes);
    for part in parts {
        writer.put(part).unwrap();
    }
    let length = writer.length();
    bytes.truncate(length);
    bytes
}

type One = (String, u8, bool, u64, Vec<(String, String)>);

fn state(answer: Option<Answer>, all: &[One]) -> Vec<u8> {
    let count = u8::try_from(all.len()).unwrap();
    let mut bytes = written(&[Head { answer, shutdown: true, count }]);
    for (name, power, lost, spent, variables) in all {
        let count = u8::try_from(variables.len()).unwrap();
        let (power, lost, spent) = (*power, *lost, *spent);
        bytes.extend(written(&[Ups { name, power, lost, spent, variables: count }]));
        bytes.extend(written(variables));
    }
    bytes
}

fn ups(name: &str) -> One {
    (name.to_owned(), 1, false, 0, Vec::new())
}

#[test]
fn a_header_is_what_was_written() {
    for kind in [Kind::Poll, Kind::State] {
        let header = Header { kind, key: [1, 2, 3, 4], session: [5; 16], sequence: u64::MAX - 6 };
        let bytes = header.bytes();
        assert_eq!(Header::read(&bytes, kind), Ok(header));
        let other = if kind == Kind::Poll { Kind::State } else { Kind::Poll };
        assert_eq!(Header::read(&bytes, other), Err(Refusal::Shape));
        for (at, refusal) in
            [(0, Refusal::Shape), (2, Refusal::Shape), (3, Refusal::Version), (4, Refusal::Shape)]
        {
            let mut bytes = bytes;
            bytes[at] ^= 0x80;
            assert_eq!(Header::read(&bytes, kind), Err(refusal), "byte {at}");
        }
    }
}

#[test]
fn a_poll_keeps_to_its_ranges() {
    let longest = "x".repeat(LONGEST_NAME);
    let read = |poll: &Poll<'_>| Poll::read(&written(&[*poll])).is_some();
    assert!(read(&POLL));
    assert!(read(&Poll { name: &longest, ups: &longest, halting: Some(3600), ..POLL }));
    let longer = "x".repeat(LONGEST_NAME + 1);
    for name in ["", "a b", "ü", "a/b", "a\0", longer.as_str()] {
        assert!(!read(&Poll { name, ..POLL }), "{name}");
        assert!(name.is_empty() || !read(&Poll { ups: name, ..POLL }), "{name}");
    }
    assert!(!read(&Poll { halting: Some(3601), ..POLL }));
}

#[test]
fn only_zeros_follow_a_poll() {
    let mut bytes = written(&[POLL]);
    let length = bytes.len();
    bytes.resize(LARGEST, 0);
    assert_eq!(Poll::read(&bytes), Some(POLL));
    for at in length..LARGEST {
        bytes[at] = 1;
        assert_eq!(Poll::read(&bytes), None);
        bytes[at] = 0;
    }
}

#[test]
fn a_state_keeps_to_its_ranges() {
    let read = |all: &[One]| State::read(&state(None, all)).is_some();
    let most: Vec<_> = (0..MOST_UPS).map(|number| ups(&number.to_string())).collect();
    assert!(read(&[]));
    assert!(read(&most));
    assert!(!read(&[&most[..], &[ups("one-more")]].concat()));
    assert!(!read(&[ups("")]));
    assert!(!read(&[ups("no blank")]));
    assert!(!read(&[(4, ups("a"))].map(|(power, one)| (one.0, power, one.2, one.3, one.4))));
    let variable = |name: &str, value: &str| {
        let pair = (name.to_owned(), value.to_owned());
        read(&[("a".to_owned(), 1, false, 0, vec![pair])])
    };
    let longest = "v".repeat(LONGEST_VALUE);
    assert!(variable("battery.charge", "100 %"));
    assert!(variable("a", &longest));
    assert!(!variable("a", &format!("{longest}v")));
    for (name, value) in [("", "x"), ("a b", "x"), ("a", "x\n"), ("a", "\x7f"), ("a", "ü")] {
        assert!(!variable(name, value), "{name} {value}");
    }
    let some = |count: u8| {
        let pair = ("n".to_owned(), String::new());
        read(&[("a".to_owned(), 3, true, u64::MAX, vec![pair; usize::from(count)])])
    };
    assert!(some(MOST_VARIABLES));
    assert!(!some(MOST_VARIABLES + 1));
}

#[test]
fn power_has_a_number() {
    for power in [None, Some(Power::Mains), Some(Power::Battery), Some(Power::Low)] {
        let ups = Ups { name: "a", power: number(power), lost: false, spent: 0, variables: 0 };
        assert_eq!(ups.power(), power);
    }
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut room = [7; 4];
    let mut writer = Writer::new(&mut room);
    assert_eq!(writer.put(&"abc"), Some(()));
    assert_eq!((writer.put(&"d"), writer.length()), (None, 4));
    assert_eq!((writer.pad(5), writer.length()), (None, 4));
    writer.truncate(1);
    writer.truncate(3);
    assert_eq!((writer.pad(3), writer.length()), (Some(()), 3));
    assert_eq!(room[..3], [3, 0, 0]);
}

#[test]
fn a_buffer_never_grows() {
    let mut buffer = Buffer::new();
    assert!(buffer.copy(&[1; LARGEST]));
    assert!(!buffer.copy(&[1; LARGEST + 1]));
    assert_eq!(buffer.used(), [0; 0]);
    buffer.fill(|bytes| {
        bytes[..4].copy_from_slice(b"abcd");
        usize::MAX
    });
    assert_eq!(buffer.used().len(), LARGEST);
    buffer.keep(1, 2);
    assert_eq!(buffer.used(), b"bc");
    buffer.keep(1, usize::MAX);
    assert_eq!(buffer.used_mut(), b"c");
    buffer.keep(9, 9);
    assert_eq!(buffer.used(), b"");
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._-]{1,63}"
}

fn some_ups() -> impl Strategy<Value = One> {
    let variable = ("[a-z]{1,8}[.][a-z.]{1,20}", "[ -~]{0,128}");
    (name(), 0..=3_u8, any::<bool>(), any::<u64>(), prop::collection::vec(variable, 0..=32))
}

fn answer() -> impl Strategy<Value = Option<Answer>> {
    let parts = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<bool>(), any::<u16>());
    let answer =
        parts.prop_map(|(nonce, cookie, bound, room)| Answer { nonce, cookie, bound, room });
    prop::option::of(answer)
}

proptest! {
    #[test]
    fn a_poll_is_read_whole_or_not_at_all(
        name in name(),
        ups in "[A-Za-z0-9._-]{0,63}",
        (nonce, cookie) in any::<([u8; 16], [u8; 16])>(),
        (seen, interval) in any::<(u64, u32)>(),
        halting in prop::option::of(0..=3600_u16),
    ) {
        let poll = Poll { name: &name, ups: &ups, nonce, cookie, seen, interval, halting };
        let bytes = written(&[poll]);
        prop_assert_eq!(Poll::read(&bytes), Some(poll));
        for length in 0..bytes.len() {
            prop_assert_eq!(Poll::read(&bytes[..length]), None);
        }
    }

    #[test]
    fn a_state_is_read_whole_or_not_at_all(
        answer in answer(),
        all in prop::collection::vec(some_ups(), 0..=3),
    ) {
        let mut bytes = state(answer, &all);
        let read = State::read(&bytes).unwrap();
        prop_assert_eq!((read.head.answer, read.head.shutdown), (answer, true));
        let again = read.all().map(|(ups, variables)| {
            let pairs = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
            (ups.name.to_owned(), ups.power, ups.lost, ups.spent, pairs.collect())
        });
        prop_assert_eq!(again.collect::<Vec<One>>(), all);
        // Every one of some thousand lengths would take minutes.
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
            prop_assert!(State::read(&bytes[..length]).is_none());
        }
        prop_assert!(State::read(&bytes[..bytes.len() - 1]).is_none());
        bytes.push(0);
        prop_assert!(State::read(&bytes).is_none());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(poll) = Poll::read(&bytes) {
            prop_assert!(is_name(poll.name));
        }
        if let Some(state) = State::read(&bytes) {
            prop_assert_eq!(state.all().count(), usize::from(state.head.count));
        }
    }
}
