use super::*;
use crate::nut::values::ALWAYS;
use proptest::prelude::*;

const DEADTIME: Duration = Duration::from_secs(15);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn settings() -> Settings {
    Settings {
        user: Some("mon".to_owned()),
        password: Some(Secret::new("p w".to_owned())),
        ups: "rack".to_owned(),
        primary: false,
        starttls: false,
        poll: s(5),
        deadtime: DEADTIME,
        wanted: vec!["ups.id".to_owned()],
    }
}

fn reader() -> Settings {
    Settings { user: None, password: None, ..settings() }
}

/// What it sends now, all of it.
fn sends(server: &mut Server) -> String {
    let text = String::from_utf8(server.output().to_vec()).unwrap();
    server.sent(text.len());
    assert_eq!(server.output(), b"");
    text
}

/// Asked this, it hears that.
fn answer(server: &mut Server, now: Duration, asked: &str, reply: &str) {
    assert_eq!(sends(server), format!("{asked}\n"), "before {reply}");
    assert!(server.next(now).unwrap() > now, "it waits for {reply}");
    let line = format!("{reply}\n");
    assert_eq!(server.receive(now, line.as_bytes()), line.len());
}

fn connected(set: Settings) -> Server {
    let mut server = Server::new(set);
    assert!(server.dial(s(0)));
    server.connected(s(0));
    server
}

const STATUS: &str = "GET VAR rack ups.status";

fn status(server: &mut Server, now: Duration, status: &str) {
    answer(server, now, STATUS, &format!("VAR rack ups.status \"{status}\""));
}

/// Answers the variables that follow a status.
fn rest(server: &mut Server, now: Duration) {
    for _ in 0..EACH_POLL {
        let asked = sends(server);
        assert!(asked.starts_with("GET VAR rack ") && !asked.contains("status"), "{asked}");
        let _ = server.receive(now, b"ERR VAR-NOT-SUPPORTED\n");
    }
    assert_eq!(sends(server), "");
    assert!(server.trouble().is_none());
}

/// Polled once, on mains, at 0 s.
fn polled(set: Settings) -> Server {
    let mut server = connected(set);
    status(&mut server, s(0), "OL");
    rest(&mut server, s(0));
    server
}

fn seen(server: &Server) -> String {
    server.known().seen.unwrap_or_default().to_string()
}

#[test]
fn it_logs_in_and_polls() {
    let mut server = connected(Settings { primary: true, ..settings() });
    answer(&mut server, s(0), "USERNAME mon", "OK");
    answer(&mut server, s(0), "PASSWORD \"p w\"", "OK");
    answer(&mut server, s(0), "LOGIN rack", "OK");
    answer(&mut server, s(0), "PRIMARY rack", "ERR UNKNOWN-COMMAND");
    answer(&mut server, s(0), "MASTER rack", "OK MASTER-GRANTED");
    assert_eq!(server.trouble(), None, "it is an old server, and no more");
    status(&mut server, s(0), "OL CHRG");
    assert_eq!((seen(&server).as_str(), server.known().trusted_at), ("OL CHRG", Some(s(0))));
    answer(&mut server, s(0), "GET VAR rack ups.alarm", "ERR VAR-NOT-SUPPORTED");
    answer(&mut server, s(0), "GET VAR rack battery.charge", "VAR RACK Battery.Charge \"87\"");
    answer(
        &mut server,
        s(0),
        "GET VAR rack battery.charge.low",
        "VAR rack battery.charge.low \"10\"",
    );
    assert_eq!(sends(&mut server), "");
    assert_eq!(server.values().get("battery.charge"), Some("87"));
    assert_eq!(server.next(s(0)), Some(s(5)));
    server.tick(s(5));
    status(&mut server, s(5), "OL");
    answer(&mut server, s(5), "GET VAR rack battery.runtime", "VAR rack battery.runtime \"600\"");
    assert_eq!(server.hang_up(), None);
}

