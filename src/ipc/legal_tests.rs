use super::*;

/// The design's table, transcribed; `c` = contact lost, `=` = the state stays.
const TABLE: &str = "
    state  O  F  L  C  R  S  H  N
    ?      O  F  L  ?c x  =  =  =
    O      x  F  L  Oc x  =  =  =
    F      O  x  L  Fc x  =  =  =
    L      O  x  x  Lc x  =  =  =
    ?c     x  x  x  x  ?  =  =  =
    Oc     x  x  x  x  O  =  =  =
    Fc     x  x  x  x  F  =  =  =
    Lc     x  x  x  x  L  =  =  =
";

fn state(name: &str, shutdown: bool) -> Track {
    let power = match name.trim_end_matches('c') {
        "?" => None,
        "O" => Some(Power::Mains),
        "F" => Some(Power::Battery),
        "L" => Some(Power::Low),
        other => panic!("{other}"),
    };
    Track { power, lost: name.ends_with('c'), shutdown }
}

#[test]
fn every_state_and_kind_is_as_in_the_table() {
    let mut rows = TABLE.lines().filter(|line| !line.trim().is_empty());
    let header: Vec<&str> = rows.next().unwrap().split_whitespace().collect();
    let mut cells = 0;
    for row in rows {
        let row: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(row.len(), header.len());
        for (column, cell) in header.iter().zip(&row).skip(1) {
            let kind = Kind::ALL
                .into_iter()
                .find(|kind| char::from(kind.letter()).to_string() == **column)
                .unwrap();
            for told_before in [false, true] {
                let from = state(row[0], told_before);
                let shutdown = told_before || kind == Kind::Shutdown;
                let expected = match *cell {
                    "x" => None,
                    // `S` once per UPS and generation.
                    "=" if kind == Kind::Shutdown && told_before => None,
                    "=" => Some(state(row[0], shutdown)),
                    name => Some(state(name, shutdown)),
                };
                assert_eq!(from.step(kind), expected, "{row:?} {column} {told_before}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 8 * 8 * 2);
}

#[test]
fn a_generation_starts_with_nothing_known() {
    assert_eq!(Track::default(), state("?", false));
}

/// The same rules said over the whole history instead of a state: `past` is legal so far.
fn may_follow(past: &str, letter: char) -> bool {
    let count = |wanted| past.chars().filter(|c| *c == wanted).count();
    let lost = count('C') > count('R');
    let last = past.chars().rfind(|c| "OFL".contains(*c));
    match letter {
        'H' | 'N' => true,
        'S' => count('S') == 0,
        'C' => !lost,
        'R' => lost,
        'F' => !lost && last != Some('F') && last != Some('L'),
        _ => !lost && last != Some(letter),
    }
}

fn explore(past: &mut String, track: Track, left: usize) -> u32 {
    let mut seen = 1;
    for kind in Kind::ALL {
        let letter = char::from(kind.letter());
        let next = track.step(kind);
        assert_eq!(next.is_some(), may_follow(past, letter), "{past}{letter}");
        if let (Some(next), 1..) = (next, left) {
            past.push(letter);
            seen += explore(past, next, left - 1);
            past.pop();
        }
    }
    seen
}

#[test]
fn every_sequence_of_eight_frames_is_judged_as_its_history_says() {
    let seen = explore(&mut String::new(), Track::default(), 7);
    assert!(seen > 100_000, "{seen}");
}

#[test]
fn power_has_the_letters_of_its_frames_and_is_ordered_by_severity() {
    let powers = [Power::Mains, Power::Battery, Power::Low];
    assert_eq!(powers.map(Power::letter), ['O', 'F', 'L']);
    assert!(powers.is_sorted());
}
