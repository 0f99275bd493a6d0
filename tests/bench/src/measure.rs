//! What must run to be measured.

use crate::event::Kind;
use crate::sim::{Rig, Setup, tool};
use crate::{Row, beside, much};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Changes of each of the three lines: the daemon's and those of the two loops.
const ALL_CHANGES: usize = 300;
/// At rest for so long.
const REST: usize = 70;
/// Memory is looked at so often in that time.
const SAMPLES: u32 = 7;
/// So many programs are started beside it.
const OTHERS: usize = 10;

fn changes() -> usize {
    much(ALL_CHANGES)
}

/// In memory, as /run is on most machines.
const STATE: &str = "/dev/shm/upsentry-bench.state";

fn configure(setup: &Setup, more: &str) -> PathBuf {
    let port = setup.tty("a");
    let watch = format!("watch {}\nmodel power99\nsettle 300ms\n{more}", port.display());
    configure_with(setup, &watch)
}

/// With these lines, which say what is watched.
pub(crate) fn configure_with(setup: &Setup, watch: &str) -> PathBuf {
    let path = |name| setup.path(name).display().to_string();
    let text = format!(
        "via initctl\ninitctl {}\nchroot {}\nstate-file {}\npid-file {}\nhistory-file {}\n\
         status-socket none\nuser 64998\nnotifier-user 64999\n{watch}",
        path("initctl"),
        path("empty"),
        STATE,
        path("pid"),
        path("history")
    );
    setup.write("conf", &text)
}

pub(crate) fn ready(rig: &Rig) {
    let end = Instant::now() + Duration::from_secs(10);
    while !rig.stderr().contains("ready: ") {
        assert!(Instant::now() < end, "the daemon does not start: {}", rig.stderr());
        sleep(Duration::from_millis(10));
    }
}

/// The latency twice: with all processes free to move, and with all on one processor, where the time does not
/// hang on how long another processor takes to wake up.
pub fn latency() -> Vec<Row> {
    let mut rows = way(
        "line to init's FIFO, debounce 0: median",
        &turns("with every processor"),
        Some("at most 1.5"),
    );
    let every = sched_getaffinity(Pid::from_raw(0)).expect("the processors");
    let mut one = CpuSet::new();
    let first = (0..CpuSet::count()).find(|cpu| every.is_set(*cpu).unwrap_or(false));
    one.set(first.expect("a processor")).expect("a processor");
    // What is started from here inherits it.
    sched_setaffinity(Pid::from_raw(0), &one).expect("to one processor");
    let times = turns("all on one processor");
    sched_setaffinity(Pid::from_raw(0), &every).expect("back to all");
    rows.extend(way("the same, all on one processor: median", &times, None));
    rows
}

/// Nanoseconds from a line's change to the request, in order of size.
struct Times {
    ours: Vec<u64>,
    bare: Vec<u64>,
    /// The bare loop in two processes.
    two: Vec<u64>,
    lost: usize,
}

fn way(what: &str, times: &Times, goal: Option<&'static str>) -> Vec<Row> {
    let at = |all: &[u64], percent: usize| {
        all.get(all.len() * percent / 100).map_or(0.0, |nanos| *nanos as f64 / 1e6)
    };
    let (ours, bare, two) = (at(&times.ours, 50), at(&times.bare, 50), at(&times.two, 50));
    let tail = |percent| {
        let [ours, bare, two] = [&times.ours, &times.bare, &times.two].map(|all| at(all, percent));
        let what = format!("  {percent}th percentile: ours, bare, in two");
        Row::new(what, format!("{ours:.3}, {bare:.3}, {two:.3} ms"))
    };
    let ratio = Row::new("  ratio of the medians", format!("{:.2}", ours / bare));
    vec![
        Row::new(what, format!("{ours:.3} ms")),
        Row::new("  the bare TIOCMIWAIT loop beside it", format!("{bare:.3} ms")),
        match goal {
            Some(goal) => ratio.goal(goal, ours / bare <= 1.5),
            None => ratio,
        },
        Row::new("  more than the loop", format!("{:.3} ms", ours - bare)),
        Row::new("  the bare loop in two processes, with a pipe", format!("{two:.3} ms")),
        Row::new("  ratio to the bare loop in two processes", format!("{:.2}", ours / two)),
        tail(90),
        tail(99),
        Row::new(format!("  not told, of {}", 3 * changes()), times.lost.to_string())
            .goal("0", times.lost == 0),
    ]
}