#[test]
fn without_a_user_it_only_reads() {
    let mut server = connected(reader());
    assert_eq!(sends(&mut server), format!("{STATUS}\n"));
}

#[test]
fn every_variable_has_its_turn() {
    let mut server = connected(reader());
    let mut asked = std::collections::BTreeSet::new();
    for poll in 0..4 {
        server.tick(s(5 * poll));
        status(&mut server, s(5 * poll), "OL");
        for _ in 0..EACH_POLL {
            let request = sends(&mut server);
            asked.insert(request.trim().rsplit(' ').next().unwrap().to_owned());
            let _ = server.receive(s(5 * poll), b"ERR VAR-NOT-SUPPORTED\n");
        }
    }
    let mut names: Vec<&str> = ALWAYS[1..].to_vec();
    names.push("ups.id");
    names.sort_unstable();
    assert!(asked.iter().eq(names.iter()), "{asked:?}");
}

#[test]
fn on_battery_it_polls_faster() {
    let mut server = polled(reader());
    assert_eq!(server.next(s(1)), Some(s(5)));
    server.tick(s(5));
    status(&mut server, s(5), "OB");
    rest(&mut server, s(5));
    assert_eq!(server.next(s(5)), Some(s(6)));
    // A status that says neither changes nothing.
    server.tick(s(6));
    status(&mut server, s(6), "DISCHRG");
    rest(&mut server, s(6));
    assert_eq!(server.next(s(6)), Some(s(7)));
    let short = polled(Settings { poll: s(60), deadtime: s(9), ..reader() });
    assert_eq!(short.next(s(0)), Some(s(3)), "three polls before it is lost");
    let mut short = connected(Settings { deadtime: ms(4500), ..reader() });
    status(&mut short, s(0), "OB LB");
    rest(&mut short, s(0));
    assert_eq!(short.next(s(0)), Some(ms(500)));
}

#[test]
fn what_is_not_fresh_does_not_count_as_seen() {
    for error in ["DATA-STALE", "DRIVER-NOT-CONNECTED", "UNKNOWN-UPS", "VAR-NOT-SUPPORTED", "NEW x"]
    {
        let mut server = polled(reader());
        server.tick(s(5));
        answer(&mut server, s(5), STATUS, &format!("ERR {error}"));
        assert_eq!((server.known().trusted_at, server.is_trusted()), (Some(s(0)), false));
        assert_eq!((seen(&server).as_str(), server.hang_up()), ("OL", None));
        let trouble = server.trouble().unwrap();
        assert_eq!(trouble.asked, Ask::Variable(0));
        assert!(error.starts_with(trouble.token.name));
        assert_eq!((sends(&mut server).as_str(), server.next(s(5))), ("", Some(s(10))));
        server.tick(s(10));
        status(&mut server, s(10), "OB");
        assert_eq!((seen(&server).as_str(), server.trouble()), ("OB", None));
    }
    for silent in ["WAIT", ""] {
        let mut server = polled(reader());
        server.tick(s(5));
        status(&mut server, s(5), silent);
        assert_eq!((server.known().trusted_at, server.is_trusted()), (Some(s(0)), false));
        assert_eq!(seen(&server), "OL");
    }
}

/// An answer that was slow is as old as its question.
#[test]
fn freshness_counts_from_the_question() {
    let mut server = polled(reader());
    server.tick(s(5));
    assert_eq!(sends(&mut server), format!("{STATUS}\n"));
    let _ = server.receive(s(9), b"VAR rack ups.status \"OL\"\n");
    assert_eq!(server.known().trusted_at, Some(s(5)));
}

