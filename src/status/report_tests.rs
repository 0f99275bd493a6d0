use proptest::prelude::*;

use super::*;
use crate::fleet::wire::Refusal;

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    "[ -~]{0,128}".prop_map(Cow::Owned)
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![Just(State::Unknown), Just(State::Mains), Just(State::Battery), Just(State::Low)]
}

fn said() -> impl Strategy<Value = Option<Said>> {
    let one = prop_oneof![Just(Said::Ok), Just(Said::Fail), Just(Said::Low), Just(Said::Shutdown)];
    proptest::option::of(one)
}

fn head() -> impl Strategy<Value = Message<'static>> {
    let texts = (text(), text());
    let states = (state(), said(), said(), any::<[bool; 3]>());
    let ages = any::<[Option<u64>; 2]>();
    let numbers = (any::<[u64; 3]>(), any::<[u32; 2]>(), any::<Option<[u64; 7]>>());
    let leaving =
        prop_oneof![Just(None), Just(Some(Leaving::Goodbye)), Just(Some(Leaving::Shutdown))];
    (texts, states, ages, numbers, leaving).prop_map(|(texts, states, ages, numbers, leaving)| {
        let (machine, told, recorded, [blind, outage, master]) = states;
        let ([up, replaced, dropped], pids, refused) = numbers;
        Message::Head(Head {
            format: FORMAT,
            version: texts.0,
            host: texts.1,
            machine,
            blind,
            told,
            told_ago: ages[0],
            recorded,
            up,
            outage,
            pids,
            replaced,
            replaced_ago: ages[1],
            leaving,
            dropped,
            master,
            refused,
        })
    })
}

fn ups() -> impl Strategy<Value = Message<'static>> {
    let way = prop_oneof![
        any::<Option<u8>>().prop_map(Way::Lines),
        any::<Option<u64>>().prop_map(Way::Master)
    ];
    let texts = (text(), text(), text());
    let numbers = (any::<[u64; 2]>(), any::<[u32; 2]>(), any::<[Option<u64>; 2]>());
    let rest = (any::<[bool; 2]>(), any::<Option<[u64; 2]>>());
    (texts, way, state(), numbers, rest).prop_map(|(texts, way, state, numbers, rest)| {
        let ([since, spent], [weight, glitches], [limit, left]) = numbers;
        let ([lost, doubt], outage) = rest;
        Message::Ups(Ups {
            name: texts.0,
            model: texts.1,
            source: texts.2,
            way,
            state,
            lost,
            doubt,
            weight,
            since,
            spent,
            limit,
            left,
            glitches,
            outage,
        })
    })
}

fn slave() -> impl Strategy<Value = Message<'static>> {
    let address = any::<(std::net::IpAddr, u16)>().prop_map(SocketAddr::from);
    let heard = proptest::option::of((address, any::<u64>()));
    (text(), heard, any::<[bool; 3]>()).prop_map(
        |(name, heard, [acknowledged, silent, leaving])| {
            Message::Slave(Slave { name, heard, acknowledged, silent, leaving })
        },
    )
}

fn message() -> impl Strategy<Value = Message<'static>> {
    let variable = (text(), text()).prop_map(|(name, value)| Message::Variable(name, value));
    prop_oneof![head(), ups(), slave(), variable, Just(Message::End)]
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_fits(message in message()) {
        let mut out = [0; LARGEST];
        let length = encode(&message, &mut out).expect("every message fits");
        let body = &out[2..length];
        prop_assert_eq!(usize::from(u16::from_le_bytes([out[0], out[1]])), body.len());
        prop_assert_eq!(decode(body), Ok(message));
        // Neither shorter nor longer.
        for cut in 0..body.len() {
            prop_assert!(decode(&body[..cut]).is_err());
        }
        let longer = [body, &[0]].concat();
        prop_assert!(decode(&longer).is_err());
    }

    #[test]
    fn garbage_is_refused_or_read_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        if let Ok(message) = decode(&bytes) {
            let mut out = [0; LARGEST];
            prop_assert!(encode(&message, &mut out).is_some());
        }
    }

    #[test]
    fn a_text_fits_after_it_was_made_to(text in ".*") {
        let fit = fit(&text);
        let message = Message::Variable(fit.clone().into(), "".into());
        let mut out = [0; LARGEST];
        let length = encode(&message, &mut out).expect("it fits");
        prop_assert_eq!(decode(&out[2..length]), Ok(message));
    }
}

#[test]
fn no_control_character_reaches_a_terminal() {
    for text in ["\x1b[2J", "a\nb", "\u{7f}", "\u{9b}1m", "ä", &"x".repeat(LONGEST + 1)] {
        let message = Message::Variable(text.into(), "".into());
        let mut out = [0; LARGEST];
        let length = encode(&message, &mut out).expect("it can be written");
        assert_eq!(decode(&out[2..length]), Err(Broken::Shape), "{text:?}");
    }
}

#[test]
fn another_format_is_told_from_nonsense() {
    let mut out = [0; LARGEST];
    let head = Message::Head(Head { format: FORMAT, ..Head::default() });
    let length = encode(&head, &mut out).expect("a head");
    assert!(decode(&out[2..length]).is_ok());
    out[3] = FORMAT + 1;
    assert_eq!(decode(&out[2..length]), Err(Broken::Version));
    assert_eq!(decode(&[0, FORMAT + 1, 0xff, 0xff]), Err(Broken::Version));
    assert_eq!(decode(&[9]), Err(Broken::Shape));
    assert_eq!(decode(&[]), Err(Broken::Shape));
}

#[test]
fn there_must_be_room() {
    let message = Message::Variable("ups.status".into(), "OL".into());
    for room in 0..16 {
        assert_eq!(encode(&message, &mut vec![0; room]), None, "{room}");
    }
    assert_eq!(encode(&message, &mut [0; 17]), Some(17));
}

#[test]
fn the_reasons_are_the_fleet_s() {
    assert_eq!(REASONS, Refusal::ALL.map(Refusal::name));
}
