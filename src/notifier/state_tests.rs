use super::*;
use crate::ipc::cause::Cause;
use crate::ipc::legal::Power;
use crate::ipc::record::Entry;
use crate::ipc::told::{Told, Word};

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
    let ms = core::time::Duration::from_millis(7000);
    let entry = |now, told| Entry {
        now,
        told,
        at: 12,
        seen: &seen,
        slaves: None,
        cause: Some((Cause::Rule, ms)),
    };
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
            word: Word::Shutdown,
            seen: vec![("a".to_owned(), Power::Low)],
            fresh: false,
            slaves: None,
            cause: Some((Cause::Rule, ms)),
        }
    );
    std::fs::remove_file(&path).unwrap();
}
