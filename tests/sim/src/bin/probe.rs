//! A program for the simulator's own tests: `probe TTY STEP...` opens the tty and does the steps, one line
//! of output each. Steps: `get`, `icount`, `wait=cts,dcd`, `threads=cts,dcd` (one waits for each),
//! `set=dtr,rts`, `bis=`, `bic=`, `break=on|off`, `sendbreak`, `speed=0|9600`, `hupcl=0`, `clocal=0`,
//! `excl`, `reopen`, `drop` (to an other user, not dumpable), `filter` (a seccomp filter of its own),
//! `sleep=MS`, `daemon` (a child does the rest).

use nix::libc;
use nix::sys::prctl;
use nix::sys::termios::{BaudRate, ControlFlags, SetArg, cfsetspeed, tcgetattr, tcsetattr};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use upsim::{lines, sys};

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (path, steps) =
        words.split_first().ok_or_else(|| io::Error::other("usage: probe TTY STEP..."))?;
    let mut tty = open(path)?;
    for (at, step) in steps.iter().enumerate() {
        if step == "daemon" {
            let rest = steps.get(at + 1..).unwrap_or_default();
            let exe = std::env::current_exe()?;
            Command::new(exe).arg(path).args(rest).stdin(Stdio::null()).spawn()?;
            return Ok(());
        }
        if step == "reopen" {
            tty = open(path)?;
        }
        let done = act(&tty, step);
        let mut out = io::stdout().lock();
        match done {
            Ok(said) => writeln!(out, "{step}: {said}")?,
            Err(error) => match error.raw_os_error() {
                Some(number) => writeln!(out, "{step}: {:?}", nix::errno::Errno::from_raw(number))?,
                None => return Err(error),
            },
        }
        out.flush()?;
    }
    Ok(())
}

fn open(path: &str) -> io::Result<File> {
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

fn act(tty: &File, step: &str) -> io::Result<String> {
    let (name, value) = step.split_once('=').unwrap_or((step, ""));
    match name {
        "get" => return Ok(show(sys::modem_get(tty)?)),
        "icount" => return Ok(format!("{:?}", sys::modem_counts(tty)?)),
        "wait" => sys::modem_wait(tty, mask(value)?)?,
        "threads" => threads(tty, value)?,
        "set" => sys::modem_drive(tty, libc::TIOCMSET, mask(value)?)?,
        "bis" => sys::modem_drive(tty, libc::TIOCMBIS, mask(value)?)?,
        "bic" => sys::modem_drive(tty, libc::TIOCMBIC, mask(value)?)?,
        "break" if value == "on" => sys::plain_ioctl(tty, libc::TIOCSBRK, 0)?,
        "break" => sys::plain_ioctl(tty, libc::TIOCCBRK, 0)?,
        "sendbreak" => sys::plain_ioctl(tty, libc::TCSBRK, 0)?,
        "excl" => sys::plain_ioctl(tty, libc::TIOCEXCL, 0)?,
        "speed" | "hupcl" | "clocal" => settings(tty, name, value)?,
        "drop" => {
            let nobody = 65_534;
            setgroups(&[])?;
            setgid(Gid::from_raw(nobody))?;
            setuid(Uid::from_raw(nobody))?;
            prctl::set_dumpable(false)?;
        }
        "filter" => sys::confine()?,
        "sleep" => {
            std::thread::sleep(Duration::from_millis(value.parse().map_err(io::Error::other)?))
        }
        "reopen" => {}
        _ => return Err(io::Error::other(format!("no step {step}"))),
    }
    Ok("ok".to_owned())
}

fn settings(tty: &File, name: &str, value: &str) -> io::Result<()> {
    let mut new = tcgetattr(tty)?;
    match name {
        "speed" => cfsetspeed(&mut new, if value == "0" { BaudRate::B0 } else { BaudRate::B9600 })?,
        "hupcl" => new.control_flags.set(ControlFlags::HUPCL, value == "1"),
        _ => new.control_flags.set(ControlFlags::CLOCAL, value == "1"),
    }
    Ok(tcsetattr(tty, SetArg::TCSANOW, &new)?)
}

/// One thread for each line; ends when all of them have been woken.
fn threads(tty: &File, lines: &str) -> io::Result<()> {
    let mut all = Vec::new();
    for line in lines.split(',') {
        let (tty, mask, line) = (tty.try_clone()?, mask(line)?, line.to_owned());
        all.push(std::thread::spawn(move || {
            let result = sys::modem_wait(&tty, mask);
            println!("thread {line}: {result:?}");
        }));
    }
    for thread in all {
        thread.join().map_err(|_| io::Error::other("a thread panicked"))?;
    }
    Ok(())
}

fn mask(names: &str) -> io::Result<i32> {
    let outputs = [("dtr", lines::DTR), ("rts", lines::RTS)];
    let mut mask = 0;
    for name in names.split(',').filter(|name| !name.is_empty()) {
        let bit = lines::NAMES.iter().chain(&outputs).find(|(known, _)| *known == name);
        mask |= bit.ok_or_else(|| io::Error::other(format!("no line {name}")))?.1;
    }
    i32::try_from(mask).map_err(io::Error::other)
}

fn show(word: i32) -> String {
    let word = u32::from_ne_bytes(word.to_ne_bytes());
    let all = lines::NAMES.iter().chain(&[("dtr", lines::DTR), ("rts", lines::RTS)]);
    let levels: Vec<String> =
        all.map(|(name, bit)| format!("{name}={}", u8::from(word & bit != 0))).collect();
    levels.join(" ")
}
