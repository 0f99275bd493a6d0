//! Monitors that write too much, or all that they may.

use crate::common::need_root;
use crate::rig::{Log, Victim, Wanted, frame, raw, says};
use std::fs;
use std::time::Duration;

/// What a pipe holds, and what the parent reads of it at once.
const PIPE: u64 = 64 << 10;
/// What an attack that goes on is given until memory must not grow any more.
const WARM: Duration = Duration::from_secs(2);

/// A generation's line of the report: events written, of those unread, and the same of the log.
fn amounts(line: &str) -> [u64; 4] {
    let numbers = line.split(' ').skip(2).filter_map(|word| word.split_once('=')?.1.parse().ok());
    numbers.collect::<Vec<u64>>().try_into().expect("four amounts")
}

/// Noise on one pipe, in 18 generations, each ready to write 4 GiB: the parent reads once (a buffer of `most`),
/// and convicts within it, so that no generation gets rid of more than what the pipe holds.
fn noise(pipe: &str, at: usize, most: u64, what: &str) {
    if !need_root() {
        return;
    }
    let mut words: Vec<String> =
        (1..=18).map(|seed| format!("noise {pipe} {}", seed * 7919)).collect();
    words.push("real".to_owned());
    let mut victim = Wanted::default().start(&words);
    victim.generations(2);
    victim.warm();
    victim.generations(18);
    victim.says(&format!("1 upsentry: monitor convicted: malformed {what}: "), 18);
    for line in victim.report().lines() {
        let [written, unread] = [amounts(line)[at], amounts(line)[at + 1]];
        assert!(written <= PIPE + most, "{line}");
        assert!(written.saturating_sub(unread) <= most, "{line}");
    }
    assert_eq!(victim.told(), [""; 0], "{}", victim.all());
    victim.works_again();
    victim.unmoved();
    victim.by_the_tables();
}

/// Seen to fail with the pipe read on after a conviction (`convict` without `return` in `listen`, and
/// `listen` without its look at the stage).
#[test]
fn noise_for_events() {
    noise("e", 0, 512, "frame");
}

/// Seen to fail with the error of `Gate::pass` not looked at.
#[test]
fn noise_for_the_log() {
    noise("l", 2, 1024, "log line");
}

/// Frames as fast as the pipe takes them: a legal one is convicted by the bucket, an illegal one at once.
///
/// Seen to fail without `take_token`: the parent never comes out of `listen`.
#[test]
fn floods_of_frames() {
    if !need_root() {
        return;
    }
    let alive = frame('H', "a");
    let lost = frame('C', "a") + &frame('R', "a");
    let flap = frame('F', "a") + &frame('O', "a");
    // All that a write can hold without being torn.
    let many = |frame: &str| frame.repeat(8192 / frame.len());
    let mut words = Vec::new();
    for legal in [&alive, &lost, &flap, &many(&alive), &many(&lost), &many(&flap)] {
        words.push(format!("flood e {legal}"));
    }
    let legal = words.len();
    for illegal in [frame('R', "a"), frame('N', "a"), frame('S', "b"), many(&frame('O', "b"))] {
        words.push(format!("flood e {illegal}"));
    }
    words.push("real".to_owned());
    let attacks = words.len() - 1;
    let mut victim = Wanted::default().start(&words);
    victim.generations(2);
    victim.warm();
    victim.generations(attacks);
    victim.says("1 upsentry: monitor convicted: ", attacks);
    assert_eq!(victim.said("monitor convicted: too many frames;"), legal, "{}", victim.all());
    for line in victim.report().lines() {
        let [written, unread, ..] = amounts(line);
        // 200 at once and a few more while they are read; five bytes each, and a buffer.
        assert!(written.saturating_sub(unread) <= 5 * 400 + 512, "{line}");
    }
    // The flapping was told at its pace, or not; what follows is the truth.
    victim.comes_back();
    victim.works_again();
    victim.unmoved();
    victim.by_the_tables();
}

/// Never convicted, because every frame is legal and not one too many: init hears the changes 100 ms apart, and
/// the truth in the end. Each goes its own time, all at once.
///
/// Seen to fail with `SPACING` 10 ms.
#[test]
fn legal_flapping() {
    if !need_root() {
        return;
    }
    const FOR: Duration = Duration::from_secs(5);
    let flap = |one, other| {
        let start = if one == 'C' { says("O") + "," } else { String::new() };
        format!("{start}flap 80 e {} {}", frame(one, "a"), frame(other, "a"))
    };
    let start = |one, other| {
        let victim = Wanted::default().start(&[flap(one, other), "real".to_owned()]);
        victim.says("ready: ", 1);
        (victim, [one, other])
    };
    let mut all = [start('F', 'O'), start('O', 'L'), start('C', 'R'), start('F', 'L')];
    std::thread::sleep(WARM);
    all.iter_mut().for_each(|(victim, _)| victim.warm());
    std::thread::sleep(FOR);
    for (mut victim, kinds) in all {
        let flapped = victim.told().len();
        let elapsed = victim.kill_monitor();
        victim.comes_back();
        match kinds {
            ['C', 'R'] => assert_eq!(flapped, 0, "{}", victim.all()),
            // F after L is illegal.
            ['F', 'L'] => assert_eq!(victim.said("F is not legal now for UPS 1 a"), 1),
            _ => {
                // L does not wait, all else does: at most two in 100 ms.
                let most = 2 * usize::try_from((WARM + elapsed).as_millis() / 100).unwrap() + 4;
                assert!((5..=most).contains(&flapped), "{flapped} in {elapsed:?}");
            }
        }
        let convicted = usize::from(kinds == ['F', 'L']);
        assert_eq!(victim.said("convicted"), convicted, "{}", victim.all());
        victim.works_again();
        victim.unmoved();
        victim.by_the_tables();
    }
}

