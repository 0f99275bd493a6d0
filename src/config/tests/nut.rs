//! What NUT watches: drivers and servers.

use super::*;
use crate::nut::Secret;
use crate::nut::flags::{Meaning, Treat};

const PIN: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

fn server(word: &str) -> NutServer {
    let text = format!("watch {word}\ntls-pin {PIN}\npassword x\n");
    let text = if word.contains('@') { text } else { text.replace("password x\n", "") };
    let text = if word.contains("tls") { text } else { text.replace("tls-pin", "#") };
    match good(&text).ups.remove(0).watch {
        Watch::Server(server) => server,
        other => panic!("{other}"),
    }
}

fn warnings(text: &str) -> Vec<String> {
    let warnings = good(text).warnings.into_iter();
    warnings.map(|one| one.replace("t.conf:", "").replace("warning: ", "")).collect()
}

#[test]
fn a_driver() {
    let config = good("watch driver:My.UPS-1\n");
    let ups = &config.ups[0];
    let driver = NutDriver { name: "My.UPS-1".to_owned(), program: String::new() };
    assert_eq!(driver.socket(), None);
    let known = NutDriver { program: "usbhid-ups".to_owned(), ..driver.clone() };
    assert_eq!(known.socket().as_deref(), Some("usbhid-ups-My.UPS-1"));
    assert_eq!(
        (ups.watch.to_string(), &ups.watch),
        ("driver:My.UPS-1".to_owned(), &Watch::Driver(driver))
    );
    // Nothing is held back that is not said to be.
    assert_eq!((ups.low_after, ups.debounce, ups.settle), (ms(0), ms(0), ms(0)));
    assert_eq!(ups.nut, NutSettings::default());
    assert_eq!(config.ups_conf, Path::new("/etc/nut/ups.conf"));
    assert_eq!((config.host_sync, config.warnings.len()), (ms(15_000), 0));
    assert!(!config.speaks() && ups.watch.host().is_none());
}

#[test]
fn addresses_of_servers() {
    let plain = server("nut://Host.example/ups");
    let expected = NutServer {
        tls: false,
        user: None,
        host: "host.example".to_owned(),
        port: 3493,
        ups: "ups".to_owned(),
    };
    assert_eq!(plain, expected);
    for (word, shown) in [
        ("nut://host.example/ups", ""),
        ("nut+tls://me@host.example:1/a.b_c-d", ""),
        ("nut://me@[::1]:3493/ups", "nut://me@[::1]/ups"),
        ("nut://[2001:DB8::1]:65535/ups", "nut://[2001:db8::1]:65535/ups"),
        ("nut://192.0.2.1:4000/ups", ""),
        ("nut://[::ffff:192.0.2.1]/ups", "nut://192.0.2.1/ups"),
        ("nut://u%$!x@h/ups", ""),
    ] {
        assert_eq!(server(word).to_string(), if shown.is_empty() { word } else { shown });
    }
    let name = "a UPS's name is 1 to 63 of the characters A-Z a-z 0-9 . _ -";
    for (word, expected) in [
        ("driver:", format!("{name}; write it as ups.conf has it in brackets")),
        ("driver:../x", format!("{name}; write it as ups.conf has it in brackets")),
        ("rack@h:3", "a UPS of NUT's is written like `nut://h:3/rack'".to_owned()),
        (
            "nut:rack",
            "write `driver:rack' for a driver on this machine, else `nut://HOST/rack'".to_owned(),
        ),
        ("nut://h", "which UPS of that server? write it like `nut://host.example/ups'".to_owned()),
        ("nut://h/", "which UPS of that server? write it like `nut://host.example/ups'".to_owned()),
        ("nut://h/a/b", name.to_owned()),
        ("nut://:3493/ups", "`' is neither a host's name nor an address".to_owned()),
        ("nut://h:/ups", "`' is not a port, 1 to 65535".to_owned()),
        ("nut://h:0/ups", "`0' is not a port, 1 to 65535".to_owned()),
        ("nut://h:+1/ups", "`+1' is not a port, 1 to 65535".to_owned()),
        ("nut://h:65536/ups", "`65536' is not a port, 1 to 65535".to_owned()),
        (
            "nut://::1/ups",
            "an IPv6 address stands in brackets here, like `nut://[2001:db8::1]/ups'".to_owned(),
        ),
        (
            "nut://[::1/ups",
            "an IPv6 address stands in brackets here, like `nut://[2001:db8::1]/ups'".to_owned(),
        ),
        ("nut://0.0.0.0/ups", "`0.0.0.0' is no host's address".to_owned()),
        (
            "nut://me:secret@h/ups",
            "a password stands in a `password' line of its own, not in the address".to_owned(),
        ),
        (
            "nut://@h/ups",
            "a user's name has 1 to 63 letters, digits and signs but \" # \\ = / [ ] @ :"
                .to_owned(),
        ),
    ] {
        assert_eq!(errors(&format!("watch {word}\npower 1")), [format!("1:7: {expected}")]);
    }
}

