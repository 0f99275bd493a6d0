//! From text to entries: each line by itself.

use super::diagnostic::{Diagnostic, Span};
use super::directives::{self, Directive, Kind};
use super::hosts::is_ups;
use super::rules;
use super::values::{Line, Value};
use super::words::{Word, did_you_mean, split};

/// The first value of this kind that a directive of this name said in the section.
macro_rules! value {
    ($section:expr, $name:expr, $kind:path) => {
        $section.all($name).find_map(|entry| match &entry.value {
            $kind(value) => Some(value.clone()),
            _ => None,
        })
    };
}
pub(super) use value;

/// A value, by the directive it came from.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub name: &'static str,
    pub span: Span,
    pub value: Value,
}

/// A UPS's directives, or the machine's.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    pub name: String,
    pub span: Span,
    pub entries: Vec<Entry>,
}

impl Section {
    /// All that one directive said.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.name == name)
    }

    pub(super) fn first(&self, name: &str) -> Option<&Entry> {
        self.all(name).next()
    }

    /// Where the first of these that is there stands; else where the section begins.
    pub(super) fn place(&self, names: &[&str]) -> Span {
        let entry = names.iter().find_map(|name| self.first(name));
        entry.map_or(self.span, |entry| entry.span)
    }
}

/// The file, each line checked by itself.
#[derive(Debug, Default)]
pub(super) struct File {
    pub lines: usize,
    /// Before the first `ups`.
    pub defaults: Section,
    /// One for each `ups NAME`.
    pub sections: Vec<Section>,
    pub machine: Section,
    /// What stands after `rule`, with the place of its first character.
    pub rules: Vec<(Span, String)>,
    pub diagnostics: Vec<Diagnostic>,
    /// The file's permission bits.
    pub mode: u32,
}

/// Reads the text of a file with these permission bits.
pub(super) fn read(text: &str, mode: u32) -> File {
    let mut file = File { lines: text.lines().count(), mode, ..File::default() };
    "ups".clone_into(&mut file.defaults.name);
    for (line, number) in text.split('\n').zip(1..) {
        if let Err(diagnostic) = file.line(line.strip_suffix('\r').unwrap_or(line), number) {
            file.diagnostics.push(diagnostic);
        }
    }
    file
}

impl File {
    fn line(&mut self, text: &str, line: usize) -> Result<(), Diagnostic> {
        let mut chars = text.chars().zip(1..);
        if let Some((c, column)) = chars.find(|(c, _)| directives::is_unprintable(*c)) {
            let message = format!("character {:#04x} does not belong in a text file", u32::from(c));
            return Err(Span::at(line, column).error(message));
        }
        if let Some((column, rule)) = rules::of_line(text) {
            self.rules.push((Span::at(line, column), rule.to_owned()));
            return Ok(());
        }
        let words = split(text, line)?;
        let Some((word, arguments)) = words.split_first() else {
            return Ok(());
        };
        let Some(directive) = directives::find(&word.text) else {
            let (name, more) = directives::name_like(&word.text);
            let near = did_you_mean(directives::nearest(name));
            return Err(word.error(format!("no such directive `{name}{more}'{near}")));
        };
        let line = Line { directive, word, arguments };
        match directive.kind {
            Kind::Rule => Err(word.error("`rule' stands without quotes")),
            Kind::Ups => self.begin(word, line.one()),
            _ => self.directive(line),
        }
    }

    fn directive(&mut self, line: Line<'_>) -> Result<(), Diagnostic> {
        let Line { directive, word, .. } = line;
        let Directive { name, machine, kind, .. } = *directive;
        let repeats = matches!(
            kind,
            Kind::Inputs
                | Kind::Outputs
                | Kind::Tell
                | Kind::Slave
                | Kind::Address
                | Kind::KeyFile
                | Kind::Flag
                | Kind::Occasions
        );
        if let Some(earlier) = self.section(machine).first(name).filter(|_| !repeats) {
            let message = format!("`{name}' was already said in line {}", earlier.span.line);
            return Err(word.error(message));
        }
        let mut said = Vec::new();
        let values = line.values(self.mode, &mut said);
        // What is wrong was still said, and must not be called missing.
        let values = values.unwrap_or_else(|one| {
            said.push(one);
            vec![(word.span, Value::Void)]
        });
        for (place, value) in values {
            let entry = Entry { name, span: word.span, value };
            said.extend(self.add(machine, place, entry).err());
        }
        self.diagnostics.append(&mut said);
        Ok(())
    }

    /// A UPS begins, whatever is wrong with its name: what follows is not the one's before.
    fn begin(&mut self, word: &Word, name: Result<&Word, Diagnostic>) -> Result<(), Diagnostic> {
        let text = name.as_ref().map_or(String::new(), |name| name.text.clone());
        let earlier = self.sections.iter().find(|section| section.name == text);
        let earlier = earlier.map(|section| section.span.line);
        self.sections.push(Section { name: text, span: word.span, entries: Vec::new() });
        let name = name?;
        if !is_ups(&name.text) {
            return Err(name.error("a name is 1 to 63 of the characters A-Z a-z 0-9 . _ -"));
        }
        match earlier {
            Some(line) => Err(name.error(format!("this ups is already there in line {line}"))),
            None => Ok(()),
        }
    }

    fn section(&mut self, machine: bool) -> &mut Section {
        match self.sections.last_mut() {
            _ if machine => &mut self.machine,
            Some(section) => section,
            None => &mut self.defaults,
        }
    }

    /// Adds a value, unless the same directive said something else of the same line or event.
    fn add(&mut self, machine: bool, place: Span, entry: Entry) -> Result<(), Diagnostic> {
        let section = self.section(machine);
        let clash = section.all(entry.name).find(|earlier| match (&earlier.value, &entry.value) {
            (Value::Input(a), Value::Input(b)) => a.line == b.line && a.level != b.level,
            (Value::Output(a, x), Value::Output(b, y)) => a == b && x != y,
            (Value::Tell(a, _), Value::Tell(b, _)) => a == b,
            (Value::Flag(a, x), Value::Flag(b, y)) => a == b && x != y,
            _ => false,
        });
        if let Some(earlier) = clash {
            let line = earlier.span.line;
            return Err(place.error(match entry.value {
                Value::Tell(..) => format!("what to tell then was already said in line {line}"),
                Value::Flag(..) => format!("this flag's meaning was already said in line {line}"),
                _ => format!("`{}' contradicts line {line}: one line has one level", entry.name),
            }));
        }
        if entry.value == Value::Void
            || !section.all(entry.name).any(|earlier| earlier.value == entry.value)
        {
            section.entries.push(entry);
        }
        Ok(())
    }
}
