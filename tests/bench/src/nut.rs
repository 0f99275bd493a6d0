//! From a word on a NUT driver's socket to init's FIFO.

use crate::event::Kind;
use crate::sim::{Rig, Setup};
use crate::{Row, beside};
use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

const CHANGES: usize = 300;
const APART: Duration = Duration::from_millis(220);
/// The group of the socket; root's is not lent.
const GROUP: u32 = 64021;

/// A daemon that watches a driver of ours.
fn start(setup: Setup) -> (Rig, UnixStream) {
    let path = |name| setup.path(name).display().to_string();
    fs::create_dir(path("nut")).expect("a directory");
    let socket = setup.path("nut/dummy-ups-ups");
    let listener = UnixListener::bind(&socket).expect("a socket");
    for (path, mode) in [(setup.path("nut"), 0o770), (socket, 0o660)] {
        chown(&path, None, Some(GROUP)).expect("root");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
    }
    let ups = format!("statepath = {}\n[ups]\ndriver = dummy-ups\nport = auto\n", path("nut"));
    let text = format!(
        "watch driver:ups\nups-conf {}\nvia initctl\ninitctl {}\nchroot {}\nstate-file {}\npid-file {}\n\
         history-file {}\nstatus-socket none\nuser 64998\nnotifier-user 64999\n",
        setup.write("ups.conf", &ups).display(),
        path("initctl"),
        path("empty"),
        path("state"),
        path("pid"),
        path("history"),
    );
    let conf = setup.write("conf", &text);
    let words = ["-c", conf.to_str().expect("a path"), "-f", "--log", "stderr"];
    let rig = setup.start(beside("upsentry"), &words);
    let driver = listener.accept().expect("the daemon").0;
    let client = driver.try_clone().expect("a socket");
    std::thread::spawn(move || answer(&client));
    crate::measure::ready(&rig);
    (rig, driver)
}

/// A driver's answers.
fn answer(mut client: &UnixStream) {
    for line in BufReader::new(client).lines().map_while(Result::ok) {
        let text = match line.as_str() {
            "DUMPALL" => "SETINFO ups.status \"OL\"\nDATAOK\nDUMPDONE\n",
            "PING" => "PONG\n",
            _ => continue,
        };
        if client.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// Changes of the status, each until init has it.
pub fn rows() -> Vec<Row> {
    println!("nut: {CHANGES} changes of a status");
    let (mut rig, mut driver) = start(Setup::new());
    let mut times = Vec::new();
    for change in 0..CHANGES {
        std::thread::sleep(APART);
        let status = if change % 2 == 0 { "OB" } else { "OL" };
        let began: Duration = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock").into();
        driver
            .write_all(format!("SETINFO ups.status \"{status}\"\n").as_bytes())
            .expect("the daemon reads");
        let told =
            rig.wait_for(|event| matches!(event.kind, Kind::Init(_)), Duration::from_secs(5));
        let Some(told) = told else { continue };
        times.push(Duration::from_nanos(told.nanos).saturating_sub(began));
    }
    times.sort_unstable();
    let at = |percent: usize| {
        times.get(times.len() * percent / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let lost = CHANGES - times.len();
    vec![
        Row::new("a NUT driver's SETINFO to init's FIFO: median", format!("{:.3} ms", at(50)))
            .goal("under 1 ms", at(50) < 1.0),
        Row::new("  90th percentile", format!("{:.3} ms", at(90))),
        Row::new("  99th percentile", format!("{:.3} ms", at(99))),
        Row::new(format!("  not told, of {CHANGES}"), lost.to_string()).goal("0", lost == 0),
    ]
}
