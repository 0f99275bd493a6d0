//! A warden that starts attackers, generation by generation, and a real warden behind it.
//!
//! Before a word's steps may stand how the warden takes the monitor's end, whether it was asked for or not:
//!
//! | word | the warden |
//! |---|---|
//! | `mute:` | does not answer, ever |
//! | `slow MS:` | answers so much later |
//! | `die:` | ends |
//! | `shut:` | closes its socket, but lives on |
//! | `twice:` | says so twice |
//! | `other:` | says something that is no answer |
//! | `flood:` | says so without end |
//! | `early:` | says so at the start, while the monitor lives on |
//! | `unready` | (alone) never says that it is confined |

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, write};
use upsentry::config::Config;
use upsentry::ipc::orders::{DEAD, GO, GO_IN_OUTAGE, KILL, READY};
use upsentry::monitor::{self, About, Line, Plan, power};
use upsentry::notifier::Jail;
use upsentry::sys::board::Notices;
use upsentry::sys::cage::{Cage, Reach};
use upsentry::sys::{process, raw};

use crate::attack::{self, Kit, Steps};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    Mute,
    Slow(Duration),
    Die,
    Shut,
    Twice,
    Other,
    Flood,
    Early,
}

#[derive(Clone, Debug)]
enum Word {
    Real,
    Unready,
    Attack(Manner, Steps),
}

/// Read before the daemon starts: what runs in the jail gets no arguments.
static SCRIPT: OnceLock<(Vec<Word>, File)> = OnceLock::new();

/// Reads the words.
pub(crate) fn prepare(words: &[String], report: &Path) -> Result<(), String> {
    let words = words.iter().map(|word| parse(word)).collect::<Result<Vec<_>, _>>()?;
    let report = OpenOptions::new().append(true).create(true).open(report);
    let report = report.map_err(|error| format!("the report: {error}"))?;
    SCRIPT.set((words, report)).map_err(|_| "prepared twice".to_owned())
}

fn parse(word: &str) -> Result<Word, String> {
    match word {
        "real" => return Ok(Word::Real),
        "unready" => return Ok(Word::Unready),
        _ => {}
    }
    let Some((manner, steps)) = word.split_once(':') else {
        return Ok(Word::Attack(Manner::Honest, Steps::parse(word)?));
    };
    let manner = match manner.split_whitespace().collect::<Vec<_>>()[..] {
        ["mute"] => Manner::Mute,
        ["slow", millis] => {
            let millis = millis.parse().map_err(|error| format!("{millis}: {error}"))?;
            Manner::Slow(Duration::from_millis(millis))
        }
        ["die"] => Manner::Die,
        ["shut"] => Manner::Shut,
        ["twice"] => Manner::Twice,
        ["other"] => Manner::Other,
        ["flood"] => Manner::Flood,
        ["early"] => Manner::Early,
        _ => return Err(format!("{manner}: no such warden")),
    };
    Ok(Word::Attack(manner, Steps::parse(steps)?))
}

/// Becomes the warden. It keeps root, to make each attacker what a monitor is; it reads only orders.
pub(crate) fn enter(config: &Config, jail: Jail) -> ! {
    let served = serve(config, jail);
    if let Err(error) = served {
        eprintln!("upevil: {error}");
    }
    raw::exit(0)
}

struct Relay {
    kit: Kit,
    /// To the real warden.
    real: OwnedFd,
    children: SignalFd,
    /// Which generation comes next.
    next: usize,
    monitor: Option<(Pid, Manner)>,
}

