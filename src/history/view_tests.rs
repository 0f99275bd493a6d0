use super::*;

fn told(at: i64, boot: &'static str, word: Word, battery: u64) -> Record<'static> {
    let why = "CTS 0";
    Record { seq: 0, at, boot, event: Event::Told(word, Cause::Seen), ups: "ups", battery, why }
}

fn past() -> Vec<Outage<'static>> {
    let start = |boot| Record { event: Event::Start, ..told(0, boot, Word::Ok, 0) };
    let lines = [
        told(100, "a", Word::Fail, 0),
        told(111, "a", Word::Ok, 11),
        told(1000, "a", Word::Fail, 0),
        told(1650, "a", Word::Low, 650),
        start("b"),
        told(2000, "b", Word::Fail, 0),
        start("c"),
        told(3000, "c", Word::Low, 0),
    ];
    outages(lines.into_iter(), "c")
}

#[test]
fn words_make_outages() {
    let all: Vec<_> =
        past().iter().map(|one| (one.began(), one.seconds(), one.worst(), one.end)).collect();
    assert_eq!(
        all,
        [
            (100, 11, Word::Fail, End::Mains),
            (1000, 650, Word::Low, End::Halted),
            (2000, 0, Word::Fail, End::Unknown),
            (3000, 0, Word::Low, End::Open),
        ]
    );
}

#[test]
fn a_word_after_the_end_begins_anew() {
    let lines = [told(1, "a", Word::Ok, 0), told(2, "a", Word::Fail, 0)];
    assert_eq!(outages(lines.into_iter(), "a").len(), 2);
    assert_eq!(outages([].into_iter(), "a").len(), 0);
}

#[test]
fn the_table_shows_the_newest_first() {
    let table = table(&past(), |at| at.to_string());
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(
        rows.first().copied(),
        Some("began                away from mains  worst     what was told        why it ended")
    );
    assert_eq!(
        rows.get(1).copied(),
        Some("3000                       0s so far  LOW       low                  not yet")
    );
    let halted =
        "1000                          10m50s  LOW       fail, low            halted by us";
    assert!(rows.contains(&halted), "{table}");
    assert!(rows.contains(&"                     ups: CTS 0"), "{table}");
}

#[test]
fn json_is_an_array_with_every_word() {
    let odd = Record { why: "a\\b\"", ..told(5, "a", Word::Fail, 0) };
    let text = json(&outages([odd].into_iter(), "a"));
    assert_eq!(
        text,
        "[{\"began\":5,\"seconds\":0,\"worst\":\"FAIL\",\"ended\":\"open\",\"told\":[{\"at\":5,\
         \"word\":\"FAIL\",\"cause\":\"seen\",\"ups\":\"ups\",\"battery\":0,\"why\":\"a\\\\b\\\"\",\
         \"boot\":\"a\"}]}]"
    );
    assert_eq!(json(&[]), "[]");
}

#[test]
fn lengths_have_two_units() {
    let all = [0, 59, 60, 650, 3600, 90_061].map(length);
    assert_eq!(all, ["0s", "59s", "1m00s", "10m50s", "1h00m", "1d01h"]);
}
