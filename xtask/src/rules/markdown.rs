//! Markdown for the page of a build.

/// A heading and, below it, text as it is.
pub(crate) fn verbatim(heading: &str, text: &str) -> String {
    format!("**{heading}**\n\n{}", fenced("text", text))
}

/// A block of text in that language. The text may hold anything that strangers write, so the fence
/// is longer than every run of backticks in it.
pub(crate) fn fenced(language: &str, text: &str) -> String {
    let runs = text.split(|c: char| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_cannot_end_its_fence() {
        assert_eq!(verbatim("H", "a\n"), "**H**\n\n```text\na\n```\n");
        assert_eq!(verbatim("H", "```` b"), "**H**\n\n`````text\n```` b\n`````\n");
    }
}
