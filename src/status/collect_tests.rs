use proptest::prelude::*;

use super::*;
use crate::status::report::{FORMAT, LARGEST, Way, encode};

fn bytes(messages: &[Message<'_>]) -> Vec<u8> {
    let mut all = Vec::new();
    for message in messages {
        let mut out = [0; LARGEST];
        let length = encode(message, &mut out).expect("it fits");
        all.extend(&out[..length]);
    }
    all
}

fn head() -> Message<'static> {
    Message::Head(Head { format: FORMAT, host: "mina".into(), up: 5, ..Head::default() })
}

fn ups(name: &'static str) -> Message<'static> {
    Message::Ups(Ups {
        name: name.into(),
        model: "power99".into(),
        source: "/dev/ttyS0".into(),
        way: Way::Master(Some(10)),
        state: State::Battery,
        lost: false,
        doubt: false,
        weight: 1,
        since: 100,
        spent: 200,
        limit: Some(1000),
        left: Some(800),
        glitches: 0,
        outage: Some([1, 2]),
    })
}

fn slave() -> Message<'static> {
    let heard = Some((([192, 0, 2, 1], 4386).into(), 7));
    let (acknowledged, silent, leaving) = (true, false, false);
    Message::Slave(Slave { name: "nod1".into(), heard, acknowledged, silent, leaving })
}

fn variable() -> Message<'static> {
    Message::Variable("ups.status".into(), "OB".into())
}

fn whole() -> Vec<u8> {
    bytes(&[head(), ups("a"), variable(), ups("b"), slave(), slave(), Message::End])
}

fn taken(bytes: &[u8]) -> Result<Vec<Snapshot>, Broken> {
    let mut all = Vec::new();
    Collector::default().take(bytes, &mut |one| all.push(one))?;
    Ok(all)
}

#[test]
fn a_snapshot_is_what_lies_between_head_and_end() {
    let all = taken(&[whole(), whole()].concat()).expect("a report");
    assert_eq!(all.len(), 2);
    let [first, second] = &all[..] else { panic!("{all:?}") };
    assert_eq!(first, second);
    let names: Vec<(&str, usize)> =
        first.ups.iter().map(|(ups, variables)| (ups.name.as_ref(), variables.len())).collect();
    assert_eq!((names, first.slaves.len()), (vec![("a", 1), ("b", 0)], 2));
}

#[test]
fn what_is_out_of_order_is_no_report() {
    let wrong: [&[Message<'_>]; 5] =
        [&[ups("a")], &[Message::End], &[slave()], &[head(), head()], &[head(), variable()]];
    for messages in wrong {
        assert_eq!(taken(&bytes(messages)), Err(Broken::Shape), "{messages:?}");
    }
    // Longer than a message can be, and nothing that ever ends.
    assert_eq!(taken(&[0xff, 0xff]), Err(Broken::Shape));
    assert_eq!(taken(&[0, 0]), Err(Broken::Shape));
}

#[test]
fn there_is_an_end_to_what_is_kept() {
    let many = |message: Message<'static>, count| {
        let mut all = vec![head(), ups("a")];
        all.extend(std::iter::repeat_n(message, count));
        taken(&bytes(&all))
    };
    assert_eq!(many(ups("b"), MOST_UPS - 1), Ok(vec![]));
    assert_eq!(many(ups("b"), MOST_UPS), Err(Broken::TooMuch));
    assert_eq!(many(variable(), MOST_VARIABLES + 1), Err(Broken::TooMuch));
    assert_eq!(many(slave(), MOST_SLAVES), Ok(vec![]));
    assert_eq!(many(slave(), MOST_SLAVES + 1), Err(Broken::TooMuch));
}

#[test]
fn time_passes_for_what_has_an_age() {
    let all = taken(&whole()).expect("a report");
    let now = all.into_iter().next().expect("one").later(300);
    assert_eq!(now.head.up, 305);
    let (ups, _) = &now.ups[0];
    assert_eq!((ups.since, ups.spent, ups.left, ups.outage), (400, 500, Some(500), Some([1, 302])));
    assert_eq!((ups.way, ups.limit), (Way::Master(Some(310)), Some(1000)));
    assert_eq!(now.slaves[0].heard.map(|(_, ago)| ago), Some(307));
    assert_eq!(now.later(9000).ups[0].0.left, Some(0));
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_bytes_come(cuts in proptest::collection::vec(1..40_usize, 1..200)) {
        let all = [whole(), whole(), whole()].concat();
        let (mut collector, mut snapshots, mut rest) = (Collector::default(), 0, all.as_slice());
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            collector.take(now, &mut |_| snapshots += 1).expect("a report");
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(snapshots, 3);
        prop_assert!(collector.bytes.is_empty());
    }

    #[test]
    fn garbage_never_panics_and_little_of_it_is_kept(
        begin in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..4000),
    ) {
        let mut collector = Collector::default();
        let _ = collector.take(&if begin { whole() } else { Vec::new() }, &mut |_| {});
        if collector.take(&bytes, &mut |_| {}).is_ok() {
            prop_assert!(collector.bytes.len() < LARGEST);
        }
    }

    #[test]
    fn a_flipped_bit_is_another_report_or_none(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = whole();
        let place = at.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        let _ = taken(&bytes);
    }
}