/// The daemon on port `a`, the bare loop on port `b`, the one in two processes on port `c`, all under one
/// simulator, in turn.
fn turns(where_: &str) -> Times {
    // Away from the times at which the daemon reads again by itself: 20, 100 and 250 ms after its last change.
    let period = Duration::from_millis(220);
    let length = period * u32::try_from(changes()).unwrap_or(0);
    println!("latency, {where_}: {} changes of each, {} s", changes(), length.as_secs());
    let setup = Setup::new().port("a", "cts=1,dcd=1").port("b", "cts=1").port("c", "cts=1");
    let conf = configure(&setup, "debounce 0s\n");
    let mut script = String::from("2s mark begin\n");
    for change in 1..=changes() {
        let level = (change + 1) % 2;
        let _ = writeln!(
            script,
            "+70ms set a cts={level}\n+60ms set b cts={level}\n+90ms set c cts={level}"
        );
    }
    script.push_str("+500ms mark end\n");
    let setup = setup.script(&script);
    let all = format!(
        "{loop_} {b} {fifo} & {loop_} --two {c} {fifo} & exec {daemon} -c {conf} -f --log stderr",
        loop_ = tool("bareloop").display(),
        b = setup.tty("b").display(),
        c = setup.tty("c").display(),
        fifo = setup.initctl().display(),
        daemon = beside("upsentry").display(),
        conf = conf.display()
    );
    let mut rig = setup.start("sh", &["-c", &all]);
    ready(&rig);
    rig.wait_for(|event| event.is("mark end"), length + Duration::from_secs(30))
        .unwrap_or_else(|| panic!("the script did not end: {}", rig.stderr()));
    let _ = fs::remove_file(STATE);
    let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut moved: Option<(String, u64)> = None;
    let mut wrong = 0;
    for event in rig.log() {
        match &event.kind {
            Kind::In { port, .. } => {
                wrong += usize::from(moved.is_some());
                moved = Some((port.clone(), event.nanos));
            }
            Kind::Init(request) => match moved.take() {
                Some((port, at)) => times.entry(port).or_default().push(request.nanos - at),
                None => wrong += 1,
            },
            _ => {}
        }
    }
    let mut of = |port: &str| {
        let mut all = times.remove(port).unwrap_or_default();
        all.sort_unstable();
        all
    };
    let (ours, bare, two) = (of("a"), of("b"), of("c"));
    let lost = 3 * changes() - ours.len() - bare.len() - two.len() + wrong;
    Times { ours, bare, two, lost }
}

/// A field of a file of /proc, in its unit.
fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Sleeps and wake-ups of all threads of a process.
fn switches(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let tasks = tasks.flatten().map(|task| task.path().join("status").display().to_string());
    tasks.map(|path| field(&path, "voluntary_ctxt_switches")).sum()
}

/// PSS of these, in kB, while there are others that use the C library, as there are on any machine: the pages of it that
/// they use as well are divided among all.
fn beside_others(pids: &[u32]) -> u64 {
    let start = |_| Command::new("sleep").arg("60").spawn().expect("sleep");
    let mut others: Vec<Child> = (0..OTHERS).map(start).collect();
    sleep(Duration::from_millis(500));
    let pss = pids.iter().map(|pid| field(&format!("/proc/{pid}/smaps_rollup"), "Pss")).sum();
    for other in &mut others {
        let _ = other.kill();
        let _ = other.wait();
    }
    pss
}

/// Memory and wake-ups while nothing happens, with every default.
pub fn at_rest() -> Vec<Row> {
    let rest = Duration::from_secs(much(REST) as u64);
    println!("at rest: {} s", rest.as_secs());
    let setup = Setup::new().port("a", "cts=1,dcd=1").option("--trace");
    let conf = configure(&setup, "");
    let words = ["-c", conf.to_str().expect("a path"), "-f", "--log", "stderr"];
    let mut rig = setup.start(beside("upsentry"), &words);
    ready(&rig);
    sleep(Duration::from_secs(3));
    let pids = rig.processes();
    let called =
        |rig: &mut Rig| rig.log().iter().filter(|event| event.text.contains(" call get ")).count();
    let (before, calls) = (pids.iter().copied().map(switches).sum::<u64>(), called(&mut rig));
    let began = Instant::now();
    let mut samples = Vec::new();
    for sample in 1..=SAMPLES {
        sleep((rest * sample / SAMPLES).saturating_sub(began.elapsed()));
        let memory = |name| {
            let of = |pid: &u32| field(&format!("/proc/{pid}/smaps_rollup"), name);
            pids.iter().map(of).collect::<Vec<u64>>()
        };
        let private: u64 = memory("Private_Clean").iter().chain(&memory("Private_Dirty")).sum();
        let pss = memory("Pss");
        samples.push((
            pss.iter().sum::<u64>(),
            private,
            pss,
            memory("Pss_Dirty").iter().sum::<u64>(),
        ));
    }
    let seconds = began.elapsed().as_secs_f64();
    let woken = pids.iter().copied().map(switches).sum::<u64>() - before;
    let answered = called(&mut rig) - calls;
    let shared = beside_others(&pids);
    assert_eq!(rig.processes(), pids, "other processes than before");
    let _ = fs::remove_file(STATE);
    samples.sort();
    let (least, most) = (samples.first().expect("samples").0, samples.last().expect("samples").0);
    let (pss, private, each, dirty) = samples.swap_remove(samples.len() / 2);
    let names = pids.iter().map(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim().trim_start_matches("upsentry-").to_owned()
    });
    let each: Vec<String> = names.zip(each).map(|(name, pss)| format!("{name} {pss}")).collect();
    let rate = woken as f64 / seconds;
    vec![
        Row::new(
            format!("memory of all {} processes, PSS", pids.len()),
            format!("{pss} kB ({least} to {most})"),
        )
        .goal("under 1200 kB", most < 1200),
        Row::new("  each", each.join(", ")),
        Row::new(
            format!("  beside {OTHERS} other programs that use the C library"),
            format!("{shared} kB"),
        ),
        Row::new("  of it dirty; private", format!("{dirty} kB; {private} kB")),
        Row::new(format!("wake-ups a second at rest, over {seconds:.0} s"), format!("{rate:.2}"))
            .goal("at most 0.3", rate <= 0.3),
        Row::new(
            "  without those for the simulator's answers",
            format!("{:.2}", woken.saturating_sub(answered as u64) as f64 / seconds),
        ),
    ]
}
