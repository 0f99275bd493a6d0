//! The program that looks names up, as nobody and with nothing in its memory: names on standard input, a line
//! each; on standard output, for each that resolves, its place and its addresses.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::fd::AsFd as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::prctl;
use nix::unistd::{dup2_stderr, write};

use crate::config::places::{MOST_ADDRESSES, entry};
use crate::sys::{process, raw};

/// The word on the command line that means this.
pub const COMMAND: &CStr = c"look-up-names";
/// Names that are looked up at one time: one whose server is silent holds up no other.
const AT_ONCE: usize = 32;
/// Enough for the C library's resolver.
const STACK: usize = 256 << 10;
/// More than the names of ten thousand hosts.
const LARGEST: u64 = 4 << 20;

/// Answers until all names are looked up or somebody has enough; the exit status.
pub fn main() -> u8 {
    // What the C library has to say is of no use to who asked; there is nothing that could be written to.
    let mute = File::open("/dev/null").is_ok_and(|null| dup2_stderr(null).is_ok());
    // Exec has made it so again.
    let _ = prctl::set_dumpable(false);
    process::name(c"upsentry-names");
    raw::one_arena();
    let mut text = String::new();
    if !mute || std::io::stdin().take(LARGEST).read_to_string(&mut text).is_err() {
        return 1;
    }
    let names: Vec<&str> = text.lines().collect();
    let (next, output) = (AtomicUsize::new(0), Mutex::new(std::io::stdout()));
    let work = || {
        while let Some((place, name)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            names.get(place).map(|name| (place, name))
        } {
            let Some(entry) = entry(place, &addresses(name)) else { continue };
            let Ok(output) = output.lock() else { return };
            // In one call: who asked may have enough at any time.
            if write(output.as_fd(), &entry) != Ok(entry.len()) {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(names.len()) {
            let thread = std::thread::Builder::new().stack_size(STACK);
            if thread.spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    0
}

/// All of them, each once, IPv4 as such.
fn addresses(name: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    // The port is not part of the question.
    for address in (name, 0).to_socket_addrs().into_iter().flatten() {
        let address = address.ip().to_canonical();
        if found.len() < MOST_ADDRESSES && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}
