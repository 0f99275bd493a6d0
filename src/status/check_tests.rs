use super::*;
use crate::status::sample::{calm, outage};

#[test]
fn the_line_has_a_word_and_numbers() {
    assert_eq!(
        line(&calm()),
        ("UPSENTRY OK - on mains, ups OL; init told nothing | battery=0s".to_owned(), 0)
    );
    assert_eq!(
        line(&outage()),
        (
            "UPSENTRY WARNING - on battery for 4m12s, ups OB, rack OL; init told power fail \
             | battery=252s slaves=5 silent=2"
                .to_owned(),
            1
        )
    );
}

/// The worse of what was seen and what stands in the state file; blind is neither.
#[test]
fn the_exit_status() {
    let states = [State::Unknown, State::Mains, State::Battery, State::Low];
    let words = [None, Some(Said::Ok), Some(Said::Fail), Some(Said::Low), Some(Said::Shutdown)];
    let want = [[3, 3, 3, 3, 3], [0, 0, 1, 2, 2], [1, 1, 1, 2, 2], [2, 2, 2, 2, 2]];
    for (machine, row) in states.into_iter().zip(want) {
        for (recorded, status) in words.into_iter().zip(row) {
            let mut snapshot = calm();
            (snapshot.head.machine, snapshot.head.recorded) = (machine, recorded);
            assert_eq!(line(&snapshot).1, status, "{machine:?} {recorded:?}");
            snapshot.head.blind = true;
            assert_eq!(line(&snapshot).1, 3, "{machine:?} {recorded:?}");
        }
    }
}
