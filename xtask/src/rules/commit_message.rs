//! What a commit message has to look like.

use std::fmt;
use std::ops::Range;

use super::trailer;

/// The most characters that a title may have.
pub(crate) const MAX_TITLE_CHARS: usize = 60;
/// Body lines with more characters than this earn a warning.
pub(crate) const MAX_BODY_CHARS: usize = 75;

/// A rule that a message breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    TitleMissing,
    TitleTooLong {
        chars: usize,
    },
    NoBlankLine,
    NoSignOff,
    /// There is a sign-off, but not where programs look for one.
    SignOffMisplaced,
    SignOffMalformed {
        value: String,
    },
    BodyTooWide {
        chars: usize,
    },
    NotUtf8,
}

/// A violation and the line where it is, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) line: usize,
    pub(crate) violation: Violation,
}

impl Violation {
    /// The rule's name, as the documentation lists it.
    pub(crate) fn rule(&self) -> &'static str {
        match self {
            Violation::TitleMissing => "title-missing",
            Violation::TitleTooLong { .. } => "title-length",
            Violation::NoBlankLine => "blank-line",
            Violation::NoSignOff
            | Violation::SignOffMisplaced
            | Violation::SignOffMalformed { .. } => "sign-off",
            Violation::BodyTooWide { .. } => "body-width",
            Violation::NotUtf8 => "encoding",
        }
    }

    /// Whether it only warns.
    pub(crate) fn is_warning(&self) -> bool {
        matches!(self, Violation::BodyTooWide { .. } | Violation::NotUtf8)
    }

    /// Whether it is repaired by adding a sign-off and nothing else.
    pub(crate) fn is_missing_sign_off(&self) -> bool {
        matches!(self, Violation::NoSignOff)
    }

    /// What the author has to do.
    pub(crate) fn repair(&self) -> String {
        match self {
            Violation::TitleMissing => "start the message with a one-line title".to_owned(),
            Violation::TitleTooLong { .. } => {
                "shorten it and move the details to the body".to_owned()
            }
            Violation::NoBlankLine => {
                "leave the second line empty; if the title goes on there, shorten it".to_owned()
            }
            Violation::NoSignOff => "add it with `git commit --amend --signoff`".to_owned(),
            Violation::SignOffMisplaced => "move it to the end, after a blank line".to_owned(),
            Violation::SignOffMalformed { .. } => {
                "write `Signed-off-by: Name <name@example.com>`".to_owned()
            }
            Violation::BodyTooWide { .. } => {
                format!("wrap the text at {MAX_BODY_CHARS} characters")
            }
            Violation::NotUtf8 => "write the message as UTF-8".to_owned(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::TitleMissing => write!(f, "the title is missing"),
            Violation::TitleTooLong { chars } => {
                write!(f, "the title has {chars} characters, the limit is {MAX_TITLE_CHARS}")
            }
            Violation::NoBlankLine => write!(f, "the line after the title is not blank"),
            Violation::NoSignOff => write!(f, "there is no `Signed-off-by:` line"),
            Violation::SignOffMisplaced => {
                write!(f, "`Signed-off-by:` counts only in a paragraph at the end of the message")
            }
            Violation::SignOffMalformed { value } => {
                write!(f, "`Signed-off-by: {value}` lacks a name or an e-mail address")
            }
            Violation::BodyTooWide { chars } => {
                write!(f, "the line has {chars} characters, more than {MAX_BODY_CHARS}")
            }
            Violation::NotUtf8 => write!(f, "the message is not UTF-8 text"),
        }
    }
}

/// Everything that is wrong with a message, in the order of its lines.
pub(crate) fn check(message: &[u8]) -> Vec<Finding> {
    let text = String::from_utf8_lossy(message);
    // Git for Windows and web editors leave carriage returns; they are no characters of the text.
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let mut found = Vec::new();
    if std::str::from_utf8(message).is_err() {
        let line = lines.iter().position(|line| line.contains(char::REPLACEMENT_CHARACTER));
        found.push(Finding { line: line.unwrap_or(0) + 1, violation: Violation::NotUtf8 });
    }
    check_title(&lines, &mut found);
    let trailers = trailer::block(&lines);
    check_width(&lines, &trailers, &mut found);
    check_sign_off(&lines, trailers, &mut found);
    found.sort_by_key(|finding| finding.line);
    found
}

fn check_title(lines: &[&str], found: &mut Vec<Finding>) {
    let title = lines[0].trim_end();
    let chars = title.chars().count();
    if title.trim().is_empty() {
        found.push(Finding { line: 1, violation: Violation::TitleMissing });
    } else if chars > MAX_TITLE_CHARS && !is_named_by_git(title) {
        found.push(Finding { line: 1, violation: Violation::TitleTooLong { chars } });
    }
    if lines.get(1).is_some_and(|line| !line.trim().is_empty()) {
        found.push(Finding { line: 2, violation: Violation::NoBlankLine });
    }
}

/// Titles that git makes out of another commit's title: their length is not the author's choice.
fn is_named_by_git(title: &str) -> bool {
    let quoted = |verb: &str| {
        let rest = title.strip_prefix(verb);
        rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with('"') && rest.ends_with('"'))
    };
    quoted("Revert ")
        || quoted("Reapply ")
        || ["fixup! ", "squash! ", "amend! "].iter().any(|prefix| title.starts_with(prefix))
}

fn check_width(lines: &[&str], trailers: &Range<usize>, found: &mut Vec<Finding>) {
    let body = lines.iter().enumerate().skip(1).filter(|(at, _)| !trailers.contains(at));
    for (at, line) in body {
        let chars = line.trim_end().chars().count();
        // What has no blank cannot be wrapped.
        let is_exempt = line.contains("://") || !line.trim().contains(char::is_whitespace);
        if chars > MAX_BODY_CHARS && !is_exempt {
            found.push(Finding { line: at + 1, violation: Violation::BodyTooWide { chars } });
        }
    }
}

fn check_sign_off(lines: &[&str], trailers: Range<usize>, found: &mut Vec<Finding>) {
    let values = trailers.clone().filter_map(|at| Some((at, sign_off(lines[at])?)));
    let values: Vec<(usize, &str)> = values.collect();
    if values.iter().any(|(_, value)| is_person(value)) {
        return;
    }
    let mut elsewhere = (1..trailers.start).filter_map(|at| Some((at, sign_off(lines[at])?)));
    let misplaced = elsewhere.rfind(|(_, value)| is_person(value));
    let (line, violation) = match (values.first(), misplaced) {
        (Some((at, value)), _) => {
            (at + 1, Violation::SignOffMalformed { value: (*value).to_owned() })
        }
        (None, Some((at, _))) => (at + 1, Violation::SignOffMisplaced),
        (None, None) => (last_line(lines), Violation::NoSignOff),
    };
    found.push(Finding { line, violation });
}

fn sign_off(line: &str) -> Option<&str> {
    let (key, value) = trailer::parse(line)?;
    key.eq_ignore_ascii_case("Signed-off-by").then_some(value)
}

/// Whether a trailer's value is `Name <local@domain>`.
fn is_person(value: &str) -> bool {
    let Some((name, rest)) = value.split_once('<') else { return false };
    let Some(address) = rest.strip_suffix('>') else { return false };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_plain = !address.contains(|c: char| c.is_whitespace() || "<>".contains(c));
    !name.trim().is_empty() && !local.is_empty() && !domain.is_empty() && is_plain
}

fn last_line(lines: &[&str]) -> usize {
    lines.iter().rposition(|line| !line.trim().is_empty()).unwrap_or(0) + 1
}
