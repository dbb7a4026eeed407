//! Pure. The rules for a commit message, and which of its lines are trailers.

use std::ops::Range;

/// The limit for a title.
pub(crate) const MAX_TITLE_CHARS: usize = 60;
/// The limit for a line of the body, which only warns.
pub(crate) const MAX_BODY_CHARS: usize = 75;

/// How a message breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    TitleMissing,
    TitleTooLong,
    /// `fixup!`, `squash!` or `amend!`.
    Autosquash,
    NoBlankLine,
    NoSignOff,
    /// There is a sign-off, but not in the trailers.
    SignOffMisplaced,
    SignOffMalformed,
    /// What git writes below a message after a conflict.
    Conflicts,
    BodyTooWide,
    NotUtf8,
}

/// A violation, what it is in this message, and the line where it is, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) line: usize,
    pub(crate) violation: Violation,
    pub(crate) fact: String,
}

impl Finding {
    fn new(line: usize, violation: Violation, fact: &str) -> Finding {
        Finding { line, violation, fact: fact.to_owned() }
    }
}

impl Violation {
    pub(crate) fn is_warning(self) -> bool {
        matches!(self, Violation::BodyTooWide | Violation::NotUtf8 | Violation::Autosquash)
    }

    /// The name of the rule, as in the documentation, and the next step.
    pub(crate) fn rule(self) -> (&'static str, &'static str) {
        match self {
            Violation::TitleMissing => ("title-missing", "start the message with a one-line title"),
            Violation::TitleTooLong => {
                ("title-length", "shorten it and move the details to the body")
            }
            Violation::Autosquash => {
                ("autosquash", "run `git rebase --interactive --autosquash` onto the base")
            }
            Violation::NoBlankLine => (
                "blank-line",
                "leave the second line blank; if the title continues there, shorten it",
            ),
            Violation::NoSignOff => (
                "sign-off",
                "end the message with `Signed-off-by: Name <address>`, as `git commit -s` does",
            ),
            Violation::SignOffMisplaced => ("sign-off", "move it to the end, after a blank line"),
            Violation::SignOffMalformed => ("sign-off", "write `Signed-off-by: Name <address>`"),
            Violation::Conflicts => {
                ("conflicts", "remove these lines, as `git commit --amend --cleanup=strip` does")
            }
            Violation::BodyTooWide => ("body-width", "wrap the text"),
            Violation::NotUtf8 => ("encoding", "write the message as UTF-8"),
        }
    }
}

/// All violations of a message, in the order of its lines.
pub(crate) fn check(message: &[u8]) -> Vec<Finding> {
    let text = String::from_utf8_lossy(message);
    // Git for Windows and web editors leave carriage returns, which do not count as text.
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let mut found = Vec::new();
    if std::str::from_utf8(message).is_err() {
        let line = lines.iter().position(|line| line.contains(char::REPLACEMENT_CHARACTER));
        let line = line.unwrap_or(0) + 1;
        found.push(Finding::new(line, Violation::NotUtf8, "the message is not UTF-8 text"));
    }
    check_title(&lines, &mut found);
    let lines = check_conflicts(&lines, &mut found);
    let trailers = trailer_block(lines);
    check_width(lines, &trailers, &mut found);
    check_sign_off(lines, trailers, &mut found);
    found.sort_by_key(|finding| finding.line);
    found
}

fn check_title(lines: &[&str], found: &mut Vec<Finding>) {
    let title = lines[0].trim_end();
    let chars = title.chars().count();
    if title.trim().is_empty() {
        found.push(Finding::new(1, Violation::TitleMissing, "the title is missing"));
    } else if is_autosquash(title) {
        let fact = "the commit is meant to be squashed into another one";
        found.push(Finding::new(1, Violation::Autosquash, fact));
    } else if chars > MAX_TITLE_CHARS && !is_revert(title) {
        let fact = format!("the title has {chars} characters, the limit is {MAX_TITLE_CHARS}");
        found.push(Finding::new(1, Violation::TitleTooLong, &fact));
    }
    if lines.get(1).is_some_and(|line| !line.trim().is_empty()) {
        let fact = "the line after the title is not blank";
        found.push(Finding::new(2, Violation::NoBlankLine, fact));
    }
}

