use super::*;
use crate::nut::flags::Flags;
use proptest::prelude::*;

const DEADTIME: Duration = Duration::from_secs(15);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn new() -> Driver {
    Driver::new(&Settings { deadtime: DEADTIME, wanted: vec!["ups.id".to_owned()] })
}

/// Connected at 0 s, with this much heard.
fn after(text: &str) -> Driver {
    let mut driver = new();
    assert!(driver.dial(s(0)));
    driver.connected(s(0));
    statuses(&mut driver, s(0), text.as_bytes());
    driver
}

/// The status at each change of what is believed.
fn statuses(driver: &mut Driver, now: Duration, mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let before = (driver.known().seen, driver.is_trusted());
        let taken = driver.receive(now, bytes);
        assert!(taken > 0 && taken <= bytes.len());
        bytes = &bytes[taken..];
        let after = (driver.known().seen, driver.is_trusted());
        if before != after {
            let mark = if after.1 { "" } else { "?" };
            all.push(format!("{}{mark}", after.0.unwrap_or_default()));
        } else {
            assert!(bytes.is_empty(), "stopped without a change");
        }
    }
    all
}

fn heard(text: &str) -> Vec<String> {
    statuses(&mut after(""), s(1), text.as_bytes())
}

const DUMP: &str = "SETINFO battery.charge \"100\"\nSETINFO ups.status \"OL\"\n\
    SETFLAGS ups.id RW STRING\nADDCMD load.off\nDATAOK\nDUMPDONE\n";

#[test]
fn nothing_is_believed_before_the_dump_is_complete() {
    assert_eq!(heard("SETINFO ups.status \"OB LB\"\nDATAOK\n"), [""; 0]);
    assert_eq!(heard(DUMP), ["OL"]);
    // What is broadcast within the dump is newer than the dump.
    assert_eq!(heard("SETINFO ups.status \"OL\"\nSETINFO ups.status \"OB\"\nDUMPDONE\n"), ["OB"]);
    // A driver that has no status yet is not known, though it is heard.
    let driver = after("DUMPDONE\n");
    assert!(driver.known().heard && driver.known().connected);
    assert_eq!((driver.known().seen, driver.known().trusted_at), (None, None));
}

#[test]
fn each_change_in_one_read_is_seen() {
    let text = format!(
        "{DUMP}SETINFO ups.status \"OB\"\nSETINFO ups.load \"3\"\nSETINFO ups.status \"OB LB\"\n\
         SETINFO ups.status \"OL\"\nSETINFO ups.status \"OB\"\nPONG\n"
    );
    assert_eq!(heard(&text), ["OL", "OB", "OB LB", "OL", "OB"]);
}

#[test]
fn a_stale_driver_is_not_believed() {
    let mut driver = after(DUMP);
    let stale = "DATASTALE\nSETINFO ups.status \"OB\"\n";
    assert_eq!(statuses(&mut driver, s(3), stale.as_bytes()), ["OL?"]);
    assert_eq!(driver.known().trusted_at, Some(s(0)));
    assert!(driver.known().heard);
    // What it then said is true once it says so.
    assert_eq!(statuses(&mut driver, s(4), b"DATAOK\n"), ["OB"]);
    assert_eq!(driver.known().trusted_at, Some(s(4)));
    assert_eq!(heard(&format!("DATASTALE\n{}", DUMP.replace("DATAOK\n", ""))), [""; 0]);
}

#[test]
fn a_status_that_goes_is_no_news_and_ages() {
    for gone in ["DELINFO ups.status\n", "SETINFO ups.status \"\"\n", "SETINFO ups.status WAIT\n"] {
        let mut driver = after(DUMP);
        assert_eq!(statuses(&mut driver, s(2), gone.as_bytes()), ["OL?"]);
        assert_eq!(statuses(&mut driver, s(3), b"PONG\nSETINFO ups.load \"9\"\n"), [""; 0]);
        assert_eq!(driver.known().trusted_at, Some(s(0)));
        assert_eq!(statuses(&mut driver, s(4), b"setinfo UPS.STATUS \"OL\"\n"), ["OL"]);
    }
}

