//! What must hold of any text.

use proptest::prelude::*;

use super::*;

const PURPOSES: [Purpose; 3] = [Purpose::Run, Purpose::Test, Purpose::Kill];

/// Reads it for each purpose, shows what is wrong, and checks that it is said of a place that is there.
fn survive(text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    for purpose in PURPOSES {
        match parse(Path::new(FILE), text, purpose) {
            Ok(config) => {
                assert!(describe(&config, 0, config.warnings.len()).ends_with('\n'));
                assert!(describe_links(&config, &|_| None).ends_with('\n'));
            }
            Err(all) => {
                for one in &all {
                    let line = lines.get(one.line - 1).expect("a line that is there");
                    let length = line.chars().count();
                    assert!(
                        one.column >= 1 && one.column - 1 + one.width <= length,
                        "{one:?} {line:?}"
                    );
                    let shown = one.render(Path::new(FILE), text);
                    assert!(
                        !shown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
                        "{shown:?}"
                    );
                }
                assert!(all.iter().any(|one| one.severity == Severity::Error));
                assert!(all.is_sorted_by_key(|one| (one.line, one.column)));
            }
        }
    }
}

/// Words that a file is made of, and some that it is not.
fn word() -> impl Strategy<Value = String> {
    let known = "ups watch model fail low sense init kill break debounce settle fail-after ok-after low-after \
                 cable-grace shutdown-after deadtime blind-after power password need via initctl powerstatus \
                 halt tell insist sleep-time user notifier-user chroot state-file pid-file history-file kill-hold slave \
                 listen port key-file slave-wait halt-time status-socket master.example master:m/a 192.0.2.1 :: ff02::1 /x rule cts dsr dcd cd rng ri dtr rts 0 1 2 1 0 ttyS0 ttyS1 power99 nut-7 940-0023A \
                 20ms 2s 5m 1h 60 signal command runlevel none ok shutdown root a b /x driver:myups nut://h/u nut://u@h:1/u nut+tls://u@[::1]/u poll primary flag off bypass lost ca-file tls-pin kill-command ups-conf host-sync /sbin/halt # \" \"a b\"";
    let known: Vec<String> = known.split(' ').map(str::to_owned).collect();
    prop_oneof![9 => proptest::sample::select(known), 1 => "\\PC{0,8}"]
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (proptest::collection::vec(word(), 0..6), "[ \t]{1,2}").prop_map(|(words, blank)| words.join(&blank)),
        1 => Just("watch ttyS0".to_owned()),
        1 => Just("model power99".to_owned()),
    ]
}

fn time_text() -> impl Strategy<Value = Duration> {
    prop_oneof![
        0u64..2000,
        (0u64..10_000).prop_map(|s| s * 1000),
        (0u64..600).prop_map(|m| m * 60_000)
    ]
    .prop_map(ms)
}

fn condition() -> impl Strategy<Value = (u8, bool)> {
    (0u8..4, any::<bool>())
}

/// Conditions of different lines.
fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    proptest::collection::vec(condition(), 1..4).prop_map(|all| {
        let mut found: Vec<Condition> = Vec::new();
        for (n, level) in all {
            let line = [Input::Cts, Input::Dsr, Input::Dcd, Input::Rng][usize::from(n)];
            if !found.iter().any(|other| other.line == line) {
                found.push(Condition { line, level });
            }
        }
        found
    })
}

