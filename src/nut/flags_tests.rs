use super::*;

const NOTHING: Treat =
    Treat { off: Meaning::Ignore, bypass: Meaning::Ignore, alarm: Meaning::Ignore };

fn power(text: &str, last: Option<Power>) -> Option<Power> {
    judge(Seen::read(text), NOTHING, last).power
}

#[test]
fn words_come_in_any_order_and_case() {
    let seen = Seen::read("  chrg OL  lb\tX-VENDOR ");
    assert_eq!(seen.flags, Flags::OL.with(Flags::LB).with(Flags::CHRG));
    assert!(seen.other && !seen.forced);
    assert_eq!(seen.to_string(), "OL LB CHRG");
    assert!(!Seen::read("OL").other);
    // A part of a word is not the word.
    assert_eq!(Seen::read("OLD BOL").flags, Flags::NONE);
}

#[test]
fn the_table_has_each_flag_once_and_by_its_word() {
    for (number, one) in TABLE.iter().enumerate() {
        assert_eq!(Flags::named(&one.word.to_lowercase()), Some(one.flag));
        assert!(!one.says.is_empty() && !one.here.is_empty() && !one.upsmon.is_empty());
        let others = TABLE.iter().skip(number + 1);
        assert!({ others }.all(|other| other.flag.without(one.flag) == other.flag));
    }
    let all = TABLE.iter().fold(Flags::NONE, |all, one| all.with(one.flag));
    assert_eq!(all, Flags((1 << 18) - 1));
}

#[test]
fn the_power_is_what_the_words_say() {
    let (mains, battery, low) = (Some(Power::Mains), Some(Power::Battery), Some(Power::Low));
    for last in [None, mains, battery, low] {
        for text in ["OL", "OL LB", "OL CHRG RB", "ALARM OL FSD", "OL CAL", "OL TRIM", "OL X"] {
            assert_eq!(power(text, last), mains, "{text}");
        }
        for text in ["OB", "OB DISCHRG", "OB LB CAL", "OB CAL", "OL OB", "ALARM OB OFF"] {
            assert_eq!(power(text, last), battery, "{text}");
        }
        for text in ["OB LB", "LB OB", "OB FSD", "FSD", "FSD OL", "FSD WAIT", "FSD OB LB CAL"] {
            assert_eq!(power(text, last), low, "{text}");
        }
        for text in ["", "WAIT", "OFF", "CHRG", "X", "ALARM FSD"] {
            assert_eq!(power(text, last), last, "{text}");
        }
        // Calibration is never low, even if it was low before.
        assert_eq!(power("CAL", last), last.min(battery));
        assert_eq!(power("LB", last), if last == battery { low } else { last });
    }
}

#[test]
fn a_shutdown_is_demanded_by_fsd_only() {
    for (text, demanded) in [
        ("FSD OL", true),
        ("fsd OL", true),
        ("OB FSD", true),
        ("OL FSD", false),
        ("ALARM FSD OL", false),
        ("OB LB", false),
        ("", false),
    ] {
        assert_eq!(judge(Seen::read(text), NOTHING, None).demanded, demanded, "{text}");
    }
    assert!(Seen::read("FSD OL").forced);
    assert_eq!(Seen::read("FSD OL").to_string(), "FSD OL");
    assert_eq!(Seen::read("OL FSD").to_string(), "OL FSD");
}

#[test]
fn a_meaning_makes_it_worse_and_never_better() {
    let treat = Treat { off: Meaning::Battery, bypass: Meaning::Low, alarm: Meaning::Lost };
    let of = |text, last| {
        let verdict = judge(Seen::read(text), treat, last);
        (verdict.power, verdict.line, verdict.lost)
    };
    let (mains, battery, low) = (Some(Power::Mains), Some(Power::Battery), Some(Power::Low));
    assert_eq!(of("OL OFF", None), (battery, mains, false));
    assert_eq!(of("OFF", None), (battery, None, false));
    assert_eq!(of("OB LB OFF", None), (low, low, false));
    assert_eq!(of("OL OFF BYPASS", None), (low, mains, false));
    assert_eq!(of("ALARM OL", None), (mains, mains, true));
    assert_eq!(of("ALARM", battery), (battery, battery, true));
    assert_eq!(of("ALARM OL OFF", None), (battery, mains, true));
    assert_eq!(of("OL", None), (mains, mains, false));
    // Calibration and FSD stand above all meanings.
    assert_eq!(of("OB LB CAL BYPASS ALARM", None), (battery, battery, false));
    assert_eq!(of("FSD ALARM OL", None), (low, mains, false));
}

/// All statuses of these words, under all meanings: the rules that must hold in each.
#[test]
fn the_rules_hold_in_every_combination() {
    let words = [Flags::OL, Flags::OB, Flags::LB, Flags::CAL, Flags::FSD, Flags::OFF, Flags::ALARM];
    let lasts = [None, Some(Power::Mains), Some(Power::Battery), Some(Power::Low)];
    for set in 0_u32..1 << (words.len() + 1) {
        let mut seen = Seen { forced: set & 1 == 1, ..Seen::default() };
        for (number, word) in words.iter().enumerate() {
            if set >> (number + 1) & 1 == 1 {
                seen.flags = seen.flags.with(*word);
            }
        }
        for (off, alarm) in Meaning::ALL.iter().flat_map(|off| Meaning::ALL.map(|one| (*off, one)))
        {
            for last in lasts {
                let treat = Treat { off, alarm, bypass: Meaning::Low };
                let verdict = judge(seen, treat, last);
                let has = |flag| seen.flags.has(flag);
                assert_eq!(verdict.demanded, seen.forced || has(Flags::FSD) && has(Flags::OB));
                if verdict.demanded {
                    assert_eq!((verdict.power, verdict.lost), (Some(Power::Low), false));
                } else if has(Flags::CAL) {
                    assert!(verdict.power <= Some(Power::Battery) && !verdict.lost);
                } else {
                    assert!(verdict.power >= verdict.line);
                    if has(Flags::OB) && has(Flags::LB) {
                        assert_eq!(verdict.power, Some(Power::Low));
                    }
                }
                if treat.of(seen.flags) == [Meaning::Ignore; 3] && !verdict.demanded {
                    assert_eq!(verdict.power, verdict.line);
                    assert!(!verdict.lost);
                }
            }
        }
    }
}

#[test]
fn meanings_are_named_as_in_the_configuration() {
    assert_eq!(Meaning::ALL.map(Meaning::name), ["ignore", "battery", "low", "lost"]);
    assert_eq!(Treat::default(), NOTHING);
}

#[test]
fn silence_is_known() {
    for text in ["", " ", "WAIT"] {
        assert!(Seen::read(text).is_silent(), "{text:?}");
    }
    for text in ["OL", "FSD", "X", "OFF", "FSD WAIT"] {
        assert!(!Seen::read(text).is_silent(), "{text:?}");
    }
}
