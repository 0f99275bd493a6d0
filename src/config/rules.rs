//! Rules: those of the file itself, and those of the file that `rules` names.

use std::fs::File;
use std::path::Path;

use super::diagnostic::{Diagnostic, Failure, Severity, Span};
use super::directives::is_unprintable;
use super::notify::{Notify, Occasion};
use super::parse;
use super::types::{Config, Purpose, Ups, Watch};
use crate::nut::values::{ALWAYS, MOST_WANTED};
use crate::rules::{Compiler, Problem, Program};

/// 10,000 rules are a tenth of it.
const LARGEST: u64 = 8 << 20;
/// The rest is only counted: a file may have a warning in each line.
const MOST_WARNINGS: usize = 100;

/// Of a line that begins with the word `rule` what stands after it, and the column where that begins. It is no words
/// as other lines are: `"too hot", low`.
pub(super) fn of_line(text: &str) -> Option<(usize, &str)> {
    let rest = text.trim_start_matches([' ', '\t']).strip_prefix("rule")?;
    let apart = rest.is_empty() || rest.starts_with([' ', '\t']);
    let before = text.get(..text.len() - rest.len())?;
    apart.then_some((before.chars().count() + 1, rest))
}

fn diagnostic(problem: Problem) -> Diagnostic {
    let Problem { line, column, width, message, warning, .. } = problem;
    let severity = if warning { Severity::Warning } else { Severity::Error };
    Diagnostic { line, column, width, message, severity }
}

/// The rules of the file itself.
pub(super) fn check(
    file: &parse::File,
    purpose: Purpose,
    config: &mut Config,
    said: &mut Vec<Diagnostic>,
) {
    if purpose == Purpose::Kill {
        config.rules_file = None;
        return;
    }
    let mut compiler = Compiler::new(&names(config));
    for text in batteries(config) {
        said.extend(compiler.line(&text, 0, 0, false).into_iter().map(diagnostic));
    }
    for (place, text) in &file.rules {
        said.extend(
            compiler.line(text, place.line, place.column, false).into_iter().map(diagnostic),
        );
    }
    let (program, strange) = compiler.finish();
    config.rules = program;
    if let Some(message) = too_many(config, &config.rules) {
        let (place, _) = file.rules.first().cloned().unwrap_or_default();
        said.push(word(place).error(message));
    }
    // A timer may be used in the other file.
    if config.rules_file.is_none() {
        said.extend(strange.into_iter().map(diagnostic));
    }
}

/// Rules of our own, which stand in no line: that a battery is to be replaced is an event for the notify command. What
/// lines say holds no RB.
fn batteries(config: &Config) -> Vec<String> {
    let wanted = |hook: &&Notify| hook.on.contains(&Occasion::ReplaceBattery);
    let all = config.notify.iter().filter(wanted).flat_map(|_| config.ups.iter().zip(1..));
    let all = all.filter(|(ups, _)| !matches!(ups.watch, Watch::Line(_)));
    let rule = |(ups, number): (&Ups, usize)| {
        let name = &ups.name;
        format!(
            " replace-battery.{number}: if {name}.ups.status has RB then notify \"replace the battery\""
        )
    };
    all.map(rule).collect()
}

/// Of the word `rule` itself, which stands before the rule.
fn word(place: Span) -> Span {
    Span { column: place.column.saturating_sub(4), width: 4, ..place }
}

/// Without a rule that can shut the machine down, `missing` is said; or later, if there are more rules to be read.
pub(super) fn means(config: &mut Config, missing: Option<Diagnostic>, said: &mut Vec<Diagnostic>) {
    match missing {
        Some(_) if config.rules.is_means() => {}
        Some(missing) if config.rules_file.is_some() && missing.severity == Severity::Error => {
            config.means = Some(missing.headline(&config.path));
        }
        missing => said.extend(missing),
    }
}

