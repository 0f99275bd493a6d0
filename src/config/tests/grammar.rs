//! Words, lines, and each directive by itself.

use super::*;
use crate::config::words::{duration, split, suggest};

fn words_of(text: &str) -> Vec<String> {
    split(text, 1).map(|all| all.into_iter().map(|word| word.text).collect()).unwrap_or_default()
}

#[test]
fn words_comments_and_quotes() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        (" \t ", &[]),
        ("a b\tc ", &["a", "b", "c"]),
        ("# a b", &[]),
        ("a # b", &["a"]),
        ("a #b", &["a"]),
        ("a b#c", &["a", "b#c"]),
        ("a \"b # c\" d", &["a", "b # c", "d"]),
        ("a \"\"", &["a", ""]),
        ("a b\"c", &["a", "b\"c"]),
        ("a \"b\\n\"", &["a", "b\\n"]),
    ];
    for (text, words) in table {
        assert_eq!(words_of(text), *words, "{text:?}");
    }
}

#[test]
fn durations() {
    let word = |text: &str| split(text, 1).unwrap().remove(0);
    let table = [
        ("500ms", 500),
        ("20s", 20_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("0s", 0),
        ("0ms", 0),
        ("090s", 90_000),
    ];
    for (text, expected) in table {
        assert_eq!(duration(&word(text)).unwrap(), ms(expected), "{text}");
    }
    let wrong = [
        ("60", "60 has no unit; write 60s or 1h"),
        ("5", "5 has no unit; write 5s or 5m"),
        ("0", "0 has no unit; write 0s"),
        ("5M", "`5M' is not a time; write it like 500ms, 20s, 5m or 1h"),
        ("-5s", "`-5s' is not a time; write it like 500ms, 20s, 5m or 1h"),
        ("1.5s", "`1.5s' is not a time; write it like 500ms, 20s, 5m or 1h"),
        ("s", "`s' is not a time; write it like 500ms, 20s, 5m or 1h"),
        (
            "99999999999999999999s",
            "`99999999999999999999s' is not a time; write it like 500ms, 20s, 5m or 1h",
        ),
    ];
    for (text, message) in wrong {
        assert_eq!(duration(&word(text)).unwrap_err().message, message);
    }
    // As many hours as fit; the directive's bounds refuse them.
    assert!(duration(&word("18446744073709551615h")).is_ok());
}

#[test]
fn suggestions() {
    let names = ["watch", "fail", "fail-after", "low", "low-after", "password"];
    let near = |word: &str| suggest(word, names.iter().copied());
    assert_eq!(near("wtach"), Some("watch"));
    assert_eq!(near("Watch"), Some("watch"));
    assert_eq!(near("fial"), Some("fail"));
    assert_eq!(near("failafter"), Some("fail-after"));
    assert_eq!(near("lo"), Some("low"));
    assert_eq!(near("passwrod"), Some("password"));
    assert_eq!(near("zebra"), None);
    assert_eq!(near(&"watch".repeat(100)), None);
    // Equally near: the one that begins alike.
    assert_eq!(suggest("cds", ["cts", "dsr", "cd"].into_iter()), Some("cd"));
}

#[test]
fn the_manuals_example() {
    let config = good("watch ttyS0\nfail cts 0\nlow dcd 0\ninit rts 1\ninit dtr 0\nkill dtr 1\n");
    let ups = &config.ups[0];
    assert_eq!(ups.name, "ups");
    assert_eq!(ups.watch_line, 1);
    assert_eq!(ups.watch, Watch::Line("/dev/ttyS0".into()));
    assert_eq!(ups.fail, [Condition { line: Input::Cts, level: false }]);
    assert_eq!(ups.low, [Condition { line: Input::Dcd, level: false }]);
    assert_eq!(ups.sense, []);
    assert_eq!(ups.init, Outputs { dtr: Some(false), rts: Some(true) });
    let outputs = Outputs { dtr: Some(true), rts: None };
    assert_eq!(ups.kill, Some(Kill { outputs, send_break: false }));
    assert_eq!((ups.debounce, ups.settle, ups.low_after), (ms(20), ms(2000), ms(2000)));
    assert_eq!((ups.fail_after, ups.ok_after, ups.shutdown_after), (ms(0), ms(0), None));
    assert_eq!(
        (ups.cable_grace, ups.deadtime, ups.blind_after),
        (ms(60_000), ms(15_000), ms(15_000))
    );
    assert_eq!((ups.power, config.need, config.lines), (1, 1, 6));
}

#[test]
fn unusual_but_right() {
    let same = good(BASE).ups[0].fail.clone();
    for text in [
        "watch ttyS0\r\nmodel power99\r\n",
        "\t watch\t/dev/ttyS0 # here\n\n#\n  model \"power99\"",
        "model nut-7\nwatch ttyS0",
        "model POWER99\nwatch ttyS0",
        "watch ttyS0\nfail CTS 0\nlow CD 0",
        "watch ttyS0\nfail cts 0 cts 0\nfail cts 0\nlow dcd 0",
    ] {
        assert_eq!(good(text).ups[0].fail, same, "{text:?}");
    }
    assert_eq!(good("watch tts/0\nmodel power99").ups[0].watch, Watch::Line("/dev/tts/0".into()));
    assert_eq!(good("watch cuaa0\nmodel power99").ups[0].watch, Watch::Line("/dev/cuaa0".into()));
    let kill = good("watch ttyS0\nfail cts 0\nlow dcd 0\nkill break").ups[0].kill;
    assert_eq!(kill, Some(Kill { outputs: Outputs::default(), send_break: true }));
    let several = good("watch ttyS0\nfail cts 0 dsr 1\nfail rng 1\nlow dcd 0").ups[0].fail.clone();
    assert_eq!(words(&several), "cts 0 dsr 1 rng 1");
}

/// What a line says wrong, added to a file that is right; columns count from 1.
#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn one_wrong_line() {
    let table = [
        ("wtach x", "1: no such directive `wtach' (did you mean `watch'?)"),
        ("Fail cts 0", "1: no such directive `Fail' (did you mean `fail'?)"),
        ("frobnicate", "1: no such directive `frobnicate'"),
        ("low  cds 0", "6: no such line `cds'; inputs are cts dsr dcd rng (did you mean `dcd'?)"),
        ("low xyzzy 0", "5: no such line `xyzzy'; inputs are cts dsr dcd rng"),
        ("low dtr 0", "5: `dtr' is an output; inputs are cts dsr dcd rng"),
        ("kill cts 0", "6: `cts' is an input; outputs are dtr rts"),
        ("kill brake", "6: no such line `brake'; outputs are dtr rts"),
        ("init break", "6: no such line `break'; outputs are dtr rts"),
        ("low cts", "5: `cts' needs a level, 0 or 1, after it"),
        ("low cts dcd 0", "5: `cts' needs a level, 0 or 1, after it"),
        ("low cts 2", "9: no such level `2'; levels are 0 1"),
        ("low", "1: `low' needs more words, like `low dcd 0'"),
        ("low cts 0 cts 1", "11: `low' contradicts line 3: one line has one level"),
        ("init dtr 1 dtr 0", "12: `init' contradicts line 3: one line has one level"),
        ("shutdown-after 60", "16: 60 has no unit; write 60s or 1h"),
        ("debounce 1h", "10: `debounce' is from 0s to 10s, not 1h"),
        ("shutdown-after 9999h", "16: `shutdown-after' is from 0s to 720h, not 9999h"),
        ("sleep-time 1500ms", "12: `sleep-time' is in whole seconds"),
        ("sleep-time 0s", "12: `sleep-time' is from 1s to 60s, not 0s"),
        ("sleep-time 61s", "12: `sleep-time' is from 1s to 60s, not 61s"),
        ("settle 1s 2s", "11: one word too many; write it like `settle 2s'"),
        ("model power99", "1: `model' was already said in line 2"),
        ("watch ttyS1", "1: `watch' was already said in line 1"),
        ("power many", "7: `many' is not a number from 0 to 1000"),
        ("power +1", "7: `+1' is not a number from 0 to 1000"),
        ("need 0", "6: `0' is not a number from 1 to 1000000"),
        ("need 2", "1: `need 2' is more than the power of all UPSs, 1"),
        ("via systemd", "5: no such way `systemd'; ways are initctl signal command"),
        (
            "via initclt",
            "5: no such way `initclt'; ways are initctl signal command (did you mean `initctl'?)",
        ),
        (
            "via command",
            "1: `via command' needs a `halt' command, like `halt /sbin/shutdown -hP now'",
        ),
        ("halt shutdown", "6: `shutdown' is not a whole path; it must begin with `/'"),
        ("halt /", "6: `/' is not a whole path; it must begin with `/'"),
        ("halt", "1: `halt' needs more words, like `halt /sbin/shutdown -hP now'"),
        ("chroot here", "8: `here' is not a whole path; it must begin with `/'"),
        ("tell low", "1: `tell' needs more words, like `tell low runlevel 0'"),
        (
            "tell lo low",
            "6: no such event `lo'; events are ok fail low shutdown (did you mean `low'?)",
        ),
        (
            "tell low halk",
            "10: no such action `halk'; actions are none ok fail low runlevel halt (did you mean `halt'?)",
        ),
        ("tell low runlevel", "10: which runlevel? write 0 to 6, s or S after it"),
        ("tell low runlevel 9", "19: no such runlevel `9'; runlevels are 0 to 6, s and S"),
        ("tell low low 0", "14: one word too many"),
        ("tell low halt", "1: this needs a `halt' command, like `halt /sbin/shutdown -hP now'"),
        ("user root", "6: no process of upsentry may stay root"),
        ("user 0", "6: uid 0 is root, and no process of upsentry may stay root"),
        ("user 00", "6: uid 0 is root, and no process of upsentry may stay root"),
        ("notifier-user a:b", "15: `a:b' is neither a user's name nor a uid"),
        ("user 4294967295", "6: `4294967295' is neither a user's name nor a uid"),
        ("user \"\"", "6: `' is neither a user's name nor a uid"),
        (
            "user _upsentryd",
            "1: `user' and `notifier-user' must differ: the parent does not trust the monitor",
        ),
        ("pid-file \"/run/x", "10: this quote is not closed; it must end in the same line"),
        ("pid-file \"/run/x\"y", "18: a blank must follow the closing quote"),
        ("# \u{7}", "3: character 0x07 does not belong in a text file"),
        ("low\u{0}", "4: character 0x00 does not belong in a text file"),
        ("\u{feff}low", "1: character 0xfeff does not belong in a text file"),
        ("low dcd 0\rlow", "10: character 0x0d does not belong in a text file"),
        ("slave", "1: `slave' needs more words, like `slave host.example'"),
        ("password", "1: `password' needs more words, like `password WORDS'"),
        ("slave a_b.-c..d", "7: `a_b.-c..d' is neither a host's name nor an address"),
        ("slave 192.0.2", "7: `192.0.2' is neither a host's name nor an address"),
        ("slave 0.0.0.0", "7: `0.0.0.0' is no host's address"),
        ("slave -x", "7: `-x' is neither a host's name nor an address"),
        ("slave fe80::1%eth0", "7: `fe80::1%eth0' is neither a host's name nor an address"),
        ("listen 1", "8: `1' is not an address; write it like `192.0.2.1', `::' or `ff02::1:5'"),
        ("port 0", "6: `0' is not a number from 1 to 65535"),
        ("port 65536", "6: `65536' is not a number from 1 to 65535"),
        ("key-file key", "10: `key' is not a whole path; it must begin with `/'"),
        ("slave-wait 60", "12: 60 has no unit; write 60s or 1h"),
        ("halt-time 2h", "11: `halt-time' is from 0s to 10m, not 2h"),
        (
            "status-socket",
            "1: `status-socket' needs more words, like `status-socket /run/upsentry/status 0660 adm'",
        ),
        ("status-socket s", "15: `s' is not a whole path; it must begin with `/'"),
        ("status-socket /s 888", "18: `888' is not a mode, like 0660"),
        ("status-socket /s 1777", "18: `1777' is not a mode, like 0660"),
        ("status-socket /s +66", "18: `+66' is not a mode, like 0660"),
        ("status-socket /s 0660 a:b", "23: `a:b' is neither a group's name nor a gid"),
        (
            "status-socket /s 0660 adm x",
            "27: one word too many; write it like `status-socket /run/upsentry/status 0660 adm'",
        ),
        (
            "status-socket none 0660",
            "20: one word too many; write it like `status-socket /run/upsentry/status 0660 adm'",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(error_of(line), expected, "{line}");
    }
}

#[test]
fn notify_directives() {
    for (line, expected) in [
        ("notify", "1: `notify' needs more words, like `notify fail ok low shutdown'"),
        (
            "notify fial",
            "8: no such event `fial'; events are fail ok low shutdown lost found \
             replace-battery started-after-outage notice (did you mean `fail'?)",
        ),
        ("notify ok", "1: `notify' without a `notify-command' does nothing"),
        ("notify-user x", "1: `notify-user' without a `notify-command' does nothing"),
        ("notify-command mail", "16: `mail' is not a whole path; it must begin with `/'"),
        ("notify-user root", "13: no process of upsentry may stay root"),
    ] {
        assert_eq!(error_of(line), expected, "{line}");
    }
    let of = |text: &str| good(&format!("{BASE}{text}")).notify;
    assert_eq!(of(""), None);
    let all = of("notify-command /bin/x \"a b\"\n").unwrap();
    assert_eq!(
        (all.command, all.on),
        (vec!["/bin/x".into(), "a b".into()], Occasion::ALL.to_vec())
    );
    assert_eq!(all.user, UserSpec::Name("_upsentryn".into()));
    let some =
        of("notify low ok\nnotify-command /bin/x\nnotify ok notice\nnotify-user 7\n").unwrap();
    assert_eq!(some.on, [Occasion::Low, Occasion::Ok, Occasion::Notice]);
    assert_eq!(some.user, UserSpec::Id(7));
    for name in ["user", "notifier-user"] {
        let said = errors(&format!("{BASE}notify-command /bin/x\n{name} a\nnotify-user a\n"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(&format!("`notify-user' and `{name}' must differ")), "{said:?}");
    }
}

#[test]
fn what_is_watched() {
    for (word, expected) in [
        ("a.example:1", "1:7: `a.example:1' is neither a host's name nor an address".to_owned()),
        ("master:", "1:7: `' is neither a host's name nor an address".to_owned()),
        (
            "master:h/",
            "1:7: a UPS's name is 1 to 63 of the characters A-Z a-z 0-9 . _ -".to_owned(),
        ),
        ("master:::", "1:7: `::' is no host's address".to_owned()),
        (
            "http://h/",
            "1:7: `http://h/' is neither a serial line nor a source that is known".to_owned(),
        ),
    ] {
        assert_eq!(errors(&format!("watch {word}\nmodel power99")), [expected]);
    }
}

#[test]
fn carets_stand_under_what_is_meant() {
    let text = "watch ttyS0\n\tlow \t cds 0\n low ctx 0 dcd 0 # ü\nsettle \u{fc}\u{fc} 1";
    let all = parse(Path::new(FILE), text, Purpose::Run).unwrap_err();
    let expected = "\
t.conf:2:8: no such line `cds'; inputs are cts dsr dcd rng (did you mean `dcd'?)
    \tlow \t cds 0
    \t    \t ^^^
t.conf:3:6: no such line `ctx'; inputs are cts dsr dcd rng (did you mean `cts'?)
     low ctx 0 dcd 0 # ü
         ^^^
t.conf:4:11: one word too many; write it like `settle 2s'
    settle üü 1
              ^";
    assert_eq!(rendered(text, &all), expected);
}

#[test]
fn all_errors_at_once_in_file_order() {
    let text = "need 7\nwatch ttyS0\nlow cds 0\nshutdown-after 60\nuser root\nslave a\n";
    let all = parse(Path::new(FILE), text, Purpose::Run).unwrap_err();
    let failure = Failure::faulty(Path::new(FILE), text, &all).to_string();
    let expected = "\
t.conf:1:1: `need 7' is more than the power of all UPSs, 1
    need 7
    ^^^^
t.conf:3:5: no such line `cds'; inputs are cts dsr dcd rng (did you mean `dcd'?)
    low cds 0
        ^^^
t.conf:4:16: 60 has no unit; write 60s or 1h
    shutdown-after 60
                   ^^
t.conf:5:6: no process of upsentry may stay root
    user root
         ^^^^
4 errors; nothing was started";
    assert_eq!(failure, expected);
}

#[test]
fn a_thousand_errors_are_counted_and_the_first_are_shown() {
    let text = "nonsense\n".repeat(1000);
    let all = parse(Path::new(FILE), &text, Purpose::Run).unwrap_err();
    let failure = Failure::faulty(Path::new(FILE), &text, &all).to_string();
    assert!(failure.ends_with("\n1001 errors (the first are shown); nothing was started"));
    assert!(failure.lines().count() < 400);
}
