//! Sections, inheritance, and what the lines say together.

use super::*;

const TWO: &str = "model power99\nups a\nwatch ttyS0\nups b\nwatch ttyS1\n";

#[test]
fn defaults_are_inherited_but_not_the_watch() {
    let config = good(
        "settle 3s\npower 2\nfail cts 0\nlow dcd 0\nkill break\nwatch ttyS0\n\
         ups b\nwatch ttyS1\nsettle 1s\nfail rng 1\nneed 2\ndeadtime 7s\n",
    );
    let names: Vec<_> = config.ups.iter().map(|ups| ups.name.as_str()).collect();
    assert_eq!(names, ["ups", "b"]);
    let (first, b) = (&config.ups[0], &config.ups[1]);
    assert_eq!((first.settle, b.settle), (ms(3000), ms(1000)));
    assert_eq!((first.power, b.power), (2, 2));
    // Replaced, not extended.
    assert_eq!((words(&first.fail), words(&b.fail)), ("cts 0".into(), "rng 1".into()));
    assert_eq!((words(&first.low), words(&b.low)), ("dcd 0".into(), "dcd 0".into()));
    assert!(b.kill.is_some_and(|kill| kill.send_break));
    assert_eq!((first.blind_after, b.deadtime, b.blind_after), (ms(15_000), ms(7000), ms(7000)));
}

