//! `make demo`: an outage on a simulated UPS, and what each side saw of it, for somebody who has never seen
//! upsentry. Everything but the cable is real: the daemon, its jail, the request to init.

#[path = "../../common/event.rs"]
#[allow(dead_code)]
mod event;
mod rights;
mod screen;
#[path = "../../common/sim.rs"]
#[allow(dead_code)]
mod sim;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use screen::Screen;
use sim::{Rig, Setup};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// What happens to the UPS: milliseconds after the one before, the simulator's command, and in words.
const STORY: [(u64, &str, &str); 5] = [
    (1500, "set a cts=0", "the mains fails: the UPS drops CTS; believed after debounce, 20 ms"),
    (2500, "set a cts=1", "the mains is back"),
    (2500, "pulse a cts=0 5ms", "a spike of 5 ms, shorter than debounce: nobody is told"),
    (1500, "set a cts=0", "the mains fails again"),
    (2500, "set a dcd=0", "the battery runs low: DCD drops too; believed after low-after, 2 s"),
];
/// After the last of it.
const END: Duration = Duration::from_millis(3000);
/// Between two looks at what was said.
const LOOK: Duration = Duration::from_millis(4);

/// A program that cargo has built beside this one.
fn beside(name: &str) -> PathBuf {
    std::env::current_exe().expect("our own path").with_file_name(name)
}

fn main() -> ExitCode {
    if std::env::var_os("UPSIM").is_none() {
        let error = Command::new(beside("upsentry-demo")).env("UPSIM", beside("upsim")).exec();
        eprintln!("upsentry-demo: {error}");
        return ExitCode::FAILURE;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("upsentry-demo: must be root; make demo sees to that");
        return ExitCode::FAILURE;
    }
    // ^C ends the story, not this program in the middle of it: all that was started is ended too.
    let stop: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    stop.thread_block().expect("signals can be blocked");
    let stop = SignalFd::with_flags(&stop, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
    let stop = stop.expect("a descriptor for signals");
    let setup = Setup::new().port("a", "cts=1,dcd=1");
    let conf = configure(&setup);
    let screen = Screen::new();
    screen.open(&conf);
    let words = ["-c", conf.to_str().expect("a path"), "-f", "--log", "stderr"];
    let mut rig = setup.start(beside("upsentry"), &words);
    match play(&mut rig, screen, &stop) {
        Some(status) => status,
        None => {
            println!("\nstopped; everything that was started is ended");
            ExitCode::from(130)
        }
    }
}

/// What an administrator would write, and paths that touch nothing of this machine.
fn configure(setup: &Setup) -> PathBuf {
    let path = |name| setup.path(name).display().to_string();
    let text = format!(
        "watch {}\nmodel power99\n\n# Only so that this touches nothing of the machine it runs on:\nsettle 500ms\n\
         via initctl\ninitctl {}\nchroot {}\nstate-file {}\npid-file {}\nhistory-file {}\nstatus-socket none\nuser 64998\nnotifier-user 64999\n",
        path("a"),
        path("initctl"),
        path("empty"),
        path("state"),
        path("pid"),
        path("history")
    );
    setup.write("upsentry.conf", &text)
}

/// `None`: somebody stopped it.
fn play(rig: &mut Rig, mut screen: Screen, stop: &SignalFd) -> Option<ExitCode> {
    let begin = Instant::now();
    while !rig.stderr().contains("ready: ") {
        let ended = rig.wait_exit(Duration::ZERO).is_some();
        if ended || begin.elapsed() > Duration::from_secs(15) {
            println!("The daemon did not start:\n{}", rig.stderr());
            return Some(ExitCode::FAILURE);
        }
        wait(LOOK, stop)?;
    }
    wait(Duration::from_millis(100), stop)?;
    let processes = rig.processes();
    rights::show(&processes, &screen);
    screen.begin(rig);
    for (after, command, words) in STORY {
        watch(rig, &mut screen, stop, Duration::from_millis(after))?;
        screen.happens(words);
        rig.command(command);
    }
    watch(rig, &mut screen, stop, END)?;
    let told: Vec<String> = rig.inits().into_iter().map(|request| request.name).collect();
    let right = told == ["powerfail", "powerok", "powerfail", "powerfailnow"];
    rig.stop();
    screen.end(right);
    Some(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows what happens for so long.
fn watch(rig: &mut Rig, screen: &mut Screen, stop: &SignalFd, time: Duration) -> Option<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        wait(LOOK, stop)?;
        screen.look(rig);
    }
    screen.flush();
    Some(())
}

/// Sleeps; `None`: a signal came.
fn wait(time: Duration, stop: &SignalFd) -> Option<()> {
    std::thread::sleep(time);
    match stop.read_signal() {
        Ok(Some(_)) => None,
        _ => Some(()),
    }
}
