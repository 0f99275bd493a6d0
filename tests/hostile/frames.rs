//! Monitors that break a rule of the pipe: convicted at that byte, each for its own reason, replaced; init
//! hears what was legal before, and the next one works.

use crate::common::need_root;
use crate::rig::{Victim, Wanted, frame, hex, raw, says};

/// What a monitor does, and why it is convicted.
type Attack = (String, String);

/// Runs the attacks, a generation each, then the real monitor.
fn convicted(wanted: &Wanted, attacks: &[Attack]) -> Victim {
    let mut words: Vec<String> = attacks.iter().map(|(word, _)| word.clone()).collect();
    // More would be slowed down.
    assert!(words.len() < 20);
    words.push("real".to_owned());
    let mut victim = wanted.start(&words);
    victim.generations(2);
    victim.warm();
    victim.generations(attacks.len());
    victim.says("monitor convicted", attacks.len());
    let log = victim.log();
    let found = log.iter().filter_map(|line| line.split_once("monitor convicted: "));
    let found: Vec<&str> = found.map(|(_, why)| why).collect();
    let expected: Vec<String> =
        attacks.iter().map(|(_, why)| format!("{why}; it is being replaced")).collect();
    assert_eq!(found, expected, "{}", victim.all());
    assert_eq!(victim.said("1 upsentry: monitor convicted"), attacks.len(), "{}", victim.all());
    victim
}

/// Nothing of the attacks is anything for init.
fn convicted_unheard(wanted: &Wanted, attacks: &[Attack]) {
    let mut victim = convicted(wanted, attacks);
    assert_eq!(victim.told(), [""; 0], "{}", victim.all());
    victim.unmoved();
    victim.works_again();
    victim.by_the_tables();
}

/// Seen to fail with the first byte not looked at, and with `LONGEST` 64.
#[test]
fn malformed_heads() {
    if !need_root() {
        return;
    }
    let event = |bytes: &[u8], why: String| {
        (format!("e {},hold", hex(bytes)), format!("malformed frame: {why}"))
    };
    let start = |byte| event(&[byte, b'O', 1, b'a', 3], format!("start byte {byte:#04x}"));
    let kind = |byte| event(&[2, byte, 1, b'a', 3], format!("unknown type {byte:#04x}"));
    let length = |length: u8| {
        let body = vec![b'a'; usize::from(length)];
        event(&[&[2, b'O', length], &body[..], &[3]].concat(), format!("length {length}"))
    };
    let mut attacks = vec![start(0), start(1), start(3), start(b'O'), start(0xff)];
    attacks.extend([kind(0), kind(2), kind(b'o'), kind(b'P'), kind(b'7'), kind(0xff)]);
    attacks.extend([length(0), length(64), length(128), length(255)]);
    // A good frame before does not help, nor one after.
    let mixed = format!("e {}4f{},hold", frame('C', "a"), frame('R', "a"));
    attacks.push((mixed, "malformed frame: start byte 0x4f".to_owned()));
    convicted_unheard(&Wanted::default(), &attacks);
}

/// Seen to fail with the decoder's `body` always true, and with any stop byte taken.
#[test]
fn malformed_bodies_and_ends() {
    if !need_root() {
        return;
    }
    let attack = |pipe: &str, bytes: &[u8], why: String| {
        let what = if pipe == "e" { "frame" } else { "log line" };
        (format!("{pipe} {},hold", hex(bytes)), format!("malformed {what}: {why}"))
    };
    let body =
        |byte: u8| attack("e", &[2, b'O', 1, byte, 3], format!("byte {byte:#04x} in a body"));
    let stop = |byte: u8| attack("e", &[2, b'O', 1, b'a', byte], format!("stop byte {byte:#04x}"));
    let line = |bytes: &[u8], why: &str| attack("l", bytes, why.to_owned());
    let mut attacks: Vec<Attack> = [0, 3, b' ', b'/', 0x80, 0xff].map(body).into();
    attacks.extend([stop(0), stop(2), stop(b'a'), stop(0xff)]);
    attacks.extend([
        line(&[b'5', 1, b'x', 3], "start byte 0x35"),
        line(&[2, b'8', 1, b'x', 3], "unknown type 0x38"),
        line(&[2, b'5', 0, 3], "length 0"),
        line(&[2, b'5', 1, b'\n', 3], "byte 0x0a in a body"),
        line(&[2, b'5', 2, 0x1b, b'c', 3], "byte 0x1b in a body"),
        line(&[2, b'5', 1, 0x7f, 3], "byte 0x7f in a body"),
        line(&[2, b'5', 2, 0xc3, 0xa4, 3], "byte 0xc3 in a body"),
        line(&[2, b'5', 1, b'x', b'\n'], "stop byte 0x0a"),
    ]);
    convicted_unheard(&Wanted::default(), &attacks);
}

