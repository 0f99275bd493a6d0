//! The table has all that the lists have.

use crate::common::lists;
use crate::table::{WITHOUT, all};
use std::collections::BTreeSet;

/// A call without a row and without a reason is one that nobody has seen failing.
///
/// Seen to fail with `.any(SYS_getpid)` in the parent's list, and with the row of `pwrite64` taken out.
#[test]
fn every_call_of_a_list_has_a_row_or_a_reason() {
    // What runs on the warden's list before its own is on the monitor's start.
    let rows = all().map(|row| (if row.list == "start" { "warden" } else { row.list }, row.call));
    let rows: BTreeSet<_> = rows.map(|(list, call)| (list, call.to_owned())).collect();
    let reasons: BTreeSet<_> =
        WITHOUT.iter().map(|(list, call, _)| (*list, (*call).to_owned())).collect();
    let mut listed = BTreeSet::new();
    for (list, calls) in lists::lists() {
        // The reader has ended before anything starts.
        if list != "reader" {
            listed.extend(calls.into_iter().map(|call| (list, lists::call_name(call))));
        }
    }
    let covered: BTreeSet<_> = rows.union(&reasons).cloned().collect();
    let left: Vec<_> = listed.difference(&covered).collect();
    assert!(left.is_empty(), "neither a row nor a reason: {left:?}");
    let idle: Vec<_> = covered.difference(&listed).collect();
    assert!(idle.is_empty(), "not on the list: {idle:?}");
    let both: Vec<_> = rows.intersection(&reasons).collect();
    assert!(both.is_empty(), "a row and a reason against it: {both:?}");
}
