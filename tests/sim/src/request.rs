//! What init reads from its control FIFO, decoded: pure. Written from the format's description, not from
//! the daemon's own encoder, so that one does not share the other's mistakes.

use std::fmt::Write;

/// Size of a request; init takes no other.
pub const SIZE: usize = 384;
const MAGIC: u32 = 0x0309_1969;
const DATA: usize = 16;

/// One read from the FIFO as a line for the log, without its time.
pub fn describe(bytes: &[u8]) -> String {
    let word = |at: usize| -> Option<u32> {
        let four = bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_ne_bytes(four.try_into().ok()?))
    };
    let size = bytes.len();
    let (Some(magic), Some(cmd), Some(level), Some(sleep), true) =
        (word(0), word(4), word(8), word(12), size == SIZE)
    else {
        return format!("init bogus size={size}");
    };
    if magic != MAGIC {
        return format!("init bogus magic={magic:#010x} size={size}");
    }
    let data = bytes.get(DATA..).unwrap_or_default();
    let name = match cmd {
        1 => "runlevel",
        2 => "powerfail",
        3 => "powerfailnow",
        4 => "powerok",
        6 => "setenv",
        _ => return format!("init bogus cmd={cmd} size={size}"),
    };
    let mut line = format!("init {name} cmd={cmd} runlevel={} sleep={sleep}", character(level));
    if name == "setenv" {
        for string in data.split(|byte| *byte == 0).filter(|string| !string.is_empty()) {
            let _ = write!(line, " env={}", escaped(string));
        }
    } else if data.iter().any(|byte| *byte != 0) {
        line.push_str(" data=dirty");
    }
    let _ = write!(line, " size={size}");
    line
}

/// A request without data, as [`describe`] reads it.
pub fn encode(cmd: u32, sleep: u32) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    let words = [MAGIC, cmd, 0, sleep].into_iter().flat_map(u32::to_ne_bytes);
    for (place, byte) in bytes.iter_mut().zip(words) {
        *place = byte;
    }
    bytes
}

/// The runlevel as its character, `-` for none.
fn character(level: u32) -> String {
    match u8::try_from(level) {
        Ok(0) => "-".to_owned(),
        Ok(byte) => escaped(&[byte]),
        Err(_) => format!("{level:#x}"),
    }
}

/// Bytes that would break the log's words as `\xNN`.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_graphic() && *byte != b'\\' {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cmd: u32, level: u32, sleep: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            [MAGIC, cmd, level, sleep].iter().flat_map(|n| n.to_ne_bytes()).collect();
        bytes.extend_from_slice(data);
        bytes.resize(SIZE, 0);
        bytes
    }

    #[test]
    fn power_requests_have_their_names() {
        assert_eq!(
            describe(&request(2, 0, 5, b"")),
            "init powerfail cmd=2 runlevel=- sleep=5 size=384"
        );
        assert_eq!(
            describe(&request(3, 0, 5, b"")),
            "init powerfailnow cmd=3 runlevel=- sleep=5 size=384"
        );
        assert_eq!(
            describe(&request(4, 0, 0, b"")),
            "init powerok cmd=4 runlevel=- sleep=0 size=384"
        );
    }

    #[test]
    fn a_runlevel_is_a_character() {
        let zero = u32::from(b'0');
        assert_eq!(
            describe(&request(1, zero, 5, b"")),
            "init runlevel cmd=1 runlevel=0 sleep=5 size=384"
        );
        assert_eq!(
            describe(&request(1, 0x1ff, 5, b"")),
            "init runlevel cmd=1 runlevel=0x1ff sleep=5 size=384"
        );
    }

    #[test]
    fn environment_strings_stand_one_by_one() {
        assert_eq!(
            describe(&request(6, 0, 5, b"INIT_HALT=POWEROFF\0INIT_X=a b\0")),
            "init setenv cmd=6 runlevel=- sleep=5 env=INIT_HALT=POWEROFF env=INIT_X=a\\x20b size=384"
        );
    }

    #[test]
    fn anything_else_is_bogus() {
        let good = request(2, 0, 5, b"");
        assert_eq!(describe(&good[..383]), "init bogus size=383");
        assert_eq!(describe(b""), "init bogus size=0");
        assert_eq!(describe(&request(9, 0, 5, b"")), "init bogus cmd=9 size=384");
        let mut other = good;
        other[0] ^= 1;
        assert_eq!(describe(&other), "init bogus magic=0x03091968 size=384");
    }

    #[test]
    fn rubbish_after_the_header_is_shown() {
        let line = describe(&request(2, 0, 5, b"x"));
        assert_eq!(line, "init powerfail cmd=2 runlevel=- sleep=5 data=dirty size=384");
    }
}
