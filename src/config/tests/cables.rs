//! The cables against a second transcription of the two programs' tables, in their own notation.

use super::*;
use crate::config::cables::{CABLES, Cable, find, list};

/// genericups: type, lines raised in normal operation, on line, low battery, shutdown. `-` before an
/// input: active low. Outputs not named are low; `NULL`: no line at all; `?`: not possible.
const NUT: &str = "\
0 DTR+RTS -CTS DCD RTS
1 DTR -RNG DCD RTS
2 RTS -CTS DCD DTR+RTS
3 DTR -CTS DCD DTR+RTS
4 RTS CTS -DCD NULL
5 DTR CTS -DCD DTR+RTS
6 DTR CTS -DCD RTS
7 RTS CTS -DCD DTR
8 DTR CTS -DCD ?
9 NULL -DCD CTS RTS
10 RTS CTS -DCD DTR
11 DTR -CTS -DCD BRK
12 RTS -CTS DCD DTR
13 DTR+RTS DCD -CTS BRK
14 DTR DCD -CTS RTS
15 DTR CTS -DCD BRK
16 DTR+RTS CTS -DCD ?
17 DTR CTS -DCD ?
18 DTR CTS DCD ?
19 DTR CTS -DCD RTS
20 DTR -CTS DCD BRK
21 RTS CTS -DCD DTR+RTS
22 RTS CTS -DCD DTR
23 RTS CTS -DCD NULL";

/// apcupsd: UPSCABLE, lines changed at start, on battery, battery low, lines changed to kill. `-`: low.
const APCUPSD: &str = "\
simple -RTS+DTR DCD -CTS RTS
940-0020B -DTR+RTS CTS DCD DTR
940-0020C -DTR+RTS CTS DCD DTR
940-0119A -DTR+RTS CTS DCD DTR
940-0127A -DTR+RTS CTS DCD DTR
940-0128A -DTR+RTS CTS DCD DTR
940-0023A NULL DCD NULL ?
940-0095A -RTS RNG DCD RTS
940-0095C -RTS RNG DCD RTS
940-0095B -RTS RNG NULL RTS
MAM-04-02-2000 -DTR+RTS -CTS -DCD -RTS+DTR";

fn input(word: &str) -> Option<Condition> {
    let (level, name) = word.strip_prefix('-').map_or((true, word), |name| (false, name));
    let line = match name {
        "NULL" => return None,
        "CTS" => Input::Cts,
        "DSR" => Input::Dsr,
        "DCD" => Input::Dcd,
        "RNG" => Input::Rng,
        _ => panic!("{word}"),
    };
    Some(Condition { line, level })
}

/// NUT's lines: named ones high, all others low.
fn absolute(word: &str) -> Outputs {
    Outputs { dtr: Some(word.contains("DTR")), rts: Some(word.contains("RTS")) }
}

/// apcupsd's: what is not named stays.
fn changed(word: &str) -> Outputs {
    let level = |name: &str| word.contains(name).then(|| !word.contains(&format!("-{name}")));
    Outputs { dtr: level("DTR"), rts: level("RTS") }
}

fn kill(word: &str, lines: fn(&str) -> Outputs) -> Option<Kill> {
    match word {
        "?" => None,
        "BRK" => Some(Kill { outputs: Outputs::default(), send_break: true }),
        _ => Some(Kill { outputs: lines(word), send_break: false }),
    }
}

#[test]
fn nuts_table() {
    let rows: Vec<Vec<&str>> = NUT.lines().map(|row| row.split(' ').collect()).collect();
    assert_eq!(rows.len(), 24);
    assert_eq!(CABLES.iter().filter(|cable| cable.nut.is_some()).count(), 24);
    for row in rows {
        let cable = find(&format!("NUT-{}", row[0])).unwrap();
        assert_eq!(cable.nut.unwrap().to_string(), row[0]);
        // NUT says when the mains is on.
        let on_line = input(row[2]).unwrap();
        assert_eq!(cable.fail, [Condition { level: !on_line.level, ..on_line }], "{row:?}");
        assert_eq!(cable.low, [input(row[3]).unwrap()], "{row:?}");
        assert_eq!(cable.init, absolute(row[1]), "{row:?}");
        assert_eq!(cable.kill, kill(row[4], absolute), "{row:?}");
    }
    let fttx = find("nut-23").unwrap();
    assert_eq!(
        (fttx.replace_battery, fttx.bypass),
        (&[input("-RNG").unwrap()][..], &[input("-DSR").unwrap()][..])
    );
}

#[test]
fn apcupsds_table() {
    for row in APCUPSD.lines() {
        let words: Vec<&str> = row.split(' ').collect();
        let cable = find(&words[0].to_lowercase()).unwrap();
        assert!(cable.apcupsd && cable.parts.contains(&words[0]), "{row}");
        assert_eq!(cable.fail, [input(words[2]).unwrap()], "{row}");
        assert_eq!(cable.low, input(words[3]).as_slice(), "{row}");
        assert_eq!(cable.init, changed(words[1]), "{row}");
        assert_eq!(cable.kill, kill(words[4], changed), "{row}");
    }
    let parts: usize =
        CABLES.iter().filter(|cable| cable.apcupsd).map(|cable| cable.parts.len()).sum();
    assert_eq!(parts, APCUPSD.lines().count());
}