/// Of each UPS only so many variables are kept; a rule about another one would never act.
fn too_many(config: &Config, program: &Program) -> Option<String> {
    config.ups.iter().zip(0..).find_map(|(ups, number)| {
        let usual = |name: &&str| ALWAYS.iter().any(|one| one.eq_ignore_ascii_case(name));
        let more = program.wanted(number).filter(|name| !usual(name)).count();
        (more > MOST_WANTED).then(|| {
            format!(
                "rules name {more} variables of {} beside the usual ones; {MOST_WANTED} are kept at most",
                ups.name
            )
        })
    })
}

fn names(config: &Config) -> Vec<String> {
    config.ups.iter().map(|ups| ups.name.clone()).collect()
}

impl Config {
    /// Reads the open [`Self::rules_file`], which has these permission bits. All rules, those of the configuration
    /// first, and all warnings.
    ///
    /// # Errors
    /// All that is wrong with them, ready to be shown.
    pub fn read_rules(&self, file: File, mode: u32) -> Result<(Program, Vec<String>), String> {
        let path = self.rules_file.as_deref().unwrap_or(&self.path);
        let said = |failure: Failure| format!("{failure}\n");
        let text = super::read(file, LARGEST);
        let text = text.map_err(|why| said(Failure::unreadable(path, &why)))?;
        let compiler = Compiler::resume(&names(self), self.rules.clone());
        let (program, warnings) =
            compile(compiler, (path, &self.path), &text, mode).map_err(said)?;
        let warnings = [self.warnings.clone(), warnings].concat();
        if let Some(message) = too_many(self, &program) {
            return Err(said(Failure::said(&format!("{}: {message}", path.display()))));
        }
        match &self.means {
            Some(missing) if !program.is_means() => Err(said(Failure::said(missing))),
            _ => Ok((program, warnings)),
        }
    }
}

/// Checks the text of a file of rules by itself, for UPSs of these names; gives warnings, too.
///
/// # Errors
/// All that is wrong with it.
pub fn check_rules(
    path: &Path,
    text: &str,
    ups: &[String],
) -> Result<(Program, Vec<String>), Failure> {
    compile(Compiler::new(ups), (path, path), text, 0o600)
}

/// `paths`: that of the text, and that of the configuration.
fn compile(
    mut compiler: Compiler,
    (path, ours): (&Path, &Path),
    text: &str,
    mode: u32,
) -> Result<(Program, Vec<String>), Failure> {
    let mut said = Vec::new();
    if mode & 0o002 != 0 {
        let message = "anyone may write this file, and it can shut the machine down; chmod o-w it";
        said.push(Span { line: 1, column: 1, width: 0 }.error(message));
    }
    for (line, number) in text.split('\n').zip(1..) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let blank = line.trim_start_matches([' ', '\t']);
        if let Some((c, column)) = line.chars().zip(1..).find(|(c, _)| is_unprintable(*c)) {
            let message = format!("character {:#04x} does not belong in a text file", u32::from(c));
            said.push(Span::at(number, column).error(message));
        } else if let Some((column, rule)) = of_line(line) {
            said.extend(compiler.line(rule, number, column, true).into_iter().map(diagnostic));
        } else if !blank.is_empty() && !blank.starts_with('#') {
            let column = line.chars().count() - blank.chars().count() + 1;
            let message = "only lines like `rule NAME: if …' stand in this file";
            said.push(Span::at(number, column).error(message));
        }
    }
    if said.iter().any(|one| one.severity == Severity::Error) {
        return Err(Failure::faulty(path, text, &said));
    }
    let (program, strange) = compiler.finish();
    let mut warnings: Vec<String> = said.iter().map(|one| one.headline(path)).collect();
    warnings.extend(strange.into_iter().map(|one| {
        let of = if one.apart { path } else { ours };
        diagnostic(one).headline(of)
    }));
    let more = warnings.len().saturating_sub(MOST_WARNINGS);
    warnings.truncate(MOST_WARNINGS);
    if more > 0 {
        warnings.push(format!("{}: {more} more warnings", path.display()));
    }
    Ok((program, warnings))
}