fn serve(config: &Config, jail: Jail) -> Result<(), String> {
    let wrong = |error: nix::Error| error.to_string();
    let (words, _) = SCRIPT.get().ok_or("no words")?;
    let (kit, real) = start_real(config, jail)?;
    process::name(c"upsentry-warden");
    close_the_rest(&kit, &real)?;
    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    let children = SignalFd::with_flags(&child, nix::sys::signalfd::SfdFlags::SFD_NONBLOCK);
    let children = children.map_err(wrong)?;
    let mut relay = Relay { kit, real, children, next: 0, monitor: None };
    if !matches!(words.first(), Some(Word::Unready)) {
        relay.say(&[READY])?;
    }
    loop {
        let mut fds = [
            PollFd::new(relay.kit.cage.link.as_fd(), PollFlags::POLLIN),
            PollFd::new(relay.real.as_fd(), PollFlags::POLLIN),
            PollFd::new(relay.children.as_fd(), PollFlags::POLLIN),
        ];
        process::wait(&mut fds, None).map_err(wrong)?;
        let ready = fds.each_ref().map(|fd| fd.any().unwrap_or(false));
        let mut bytes = [0; 2];
        if ready[2] {
            while relay.children.read_signal().map_err(wrong)?.is_some() {}
            relay.reap(WaitPidFlag::WNOHANG)?;
        }
        if ready[1] {
            let length = nix::unistd::read(&relay.real, &mut bytes).map_err(wrong)?;
            match (length, bytes) {
                (0, _) => return Ok(()),
                (1, [READY, _]) => {}
                _ => relay.say(&bytes[..length])?,
            }
        }
        if ready[0] {
            let length = nix::unistd::read(&relay.kit.cage.link, &mut bytes[..1]).map_err(wrong)?;
            if length == 0 {
                if let Some((pid, _)) = relay.monitor {
                    let _ = kill(pid, Signal::SIGKILL);
                }
                return Ok(());
            }
            relay.obey(words, bytes[0])?;
        }
    }
}

/// The parent's own descriptors, of which the real warden keeps none either.
fn close_the_rest(kit: &Kit, real: &OwnedFd) -> Result<(), String> {
    let report = SCRIPT.get().map(|(_, file)| file.as_raw_fd());
    let Cage { events, log, link, null, notices, .. } = &kit.cage;
    let cage = [events, log, link, null, &notices.page, &notices.news, &kit.poke, real];
    let ours = cage.into_iter().chain(&kit.ttys).map(AsRawFd::as_raw_fd);
    let keep: Vec<_> = [0, 1, 2].into_iter().chain(report).chain(ours).collect();
    raw::close_all_but(&keep).map_err(|error| error.to_string())
}

/// Forks the daemon's own warden, which serves a socket of this one.
fn start_real(config: &Config, jail: Jail) -> Result<(Kit, OwnedFd), String> {
    let wrong = |error: std::io::Error| error.to_string();
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
    let (ours, theirs) = pair.map_err(|error| error.to_string())?;
    let Jail { ttys, set_at, cage, .. } = jail;
    let copies = ttys.iter().flatten().map(OwnedFd::try_clone).collect::<Result<Vec<_>, _>>();
    let kit_ttys = copies.map_err(wrong)?;
    let root = cage.root.clone();
    let inner = Cage {
        events: cage.events.try_clone().map_err(wrong)?,
        log: cage.log.try_clone().map_err(wrong)?,
        null: cage.null.try_clone().map_err(wrong)?,
        link: theirs,
        notices: Notices {
            page: cage.notices.page.try_clone().map_err(wrong)?,
            news: cage.notices.news.try_clone().map_err(wrong)?,
        },
        root,
        reach: Reach::default(),
        uid: cage.uid,
        gid: cage.gid,
    };
    if raw::fork().map_err(|error| error.to_string())?.is_child() {
        let lines = config.ups.iter().zip(ttys).map(|(ups, tty)| Line {
            name: ups.name.clone(),
            tty,
            settings: power::Settings::new(ups, set_at),
        });
        monitor::warden::main(Plan {
            status: None,
            about: About::default(),
            first: config.ups.first().map_or(String::new(), |ups| ups.name.clone()),
            lines: lines.collect(),
            distant: Vec::new(),
            fed: Vec::new(),
            together: monitor::Together { need: config.need, host_sync: config.host_sync },
            rules: upsentry::rules::Program::default(),
            network: None,
            cage: inner,
        })
    }
    let poke = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).map_err(|error| error.to_string())?;
    let poke = poke.as_fd().try_clone_to_owned().map_err(wrong)?;
    let written = raw::shared_words(1).map_err(|error| error.to_string())?;
    Ok((Kit { cage, ttys: kit_ttys, poke, written }, ours))
}

