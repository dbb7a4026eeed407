//! Pure. Markdown for the annotations of a build.

use std::borrow::Cow;

/// A heading and, below it, text as it is.
pub(crate) fn verbatim(heading: &str, text: &str) -> String {
    format!("**{heading}**\n\n{}", fenced("text", text))
}

/// A fenced code block. The text is foreign, so the fence is longer than every run of backticks in
/// it.
pub(crate) fn fenced(language: &str, text: &str) -> String {
    let runs = text.split(|c: char| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// Text that is no markup, whatever its characters are.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\`*_{}[]()<>#+-.!|~&".contains(c) {
            escaped.push('\\');
        }
        escaped.push(if c.is_control() { ' ' } else { c });
    }
    escaped
}

/// Text between backticks, which has none itself.
pub(crate) fn code(text: &str) -> String {
    text.replace('`', "'")
}

/// Cuts a text to whole lines within a limit and says that the rest is in the log.
pub(crate) fn shortened(text: &str, limit_bytes: usize) -> Cow<'_, str> {
    const REST: &str = "\n(The rest is in the log of the job.)\n";
    if text.len() <= limit_bytes {
        return Cow::Borrowed(text);
    }
    let mut kept = limit_bytes.saturating_sub(REST.len());
    while !text.is_char_boundary(kept) {
        kept -= 1;
    }
    let line_end = text[..kept].rfind('\n').unwrap_or(kept);
    Cow::Owned(format!("{}{REST}", &text[..line_end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_ends_with_a_whole_line() {
        let text = "é".repeat(20) + "\n" + &"x".repeat(100);
        assert_eq!(shortened(&text, text.len()), text);
        let rest = "\n(The rest is in the log of the job.)\n";
        assert_eq!(shortened(&text, 100), "é".repeat(20) + rest);
        assert_eq!(shortened(&text, rest.len() + 7), "ééé".to_owned() + rest);
    }

    #[test]
    fn the_text_cannot_end_its_fence() {
        assert_eq!(verbatim("H", "a\n"), "**H**\n\n```text\na\n```\n");
        assert_eq!(verbatim("H", "```` b"), "**H**\n\n`````text\n```` b\n`````\n");
    }
}
