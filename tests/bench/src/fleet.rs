//! One master and very many slaves: how long until the last of them has a change.

use crate::event::Kind;
use crate::sim::{Rig, Setup};
use crate::{Row, beside, much};
use nix::sys::socket::{setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use upsentry::fleet::keys::Key;
use upsentry::fleet::seal::Keyring;
use upsentry::fleet::slave::{Settings, Slave};

const SECRET: [u8; 32] = [9; 32];
const PORT: u16 = 35_501;
/// Numbers of slaves.
const CURVE: [usize; 5] = [1, 10, 100, 1000, 10_000];
/// Changes told to each number of them.
const CHANGES: usize = 7;

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock").into()
}

/// The next datagram; `None`: none comes.
fn next(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if let Ok(found) = socket.recv_from(buffer) {
            return Some(found);
        }
    }
    None
}

/// A slave with a session and a name of its own.
fn slave(number: usize, master: SocketAddr) -> Slave {
    let settings = Settings {
        ring: Keyring::new(&[Key::from_bytes(&SECRET).expect("32 bytes")]),
        session: (number as u128).to_be_bytes(),
        name: format!("slave{number}"),
        ups: "ups".to_owned(),
        or_only: true,
        addresses: vec![master],
        deadtime: Duration::from_secs(3600),
    };
    Slave::new(settings, now())
}

/// Slaves as the master sees them: sessions and names of their own, behind one socket.
struct Slaves {
    socket: UdpSocket,
    all: Vec<Slave>,
}

impl Slaves {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        // Nobody may lose what the master sent in time.
        setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20)).expect("root");
        Self { socket, all: Vec::new() }
    }

    /// More of them, bound: two polls each.
    fn grow(&mut self, to: usize, master: SocketAddr) {
        for number in self.all.len()..to {
            let mut slave = slave(number, master);
            for turn in 0..2_u8 {
                let nonce = (number as u128 | u128::from(turn) << 100).to_be_bytes();
                let mut out = [0; 1400];
                let (length, _) = slave.poll(now(), nonce, &mut out).expect("a poll is due");
                self.socket.send_to(&out[..length], master).expect("sent");
                let mut buffer = [0; 1400];
                let (length, from) = next(&self.socket, &mut buffer).expect("an answer");
                slave.receive(now(), from.ip(), &buffer[..length]).expect("it counts");
            }
            self.all.push(slave);
        }
    }

    /// Takes so many pushes; when the last came, and what they are. `None`: some did not come.
    fn pushed(&self, count: usize) -> Option<(Duration, Vec<u8>)> {
        let mut buffer = [0; 1400];
        let mut length = 0;
        for _ in 0..count {
            (length, _) = next(&self.socket, &mut buffer)?;
        }
        Some((now(), buffer[..length].to_vec()))
    }

    /// All acknowledge a push, and what is answered to that is thrown away.
    fn acknowledge(&mut self, push: &[u8], master: SocketAddr) {
        let (mut buffer, mut out) = ([0; 1400], [0; 1400]);
        for (number, slave) in self.all.iter_mut().enumerate() {
            let copy = &mut buffer[..push.len()];
            copy.copy_from_slice(push);
            let taken = slave.receive(now(), master.ip(), copy);
            taken.expect("a push counts");
            let nonce =
                (number as u128 | u128::from(slave.next().subsec_nanos()) << 64).to_be_bytes();
            if let Some((length, to)) = slave.poll(now(), nonce, &mut out) {
                let _ = self.socket.send_to(&out[..length], to);
                // One by one, so that the master's socket holds them all.
                let _ = next(&self.socket, &mut out);
            }
        }
        let mut quiet = Instant::now();
        while quiet.elapsed() < Duration::from_millis(500) {
            if self.socket.recv_from(&mut out).is_ok() {
                quiet = Instant::now();
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// The memory that is its own of the monitor's process, in kB.
fn private(rig: &Rig) -> u64 {
    let named = |pid: &u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim() == "upsentry-mon"
    };
    let pid = rig.processes().into_iter().find(named).expect("the monitor");
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Changes of the line while the master's socket is flooded for half a minute: until init has each.
fn flooded(rig: &mut Rig, master: SocketAddr) -> Vec<Row> {
    let changes = much(100);
    println!("fleet: a flood of {} s", changes * 3 / 10);
    let mut times = Vec::new();
    // A real one, which is opened and answered each time, and what is refused at different depths: with a
    // broken seal, cut short, too long.
    let mut buffer = [0; 1400];
    let (length, _) = slave(usize::MAX, master).poll(now(), [1; 16], &mut buffer).expect("due");
    let mut real = vec![buffer[..length].to_vec(); 4];
    real[1][length - 1] ^= 1;
    real[2].truncate(40);
    real[3].resize(1400, 0);
    let stop = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let mut sent = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                for datagram in &real {
                    sent += u64::from(socket.send_to(datagram, master).is_ok());
                }
            }
            sent
        });
        for change in 0..changes {
            std::thread::sleep(Duration::from_millis(300));
            rig.command(&format!("set a cts={}", 1 - change % 2));
            let long = Duration::from_secs(5);
            let moved = rig.wait_for(|event| matches!(event.kind, Kind::In { .. }), long);
            let told = rig.wait_for(|event| matches!(event.kind, Kind::Init(_)), long);
            let (Some(moved), Some(told)) = (moved, told) else { continue };
            times.push(told.nanos - moved.nanos);
        }
        stop.store(true, Ordering::Relaxed);
        flood.join().expect("the flood")
    });
    times.sort_unstable();
    let at = |percent: usize| {
        times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
    };
    let ms = |percent| at(percent).map_or(f64::NAN, |nanos| *nanos as f64 / 1e6);
    let lost = changes - times.len();
    vec![
        Row::new(
            format!(
                "line to init under {} junk datagrams a second: median",
                sent * 10 / (changes as u64 * 3)
            ),
            format!("{:.2} ms", ms(50)),
        ),
        Row::new("  99th percentile", format!("{:.2} ms", ms(99)))
            .goal("under 20 ms", lost == 0 && ms(99) < 20.0),
        Row::new(format!("  not told, of {changes}"), lost.to_string()).goal("0", lost == 0),
    ]
}

