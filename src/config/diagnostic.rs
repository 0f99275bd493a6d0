//! What is wrong with a file, where, and how to show it.

use std::fmt;
use std::path::Path;

use super::directives::without_secrets;

/// Whether it stops a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It is only said.
    Warning,
}

/// One thing to say about one place in the file. Columns count characters, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its line, from 1.
    pub line: usize,
    /// Where it begins in the line, from 1.
    pub column: usize,
    /// How many characters are meant; 0: no place in particular.
    pub width: usize,
    /// What is wrong and how to mend it.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
}

/// A place in the file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub line: usize,
    pub column: usize,
    pub width: usize,
}

impl Span {
    /// One character.
    pub(super) const fn at(line: usize, column: usize) -> Self {
        Self { line, column, width: 1 }
    }

    pub(super) fn error(self, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(message.into(), Severity::Error)
    }

    pub(super) fn warning(self, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(message.into(), Severity::Warning)
    }

    fn diagnostic(self, message: String, severity: Severity) -> Diagnostic {
        Diagnostic { line: self.line, column: self.column, width: self.width, message, severity }
    }
}

/// Longer lines are not shown, only named.
const LONGEST_SHOWN: usize = 200;
/// More errors than this are counted, not shown.
const MOST_SHOWN: usize = 100;

impl Diagnostic {
    /// `FILE:LINE:COLUMN: message`; for an error also the line and carets under what is meant.
    /// `text` is the file's.
    #[must_use]
    pub fn render(&self, path: &Path, text: &str) -> String {
        let mut shown = self.headline(path);
        let line = text.split('\n').nth(self.line.saturating_sub(1)).unwrap_or_default();
        let line = without_secrets(line);
        let length = line.chars().count();
        let before = self.column.saturating_sub(1);
        let carets = self.width.min(length.saturating_sub(before));
        if self.severity == Severity::Error && carets > 0 && length <= LONGEST_SHOWN {
            // A tab is copied, so that the carets stand right whatever a tab is worth.
            let indent: String =
                line.chars().take(before).map(|c| if c == '\t' { c } else { ' ' }).collect();
            shown.push_str(&format!("\n    {line}\n    {indent}{}", "^".repeat(carets)));
        }
        shown
    }

    /// The first line of [`Self::render`], for the log.
    #[must_use]
    pub fn headline(&self, path: &Path) -> String {
        let warning = if self.severity == Severity::Warning { "warning: " } else { "" };
        format!("{}:{}:{}: {warning}{}", path.display(), self.line, self.column, self.message)
    }
}

/// Why there is no configuration: text for stderr, without a newline at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: String,
    /// There is nothing in the file but comments.
    pub nothing: bool,
}

impl Failure {
    /// `reason` follows the path and a colon at once, so that it may begin with a line and a column.
    pub(super) fn unreadable(path: &Path, reason: &str) -> Self {
        Self::said(&format!("{}:{reason}", path.display()))
    }

    /// A file with nothing in it but comments.
    #[must_use]
    pub fn nothing(path: &Path) -> Self {
        let why = "1:1: nothing to watch; write a line like `watch ttyS0'";
        Self { nothing: true, ..Self::unreadable(path, why) }
    }

    /// One error that was rendered before.
    pub(super) fn said(error: &str) -> Self {
        Self::of(format!("{error}\n1 error; nothing was started"))
    }

    pub(super) fn faulty(path: &Path, text: &str, all: &[Diagnostic]) -> Self {
        let mut shown: Vec<String> =
            all.iter().take(MOST_SHOWN).map(|one| one.render(path, text)).collect();
        let errors = all.iter().filter(|one| one.severity == Severity::Error).count();
        let plural = if errors == 1 { "" } else { "s" };
        let first = if all.len() > MOST_SHOWN { " (the first are shown)" } else { "" };
        shown.push(format!("{errors} error{plural}{first}; nothing was started"));
        Self::of(shown.join("\n"))
    }

    fn of(text: String) -> Self {
        Self { text, nothing: false }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
