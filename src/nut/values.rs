//! The variables of a UPS that somebody wants: a fixed set, in fixed room.

use core::fmt;

/// Bytes that are kept of a value.
pub const LONGEST: usize = 64;
/// Variables that may be wanted beside [`ALWAYS`].
pub const MOST_WANTED: usize = 256;
/// Bytes of a wanted name.
pub const LONGEST_NAME: usize = 64;
/// What is always kept.
pub const ALWAYS: [&str; 9] = [
    "ups.status",
    "ups.alarm",
    "battery.charge",
    "battery.charge.low",
    "battery.runtime",
    "battery.voltage",
    "input.voltage",
    "ups.load",
    "ups.temperature",
];

/// A text of at most [`LONGEST`] bytes, printable ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Text {
    const EMPTY: Text = Text { bytes: [0; LONGEST], length: 0 };

    /// What is longer is cut; what cannot be printed becomes `?`.
    #[must_use]
    pub fn new(text: &str) -> Text {
        let mut kept = Text::EMPTY;
        for (place, letter) in kept.bytes.iter_mut().zip(text.chars()) {
            let printable = letter == ' ' || letter.is_ascii_graphic();
            *place = if printable { u8::try_from(letter).unwrap_or(b'?') } else { b'?' };
            kept.length += 1;
        }
        kept
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Values by name, whose case does not count. What nobody wants is dropped.
#[derive(Clone, Debug)]
pub struct Values {
    wanted: Box<[String]>,
    /// As many as there are names.
    values: Box<[Option<Text>]>,
}

impl Values {
    /// Keeps [`ALWAYS`] and the first [`MOST_WANTED`] of `wanted` that are not in there and no longer than
    /// [`LONGEST_NAME`]. The only allocations.
    #[must_use]
    pub fn new(wanted: &[String]) -> Values {
        let mut names: Vec<String> = Vec::with_capacity(wanted.len().min(MOST_WANTED));
        for name in wanted {
            let known = ALWAYS.iter().copied().chain(names.iter().map(String::as_str));
            let fits = (1..=LONGEST_NAME).contains(&name.len()) && names.len() < MOST_WANTED;
            if fits && !{ known }.any(|one| one.eq_ignore_ascii_case(name)) {
                names.push(name.clone());
            }
        }
        let values = vec![None; ALWAYS.len().saturating_add(names.len())];
        Values { wanted: names.into_boxed_slice(), values: values.into_boxed_slice() }
    }

    /// All names that are kept, `ups.status` first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        ALWAYS.iter().copied().chain(self.wanted.iter().map(String::as_str))
    }

    /// Keeps a value; false: nobody wants it.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        self.put(name, Some(Text::new(value)))
    }

    /// Forgets a value; false: nobody wants it.
    pub fn remove(&mut self, name: &str) -> bool {
        self.put(name, None)
    }

    /// Keeps the value of the name of this number in [`Values::names`].
    pub(crate) fn set_nth(&mut self, number: usize, value: &str) {
        if let Some(place) = self.values.get_mut(number) {
            *place = Some(Text::new(value));
        }
    }

    /// Forgets it.
    pub(crate) fn remove_nth(&mut self, number: usize) {
        if let Some(place) = self.values.get_mut(number) {
            *place = None;
        }
    }

    /// A value, as far as it was kept.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let place = self.place(name)?;
        self.values.get(place)?.as_ref().map(Text::as_str)
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.values.fill(None);
    }

    /// What is known: names as they were asked for, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.names().zip(self.values.iter());
        all.filter_map(|(name, value)| Some((name, value.as_ref()?.as_str())))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names().position(|one| one.eq_ignore_ascii_case(name))
    }

    fn put(&mut self, name: &str, value: Option<Text>) -> bool {
        let place = self.place(name).and_then(|number| self.values.get_mut(number));
        place.map(|place| *place = value).is_some()
    }
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