/// A password in an address does not belong there, and is not shown to who reads the log either.
#[test]
fn no_password_of_an_address_is_shown() {
    let text = "watch nut://me:secret@h/ups\n";
    let all = parse(Path::new(FILE), text, Purpose::Run).unwrap_err();
    let shown = rendered(text, &all);
    assert!(!shown.contains("secret") && shown.contains("watch..."), "{shown}");
}

#[test]
fn what_is_said_of_a_server() {
    let text = format!(
        "poll 2s\nflag OFF low\nflag bypass battery\n\
         ups a\nwatch nut+tls://me@h/a\npassword geheim\nprimary\nca-file /ca.pem\ntls-pin {PIN}\npoll 500ms\nflag bypass lost\nkill-command /bin/cut a\n\
         ups b\nwatch nut://h/b\npower 0\n\
         ups c\nwatch driver:c\npower 0\n"
    );
    let config = good(&text);
    let [a, b, c] = &config.ups[..] else { panic!("{config:?}") };
    let treat = Treat { off: Meaning::Low, bypass: Meaning::Lost, alarm: Meaning::Ignore };
    assert_eq!((a.nut.poll, a.nut.primary, a.nut.treat), (ms(500), true, treat));
    assert_eq!(a.nut.login, Some(Secret::new("geheim".to_owned())));
    assert_eq!(a.nut.ca_file.as_deref(), Some(Path::new("/ca.pem")));
    let pin = a.nut.pin.unwrap();
    assert_eq!((pin[0], pin[1], pin[15], pin[31]), (0, 0x11, 0xff, 0xff));
    assert_eq!(a.kill_command, ["/bin/cut", "a"]);
    let treat = Treat { bypass: Meaning::Battery, ..treat };
    assert_eq!((b.nut.poll, b.nut.primary, b.nut.treat), (ms(2000), false, treat));
    assert_eq!((c.nut.poll, c.nut.treat, &c.nut.login), (ms(5000), treat, &None));
    assert!(b.kill_command.is_empty() && b.nut.login.is_none());
    assert_eq!(config.warnings, [""; 0]);
    // No key is made of what upsd is to hear.
    assert!(!config.fleet_password && a.key.is_none());
    let shown = format!("{config:?}");
    assert!(!shown.contains("geheim"), "{shown}");
    let mut config = config;
    config.forget_keys();
    assert!(config.ups.iter().all(|ups| ups.nut.login.is_none()));
}

