//! Masters, slaves, keys and the status socket.

use super::*;
use crate::fleet::keys::Key;

const LONG: &str = "a fine day at the seaside";

/// As `good`, with a key for each password that holds its first bytes.
fn keyed(text: &str) -> Result<Config, Vec<String>> {
    let path = Path::new(FILE);
    let config = parse_with(path, text, Purpose::Run, Some(key_of));
    config.map_err(|all| all.into_iter().map(|one| one.headline(path)).collect())
}

#[allow(clippy::unnecessary_wraps, reason = "as the true one")]
fn key_of(password: &str) -> Option<Key> {
    let mut bytes = password.as_bytes().to_vec();
    bytes.resize(32, 0);
    Key::from_bytes(&bytes)
}

fn master(config: &Config, at: usize) -> Master {
    match &config.ups[at].watch {
        Watch::Master(master) => master.clone(),
        other => panic!("{other}"),
    }
}

/// The warnings of a text that is right otherwise, without the file's name.
fn warnings(text: &str) -> Vec<String> {
    let warnings = good(text).warnings.into_iter();
    warnings.map(|one| one.replace("t.conf:", "").replace("warning: ", "")).collect()
}

#[test]
fn a_slave_of_powstatd_works_as_it_is() {
    let config = keyed("watch Master.Domain.edu\n").unwrap();
    let expected =
        Master { host: "master.domain.edu".to_owned(), ups: "ups".to_owned(), or_only: true };
    assert_eq!(master(&config, 0), expected);
    let ups = &config.ups[0];
    assert_eq!((ups.deadtime, ups.blind_after, ups.power), (ms(15_000), ms(15_000), 1));
    assert_eq!((ups.debounce, ups.settle, ups.low_after), (ms(0), ms(0), ms(0)));
    assert!(ups.key.is_none() && !config.is_master() && config.speaks());
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let config = keyed("watch master.domain.edu\npassword My  PasswordHere\n").unwrap();
    assert_eq!(config.ups[0].key, key_of("My PasswordHere"));
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn a_master_of_powstatd_works_as_it_is() {
    let config =
        keyed(&format!("{BASE}slave One.example\nslave two\npassword \"{LONG}\"\n")).unwrap();
    assert!(config.is_master());
    let names: Vec<_> = config.slaves.iter().map(|one| (one.name.as_str(), one.line)).collect();
    assert_eq!(names, [("one.example", 3), ("two", 4)]);
    assert_eq!(config.fleet_key, key_of(LONG));
    // The line needs none.
    assert_eq!(config.ups[0].key, None);
    assert_eq!((config.port, config.listen.len()), (PORT, 0));
    assert_eq!((config.slave_wait, config.halt_time), (ms(60_000), ms(30_000)));
    assert!(!format!("{config:?}").contains("fine day"));
}

/// Else its master would give up before it has gone, and never cut the load.
#[test]
fn no_slave_can_ask_for_more_time_than_a_master_waits() {
    let longest = crate::ipc::parting::LONGEST_HALT;
    let config = good(&format!("watch m\nhalt-time {}s\n", longest.as_secs()));
    assert_eq!(config.halt_time, longest);
    let more = format!("watch m\nhalt-time {}s\n", longest.as_secs() + 1);
    assert!(keyed(&more).is_err());
}

#[test]
fn who_is_asked_for_what() {
    let text = "need 1\nups a\nwatch master:[2001:DB8::1]/big.one\nups b\nwatch master:m\nups c\nwatch 192.0.2.7\n\
                ups d\nwatch ::ffff:192.0.2.8\nups e\nwatch host.example.\n";
    let config = good(text);
    let all: Vec<_> = (0..5).map(|at| master(&config, at)).collect();
    let shown: Vec<_> =
        all.iter().map(|one| (one.host.as_str(), one.ups.as_str(), one.or_only)).collect();
    let expected = [
        ("2001:db8::1", "big.one", false),
        ("m", "b", true),
        ("192.0.2.7", "c", true),
        ("192.0.2.8", "d", true),
        ("host.example.", "e", true),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn the_nearest_password_counts() {
    let text = "password default words\nkey-file /k\nneed 1\nups a\nwatch m\nups b\nwatch n\npassword of its own\n";
    let config = keyed(text).unwrap();
    assert_eq!(config.fleet_key, key_of("default words"));
    assert_eq!(config.ups[0].key, config.fleet_key);
    assert_eq!(config.ups[1].key, key_of("of its own"));
    // Not for -t and -k, and not without memory.
    let path = Path::new(FILE);
    for purpose in [Purpose::Test, Purpose::Kill] {
        let config = parse_with(path, text, purpose, Some(key_of)).unwrap();
        assert!(config.fleet_key.is_none() && config.ups[1].key.is_none());
        // What -k asks is known all the same.
        assert!(config.has_key());
    }
    let said = parse_with(path, text, Purpose::Run, Some(|_| None)).unwrap_err();
    assert!(said.iter().any(|one| one.line == 1 && one.message.contains("19 MiB")), "{said:?}");
}

#[test]
fn which_keys_are_spoken_and_understood() {
    let key = |text: &str| key_of(text).unwrap();
    let files = [key("new")];
    let config = keyed(
        "password all of them\nkey-file /k\nneed 1\nups a\nwatch m\nups b\nwatch n\npassword its own\n",
    );
    let config = config.unwrap();
    let ring = |password: Option<&Key>| config.ring(&files, password);
    assert_eq!(ring(config.fleet_key.as_ref()), [key("new"), key("all of them")]);
    assert_eq!(ring(config.ups[0].key.as_ref()), [key("new"), key("all of them")]);
    assert_eq!(ring(config.ups[1].key.as_ref()), [key("its own")]);
    assert_eq!(ring(None), files);
}

#[test]
fn the_status_socket() {
    let of = |line: &str| good(&format!("{BASE}{line}\n")).status_socket;
    let some = |path: &str, mode, group| Some(StatusSocket { path: path.into(), mode, group });
    assert_eq!(of(""), some("/run/upsentry/status", 0o660, None));
    assert_eq!(of("status-socket none"), None);
    assert_eq!(of("status-socket /run/s"), some("/run/s", 0o660, None));
    assert_eq!(of("status-socket /run/s 666"), some("/run/s", 0o666, None));
    let named = Some(GroupSpec::Name("adm".to_owned()));
    assert_eq!(of("status-socket /run/s 0640 adm"), some("/run/s", 0o640, named));
    assert_eq!(of("status-socket /run/s 0640 0"), some("/run/s", 0o640, Some(GroupSpec::Id(0))));
    let long = format!("status-socket /{}", "x".repeat(107));
    assert_eq!(error_of(&long), "15: a socket's path has at most 107 bytes");
    assert!(of(&long[..long.len() - 1]).is_some());
}

#[test]
fn who_is_a_master() {
    for (text, is) in [
        ("slave a", true),
        ("slave a\npassword x", true),
        ("listen ::\nkey-file /k", true),
        ("listen ::\npassword x", true),
        ("key-file /k", false),
        ("password x", false),
        ("", false),
    ] {
        assert_eq!(keyed(&format!("{BASE}{text}\n")).unwrap().is_master(), is, "{text}");
    }
    // What only asks masters has nothing to tell: it may hear a broadcast address.
    assert!(!keyed("watch m\nlisten 192.0.2.255\nkey-file /k\n").unwrap().is_master());
    assert_eq!(errors("watch m\nlisten 192.0.2.255\n"), [""; 0]);
    // A group is only heard.
    assert!(!keyed("watch m\nlisten 224.0.1.5\nkey-file /k\n").unwrap().is_master());
    assert!(!keyed("watch m\nlisten 255.255.255.255\nkey-file /k\n").unwrap().is_master());
}

#[test]
fn what_does_not_go_together() {
    let table: &[(&str, &[&str])] = &[
        (
            "key-file /a\nkey-file /b\nkey-file /c\n",
            &[
                "5:1: two `key-file's are all: the new one first, and the old one until every machine has the new",
            ],
        ),
        (
            "password x\nkey-file /a\nkey-file /b\n",
            &[
                "5:1: two keys are understood at once, and the `password' before the first `ups' is one of them",
            ],
        ),
        (
            "listen ::\n",
            &[
                "3:1: without a key only hosts that a `slave' line names are answered; write one, or a `key-file'",
            ],
        ),
        (
            "listen ff02::5\n",
            &["3:1: a group is joined to hear a master, and no `watch HOST' names one"],
        ),
        (
            "need 1\nups b\nwatch ttS1\nfail cts 0\n",
            &[
                "6:1: `fail' is said of a line, and `tts1' is another machine; a line has a `/', or begins with tty or cua",
            ],
        ),
        (
            "need 1\nups b\nwatch m\nups c\nwatch master:m/b\n",
            &["7:1: this UPS is watched already, by ups `b'"],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(errors(&format!("{BASE}{text}")), *expected, "{text}");
    }
    // The same master twice, for two UPSs.
    assert_eq!(errors("need 1\nups b\nwatch m\nups c\nwatch m\n"), [""; 0]);
}

#[test]
fn what_is_doubtful() {
    let forged = "no `key-file' and no `password': only addresses are checked, and whoever forges";
    let table: &[(&str, &[String])] = &[
        ("watch m\nkey-file /k\n", &[]),
        ("watch m\n", &[format!("1:1: {forged} one of m can shut this machine down")]),
        (
            "ups a\nkey-file /k\nwatch ttyS0\nsense dsr 1\nfail cts 0\nlow dcd 0\npassword a fine day at the seaside\n",
            &["7:1: a line needs no password; for slaves it stands before the first `ups'".to_owned()],
        ),
        (
            "fail cts 0\nsettle 1s\nkey-file /k\nwatch m\n",
            &[
                "1:1: `fail' is said of a line, and no line is watched".to_owned(),
                "2:1: `settle' is said of a line, and no line is watched".to_owned(),
            ],
        ),
        (
            "watch m\npassword MyPassword\n",
            &["2:1: a weak password: it is shorter than 12 characters; who guesses it can shut these machines down (`upsentry keygen' makes a key)".to_owned()],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(warnings(text), *expected, "{text}");
    }
    let said = warnings(&format!("{BASE}slave a\nslave b\n"));
    let machine = format!("3:1: {forged} this machine's can shut its slaves down");
    assert!(said.contains(&machine), "{said:?}");
    assert_eq!(said.iter().filter(|one| one.contains("forges")).count(), 1);
}

#[test]
fn masters_with_one_key_can_be_mistaken_for_each_other() {
    let with = |first: &str, second: &str| {
        let text = format!("need 1\nkey-file /k\nups a\nwatch m\n{first}ups b\nwatch {second}\n");
        let said = warnings(&text).into_iter();
        said.filter(|one| one.contains("the same key")).collect::<Vec<_>>()
    };
    let own = "password a fine day at the seaside\n";
    let other = "n\npassword another day at the seaside\n";
    let warned = "6:1: the same key as for m: who can turn datagrams aside can pass one of the two for the other; give each a `password' of its own";
    assert_eq!(with("", "n\n"), [warned]);
    assert_eq!(with(own, &format!("n\n{own}")).len(), 1);
    for (first, second) in [("", "m\n"), ("", other), (own, other), (own, "n\n")] {
        assert_eq!(with(first, second), [""; 0], "{first}{second}");
    }
}

/// What no datagram holds would be silently left out, and be lost to the slaves that ask for it.
#[test]
fn a_master_has_no_more_than_its_slaves_can_be_told_of() {
    let text = |count: usize, length: usize, more: &str| {
        let ups = (10..10 + count)
            .map(|n| format!("ups {n}{}\nwatch ttyS{n}\nmodel power99\n", "x".repeat(length - 2)));
        format!("need 1\n{}{more}", ups.collect::<String>())
    };
    assert_eq!(errors(&text(16, 20, "slave s\n")), [""; 0]);
    assert_eq!(errors(&text(20, 63, "")), [""; 0]);
    let said = |most: usize, line: usize, name: &str| {
        format!(
            "{line}:1: slaves cannot be told of more than {most} UPSs with such names, and not of `{name}'"
        )
    };
    assert_eq!(errors(&text(17, 2, "slave s\n")), [said(16, 51, "26")]);
    let long = format!("24{}", "x".repeat(61));
    assert_eq!(errors(&text(15, 63, "slave s\n")), [said(14, 45, &long)]);
    let listen: String = (1..=17).map(|n| format!("listen 192.0.2.{n}\n")).collect();
    assert_eq!(
        errors(&format!("watch ttyS0\nmodel power99\nkey-file /k\n{listen}")),
        ["20:1: 16 `listen' lines are all; without any, every address is served"]
    );
}

/// A master's word is enough to shut a machine down, unless it is told to nobody.
#[test]
fn a_master_can_shut_a_machine_down() {
    assert_eq!(errors("watch m\n"), [""; 0]);
    let nothing = "nothing could ever shut this machine down; write `low', or `shutdown-after 5m'";
    assert_eq!(errors("watch m\ntell low none\ntell shutdown none\n"), [format!("1:1: {nothing}")]);
    assert_eq!(errors("watch m\npower 0\n"), [format!("1:1: {nothing}")]);
}

#[test]
fn what_check_shows_of_it() {
    let shown = |text: &str| {
        let config = keyed(text).unwrap();
        let addresses = |host: &str| (host == "m").then(|| "192.0.2.1, 2001:db8::1".to_owned());
        describe(&config, 0, 0) + &describe_links(&config, &addresses)
    };
    let expected = "\
t.conf: 3 lines, 1 UPS, no errors, no warnings

ups \"ups\"        asked of m: its \"ups\", or its only UPS
  contact lost   after 15s of silence, 5s while on battery (deadtime 15s)
  key            /k; understood, too: /l
  shuts down     when its master says low, or goes down on battery; no shutdown-after
this machine     needs 1 of 1 UPS
master           m 192.0.2.1, 2001:db8::1
slaves           none
status           /run/upsentry/status, mode 0660, group root
remember         is the network switch between here and m on the UPS, too? If not, an outage is mere silence, which alone shuts nothing down
";
    assert_eq!(shown("watch m\nkey-file /k\nkey-file /l\n"), expected);
    let text =
        shown(&format!("{BASE}slave m\nslave n\npassword {LONG}\nlisten ::\nslave-wait 10s\n"));
    let expected = "
slaves           m 192.0.2.1, 2001:db8::1
                 n
                 and any other that has the key
  listens on     ::, UDP port 4386
  key            the password's
  at the end     waits up to 10s for their goodbyes (slave-wait)
status           /run/upsentry/status, mode 0660, group root
";
    assert!(text.ends_with(expected), "{text}");
    let many: String = (0..100).map(|n| format!("slave h{n}\n")).collect();
    let text = shown(&format!("{BASE}{many}status-socket none\n"));
    assert!(text.contains("\n                 and 84 more\n"), "{text}");
    assert!(text.contains("\n  key            none: only addresses are checked\n"), "{text}");
    assert!(text.ends_with("\nstatus           not served\n"), "{text}");
}