#[test]
fn a_refused_log_in_is_tried_again_on_mains() {
    for refusal in ["ERR ACCESS-DENIED", "ERR PASSWORD-REQUIRED", "ERR SOMETHING-NEW"] {
        let mut server = connected(settings());
        answer(&mut server, s(0), "USERNAME mon", "ERR ALREADY-SET-USERNAME");
        answer(&mut server, s(0), "PASSWORD \"p w\"", "OK");
        answer(&mut server, s(0), "LOGIN rack", refusal);
        assert_eq!(server.trouble().map(|trouble| trouble.asked), Some(Ask::Login));
        for poll in 0..12 {
            server.tick(s(5 * poll));
            let power = if poll == 11 { "OB" } else { "OL" };
            status(&mut server, s(5 * poll), power);
            while !sends(&mut server).is_empty() {
                let _ = server.receive(s(5 * poll), b"ERR VAR-NOT-SUPPORTED\n");
            }
        }
        assert!(server.trouble().is_some(), "a good poll is no good log-in");
        // On battery a connection that works is kept.
        server.tick(s(70));
        status(&mut server, s(70), "OL");
        while !sends(&mut server).is_empty() {
            let _ = server.receive(s(70), b"ERR VAR-NOT-SUPPORTED\n");
        }
        assert_eq!((server.hang_up(), server.next(s(70))), (Some(Why::Login), Some(s(70))));
        server.disconnected(s(70));
        assert!(server.dial(s(70)));
        server.connected(s(70));
        assert_eq!(seen(&server), "OL");
        answer(&mut server, s(70), "USERNAME mon", "OK");
        answer(&mut server, s(70), "PASSWORD \"p w\"", "OK");
        answer(&mut server, s(70), "LOGIN rack", "OK");
        assert_eq!(server.trouble(), None);
    }
}

#[test]
fn nothing_is_said_before_tls() {
    let tls = Settings { starttls: true, ..settings() };
    let mut server = connected(tls.clone());
    assert_eq!(sends(&mut server), "STARTTLS\n");
    // What the clear text has after the answer is not read by us.
    assert_eq!(server.receive(s(0), b"OK STARTTLS\nOK\n"), 12);
    assert!(server.take_tls() && !server.take_tls());
    server.tick(s(1));
    assert_eq!((sends(&mut server).as_str(), server.next(s(1))), ("", Some(s(5))));
    server.secured(s(1));
    answer(&mut server, s(1), "USERNAME mon", "OK");
    for reply in ["ERR FEATURE-NOT-SUPPORTED", "ERR FEATURE-NOT-CONFIGURED", "ERR X", "OK", "HUH"] {
        let mut server = connected(tls.clone());
        answer_last(&mut server, "STARTTLS", reply);
        assert_eq!(server.hang_up(), Some(Why::Tls), "{reply}");
        server.secured(s(0));
        server.tick(s(0));
        assert!(!server.take_tls());
        assert_eq!(sends(&mut server), "", "{reply}");
    }
    let mut server = connected(tls.clone());
    answer_last(&mut server, "STARTTLS", "OK STARTTLS");
    let _ = server.receive(s(0), b"OK\n");
    assert_eq!(server.hang_up(), Some(Why::Unasked), "in clear");
    let mut server = connected(tls);
    answer_last(&mut server, "STARTTLS", "OK STARTTLS");
    server.tick(s(5));
    assert_eq!(server.hang_up(), Some(Why::Timeout), "no handshake");
}

fn answer_last(server: &mut Server, asked: &str, reply: &str) {
    assert_eq!(sends(server), format!("{asked}\n"));
    let line = format!("{reply}\n");
    let _ = server.receive(s(0), line.as_bytes());
}