/// The password before the first `ups` is the key of this machine's slaves, unless a server is watched there.
#[test]
fn whose_password_it_is() {
    let config = good("watch nut://me@localhost/a\npassword p\nneed 1\nups b\nwatch nut://h/b\n");
    assert_eq!(config.ups[0].nut.login, Some(Secret::new("p".to_owned())));
    assert_eq!(config.ups[1].nut.login, None);
    assert!(!config.fleet_password);
    let config = good("password p\nups b\nwatch nut://h/b\n");
    assert!(config.fleet_password && config.ups[0].nut.login.is_none());
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_does_not_go_together() {
    let pin = format!("tls-pin {PIN}");
    let unreadable = "upsd knows no such password: it must be one word without blanks and = # \\, not begin with a quote, and be plain ASCII";
    let two = |what: &str| vec![what.to_owned()];
    for (text, expected) in [
        ("watch driver:u\nfail cts 0", two("2:1: `fail' is said of a line, and `driver:u' is a driver of NUT's")),
        ("watch driver:u\nkill dtr 1", two("2:1: `kill' is said of a line, and `driver:u' is a driver of NUT's; write `kill-command' for what cuts the load")),
        ("watch driver:u\npoll 5s", two("2:1: `poll' is said of a NUT server, and `driver:u' is a driver of NUT's, which tells of each change by itself")),
        ("watch driver:u\nprimary", two("2:1: `primary' is said of a NUT server, and `driver:u' is a driver of NUT's, and nobody else can log in there; to lead others run upsd and watch `nut://USER@localhost/NAME'")),
        ("ups x\nwatch nut://h/u\nmodel power99", two("3:1: `model' is said of a line, and `nut://h/u' is a NUT server")),
        ("watch ttyS0\nmodel power99\npoll 5s", two("3:1: `poll' is said of a NUT server, and `/dev/ttyS0' is a line")),
        ("watch ttyS0\nmodel power99\nflag off low", two("3:1: `flag' is said of a UPS that NUT watches, and `/dev/ttyS0' is a line")),
        ("ups x\nwatch h\nkill-command /bin/x", two("3:1: `kill-command' is said of a UPS that this machine may cut, and `h' is another machine; its master cuts the load")),
        ("watch nut://h/u\nca-file /x", two("2:1: `ca-file' is said of a `nut+tls://' server, and `nut://h/u' is a NUT server in clear; write `nut+tls://'")),
        ("watch nut+tls://h/u", two("1:1: encrypted to whom? write `ca-file PATH' (who signed the server's certificate) or `tls-pin'")),
        ("watch nut://h/u\nprimary", two("2:1: a primary logs in; write `watch nut://USER@…' and a `password' of upsd.users")),
        ("watch nut://me@h/u\nprimary", two("1:1: me needs a `password' to log in with; write it in this section")),
        ("watch nut://h/u\npassword x", two("2:1: who logs in with this password? write `watch nut://USER@h/u'")),
        ("watch nut://me@h/u\npassword a b", two(&format!("2:1: {unreadable}"))),
        ("watch nut://me@h/u\npassword a=b", two(&format!("2:1: {unreadable}"))),
        ("watch nut://me@h/u\npassword a#b", two(&format!("2:1: {unreadable}"))),
        ("watch nut://me@h/u\npassword a\\b", two(&format!("2:1: {unreadable}"))),
        ("watch nut://me@h/u\npassword \"\"", two(&format!("2:1: {unreadable}"))),
        ("watch nut://me@h/u\npassword pä", two(&format!("2:1: {unreadable}"))),
        ("watch ttyS0\nmodel power99\nkill dtr 1\nkill-command /bin/x", two("4:1: what cuts the load was already said in line 3, by `kill'")),
        ("watch driver:u\nprimary now", vec!["2:1: `primary' is said of a NUT server, and `driver:u' is a driver of NUT's, and nobody else can log in there; to lead others run upsd and watch `nut://USER@localhost/NAME'".to_owned(), "2:9: nothing follows `primary'".to_owned()]),
        ("watch driver:u\nflag cal low", two("2:6: no such flag `cal'; flags with a meaning to choose are off bypass alarm")),
        ("watch driver:u\nflag off dead", two("2:10: no such meaning `dead'; meanings are ignore battery low lost")),
        ("watch driver:u\nflag off low\nflag OFF lost", two("3:1: this flag's meaning was already said in line 2")),
        ("watch driver:u\nflag off", two("2:1: `flag' needs more words, like `flag bypass battery'")),
        ("watch nut+tls://h/u\ntls-pin 00", two("2:9: not a fingerprint: the SHA-256 of the server's public key in 64 hexadecimal digits")),
        ("need 1\nups a\nwatch driver:u\nups b\nwatch driver:U", two("5:1: this UPS is watched already, by ups `a'")),
        ("need 1\nups a\nwatch nut://h/u\nups b\nwatch nut+tls://me@H:3493/U\npassword x\nPIN", two("5:1: this UPS is watched already, by ups `a'")),
    ] {
        assert_eq!(errors(&text.replace("PIN", &pin)), expected, "{text}");
    }
}

#[test]
fn what_may_not_be_meant() {
    let clear = "this password goes to h in clear, and who hears it can shut down all that log in there; `nut+tls://' hides it";
    assert_eq!(warnings("watch nut://me@h/u\npassword x"), [format!("2:1: {clear}")]);
    for local in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(warnings(&format!("watch nut://me@{local}/u\npassword x")), [""; 0]);
    }
    let sealed = format!("watch nut+tls://me@h/u\npassword x\ntls-pin {PIN}");
    assert_eq!(warnings(&sealed), [""; 0]);
    assert_eq!(
        warnings("watch nut://h/u\npoll 6s"),
        [
            "2:1: `poll 6s' is more than a third of the `deadtime', 15s: the server is asked each 5s all the same"
        ]
    );
    assert_eq!(
        warnings("primary\nups a\nwatch driver:u"),
        ["1:1: `primary' is said of a NUT server, and no such UPS is watched"]
    );
    assert_eq!(
        warnings("ups a\nwatch driver:u\npassword a fine day at the seaside"),
        ["3:1: a driver needs no password; for slaves it stands before the first `ups'"]
    );
    // Low, or a shutdown, is what NUT says; but not with nothing done about it.
    let text = "watch driver:u\ntell low none\ntell shutdown none";
    assert_eq!(
        errors(text),
        ["1:1: nothing could ever shut this machine down; write `low', or `shutdown-after 5m'"]
    );
}

