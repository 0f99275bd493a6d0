#![allow(clippy::expect_used, clippy::unwrap_used)]

use super::*;
use crate::ipc::judge::FeedSettings;
use crate::notifier::queue::SIZE;
use nix::fcntl::OFlag;

/// A hook on one UPS last seen so, and where its records come out.
fn hook(last: Option<Power>) -> (Hook, OwnedFd) {
    let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    let zero = Duration::ZERO;
    let settings =
        FeedSettings { weight: 1, blind_after: zero, first_state: zero, cable_grace: zero };
    (Hook::new(to, &[Feed::new(settings, last, zero)], &Program::default()), from)
}

/// What comes of these frames.
fn told(hook: &mut Hook, from: &OwnedFd, kinds: &str) -> Vec<&'static str> {
    for letter in kinds.bytes() {
        let kind = Kind::ALL.into_iter().find(|kind| kind.letter() == letter).unwrap();
        hook.heard(Event { kind, ups: 0 });
    }
    hook.write();
    let mut bytes = [0; SIZE];
    let records = std::iter::from_fn(|| {
        (nix::unistd::read(from, &mut bytes) == Ok(SIZE)).then(|| Record::read(bytes).unwrap())
    });
    records.map(|record| record.occasion.word()).collect()
}

#[test]
fn each_change_is_told_once() {
    for (last, kinds, expected) in [
        (None, "O", ""),
        (None, "F", "fail"),
        (None, "L", "low"),
        (Some(Power::Mains), "OHFLO", "fail low ok"),
        // A restart in an outage, and a new monitor after the first.
        (Some(Power::Battery), "FFL", "low"),
        (Some(Power::Low), "LF", ""),
        (Some(Power::Battery), "O", "ok"),
        (Some(Power::Mains), "CR", "lost found"),
        (Some(Power::Mains), "CCO", "lost found"),
        (Some(Power::Battery), "CO", "lost found ok"),
        (Some(Power::Battery), "S", "shutdown"),
        (Some(Power::Mains), "HNH", "notice"),
    ] {
        let (mut hook, from) = hook(last);
        let words: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(told(&mut hook, &from, kinds), words, "{last:?} {kinds}");
    }
}

#[test]
fn a_full_pipe_loses_and_counts() {
    let (mut hook, from) = hook(Some(Power::Mains));
    for _ in 0..100 {
        (0..MOST + 10).for_each(|_| hook.keep(Record::new(Occasion::Fail, 0)));
        hook.write();
    }
    let room = (64 << 10) / SIZE as u64;
    assert_eq!(hook.lost, 100 * (MOST as u64 + 10) - room);
    assert!(hook.full && hook.waiting.is_empty());
    assert_eq!(told(&mut hook, &from, "").len() as u64, room);
    assert_eq!(told(&mut hook, &from, "F"), ["fail"]);
    assert!(!hook.full && hook.lost == 0);
}

#[test]
fn a_dead_process_is_no_harm() {
    let (mut hook, from) = hook(Some(Power::Mains));
    drop(from);
    for kind in [Kind::Fail, Kind::Ok] {
        hook.heard(Event { kind, ups: 0 });
        hook.write();
    }
    assert!(hook.gone && hook.waiting.is_empty());
}
