//! The frame: `[0x02] [type] [length] [name: length bytes] [0x03]`, one `write`, so never torn.
//!
//! The log pipe has the same framing with other limits; both are a [`Format`].

/// First byte of every frame.
pub const START: u8 = 0x02;
/// Last byte of every frame.
pub const STOP: u8 = 0x03;
/// Bytes that a length byte can announce.
const BODY_MAX: usize = 255;
/// The longest frame of any format: start, type, length, body, stop.
pub const FRAME_MAX: usize = BODY_MAX + 4;

/// What a frame on the event pipe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `O`: mains on.
    Ok,
    /// `F`: on battery.
    Fail,
    /// `L`: on battery and low.
    Low,
    /// `C`: contact with the UPS lost.
    Lost,
    /// `R`: contact restored.
    Restored,
    /// `S`: shut down now.
    Shutdown,
    /// `H`: alive.
    Alive,
    /// `N`: a notice for the notify hook.
    Notice,
}

impl Kind {
    /// Every kind, in the order of the design's table.
    pub const ALL: [Kind; 8] = [
        Kind::Ok,
        Kind::Fail,
        Kind::Low,
        Kind::Lost,
        Kind::Restored,
        Kind::Shutdown,
        Kind::Alive,
        Kind::Notice,
    ];

    /// The type byte.
    pub fn letter(self) -> u8 {
        match self {
            Kind::Ok => b'O',
            Kind::Fail => b'F',
            Kind::Low => b'L',
            Kind::Lost => b'C',
            Kind::Restored => b'R',
            Kind::Shutdown => b'S',
            Kind::Alive => b'H',
            Kind::Notice => b'N',
        }
    }
}

/// What a pipe carries: which type bytes, which lengths, which body bytes.
pub trait Format {
    /// The type byte, decoded.
    type Kind: Copy + core::fmt::Debug;
    /// The kind that a type byte stands for; `None`: not in this format.
    fn kind(byte: u8) -> Option<Self::Kind>;
    /// Longest body, in bytes; the shortest is 1.
    const LONGEST: u8;
    /// Whether a body may hold this byte.
    fn body(byte: u8) -> bool;
}

/// The event pipe: eight types, a name of 1..=63 bytes of `[A-Za-z0-9._-]`.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Events;

impl Format for Events {
    type Kind = Kind;
    const LONGEST: u8 = 63;

    fn kind(byte: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.letter() == byte)
    }

    fn body(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
    }
}

/// The log pipe: a severity `0`..=`7` (as syslog counts), 1..=255 bytes 0x20..=0x7e.
#[derive(Clone, Copy, Debug)]
pub struct LogLines;

impl Format for LogLines {
    /// Syslog severity, 0 (emergency) to 7 (debug).
    type Kind = u8;
    const LONGEST: u8 = 255;

    fn kind(byte: u8) -> Option<u8> {
        byte.checked_sub(b'0').filter(|severity| *severity <= 7)
    }

    fn body(byte: u8) -> bool {
        matches!(byte, 0x20..=0x7e)
    }
}

/// How a frame broke its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The first byte was not [`START`].
    Start(u8),
    /// A type byte that the format does not know.
    Type(u8),
    /// A length of 0 or over the format's limit.
    Length(u8),
    /// A byte that a body may not hold.
    Body(u8),
    /// The byte after the body was not [`STOP`].
    Stop(u8),
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Malformed::Start(byte) => write!(f, "start byte {byte:#04x}"),
            Malformed::Type(byte) => write!(f, "unknown type {byte:#04x}"),
            Malformed::Length(length) => write!(f, "length {length}"),
            Malformed::Body(byte) => write!(f, "byte {byte:#04x} in a body"),
            Malformed::Stop(byte) => write!(f, "stop byte {byte:#04x}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Expect {
    Start,
    Type,
    Length,
    Body,
    Stop,
}

/// A complete frame: its kind and its body.
pub type Whole<'a, F> = (<F as Format>::Kind, &'a [u8]);

/// Reads frames byte by byte. Five states, no allocation, no way to panic.
///
/// After a [`Malformed`] the stream is not to be trusted again: there is no search for the next start.
#[derive(Clone, Debug, Hash)]
pub struct Decoder<F: Format> {
    expect: Expect,
    kind: Option<F::Kind>,
    length: u8,
    filled: u8,
    body: [u8; BODY_MAX],
}

impl<F: Format> Default for Decoder<F> {
    fn default() -> Self {
        Decoder { expect: Expect::Start, kind: None, length: 0, filled: 0, body: [0; BODY_MAX] }
    }
}

impl<F: Format> Decoder<F> {
    /// Takes one byte; gives the frame that it completes.
    ///
    /// # Errors
    /// The byte does not belong where it stands.
    pub fn push(&mut self, byte: u8) -> Result<Option<Whole<'_, F>>, Malformed> {
        match self.expect {
            Expect::Start => {
                if byte != START {
                    return Err(Malformed::Start(byte));
                }
                self.expect = Expect::Type;
            }
            Expect::Type => {
                self.kind = Some(F::kind(byte).ok_or(Malformed::Type(byte))?);
                self.expect = Expect::Length;
            }
            Expect::Length => {
                if byte == 0 || byte > F::LONGEST {
                    return Err(Malformed::Length(byte));
                }
                self.length = byte;
                self.filled = 0;
                self.expect = Expect::Body;
            }
            Expect::Body => {
                let slot = self.body.get_mut(usize::from(self.filled));
                let slot = slot.filter(|_| F::body(byte)).ok_or(Malformed::Body(byte))?;
                *slot = byte;
                self.filled = self.filled.saturating_add(1);
                if self.filled == self.length {
                    self.expect = Expect::Stop;
                }
            }
            Expect::Stop => {
                if byte != STOP {
                    return Err(Malformed::Stop(byte));
                }
                self.expect = Expect::Start;
                let body = self.body.get(..usize::from(self.length));
                return Ok(self.kind.zip(body));
            }
        }
        Ok(None)
    }
}

/// A frame, ready for one `write`.
#[derive(Debug)]
pub struct Frame {
    bytes: [u8; FRAME_MAX],
    length: usize,
}

impl Frame {
    /// An event about the UPS (or, for `N`, the rule) of that name; `None` if the name has no legal form.
    pub fn event(kind: Kind, name: &str) -> Option<Frame> {
        if !name.bytes().all(Events::body) {
            return None;
        }
        Frame::new::<Events>(kind.letter(), name.as_bytes())
    }

    /// A log line; longer text is cut at 255 bytes, bytes outside 0x20..=0x7e become `?`; `None` if empty.
    pub fn log(severity: u8, text: &[u8]) -> Option<Frame> {
        let cut = text.get(..BODY_MAX).unwrap_or(text);
        Frame::new::<LogLines>(b'0'.saturating_add(severity.min(7)), cut)
    }

    fn new<F: Format>(kind: u8, body: &[u8]) -> Option<Frame> {
        let length = u8::try_from(body.len()).ok()?;
        if length == 0 || length > F::LONGEST {
            return None;
        }
        let mut frame = Frame { bytes: [0; FRAME_MAX], length: 0 };
        let clean = body.iter().map(|byte| if F::body(*byte) { *byte } else { b'?' });
        let bytes = [START, kind, length].into_iter().chain(clean).chain([STOP]);
        for (slot, byte) in frame.bytes.iter_mut().zip(bytes) {
            *slot = byte;
            frame.length = frame.length.saturating_add(1);
        }
        Some(frame)
    }

    /// The bytes to write.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
