use super::*;

fn put(keyword: &str, words: &[&str]) -> Option<String> {
    let mut request = Request::EMPTY;
    let written = request.put(keyword, words);
    let text = String::from_utf8(request.rest().to_vec()).unwrap();
    assert_eq!(written.is_err(), text.is_empty());
    (!text.is_empty()).then_some(text)
}

#[test]
fn words_are_quoted_where_they_must_be() {
    assert_eq!(put("GET VAR", &["ups", "ups.status"]).unwrap(), "GET VAR ups ups.status\n");
    assert_eq!(put("PASSWORD", &["p w=\"#\\"]).unwrap(), "PASSWORD \"p w=\\\"\\#\\\\\"\n");
    assert_eq!(put("PASSWORD", &[""]).unwrap(), "PASSWORD \"\"\n");
    // No word can begin another request.
    assert_eq!(put("USERNAME", &["a\nFSD ups"]).unwrap(), "USERNAME \"aFSD ups\"\n");
}

#[test]
fn a_request_fits_or_is_not_made() {
    let room = LONGEST - "PASSWORD \n".len();
    assert_eq!(put("PASSWORD", &[&"x".repeat(room)]).unwrap().len(), LONGEST);
    assert_eq!(put("PASSWORD", &[&"x".repeat(room + 1)]), None);
    assert_eq!(put("PASSWORD", &[&"#".repeat(room / 2)]), None);
}

#[test]
fn what_was_sent_is_wiped() {
    let mut request = Request::EMPTY;
    request.put("PASSWORD", &["xyzzy"]).unwrap();
    request.sent(9);
    assert_eq!(request.rest(), b"xyzzy\n");
    request.sent(6);
    assert_eq!((request.rest(), request.bytes), (b"".as_slice(), [0; LONGEST]));
    assert_eq!(format!("{request:?}"), "Request");
}

#[test]
fn answers_are_read() {
    let of = |ask, text: &str| {
        let mut line = Lines::<ROOM>::new();
        text.bytes().chain([b'\n']).for_each(|byte| {
            line.push(byte);
        });
        format!("{:?}", read(ask, "ups", "ups.load", &line))
    };
    for (ask, text, reply) in [
        (Ask::Variable(7), "VAR UPS Ups.Load \"a \\\"b\"", "Value(\"a \\\"b\")"),
        (Ask::Variable(7), "VAR ups ups.status \"OL\"", "Garbled"),
        (Ask::Variable(7), "VAR other ups.load \"1\"", "Garbled"),
        (Ask::Variable(7), "VAR ups ups.load", "Garbled"),
        (Ask::Variable(7), "err DATA-STALE extra", "Error(\"DATA-STALE\")"),
        (Ask::Variable(7), "ERR", "Garbled"),
        (Ask::Variable(7), "OK", "Garbled"),
        (Ask::Logins, "NUMLOGINS ups 3", "Count(3)"),
        (Ask::Logins, "NUMLOGINS ups -1", "Garbled"),
        (Ask::Logins, "NUMLOGINS ups", "Garbled"),
        (Ask::StartTls, "OK STARTTLS", "Ok"),
        (Ask::StartTls, "OK", "Garbled"),
        (Ask::StartTls, "OK STARTTLS now", "Garbled"),
        (Ask::Fsd, "OK FSD-SET", "Ok"),
        (Ask::User, "OK", "Ok"),
        (Ask::User, "OKAY", "Garbled"),
        (Ask::Logout, "Goodbye...", "Ok"),
        (Ask::Login, "", "Garbled"),
    ] {
        assert_eq!(of(ask, text), reply, "{text}");
    }
}
