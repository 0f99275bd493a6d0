//! Inputs: levels, edges and when they happen.

use crate::common::need_root;
use crate::common::sim::{Event, Kind, Setup, tool};
use crate::{LONG, SHORT, called, ends, probe, traced};
use nix::sys::signal::Signal;
use std::time::Duration;

#[test]
fn levels_reach_the_program_and_an_edge_in_its_mask_wakes_it() {
    if !need_root() {
        return;
    }
    let mut rig = probe(traced("cts=1,dsr=1"), "get wait=dcd,cts get");
    called(&mut rig, "wait");
    rig.command("set a dsr=0");
    rig.expect("a in cts=1 dsr=0 dcd=0 rng=0 woke=0");
    assert_eq!(rig.wait_exit(SHORT), None, "woken by a line outside its mask");
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
    let mut rig = probe(traced("cts=1").option("--icount"), "get sleep=300 wait=cts icount");
    called(&mut rig, "get");
    rig.command("pulse a cts=0 5ms");
    rig.expect("a in cts=0 dsr=0 dcd=0 rng=0 woke=0");
    rig.expect("a in cts=1 dsr=0 dcd=0 rng=0 woke=0");
    called(&mut rig, "wait");
    assert_eq!(rig.wait_exit(SHORT), None, "woken by an edge before its call");
    rig.command("set a cts=0");
    assert_eq!(rig.wait_exit(LONG), Some(0));
    assert!(rig.stdout().ends_with("icount: [3, 0, 0, 0]\n"), "{}", rig.stdout());
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
    assert_eq!(rig.wait_exit(SHORT), None, "woken by an edge from before it went on");
    rig.command("set a cts=1");
    rig.expect("a in cts=1 dsr=0 dcd=0 rng=0 woke=1");
    assert_eq!(rig.wait_exit(LONG), Some(0));
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
    assert!(said.contains("get: ENOTTY") || said.contains("get: EINVAL"), "{said}");
}

#[test]
fn bounces_and_scripts_keep_their_times() {
    if !need_root() {
        return;
    }
    let script = "+20ms bounce a cts=0 7 2ms\n+50ms mark x\n".to_owned()
        + &"+5ms set a dcd=1\n+5ms set a dcd=0\n".repeat(50);
    let mut rig = Setup::new().port("a", "cts=1").script(&script).start("sleep", &["2"]);
    let Some(last) = rig.wait_for(|event| event.is("mark x"), LONG) else {
        panic!("{}", rig.log_text())
    };
    let start = rig.log().iter().find(|event| matches!(event.kind, Kind::Start(_))).unwrap().nanos;
    let bounces: Vec<Event> =
        rig.log().iter().filter(|event| event.nanos < last.nanos).cloned().collect();
    let bounces: Vec<&Event> =
        bounces.iter().filter(|event| matches!(event.kind, Kind::In { .. })).collect();
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
        assert!((due..due + 100_000_000).contains(&nanos), "change {turn}: {nanos}, due {due}");
    }
}

#[test]
fn a_thousand_changes_five_milliseconds_apart_none_lost() {
    if !need_root() {
        return;
    }
    let script = "+200ms mark go\n".to_owned()
        + &"+5ms set a cts=0\n+5ms set a cts=1\n".repeat(500)
        + "+200ms mark done\n";
    let setup = Setup::new().port("a", "cts=1").script(&script);
    let (tty, fifo) = (setup.tty("a"), setup.initctl());
    let mut rig = setup.start(tool("bareloop"), &[tty, fifo]);
    rig.expect("mark go");
    // The last change, not the last request: how many of those come is what we are here to see.
    rig.wait_for(|event| event.is("mark done"), 2 * LONG);
    let mut nanos = Vec::new();
    let mut change = None;
    let mut lost = 0;
    for event in rig.log() {
        match &event.kind {
            // The caller was not back inside TIOCMIWAIT: lost, as a real kernel loses it. If the loop is
            // still on its way to reading the lines it may see the level from before or after.
            Kind::In { woke: 0, .. } => {
                lost += 1;
                change = change.map(|(since, _)| (since, None));
            }
            Kind::In { cts, .. } => {
                assert_eq!(change, None, "no request before {}", event.text);
                change = Some((event.nanos, Some(*cts)));
            }
            Kind::Init(request) => {
                let (since, cts) = change.take().expect("a request without a change");
                if let Some(cts) = cts {
                    assert_eq!(request.name, if cts { "powerok" } else { "powerfail" });
                }
                nanos.push(event.nanos - since);
            }
            _ => {}
        }
    }
    nanos.sort_unstable();
    let (median, p99) = (nanos[nanos.len() / 2], nanos[nanos.len() * 99 / 100]);
    println!("{} requests, {lost} lost, median {median} ns, p99 {p99} ns", nanos.len());
    // Each edge that found its waiter came through. A busy machine may keep the loop from its call for
    // 5 ms now and then; at rest none is lost.
    assert_eq!(nanos.len() + lost, 1000);
    assert!(lost <= 100, "{lost} edges found nobody waiting");
    assert!(median < 1_000_000, "{median} ns");
}