impl Relay {
    fn say(&self, bytes: &[u8]) -> Result<(), String> {
        write(&self.kit.cage.link, bytes).map(drop).map_err(|error| error.to_string())
    }

    fn obey(&mut self, words: &[Word], order: u8) -> Result<(), String> {
        if order == KILL && self.monitor.is_some() {
            if let Some((pid, _)) = self.monitor {
                kill(pid, Signal::SIGKILL).map_err(|error| error.to_string())?;
            }
            return self.reap(WaitPidFlag::empty());
        }
        if order == GO || order == GO_IN_OUTAGE {
            let word = words.get(self.next).or(words.last());
            self.next += 1;
            if let Some(Word::Attack(manner, steps)) = word {
                return self.start(*manner, steps);
            }
        }
        write(&self.real, &[order]).map(drop).map_err(|error| error.to_string())
    }

    fn start(&mut self, manner: Manner, steps: &Steps) -> Result<(), String> {
        for counter in self.kit.written {
            counter.store(0, Ordering::Relaxed);
        }
        match raw::fork().map_err(|error| error.to_string())? {
            ForkResult::Child => attack::run(&self.kit, steps, self.children.as_fd().as_raw_fd()),
            // Nobody waits for it any more.
            ForkResult::Parent { .. } if manner == Manner::Early => self.say(&[DEAD, 9]),
            ForkResult::Parent { child } => {
                self.monitor = Some((child, manner));
                Ok(())
            }
        }
    }

    /// Reports a monitor that is dead, in its manner.
    fn reap(&mut self, flags: WaitPidFlag) -> Result<(), String> {
        let Some((pid, manner)) = self.monitor else { return Ok(()) };
        let how = match waitpid(pid, Some(flags)).map_err(|error| error.to_string())? {
            WaitStatus::StillAlive => return Ok(()),
            WaitStatus::Signaled(_, signal, _) => signal as u8,
            WaitStatus::Exited(_, code) => 0x80 | (code & 0x7f) as u8,
            _ => 0,
        };
        self.monitor = None;
        self.report(how);
        match manner {
            Manner::Honest | Manner::Early => self.say(&[DEAD, how]),
            Manner::Mute => Ok(()),
            Manner::Slow(time) => {
                let _ = process::wait(&mut [], Some(time));
                self.say(&[DEAD, how])
            }
            Manner::Die => raw::exit(0),
            Manner::Shut => {
                let link = self.kit.cage.link.as_raw_fd();
                shutdown(link, Shutdown::Both).map_err(|error| error.to_string())?;
                loop {
                    let _ = process::wait(&mut [], None);
                }
            }
            Manner::Twice => self.say(&[DEAD, how]).and_then(|()| self.say(&[DEAD, how])),
            Manner::Other => self.say(b"?"),
            Manner::Flood => loop {
                self.say(&[DEAD, how])?;
            },
        }
    }

    /// Says what this generation wrote, and how much of that is still in the pipes: nobody read it.
    fn report(&self, how: u8) {
        let written = |at: usize| self.kit.written.get(at).map_or(0, |n| n.load(Ordering::Relaxed));
        let left = [&self.kit.cage.events, &self.kit.cage.log]
            .map(|pipe| raw::unread(pipe.as_fd()).unwrap_or(0));
        if let Some((_, mut file)) = SCRIPT.get().map(|(words, file)| (words, file)) {
            let line = format!(
                "{} how={how} events={} unread={} log={} unread={}\n",
                self.next,
                written(0),
                left[0],
                written(1),
                left[1]
            );
            let _ = file.write_all(line.as_bytes());
        }
    }
}
