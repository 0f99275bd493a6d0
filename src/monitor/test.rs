//! `upsentry test`: the lines and what they mean, a row per change. Acts on nothing.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::errno::Errno;

use crate::config::wiring::Status;
use crate::ipc::frame::Kind;
use crate::monitor::Line;
use crate::monitor::power::Ups;
use crate::sys::tty::Lines;
use crate::sys::{now, process};

/// How often the lines are looked at: a person cannot see faster, and it finds bounces.
const STEP: Duration = Duration::from_millis(5);

struct Row<'a> {
    line: &'a Line,
    ups: Ups,
    shown: Option<(Option<Lines>, &'static str)>,
    glitches: u32,
}

/// Shows rows until ^C. `colour`: the output is a terminal.
///
/// # Errors
/// A port without modem lines, or standard output is gone.
pub fn run(lines: &[Line], colour: bool) -> Result<u8, String> {
    let named = lines.len() > 1;
    let mut out = std::io::stdout();
    let ups = if named { "UPS      " } else { "" };
    let head = format!("{ups}time          CTS  DSR  DCD  RNG    RxD  TxD    DTR  RTS    STATUS");
    writeln!(out, "{head}").map_err(|error| error.to_string())?;
    let rows = lines.iter().map(|line| Row {
        line,
        ups: Ups::new(line.settings),
        shown: None,
        glitches: 0,
    });
    let mut rows: Vec<Row<'_>> = rows.collect();
    loop {
        for row in &mut rows {
            if let Some(text) = row.look(named, colour)? {
                writeln!(out, "{text}")
                    .and_then(|()| out.flush())
                    .map_err(|error| error.to_string())?;
            }
        }
        process::wait(&mut [], Some(STEP)).map_err(|error| error.to_string())?;
    }
}

impl Row<'_> {
    /// The row to print, if anything changed.
    fn look(&mut self, named: bool, colour: bool) -> Result<Option<String>, String> {
        let time = now();
        let lines = match self.line.tty.as_ref().map(|tty| Lines::read(tty.as_fd())) {
            Some(Ok(lines)) => Some(lines),
            Some(Err(Errno::ENOTTY)) => return Err(format!("{}: no modem lines", self.line.name)),
            Some(Err(_)) | None => None,
        };
        self.ups.step(time, lines.map(Lines::inputs), true, &mut |_: Kind| {});
        let status = self.status(lines);
        let bounced = self.ups.glitches().saturating_sub(self.glitches);
        if self.shown == Some((lines, status)) && bounced == 0 {
            return Ok(None);
        }
        self.shown = Some((lines, status));
        self.glitches = self.ups.glitches();
        Ok(Some(self.text(lines, status, bounced, named, colour)))
    }

    fn status(&self, lines: Option<Lines>) -> &'static str {
        match self.ups.believed() {
            _ if lines.is_none() => "GONE",
            None => "SETTLING",
            Some((Status::Mains, _)) => "OK",
            Some((Status::Battery | Status::Low, _)) if self.ups.in_doubt() => "LOW?",
            Some((Status::Battery, _)) => "FAIL",
            Some((Status::Low, _)) => "LOW",
            Some((Status::Lost, _)) => "NO CABLE",
        }
    }

    fn text(
        &self,
        lines: Option<Lines>,
        status: &str,
        bounced: u32,
        named: bool,
        colour: bool,
    ) -> String {
        let ups = if named { format!("{:8} ", self.line.name) } else { String::new() };
        let level = |raised: bool| {
            if lines.is_some() { if raised { "1" } else { "0" } } else { "-" }
        };
        let at = lines.unwrap_or_default();
        let mut text = format!(
            "{ups}{}  {}    {}    {}    {}      0    0      {}    {}      ",
            clock(),
            level(at.cts()),
            level(at.dsr()),
            level(at.dcd()),
            level(at.rng()),
            level(at.dtr()),
            level(at.rts())
        );
        let code = match status {
            "OK" => "32",
            "FAIL" => "33",
            "LOW" | "LOW?" | "GONE" | "NO CABLE" => "31",
            _ => "36",
        };
        if colour {
            text.push_str(&format!("\x1b[1;{code}m{status}\x1b[0m"));
        } else {
            text.push_str(status);
        }
        if status == "LOW?" {
            text.push_str("    all inputs 0 at once: cable?");
        }
        if bounced > 0 {
            text.push_str(&format!("    bounced {bounced}x"));
        }
        text
    }
}

/// Wall-clock time of day, UTC offset left to the reader: hours as the system's clock counts them.
fn clock() -> String {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).map_or(0, |time| {
        time.tv_sec()
            .rem_euclid(86_400)
            .saturating_mul(1000)
            .saturating_add(time.tv_nsec() / 1_000_000)
    });
    let (seconds, millis) = (time / 1000, time % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
