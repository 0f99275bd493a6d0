//! The simulator's own tests: small unmodified programs on its ports. If these hold, what the daemon's
//! tests say about lines and init can be believed.

mod common;

use common::need_root;
use common::sim::{Event, Kind, Rig, Setup, tool};
use nix::sys::signal::Signal;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(10);

/// Runs `probe` with these steps on port `a`.
fn probe(setup: Setup, steps: &str) -> Rig {
    let tty = setup.tty("a").to_str().unwrap().to_owned();
    let words: Vec<&str> = std::iter::once(tty.as_str())
        .chain(steps.split(' '))
        .collect();
    setup.start(tool("probe"), &words)
}

/// A traced port `a`, so that a test can wait until the program is inside a call.
fn traced(levels: &str) -> Setup {
    Setup::new().port("a", levels).option("--trace")
}

/// Waits until the program has called this.
fn called(rig: &mut Rig, name: &str) {
    let call = format!("a call {name} ");
    let found = rig.wait_for(|event| event.text.starts_with(&call), LONG);
    assert!(
        found.is_some(),
        "no {call}: {} {}",
        rig.log_text(),
        rig.stderr()
    );
}

fn ends(rig: &mut Rig, output: &[&str]) {
    assert_eq!(
        rig.wait_exit(LONG),
        Some(0),
        "{} {}",
        rig.log_text(),
        rig.stderr()
    );
    assert_eq!(
        rig.stdout().lines().collect::<Vec<_>>(),
        output,
        "{}",
        rig.log_text()
    );
}

#[test]
fn levels_reach_the_program_and_an_edge_in_its_mask_wakes_it() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced("cts=1,dsr=1"), "get wait=dcd,cts get");
    called(&mut rig, "wait");
    rig.command("set a dsr=0");
    rig.expect("a in cts=1 dsr=0 dcd=0 rng=0 woke=0");
    assert_eq!(
        rig.wait_exit(SHORT),
        None,
        "woken by a line outside its mask"
    );
    rig.command("set a cts=0 dcd=1");
    rig.expect("a in cts=0 dsr=0 dcd=1 rng=0 woke=1");
    ends(
        &mut rig,
        &[
            "get: cts=1 dsr=1 dcd=0 rng=0 dtr=1 rts=1",
            "wait=dcd,cts: ok",
            "get: cts=0 dsr=0 dcd=1 rng=0 dtr=1 rts=1",
        ],
    );
}

#[test]
fn the_end_of_a_ring_wakes_and_its_beginning_does_not() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced(""), "wait=rng");
    called(&mut rig, "wait");
    rig.command("set a rng=1");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=1 woke=0");
    rig.command("set a rng=0");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=0 woke=1");
    ends(&mut rig, &["wait=rng: ok"]);
}

#[test]
fn an_edge_between_two_calls_is_lost_but_counted() {
    if !need_root() {
        return;
    }
    let mut rig = probe(
        traced("cts=1").option("--icount"),
        "get sleep=300 wait=cts icount",
    );
    called(&mut rig, "get");
    rig.command("pulse a cts=0 5ms");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=0 woke=0");
    rig.expect("a in cts=1 dsr=0 dcd=0 rng=0 woke=0");
    called(&mut rig, "wait");
    assert_eq!(
        rig.wait_exit(SHORT),
        None,
        "woken by an edge before its call"
    );
    rig.command("set a cts=0");
    assert_eq!(rig.wait_exit(LONG), Some(0));
    assert!(
        rig.stdout().ends_with("icount: [3, 0, 0, 0]\n"),
        "{}",
        rig.stdout()
    );
}

#[test]
fn a_stopped_program_misses_edges_as_on_a_real_port() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced("cts=1"), "wait=cts get");
    called(&mut rig, "wait");
    rig.signal(Signal::SIGSTOP);
    std::thread::sleep(SHORT);
    rig.command("set a cts=0");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=0 woke=0");
    rig.signal(Signal::SIGCONT);
    called(&mut rig, "wait");
    assert_eq!(
        rig.wait_exit(SHORT),
        None,
        "woken by an edge from before it went on"
    );
    rig.command("set a cts=1");
    rig.expect("a in cts=1 dsr=0 dcd=0 rng=0 woke=1");
    assert_eq!(rig.wait_exit(LONG), Some(0));
}