/// What NUT was found to show for an unplugged cable, type by type.
#[test]
fn pulled_cables() {
    for cable in CABLES {
        let Some(n) = cable.nut else { continue };
        let expected = match n {
            4..=8 | 10 | 13..=17 | 19 | 21..=23 => Pulled::Low,
            18 => Pulled::OnBattery,
            11 => Pulled::LowOnMains,
            _ => Pulled::Mains,
        };
        assert_eq!(pulled(cable.fail, cable.low), expected, "type {n}");
    }
}

#[test]
fn names_are_unique_and_every_model_runs() {
    let mut names: Vec<&str> = CABLES.iter().map(|cable| cable.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CABLES.len());
    for cable in CABLES {
        for name in [
            cable.name.to_owned(),
            cable.name.to_uppercase(),
            cable.nut.map_or(cable.name.into(), |n| format!("nut-{n}")),
        ] {
            let ups =
                good(&format!("watch ttyS0\nmodel {name}\nshutdown-after 5m\n")).ups.remove(0);
            assert_eq!(ups.model.map(|cable| cable.name), Some(cable.name));
            assert_eq!((ups.fail.as_slice(), ups.low.as_slice()), (cable.fail, cable.low));
            assert_eq!((ups.init, ups.kill), (cable.init, cable.kill));
        }
    }
}

#[test]
fn a_part_number_is_apcupsds_where_it_has_one() {
    let name = |word: &str| find(word).map(|cable| cable.name);
    assert_eq!(name("940-0095a"), Some("apc-940-0095a-apcupsd"));
    assert_eq!(name("73-0844"), Some("tripplite-lan2.2"));
    assert_eq!(name("simple"), Some("apcupsd-simple"));
    assert_eq!(name("nut-24"), None);
    assert_eq!(name("nut-07"), None);
    assert_eq!(name(""), None);
    assert_eq!(
        error_of("ups b\nwatch ttyS1\nneed 1\nmodel power98"),
        "6:7: no such model `power98'; `upsentry models' lists them (did you mean `power99'?)"
    );
    let config = good("watch ttyS0\nmodel 940-0119A");
    assert_eq!(
        config.warnings.iter().find(|warning| warning.contains("otherwise")).unwrap(),
        "t.conf:2:7: warning: `940-0119A' is read as apcupsd does, and NUT reads it otherwise; say which: \
         `model apc-940-0119a-apcupsd' or `model apc-940-0119a'"
    );
    assert!(
        !good("watch ttyS0\nmodel apc-940-0119a-apcupsd")
            .warnings
            .iter()
            .any(|warning| warning.contains("otherwise"))
    );
    assert!(
        !good("watch ttyS0\nmodel 940-0127A")
            .warnings
            .iter()
            .any(|warning| warning.contains("otherwise"))
    );
}

#[test]
fn the_list_says_where_the_two_disagree() {
    let text = list();
    for cable in CABLES {
        assert!(
            text.lines().any(|line| line.starts_with(&format!("{} ", cable.name))),
            "{}",
            cable.name
        );
    }
    let row = "power99                CyberPower Power99                   cts 0       dcd 0  dtr 0 rts 1  dtr 1 rts 0  nut-7";
    assert!(text.lines().any(|line| line == row), "{text}");
    let start = text.find("Where NUT").unwrap();
    let end = text.find("What a pulled").unwrap();
    let headings: Vec<&str> =
        text[start..end].lines().filter(|line| line.contains("(NUT) and")).map(str::trim).collect();
    assert_eq!(
        headings,
        [
            "940-0095A, 940-0095C: `model apc-940-0095a' (NUT) and `model apc-940-0095a-apcupsd' (apcupsd)",
            "940-0020B, 940-0020C: `model apc-940-0020b' (NUT) and `model apc-940-0020b-apcupsd' (apcupsd)",
            "940-0023A: `model apc-940-0023a' (NUT) and `model apc-940-0023a-apcupsd' (apcupsd)",
            "940-0119A: `model apc-940-0119a' (NUT) and `model apc-940-0119a-apcupsd' (apcupsd)",
        ]
    );
    assert!(text.contains("    low         NUT cts 1, apcupsd -\n"));
    assert!(text.contains("    lines then  NUT dtr 1 rts 0, apcupsd dtr 1 rts 1\n"));
    assert!(text.ends_with("apc-940-0095b\n"));
}

#[test]
fn data_that_a_reader_can_use() {
    let plain = |text: &str| !text.chars().any(char::is_control);
    for Cable { name, maker, model, note, .. } in CABLES {
        assert!(!name.is_empty() && !maker.is_empty() && !model.is_empty() && plain(note));
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)),
            "{name}"
        );
    }
}
