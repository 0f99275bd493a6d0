//! What a monitor does that was taken over: steps, separated by commas.
//!
//! | step | does |
//! |---|---|
//! | `e HEX`, `l HEX` | writes these bytes, in one write, to the event pipe, to the log pipe |
//! | `flood e HEX`, `flood l HEX` | the same again and again as fast as the pipe takes it, up to 4 GiB |
//! | `pace N e HEX` | so many a second, for ever |
//! | `times N pace M e HEX` | so many in all |
//! | `flap N e HEX HEX` | so many a second, the one and the other by turns |
//! | `noise e SEED`, `noise l SEED` | 4 GiB of pseudo-random bytes |
//! | `wait MS`, `hold` | is silent for so long, for ever |
//! | `exit N`, `segv`, `open`, `close`, `oom` | exits; crashes; makes a forbidden call; closes its event pipe; fills its memory, which it can only before its own list is on |

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use upsentry::ipc::orders::EXIT_UNCONFINED;
use upsentry::monitor::filter::{self, Fds};
use upsentry::sys::cage::Cage;
use upsentry::sys::confine::{self, Walls};
use upsentry::sys::{filter as seccomp, process, raw};

/// "4 GiB of noise".
const MOST: u64 = 4 << 30;

/// One of the monitor's two pipes.
#[derive(Clone, Copy, Debug)]
enum Pipe {
    Events,
    Log,
}

#[derive(Clone, Debug)]
enum Step {
    Write(Pipe, Vec<u8>),
    Flood(Pipe, Vec<u8>),
    /// So often, one each so long.
    Pace(u64, Duration, Pipe, [Vec<u8>; 2]),
    Noise(Pipe, u64),
    Wait(Duration),
    Hold,
    Exit(i32),
    Crash,
    Open,
    Close,
    Fill,
}

/// The steps of one monitor.
#[derive(Clone, Debug)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    /// Reads them.
    pub(crate) fn parse(text: &str) -> Result<Steps, String> {
        text.split(',').map(step).collect::<Result<_, _>>().map(Steps)
    }
}

fn step(text: &str) -> Result<Step, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let wrong = || format!("{text}: no such step");
    let number = |word: &str| word.parse::<u64>().map_err(|_| wrong());
    let pipe = |word: &str| match word {
        "e" => Ok(Pipe::Events),
        "l" => Ok(Pipe::Log),
        _ => Err(wrong()),
    };
    let each = |rate: &str| {
        Ok::<_, String>(Duration::from_secs(1) / number(rate)?.try_into().unwrap_or(1))
    };
    Ok(match words[..] {
        [to @ ("e" | "l"), bytes] => Step::Write(pipe(to)?, hex(bytes)?),
        ["flood", to, bytes] => Step::Flood(pipe(to)?, hex(bytes)?),
        ["pace", rate, to, bytes] => {
            Step::Pace(u64::MAX, each(rate)?, pipe(to)?, [hex(bytes)?, hex(bytes)?])
        }
        ["times", times, "pace", rate, to, bytes] => {
            Step::Pace(number(times)?, each(rate)?, pipe(to)?, [hex(bytes)?, hex(bytes)?])
        }
        ["flap", rate, to, one, other] => {
            Step::Pace(u64::MAX, each(rate)?, pipe(to)?, [hex(one)?, hex(other)?])
        }
        ["noise", to, seed] => Step::Noise(pipe(to)?, number(seed)?),
        ["wait", millis] => Step::Wait(Duration::from_millis(number(millis)?)),
        ["hold"] => Step::Hold,
        ["exit", status] => Step::Exit(number(status)?.try_into().unwrap_or(1)),
        ["segv"] => Step::Crash,
        ["open"] => Step::Open,
        ["close"] => Step::Close,
        ["oom"] => Step::Fill,
        _ => return Err(wrong()),
    })
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes = (0..text.len()).step_by(2).map(digits).collect::<Option<Vec<u8>>>();
    bytes.ok_or_else(|| format!("{text}: not hexadecimal"))
}

/// All that a monitor has.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) cage: Cage,
    pub(crate) ttys: Vec<OwnedFd>,
    pub(crate) poke: OwnedFd,
    /// Bytes written to the event and to the log pipe by the generation that runs.
    pub(crate) written: &'static [AtomicU64],
}

/// Becomes a monitor, with the rights and descriptors of a real one, and attacks.
pub(crate) fn run(kit: &Kit, steps: &Steps, children: RawFd) -> ! {
    process::name(c"upsentry-mon");
    let early = matches!(steps.0.first(), Some(Step::Fill));
    if let Err(error) = confine_as_monitor(kit, children, early) {
        let _ = nix::unistd::write(kit.cage.log.as_fd(), error.as_bytes());
        raw::exit(i32::from(EXIT_UNCONFINED))
    }
    for step in &steps.0 {
        act(kit, step);
    }
    hold()
}