/// Here and below, git derived the title from that of another commit, so its length is not the
/// author's choice.
fn is_autosquash(title: &str) -> bool {
    ["fixup! ", "squash! ", "amend! "].iter().any(|prefix| title.starts_with(prefix))
}

fn is_revert(title: &str) -> bool {
    ["Revert ", "Reapply "].iter().any(|verb| {
        let rest = title.strip_prefix(verb);
        rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with('"') && rest.ends_with('"'))
    })
}

/// The lines without the list of conflicts that a cherry-pick or a merge left at their end.
///
/// Source: `ignored_log_message_bytes` in git's `commit.c`.
fn check_conflicts<'a, 'b>(lines: &'a [&'b str], found: &mut Vec<Finding>) -> &'a [&'b str] {
    let is_header = |line: &&str| ["# Conflicts:", "Conflicts:"].contains(line);
    let Some(start) = lines.iter().rposition(is_header).filter(|&start| start > 0) else {
        return lines;
    };
    let is_listed = |line: &&str| line.trim().is_empty() || line.starts_with(['#', '\t']);
    if lines[start + 1..].iter().all(is_listed) {
        let end = last_line(lines);
        let fact = format!("the list of conflicts up to line {end} was left in the message");
        found.push(Finding::new(start + 1, Violation::Conflicts, &fact));
        return &lines[..start];
    }
    lines
}