#[test]
fn what_does_not_fit_ends_the_connection() {
    for (text, why) in [
        ("VAR rack ups.load \"OL\"\n", Why::Garbled),
        ("VAR other ups.status \"OL\"\n", Why::Garbled),
        ("OK\n", Why::Garbled),
        ("\n", Why::Garbled),
        ("VAR rack ups.status \"O#L\"\n", Why::Garbled),
    ] {
        let mut server = connected(reader());
        assert_eq!(sends(&mut server), format!("{STATUS}\n"));
        assert_eq!(server.receive(s(0), text.as_bytes()), text.len());
        assert_eq!(server.hang_up(), Some(why), "{text:?}");
        assert_eq!((server.output(), server.next(s(0))), (b"".as_slice(), Some(s(0))));
        let _ = server.receive(s(0), b"VAR rack ups.status \"OL\"\n");
        assert_eq!(server.known().seen, None);
    }
    let mut server = polled(reader());
    let _ = server.receive(s(1), b"VAR rack ups.status \"OB\"\n");
    assert_eq!((server.hang_up(), seen(&server).as_str()), (Some(Why::Unasked), "OL"));
    let mut server = connected(reader());
    let _ = server.receive(s(0), b"VAR rack ups.status \"OL\"\n");
    assert_eq!(server.hang_up(), Some(Why::Unasked), "before it was asked");
    server.disconnected(s(1));
    assert_eq!(server.hang_up(), None);
}

#[test]
fn an_answer_that_does_not_come_ends_the_connection() {
    let mut server = connected(reader());
    assert_eq!(server.next(s(0)), Some(REPLY));
    server.tick(ms(4999));
    assert_eq!(server.hang_up(), None);
    // Noise without end is none.
    let _ = server.receive(ms(4999), &[b'"'; 10_000]);
    server.tick(s(5));
    assert_eq!(server.hang_up(), Some(Why::Timeout));
}

#[test]
fn it_dials_with_longer_pauses_and_other_addresses() {
    let mut server = Server::new(reader());
    let mut tries = Vec::new();
    for now in 0..100 {
        if server.dial(s(now)) {
            tries.push((now, server.tried_address()));
            assert_eq!(server.next(s(now)), server.dial_at());
        }
    }
    assert_eq!(tries, [(0, 0), (1, 1), (3, 2), (7, 3), (15, 4), (31, 5), (61, 6), (91, 7)]);
    // A connection that answers nothing changes nothing.
    server.connected(s(91));
    server.disconnected(s(92));
    assert!(!server.dial(s(120)) && server.dial(s(121)));
    server.connected(s(121));
    status(&mut server, s(121), "OL");
    server.disconnected(s(130));
    assert!(server.dial(s(130)));
    assert_eq!(server.tried_address(), 8, "the one that answered");
    server.connected(s(130));
    status(&mut server, s(130), "OB");
    server.disconnected(s(131));
    assert_eq!((131..161).filter(|now| server.dial(s(*now))).count(), 30, "on battery");
}

#[test]
fn a_primary_sets_fsd_and_counts() {
    let mut server = polled(reader());
    server.force(s(1));
    answer(&mut server, s(1), "FSD rack", "ERR ACCESS-DENIED");
    assert!(!server.forced());
    assert_eq!((sends(&mut server).as_str(), server.next(s(1))), ("", Some(s(2))));
    server.tick(s(2));
    answer(&mut server, s(2), "FSD rack", "OK FSD-SET");
    assert!(server.forced() && server.trouble().is_none());
    answer(&mut server, s(2), "GET NUMLOGINS rack", "NUMLOGINS rack 3");
    assert_eq!((server.logins(), server.next(s(2))), (Some(3), Some(ms(2250))));
    server.tick(ms(2250));
    answer(&mut server, ms(2250), "GET NUMLOGINS rack", "ERR ACCESS-DENIED");
    assert_eq!(server.logins(), None);
    // Polls go on between.
    server.tick(s(5));
    status(&mut server, s(5), "FSD OL");
    answer(&mut server, s(5), "GET NUMLOGINS rack", "NUMLOGINS rack 1");
    assert_eq!((server.logins(), seen(&server).as_str()), (Some(1), "FSD OL"));
    // A server that was started anew knows nothing of it.
    server.disconnected(s(6));
    assert_eq!((server.forced(), server.logins()), (false, None));
    assert!(server.dial(s(6)));
    server.connected(s(6));
    assert_eq!(sends(&mut server), "FSD rack\n");
}

