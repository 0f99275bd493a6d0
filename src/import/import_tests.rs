//! Single lines, and what becomes of them.
#![allow(clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

fn from(source: Source, text: &str) -> String {
    convert(source, Path::new("/file"), text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// The directives that it becomes, without comments and blank lines.
fn directives(source: Source, text: &str) -> Vec<String> {
    let text = from(source, text);
    assert_eq!(refused(&text), [""; 0], "{text}");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn has(source: Source, text: &str, wanted: &[&str]) {
    let all = directives(source, text);
    for line in wanted {
        assert!(all.iter().any(|there| there == line), "no `{line}' in {all:?}");
    }
}

#[track_caller]
fn lacks(source: Source, text: &str, unwanted: &[&str]) {
    let all = directives(source, text);
    for name in unwanted {
        assert!(!all.iter().any(|there| there.starts_with(name)), "`{name}' in {all:?}");
    }
}

fn upsmon(more: &str) -> String {
    format!("MONITOR ups@localhost 1 mon pw primary\n{more}\n")
}

fn relay(keys: &str) -> String {
    format!("[u]\ndriver = genericups\nport = /dev/ttyS0\n{keys}\n")
}

#[test]
fn whom_upsmon_asks() {
    let watched = |system: &str, kind: &str| {
        let all = directives(Source::Upsmon, &format!("MONITOR {system} 1 mon pw {kind}\n"));
        let at = all.iter().position(|line| line.starts_with("watch ")).expect("it is watched");
        (all.get(at).cloned().expect("there"), all.iter().any(|line| line == "primary"))
    };
    for (system, url) in [
        ("ups", "nut://mon@localhost/ups"),
        ("ups@nas", "nut://mon@nas/ups"),
        ("ups@nas:3493", "nut://mon@nas/ups"),
        ("ups@nas:34", "nut://mon@nas:34/ups"),
        ("ups@[::1]", "nut://mon@[::1]/ups"),
        ("ups@[2001:db8::1]:34", "nut://mon@[2001:db8::1]:34/ups"),
    ] {
        assert_eq!(watched(system, "secondary"), (format!("watch {url}"), false));
    }
    for (kind, primary) in [
        ("primary", true),
        ("master", true),
        ("MASTER", true),
        ("slave", false),
        ("secondary", false),
    ] {
        assert_eq!(watched("ups", kind).1, primary, "{kind}");
    }
}

#[test]
fn one_name_on_two_servers() {
    let text = "MONITOR ups@a 1 m p slave\nMONITOR ups@b 1 m p slave\nMONITOR UPS@a 1 m p slave\n\
                MONITOR ups-b@c 1 m p slave\nMINSUPPLIES 2\n";
    has(Source::Upsmon, text, &["need 2", "ups ups", "ups ups-b", "ups ups-b-c"]);
    let all = directives(Source::Upsmon, text);
    assert_eq!(all.iter().filter(|line| line.starts_with("watch ")).count(), 3, "{all:?}");
}

#[test]
fn numbers_of_upsmon() {
    let is = |more: &str, wanted: &str| has(Source::Upsmon, &upsmon(more), &[wanted]);
    is("POLLFREQ 7", "poll 7s");
    is("POLLFREQ 0", "poll 1s");
    is("POLLFREQ 99", "poll 30s");
    is("DEADTIME 25", "deadtime 25s");
    is("HOSTSYNC 0", "host-sync 0s");
    is("OBLBDURATION 5", "low-after 5s");
    is("OFFDURATION 0", "flag off low");
    is("OFFDURATION -1", "flag off ignore");
    is("ALARMCRITICAL 0", "flag alarm ignore");
    is("MINSUPPLIES 0", "need 1");
    is("MINSUPPLIES 1\nMINSUPPLIES 3", "need 1");
    lacks(Source::Upsmon, &upsmon("OFFDURATION 30\nALARMCRITICAL 1"), &["flag"]);
    lacks(Source::Upsmon, &upsmon("DEADTIME soon"), &["deadtime"]);
}

/// Whoever forces encryption must not find a password in clear.
#[test]
fn encryption_is_kept() {
    let sealed = "watch nut+tls://mon@localhost/ups";
    for more in [
        "FORCESSL 1",
        "CERTVERIFY 1",
        "CERTHOST localhost x 1 0",
        "CERTHOST LOCALHOST x 0 1",
        "FORCESSL 1\nCERTHOST other x 0 0",
        "CERTPATH relative\nFORCESSL 1",
        "CERTPATH \"\"\nFORCESSL 1",
    ] {
        has(Source::Upsmon, &upsmon(more), &[sealed, "ca-file /etc/upsentry/ca.pem"]);
    }
    has(
        Source::Upsmon,
        &upsmon("CERTPATH /etc/ca.pem\nFORCESSL 1"),
        &[sealed, "ca-file /etc/ca.pem"],
    );
    for more in ["", "CERTPATH /etc/ca.pem", "FORCESSL 0", "FORCESSL 1\nCERTHOST localhost x 0 0"] {
        has(Source::Upsmon, &upsmon(more), &["watch nut://mon@localhost/ups"]);
    }
}

#[test]
fn commands_of_upsmon() {
    has(Source::Upsmon, &upsmon("SHUTDOWNCMD \"/sbin/halt -p\""), &["halt /sbin/halt -p"]);
    for other in
        ["shutdown -h now", "/sbin/halt; true", "/sbin/halt $X", "/bin/sh -c 'x'", "\\\"/x\\\""]
    {
        lacks(Source::Upsmon, &upsmon(&format!("SHUTDOWNCMD \"{other}\"")), &["halt"]);
    }
    let cut = "kill-command /sbin/upsdrvctl shutdown ups";
    has(Source::Upsmon, &upsmon("POWERDOWNFLAG /etc/killpower"), &[cut]);
    lacks(Source::Upsmon, &upsmon(""), &["kill-command"]);
    let remote = "MONITOR ups@nas 1 m p primary\nPOWERDOWNFLAG /etc/killpower\n";
    lacks(Source::Upsmon, remote, &["kill-command"]);
}

/// A password may hold anything, and stands nowhere but in its own line.
#[test]
fn passwords_are_not_repeated() {
    for line in [
        "MONITOR u@h 1 m Very-Secret",
        "MONITOR u@h x m Very-Secret slave",
        "MONITOR u@h 1 m Very-Secret boss",
        "MONITOR u@h:0 1 m Very-Secret slave",
        "MONTIOR u@h 1 m Very-Secret slave",
        "MONITOR u@h 1 m \"Very-Secret words\" slave",
        "MONITOR u@h 1 m Very-Secret\"x\" \"y#",
        "CERTIDENT name Very-Secret",
        "CERTIDENT \"name Very-Secret#",
    ] {
        let text = from(Source::Upsmon, &upsmon(line));
        assert!(!text.contains("Very-Secret"), "{line}\n{text}");
    }
    let text = from(Source::Upsmon, "MONITOR u 1 \"a b\" \"p q\" slave\n");
    assert!(
        text.contains("\npassword CHANGE-ME\n") && text.contains("nut://a_b@localhost/u"),
        "{text}"
    );
}

#[test]
fn own_words_of_genericups() {
    let is = |keys: &str, wanted: &[&str]| has(Source::UpsConf, &relay(keys), wanted);
    is("upstype = 0", &["model upsonic-lan-saver-600"]);
    is("upstype = 23", &["model fttx"]);
    is("UPSTYPE = 7\nmfr = x", &["model power99"]);
    is(
        "upstype = 7\nOL = -DSR",
        &["fail dsr 1", "low dcd 0", "init dtr 0 rts 1", "kill dtr 1 rts 0"],
    );
    is("upstype = 7\nLB = \"RNG+-DCD\"", &["fail cts 0", "low dcd 0 rng 1"]);
    is("upstype = 7\nCP = DTR", &["init dtr 1 rts 0"]);
    is("upstype = 7\nCP = NULL", &["init dtr 0 rts 0"]);
    is("upstype = 7\nSD = \"DTR+RTS\"", &["kill dtr 1 rts 1"]);
    is("upstype = 4\nSD = -RTS", &["kill dtr 0 rts 0"]);
    is("upstype = 7\nSD = ST", &["kill break"]);
    is("upstype = 7\nSD = CTS", &["kill dtr 1 rts 0"]);
    is("OL = CTS\nLB = -DCD", &["fail cts 0", "low dcd 0"]);
    is("upstype = 7\nLB = none", &["fail cts 0", "shutdown-after 5m"]);
    lacks(Source::UpsConf, &relay("upstype = 7\nSD = none"), &["kill"]);
    lacks(Source::UpsConf, &relay("upstype = 7\nsdorder = -1"), &["kill", "model"]);
    is("upstype = 7\nsdtime = 3", &["kill-hold 3s"]);
}

#[test]
fn drivers_of_ups_conf() {
    let text = "[a]\ndriver=usbhid-ups\nport=auto\n[b]\nport=auto\ndriver=x\n[a]\ndriver=nutdrv_qx\nsdorder=-1\n";
    has(
        Source::UpsConf,
        text,
        &["need 1", "watch driver:a", "watch driver:b", "kill-command /bin/true"],
    );
    has(Source::UpsConf, text, &["ups-conf /file"]);
    let all = directives(Source::UpsConf, text);
    assert_eq!(all.iter().filter(|line| line.starts_with("ups ")).count(), 2, "{all:?}");
    let one = convert(Source::UpsConf, Path::new(UPS_CONF), b"[a]\ndriver=x\nport=y\n");
    assert!(one.is_ok_and(|text| !text.contains("\nups-conf ") && !text.contains("\nneed ")));
    for nothing in ["", "statepath=/run\n", "[a]\n", "[a]\ndriver=x\n", "driver=x\nport=y\n"] {
        assert!(
            convert(Source::UpsConf, Path::new("/f"), nothing.as_bytes()).is_err(),
            "{nothing}"
        );
    }
}

#[test]
fn kinds_of_apcupsd() {
    let is = |text: &str, wanted: &[&str]| has(Source::Apcupsd, text, wanted);
    let dumb = |cable: &str| format!("UPSTYPE dumb\nUPSCABLE {cable}\nDEVICE /dev/ttyS0\n");
    // As apcupsd reads the cable, not as NUT does.
    is(&dumb("simple"), &["model apcupsd-simple"]);
    is(&dumb("940-0119A"), &["model apc-940-0119a-apcupsd"]);
    is(&dumb("940-0020c"), &["model apc-940-0020b-apcupsd"]);
    is(&dumb("MAM-04-02-2000 # mine"), &["model mam-04-02-2000"]);
    is(
        &format!("{}TIMEOUT 90\nONBATTERYDELAY 3", dumb("simple")),
        &["shutdown-after 90s", "fail-after 3s"],
    );
    lacks(Source::Apcupsd, &format!("{}TIMEOUT 0", dumb("simple")), &["shutdown-after"]);
    is("UPSTYPE usb\nUPSNAME a", &["ups a", "watch driver:a"]);
    is("upstype\tAPCSMART\nDEVICE /dev/ttyS0", &["watch driver:ups"]);
    is("UPSTYPE net\nDEVICE", &["watch master:localhost"]);
    for wrong in [
        "",
        "UPSTYPE\n",
        "UPSTYPE toaster\n",
        "UPSTYPE dumb\nDEVICE /dev/ttyS0\n",
        "UPSTYPE dumb\nUPSCABLE smart\nDEVICE /dev/ttyS0\n",
        "UPSTYPE dumb\nUPSCABLE simple\n",
        "UPSTYPE dumb\nUPSCABLE simple\nDEVICE ttyS0\n",
        "UPSTYPE net\nDEVICE a b:1\n",
        "UPSTYPE net\nDEVICE a/b:1\n",
    ] {
        assert!(convert(Source::Apcupsd, Path::new("/f"), wrong.as_bytes()).is_err(), "{wrong}");
    }
}

/// NUT's programs read on, and what they read then is not what was meant.
#[test]
fn a_lost_quote_is_said() {
    let text = from(Source::Upsmon, &upsmon("NOTIFYCMD \"/bin/x\nPOLLFREQ 9\nRBWARNTIME 1 \"y"));
    assert!(text.contains("# 2 NOTIFYCMD: a quote that goes on over a line's end"), "{text}");
    assert!(!text.contains("poll 9s"), "{text}");
    let text = from(Source::Upsmon, &upsmon("NOTIFYCMD \"a # b\" c\nPOLLFREQ 9"));
    assert!(
        text.contains("# 2 NOTIFYCMD: a `#' between quotes") && text.contains("poll 9s"),
        "{text}"
    );
}

/// Words of the three files.
const NAMES: &str = "MONITOR,MINSUPPLIES,SHUTDOWNCMD,CERTPATH,CERTHOST,FORCESSL,POLLFREQ,DEADTIME,NOTIFYMSG,UPSTYPE,\
                     UPSCABLE,UPSNAME,DEVICE,TIMEOUT,MINUTES,[u],[v w],\"[v w]\",driver =,port =,upstype =,OL =,LB =,CP =,\
                     SD =,sdorder =,sdtime =,";
const WORDS: &str = "ups@localhost,u@h:1,1,0,-1,99999999999999999999,primary,slave,dumb,usb,net,simple,940-0095B,/dev/ttyS0,\
                     /dev/ttyS1,genericups,CTS,-DCD+RNG,ST,NULL,7,#,\",\\,=,\u{7f},\u{feff},\t";

/// Lines of any of the three, and of none.
fn line() -> impl Strategy<Value = String> {
    let one_of = |words: &'static str| prop::sample::select(words.split(',').collect::<Vec<_>>());
    let word = prop_oneof![one_of(WORDS).prop_map(str::to_owned), "[ -~]{0,12}", "\\PC{0,4}"];
    (one_of(NAMES), prop::collection::vec(word, 0..7))
        .prop_map(|(name, words)| format!("{name} {}", words.join(" ")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the file is, the result is text that upsentry can read; what it refuses is said of the whole.
    #[test]
    fn any_file_becomes_one_that_can_be_read(lines in prop::collection::vec(line(), 0..30)) {
        let text = lines.join("\n");
        for source in Source::ALL {
            let Ok(result) = convert(source, Path::new("/f"), text.as_bytes()) else { continue };
            prop_assert!(!result.contains(|c: char| c.is_control() && c != '\n'));
            let known = ["nothing could ever shut this machine down", "watched already"];
            for error in refused(&result) {
                prop_assert!(known.iter().any(|known| error.contains(known)), "{}\n{}", error, result);
            }
        }
    }
}