/// What a UPS's kill line sees: levels by who drove them, and the settings at that moment.
fn outputs(rig: &mut Rig) -> Vec<String> {
    let outs = rig
        .log()
        .iter()
        .filter(|event| matches!(event.kind, Kind::Out { .. }));
    outs.map(|event| event.text.trim_start_matches("a out ").to_owned())
        .collect()
}

#[test]
fn outputs_move_at_open_and_close_unless_speed_is_zero_and_hupcl_off() {
    if !need_root() {
        return;
    }
    let steps = "speed=0 hupcl=0 set=rts bis=dtr bic=rts";
    let setup = Setup::new().port("a", "");
    let tty = setup.tty("a").to_str().unwrap().to_owned();
    let mut rig = setup.start("sh", &["-s"]);
    let probe = tool("probe");
    rig.input(&format!(
        "{} {tty} {steps}; {} {tty} get speed=9600; exit",
        probe.display(),
        probe.display()
    ));
    assert_eq!(rig.wait_exit(LONG), Some(0));
    assert!(
        rig.stdout()
            .contains("get: cts=0 dsr=0 dcd=0 rng=0 dtr=1 rts=0"),
        "{}",
        rig.stdout()
    );
    assert_eq!(
        outputs(&mut rig),
        [
            "dtr=1 rts=1 by=open speed=9600 clocal=1 hupcl=1",
            "dtr=0 rts=0 by=speed speed=0 clocal=1 hupcl=1",
            "dtr=0 rts=1 by=set speed=0 clocal=1 hupcl=0",
            "dtr=1 rts=1 by=bis speed=0 clocal=1 hupcl=0",
            "dtr=1 rts=0 by=bic speed=0 clocal=1 hupcl=0",
            // Closed with hupcl off and opened at speed 0: nothing moved until the speed did.
            "dtr=1 rts=1 by=speed speed=9600 clocal=1 hupcl=0",
        ]
    );
    let opens = rig.log().iter().filter(|event| event.is("a open")).count();
    let closes = rig.log().iter().filter(|event| event.is("a close")).count();
    assert_eq!((opens, closes), (2, 2), "{}", rig.log_text());
}

#[test]
fn hupcl_lowers_the_outputs_at_the_last_close() {
    if !need_root() {
        return;
    }
    let mut rig = probe(Setup::new().port("a", ""), "get");
    assert_eq!(rig.wait_exit(LONG), Some(0));
    let last = outputs(&mut rig).pop();
    assert_eq!(
        last.as_deref(),
        Some("dtr=0 rts=0 by=close speed=9600 clocal=1 hupcl=1")
    );
}

#[test]
fn exclusive_use_ends_with_the_last_close() {
    if !need_root() {
        return;
    }
    let setup = Setup::new().port("a", "");
    let tty = setup.tty("a").to_str().unwrap().to_owned();
    let mut rig = setup.start("sh", &["-s"]);
    let probe = tool("probe");
    // An unprivileged program must be able to open the tty again: root always can.
    rig.input(&format!("{} {tty} excl", probe.display()));
    rig.expect("a close");
    rig.input(&format!(
        "chmod 666 {tty}; setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'exec 3<>{tty}'"
    ));
    rig.expect("a open");
    rig.close_input();
    assert_eq!(rig.wait_exit(LONG), Some(0), "{}", rig.stderr());
}

#[test]
fn breaks_are_logged_and_a_timed_one_takes_its_time() {
    if !need_root() {
        return;
    }
    let mut rig = probe(Setup::new().port("a", ""), "break=on break=off sendbreak");
    ends(
        &mut rig,
        &["break=on: ok", "break=off: ok", "sendbreak: ok"],
    );
    let breaks: Vec<Event> = rig
        .log()
        .iter()
        .filter(|event| matches!(event.kind, Kind::Break { .. }))
        .cloned()
        .collect();
    let texts: Vec<&str> = breaks.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(
        texts,
        ["a break on", "a break off", "a break on", "a break off"]
    );
    let long = breaks[3].nanos - breaks[2].nanos;
    assert!((250_000_000..500_000_000).contains(&long), "{long}");
}

