//! Pure. Findings about an input, with file, line, column and the offending line.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;

use crate::text::sanitize::{indented, visible};

/// A named text that findings point into: a file, or an environment variable.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// As the user would write it: a path, or the name of a variable.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Byte offsets at which lines start; made when the first finding needs it.
    line_starts: OnceCell<Vec<usize>>,
    /// An offset and how many characters are before it on its line, from which the next column on the
    /// same line is counted: a description of one long line may have thousands of findings.
    last_column: Cell<(usize, usize)>,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into(), ..Source::default() }
    }

    /// The line that holds a byte offset, counted from 1.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        self.line_starts().partition_point(|&start| start <= offset)
    }

    /// The byte offset of a line and a column in bytes, both counted from 1, as `serde_json` gives them.
    pub(crate) fn offset_of(&self, line: usize, byte_column: usize) -> usize {
        let start = self.line_starts().get(line.saturating_sub(1)).copied();
        let offset = start.unwrap_or(self.text.len()) + byte_column.saturating_sub(1);
        let is_boundary = |at: &usize| self.text.is_char_boundary(*at);
        (0..=offset.min(self.text.len())).rev().find(is_boundary).unwrap_or(0)
    }

    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) -> Diagnostic {
        self.finding(Severity::Error, offset, message)
    }

    pub(crate) fn warning(&self, offset: usize, message: impl Into<String>) -> Diagnostic {
        self.finding(Severity::Warning, offset, message)
    }

    pub(crate) fn finding(
        &self,
        severity: Severity,
        offset: usize,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic { severity, place: Some(self.place(offset)), ..Diagnostic::error(message) }
    }

    /// Each line with the byte offset at which it starts; its ending belongs to it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.line_starts().iter().copied().zip(self.text.split_inclusive('\n'))
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect()
        })
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.line_at(offset);
        let start = self.line_starts()[line - 1];
        let column = self.column_at(offset, start);
        let text = self.text[start..].lines().next().unwrap_or_default();
        let excerpt = excerpt(text, offset - start);
        Place { name: self.name.clone(), line, column, excerpt }
    }

    fn column_at(&self, offset: usize, line_start: usize) -> usize {
        let (known, before) = self.last_column.get();
        let is_known = (line_start..=offset).contains(&known);
        let (from, before) = if is_known { (known, before) } else { (line_start, 0) };
        let before = before + self.text[from..offset].chars().count();
        self.last_column.set((offset, before));
        before + 1
    }
}

/// Whether a finding stops the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Error,
    Warning,
    /// Worth knowing; nothing is wrong.
    Info,
}

impl Severity {
    /// The word before a message.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// One finding about an input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Diagnostic {
    pub(crate) severity: Severity,
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
    /// The next step.
    pub(crate) help: Option<String>,
}

impl Diagnostic {
    /// A finding that has no position.
    pub(crate) fn new(severity: Severity, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity, place: None, message: message.into(), help: None }
    }

    /// An error about an input that has no position.
    pub(crate) fn error(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, message)
    }

    /// Adds the next step.
    pub(crate) fn help(self, help: impl Into<String>) -> Diagnostic {
        Diagnostic { help: Some(help.into()), ..self }
    }
}

/// Where a finding is; line and column count from 1, the column in characters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    excerpt: (String, usize),
}

/// The offending line, cut to a window around the column, and where the caret is below it: descriptions
/// of one long line exist.
fn excerpt(line: &str, at: usize) -> (String, usize) {
    const WIDTH_CHARS: usize = 100;
    let line = line.trim_end_matches('\r');
    let (before, after) = line.split_at(at.min(line.len()));
    let fits = line.chars().take(WIDTH_CHARS + 1).count() <= WIDTH_CHARS;
    let kept = if fits { WIDTH_CHARS } else { WIDTH_CHARS * 2 / 3 };
    let start = before.char_indices().rev().take(kept).last().map_or(before.len(), |(at, _)| at);
    // A tab would move the caret; `visible` takes care of the rest.
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let mut text = if start > 0 { "...".to_owned() } else { String::new() };
    text.extend(before[start..].chars().map(visible));
    let caret_at = text.chars().count();
    let rest = WIDTH_CHARS.saturating_sub(caret_at);
    text.extend(after.chars().take(rest).map(visible));
    (text, caret_at)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.severity.name();
        let message = indented(&self.message);
        match &self.place {
            None => write!(f, "{severity}: {message}")?,
            Some(Place { name, line, column, excerpt: (excerpt, caret_at) }) => {
                let name = visible(name);
                writeln!(f, "{name}:{line}:{column}: {severity}: {message}")?;
                let number = line.to_string();
                let margin = " ".repeat(number.len());
                let indent = " ".repeat(*caret_at);
                write!(f, " {number} | {excerpt}\n {margin} | {indent}^")?;
            }
        }
        self.help.iter().try_for_each(|help| write!(f, "\nhelp: {}", indented(help)))
    }
}

