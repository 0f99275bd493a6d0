//! `upsentry status --watch`: again at each change, and ages that tick.

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;

use crate::status::collect::{Collector, Snapshot};
use crate::status::command::{Form, Wanted, give_up_rights, reach, receive};
use crate::status::record::Recorder;
use crate::status::{json, screen};
use crate::sys::text::complain;
use crate::sys::{now, process, raw, unix_time};

/// Ages on the screen move so often.
const TICK: Duration = Duration::from_secs(1);
/// Between two tries to reach the daemon.
const AGAIN: Duration = Duration::from_secs(1);
/// The daemon sends a snapshot each five seconds; without one for so long it hangs.
const SILENCE: Duration = Duration::from_secs(15);
/// The child's exit status when nobody reads what it prints.
const UNREAD: i32 = 3;

/// Shows until ^C. Each connection is read by a child without rights, so that the next can still be made.
pub(super) fn run(wanted: &Wanted) -> u8 {
    let mut told = false;
    loop {
        let connected = reach(&wanted.socket);
        let lost = match connected {
            Ok(fd) => match raw::fork() {
                Ok(ForkResult::Child) => {
                    let result = give_up_rights(&fd).and_then(|()| show(wanted.form, &fd));
                    if let Err(error) = &result {
                        complain(format_args!("upsentry: {error}"));
                    }
                    raw::exit(if result.is_ok() { UNREAD } else { 1 })
                }
                Ok(ForkResult::Parent { child }) => {
                    drop(fd);
                    match process::again(|| waitpid(child, None)) {
                        Ok(WaitStatus::Exited(_, UNREAD)) | Err(_) => return 0,
                        Ok(_) => None,
                    }
                }
                Err(error) => Some(format!("fork: {error}")),
            },
            Err(error) => Some(error),
        };
        if let Some(error) = lost.as_ref().filter(|_| !told) {
            complain(format_args!("upsentry: {error}"));
        }
        told = lost.is_some();
        let out = std::io::stdout();
        let mut fds = [PollFd::new(out.as_fd(), PollFlags::empty())];
        let waited = process::wait(&mut fds, Some(AGAIN));
        if waited.is_err() || fds.iter().any(|fd| fd.any().unwrap_or(true)) {
            // Nobody reads it any more.
            return u8::from(waited.is_err());
        }
    }
}

/// Prints until the connection is over, or nobody reads it.
fn show(form: Form, fd: &OwnedFd) -> Result<(), String> {
    let terminal = std::io::stdout().is_terminal();
    let mut collector = Collector::default();
    let mut recorder = Recorder::default();
    let mut newest: Option<(Snapshot, Duration)> = None;
    let mut came = now();
    loop {
        let mut fresh = false;
        receive(fd, TICK, &mut collector, &mut |snapshot| {
            newest = Some((snapshot, now()));
            fresh = true;
        })?;
        let time = now();
        if fresh {
            came = time;
        } else if time.saturating_sub(came) >= SILENCE {
            return Err("the daemon says nothing any more".to_owned());
        }
        let Some((snapshot, at)) = &newest else { continue };
        // Where nothing is drawn over, a line is worth only what is new.
        let ticks = terminal && form == Form::Screen;
        if !fresh && !ticks {
            continue;
        }
        let past = u64::try_from(time.saturating_sub(*at).as_millis()).unwrap_or(0);
        let text = match form {
            Form::Json => format!("{}\n", json::write(snapshot)),
            Form::Record => recorder.lines(snapshot, unix_time()),
            // From the top, and nothing left of what was longer.
            _ if terminal => {
                let drawn = screen::draw(&snapshot.clone().later(past), true);
                format!("\x1b[H{}\x1b[J", drawn.replace('\n', "\x1b[K\n"))
            }
            _ => format!("{}\n", screen::draw(snapshot, false)),
        };
        let mut out = std::io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
    }
}
