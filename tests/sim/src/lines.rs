//! The modem lines of one port and who waits for them: pure, no system calls.

// The bits are those of TIOCMGET, the same on every architecture we know.

/// Bits of the four lines that the UPS drives.
pub const INPUTS: u32 = CTS | DSR | DCD | RNG;
/// Bits of the lines that the program drives and that we model.
pub const OUTPUTS: u32 = DTR | RTS | OUT1 | OUT2;
/// Clear to send.
pub const CTS: u32 = 0x020;
/// Data set ready.
pub const DSR: u32 = 0x100;
/// Carrier detect.
pub const DCD: u32 = 0x040;
/// Ring.
pub const RNG: u32 = 0x080;
/// Data terminal ready.
pub const DTR: u32 = 0x002;
/// Request to send.
pub const RTS: u32 = 0x004;
const OUT1: u32 = 0x2000;
const OUT2: u32 = 0x4000;

/// The input lines by name, in the order of the log.
pub const NAMES: [(&str, u32); 4] = [("cts", CTS), ("dsr", DSR), ("dcd", DCD), ("rng", RNG)];

/// Some input lines and the level each of them takes, all at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    lines: u32,
    levels: u32,
}

impl Change {
    /// Adds one `cts=1`; says what is wrong with it otherwise.
    pub fn add(&mut self, word: &str) -> Result<(), String> {
        let (name, level) =
            word.split_once('=').ok_or_else(|| format!("`{word}` is not LINE=0 or LINE=1"))?;
        let bit = NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, bit)| *bit)
            .ok_or_else(|| format!("no line `{name}`: cts, dsr, dcd or rng"))?;
        self.lines |= bit;
        match level {
            "1" => self.levels |= bit,
            "0" => self.levels &= !bit,
            _ => return Err(format!("the level of {name} is `{level}`, neither 0 nor 1")),
        }
        Ok(())
    }

    /// True when it names no line.
    pub fn is_empty(self) -> bool {
        self.lines == 0
    }

    /// The levels after it.
    pub fn apply(self, inputs: u32) -> u32 {
        (inputs & !self.lines) | self.levels
    }

    /// The same lines, every level the other way round.
    pub fn inverted(self) -> Self {
        Self { lines: self.lines, levels: self.lines & !self.levels }
    }

    /// The change that brings the lines of this one back to what they are in `inputs`.
    pub fn undo(self, inputs: u32) -> Self {
        Self { lines: self.lines, levels: inputs & self.lines }
    }
}

/// Edges counted since the port was made, as a 16550 counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Changes of CTS.
    pub cts: i32,
    /// Changes of DSR.
    pub dsr: i32,
    /// Ends of a ring: its beginning is not counted.
    pub rng: i32,
    /// Changes of DCD.
    pub dcd: i32,
}

/// The levels of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lines {
    /// Lines that the UPS drives.
    pub inputs: u32,
    /// Lines that the program drives.
    pub outputs: u32,
    /// Edges so far.
    pub counts: Counts,
}

impl Lines {
    /// What TIOCMGET answers.
    pub fn word(&self) -> u32 {
        self.inputs | self.outputs
    }

    /// Moves the inputs and returns the lines with an edge that the hardware reports: any for CTS,
    /// DSR and DCD, only the trailing one (1→0) for RNG.
    pub fn set_inputs(&mut self, inputs: u32) -> u32 {
        let inputs = inputs & INPUTS;
        let moved = self.inputs ^ inputs;
        let edges = (moved & !RNG) | (moved & RNG & self.inputs);
        self.inputs = inputs;
        for (bit, count) in [
            (CTS, &mut self.counts.cts),
            (DSR, &mut self.counts.dsr),
            (RNG, &mut self.counts.rng),
            (DCD, &mut self.counts.dcd),
        ] {
            if edges & bit != 0 {
                *count = count.wrapping_add(1);
            }
        }
        edges
    }

    /// TIOCMSET, TIOCMBIS and TIOCMBIC: what is not an output is ignored.
    pub fn drive(&mut self, how: Drive, word: u32) {
        let word = word & OUTPUTS;
        self.outputs = match how {
            Drive::Set => word,
            Drive::Raise => self.outputs | word,
            Drive::Lower => self.outputs & !word,
        };
    }

    /// `cts=0 dsr=0 dcd=1 rng=0`.
    pub fn show_inputs(&self) -> String {
        NAMES.map(|(name, bit)| format!("{name}={}", u8::from(self.inputs & bit != 0))).join(" ")
    }

    /// `dtr=1 rts=0`.
    pub fn show_outputs(&self) -> String {
        let level = |bit| u8::from(self.outputs & bit != 0);
        format!("dtr={} rts={}", level(DTR), level(RTS))
    }
}

/// The three ways to drive the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// TIOCMSET.
    Set,
    /// TIOCMBIS.
    Raise,
    /// TIOCMBIC.
    Lower,
}