/// The nearest word says how the load is cut.
#[test]
fn lines_or_a_program_cut_the_load() {
    for (text, kill, program) in [
        ("watch ttyS0\nmodel power99", true, false),
        ("watch ttyS0\nmodel power99\nkill-command /bin/x", false, true),
        ("kill-command /bin/x\nups a\nwatch ttyS0\nmodel power99", true, false),
        ("model power99\nups a\nwatch ttyS0\nkill-command /bin/x", false, true),
        ("kill dtr 1\nmodel power99\nups a\nwatch ttyS0\nkill-command /bin/x", false, true),
        ("kill-command /bin/x\nups a\nwatch ttyS0\nmodel power99\nkill dtr 1", true, false),
    ] {
        let ups = good(text).ups.remove(0);
        let expected = (kill, program);
        assert_eq!((ups.kill.is_some(), !ups.kill_command.is_empty()), expected, "{text}");
    }
}

#[test]
fn addresses_have_their_own_port() {
    let config = good(
        "need 1\nport 4000\nups a\nwatch nut://192.0.2.1:5/u\nups b\nwatch h\nups c\nwatch driver:u\n",
    );
    let names = crate::config::places::names(config.ups.iter(), &config.slaves);
    assert_eq!(names, ["h"]);
    let found = [("h".to_owned(), vec!["192.0.2.2".parse().unwrap()])].into_iter().collect();
    let shown = format!("{:?}", config.masters(&found));
    assert_eq!(shown, "[[192.0.2.1:5], [192.0.2.2:4000], []]");
}
