#![allow(clippy::expect_used, clippy::unwrap_used)]

use super::*;
use crate::ipc::told::Word;

#[test]
fn what_the_sentences_say() {
    let of = |occasion, lasted| text(&Record { lasted, ..Record::new(occasion, 0) }, "rack");
    for (occasion, lasted, expected) in [
        (Occasion::Fail, None, "UPS rack is on battery"),
        (Occasion::Ok, None, "UPS rack is back on mains"),
        (Occasion::Ok, Some(90), "UPS rack is back on mains after 1m30s on battery"),
        (Occasion::Low, Some(9), "the battery of UPS rack is low, after 9s on battery"),
        (Occasion::Shutdown, None, "this machine goes down, for UPS rack"),
        (Occasion::Lost, None, "contact with UPS rack is lost"),
        (Occasion::Found, Some(1), "UPS rack is in contact again after 1s"),
    ] {
        assert_eq!(of(occasion, lasted), expected);
    }
    let told = Some((Word::Low, 7200));
    let record = Record { told, lasted: Some(650), ..Record::new(Occasion::StartedAfterOutage, 0) };
    assert_eq!(
        text(&record, "rack"),
        "started again after an outage of UPS rack: 10m50s on battery; init was told LOW, 2h00m ago"
    );
    assert_eq!(
        text(&Record { lasted: None, told: None, ..record }, ""),
        "started again after an outage"
    );
}

#[test]
fn what_is_not_known_is_empty_and_unset() {
    let text = |all: Vec<CString>| -> Vec<String> {
        all.into_iter().map(|one| one.into_string().unwrap()).collect()
    };
    let record = Record { ups: None, ..Record::new(Occasion::StartedAfterOutage, 0) };
    let (argv, environment) =
        words(&[c"/bin/x".to_owned()], &record, About { ups: "", rule: ("", "") });
    let sentence = "started again after an outage";
    assert_eq!(text(argv), ["/bin/x", "started-after-outage", "", sentence, ""]);
    assert_eq!(
        text(environment),
        [
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/",
            "LANG=C",
            "UPSENTRY_EVENT=started-after-outage",
            "UPSENTRY_TEXT=started again after an outage"
        ]
    );
}
