//! From a line to words, and from a word to a value.

use std::time::Duration;

use super::diagnostic::{Diagnostic, Span};

/// One word of a line, without its quotes.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub text: String,
    pub span: Span,
}

impl Word {
    pub(super) fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.span.error(message)
    }

    pub(super) fn lowercase(&self) -> Self {
        Self { text: self.text.to_ascii_lowercase(), span: self.span }
    }
}

/// The words of one line, up to its comment.
pub(super) fn split(text: &str, line: usize) -> Result<Vec<Word>, Diagnostic> {
    let mut words = Vec::new();
    let mut chars = text.chars().zip(1..).peekable();
    while let Some((first, column)) = chars.next() {
        let mut word = Word { text: String::new(), span: Span::at(line, column) };
        match first {
            ' ' | '\t' => continue,
            '#' => break,
            '"' => {
                let mut closed = false;
                for (c, _) in chars.by_ref() {
                    word.span.width += 1;
                    if c == '"' {
                        closed = true;
                        break;
                    }
                    word.text.push(c);
                }
                if !closed {
                    return Err(
                        word.error("this quote is not closed; it must end in the same line")
                    );
                }
                if let Some((_, column)) = chars.next_if(|(c, _)| !matches!(c, ' ' | '\t')) {
                    let span = Span::at(line, column);
                    return Err(span.error("a blank must follow the closing quote"));
                }
            }
            _ => {
                word.text.push(first);
                while let Some((c, _)) = chars.next_if(|(c, _)| !matches!(c, ' ' | '\t')) {
                    word.text.push(c);
                    word.span.width += 1;
                }
            }
        }
        words.push(word);
    }
    Ok(words)
}

/// The value that a word names. A table may hold several names for one value: the first is its name,
/// the others are only understood.
pub(super) fn choose<T: Copy + PartialEq>(
    word: &Word,
    what: &str,
    plural: &str,
    table: &[(&str, T)],
) -> Result<T, Diagnostic> {
    if let Some((_, value)) = table.iter().find(|(name, _)| *name == word.text) {
        return Ok(*value);
    }
    let name_of =
        |value: &T| table.iter().find(|(_, other)| other == value).map_or("", |(name, _)| *name);
    let names: Vec<&str> = table
        .iter()
        .filter(|(name, value)| name_of(value) == *name)
        .map(|(name, _)| *name)
        .collect();
    let near = suggest(&word.text, table.iter().map(|(name, _)| *name));
    let near = near
        .and_then(|near| table.iter().find(|(name, _)| *name == near))
        .map(|(_, value)| name_of(value));
    Err(word.error(format!(
        "no such {what} `{}'; {plural} are {}{}",
        word.text,
        names.join(" "),
        did_you_mean(near)
    )))
}

pub(super) fn did_you_mean(near: Option<&str>) -> String {
    near.map_or(String::new(), |near| format!(" (did you mean `{near}'?)"))
}

/// The name (in small letters) nearest to a misspelt word, if one is near at all. Of several equally
/// near, the one that begins most like the word.
pub(super) fn suggest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let near = (word.len() / 3).clamp(1, 3);
    let rated = names.filter_map(|name| {
        // First what costs nothing: a file of nonsense asks this very often.
        let like = name.len().abs_diff(word.len()) <= near;
        let distance = like.then(|| distance(word.as_bytes(), name.as_bytes()))?;
        let both = word.bytes().zip(name.bytes());
        let alike = both.take_while(|(a, b)| a == b).count();
        let close = distance <= near && distance < name.len();
        close.then_some((distance, usize::MAX - alike, name))
    });
    let nearest = rated.min_by_key(|(distance, unlike, _)| (*distance, *unlike));
    nearest.map(|(_, _, name)| name)
}

/// How many letters are added, left out, changed or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_x = None;
    for (i, x) in a.iter().enumerate() {
        let mut left = i + 1;
        let mut row = vec![left];
        let mut last_y = None;
        for (j, y) in b.iter().enumerate() {
            left = (at(&above, j) + usize::from(x != y)).min(at(&above, j + 1) + 1).min(left + 1);
            if last_x == Some(y) && last_y == Some(x) {
                left = left.min(at(&before, j.wrapping_sub(1)) + 1);
            }
            row.push(left);
            last_y = Some(y);
        }
        before = std::mem::replace(&mut above, row);
        last_x = Some(x);
    }
    at(&above, b.len())
}

/// A whole number within bounds.
pub(super) fn number(word: &Word, least: u32, most: u32) -> Result<u32, Diagnostic> {
    let digits = word.text.bytes().all(|b| b.is_ascii_digit());
    match word.text.parse() {
        Ok(n) if digits && (least..=most).contains(&n) => Ok(n),
        _ => Err(word.error(format!("`{}' is not a number from {least} to {most}", word.text))),
    }
}

/// `500ms 20s 5m 1h`.
pub(super) fn duration(word: &Word) -> Result<Duration, Diagnostic> {
    let text = word.text.as_str();
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let count: Option<u64> = digits.parse().ok();
    let ms = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    match (count, ms) {
        (Some(count), Some(ms)) => Ok(Duration::from_millis(count.saturating_mul(ms))),
        (Some(0), None) if unit.is_empty() => Err(word.error("0 has no unit; write 0s")),
        (Some(count), None) if unit.is_empty() => {
            let longer =
                if count % 60 == 0 { format!("{}h", count / 60) } else { format!("{count}m") };
            Err(word.error(format!("{count} has no unit; write {count}s or {longer}")))
        }
        _ => Err(word.error(format!("`{text}' is not a time; write it like 500ms, 20s, 5m or 1h"))),
    }
}