#[test]
fn it_says_goodbye() {
    let mut server = polled(reader());
    server.goodbye(s(1));
    assert!(!server.gone());
    answer_last(&mut server, "LOGOUT", "OK Goodbye");
    assert!(server.gone());
    assert_eq!((sends(&mut server).as_str(), server.next(s(1))), ("", None));
    server.disconnected(s(2));
    assert!(server.gone() && !server.dial(s(100)));
    // After the answer that it waits for.
    let mut server = connected(settings());
    server.goodbye(s(0));
    answer(&mut server, s(0), "USERNAME mon", "OK");
    answer_last(&mut server, "LOGOUT", "Goodbye...");
    assert!(server.gone());
    let mut server = Server::new(reader());
    server.goodbye(s(0));
    assert!(server.gone() && !server.dial(s(1)));
    assert_eq!(server.next(s(1)), None);
}

#[test]
fn nothing_shows_the_password() {
    let server = connected(Settings { user: Some("m".to_owned()), ..settings() });
    assert!(!format!("{server:?}").contains("p w"));
    let long = "x".repeat(600);
    let server = connected(Settings { user: Some(long), ..settings() });
    assert_eq!(server.hang_up(), Some(Why::TooLong));
}

fn line() -> impl Strategy<Value = String> {
    let lines = [
        "OK",
        "OK STARTTLS",
        "VAR rack ups.status \"OL\"",
        "VAR rack ups.status \"OB LB\"",
        "ERR DATA-STALE",
        "ERR ACCESS-DENIED",
        "ERR VAR-NOT-SUPPORTED",
        "NUMLOGINS rack 2",
        "",
        "VAR rack ups.alarm \"a\"",
        "VAR rack battery.charge \"5\"",
        "\"",
        "#",
        "ERR",
    ];
    prop_oneof![8 => proptest::sample::select(lines.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

/// Feeds it, with all that it says sent at once; the statuses that were seen.
fn feed(server: &mut Server, mut bytes: &[u8], clear: &mut String) -> Vec<String> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let before = (server.known().seen, server.is_trusted());
        // Byte by byte as far as the sending goes: a request is on its way before its answer comes.
        clear.push_str(&sends(server));
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes = &bytes[server.receive(s(1), &bytes[..end])..];
        if before != (server.known().seen, server.is_trusted()) {
            all.push(seen(server));
        }
    }
    clear.push_str(&sends(server));
    all
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let mut server = connected(reader());
        feed(&mut server, &bytes, &mut String::new());
        prop_assert_eq!(server.known().seen, None);
    }

    /// However it is cut into reads; and nothing but STARTTLS is ever said in clear when TLS was asked for.
    #[test]
    fn reads_do_not_matter(
        lines in proptest::collection::vec(line(), 1..20), cut in 1_usize..9, starttls: bool, primary: bool,
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let set = Settings { starttls, primary, ..if primary { settings() } else { reader() } };
        let (mut whole, mut parts) = (connected(set.clone()), connected(set));
        whole.force(s(0));
        parts.force(s(0));
        let (mut said, mut said_in_parts) = (String::new(), String::new());
        let at_once = feed(&mut whole, text.as_bytes(), &mut said);
        let mut in_parts = Vec::new();
        for part in text.as_bytes().chunks(cut) {
            in_parts.extend(feed(&mut parts, part, &mut said_in_parts));
        }
        prop_assert_eq!(at_once, in_parts);
        prop_assert_eq!(whole.known(), parts.known());
        prop_assert_eq!(whole.hang_up(), parts.hang_up());
        prop_assert!(!starttls || said == "STARTTLS\n", "{}", said);
        prop_assert_eq!(said, said_in_parts);
    }
}
