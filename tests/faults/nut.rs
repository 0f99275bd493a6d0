//! A monitor that asks NUT: its calls fail, and nothing is lost, told twice, or tried without a pause.

use crate::common::need_root;
use crate::common::nut::Nut;
use crate::common::nut_fake::Fake;
use crate::common::sim::Setup;
use crate::rig::{BUSY, Daemon, LONG, watching};
use crate::table::{DRIVER, On, Row, SERVER, Then, When};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A server with one UPS, as far as a monitor without a password asks.
struct Upsd {
    port: u16,
    shared: Arc<Mutex<(String, Vec<TcpStream>)>>,
}

impl Upsd {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let shared = Arc::new(Mutex::new(("OL".to_owned(), Vec::new())));
        let theirs = shared.clone();
        // Both end with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let reader = client.try_clone().expect("a socket");
                theirs.lock().expect("it").1.push(client);
                let shared = theirs.clone();
                std::thread::spawn(move || answer(reader, &shared));
            }
        });
        Self { port, shared }
    }
}

fn answer(mut client: TcpStream, shared: &Mutex<(String, Vec<TcpStream>)>) {
    for line in BufReader::new(client.try_clone().expect("a socket")).lines() {
        let Ok(line) = line else { return };
        let status = shared.lock().expect("it").0.clone();
        let answer = match line.trim() {
            "GET VAR dummy ups.status" => format!("VAR dummy ups.status \"{status}\"\n"),
            _ => "ERR VAR-NOT-SUPPORTED\n".to_owned(),
        };
        if client.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Who says the status.
enum Source {
    /// In this order: it ends while its directory is there.
    Driver(Option<Fake>, Nut),
    Server(Upsd),
}

impl Source {
    fn driver() -> Self {
        let nut = Nut::new(&["dummy"]);
        let fake = Fake::new(&nut, "dummy", "OL");
        Self::Driver(Some(fake), nut)
    }

    fn server() -> Self {
        Self::Server(Upsd::new())
    }

    /// Nothing else is watched.
    fn watch(&self) -> String {
        match self {
            Self::Driver(_, nut) => {
                format!("ups-conf {}\nwatch driver:dummy\n", nut.ups_conf().display())
            }
            Self::Server(upsd) => {
                format!("poll 200ms\nwatch nut://127.0.0.1:{}/dummy\n", upsd.port)
            }
        }
    }

    fn says(&self, status: &str) {
        match self {
            Self::Driver(fake, _) => {
                let fake = fake.as_ref().expect("it is there");
                fake.dumps(&format!("SETINFO ups.status \"{status}\"\nDATAOK\nDUMPDONE\n"));
                fake.status(status);
            }
            Self::Server(upsd) => status.clone_into(&mut upsd.shared.lock().expect("it").0),
        }
    }

    fn hang_up(&self) {
        match self {
            Self::Driver(fake, _) => fake.as_ref().expect("it is there").hang_up(),
            Self::Server(upsd) => {
                for client in upsd.shared.lock().expect("it").1.drain(..) {
                    let _ = client.shutdown(Shutdown::Both);
                }
            }
        }
    }

    /// The driver's socket goes, or is there again.
    fn remove(&mut self, gone: bool) {
        if let Self::Driver(fake, nut) = self {
            *fake = None;
            *fake = (!gone).then(|| Fake::new(nut, "dummy", "OL"));
        }
    }
}

/// A daemon that watches a UPS of NUT's and nothing else.
struct Asking {
    daemon: Daemon,
    source: Source,
}

impl Asking {
    fn new(source: Source, calls: &str) -> Self {
        let setup = Setup::new().option("--faults").option(calls);
        let lines = "low-after 0s\ndeadtime 3s\nblind-after 1h\n";
        let conf = watching(&setup, &format!("via initctl\n{lines}"), &source.watch());
        let daemon = Daemon::of(setup, "", &conf);
        daemon.says("on mains", 1);
        Self { daemon, source }
    }

    /// What init was told, from the first word on.
    fn words(&mut self) -> Vec<String> {
        let requests = self.daemon.rig.inits();
        requests.iter().map(|request| request.name.clone()).collect()
    }

    /// Another status, and init hears of it.
    fn tells(&mut self, status: &str, count: usize) {
        self.source.says(status);
        let end = Instant::now() + LONG;
        while self.words().len() < count {
            assert!(Instant::now() < end, "{status} was not told: {}", self.daemon.all());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets happen what makes the call.
    fn cause(&mut self, row: &Row, failed: usize) {
        match row.when {
            When::Left => self.source.hang_up(),
            When::Removed => self.source.remove(true),
            _ => {}
        }
        // What is asked or said by itself comes soon.
        let end = Instant::now() + LONG;
        while self.daemon.failed(row) == failed {
            assert!(Instant::now() < end, "the call was not made: {}", self.daemon.all());
            if row.when == When::Outage {
                self.source.says("OL");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if row.when == When::Removed {
            self.source.remove(false);
        }
    }

    /// A row with one error: init hears of the outage after it, and of nothing else.
    fn tries(&mut self, row: &Row, errno: &str) {
        let (before, failed) = (self.words().len(), self.daemon.failed(row));
        let Then::Recovers(said) = row.then else { panic!("it does not end") };
        let times = if said.is_empty() { 0 } else { self.daemon.said(said) + 1 };
        self.connected(row.on);
        self.daemon.arm(row, errno, "1");
        self.cause(row, failed);
        self.daemon.says(said, times);
        self.tells("OB", before + 1);
        self.tells("OL", before + 2);
        let words = self.words();
        assert_eq!(words[before..], ["powerfail", "powerok"], "{}", self.daemon.all());
        assert_eq!(self.daemon.failed(row), failed + 1, "{}", self.daemon.all());
        assert_eq!(self.daemon.said("contact lost"), 0, "{}", self.daemon.all());
        assert!(self.daemon.busy() < BUSY, "{:?}: {}", self.daemon.busy(), self.daemon.all());
        self.daemon.set("fail off");
    }

    /// Waits until there is a connection, where the call is to be one on it.
    fn connected(&self, on: On) {
        let end = Instant::now() + LONG;
        while !matches!(on, On::Any) && self.daemon.fd("upsentry-mon", on).is_none() {
            assert!(Instant::now() < end, "not connected: {}", self.daemon.rig.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn every(rows: &[Row], source: fn() -> Source) {
    let mut calls: Vec<&str> = rows.iter().map(|row| row.call).collect();
    calls.sort_unstable();
    calls.dedup();
    let mut asking = Asking::new(source(), &calls.join(","));
    for row in rows {
        for errno in row.errors {
            println!("{} {:?} {errno} {:?}", row.call, row.on, row.when);
            asking.tries(row, errno);
        }
    }
}

/// Seen to fail with an error of writing to the driver that is not looked at.
#[test]
fn a_driver_s() {
    if need_root() {
        every(DRIVER, Source::driver);
    }
}

/// Seen to fail with what could not be written taken for sent.
#[test]
fn a_server_s() {
    if need_root() {
        every(SERVER, Source::server);
    }
}

/// Calls that fail for two seconds: how often at most. A server's socket is connected to nothing after each try, by the
/// same call.
type Lasting = (fn() -> Source, &'static str, On, &'static str, usize);

const LASTING: &[Lasting] = &[
    (Source::driver, "socket", On::Any, "EMFILE", 4),
    (Source::driver, "socket", On::Any, "ENOMEM", 4),
    (Source::driver, "connect", On::Any, "ECONNREFUSED", 4),
    (Source::driver, "connect", On::Any, "EAGAIN", 4),
    (Source::driver, "connect", On::Any, "EINTR", 4),
    (Source::driver, "write", On::Driver, "EAGAIN", 4),
    (Source::driver, "read", On::Driver, "EIO", 4),
    (Source::server, "connect", On::Any, "ECONNREFUSED", 8),
    (Source::server, "connect", On::Any, "ENOMEM", 8),
    (Source::server, "write", On::Server, "EPIPE", 4),
    (Source::server, "read", On::Server, "EIO", 4),
];

/// The outage begins meanwhile, and is told afterwards, once.
///
/// Seen to fail with no pause between two tries of a driver, and with an error of reading a server's answer that is not
/// looked at.
#[test]
fn none_spins() {
    if !need_root() {
        return;
    }
    std::thread::scope(|scope| {
        for (source, call, on, errno, most) in LASTING {
            scope.spawn(move || {
                let name = format!("{call} {on:?} {errno}");
                let row = Row {
                    list: "monitor",
                    call,
                    on: *on,
                    errors: &[],
                    when: When::Left,
                    then: Then::Recovers(""),
                };
                let mut asking = Asking::new(source(), call);
                asking.connected(*on);
                let busy = asking.daemon.busy();
                asking.daemon.arm(&row, errno, "always");
                asking.source.hang_up();
                asking.source.says("OB");
                std::thread::sleep(Duration::from_secs(2));
                let (failed, busy) = (asking.daemon.failed(&row), asking.daemon.busy() - busy);
                println!("{name}: failed {failed} times, {busy:?} of processor time");
                asking.daemon.set("fail off");
                asking.tells("OB", 1);
                asking.tells("OL", 2);
                assert_eq!(asking.words(), ["powerfail", "powerok"], "{}", asking.daemon.all());
                assert!((1..=*most).contains(&failed), "{name}: {failed}: {}", asking.daemon.all());
            });
        }
    });
}

/// NUT was not started since the boot: until it is, there is nothing to be done, and nothing is.
///
/// Seen to fail with a monitor that has no directory and asks its driver when to dial: a core was busy.
#[test]
fn without_a_directory_nothing_is_tried() {
    if !need_root() {
        return;
    }
    let nut = Nut::new(&["dummy"]);
    std::fs::remove_dir(nut.state()).expect("the directory");
    let source = Source::Driver(None, nut);
    let watch = source.watch();
    let setup = Setup::new().option("--faults").option("ppoll");
    let conf = watching(&setup, "via initctl\ndeadtime 1s\n", &watch);
    let daemon = Daemon::begun(setup, "", &conf);
    daemon.says("contact lost", 1);
    let before = daemon.busy();
    std::thread::sleep(Duration::from_secs(2));
    let busy = daemon.busy() - before;
    assert!(busy < Duration::from_millis(200), "{busy:?}: {}", daemon.rig.stderr());
}
