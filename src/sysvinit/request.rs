//! Requests on `/run/initctl` (sysvinit's `initreq.h`): 384 bytes, native 32-bit integers: magic, command,
//! runlevel (a character), sleeptime, then 368 bytes of data.

/// The size of one request; init checks it exactly.
pub const SIZE: usize = 384;
const MAGIC: u32 = 0x0309_1969;
const HEADER: usize = 16;

/// The commands that we send, by their numbers in `initreq.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// 1: change the runlevel; a character that init takes.
    Runlevel(u8),
    /// 2: power is failing.
    PowerFail,
    /// 3: power is failing now (battery low).
    PowerFailNow,
    /// 4: power is back.
    PowerOk,
}

/// What goes to init in one `write`: one request, or SETENV and a request, which together stay under
/// PIPE_BUF and so are atomic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    bytes: [u8; 2 * SIZE],
    length: usize,
}

impl Message {
    /// One request. `sleep_time` (seconds, at least 1): init keeps it as its grace between TERM and KILL,
    /// from every request, so it is never 0.
    pub fn new(command: Command, sleep_time: u8) -> Message {
        let mut message = Message { bytes: [0; 2 * SIZE], length: 0 };
        if command == Command::Runlevel(b'0') {
            // Without it the halt script only halts, and does not call the hook that cuts the UPS.
            message.push(6, 0, sleep_time, b"INIT_HALT=POWEROFF");
        }
        let (number, runlevel) = match command {
            Command::Runlevel(level) => (1, level),
            Command::PowerFail => (2, 0),
            Command::PowerFailNow => (3, 0),
            Command::PowerOk => (4, 0),
        };
        message.push(number, runlevel, sleep_time, b"");
        message
    }

    /// The bytes to write.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn push(&mut self, command: u32, runlevel: u8, sleep_time: u8, data: &[u8]) {
        let words = [MAGIC, command, u32::from(runlevel), u32::from(sleep_time.max(1))];
        let header = words.into_iter().flat_map(u32::to_ne_bytes);
        let data = data.iter().copied().take(SIZE - HEADER);
        let slots = self.bytes.iter_mut().skip(self.length);
        for (slot, byte) in slots.zip(header.chain(data)) {
            *slot = byte;
        }
        self.length = (self.length + SIZE).min(self.bytes.len());
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
