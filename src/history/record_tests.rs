use super::*;
use proptest::prelude::*;

const TOLD: Record<'_> = Record {
    seq: 42,
    at: 1_763_691_247,
    boot: "6f3c1d2a-14",
    event: Event::Told(Word::Low, Cause::Seen),
    ups: "left",
    battery: 650,
    why: "LOW (CTS 0 DCD 0 for 2s)",
};

#[test]
fn a_line_reads_as_the_manual_says() {
    assert_eq!(
        TOLD.to_string(),
        "seq=42 2025-11-21T02:14:07Z boot=6f3c1d2a-14 told=LOW cause=seen ups=left battery=650 \
         why=\"LOW (CTS 0 DCD 0 for 2s)\""
    );
    let outage = Event::Outage { began: 1_763_691_000, worst: Word::Low, over: true };
    let outage = Record { event: outage, why: "a \"b\"", ..TOLD };
    assert_eq!(
        outage.to_string(),
        "seq=42 2025-11-21T02:14:07Z boot=6f3c1d2a-14 outage=LOW began=2025-11-21T02:10:00Z \
         over=yes ups=left battery=650 why=\"a 'b'\""
    );
}

#[test]
fn what_is_not_ours_is_no_line() {
    let line = TOLD.to_string();
    for (wrong, right) in [
        ("seq=x", "seq=42"),
        ("seq=-1", "seq=42"),
        ("seq=9999999999999999999999", "seq=42"),
        ("told=NO", "told=LOW"),
        ("cause=why", "cause=seen"),
        ("boot= ", "boot=6f3c1d2a-14 "),
        ("2025-13-21T02:14:07Z", "2025-11-21T02:14:07Z"),
        ("ups=left more=1", "ups=left"),
        ("\u{7}", "2s"),
        ("\u{e9}", "2s"),
    ] {
        assert!(line.contains(right));
        assert_eq!(Record::read(&line.replace(right, wrong)), None, "{wrong}");
    }
    for torn in 0..line.find("why=").unwrap_or(0) {
        assert_eq!(Record::read(line.get(..torn).unwrap_or("")), None, "{torn}");
    }
}

/// Seen to fail with the place not compared, and with the lines in the other order.
#[test]
fn a_ring_that_has_come_round_is_read_from_its_oldest_line() {
    let mut bytes = vec![0; usize::try_from(BOUND).unwrap()];
    let put = |bytes: &mut Vec<u8>, seq, at: u64| {
        let start = usize::try_from(offset(at)).unwrap();
        let line = format!("{:<255}\n", Record { seq, ..TOLD }.to_string());
        bytes[start..start + SIZE].copy_from_slice(line.as_bytes());
    };
    for seq in 0..LINES + 3 {
        put(&mut bytes, seq, seq);
    }
    // One that stands where another should.
    put(&mut bytes, 9, 10);
    let ring = Ring::new(&bytes);
    let seqs: Vec<u64> = ring.records().map(|record| record.seq).collect();
    let wanted: Vec<u64> = (3..LINES + 3).filter(|seq| *seq != 10).collect();
    assert_eq!((seqs, ring.next, ring.foreign), (wanted, LINES + 3, 0));
}

fn any_event() -> impl Strategy<Value = Event> {
    let word = || prop::sample::select(vec![Word::Ok, Word::Fail, Word::Low, Word::Shutdown]);
    prop_oneof![
        (word(), prop::sample::select(Cause::ALL.to_vec())).prop_map(|(w, c)| Event::Told(w, c)),
        (0..LATEST, word(), any::<bool>()).prop_map(|(began, worst, over)| Event::Outage {
            began,
            worst,
            over
        }),
        Just(Event::Start),
    ]
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        seq in 0..1_u64 << 50, at in 0..LATEST, event in any_event(), battery in 0..1_u64 << 40,
        ups in "[A-Za-z0-9._-]{1,63}", why in "[ !#-~]{0,40}",
    ) {
        let why = why.trim_end();
        let record = Record { seq, at, boot: "12345678-9", event, ups: &ups, battery, why };
        let line = format!("{record:<255}\n");
        prop_assert_eq!(Record::read(&line), Some(record));
    }

    #[test]
    fn any_text_is_read_without_harm(line in "\\PC{0,300}") {
        let _ = Record::read(&line);
    }

    #[test]
    fn a_line_with_any_byte_changed_is_read_without_harm(at in 0_usize..140, byte in 0_u8..128) {
        let mut line = TOLD.to_string().into_bytes();
        if let Some(slot) = line.get_mut(at) {
            *slot = byte;
        }
        if let Some(read) = core::str::from_utf8(&line).ok().and_then(Record::read) {
            prop_assert!(read.why.is_ascii() && read.ups.is_ascii());
        }
    }
}
