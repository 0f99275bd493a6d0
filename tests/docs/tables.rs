//! Tables of docs/protocol.md that are made from the code.

use std::fmt::Write as _;
use std::fs;

use upsentry::ipc::cause::Cause;
use upsentry::ipc::frame::Kind;
use upsentry::ipc::legal::{Power, Track};
use upsentry::ipc::parting::Slaves;
use upsentry::ipc::record::Entry;
use upsentry::ipc::told::{self, Situation, Told, Word};
use upsentry::notifier::state::StateFile;
use upsentry::sysvinit::request;

use crate::{Scratch, read};

pub(crate) fn requests() -> String {
    use request::Command::{PowerFail, PowerFailNow, PowerOk, Runlevel};
    let mut text = "| word | bytes | magic | command | runlevel | sleep time | data |\n|---|---|---|---|---|---|---|\n".to_owned();
    for (name, command) in [
        ("mains on", PowerOk),
        ("on battery", PowerFail),
        ("low", PowerFailNow),
        ("shut down", Runlevel(b'0')),
    ] {
        let message = request::Message::new(command, 5);
        for (index, one) in message.bytes().chunks(request::SIZE).enumerate() {
            let number = |at: usize| {
                let bytes = one.get(4 * at..4 * at + 4).expect("four bytes");
                u32::from_ne_bytes(bytes.try_into().expect("four bytes"))
            };
            let data: Vec<u8> =
                one.iter().skip(16).copied().take_while(|byte| *byte != 0).collect();
            let data = match String::from_utf8(data).expect("text") {
                empty if empty.is_empty() => "zeros".to_owned(),
                text => format!("`{text}`, zeros"),
            };
            let level = match number(2) {
                0 => "0".to_owned(),
                level => format!("`{}`", char::from_u32(level).expect("a character")),
            };
            let and = if index > 0 { "... and in the same write" } else { name };
            let _ = writeln!(
                text,
                "| {and} | {} | {:#010x} | {} | {level} | {} | {data} |",
                one.len(),
                number(0),
                number(1),
                number(3)
            );
        }
    }
    text
}

pub(crate) fn told_table() -> String {
    let mut text =
        "| told | mains | on battery | low | blind | shut down |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for (name, told, same) in [
        ("nothing, or mains on", Told::Ok, Power::Mains),
        ("on battery", Told::Fail, Power::Battery),
        ("low", Told::Low, Power::Low),
        ("final", Told::Final, Power::Low),
    ] {
        let plain = |machine| Situation { machine, blind: false, shutdown: false };
        let situations = [
            plain(Power::Mains),
            plain(Power::Battery),
            plain(Power::Low),
            Situation { blind: true, ..plain(same) },
            Situation { shutdown: true, ..plain(same) },
        ];
        let _ = write!(text, "| {name}");
        for situation in situations {
            let word = match told::next(told, situation) {
                None => "–",
                Some(Word::Ok) => "mains on",
                Some(Word::Fail) => "on battery",
                Some(Word::Low) => "low",
                Some(Word::Shutdown) => "shut down",
            };
            let _ = write!(text, " | {word}");
        }
        text.push_str(" |\n");
    }
    text
}

pub(crate) fn legal_table() -> String {
    let name = |track: Track| {
        let power = track.power.map_or('?', Power::letter);
        format!("{power}{}", if track.lost { " lost" } else { "" })
    };
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Notice).collect();
    let mut text = "| said".to_owned();
    for kind in &kinds {
        let _ = write!(text, " | {}", char::from(kind.letter()));
    }
    let _ = writeln!(text, " |\n|---{}|", "|---".repeat(kinds.len()));
    for lost in [false, true] {
        for power in [None, Some(Power::Mains), Some(Power::Battery), Some(Power::Low)] {
            let track = Track { power, lost, shutdown: false };
            let _ = write!(text, "| {}", name(track));
            for kind in &kinds {
                let next = track.step(*kind).map(name);
                let cell = match next {
                    None => "–".to_owned(),
                    Some(next) if next == name(track) => "ok".to_owned(),
                    Some(next) => next,
                };
                let _ = write!(text, " | {cell}");
            }
            text.push_str(" |\n");
        }
    }
    text
}

/// What the daemon would write; only root can open the file.
pub(crate) fn state_example() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let scratch = Scratch::new("state");
    let path = scratch.0.join("state");
    let (file, _) = StateFile::open(&path, 2).expect("the state file opens");
    let seen = [("left", Some(Power::Battery), false), ("right", Some(Power::Mains), true)];
    let entry = Entry {
        now: Word::Fail,
        told: Told::Ok,
        at: 1_793_246_400,
        seen: &seen,
        slaves: Some(Slaves::Waiting),
        cause: Some((Cause::Outage, std::time::Duration::from_secs(7321))),
    };
    file.begin(entry).expect("it is written");
    let text = fs::read_to_string(&path).expect("it is text");
    let mut shown = "```\n".to_owned();
    for line in text.trim_end().lines() {
        let line = match line.split(' ').next() {
            Some("pid") => "pid 812",
            Some("boot") => "boot 75dda8ee-c166-469f-a887-be966ea9fd94",
            Some("init") => "init 25",
            _ => line,
        };
        let _ = writeln!(shown, "{line}");
    }
    let _ = writeln!(shown, "```\n\nWith two UPSs it has {} bytes.", text.len());
    Some(shown)
}

/// NUT 2.8.0 (genericups, upsd, upsmon) and apcupsd 3.14 (dumb), measured on such a machine; ours as `make bench` found.
pub(crate) fn beside() -> String {
    let readme = read("README.md");
    let bench = readme.split("<!-- bench -->").nth(1).expect("the bench's table");
    let bench = bench.split("<!-- /bench -->").next().unwrap_or_default();
    let measured = |row: &str, unit: &str| -> f64 {
        let line = bench.lines().find_map(|line| line.strip_prefix(row));
        let line = line.unwrap_or_else(|| panic!("the bench has no row {row}"));
        let (number, _) = line.trim_start().split_once(unit).expect("its unit");
        number.parse().unwrap_or_else(|error| panic!("{row}: {number}: {error}"))
    };
    let line = measured("line to init's FIFO, debounce 0: median", " ms");
    let memory = measured("memory of all 3 processes, PSS", " kB") / 1000.0;
    let wakes = measured("wake-ups a second at rest, over 70 s", "  ");
    format!(
        "| | upsentry | NUT 2.8.0 (genericups, upsd, upsmon) | apcupsd 3.14 (dumb) |\n|---|---|---|---|\n\
         | a line changes, until init is told | {line:.2} ms; 20 ms more by default (`debounce`) | 0.7 to 5.9 s | 0.2 to 1.0 s |\n\
         | memory of all its processes, PSS | {memory:.1} MB | 6.6 MB | 1.8 MB |\n\
         | wake-ups a second at rest | {wakes:.1} | 2.3 | 2 |\n\
         | processes that keep root or a capability | 0 | 1 | 1 |\n"
    )
}