fn check_width(lines: &[&str], trailers: &Range<usize>, found: &mut Vec<Finding>) {
    let body = lines.iter().enumerate().skip(1).filter(|(at, _)| !trailers.contains(at));
    for (at, line) in body {
        let chars = line.trim_end().chars().count();
        // Without a blank there is nowhere to wrap.
        let is_exempt = line.contains("://") || !line.trim().contains(char::is_whitespace);
        if chars > MAX_BODY_CHARS && !is_exempt {
            let fact = format!("the line has {chars} characters, more than {MAX_BODY_CHARS}");
            found.push(Finding::new(at + 1, Violation::BodyTooWide, &fact));
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
    found.push(match (values.first(), misplaced) {
        (Some((at, value)), _) => {
            let fact = format!("`Signed-off-by: {value}` {}", what_is_malformed(value));
            Finding::new(at + 1, Violation::SignOffMalformed, &fact)
        }
        (None, Some((at, _))) => {
            let fact = "`Signed-off-by:` counts only in a paragraph at the end of the message";
            Finding::new(at + 1, Violation::SignOffMisplaced, fact)
        }
        (None, None) => {
            let fact = "there is no `Signed-off-by:` line";
            Finding::new(last_line(lines), Violation::NoSignOff, fact)
        }
    });
}

fn sign_off(line: &str) -> Option<&str> {
    let (key, value) = parse_trailer(line)?;
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

fn what_is_malformed(value: &str) -> &'static str {
    match value.rsplit_once('>') {
        Some((person, _)) if is_person(&format!("{person}>")) => {
            "has text after the e-mail address"
        }
        _ => "lacks a name or an e-mail address",
    }
}

fn last_line(lines: &[&str]) -> usize {
    lines.iter().rposition(|line| !line.trim().is_empty()).unwrap_or(0) + 1
}

/// Written by git itself, and evidence that a paragraph is a trailer block.
const GENERATED: [&str; 2] = ["Signed-off-by: ", "(cherry picked from commit "];

/// The key and the value of a trailer line.
fn parse_trailer(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim_end();
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_key.then_some((key, value.trim()))
}

/// The lines (counted from 0) of the trailer block: the `Key: value` lines at the end of a message, as
/// git reads them; empty, at the end of the text, if there is none.
///
/// Source: `find_trailer_block_start` in git's `trailer.c`. One rule is wider here: several trailer
/// blocks at the end all count, because some services append a `Co-authored-by:` paragraph below the
/// sign-off.
fn trailer_block(lines: &[&str]) -> Range<usize> {
    let is_blank = |at: usize| lines[at].trim().is_empty();
    let text_end = (0..lines.len()).rev().find(|&at| !is_blank(at)).map_or(0, |at| at + 1);
    let mut start = text_end;
    let mut end = text_end;
    while end > 0 {
        let paragraph = (0..end).rev().find(|&at| is_blank(at)).map_or(0, |at| at + 1);
        // The first paragraph is the title, whatever it looks like.
        if paragraph == 0 || !is_trailer_block(&lines[paragraph..end]) {
            break;
        }
        start = paragraph;
        end = (0..paragraph).rev().find(|&at| !is_blank(at)).map_or(0, |at| at + 1);
    }
    start..text_end
}

fn is_trailer_block(paragraph: &[&str]) -> bool {
    let is_generated = |line: &&str| GENERATED.iter().any(|prefix| line.starts_with(prefix));
    let (mut trailers, mut others) = (0, 0);
    let mut previous_counts = false;
    for line in paragraph {
        let is_continuation = line.starts_with([' ', '\t']);
        if !is_continuation {
            previous_counts = is_generated(line) || parse_trailer(line).is_some();
            trailers += usize::from(previous_counts);
        }
        others += usize::from(!previous_counts);
    }
    let has_generated = paragraph.iter().any(is_generated);
    (trailers > 0 && others == 0) || (has_generated && trailers * 3 >= others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check_message(message: &str, want: &Expect) {
        check_bytes(message.as_bytes(), want);
    }

    #[track_caller]
    fn check_bytes(message: &[u8], want: &Expect) {
        let shown = |Finding { line, violation, fact }: &Finding| {
            format!("{line} {}: {fact}", violation.rule().0)
        };
        let lines: Vec<String> = check(message).iter().map(shown).collect();
        want.assert_eq(&lines.join("\n"));
    }

    const SIGNED: &str = "Signed-off-by: Tess Ter <t@example.com>";

    #[test]
    fn a_good_message_has_no_findings() {
        check_message(&format!("{}\n\nWhy.\n\n{SIGNED}\n", "é".repeat(60)), &expect![""]);
        check_message(&format!("Title\r\n\r\nBody\r\n\r\n{SIGNED}\r\n"), &expect![""]);
    }

    #[test]
    fn every_broken_rule_is_found_at_once() {
        check_message(
            &format!("{}\nmore\n\n{}\n", "x".repeat(61), "long line ".repeat(8)),
            &expect![[r"
                1 title-length: the title has 61 characters, the limit is 60
                2 blank-line: the line after the title is not blank
                4 body-width: the line has 79 characters, more than 75
                4 sign-off: there is no `Signed-off-by:` line"]],
        );
    }

    #[test]
    fn titles_that_git_derived_may_be_long() {
        let title = "x".repeat(60);
        for made in [format!("Revert \"{title}\""), format!("Reapply \"{title}\"")] {
            check_message(&format!("{made}\n\n{SIGNED}"), &expect![""]);
        }
        for verb in ["fixup!", "squash!", "amend!"] {
            check_message(
                &format!("{verb} {title}\n\n{SIGNED}"),
                &expect!["1 autosquash: the commit is meant to be squashed into another one"],
            );
        }
        check_message(
            &format!("Revert {title}\n\n{SIGNED}"),
            &expect!["1 title-length: the title has 67 characters, the limit is 60"],
        );
    }

    #[test]
    fn a_title_is_required() {
        check_message(
            "",
            &expect![[r"
                1 title-missing: the title is missing
                1 sign-off: there is no `Signed-off-by:` line"]],
        );
        check_message(
            &format!("\n\nBody\n\n{SIGNED}"),
            &expect!["1 title-missing: the title is missing"],
        );
    }

    #[test]
    fn a_sign_off_is_a_trailer_with_a_name_and_an_address() {
        for good in ["signed-off-by: A B <a@b>", "Signed-off-by:A <a+c@b.d>  "] {
            check_message(&format!("T\n\n{good}\nCo-authored-by: X <x@y>"), &expect![""]);
        }
        for bad in ["A B", "<a@b>", "A <b>", "A <@b>", "A <a@>", "A <a@b", "A <a b@c>", ""] {
            let found = check(format!("T\n\nSigned-off-by: {bad}\n").as_bytes());
            let fact = format!("`Signed-off-by: {}` lacks a name or an e-mail address", bad.trim());
            assert_eq!(found, [Finding::new(3, Violation::SignOffMalformed, &fact)]);
        }
        check_message(&format!("T\n\nSigned-off-by: A\n{SIGNED}"), &expect![""]);
        check_message(
            "T\n\nSigned-off-by: A <a@b> (maintainer)\n",
            &expect![
                "3 sign-off: `Signed-off-by: A <a@b> (maintainer)` has text after the e-mail address"
            ],
        );
    }

    #[test]
    fn leftover_conflicts_are_named() {
        check_message(
            &format!("T\n\n{SIGNED}\n\n# Conflicts:\n#\tfile\n#\tother\n"),
            &expect!["5 conflicts: the list of conflicts up to line 7 was left in the message"],
        );
        check_message(
            &format!("T\n\n{SIGNED}\n\nConflicts:\n\tfile\n"),
            &expect!["5 conflicts: the list of conflicts up to line 6 was left in the message"],
        );
        check_message(&format!("T\n\n# Conflicts:\n#\tfile\n\n{SIGNED}\n"), &expect![""]);
    }

    #[test]
    fn a_sign_off_in_the_text_does_not_count() {
        check_message(
            &format!("T\n\nbody\n{SIGNED}\n\nmore text\n"),
            &expect![
                "4 sign-off: `Signed-off-by:` counts only in a paragraph at the end of the message"
            ],
        );
        check_message(
            &format!("T\n{SIGNED}"),
            &expect![[r"
                2 blank-line: the line after the title is not blank
                2 sign-off: `Signed-off-by:` counts only in a paragraph at the end of the message"]],
        );
    }

    #[test]
    fn lines_that_cannot_be_wrapped_may_be_wide() {
        let url = format!("see https://example.com/{}", "x".repeat(60));
        let word = "x".repeat(200);
        let trailer = format!("Fixes: {}", "long line ".repeat(8));
        check_message(&format!("T\n\n{url}\n\n  {word}\n\n{trailer}\n{SIGNED}"), &expect![""]);
    }

    #[test]
    fn a_message_in_another_encoding_is_still_checked() {
        check_bytes(
            &[b"Title\n\ncaf\xe9\n\n", SIGNED.as_bytes()].concat(),
            &expect!["3 encoding: the message is not UTF-8 text"],
        );
    }

    fn trailers(text: &str) -> Vec<&str> {
        let lines: Vec<&str> = text.split('\n').collect();
        lines[trailer_block(&lines)].to_vec()
    }

    #[test]
    fn the_last_paragraph_is_a_block_if_all_of_it_are_trailers() {
        assert_eq!(trailers("T\n\nbody\n\nFixes: 1\nAcked-by: B\n"), ["Fixes: 1", "Acked-by: B"]);
        assert!(trailers("T\n\nbody\n\nnote\nFixes: 1").is_empty());
        assert!(trailers("Fixes: 1").is_empty());
        assert!(trailers("").is_empty());
    }

    #[test]
    fn beside_a_generated_line_some_other_lines_are_tolerated() {
        assert_eq!(trailers(&format!("T\n\nnote here\n{SIGNED}")), ["note here", SIGNED]);
        let four_others = format!("T\n\na\nb\nc\nd\n{SIGNED}");
        assert!(trailers(&four_others).is_empty());
    }

    #[test]
    fn a_continuation_belongs_to_the_line_above() {
        assert_eq!(trailers("T\n\nFixes: 1\n  2\n\t3"), ["Fixes: 1", "  2", "\t3"]);
    }

    #[test]
    fn several_paragraphs_of_trailers_are_one_block() {
        let text = format!("T\n\nbody\n\n{SIGNED}\n\n\nCo-authored-by: B <b@c>\n\n");
        assert_eq!(trailers(&text), [SIGNED, "", "", "Co-authored-by: B <b@c>"]);
    }

    #[test]
    fn keys_have_letters_digits_and_hyphens_only() {
        assert_eq!(parse_trailer("Signed-off-by :  A "), Some(("Signed-off-by", "A")));
        assert_eq!(parse_trailer("see also: x"), None);
        assert_eq!(parse_trailer("x"), None);
        assert_eq!(parse_trailer(": x"), None);
    }
}
