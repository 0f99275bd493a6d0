//! Text in a fixed buffer: what the jail and the parent format without the allocator.

use core::fmt;

/// A line on standard error. Unlike `eprintln!` it does not panic when nobody reads it: the last act of a
/// halt must not fail for want of a console.
pub fn complain(line: fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line on standard output, likewise.
pub fn show(line: fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Up to `N` bytes of text; what does not fit is cut off.
#[derive(Clone, Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// The formatted text, cut at `N` bytes.
    pub fn new(arguments: fmt::Arguments<'_>) -> Text<N> {
        let mut text = Text { bytes: [0; N], length: 0 };
        // An Err here is only the cut.
        let _ = fmt::Write::write_fmt(&mut text, arguments);
        text
    }

    /// The text so far.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// The text so far; empty if a cut split a character.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes()).unwrap_or("")
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for byte in more.bytes() {
            let slot = self.bytes.get_mut(self.length).ok_or(fmt::Error)?;
            *slot = byte;
            self.length = self.length.saturating_add(1);
        }
        Ok(())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
