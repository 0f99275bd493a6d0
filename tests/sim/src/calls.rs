//! Answers the calls that the filter hands over.

use crate::filter as nr;
use crate::lines::Drive;
use crate::log::{Log, now};
use crate::port::Port;
use crate::sys::{self, Answer, Call};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::stat;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What is still to be done about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is answered, or it waits for an edge.
    Nothing,
    /// A break lasts so long; then the call ends.
    Break(usize, Duration, u64),
}

/// Answers one call, or puts it among those that wait.
pub fn serve(
    call: &Call,
    ports: &mut [Port],
    listener: &OwnedFd,
    log: &mut Log,
    trace: bool,
) -> Next {
    let path = format!("/proc/{}/fd/{}", call.tid, call.fd);
    let device = stat(path.as_str()).map(|file| file.st_rdev).unwrap_or(0);
    let found = ports.iter_mut().enumerate().find(|(_, port)| port.device == device);
    let Some((at, port)) = found else {
        end(listener, call.id, Answer::Continue);
        return Next::Nothing;
    };
    if trace {
        log.note(format_args!(
            "{} call {} tid={} arg={:#x}",
            port.name,
            name(call.request),
            call.tid,
            call.arg
        ));
    }
    if port.eio || (port.hung && is_dead(call)) {
        end(listener, call.id, Answer::Fail(Errno::EIO));
        return Next::Nothing;
    }
    match call.request {
        nr::TIOCMIWAIT => wait(call, port, listener),
        nr::TIOCMGET => {
            let word = port.lines.word().to_ne_bytes();
            end(listener, call.id, put(call, listener, &word));
        }
        nr::TIOCMSET => drive(call, port, listener, log, (Drive::Set, "set")),
        nr::TIOCMBIS => drive(call, port, listener, log, (Drive::Raise, "bis")),
        nr::TIOCMBIC => drive(call, port, listener, log, (Drive::Lower, "bic")),
        nr::TIOCGICOUNT => {
            let counts = port.lines.counts;
            let mut bytes = [0u8; 80];
            let first = [counts.cts, counts.dsr, counts.rng, counts.dcd];
            for (place, byte) in
                bytes.iter_mut().zip(first.iter().flat_map(|count| count.to_ne_bytes()))
            {
                *place = byte;
            }
            end(listener, call.id, put(call, listener, &bytes));
        }
        _ => return line_calls(call, at, port, listener, log),
    }
    Next::Nothing
}

/// Break, exclusive use and settings.
fn line_calls(call: &Call, at: usize, port: &mut Port, listener: &OwnedFd, log: &mut Log) -> Next {
    let mut answer = Answer::Continue;
    match call.request {
        nr::TIOCSBRK | nr::TIOCCBRK => {
            let level = if call.request == nr::TIOCSBRK { "on" } else { "off" };
            log.note(format_args!("{} break {level}", port.name));
            answer = Answer::Done;
        }
        // With an argument it is tcdrain, which the pty does itself.
        nr::TCSBRK if call.arg == 0 => {
            log.note(format_args!("{} break on", port.name));
            return Next::Break(at, Duration::from_millis(250), call.id);
        }
        nr::TCSBRKP => {
            log.note(format_args!("{} break on", port.name));
            let tenths = if call.arg == 0 { 250 } else { call.arg.saturating_mul(100) };
            return Next::Break(at, Duration::from_millis(tenths), call.id);
        }
        nr::TIOCEXCL => port.exclusive = true,
        request if nr::TCSETS.contains(&request) => {
            // Both `struct termios` and `struct termios2` of the kernel begin with iflag, oflag, cflag.
            if let Ok(cflag) = get(call, 8) {
                port.settings(log, now(), cflag);
            }
        }
        _ => {}
    }
    end(listener, call.id, answer);
    Next::Nothing
}

fn wait(call: &Call, port: &mut Port, listener: &OwnedFd) {
    if let Some(errno) = port.refuse {
        end(listener, call.id, Answer::Fail(errno));
        return;
    }
    let mask = u32::try_from(call.arg & 0xffff_ffff).unwrap_or_default();
    port.waiters.enter(call.id, call.tid, mask);
    if port.waiters.len() > 32 {
        port.waiters.forget(|id| !sys::waits(listener, id));
    }
}

fn drive(
    call: &Call,
    port: &mut Port,
    listener: &OwnedFd,
    log: &mut Log,
    (how, by): (Drive, &str),
) {
    match get(call, 0) {
        Ok(word) => {
            let nanos = now();
            port.lines.drive(how, word);
            port.log_outputs(log, nanos, by, None);
            end(listener, call.id, Answer::Done);
        }
        Err(errno) => {
            end(listener, call.id, Answer::Fail(errno));
        }
    }
}

/// Answers; a call that is over in the meantime needs no answer.
pub fn end(listener: &OwnedFd, id: u64, answer: Answer) -> bool {
    sys::answer(listener, id, answer).is_ok()
}

/// Reads an `int` from the caller's memory.
fn get(call: &Call, offset: usize) -> Result<u32, Errno> {
    let mut bytes = [0u8; 4];
    let from = RemoteIoVec { base: address(call)?.wrapping_add(offset), len: bytes.len() };
    let size =
        process_vm_readv(Pid::from_raw(call.tid), &mut [IoSliceMut::new(&mut bytes)], &[from])?;
    if size == bytes.len() { Ok(u32::from_ne_bytes(bytes)) } else { Err(Errno::EFAULT) }
}

/// Writes to the caller's memory, if it is still the one who called.
fn put(call: &Call, listener: &OwnedFd, bytes: &[u8]) -> Answer {
    if !sys::waits(listener, call.id) {
        return Answer::Fail(Errno::EINTR);
    }
    let written = address(call).and_then(|base| {
        let to = RemoteIoVec { base, len: bytes.len() };
        process_vm_writev(Pid::from_raw(call.tid), &[IoSlice::new(bytes)], &[to])
    });
    match written {
        Ok(size) if size == bytes.len() => Answer::Done,
        _ => Answer::Fail(Errno::EFAULT),
    }
}

fn address(call: &Call) -> Result<usize, Errno> {
    usize::try_from(call.arg).map_err(|_| Errno::EFAULT)
}

/// True when the caller's descriptor was hung up: unlike a live one it polls as such. Asked only
/// after a hang-up, because it is slow.
fn is_dead(call: &Call) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", call.tid)).unwrap_or_default();
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
    let Ok(tty) = sys::borrow_fd(group.unwrap_or(call.tid), call.fd) else {
        return false;
    };
    let mut fds = [PollFd::new(tty.as_fd(), PollFlags::empty())];
    let _ = poll(&mut fds, PollTimeout::ZERO);
    fds.iter().any(|fd| fd.revents().is_some_and(|r| r.contains(PollFlags::POLLHUP)))
}

fn name(request: u32) -> &'static str {
    match request {
        nr::TIOCMIWAIT => "wait",
        nr::TIOCMGET => "get",
        nr::TIOCMSET => "set",
        nr::TIOCMBIS => "bis",
        nr::TIOCMBIC => "bic",
        nr::TIOCGICOUNT => "icount",
        nr::TIOCSBRK | nr::TIOCCBRK | nr::TCSBRK | nr::TCSBRKP => "break",
        nr::TIOCEXCL => "excl",
        _ => "termios",
    }
}
