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
    assert_eq!((record.told, record.shutdown), (Told::Low, false));
    let seen = [("a".to_owned(), Power::Battery), ("c".to_owned(), Power::Low)];
    assert_eq!(record.seen, seen);
    assert_eq!(Record::read("", &boot()).unwrap(), Record::default());
}

/// The parent died between telling and recording, so it is told again. Seen to fail with `shutdown` never read.
#[test]
fn a_shutdown_on_the_first_line_was_decided_whatever_was_told() {
    let text = text("LOW").replacen("FAIL", "SHUTDOWN", 1);
    let record = Record::read(&text, &boot()).unwrap();
    assert_eq!((record.told, record.shutdown), (Told::Low, true));
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

#[test]
fn what_is_written_is_read_back_in_one_length_and_locks_others_out() {
    let path = std::env::temp_dir().join(format!("upsentry-state-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    if !nix::unistd::Uid::effective().is_root() {
        assert!(StateFile::open(&path, 1).is_err(), "a file that is not root's is refused");
        let _ = std::fs::remove_file(&path);
        return;
    }
    let (state, record) = StateFile::open(&path, 2).unwrap();
    assert_eq!(record.unwrap(), Record::default());
    let seen = [("a", Some(Power::Low), false), ("b", None, true)];
    let entry = |now, told| Entry { now, told, at: 12, seen: &seen };
    state.begin(entry(Word::Ok, Told::Ok)).unwrap();
    let length = std::fs::metadata(&path).unwrap().len();
    state.write(entry(Word::Shutdown, Told::Final)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().next(), Some("SHUTDOWN"));
    let refused = StateFile::open(&path, 2).unwrap_err();
    assert!(refused.starts_with("already running (pid "), "{refused}");
    drop(state);
    let (_, record) = StateFile::open(&path, 2).unwrap();
    assert_eq!(
        record.unwrap(),
        Record {
            told: Told::Final,
            shutdown: true,
            seen: vec![("a".to_owned(), Power::Low)],
            fresh: false
        }
    );
    std::fs::remove_file(&path).unwrap();
}
