use super::*;

fn boot() -> Boot {
    Boot { id: "75dda8ee-c166-469f-a887-be966ea9fd94".to_owned(), init: "25".to_owned() }
}

fn text(told: &str) -> String {
    format!(
        "FAIL\ntold {told}\nat 1\npid 7\nboot {}\ninit 25\nups a F\nups b ? blind\nups c L blind\nend\n\n\n",
        boot().id
    )
}

#[test]
fn a_record_of_this_boot_is_read_back() {
    let record = Record::read(&text("LOW"), &boot()).unwrap();
    assert_eq!((record.told, record.word), (Told::Low, Word::Fail));
    let seen = [("a".to_owned(), Power::Battery), ("c".to_owned(), Power::Low)];
    assert_eq!(record.seen, seen);
    assert_eq!((record.last("c"), record.last("b")), (Some(Power::Low), None));
    assert_eq!(Record::read("", &boot()).unwrap(), Record::default());
}

/// The parent died between telling and recording, so it is told again. Seen to fail with the first line never read.
#[test]
fn a_shutdown_on_the_first_line_was_decided_whatever_was_told() {
    let text = text("LOW").replacen("FAIL", "SHUTDOWN", 1);
    let record = Record::read(&text, &boot()).unwrap();
    assert_eq!((record.told, record.word), (Told::Low, Word::Shutdown));
}

#[test]
fn a_record_of_another_boot_or_another_init_is_not_ours() {
    for other in [Boot { id: "x".to_owned(), ..boot() }, Boot { init: "26".to_owned(), ..boot() }] {
        assert!(matches!(Record::read(&text("LOW"), &other), Err(Unusable::OtherBoot)));
    }
}

#[test]
fn a_torn_or_foreign_file_is_refused_wherever_it_is_torn() {
    let whole = text("LOW");
    let end = whole.find("end").unwrap();
    for length in 1..end + 3 {
        assert!(
            matches!(Record::read(&whole[..length], &boot()), Err(Unusable::Foreign)),
            "{length}"
        );
    }
    assert!(matches!(Record::read(&text("PERHAPS"), &boot()), Err(Unusable::Foreign)));
}