/// One thread inside TIOCMIWAIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiter {
    id: u64,
    tid: i32,
    mask: u32,
}

/// The threads inside TIOCMIWAIT on one port. A thread is in the list from its call to its answer,
/// so an edge between two calls wakes nobody: as in a real kernel, it is lost.
#[derive(Debug, Clone, Default)]
pub struct Waiters(Vec<Waiter>);

impl Waiters {
    /// A thread called. Whatever call of it we still knew was interrupted and is over.
    pub fn enter(&mut self, id: u64, tid: i32, mask: u32) {
        self.0.retain(|waiter| waiter.tid != tid);
        self.0.push(Waiter { id, tid, mask });
    }

    /// Takes out the calls that `edges` ends, oldest first.
    pub fn take(&mut self, edges: u32) -> Vec<u64> {
        let mut woken = Vec::new();
        self.0.retain(|waiter| {
            let hit = waiter.mask & edges != 0;
            if hit {
                woken.push(waiter.id);
            }
            !hit
        });
        woken
    }

    /// Takes out all of them.
    pub fn take_all(&mut self) -> Vec<u64> {
        self.0.drain(..).map(|waiter| waiter.id).collect()
    }

    /// Forgets calls that are over without our doing.
    pub fn forget(&mut self, mut over: impl FnMut(u64) -> bool) {
        self.0.retain(|waiter| !over(waiter.id));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(words: &str) -> Change {
        let mut change = Change::default();
        for word in words.split_whitespace() {
            change.add(word).unwrap();
        }
        change
    }

    #[test]
    fn one_change_moves_several_lines_at_once() {
        let mut lines = Lines::default();
        let edges = lines.set_inputs(change("cts=1 dcd=1").apply(lines.inputs));
        assert_eq!(edges, CTS | DCD);
        assert_eq!(lines.show_inputs(), "cts=1 dsr=0 dcd=1 rng=0");
        assert_eq!((lines.counts.cts, lines.counts.dcd), (1, 1));
    }

    #[test]
    fn a_level_that_stays_is_no_edge() {
        let mut lines = Lines::default();
        lines.set_inputs(CTS);
        assert_eq!(lines.set_inputs(CTS), 0);
        assert_eq!(lines.counts.cts, 1);
    }

    #[test]
    fn ring_is_seen_on_its_trailing_edge_only() {
        let mut lines = Lines::default();
        assert_eq!(lines.set_inputs(RNG), 0);
        assert_eq!(lines.counts.rng, 0);
        assert_eq!(lines.set_inputs(0), RNG);
        assert_eq!(lines.counts.rng, 1);
    }

    #[test]
    fn inputs_are_not_the_programs_to_drive() {
        let mut lines = Lines::default();
        lines.drive(Drive::Set, DTR | CTS);
        assert_eq!(lines.word(), DTR);
        lines.drive(Drive::Raise, RTS);
        lines.drive(Drive::Lower, DTR);
        assert_eq!(lines.show_outputs(), "dtr=0 rts=1");
    }

    #[test]
    fn undo_and_inverse_touch_only_their_own_lines() {
        let drop = change("cts=0 dsr=1");
        let before = CTS | DCD;
        assert_eq!(drop.apply(before), DSR | DCD);
        assert_eq!(drop.undo(before).apply(DSR | DCD), before);
        assert_eq!(drop.inverted().apply(RNG), CTS | RNG);
    }

    #[test]
    fn words_that_are_no_change_are_refused() {
        for word in ["cts", "cts=2", "dtr=1", "cts=", "=1", "CTS=1"] {
            assert!(Change::default().add(word).is_err(), "{word}");
        }
    }

    #[test]
    fn an_edge_wakes_those_whose_mask_has_it() {
        let mut waiters = Waiters::default();
        waiters.enter(1, 100, CTS);
        waiters.enter(2, 101, DCD);
        waiters.enter(3, 102, CTS | DCD);
        assert_eq!(waiters.take(CTS), [1, 3]);
        assert_eq!(waiters.len(), 1);
        assert_eq!(waiters.take(CTS), [0u64; 0]);
    }

    #[test]
    fn an_edge_before_the_call_is_lost() {
        let mut waiters = Waiters::default();
        let mut lines = Lines::default();
        let edges = lines.set_inputs(CTS);
        assert!(waiters.take(edges).is_empty());
        waiters.enter(1, 100, CTS);
        assert_eq!(waiters.len(), 1);
        assert_eq!(waiters.take(lines.set_inputs(0)), [1]);
    }

    #[test]
    fn a_thread_waits_once() {
        let mut waiters = Waiters::default();
        waiters.enter(1, 100, CTS);
        waiters.enter(2, 100, DCD);
        assert_eq!(waiters.take_all(), [2]);
        waiters.enter(3, 100, DCD);
        waiters.forget(|id| id == 3);
        assert!(waiters.is_empty());
    }
}