#[test]
fn a_refused_wait_and_a_dead_adapter_fail_as_told() {
    if !need_root() {
        return;
    }
    let setup = traced("cts=1").option("--refuse-miwait=EINVAL");
    let mut rig = probe(
        setup,
        "wait=cts get sleep=300 wait=cts wait=cts get sleep=300 get",
    );
    called(&mut rig, "get");
    rig.command("refuse a off");
    called(&mut rig, "wait");
    rig.command("refuse a on ENOTTY");
    rig.expect("a refuse ENOTTY");
    called(&mut rig, "get");
    rig.command("eio a on");
    rig.expect("a eio on");
    let want = [
        "wait=cts: EINVAL",
        "wait=cts: ENOTTY",
        "wait=cts: ENOTTY",
        "get: EIO",
    ];
    assert_eq!(rig.wait_exit(LONG), Some(0), "{}", rig.stderr());
    let said = rig.stdout();
    let failed: Vec<&str> = said.lines().filter(|line| line.contains(": E")).collect();
    assert_eq!(failed, want, "{said}");
}

#[test]
fn an_unplugged_adapter_ends_the_wait_and_takes_its_file_along() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced("cts=1"), "wait=cts get sleep=300 get reopen get");
    called(&mut rig, "wait");
    rig.command("unplug a");
    called(&mut rig, "get");
    assert!(!rig.setup().tty("a").is_symlink());
    rig.command("plug a");
    rig.expect("a plug");
    ends(
        &mut rig,
        &[
            "wait=cts: EIO",
            "get: EIO",
            "sleep=300: ok",
            // Plugged again, but this descriptor is of the adapter that was there before.
            "get: EIO",
            "reopen: ok",
            "get: cts=1 dsr=0 dcd=0 rng=0 dtr=1 rts=1",
        ],
    );
}

#[test]
fn without_clocal_the_carrier_hangs_the_port_up() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced("dcd=1"), "clocal=0 wait=dcd get reopen get");
    called(&mut rig, "wait");
    rig.command("set a dcd=0");
    rig.expect("a hangup");
    ends(
        &mut rig,
        &[
            "clocal=0: ok",
            "wait=dcd: ok",
            "get: EIO",
            "reopen: ok",
            "get: cts=0 dsr=0 dcd=0 rng=0 dtr=1 rts=1",
        ],
    );
}

#[test]
fn confined_programs_are_served() {
    if !need_root() {
        return;
    }
    // Root is gone, memory is not dumpable, a filter of its own lies over ours, and a thread calls.
    let mut rig = probe(traced("cts=1"), "drop filter get bic=rts threads=cts,dcd");
    called(&mut rig, "wait");
    called(&mut rig, "wait");
    let pid = rig.pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "CapEff:\t0000000000000000",
        "Seccomp_filters:\t2",
    ] {
        assert!(status.contains(line), "no {line} in {status}");
    }
    rig.command("set a cts=0");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=0 woke=1");
    rig.command("set a dcd=1");
    rig.expect("a in cts=0 dsr=0 dcd=1 rng=0 woke=1");
    ends(
        &mut rig,
        &[
            "drop: ok",
            "filter: ok",
            "get: cts=1 dsr=0 dcd=0 rng=0 dtr=1 rts=1",
            "bic=rts: ok",
            "thread cts: Ok(())",
            "thread dcd: Ok(())",
            "threads=cts,dcd: ok",
        ],
    );
}

#[test]
fn rights_can_be_regained_under_the_filter() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().start(
        "grep",
        &["-E", "^(NoNewPrivs|Seccomp):", "/proc/self/status"],
    );
    ends(&mut rig, &["NoNewPrivs:\t0", "Seccomp:\t2"]);
}

#[test]
fn other_ttys_are_left_to_the_kernel() {
    if !need_root() {
        return;
    }
    let mut rig = probe(Setup::new().port("b", ""), "get");
    // There is no port `a`, so the probe cannot open it.
    assert_eq!(rig.wait_exit(LONG), Some(1));
    let setup = Setup::new().port("b", "");
    let mut rig = setup.start(tool("probe"), &["/dev/ptmx", "get", "wait=cts"]);
    assert_eq!(rig.wait_exit(LONG), Some(0));
    let said = rig.stdout();
    assert!(
        said.contains("get: ENOTTY") || said.contains("get: EINVAL"),
        "{said}"
    );
}

#[test]
fn the_command_s_end_is_ours_and_nothing_is_left() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new()
        .port("a", "")
        .start("sh", &["-c", "sleep 60 & exit 7"]);
    let (link, fifo) = (rig.setup().tty("a"), rig.setup().initctl());
    assert_eq!(rig.wait_exit(LONG), Some(7));
    rig.expect("exit 7");
    rig.expect("gone");
    assert!(!link.is_symlink() && !fifo.exists());
    let mut rig = Setup::new().start("sh", &["-c", "kill -9 $$"]);
    assert_eq!(rig.wait_exit(LONG), Some(137));
}

