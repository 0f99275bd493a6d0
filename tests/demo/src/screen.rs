//! The story, side by side, in 80 columns; in colour on a terminal.

use crate::event::Kind;
use crate::sim::Rig;
use nix::time::{ClockId, clock_gettime};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Rows stand still for so long before they are shown, so that they come in the order of their times.
const HELD: u64 = 60_000_000;
const MONITOR: usize = 14;
const PARENT: usize = 41;
const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";

/// One thing that one side saw.
struct Row {
    nanos: u64,
    column: usize,
    text: String,
    colour: &'static str,
}

/// What is shown, and how far the sources have been read.
pub struct Screen {
    colour: bool,
    zero: u64,
    /// When a line moved last, for how long init had to wait.
    moved: u64,
    lines: [bool; 2],
    events: usize,
    bytes: usize,
    rows: Vec<Row>,
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec()).unwrap_or(0)
}

impl Screen {
    pub fn new() -> Self {
        Self {
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            zero: 0,
            moved: 0,
            lines: [true; 2],
            events: 0,
            bytes: 0,
            rows: Vec::new(),
        }
    }

    /// Text in a colour, where there are colours.
    pub fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour && !colour.is_empty() {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A heading.
    pub fn head(&self, text: &str) {
        println!("\n{}", self.paint(BOLD, text));
    }

    /// What this is.
    pub fn open(&self, conf: &Path) {
        self.head("upsentry: a UPS monitor of which no process keeps root");
        println!(
            "There is no UPS here, so its cable is simulated: a serial port with modem lines,\n\
             and a FIFO where init's would be. The daemon is the real one, in its real jail.\n\
             Nothing of this machine is touched. All that is configured of the UPS:\n"
        );
        let text = std::fs::read_to_string(conf).unwrap_or_default();
        for line in text.lines().take(2) {
            println!("    {}", self.paint(BOLD, line));
        }
        println!("\nOn this cable CTS 1 means mains, and DCD 1 means that the battery is not low.");
    }

    /// The heads of the columns; what was said before is not shown.
    pub fn begin(&mut self, rig: &mut Rig) {
        self.zero = now();
        self.events = rig.log().len();
        self.bytes = rig.stderr().len();
        self.head("An outage, and who saw what when (times in seconds):");
        println!();
        let head = format!(
            "{:>7}  {:<width$}{:<more$}{}",
            "",
            "the cable",
            "the monitor, in its jail",
            "what init is told",
            width = MONITOR,
            more = PARENT - MONITOR
        );
        println!("{}", self.paint(BOLD, &head));
    }

    /// Something happens to the UPS.
    pub fn happens(&mut self, words: &str) {
        self.flush();
        println!("{}", self.paint(DIM, &format!("-- {words} --")));
    }

    /// Takes in what is new, and shows what is old enough.
    pub fn look(&mut self, rig: &mut Rig) {
        for event in rig.log().iter().skip(self.events) {
            self.events += 1;
            match &event.kind {
                Kind::In { cts, dcd, .. } => {
                    self.moved = event.nanos;
                    let text = self.levels([*cts, *dcd]);
                    self.row(event.nanos, 0, text, "");
                }
                Kind::Init(request) => {
                    let after = (event.nanos - self.moved) as f64 / 1e6;
                    let (word, colour) = match request.name.as_str() {
                        "powerfail" => ("power fail", YELLOW),
                        "powerok" => ("power ok", GREEN),
                        "powerfailnow" => ("power fail now", RED),
                        other => (other, RED),
                    };
                    let after = if after < 1000.0 {
                        format!("{after:.1} ms")
                    } else {
                        format!("{:.3} s", after / 1000.0)
                    };
                    self.row(event.nanos, PARENT, format!("{word}, {after} later"), colour);
                }
                _ => {}
            }
        }
        let said = rig.stderr();
        while let Some((line, _)) = said.get(self.bytes..).and_then(|rest| rest.split_once('\n')) {
            self.bytes += line.len() + 1;
            if let Some(words) = line.strip_prefix("upsentry-mon: ups: ") {
                let colour = match words.split(' ').next() {
                    Some("LOW") => RED,
                    _ if words.starts_with("on mains") => GREEN,
                    _ => YELLOW,
                };
                let short = words
                    .split_once(" for ")
                    .map_or(words.to_owned(), |(begin, _)| format!("{begin})"));
                // The file has no times: this is when it was read, but not after what followed from it.
                self.row(now(), MONITOR, short, colour);
            }
        }
        self.order();
        let old = now().saturating_sub(HELD);
        let ready = self.rows.iter().take_while(|row| row.nanos < old).count();
        self.show(ready);
    }

    /// What moved, as `CTS 0`.
    fn levels(&mut self, now: [bool; 2]) -> String {
        let names = ["CTS", "DCD"].into_iter().zip(now).zip(self.lines);
        let changed: Vec<String> = names
            .filter(|((_, level), before)| level != before)
            .map(|((name, level), _)| format!("{name} {} -> {}", u8::from(!level), u8::from(level)))
            .collect();
        self.lines = now;
        changed.join(" ")
    }

    fn row(&mut self, nanos: u64, column: usize, text: String, colour: &'static str) {
        self.rows.push(Row { nanos, column, text, colour });
    }

    /// What the monitor said of a change was said before init heard of it, even if it was read a moment later.
    fn order(&mut self) {
        let told: Vec<u64> =
            self.rows.iter().filter(|row| row.column == PARENT).map(|row| row.nanos).collect();
        for row in self.rows.iter_mut().filter(|row| row.column == MONITOR) {
            if let Some(before) =
                told.iter().find(|told| **told <= row.nanos && row.nanos - **told < HELD)
            {
                row.nanos = *before;
            }
        }
        self.rows.sort_by_key(|row| (row.nanos, row.column));
    }

    /// Shows all rows.
    pub fn flush(&mut self) {
        self.order();
        self.show(self.rows.len());
    }

    fn show(&mut self, count: usize) {
        for row in self.rows.drain(..count).collect::<Vec<_>>() {
            let seconds = row.nanos.saturating_sub(self.zero) as f64 / 1e9;
            let blank = " ".repeat(row.column);
            println!("{seconds:7.3}  {blank}{}", self.paint(row.colour, &row.text));
        }
        let _ = std::io::stdout().flush();
    }

    /// The last words.
    pub fn end(&self, right: bool) {
        if right {
            self.head("init heard of each change once, in order, and of the spike nothing.");
            println!(
                "At `power fail now` init would run its powerfailnow line, and stop the machine\n\
                 while the battery lasts. The daemon has been stopped, and nothing is left of it."
            );
        } else {
            self.head("Something went wrong: init did not hear what it should have.");
        }
    }
}