/// A real daemon as master, its line moved by the simulator, slaves in this process.
pub fn rows() -> Vec<Row> {
    println!("fleet: {CHANGES} changes to up to {} slaves", CURVE[CURVE.len() - 1]);
    let setup = Setup::new().port("a", "cts=1,dcd=1");
    let key = setup.path("key");
    fs::write(&key, SECRET).expect("a key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("its mode");
    let path = |name| setup.path(name).display().to_string();
    let text = format!(
        "watch {}\nmodel power99\nsettle 300ms\ndebounce 0s\nvia initctl\ninitctl {}\nchroot {}\nstate-file {}\n\
         pid-file {}\nhistory-file {}\nstatus-socket none\nuser 64998\nnotifier-user 64999\nkey-file {}\n\
         listen 127.0.0.1\nport {PORT}\n",
        path("a"),
        path("initctl"),
        path("empty"),
        path("state"),
        path("pid"),
        path("history"),
        path("key"),
    );
    let conf = setup.write("conf", &text);
    let words = ["-c", conf.to_str().expect("a path"), "-f", "--log", "stderr"];
    let mut rig = setup.start(beside("upsentry"), &words);
    crate::measure::ready(&rig);
    let master = SocketAddr::from(([127, 0, 0, 1], PORT));
    let mut slaves = Slaves::new();
    let before = private(&rig);
    let mut rows = vec![Row::new("a change, until the last slave has it: median", "")];
    let mut level = 1;
    for count in CURVE {
        slaves.grow(count, master);
        let mut times = Vec::new();
        for _ in 0..CHANGES {
            level = 1 - level;
            let pushed = std::thread::scope(|scope| {
                // It waits already when the line moves.
                let waiter = scope.spawn(|| slaves.pushed(count));
                std::thread::sleep(Duration::from_millis(20));
                rig.command(&format!("set a cts={level}"));
                waiter.join().expect("the waiting thread")
            });
            let moved =
                rig.wait_for(|event| matches!(event.kind, Kind::In { .. }), Duration::from_secs(5));
            let moved = Duration::from_nanos(moved.expect("the line moves").nanos);
            let Some((last, push)) = pushed else { break };
            times.push(last.saturating_sub(moved));
            slaves.acknowledge(&push, master);
        }
        times.sort_unstable();
        let told = times.len() == CHANGES;
        let median = times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        let is = if told { format!("{median:.2} ms") } else { "not all were told".to_owned() };
        let row = Row::new(format!("  of {count}"), is);
        let most = count == CURVE[CURVE.len() - 1];
        rows.push(if most { row.goal("under 50 ms", told && median < 50.0) } else { row });
    }
    rows.extend(flooded(&mut rig, master));
    let each = (private(&rig) - before) * 1024 / CURVE[CURVE.len() - 1] as u64;
    rows.push(Row::new("memory for each slave, measured", format!("{each} bytes")));
    rows
}
