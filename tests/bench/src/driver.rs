//! From SETINFO on a NUT driver's socket to init's request, beside the shortest possible loop that does the same.

use crate::sim::Setup;
use crate::{Row, beside, measure, much};
use nix::time::{ClockId, clock_gettime};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::Duration;

/// Changes of each of the two.
const ALL_CHANGES: usize = 300;
/// Between two of one, as far as init is told of them apart.
const PERIOD: Duration = Duration::from_millis(220);
/// Whom the sockets belong to: nobody on this machine.
const GROUP: u32 = 64021;
/// The word on our command line that means the loop.
pub(crate) const LOOP: &str = "bare-driver-loop";

/// Reads a driver's socket and writes init's requests, and nothing else.
pub(crate) fn bare(socket: &Path, fifo: &Path) {
    let mut driver = UnixStream::connect(socket).expect("the socket");
    driver.write_all(b"DUMPALL\n").expect("the socket");
    let mut init = File::options().write(true).open(fifo).expect("init's FIFO");
    let mut told = None;
    for line in BufReader::new(driver).lines() {
        let Ok(line) = line else { return };
        let Some(status) = line.strip_prefix("SETINFO ups.status ") else { continue };
        let command = if status.contains("OB") { 2_i32 } else { 4 };
        let first = told.is_none();
        if told.replace(command) == Some(command) || first {
            continue;
        }
        let mut request = [0; 384];
        let words = [0x0309_1969, command, 0, 5].map(i32::to_ne_bytes);
        request[..16].copy_from_slice(words.as_flattened());
        init.write_all(&request).expect("init's FIFO");
    }
}

/// A driver's socket with this program behind it; its clients, once they have asked for a dump and had it.
fn listen(path: &Path) -> Receiver<UnixStream> {
    let listener = UnixListener::bind(path).expect("a socket");
    chown(path, None, Some(GROUP)).expect("as root");
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).expect("its mode");
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut asked = [0; 8];
            std::io::Read::read_exact(&mut client, &mut asked).expect("DUMPALL");
            client.write_all(b"SETINFO ups.status \"OL\"\nDATAOK\nDUMPDONE\n").expect("a client");
            let mut pings = BufReader::new(client.try_clone().expect("a socket"));
            let mut pongs = client.try_clone().expect("a socket");
            std::thread::spawn(move || {
                let mut line = String::new();
                while pings.read_line(&mut line).is_ok_and(|length| length > 0) {
                    let _ = pongs.write_all(b"PONG\n");
                }
            });
            if send.send(client).is_err() {
                return;
            }
        }
    });
    receive
}

fn configure(setup: &Setup) -> (PathBuf, PathBuf) {
    let state = setup.path("nut");
    fs::create_dir(&state).expect("a directory");
    chown(&state, None, Some(GROUP)).expect("as root");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o770)).expect("its mode");
    let ups_conf =
        format!("statepath = {}\n[dummy]\ndriver = dummy-ups\nport = none\n", state.display());
    let ups_conf = setup.write("ups.conf", &ups_conf);
    let watch = format!("watch driver:dummy\nups-conf {}\n", ups_conf.display());
    (measure::configure_with(setup, &watch), state)
}

/// Nanoseconds of the clock that the simulator's log has.
fn now() -> u64 {
    let now: Duration = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock").into();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn rows() -> Vec<Row> {
    let changes = much(ALL_CHANGES);
    let length = PERIOD * u32::try_from(changes).unwrap_or(0);
    println!("driver: {changes} changes of each, {} s", length.as_secs());
    let setup = Setup::new();
    let (conf, state) = configure(&setup);
    let ours = listen(&state.join("dummy-ups-dummy"));
    let bare = listen(&state.join("bare"));
    let all = format!(
        "{own} {LOOP} {socket} {fifo} & exec {daemon} -c {conf} -f --log stderr",
        own = std::env::current_exe().expect("our own path").display(),
        socket = state.join("bare").display(),
        fifo = setup.initctl().display(),
        daemon = beside("upsentry").display(),
        conf = conf.display()
    );
    let mut rig = setup.start("sh", &["-c", &all]);
    measure::ready(&rig);
    let mut sockets = [ours, bare].map(|clients| clients.recv().expect("a client"));
    sleep(Duration::from_secs(1));
    // When each began: ours and the loop's in turn.
    let mut began: Vec<u64> = Vec::new();
    for change in 0..changes {
        let status = if change % 2 == 0 { "OB DISCHRG" } else { "OL CHRG" };
        for socket in &mut sockets {
            began.push(now());
            socket
                .write_all(format!("SETINFO ups.status \"{status}\"\n").as_bytes())
                .expect("sent");
            sleep(PERIOD / 2);
        }
    }
    let inits = rig.inits();
    let mut times = [Vec::new(), Vec::new()];
    let mut lost = 0;
    for (place, at) in began.iter().enumerate() {
        let next = began.get(place + 1).copied().unwrap_or(u64::MAX);
        let mut told = inits.iter().filter(|request| (*at..next).contains(&request.nanos));
        match (told.next(), told.next()) {
            (Some(request), None) => times[place % 2].push(request.nanos - at),
            _ => lost += 1,
        }
    }
    times.iter_mut().for_each(|all| all.sort_unstable());
    table(&times, lost)
}

fn table(times: &[Vec<u64>; 2], lost: usize) -> Vec<Row> {
    let at = |percent: usize| {
        times
            .each_ref()
            .map(|all| all.get(all.len() * percent / 100).map_or(0.0, |nanos| *nanos as f64 / 1e6))
    };
    let ([ours, bare], [tail, bare_tail]) = (at(50), at(99));
    vec![
        Row::new("SETINFO on a driver's socket to init's FIFO: median", format!("{ours:.3} ms"))
            .goal("under 1 ms", ours < 1.0),
        Row::new("  a bare loop on such a socket beside it", format!("{bare:.3} ms")),
        Row::new("  ratio of the medians", format!("{:.2}", ours / bare)),
        Row::new("  99th percentile: ours, bare", format!("{tail:.3}, {bare_tail:.3} ms")),
        Row::new(format!("  not told, of {}", 2 * much(ALL_CHANGES)), lost.to_string())
            .goal("0", lost == 0),
    ]
}