#[test]
fn noise_proves_nothing() {
    let noise = [
        "HELLO\n",
        "\n",
        "PONG",
        " # PONG\n",
        "SETINFO\n",
        "SETINFO ups.status\n",
        "SETINFO ups.status \"OB\n",
        "ADDRANGE a b\n",
        "DELINFO\n",
        "SETAUX a\n",
        "\"PON\" G\n",
        "TRACKING a\n",
        "DELINFO \"a#b\n",
        "\0PONG\"x\"\n",
        "SETINFO ups.status =\"\n",
    ];
    for text in noise {
        let mut driver = after(DUMP);
        statuses(&mut driver, s(5), text.as_bytes());
        assert_eq!(driver.known().trusted_at, Some(s(0)), "{text:?}");
        let ping = driver.output(s(5));
        assert_eq!(ping, Some(b"DUMPALL\n".as_slice()));
    }
    let sense = [
        "pong\n",
        "PONG\r\n",
        "SETFLAGS a\n",
        "SETINFO a b\n",
        "ADDENUM a \"b\" c\n",
        "PID 1\n",
        "OK Goodbye\n",
        "ADDRANGE a \"1\" \"2\"\n",
        "TRACKING id 0\n",
        "SETINFO ups.load\t\"\"\n",
    ];
    for text in sense {
        let mut driver = after(DUMP);
        assert_eq!(statuses(&mut driver, s(5), text.as_bytes()), [""; 0]);
        assert_eq!(driver.known().trusted_at, Some(s(5)), "{text:?}");
    }
}

#[test]
fn values_are_read_escaped_and_not() {
    for (sent, kept) in [
        ("\"a b\"", "a b"),
        ("\"a\\\"b\\\\c\\#d\"", "a\"b\\c#d"),
        // Broadcast: as they are.
        ("\"a\"b\\c#d\"", "a\"b\\c#d"),
        ("\"#1\"", "#1"),
        ("\"C:\\\"", "C:\\"),
        ("\"\"\"", "\""),
        ("\"a\\b\"", "a\\b"),
        ("\"\"", ""),
        ("bare", "bare"),
        ("\"caf\u{e9}\"", "caf"),
    ] {
        let mut driver = after(&format!("{DUMP}SETINFO ups.id \"old\"\n"));
        let text = format!("SETINFO ups.id {sent}\nSETINFO ups.status \"OB\"\n");
        assert_eq!(statuses(&mut driver, s(1), text.as_bytes()), ["OB"], "{sent}");
        assert_eq!(driver.values().get("UPS.ID"), Some(kept), "{sent}");
    }
}

#[test]
fn a_line_that_was_cut_takes_no_other_with_it() {
    let cut = format!("ADDENUM ups.id \"{}", "x".repeat(LONGEST_LINE - 16));
    assert_eq!(cut.len(), LONGEST_LINE);
    assert_eq!(heard(&format!("{DUMP}{cut}SETINFO ups.status \"OB\"\n")), ["OL", "OB"]);
    let whole = format!("SETINFO ups.mfr \"{}\"\n", "x".repeat(LONGEST_LINE - 19));
    assert_eq!(whole.len(), LONGEST_LINE);
    assert_eq!(heard(&format!("{DUMP}{whole}SETINFO ups.status \"OB\"\n")), ["OL", "OB"]);
}

#[test]
fn it_asks_for_a_dump_and_then_when_it_is_quiet() {
    let mut driver = new();
    assert_eq!(driver.output(s(0)), None);
    assert!(driver.dial(s(0)));
    driver.connected(s(0));
    assert_eq!(driver.next(s(0)), Some(s(0)));
    assert_eq!(driver.output(s(0)), Some(b"DUMPALL\n".as_slice()));
    assert_eq!((driver.output(s(0)), driver.next(s(0))), (None, Some(s(5))));
    statuses(&mut driver, s(3), DUMP.as_bytes());
    assert_eq!((driver.output(s(7)), driver.next(s(7))), (None, Some(s(8))));
    assert_eq!(driver.output(s(8)), Some(b"PING\n".as_slice()));
    assert_eq!((driver.output(s(8)), driver.next(s(8))), (None, Some(s(13))));
    statuses(&mut driver, s(9), b"PONG\n");
    assert_eq!(driver.next(s(9)), Some(s(14)));
    // On battery three times within the third of deadtime after which it is lost.
    statuses(&mut driver, s(10), b"SETINFO ups.status \"OB\"\n");
    assert_eq!(driver.next(s(10)), Some(s(10) + DEADTIME / 9));
}

#[test]
fn it_dials_at_once_and_then_with_a_pause() {
    let mut driver = after(DUMP);
    assert!(!driver.dial(s(50)), "it is connected");
    driver.disconnected(s(100));
    assert!(driver.dial(s(100)));
    // A driver that takes connections and closes them is not dialled in a circle.
    driver.connected(s(100));
    driver.disconnected(s(100));
    assert!(!driver.dial(s(100)));
    assert_eq!(driver.next(s(100)), Some(s(101)));
    let mut tries = Vec::new();
    for now in 101..120 {
        if driver.dial(s(now)) {
            tries.push(now);
        }
    }
    assert_eq!(tries, [101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 112, 114, 116, 118]);
    driver.connected(s(120));
    statuses(&mut driver, s(120), DUMP.replace("OL", "OB").as_bytes());
    driver.disconnected(s(200));
    let tries = (200..230).filter(|now| driver.dial(s(*now))).count();
    assert_eq!(tries, 30, "on battery it does not slow down");
}

