//! Hazards, and the screens of `check`.

use super::*;

fn hazards_of(text: &str) -> Vec<String> {
    hazards(&good(text).ups[0])
}

const OPEN: &str = "the first open after boot raises DTR and RTS for a moment, and";
const CUT: &str = "is the kill signal: a UPS that is still on battery then may cut the load";

#[test]
fn a_pulled_cable() {
    let bridge = |output: &str, input: &str, word: &str| {
        format!(
            "bridge {output} to {input} in the plug and write `sense {word} 1' to tell the two apart"
        )
    };
    let table = [
        (
            "watch ttyS0\ninit rts 1\nfail cts 0\nlow dcd 0",
            format!("a pulled cable reads CTS 0 DCD 0, which is \"low\": held back 60s (cable-grace); {}", bridge("RTS", "DSR", "dsr")),
        ),
        (
            "watch ttyS0\ninit dtr 1\nfail dsr 0\nlow cts 0 dsr 0\ncable-grace 0s",
            format!("a pulled cable reads DSR 0 CTS 0, which is \"low\": a shutdown at once (cable-grace 0s); {}", bridge("DTR", "DCD", "dcd")),
        ),
        (
            "watch ttyS0\ninit dtr 1\nfail cts 0\nlow dcd 1",
            format!("a pulled cable reads CTS 0 DCD 0, which is \"on battery\"; {}", bridge("DTR", "DSR", "dsr")),
        ),
        (
            "watch ttyS0\ninit dtr 1\nfail cts 1\nlow dcd 1",
            format!("a pulled cable reads CTS 0 DCD 0, which is \"mains on\": an outage would go unnoticed; {}", bridge("DTR", "DSR", "dsr")),
        ),
        (
            "watch ttyS0\nfail cts 1\nlow dcd 0",
            "a pulled cable reads CTS 0 DCD 0, which is \"mains on\", and low: an outage would go unnoticed; \
             no output is raised by `init' and no line is free, so nothing can tell the two apart"
                .to_owned(),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(hazards_of(text), [expected], "{text}");
    }
    let sensed = "watch ttyS0\nfail cts 0\nlow dcd 0\nsense dsr 1";
    assert!(hazards_of(sensed).is_empty());
    let unproven = "watch ttyS0\nfail cts 0\nlow dcd 0\nsense dsr 0";
    assert_eq!(
        hazards_of(unproven),
        ["`sense dsr 0' holds without a cable, too: it proves nothing"]
    );
}

#[test]
fn the_kill_signal_and_ring() {
    let base = "watch ttyS0\nfail cts 0\nlow dcd 0\nsense dsr 1\n";
    let table: &[(&str, &[String])] = &[
        ("kill dtr 1", &[format!("{OPEN} DTR 1 {CUT}")]),
        ("kill dtr 1 rts 1", &[format!("{OPEN} DTR 1 RTS 1 {CUT}")]),
        ("init dtr 1 rts 0\nkill dtr 1 rts 1", &[format!("{OPEN} RTS 1 {CUT}")]),
        // What tells the kill signal from normal operation is a line that falls: an open cannot do that.
        ("init dtr 1 rts 1\nkill dtr 0 rts 1", &[]),
        ("init rts 1\nkill rts 0", &[]),
        ("kill break", &[]),
        ("init dtr 1\nkill dtr 1 break", &[]),
        ("init dtr 1\nkill dtr 1", &["the kill signal (dtr 1) is what `init' sets: the UPS would be told to cut the load all the time".to_owned()]),
        ("low rng 1", &["RNG interrupts on one edge only: this UPS is re-read each second".to_owned()]),
    ];
    for (lines, expected) in table {
        assert_eq!(hazards_of(&format!("{base}{lines}")), *expected, "{lines}");
    }
}

#[test]
fn when_cable_grace_applies() {
    let applies = |lines: &str| {
        good(&format!("watch ttyS0\nlow dcd 0\n{lines}")).ups[0].blind_grace_applies()
    };
    assert!(applies("fail cts 0"));
    assert!(applies("fail cts 0 dsr 0"));
    assert!(!applies("fail cts 1"));
    assert!(!applies("fail cts 0 dsr 1"));
    assert!(!applies("fail cts 0\nsense dsr 1"));
}

#[test]
fn warnings_stand_where_the_wiring_is_said() {
    let lines = |text: &str| -> Vec<String> {
        good(text).warnings.iter().map(|warning| warning.chars().take(11).collect()).collect()
    };
    assert_eq!(
        lines("watch ttyS0\nfail cts 0\nlow dcd 0\nkill dtr 1"),
        ["t.conf:3:1:", "t.conf:3:1:"]
    );
    assert_eq!(lines("watch ttyS0\nmodel nut-8"), ["t.conf:2:1:"]);
    assert_eq!(lines("model nut-8\nups a\nwatch ttyS0"), ["t.conf:1:1:"]);
    assert!(good("watch ttyS0\nlow dcd 1").warnings[0].contains("no `fail'"));
}

#[test]
fn the_screen_of_check() {
    let text = "watch ttyS0\nmodel power99\n";
    let expected = "\
t.conf: 2 lines, 1 UPS, no errors, 2 warnings

ups \"ups\"        /dev/ttyS0, CyberPower Power99 (model power99)
  on battery     CTS 0 for 20ms                (fail cts 0)
  low            DCD 0 for 2s while on battery (low dcd 0)
  outputs        RTS 1  DTR 0     kill: DTR 1 RTS 0, held 10s
  shuts down     at low; no shutdown-after
this machine     needs 1 of 1 UPS
";
    assert_eq!(shown(&good(text)), expected);
    let text = "need 3\nmodel nut-1\nups a\nwatch /dev/x\npower 2\nfail-after 5s\nok-after 1m\nsense dsr 1\nshutdown-after 10m\n\
                ups b\nwatch ttyS1\nfail cts 0\nlow dcd 0\nkill break\n\
                ups c\nwatch ttyS2\npower 0\n";
    let expected = "\
t.conf: 17 lines, 3 UPS, no errors, 6 warnings

ups \"a\"          /dev/x, APC Back-UPS 940-0095A/C (model apc-940-0095a)
  on battery     RNG 1 for 20ms, told after 5s (fail rng 1)
  low            DCD 1 for 2s while on battery (low dcd 1)
  mains back     told after 60s                (ok-after 60s)
  cable there    DSR 1                         (sense dsr 1)
  outputs        RTS 0  DTR 1     kill: DTR 0 RTS 1, held 10s
  shuts down     at low; after 10m on battery
ups \"b\"          /dev/ttyS1, APC Back-UPS 940-0095A/C (model apc-940-0095a)
  on battery     CTS 0 for 20ms                (fail cts 0)
  low            DCD 0 for 2s while on battery (low dcd 0)
  outputs        RTS 0  DTR 1     kill: break, held 10s
  shuts down     at low; no shutdown-after
ups \"c\"          /dev/ttyS2, APC Back-UPS 940-0095A/C (model apc-940-0095a)
  on battery     RNG 1 for 20ms                (fail rng 1)
  low            DCD 1 for 2s while on battery (low dcd 1)
  outputs        RTS 0  DTR 1     kill: DTR 0 RTS 1, held 10s
  shuts down     never: power 0, only watched
this machine     needs power 3 of 3 (a 2, b 1)
";
    let shown = shown(&good(text));
    assert_eq!(
        shown.lines().skip(1).collect::<Vec<_>>(),
        expected.lines().skip(1).collect::<Vec<_>>()
    );
}

fn shown(config: &Config) -> String {
    describe(config, 0, config.warnings.len())
}