#[test]
fn what_daemonizes_is_waited_for_and_served() {
    if !need_root() {
        return;
    }
    let mut rig = probe(
        traced("cts=1").option("--until-gone"),
        "daemon sleep=200 wait=cts",
    );
    rig.expect("exit 0");
    called(&mut rig, "wait");
    assert_eq!(rig.processes().len(), 1);
    rig.command("set a cts=0");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=0 woke=1");
    ends(&mut rig, &["sleep=200: ok", "wait=cts: ok"]);
}

#[test]
fn signals_go_through_and_the_command_does_not_outlive_us() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().start("sleep", &["60"]);
    let sim = nix::unistd::Pid::from_raw(i32::try_from(rig.sim_pid()).unwrap());
    nix::sys::signal::kill(sim, Signal::SIGTERM).unwrap();
    assert_eq!(rig.wait_exit(LONG), Some(143));
    rig.expect("exit signal 15");

    let mut rig = Setup::new().start("sleep", &["60"]);
    let pid = rig.pid();
    let sim = nix::unistd::Pid::from_raw(i32::try_from(rig.sim_pid()).unwrap());
    nix::sys::signal::kill(sim, Signal::SIGKILL).unwrap();
    rig.wait_exit(LONG);
    for _ in 0..100 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A zombie of a pid 1 that does not reap is as gone as it gets.
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{pid} outlived the simulator");
}

#[test]
fn bounces_and_scripts_keep_their_times() {
    if !need_root() {
        return;
    }
    let script = "+20ms bounce a cts=0 7 2ms\n+50ms mark x\n".to_owned()
        + &"+5ms set a dcd=1\n+5ms set a dcd=0\n".repeat(50);
    let mut rig = Setup::new()
        .port("a", "cts=1")
        .script(&script)
        .start("sleep", &["2"]);
    let Some(last) = rig.wait_for(|event| event.is("mark x"), LONG) else {
        panic!("{}", rig.log_text())
    };
    let start = rig
        .log()
        .iter()
        .find(|event| matches!(event.kind, Kind::Start(_)))
        .unwrap()
        .nanos;
    let bounces: Vec<Event> = rig
        .log()
        .iter()
        .filter(|event| event.nanos < last.nanos)
        .cloned()
        .collect();
    let bounces: Vec<&Event> = bounces
        .iter()
        .filter(|event| matches!(event.kind, Kind::In { .. }))
        .collect();
    assert_eq!(bounces.len(), 7, "{}", rig.log_text());
    assert_eq!(bounces[6].text, "a in cts=0 dsr=0 dcd=0 rng=0 woke=0");
    std::thread::sleep(Duration::from_millis(600));
    let changes: Vec<u64> = rig
        .log()
        .iter()
        .filter(|event| event.nanos > last.nanos && matches!(event.kind, Kind::In { .. }))
        .map(|event| event.nanos - start)
        .collect();
    assert_eq!(changes.len(), 100);
    for (turn, nanos) in (1..).zip(changes) {
        let due = 70_000_000 + turn * 5_000_000;
        // Never early, and late only as the machine is: a lateness that added up would pass this soon.
        assert!(
            (due..due + 50_000_000).contains(&nanos),
            "change {turn}: {nanos}, due {due}"
        );
    }
}

#[test]
fn wrong_commands_are_errors_in_the_log_and_nothing_else() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().port("a", "").start("sleep", &["60"]);
    for (command, error) in [
        ("sett a cts=1", "error no command `sett`"),
        ("set b cts=1", "error no port `b`"),
        (
            "set a cts=2",
            "error the level of cts is `2`, neither 0 nor 1",
        ),
    ] {
        rig.command(command);
        rig.expect(error);
    }
    rig.command("mark still here");
    rig.expect("mark still here");
    assert_eq!(rig.stop(), Some(143));
}

/// A request as init's own tools write it.
fn request(cmd: u32, level: u8, data: &[u8]) -> Vec<u8> {
    let words = [0x0309_1969, cmd, u32::from(level), 5];
    let mut bytes: Vec<u8> = words
        .iter()
        .flat_map(|word: &u32| word.to_ne_bytes())
        .collect();
    bytes.extend_from_slice(data);
    bytes.resize(384, 0);
    bytes
}

fn writer(rig: &Rig) -> std::io::Result<fs::File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(rig.setup().initctl())
}

