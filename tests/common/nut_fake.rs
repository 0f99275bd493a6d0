//! A driver's socket with nobody honest behind it: says what a test wants, when it wants it.

use super::nut::{GROUP, Nut, OWNER};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What its threads share.
#[derive(Debug, Default)]
struct Shared {
    dump: Mutex<Vec<u8>>,
    clients: Mutex<Vec<UnixStream>>,
    deaf: AtomicBool,
    ended: AtomicBool,
    dumps: AtomicUsize,
}

/// In place of a dummy-ups; ended when dropped.
#[derive(Debug)]
pub struct Fake {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Listens as the dummy-ups of this name, which dumps this status and is fresh.
    pub fn new(nut: &Nut, name: &str, status: &str) -> Self {
        let path = nut.state().join(format!("dummy-ups-{name}"));
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        chown(&path, Some(OWNER), Some(GROUP)).expect("as root");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("its mode");
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || accept(&listener, &theirs));
        let fake = Self { path, shared, thread: Some(thread) };
        fake.dumps(&format!("SETINFO ups.status \"{status}\"\nDATAOK\nDUMPDONE\n"));
        fake
    }

    /// What it answers to DUMPALL from now on.
    pub fn dumps(&self, text: &str) {
        text.as_bytes().clone_into(&mut self.shared.dump.lock().expect("the dump"));
    }

    /// Answers nothing any more, or does again.
    pub fn deaf(&self, deaf: bool) {
        self.shared.deaf.store(deaf, Ordering::Relaxed);
    }

    /// How often a dump was asked for.
    pub fn asked(&self) -> usize {
        self.shared.dumps.load(Ordering::Relaxed)
    }

    /// Waits until a dump was asked for so often.
    pub fn wait_asked(&self, times: usize) {
        let end = Instant::now() + super::nut::LONG;
        while self.asked() < times {
            assert!(Instant::now() < end, "asked {} times, not {times}", self.asked());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Says this to whoever is connected; how many took all of it.
    pub fn say(&self, bytes: &[u8]) -> usize {
        let mut clients = self.shared.clients.lock().expect("the clients");
        clients.retain_mut(|client| client.write_all(bytes).is_ok());
        clients.len()
    }

    /// Changes the status.
    pub fn status(&self, status: &str) {
        self.say(format!("SETINFO ups.status \"{status}\"\n").as_bytes());
    }

    /// Hangs up on everybody.
    pub fn hang_up(&self) {
        for client in self.shared.clients.lock().expect("the clients").drain(..) {
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = UnixStream::connect(&self.path);
        self.hang_up();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for client in listener.incoming().flatten() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        // A client that does not read must not hold a test up.
        client.set_write_timeout(Some(Duration::from_secs(2))).expect("a socket");
        let reader = client.try_clone().expect("a socket");
        shared.clients.lock().expect("the clients").push(client);
        let shared = shared.clone();
        std::thread::spawn(move || serve(&reader, &shared));
    }
}

fn serve(client: &UnixStream, shared: &Shared) {
    for line in BufReader::new(client).lines() {
        let Ok(line) = line else { return };
        let deaf = shared.deaf.load(Ordering::Relaxed);
        let answer = match line.trim() {
            "DUMPALL" => {
                shared.dumps.fetch_add(1, Ordering::Relaxed);
                shared.dump.lock().expect("the dump").clone()
            }
            "PING" => b"PONG\n".to_vec(),
            _ => Vec::new(),
        };
        let mut to = client;
        if !deaf && to.write_all(&answer).is_err() {
            return;
        }
    }
}
