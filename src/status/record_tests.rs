use super::{HEAD, Recorder};
use crate::status::sample;

#[test]
fn only_changes_are_written_and_nothing_makes_a_line_of_its_own() {
    let mut snapshot = sample::calm();
    snapshot.ups.truncate(1);
    snapshot.ups[0].0.name = "left".into();
    snapshot.ups[0].1 =
        vec![("ups.status".into(), "OL".into()), ("battery.charge".into(), "100".into())];
    let mut recorder = Recorder::default();
    assert_eq!(
        recorder.lines(&snapshot, 5),
        format!("{HEAD}\n5 left battery.charge 100\n5 left ups.status OL\n")
    );
    assert_eq!(recorder.lines(&snapshot, 7), "");
    snapshot.ups[0].1 = vec![("ups.status".into(), "OB\n7 left x y".into())];
    assert_eq!(
        recorder.lines(&snapshot, 6),
        "7 left battery.charge\n7 left ups.status OB 7 left x y\n"
    );
}