/// S from every generation: init is asked once.
///
/// Seen to fail with `(Told::Final, _)` in `told::next` taken out.
#[test]
fn a_shutdown_from_every_generation() {
    if !need_root() {
        return;
    }
    let mut words: Vec<String> = (0..6).map(|_| says("S") + ",wait 150,exit 0").collect();
    words.extend([says("OS"), says("FLSOS"), says("CS")].map(|word| word + ",wait 150,exit 0"));
    words.push("real".to_owned());
    let mut victim = Wanted::default().start(&words);
    victim.generations(2);
    victim.warm();
    victim.generations(words.len() - 1);
    victim.comes_back();
    victim.rig.command("set a cts=0");
    victim.waits_for_state("F");
    victim.unmoved();
    assert_eq!(victim.told(), ["setenv", "runlevel"], "{}", victim.all());
    assert_eq!(victim.said("1 upsentry: shutting down; init told: runlevel 0, power off"), 1);
    let state = fs::read_to_string(victim.rig.setup().path("state")).expect("the state file");
    assert!(state.starts_with("SHUTDOWN\n"), "{state}");
    // The eighth said S twice.
    assert_eq!(victim.said("S is not legal now for UPS 1 a"), 1, "{}", victim.all());
    victim.by_the_tables();
}

/// What a monitor writes for the log arrives as it is, under its own tag, at the severity that it says; nothing of
/// it looks like a line of the parent's.
///
/// Seen to fail with `quote` under the parent's tag.
#[test]
fn lines_that_would_be_more() {
    if !need_root() {
        return;
    }
    let long = "<0>upsentry[1]: ".repeat(15) + "%s%s%s%s%s%s%s%";
    assert_eq!(long.len(), 255);
    let lines = [
        "%s%n%x%p %1000000d",
        "{} {:?} {0}",
        "upsentry: mains on; init told: power ok",
        "<8>upsentry[1]: monitor convicted",
        "\\x1b[2J \\n $(reboot) `reboot` ; reboot | & 'quoted\" ^[",
        " ",
        "~",
        long.as_str(),
    ];
    let severities = b'0'..=b'7';
    let frames =
        severities.zip(lines).map(|(digit, line)| format!("l {}", raw(digit, line.as_bytes())));
    let word = format!("{},{},exit 0", says("O"), frames.collect::<Vec<_>>().join(","));
    let mut victim = Wanted::default().start(&[word, "real".to_owned()]);
    victim.generations(1);
    victim.says("upsentry: monitor ended: exit status 0", 1);
    let log = victim.log();
    for (severity, line) in lines.iter().enumerate() {
        let wanted = format!("{severity} upsentry-mon: {line}");
        let found = log.iter().filter(|found| **found == wanted).count();
        assert_eq!(found, 1, "{wanted}: {log:#?}");
    }
    victim.works_again();
    assert_eq!(victim.said("1 upsentry: monitor convicted"), 0, "{}", victim.all());
}

/// Legal log lines, as many as the pipe takes, and just more than are passed on: 20 a second arrive, the parent
/// reads no more than 64 KiB a second, and says itself at most one line a second of those that it dropped.
///
/// Seen to fail without the limit on lines, without the one on bytes, and with the dropped ones said
/// at every round (5,457 lines in 7 s).
#[test]
fn floods_of_log_lines() {
    if !need_root() {
        return;
    }
    const FOR: Duration = Duration::from_secs(5);
    let short = raw(b'5', b"x");
    let long = raw(b'2', &[b'%'; 255]);
    let flood = format!("{},flood l {short}", says("O"));
    let many = format!("{},flood l {}", says("O"), long.repeat(15));
    let trickle = format!("{},pace 800 l {short}", says("O"));
    let start = |word: &String| {
        let wanted = Wanted { log: Log::File, ..Wanted::default() };
        let victim = wanted.start(&[word.clone(), "real".to_owned()]);
        victim.says("ready: ", 1);
        victim
    };
    let mut all = [&trickle, &flood, &many].map(start);
    std::thread::sleep(WARM);
    all.iter_mut().for_each(Victim::warm);
    std::thread::sleep(FOR);
    for mut victim in all {
        let passed = victim.said("upsentry-mon: ");
        let said = victim.said("log lines were dropped");
        let elapsed = victim.kill_monitor();
        victim.generations(1);
        // A second that began before the attack was watched, and one that ends after it.
        let seconds = usize::try_from((WARM + elapsed).as_secs()).unwrap() + 3;
        assert!((20..=20 * seconds).contains(&passed), "{passed} lines in {elapsed:?}");
        assert!((1..=seconds).contains(&said), "{said} words on lines dropped in {elapsed:?}");
        let [_, _, written, unread] = amounts(victim.report().lines().next().expect("a line"));
        // The last read may take a buffer more.
        let most = (64 << 10) * u64::try_from(seconds).unwrap() + 1024 * 20;
        assert!(written.saturating_sub(unread) <= most, "{}", victim.report());
        victim.works_again();
        victim.unmoved();
        assert_eq!(victim.said("convicted"), 0, "{}", victim.report());
        victim.by_the_tables();
    }
}