/// How much is written to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Results, errors and warnings.
    Quiet,
    /// Also what goes on, and the command lines of the tools that do the work.
    #[default]
    Normal,
    /// Also every other command line.
    Verbose,
}

/// What was found while inputs were read. Everything that reads may add to it.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    items: RefCell<Vec<Diagnostic>>,
}

impl Diagnostics {
    pub(crate) fn push(&self, diagnostic: Diagnostic) {
        self.items.borrow_mut().push(diagnostic);
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.items.borrow().iter().filter(|item| item.severity == Severity::Error).count()
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// All findings, those about one source in the order of their places.
    pub(crate) fn into_items(self) -> Vec<Diagnostic> {
        let mut items = self.items.into_inner();
        let mut sources = HashMap::new();
        for Place { name, .. } in items.iter().filter_map(|item| item.place.as_ref()) {
            let next = sources.len();
            sources.entry(name.clone()).or_insert(next);
        }
        let order = |place: &Place| (sources[&place.name], place.line, place.column);
        items.sort_by_key(|item| item.place.as_ref().map(order));
        items
    }

    /// The warnings if there are no errors.
    ///
    /// # Errors
    ///
    /// If there are any, with all findings: exit code 2.
    pub(crate) fn into_warnings(self) -> Result<Vec<Diagnostic>, Rejected> {
        if self.has_errors() { Err(Rejected(self.into_items())) } else { Ok(self.into_items()) }
    }
}

/// An input that cannot be used, with every finding about it: the one error whose exit code is 2.
#[derive(Debug, PartialEq)]
pub(crate) struct Rejected(pub(crate) Vec<Diagnostic>);

impl From<Diagnostic> for Rejected {
    fn from(finding: Diagnostic) -> Rejected {
        Rejected(vec![finding])
    }
}

impl Rejected {
    /// An input without a position: an option, a variable, a missing file.
    pub(crate) fn new(message: impl Into<String>) -> Rejected {
        Diagnostic::error(message).into()
    }

    /// Adds the next step to the last finding.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Rejected {
        if let Some(last) = self.0.last_mut() {
            last.help = Some(help.into());
        }
        self
    }

    /// Findings beyond this number are only counted.
    const SHOWN: usize = 50;
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> =
            self.0.iter().take(Self::SHOWN).map(Diagnostic::to_string).collect();
        write!(f, "{}", shown.join("\n"))?;
        match self.0.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n... and {more} more"),
        }
    }
}

impl std::error::Error for Rejected {}

/// Why something could not be determined, and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: None }
    }

    /// Adds the next step.
    pub(crate) fn help(self, help: impl Into<String>) -> Failure {
        Failure { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_finding_shows_the_line_and_a_caret() {
        let source = Source::new("a.json", "{\n  \"é\": wrong\n}");
        let offset = source.text.find("wrong").unwrap();
        expect![[r#"
            a.json:2:8: error: expected a number
             2 |   "é": wrong
               |        ^"#]]
        .assert_eq(&source.error(offset, "expected a number").to_string());
    }

    #[test]
    fn a_long_line_is_cut_around_the_column() {
        let source = Source::new("a.json", format!("{}!{}", "x".repeat(1000), "y".repeat(1000)));
        let shown = source.error(1000, "here").to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "a.json:1:1001: error: here");
        assert_eq!(lines[1].find('!'), lines[2].find('^'));
        assert!(lines[1].len() < 120);
    }

    #[test]
    fn the_end_of_the_text_is_a_place_too() {
        for text in ["", "\n", "a\nb", "a\r\n"] {
            let source = Source::new("a", text);
            source.error(text.len(), "ends here").to_string();
            assert_eq!(source.offset_of(99, 99), text.len());
        }
    }
}
