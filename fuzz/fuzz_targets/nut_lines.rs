//! What a driver or upsd says, in two ways of cutting it into reads: nothing depends on them, nothing is believed too
//! early, and no password is said in clear where TLS was asked for.
//!
//! Input: one byte (bit 0: upsd, else a driver; bit 1: TLS; bit 2: as a primary that forces a shutdown), one that is
//! the length of a read, then what is said; 0xff: a second passes.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use upsentry::nut::Secret;
use upsentry::nut::driver::{self, Driver};
use upsentry::nut::known::Known;
use upsentry::nut::server::{self, Server};

const DEADTIME: Duration = Duration::from_secs(15);

type Seen = Vec<(Duration, Known)>;

/// What was known after each change, and the variables at the end.
fn driver(parts: &[&[u8]]) -> (Seen, String) {
    let set = driver::Settings { deadtime: DEADTIME, wanted: vec!["ups.id".to_owned()] };
    let (mut driver, mut now, mut all) = (Driver::new(&set), Duration::ZERO, Vec::new());
    assert!(driver.dial(now));
    driver.connected(now);
    for part in parts {
        if *part == [0xff] {
            now += Duration::from_secs(1);
            let asked = driver.output(now).is_some();
            assert!(driver.next(now).is_some_and(|next| next >= now || asked));
            continue;
        }
        let mut rest = *part;
        while !rest.is_empty() {
            let before = (driver.known().seen, driver.is_trusted());
            let taken = driver.receive(now, rest);
            assert!(taken > 0);
            rest = &rest[taken..];
            let known = driver.known();
            assert!(known.trusted_at.is_none_or(|at| at <= now));
            assert!(known.heard || !driver.is_trusted());
            if before != (known.seen, driver.is_trusted()) {
                all.push((now, known));
            } else {
                assert!(rest.is_empty());
            }
        }
    }
    (all, format!("{:?}", driver.values()))
}

struct Talk {
    server: Server,
    now: Duration,
    secured: bool,
    said: String,
}

impl Talk {
    fn new(flags: u8) -> Talk {
        let server = Server::new(server::Settings {
            user: (flags & 4 != 0).then(|| "mon".to_owned()),
            password: Some(Secret::new("xyzzy".to_owned())),
            ups: "ups".to_owned(),
            primary: flags & 4 != 0,
            starttls: flags & 2 != 0,
            poll: Duration::from_secs(5),
            deadtime: DEADTIME,
            wanted: Vec::new(),
        });
        let mut talk =
            Talk { server, now: Duration::ZERO, secured: flags & 2 == 0, said: String::new() };
        assert!(talk.server.dial(talk.now));
        talk.server.connected(talk.now);
        if flags & 4 != 0 {
            talk.server.force(talk.now);
        }
        talk
    }

    fn send(&mut self) {
        let text = self.server.output();
        assert!(text.len() < 512 && (text.is_empty() || text.ends_with(b"\n")));
        let text = String::from_utf8(text.to_vec()).expect("it is ASCII");
        self.server.sent(text.len());
        assert!(self.secured || text.is_empty() || text == "STARTTLS\n");
        self.said.push_str(&text);
    }

    fn hear(&mut self, line: &[u8]) {
        self.send();
        let mut rest = line;
        while !rest.is_empty() {
            let taken = self.server.receive(self.now, rest);
            assert!(taken > 0);
            rest = &rest[taken..];
            if self.server.take_tls() {
                self.secured = true;
                self.server.secured(self.now);
            }
            assert!(self.server.known().trusted_at.is_none_or(|at| at <= self.now));
            self.send();
        }
    }
}

fn server(flags: u8, parts: &[&[u8]]) -> (String, Known, String) {
    let mut talk = Talk::new(flags);
    for part in parts {
        if *part == [0xff] {
            talk.now += Duration::from_secs(1);
            talk.server.tick(talk.now);
            talk.send();
            continue;
        }
        // A request is on its way before its answer comes.
        part.split_inclusive(|byte| *byte == b'\n').for_each(|line| talk.hear(line));
    }
    talk.send();
    let rest = format!("{:?} {:?}", talk.server.hang_up(), talk.server.values());
    (talk.said, talk.server.known(), rest)
}

/// The seconds by themselves, and what is between them in reads of this length.
fn cut(text: &[u8], length: usize) -> Vec<&[u8]> {
    let parts = text.chunk_by(|one, other| *one != 0xff && *other != 0xff);
    parts.flat_map(|part| part.chunks(length)).collect()
}

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (flags, length, text) = data;
    let (whole, parts) = (cut(text, usize::MAX), cut(text, usize::from(length).max(1)));
    if flags & 1 == 0 {
        assert_eq!(driver(&whole), driver(&parts));
    } else {
        assert_eq!(server(flags, &whole), server(flags, &parts));
    }
});
