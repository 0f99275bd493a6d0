use super::*;
use proptest::prelude::*;

/// Each line as its words, an error as `!` and its words.
fn lines(text: &[u8]) -> Vec<Vec<String>> {
    let mut lexer = Lines::<FULL>::new();
    let mut all = Vec::new();
    let mut take = |lexer: &Lines<FULL>, event| {
        let mut words: Vec<String> = lexer.words().map(str::to_owned).collect();
        if event == Event::Error {
            words.insert(0, "!".to_owned());
        }
        all.push(words);
    };
    for byte in text {
        if let Some(event) = lexer.push(*byte) {
            take(&lexer, event);
        }
    }
    if let Some(event) = lexer.finish_file() {
        take(&lexer, event);
    }
    all
}

fn one(text: &str) -> Vec<String> {
    let all = lines(text.as_bytes());
    assert_eq!(all.len(), 1, "{text:?}: {all:?}");
    all.into_iter().next().unwrap()
}

#[test]
fn words_are_found_as_nut_finds_them() {
    let cases: [(&str, &[&str]); 24] = [
        ("VAR ups ups.status \"OL CHRG\"\r\n", &["VAR", "ups", "ups.status", "OL CHRG"]),
        ("a=b\n", &["a", "=", "b"]),
        ("a =b\n", &["a", "=", "b"]),
        ("a= b\n", &["a", "=", "b"]),
        ("a = b=c\n", &["a", "=", "b", "=", "c"]),
        ("==\n", &["=", "="]),
        ("a \\= b\n", &["a", "=", "b"]),
        ("port = file#1\n", &["port", "=", "file"]),
        ("# all of it\n", &[]),
        ("a\\#b # c\n", &["a#b"]),
        ("\"a b\"c\n", &["a b", "c"]),
        ("x\"y\"z\n", &["x\"y\"z"]),
        ("\"\" x\n", &["", "x"]),
        ("'a b'\n", &["'a", "b'"]),
        ("\\n\\t\\060\n", &["nt060"]),
        ("a\\\nb\n", &["ab"]),
        ("e = \\\n   bar\n", &["e", "=", "", "bar"]),
        ("e = \\\r\n", &["e", "=", ""]),
        ("\"a\nb\" c\n", &["ab", "c"]),
        ("\"a\\\nb\"\n", &["ab"]),
        ("\"a\\\"\\\\\\#b\"\n", &["a\"\\#b"]),
        ("caf\u{e9} x\n", &["caf", "x"]),
        ("\u{e9}\u{1} x\u{7f}\n", &["", "x\u{7f}"]),
        ("a\tb\x0bc\x0cd\re\n", &["a", "b", "c", "d", "e"]),
    ];
    for (text, words) in cases {
        assert_eq!(one(text), words, "{text:?}");
    }
}

#[test]
fn a_hash_in_quotes_is_an_error_and_what_follows_is_a_line() {
    let all = lines(b"desc = \"my #1\"\nnext = 1\n");
    assert_eq!(all[0], ["!", "desc", "=", "my "]);
    assert_eq!(all[1], ["1\""]);
    assert_eq!(all[2], ["next", "=", "1"]);
}

#[test]
fn the_end_of_a_file_without_lf() {
    assert_eq!(lines(b"a = b"), [["a", "=", "b"]]);
    assert_eq!(lines(b"a = "), [["a", "="]]);
    assert_eq!(lines(b"a = \"b"), [["a", "=", "b"]]);
    assert_eq!(lines(b"a = \""), [["a", "="]]);
    assert!(lines(b"nowait").is_empty());
    assert_eq!(lines(b"nowait "), [["nowait"]]);
    assert_eq!(lines(b"a\n"), [["a"]]);
    assert!(lines(b"").is_empty());
}

#[test]
fn what_is_too_much_is_dropped() {
    let many = format!("{}\n", "w ".repeat(40));
    assert_eq!(one(&many).len(), MOST);
    let long = format!("{} next\n", "x".repeat(600));
    assert_eq!(one(&long), [&"x".repeat(LONGEST), "next"]);
    // Bytes of the surplus words do not end up in others.
    let mixed = format!("{}last tail\n", "w ".repeat(31));
    assert_eq!(one(&mixed).last().unwrap(), "last");
}

#[test]
fn a_small_lexer_cuts_and_goes_on() {
    let mut lexer = Lines::<8>::new();
    let mut ends = 0;
    for byte in b"abcdef ghij kl\nxy z\n" {
        if lexer.push(*byte).is_some() {
            let words: Vec<&str> = lexer.words().collect();
            let wanted: &[&str] = if ends == 0 { &["abcdef", "gh", ""] } else { &["xy", "z"] };
            assert_eq!((words.as_slice(), lexer.notes().cut), (wanted, ends == 0));
            ends += 1;
        }
    }
    assert_eq!(ends, 2);
}

#[test]
fn notes_tell_what_words_do_not() {
    let notes = |text: &str| {
        let mut lexer = Lines::<64>::new();
        text.bytes().find_map(|byte| lexer.push(byte)).unwrap();
        lexer.notes()
    };
    assert!(notes("a = b#c\n").comment_in_word);
    assert!(notes("a = b #c\n").comment_after);
    assert_eq!(notes("# a\n"), Notes::default());
    assert!(notes("a = \"b\nc\"\n").spread);
    assert!(notes("a = \u{e9}\n").dropped);
    assert_eq!(notes("a = \"b\" \"c\"\n").quoted, 0b1100);
}

#[test]
fn a_quoted_word_is_read_as_it_was() {
    let quoted = |word: &str| {
        let mut out = String::new();
        quote(&mut out, word).unwrap();
        out
    };
    assert_eq!(quoted("p w"), "\"p w\"");
    assert_eq!(quoted("a\"b\\c#d\n\u{e9}"), "\"a\\\"b\\\\c\\#d\"");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for line in lines(&bytes) {
            prop_assert!(line.len() <= MOST + 1);
            prop_assert!(line.iter().all(|word| word.len() <= LONGEST));
        }
    }

    /// With the bytes that have a meaning, and little room: what a small lexer keeps of a line is a beginning of it.
    #[test]
    fn little_room_changes_no_line_end(text in "[ab \"#\\\\=\n]{0,80}") {
        let (mut small, mut large) = (Lines::<5>::new(), Lines::<FULL>::new());
        for byte in text.bytes() {
            let event = large.push(byte);
            prop_assert_eq!(small.push(byte), event);
            if event.is_some() {
                prop_assert_eq!(small.count(), large.count());
                for (one, whole) in small.words().zip(large.words()) {
                    prop_assert!(whole.starts_with(one));
                }
            }
        }
    }

    #[test]
    fn what_is_quoted_comes_back(word in "[ -\u{7f}]{0,100}") {
        let mut out = String::new();
        quote(&mut out, &word).unwrap();
        out.push('\n');
        prop_assert_eq!(one(&out), [word]);
    }
}