#[test]
fn the_nearest_of_line_and_model_counts() {
    let config = good(
        "model power99\nkill break\nneed 1\n\
         ups a\nwatch ttyS0\n\
         ups b\nwatch ttyS1\nfail dsr 1\n\
         ups c\nwatch ttyS2\nmodel nitram-elite-500\n\
         ups d\nwatch ttyS3\nmodel nut-1\nlow cts 1\nkill rts 1\n",
    );
    let shown = |n: usize| {
        let ups = &config.ups[n];
        let kill = ups.kill.map_or("-".to_owned(), |kill| kill.to_string());
        format!("{} | {} | {} | {kill}", words(&ups.fail), words(&ups.low), ups.init)
    };
    assert_eq!(shown(0), "cts 0 | dcd 0 | dtr 0 rts 1 | break");
    assert_eq!(shown(1), "dsr 1 | dcd 0 | dtr 0 rts 1 | break");
    // A model of one's own says all five things, and here that no kill signal is known.
    assert_eq!(shown(2), "cts 0 | dcd 0 | dtr 1 rts 0 | -");
    assert_eq!(shown(3), "rng 1 | cts 1 | dtr 1 rts 0 | rts 1");
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn wrong_together() {
    let table: &[(&str, &[&str])] = &[
        ("", &["1:1: nothing to watch; write a line like `watch ttyS0'"]),
        ("fail cts 0", &["1:1: nothing to watch; write a line like `watch ttyS0'"]),
        (
            "model power99\nups a\n",
            &["2:1: this UPS has no `watch'; write one, like `watch ttyS0'"],
        ),
        (
            "watch ttyS0",
            &["1:1: no `fail', no `low' and no `model': what would an outage look like?"],
        ),
        (
            "watch ttyS0\nmodel power99\nups b\nwatch /dev/ttyS0\nneed 1",
            &["4:1: this line is watched already, by ups `ups'"],
        ),
        (
            "watch ttyS0\nmodel power99\nups ups\nwatch ttyS1\nneed 1",
            &["3:1: a `watch' before the first `ups' is called `ups' already"],
        ),
        (
            "model power99\nneed 1\nups a\nwatch ttyS0\nups a\nwatch ttyS1",
            &["5:5: this ups is already there in line 3"],
        ),
        (
            "model power99\nups a/b\nwatch ttyS0",
            &["2:5: a name is 1 to 63 of the characters A-Z a-z 0-9 . _ -"],
        ),
        (
            "watch ttyS0\nfail cts 0",
            &[
                "1:1: nothing could ever shut this machine down; write `low', or `shutdown-after 5m'",
            ],
        ),
        (
            "watch ttyS0\nmodel power99\npower 0",
            &[
                "1:1: nothing could ever shut this machine down; write `low', or `shutdown-after 5m'",
            ],
        ),
        (
            "watch ttyS0\nmodel power99\ntell low none",
            &[
                "1:1: nothing could ever shut this machine down; write `low', or `shutdown-after 5m'",
            ],
        ),
        (
            "watch ttyS0\nmodel power99\nvia signal\ntell low runlevel 0",
            &["4:1: only `via initctl' can ask for a runlevel"],
        ),
        (
            "watch ttyS0\nmodel power99\nhalt /sbin/halt\nvia command\ntell ok runlevel S",
            &["5:1: only `via initctl' can ask for a runlevel"],
        ),
        (
            "watch ttyS0\nmodel power99\nuser a\nnotifier-user a",
            &["4:1: `user' and `notifier-user' must differ: the parent does not trust the monitor"],
        ),
        (
            "watch ttyS0\nmodel power99\ntell low low\ntell low none",
            &["4:6: what to tell then was already said in line 3"],
        ),
        (
            "watch ttyS0\nmodel power99\nfail cts 1\nfail cts 0",
            &["4:6: `fail' contradicts line 3: one line has one level"],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(errors(text), *expected, "{text}");
    }
}

#[test]
fn names_of_ups() {
    let named = |name: &str| errors(&format!("ups {name}\nwatch ttyS0\nmodel power99"));
    let wrong = "1:5: a name is 1 to 63 of the characters A-Z a-z 0-9 . _ -";
    assert!(named(&"x".repeat(63)).is_empty() && named("A.b_c-9").is_empty());
    for name in ["x".repeat(64), "\"\"".into(), "\"a b\"".into(), "ü".into()] {
        assert_eq!(named(&name), [wrong], "{name}");
    }
}

#[test]
fn two_feeds_need_need() {
    // Both share the model's line, and what is to be said of it is said once.
    assert_eq!(good(&format!("{TWO}need 1")).warnings.len(), 2);
    assert_eq!(
        errors(TWO),
        [
            "5:1: 2 UPSs feed this machine; write `need 1' if any one is enough, `need 2' if each is required"
        ]
    );
    assert_eq!(good(&format!("{TWO}need 2")).need, 2);
    assert_eq!(good(&format!("need 1\n{TWO}")).need, 1);
    assert_eq!(good(&format!("{TWO}power 0")).need, 1);
    assert_eq!(
        errors(&format!("{TWO}need 3")),
        ["6:1: `need 3' is more than the power of all UPSs, 2"]
    );
    assert_eq!(good(&format!("{TWO}power 4\nneed 5")).need, 5);
}

#[test]
fn each_purpose_asks_for_no_more_than_it_needs() {
    for purpose in [Purpose::Test, Purpose::Kill] {
        assert!(errors_for("watch ttyS0", purpose).is_empty());
        assert!(errors_for(TWO, purpose).is_empty());
        assert_eq!(errors_for("fail cts 0", purpose).len(), 1);
        assert_eq!(errors_for("watch ttyS0\nlow cds 0", purpose).len(), 1);
    }
}

#[test]
fn means_to_shut_down() {
    for line in [
        "low dcd 0",
        "shutdown-after 5m",
        "tell fail low",
        "tell fail runlevel 0",
        "tell fail halt\nhalt /sbin/poweroff",
    ] {
        good(&format!("watch ttyS0\nfail cts 0\n{line}"));
    }
    for line in [
        "tell fail fail",
        "tell fail runlevel 1",
        "tell low low",
        "low dcd 0\ntell low ok",
        "shutdown-after 5m\ntell shutdown none",
    ] {
        assert_eq!(errors(&format!("watch ttyS0\nfail cts 0\n{line}")).len(), 1, "{line}");
    }
    // powstatd left it to the script that init runs, and its files work as they are.
    let old =
        parse(Path::new("/etc/powstatd.conf"), "watch ttyS0\nfail cts 0\n", Purpose::Run).unwrap();
    assert_eq!(
        old.warnings[0],
        "/etc/powstatd.conf:1:1: warning: no `low', no `shutdown-after': only the script that init runs at \
         `power fail' can shut this machine down"
    );
}

#[test]
fn machine_directives_stand_anywhere() {
    let config = good(
        "insist 30s\nups a\nvia initctl\nwatch ttyS0\ninitctl /x/i\nmodel power99\npowerstatus /x/p\n\
         halt /sbin/shutdown -hP \"a b\" now\ntell ok none\ntell fail ok\ntell low runlevel 0\ntell shutdown halt\n\
         sleep-time 7s\nuser mon\nnotifier-user 77\nchroot /x/c\nstate-file /x/s\npid-file /x/d\nhistory-file /x/h\nkill-hold 3s\n",
    );
    assert_eq!(config.via, Some(Via::Initctl));
    assert_eq!(config.initctl, Some("/x/i".into()));
    assert_eq!(config.powerstatus, Path::new("/x/p"));
    assert_eq!(config.halt, ["/sbin/shutdown", "-hP", "a b", "now"]);
    let told = Tell {
        ok: Some(Action::None),
        fail: Some(Action::Ok),
        low: Some(Action::Runlevel(b'0')),
        shutdown: Some(Action::Halt),
    };
    assert_eq!(config.tell, told);
    assert_eq!((config.insist, config.sleep_time, config.kill_hold), (ms(30_000), 7, ms(3000)));
    assert_eq!(
        (config.user, config.notifier_user),
        (UserSpec::Name("mon".into()), UserSpec::Id(77))
    );
    assert_eq!(config.chroot, Path::new("/x/c"));
    assert_eq!(config.state_file, Path::new("/x/s"));
    assert_eq!(config.history_file, Path::new("/x/h"));
    assert_eq!(config.pid_file, Path::new("/x/d"));
}

#[test]
fn machine_defaults() {
    let config = good(BASE);
    assert_eq!((config.via, config.initctl), (None, None));
    assert_eq!(config.powerstatus, Path::new("/run/powerstatus"));
    assert!(config.halt.is_empty());
    assert_eq!(config.tell, Tell::default());
    assert_eq!((config.insist, config.sleep_time, config.kill_hold), (ms(60_000), 5, ms(10_000)));
    assert_eq!(config.user, UserSpec::Name("_upsentry".into()));
    assert_eq!(config.notifier_user, UserSpec::Name("_upsentryd".into()));
    assert_eq!(config.chroot, Path::new("/run/upsentry/empty"));
    assert_eq!(config.state_file, Path::new("/run/upsentry.state"));
    assert_eq!(config.history_file, Path::new("/var/lib/upsentry/history"));
    assert_eq!(config.pid_file, Path::new("/run/upsentry.pid"));
}

#[test]
fn a_timed_shutdown_of_a_feed_that_is_not_needed_is_warned_of() {
    let warned = |more: &str| {
        let text = format!(
            "model power99\nups a\nwatch ttyS0\nshutdown-after 5m\nups b\nwatch ttyS1\n{more}"
        );
        let warnings = good(&text).warnings;
        warnings.iter().filter(|one| one.contains("although the others are enough")).count()
    };
    assert_eq!(warned("need 1"), 1);
    assert_eq!(warned("need 2"), 0);
    assert_eq!(warned("need 1\npower 0"), 0, "b feeds nothing");
}