#[test]
fn init_decodes_what_it_is_told() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().start("sleep", &["60"]);
    let mut fifo = writer(&rig).unwrap();
    let mut both = request(6, 0, b"INIT_HALT=POWEROFF\0");
    both.extend(request(1, b'0', b""));
    fifo.write_all(&both).unwrap();
    rig.expect("init setenv cmd=6 runlevel=- sleep=5 env=INIT_HALT=POWEROFF size=384");
    rig.expect("init runlevel cmd=1 runlevel=0 sleep=5 size=384");
    fifo.write_all(b"short").unwrap();
    rig.expect("init bogus size=5");
    let inits = rig.inits();
    let names: Vec<&str> = inits.iter().map(|init| init.name.as_str()).collect();
    assert_eq!(names, ["setenv", "runlevel", "bogus"]);
    assert_eq!(
        (inits[0].env[0].as_str(), inits[1].runlevel.as_str()),
        ("INIT_HALT=POWEROFF", "0")
    );
}

#[test]
fn init_stops_closes_and_moves_as_a_real_one() {
    if !need_root() {
        return;
    }
    let mut rig = Setup::new().start("sleep", &["60"]);
    let mut fifo = writer(&rig).unwrap();
    rig.command("stop-init");
    rig.expect("init stop");
    let full = (0..).find_map(|count| {
        fifo.write_all(&request(2, 0, b""))
            .err()
            .map(|error| (count, error.kind()))
    });
    assert_eq!(full, Some((160, std::io::ErrorKind::WouldBlock)));
    rig.command("start-init");
    assert_eq!(rig.wait_inits(160, LONG).len(), 160);

    rig.command("close-init");
    rig.expect("init close");
    assert_eq!(
        fifo.write_all(&request(2, 0, b"")).unwrap_err().kind(),
        std::io::ErrorKind::BrokenPipe
    );
    assert_eq!(
        writer(&rig).unwrap_err().raw_os_error(),
        Some(nix::libc::ENXIO)
    );
    rig.command("open-init");
    rig.expect("init open");
    fifo.write_all(&request(4, 0, b"")).unwrap();
    rig.expect("init powerok cmd=4 runlevel=- sleep=5 size=384");

    rig.command("unlink-init");
    rig.command("open-init");
    rig.expect("init open");
    assert_eq!(
        fifo.write_all(&request(4, 0, b"")).unwrap_err().kind(),
        std::io::ErrorKind::BrokenPipe
    );
    writer(&rig)
        .unwrap()
        .write_all(&request(3, 0, b""))
        .unwrap();
    rig.expect("init powerfailnow cmd=3 runlevel=- sleep=5 size=384");
}

#[test]
fn a_thousand_changes_five_milliseconds_apart_none_lost() {
    if !need_root() {
        return;
    }
    let script =
        "+200ms mark go\n".to_owned() + &"+5ms set a cts=0\n+5ms set a cts=1\n".repeat(500);
    let setup = Setup::new().port("a", "cts=1").script(&script);
    let (tty, fifo) = (setup.tty("a"), setup.initctl());
    let mut rig = setup.start(tool("bareloop"), &[tty, fifo]);
    rig.expect("mark go");
    rig.wait_inits(1000, LONG);
    let mut nanos = Vec::new();
    let mut change = None;
    let mut lost = 0;
    for event in rig.log() {
        match &event.kind {
            // The caller was not back inside TIOCMIWAIT: lost, as a real kernel loses it.
            Kind::In { woke: 0, .. } => lost += 1,
            Kind::In { cts, .. } => {
                assert_eq!(
                    change, None,
                    "a change without a request before {}",
                    event.text
                );
                change = Some((event.nanos, *cts));
            }
            Kind::Init(request) => {
                let (since, cts) = change.take().expect("a request without a change");
                assert_eq!(request.name, if cts { "powerok" } else { "powerfail" });
                nanos.push(event.nanos - since);
            }
            _ => {}
        }
    }
    nanos.sort_unstable();
    println!(
        "{} requests, median {} ns, p99 {} ns",
        nanos.len(),
        nanos[nanos.len() / 2],
        nanos[nanos.len() * 99 / 100]
    );
    // Each edge that found its waiter came through. A busy machine may keep the loop from its call for 5 ms.
    assert_eq!(nanos.len() + lost, 1000);
    assert!(lost <= 10, "{lost} edges found nobody waiting");
    assert!(
        nanos[nanos.len() / 2] < 1_000_000,
        "{} ns",
        nanos[nanos.len() / 2]
    );
}