/// In the order of the daemon's: the warden's walls and list, then the monitor's own list, unless `early`.
fn confine_as_monitor(kit: &Kit, children: RawFd, early: bool) -> Result<(), String> {
    let Cage { events, log, link, notices, null, root, uid, gid, .. } = &kit.cage;
    let fds = Fds {
        ttys: kit.ttys.iter().map(AsRawFd::as_raw_fd).collect(),
        poke: kit.poke.as_raw_fd(),
        events: events.as_raw_fd(),
        log: log.as_raw_fd(),
        news: notices.news.as_raw_fd(),
        ..Fds::default()
    };
    let (warden, monitor) =
        (filter::warden(&fds, link.as_raw_fd(), children), filter::monitor(&fds));
    let (warden, monitor) = (warden.compile()?, monitor.compile()?);
    let null = null.as_fd();
    let standard = nix::unistd::dup2_stdin(null).and_then(|()| nix::unistd::dup2_stdout(null));
    standard.and_then(|()| nix::unistd::dup2_stderr(null)).map_err(|error| error.to_string())?;
    let keep = [0, 1, 2, fds.poke, fds.events, fds.log, fds.news].into_iter().chain(fds.ttys);
    let keep: Vec<RawFd> = keep.collect();
    confine::confine(&Walls { root: Some(root), ..Walls::new(&keep, *uid, *gid) })?;
    seccomp::install(&warden)?;
    confine::no_more_processes()?;
    if early { Ok(()) } else { seccomp::install(&monitor) }
}

fn act(kit: &Kit, step: &Step) {
    match step {
        Step::Write(pipe, bytes) => put(kit, *pipe, bytes),
        Step::Flood(pipe, bytes) => flood(kit, *pipe, |_| bytes),
        Step::Noise(pipe, seed) => noise(kit, *pipe, *seed),
        Step::Pace(times, each, pipe, bytes) => {
            let mut at = upsentry::sys::now();
            for (_, bytes) in (0..*times).zip(bytes.iter().cycle()) {
                put(kit, *pipe, bytes);
                at += *each;
                let left = at.saturating_sub(upsentry::sys::now());
                // Time that the machine had no time for is not made up for: that would be too fast.
                at = at.max(upsentry::sys::now().saturating_sub(*each));
                let _ = process::wait(&mut [], Some(left));
            }
        }
        Step::Wait(time) => drop(process::wait(&mut [], Some(*time))),
        Step::Hold => hold(),
        Step::Exit(status) => raw::exit(*status),
        Step::Crash => crash(),
        Step::Open => {
            drop(nix::fcntl::open("/", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty()))
        }
        Step::Close => raw::close(kit.cage.events.as_fd()),
        Step::Fill => loop {
            std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 16]));
        },
    }
}

fn hold() -> ! {
    loop {
        let _ = process::wait(&mut [], None);
    }
}

fn flood<'a>(kit: &Kit, pipe: Pipe, mut bytes: impl FnMut(u64) -> &'a [u8]) {
    let mut sent = 0;
    while sent < MOST {
        let bytes = bytes(sent);
        put(kit, pipe, bytes);
        sent += bytes.len() as u64;
    }
}

/// xorshift64: not memory of zeros, nor the same in each generation.
fn noise(kit: &Kit, pipe: Pipe, seed: u64) {
    let mut state = seed | 1;
    let mut buffer = [0; 4096];
    let mut sent = 0;
    while sent < MOST {
        for byte in &mut buffer {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[3];
        }
        put(kit, pipe, &buffer);
        sent += buffer.len() as u64;
    }
}

/// Writes all of it, and waits for the pipe where need be.
fn put(kit: &Kit, pipe: Pipe, bytes: &[u8]) {
    let (fd, counter): (BorrowedFd<'_>, _) = match pipe {
        Pipe::Events => (kit.cage.events.as_fd(), kit.written.first()),
        Pipe::Log => (kit.cage.log.as_fd(), kit.written.get(1)),
    };
    loop {
        match nix::unistd::write(fd, bytes) {
            Ok(length) => {
                if let Some(counter) = counter {
                    counter.fetch_add(length as u64, Ordering::Relaxed);
                }
                return;
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {
                let _ = process::wait(&mut [PollFd::new(fd, PollFlags::POLLOUT)], None);
            }
            Err(_) => raw::exit(0),
        }
    }
}

#[allow(unsafe_code, reason = "a crash is what is wanted")]
fn crash() {
    // SAFETY: none: the process ends here by SIGSEGV.
    unsafe { std::ptr::null_mut::<u8>().write_volatile(1) }
}
