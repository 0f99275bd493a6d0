//! TLS to a NUT server in a jail: what it calls, how much memory a server can make it take, and that it
//! speaks with OpenSSL's server.
#![cfg(feature = "tls")]
#![allow(unsafe_code)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::skip;
use nix::libc::{SIGSYS, SYS_clock_gettime, SYS_exit_group, SYS_getrandom, SYS_read, SYS_write};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use upsentry::nut::tls::{HEAP, QUIET, Session as _, Tls, TlsConfig, TlsError, Trust};
use upsentry::sys::filter::{Allow, install};
use upsentry::sys::raw;

/// Counts the bytes that are taken while it is on; a small block costs malloc(3) 32 bytes.
struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn cost(layout: Layout) -> usize {
    ((layout.size() + 8).next_multiple_of(16)).max(32)
}

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ON.load(Relaxed) {
            let now = NOW.fetch_add(cost(layout), Relaxed) + cost(layout);
            MOST.fetch_max(now, Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ON.load(Relaxed) {
            let _ =
                NOW.fetch_update(Relaxed, Relaxed, |now| Some(now.saturating_sub(cost(layout))));
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A server, and what a client must have in `ca-file` to trust it.
struct Site {
    config: Arc<ServerConfig>,
    trust: Trust,
}

/// `more`: what the chain holds beside the server's certificate.
fn site(version: &'static SupportedProtocolVersion, more: &[Vec<u8>]) -> Site {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([]).expect("no names");
    let own = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut chain = vec![own.der().clone()];
    chain.extend(more.iter().cloned().map(CertificateDer::from));
    let shown = CertifiedKey::new(chain, any_supported_type(&key).expect("a signing key"));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(Arc::new(shown))));
    let trust = Trust::from_pem(own.pem().as_bytes()).expect("a certificate");
    Site { config: Arc::new(config), trust }
}

// ---- in the jail ----

const ROUNDS: usize = 50;
const RECORDS: usize = 200;
const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

/// What the jailed client exits with when all went well.
const WELL: i32 = 7;

/// Runs one test of this file again, alone, with one arena as in the daemon from its first allocation on. True:
/// this is that run.
fn alone(name: &str) -> bool {
    if std::env::var_os("MALLOC_ARENA_MAX").is_some() {
        return true;
    }
    let status = Command::new(std::env::current_exe().expect("our own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("MALLOC_ARENA_MAX", "1")
        .status();
    assert!(status.expect("ourselves").success(), "{name} failed");
    false
}

/// One connection by read and write alone; `None`: it was ended by an error.
fn converse(tls: &mut Tls, socket: &OwnedFd, line: &[u8]) -> Option<()> {
    let mut buffer = [0; 4096];
    let (mut asked, mut heard) = (0, 0);
    while !tls.closed() {
        if !tls.handshaking() && heard == asked * line.len() && asked <= RECORDS {
            // The last ends the round.
            tls.seal(if asked < RECORDS { line } else { b"BYE" }).ok()?;
            asked += 1;
        }
        while !tls.output().is_empty() {
            let count = nix::unistd::write(socket, tls.output()).ok()?;
            tls.sent(count);
        }
        let count = nix::unistd::read(socket, &mut buffer).ok().filter(|count| *count > 0)?;
        tls.receive(&buffer[..count], &mut |plain| heard += plain.len()).ok()?;
    }
    Some(())
}

/// The child: all that may be needed once is done, the filter is put on, and it speaks.
fn jailed(site: &Site, socket: &OwnedFd, list: Allow, heap: usize) -> i32 {
    raw::one_arena();
    let Ok(config) = TlsConfig::new(&site.trust) else { return 1 };
    let Ok(program) = list.compile() else { return 2 };
    raw::reserve_heap(heap);
    if install(&program).is_err() {
        return 3;
    }
    let line = [b'x'; 60];
    for _ in 0..ROUNDS {
        let Ok(mut tls) = Tls::new(&config, "ups") else { return 4 };
        if converse(&mut tls, socket, &line).is_none() {
            return 5;
        }
    }
    WELL
}

/// Answers each record with as many bytes, until it is told BYE.
fn serve(site: &Site, mut socket: UnixStream) -> Option<()> {
    socket.set_read_timeout(PATIENCE).ok()?;
    for _ in 0..ROUNDS {
        let mut server = ServerConnection::new(Arc::clone(&site.config)).expect("a server");
        let mut over = false;
        while !over {
            server.read_tls(&mut socket).ok().filter(|count| *count > 0)?;
            server.process_new_packets().ok()?;
            let mut asked = [0; 4096];
            if let Ok(count) = server.reader().read(&mut asked) {
                over = &asked[..count] == b"BYE";
                if over {
                    server.send_close_notify();
                } else {
                    server.writer().write_all(&asked[..count]).ok()?;
                }
            }
            while server.wants_write() {
                server.write_tls(&mut socket).ok()?;
            }
        }
    }
    Some(())
}

fn run(site: &Site, list: fn(i32) -> Allow, heap: usize) -> WaitStatus {
    let (theirs, ours) = UnixStream::pair().expect("sockets");
    let ours = OwnedFd::from(ours);
    match raw::fork().expect("a child") {
        ForkResult::Child => {
            let list = list(ours.as_raw_fd());
            raw::exit(jailed(site, &ours, list, heap))
        }
        ForkResult::Parent { child } => {
            drop(ours);
            let _ = serve(site, theirs);
            waitpid(child, None).expect("our child")
        }
    }
}

fn well(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Exited(_, WELL))
}

fn killed(status: WaitStatus) -> bool {
    assert_eq!(Signal::SIGSYS as i32, SIGSYS);
    matches!(status, WaitStatus::Signaled(_, Signal::SIGSYS, _))
}

/// With a clock source that the vDSO cannot read, the time is asked of the kernel.
fn least(fd: i32) -> Allow {
    Allow::new()
        .on(SYS_read, &[fd], &[])
        .on(SYS_write, &[fd], &[])
        .any(SYS_getrandom)
        .any(SYS_clock_gettime)
        .any(SYS_exit_group)
}

/// Many small certificates are what takes most: 4 bytes of the server's (6 in TLS 1.3), 56 and more of ours.
fn tiny(version: &SupportedProtocolVersion, size: usize) -> Vec<Vec<u8>> {
    let each = size + if version.version == TLS12.version { 3 } else { 5 };
    vec![vec![0x30; size]; (QUIET - 1000) / each]
}

#[test]
fn handshakes_and_records_need_no_call_but_read_write_and_getrandom() {
    if !alone("handshakes_and_records_need_no_call_but_read_write_and_getrandom") {
        return;
    }
    for version in [&TLS12, &TLS13] {
        let honest = site(version, &[]);
        let status = run(&honest, least, HEAP);
        assert!(well(status), "{version:?} {status:?}");
        let deaf = |fd| least(fd).without(SYS_getrandom);
        assert!(killed(run(&honest, deaf, HEAP)), "it would be needless");
        // Again and again, so a connection leaves the heap as good as it was.
        let greedy = site(version, &tiny(version, 1));
        let status = run(&greedy, least, HEAP);
        assert!(well(status), "{version:?} {status:?}");
        assert!(killed(run(&greedy, least, 0)), "the reserve would be needless");
    }
}

/// What stands in [`HEAP`], and what a connection holds at rest.
#[test]
fn memory_of_a_connection_is_bounded() {
    if !alone("memory_of_a_connection_is_bounded") {
        return;
    }
    for version in [&TLS12, &TLS13] {
        let small = |size| tiny(version, size);
        let big = vec![vec![0x30; QUIET - 2000]];
        let chains = [
            ("one certificate", vec![]),
            ("of 1 byte", small(1)),
            ("of 8 bytes", small(8)),
            ("of 40 bytes", small(40)),
            ("one large one", big),
        ];
        for (what, chain) in chains {
            let site = site(version, &chain);
            let config = TlsConfig::new(&site.trust).expect("a configuration");
            let mut server = ServerConnection::new(Arc::clone(&site.config)).expect("a server");
            NOW.store(0, Relaxed);
            MOST.store(0, Relaxed);
            ON.store(true, Relaxed);
            let mut tls = Tls::new(&config, "ups").expect("a host");
            let mut result = Ok(());
            for _ in 0..4 {
                ON.store(false, Relaxed);
                let mut bytes = Vec::new();
                let mut output = tls.output();
                while !output.is_empty() {
                    server.read_tls(&mut output).expect("room");
                    let _ = server.process_new_packets();
                }
                while server.wants_write() {
                    server.write_tls(&mut bytes).expect("memory");
                }
                ON.store(true, Relaxed);
                tls.sent(usize::MAX);
                result = result.and_then(|()| tls.receive(&bytes, &mut |_| ()));
            }
            ON.store(false, Relaxed);
            let (now, most) = (NOW.load(Relaxed), MOST.load(Relaxed));
            println!("{version:?} {what}: most {most}, at rest {now}, {result:?}");
            assert!(most < HEAP * 2 / 3, "{most} bytes");
            assert!(what != "one certificate" || now < 10_000, "{now} bytes");
            assert_eq!(result, Ok(()));
        }
    }
}

// ---- OpenSSL ----

/// A process that ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(words: &[&str], at: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.args(words).current_dir(at).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// OpenSSL's server, which sends each line back reversed, and a connection to it.
fn reversing(at: &Path, more: &[&str]) -> (Ended, TcpStream) {
    let words =
        ["s_server", "-accept", "127.0.0.1:0", "-cert", "own.pem", "-key", "key.pem", "-rev"];
    let mut child = openssl(&[&words, more].concat(), at)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl");
    let said = BufReader::new(child.stdout.take().expect("its words"));
    let child = Ended(child);
    let place = said
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("ACCEPT ").map(|place| place.to_owned()));
    let socket = TcpStream::connect(place.expect("a port")).expect("a connection");
    socket.set_read_timeout(PATIENCE).expect("a limit");
    (child, socket)
}

fn ask(trust: &Trust, mut socket: TcpStream) -> Result<Vec<u8>, TlsError> {
    let config = TlsConfig::new(trust).expect("a configuration");
    let mut tls = Tls::new(&config, "ups.example").expect("a host");
    let (mut heard, mut asked) = (Vec::new(), false);
    let mut buffer = [0; 4096];
    while !heard.ends_with(b"\n") {
        if !tls.handshaking() && !asked {
            tls.seal(b"LIST UPS\n").expect("room");
            asked = true;
        }
        socket.write_all(tls.output()).expect("a server");
        tls.sent(usize::MAX);
        let count = socket.read(&mut buffer).expect("a server");
        assert!(count > 0, "it hung up");
        tls.receive(&buffer[..count], &mut |plain| heard.extend(plain))?;
    }
    Ok(heard)
}

#[test]
fn openssl_is_spoken_with() {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        return skip("needs openssl");
    }
    let at = std::env::temp_dir().join(format!("upsentry-tls-{}", std::process::id()));
    fs::create_dir_all(&at).expect("a directory");
    for key in ["rsa:2048", "ec:p256.pem"] {
        let made = openssl(&["ecparam", "-name", "prime256v1", "-out", "p256.pem"], &at).status();
        assert!(made.expect("openssl").success());
        // As NUT's manual has it made: a name that is no host's, and no other.
        let subject = ["-subj", "/CN=upsd"];
        let words =
            ["req", "-x509", "-nodes", "-newkey", key, "-keyout", "key.pem", "-out", "own.pem"];
        let made = openssl(&[&words[..], &subject].concat(), &at).status();
        assert!(made.expect("openssl").success());
        let pem = fs::read(at.join("own.pem")).expect("a certificate");
        let file = Trust::from_pem(&pem).expect("a certificate");
        for version in ["-tls1_2", "-tls1_3"] {
            let (_server, socket) = reversing(&at, &[version]);
            assert_eq!(ask(&file, socket).as_deref(), Ok(&b"SPU TSIL\n"[..]), "{key} {version}");
            let (_server, socket) = reversing(&at, &[version]);
            let pinned = |pin| Trust { anchors: Vec::new(), pin: Some(pin) };
            let Err(TlsError::OtherKey(pin)) = ask(&pinned([1; 32]), socket) else {
                panic!("{key} {version}")
            };
            let (_server, socket) = reversing(&at, &[version]);
            assert!(ask(&pinned(pin), socket).is_ok(), "{key} {version}");
        }
        let (_server, socket) = reversing(&at, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
        let old = ask(&file, socket);
        assert!(matches!(old, Err(TlsError::Alert(_) | TlsError::Protocol(_))), "{old:?}");
        println!("{old:?}");
    }
    // Without `req`, OpenSSL before 3.2 makes version 1.
    for words in [
        "req -new -key key.pem -subj /CN=upsd -out own.csr",
        "x509 -req -in own.csr -signkey key.pem -out own.pem",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        assert!(openssl(&words, &at).status().expect("openssl").success());
    }
    let pem = fs::read(at.join("own.pem")).expect("a certificate");
    let (_server, socket) = reversing(&at, &[]);
    let result = ask(&Trust::from_pem(&pem).expect("a certificate"), socket);
    assert!(matches!(result, Ok(_) | Err(TlsError::OldVersion)), "{result:?}");
    println!("{result:?}");
    let _ = fs::remove_dir_all(&at);
}