#[test]
fn what_was_known_outlives_the_connection() {
    let mut driver = after(DUMP);
    statuses(&mut driver, s(1), b"SETINFO ups.status \"OB DISCHRG\"\nSETINFO ups.st");
    driver.disconnected(s(2));
    let known = driver.known();
    assert_eq!(known.seen.map(|seen| seen.flags), Some(Flags::OB.with(Flags::DISCHRG)));
    assert_eq!((known.trusted_at, known.heard, known.connected), (Some(s(1)), false, false));
    assert_eq!(driver.values().iter().count(), 0);
    // Nothing of the old connection is in the new one.
    driver.connected(s(3));
    statuses(&mut driver, s(3), b"atus \"OL\"\nDUMPDONE\n");
    assert_eq!(driver.known().trusted_at, Some(s(1)));
    assert_eq!(statuses(&mut driver, s(4), b"SETINFO ups.status \"OL\"\n"), ["OL"]);
    driver.disconnected(s(5));
    assert_eq!(driver.receive(s(5), DUMP.as_bytes()), DUMP.len());
    assert_eq!(driver.known().trusted_at, Some(s(4)));
}

/// All sequences of messages up to a length, against a model in a few words: when the status is believed, and which.
#[test]
fn freshness_in_all_small_sequences() {
    let messages = [
        "SETINFO ups.status \"OL\"\n",
        "SETINFO ups.status \"OB\"\n",
        "DELINFO ups.status\n",
        "DATAOK\n",
        "DATASTALE\n",
        "DUMPDONE\n",
        "PONG\n",
        "NOISE\n",
    ];
    let length = 5;
    for number in 0..messages.len().pow(length) {
        let mut driver = after("");
        let (mut status, mut dumped, mut stale, mut believed) = (None, false, false, (None, None));
        let mut rest = number;
        for now in 1..=u64::from(length) {
            let which = rest % messages.len();
            rest /= messages.len();
            match which {
                0 | 1 => status = Some(if which == 0 { Flags::OL } else { Flags::OB }),
                2 => status = None,
                3 | 4 => stale = which == 4,
                5 => dumped = true,
                _ => {}
            }
            if status.is_some() && dumped && !stale && which != 7 {
                believed = (status, Some(s(now)));
            }
            let was = (driver.known().seen, driver.is_trusted());
            let changes = statuses(&mut driver, s(now), messages[which].as_bytes()).len();
            let known = driver.known();
            assert_eq!((known.seen.map(|seen| seen.flags), known.trusted_at), believed, "{number}");
            assert_eq!(driver.is_trusted(), status.is_some() && dumped && !stale, "{number}");
            assert_eq!(changes, usize::from(was != (known.seen, driver.is_trusted())), "{number}");
        }
    }
}

fn line() -> impl Strategy<Value = String> {
    let lines = [
        "SETINFO ups.status \"OB\"\n",
        "SETINFO ups.status \"OL\"\n",
        "SETINFO ups.id \"a\"b\"\n",
        "SETINFO ups.id \"#\\\"\n",
        "DATASTALE\n",
        "DATAOK\n",
        "DUMPDONE\n",
        "PONG\n",
        "DELINFO ups.status\n",
        "SETINFO ups.status \"OB LB",
        "\"",
        "#",
        "\\",
        "\n",
    ];
    prop_oneof![4 => proptest::sample::select(lines.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let mut driver = after(DUMP);
        statuses(&mut driver, s(1), &bytes);
        prop_assert!(driver.values().iter().all(|(_, value)| value.len() <= 64));
    }

    /// However it is cut into reads.
    #[test]
    fn reads_do_not_matter(lines in proptest::collection::vec(line(), 0..20), cut in 1_usize..9) {
        let text = lines.concat();
        let (mut whole, mut parts) = (after(""), after(""));
        let at_once = statuses(&mut whole, s(1), text.as_bytes());
        let mut in_parts = Vec::new();
        for part in text.as_bytes().chunks(cut) {
            in_parts.extend(statuses(&mut parts, s(1), part));
        }
        prop_assert_eq!(at_once, in_parts);
        prop_assert_eq!(whole.known(), parts.known());
        prop_assert!(whole.values().iter().eq(parts.values().iter()));
    }
}