/// A UPS in the words of the file.
fn print(ups: &Ups) -> String {
    let mut text = format!("ups {}\n", ups.name);
    text += &match &ups.watch {
        Watch::Line(device) => format!("watch \"{}\"\n", device.display()),
        Watch::Master(Master { host, or_only: true, .. }) => format!("watch {host}\n"),
        Watch::Master(Master { host, ups, .. }) => format!("watch master:{host}/{ups}\n"),
        other @ (Watch::Driver(_) | Watch::Server(_)) => format!("watch {other}\n"),
    };
    for (name, lines) in [("fail", &ups.fail), ("low", &ups.low), ("sense", &ups.sense)] {
        if !lines.is_empty() {
            text += &format!("{name} {}\n", words(lines));
        }
    }
    if ups.init != Outputs::default() {
        text += &format!("init {}\n", ups.init);
    }
    if let Some(kill) = ups.kill {
        text += &format!("kill {kill}\n");
    }
    let times = [
        ("debounce", Some(ups.debounce)),
        ("settle", Some(ups.settle)),
        ("fail-after", Some(ups.fail_after)),
        ("ok-after", Some(ups.ok_after)),
        ("low-after", Some(ups.low_after)),
        ("cable-grace", Some(ups.cable_grace)),
        ("shutdown-after", ups.shutdown_after),
        ("deadtime", Some(ups.deadtime)),
        ("blind-after", Some(ups.blind_after)),
    ];
    for (name, value) in times {
        if let Some(value) = value {
            text += &format!("{name} {}\n", time(value));
        }
    }
    text + &format!("power {}\n", ups.power)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn any_text_of_known_words_is_survived(lines in proptest::collection::vec(line(), 0..12), crlf in any::<bool>()) {
        survive(&lines.join(if crlf { "\r\n" } else { "\n" }));
    }

    #[test]
    fn what_is_printed_is_read_back(
        fail in conditions(), low in conditions(), sense in conditions(), senses in any::<bool>(),
        init: (Option<bool>, Option<bool>), kill: (Option<bool>, Option<bool>), brk: bool,
        times in proptest::collection::vec(time_text(), 4), shutdown in proptest::option::of(time_text()), power in 1u32..1000,
    ) {
        let mut ups = good(BASE).ups.remove(0);
        let kill = Kill { outputs: Outputs { dtr: kill.0, rts: kill.1 }, send_break: brk };
        ups.name = "x.Y_9-".to_owned();
        ups.fail = fail;
        ups.low = low;
        ups.sense = if senses { sense } else { Vec::new() };
        ups.init = Outputs { dtr: init.0, rts: init.1 };
        ups.kill = (kill != Kill::default()).then_some(kill);
        ups.debounce = times[0].min(ms(10_000));
        ups.settle = times[1].min(ms(60_000));
        ups.fail_after = times[2];
        ups.ok_after = times[3];
        ups.shutdown_after = shutdown;
        ups.power = power;
        let text = print(&ups);
        let read = good(&text).ups.remove(0);
        let plain = |ups: &Ups| format!("{:?}", Ups { model: None, watch_line: 0, ..ups.clone() });
        prop_assert_eq!(plain(&read), plain(&ups));
        prop_assert_eq!(print(&read), text);
    }

    #[test]
    fn a_time_is_read_as_it_is_shown(value in time_text()) {
        let word = words::split(&time(value), 1).unwrap().remove(0);
        prop_assert_eq!(words::duration(&word).unwrap(), value);
    }

    /// A comment, blanks and the case of a line's name change nothing.
    #[test]
    fn looks_change_nothing(blanks in "[ \t]{0,3}", comment in "( #\\PC*)?") {
        let text = format!("{blanks}watch{blanks} ttyS0{comment}\r\n{blanks}fail CTS{blanks} 0{comment}\nlow\tcd {blanks}0{blanks}");
        let plain = good("watch ttyS0\nfail cts 0\nlow dcd 0");
        let read = good(&text);
        prop_assert_eq!(format!("{:?}", read.ups), format!("{:?}", plain.ups));
    }

    #[test]
    fn a_password_is_never_shown_whatever_is_around_it(
        before in "[ \t\"#=]{0,2}", name in "(pass|Pass|pa)(wo|w|)(rd|r|dr)", between in "[ =:\t\"]{1,3}", after in "\\PC{0,5}",
    ) {
        let text = format!("{BASE}{before}{name}{between}hunter2hunter2{after}\nbad\n");
        let said = match parse(Path::new(FILE), &text, Purpose::Run) {
            Ok(config) => config.warnings.join("\n"),
            Err(all) => rendered(&text, &all),
        };
        prop_assert!(!said.contains("hunter2"), "{}", said);
    }

    /// One letter wrong in a directive's name, and a name is proposed.
    #[test]
    fn a_slip_of_one_letter_is_understood(
        name in proptest::sample::select(vec!["watch", "model", "fail", "shutdown-after", "notifier-user", "via"]),
        at in 0usize..20, letter in proptest::char::range('a', 'z'), how in 0..3,
    ) {
        let mut letters: Vec<char> = name.chars().collect();
        let at = at % letters.len();
        match how {
            0 => letters[at] = letter,
            1 => letters.insert(at, letter),
            _ => {
                let _ = letters.remove(at);
            }
        }
        let slip: String = letters.into_iter().collect();
        prop_assert!(directives::nearest(&slip).is_some() || directives::find(&slip).is_some(), "{}", slip);
    }
}