/// Seen to fail with the `filter` of `Guard::byte` taken out (H of another UPS) and with names compared by
/// their beginning.
#[test]
fn unknown_names() {
    if !need_root() {
        return;
    }
    let attack = |kind: char, name: &str| {
        let why = format!("{kind} for an unknown name");
        (format!("e {},hold", raw(kind as u8, name.as_bytes())), why)
    };
    let mut attacks: Vec<Attack> = "OFLCRSHN".chars().map(|kind| attack(kind, "c")).collect();
    let longest = "a".repeat(63);
    attacks.extend(["A", "aa", "a.", "B", &longest].map(|name| attack('L', name)));
    // Alive is said with the first UPS's name; there are no rules.
    attacks.extend([attack('H', "b"), attack('N', "a"), attack('N', "b")]);
    convicted_unheard(
        &Wanted { names: &["a", "b"], more: "need 2".to_owned(), ..Wanted::default() },
        &attacks,
    );
}

/// The table of section 2: what was said, and what is a violation after it.
const FORBIDDEN: [(&str, &str); 9] = [
    ("", "R"),
    ("O", "OR"),
    ("F", "FR"),
    ("L", "FLR"),
    ("C", "OFLC"),
    ("OC", "OFLC"),
    ("FC", "OFLC"),
    ("LC", "OFLC"),
    ("FOCRFLCRO", "OR"),
];

/// Each violation of the table, and init told of the legal frames before it: by section 3, written down once
/// more in `heard`.
fn illegal_sequences(rows: &[(&str, &str)]) {
    if !need_root() {
        return;
    }
    let mut attacks = Vec::new();
    let mut last = Vec::new();
    for (before, wrong) in rows {
        for wrong in wrong.chars() {
            let after = says(&wrong.to_string());
            // So long that init has been told when it is convicted.
            let legal = if before.is_empty() { String::new() } else { says(before) + ",wait 250," };
            attacks.push((
                format!("{legal}{after},hold"),
                format!("{wrong} is not legal now for UPS 1 a"),
            ));
            last.push(before.chars().rfind(|kind| "OFL".contains(*kind)));
        }
    }
    let mut victim = convicted(&Wanted::default(), &attacks);
    assert_eq!(victim.told(), heard(&last), "{}", victim.all());
    victim.unmoved();
    // The real one sees mains, and after an L or F says so.
    let back = heard(&last).last().is_some_and(|word| *word != "powerok");
    victim.rig.wait_inits(heard(&last).len() + usize::from(back), crate::rig::LONG);
    victim.works_again();
    victim.by_the_tables();
}

/// What init is told if the machine is seen so, one after the other; `None`: nothing was seen.
fn heard(seen: &[Option<char>]) -> Vec<&'static str> {
    let mut told = Vec::new();
    for power in seen {
        let next = match (told.last().copied().unwrap_or("powerok"), power) {
            ("powerok", Some('F')) => "powerfail",
            ("powerok" | "powerfail", Some('L')) => "powerfailnow",
            ("powerfail" | "powerfailnow", Some('O')) => "powerok",
            _ => continue,
        };
        told.push(next);
    }
    told
}

/// Seen to fail with `(Kind::Ok, None | Some(_), false)` in `Track::step`.
#[test]
fn illegal_while_in_contact() {
    illegal_sequences(&[FORBIDDEN[0], FORBIDDEN[1], FORBIDDEN[2], FORBIDDEN[3], FORBIDDEN[8]]);
}

/// Seen to fail with `(Kind::Lost, _, _)`, and with `(Kind::Ok, …, _)`, in `Track::step`.
#[test]
fn illegal_while_lost() {
    illegal_sequences(&FORBIDDEN[4..8]);
}

/// Half a frame, then the end or silence: nothing of it reaches the next generation.
///
/// Seen to fail with `self.decoder = Decoder::default()` taken out of `Guard::reset` (the real monitor is
/// convicted), and out of `Gate::discard` (its first log line is).
#[test]
fn half_frames() {
    if !need_root() {
        return;
    }
    let whole = says("O").replace("e ", "");
    let line = raw(b'5', b"half of a line");
    let mut words = Vec::new();
    for length in 1..5 {
        words.push(format!("e {},exit 0", &whole[..2 * length]));
        words.push(format!("{},l {},exit 0", says("C"), &line[..8 * length]));
    }
    let ends = words.len();
    // Silence: without a state; on battery; on mains; the log's half does not count as life.
    words.push(format!("e {},hold", &whole[..6]));
    words.push(format!("{},e {},hold", says("F"), &whole[..2]));
    words.push(format!("{},e {},hold", says("O"), &whole[..8]));
    words.push(format!("{},l {},hold", says("F"), &line[..10]));
    words.push("real".to_owned());
    let wanted = Wanted { speed: 10, more: "blind-after 1h".to_owned(), ..Wanted::default() };
    let mut victim = wanted.start(&words);
    victim.generations(2);
    victim.warm();
    victim.generations(words.len() - 1);
    victim.says("4 upsentry: monitor ended: exit status 0", ends);
    victim.says("1 upsentry: monitor convicted: no sign of life; it is being replaced", 3);
    victim.says("1 upsentry: monitor convicted: no state of UPS 1 in time a;", 1);
    victim.rig.wait_inits(4, crate::rig::LONG);
    assert_eq!(victim.told(), ["powerfail", "powerok", "powerfail", "powerok"], "{}", victim.all());
    victim.works_again();
    assert_eq!(victim.said("monitor convicted"), 4, "{}", victim.all());
    victim.unmoved();
    victim.by_the_tables();
}
