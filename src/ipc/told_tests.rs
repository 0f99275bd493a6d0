use super::*;

/// The design's table, transcribed. `blind` = blind for `blind-after` or longer; a shorter blindness is
/// the column of the state last seen. `-` = nothing.
const TABLE: &str = "
    T       OK  FAIL  LOW  blind  S
    OK      -   F     L    -      S
    FAIL    O   -     L    S      S
    LOW     O   -     -    S      S
    FINAL   -   -     -    -      -
";

const WORDS: [Word; 4] = [Word::Ok, Word::Fail, Word::Low, Word::Shutdown];

fn cell(told: Told, column: &str) -> Option<Word> {
    let row = match told {
        Told::Ok => "OK",
        Told::Fail => "FAIL",
        Told::Low => "LOW",
        Told::Final => "FINAL",
    };
    let mut rows = TABLE.lines().filter(|line| !line.trim().is_empty());
    let position = rows.next().unwrap().split_whitespace().position(|name| name == column).unwrap();
    let row = rows
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words[0] == row)
        .unwrap();
    match row[position] {
        "-" => None,
        "O" => Some(Word::Ok),
        "F" => Some(Word::Fail),
        "L" => Some(Word::Low),
        "S" => Some(Word::Shutdown),
        other => panic!("{other}"),
    }
}

#[test]
fn every_cell_is_as_in_the_table() {
    let mut cells = 0;
    for told in [Told::Ok, Told::Fail, Told::Low, Told::Final] {
        for (machine, column) in
            [(Power::Mains, "OK"), (Power::Battery, "FAIL"), (Power::Low, "LOW")]
        {
            for blind in [false, true] {
                for shutdown in [false, true] {
                    let situation = Situation { machine, blind, shutdown };
                    // S before blindness before what was last seen; blindness that asks for nothing
                    // (nothing told yet) leaves what was last seen to be told first.
                    let expected = if shutdown {
                        cell(told, "S")
                    } else if blind {
                        cell(told, "blind").or(cell(told, column))
                    } else {
                        cell(told, column)
                    };
                    assert_eq!(next(told, situation), expected, "{told:?} {situation:?}");
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, 48);
}

#[test]
fn words_are_the_bytes_and_texts_of_the_design() {
    assert_eq!(WORDS.map(Word::byte), *b"OFLS");
    assert_eq!(WORDS.map(Word::text), ["OK", "FAIL", "LOW", "SHUTDOWN"]);
}

#[test]
fn only_the_four_bytes_are_words() {
    for byte in 0..=u8::MAX {
        let word = Word::from_byte(byte);
        assert_eq!(word.is_some(), b"OFLS".contains(&byte), "{byte}");
        assert!(word.is_none_or(|word| word.byte() == byte));
    }
}

#[test]
fn only_the_four_texts_are_words() {
    for word in WORDS {
        assert_eq!(Word::from_text(word.text()), Some(word));
        assert_eq!(Word::from_text(&word.text().to_lowercase()), None);
        assert_eq!(Word::from_text(&word.text()[1..]), None);
        assert_eq!(Word::from_text(&format!("{} ", word.text())), None);
    }
    assert_eq!(Word::from_text(""), None);
}
