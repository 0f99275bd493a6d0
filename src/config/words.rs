//! From a line to words, and from a word to a value.

use std::time::Duration;

use super::diagnostic::{Diagnostic, Span};
pub(super) use crate::rules::near::{did_you_mean, suggest};

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
