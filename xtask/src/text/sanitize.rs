//! Pure. Text that strangers wrote, on its way to a terminal or a log.

/// The text with a sign in place of every control character, which could drive a terminal.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_text() {
        assert_eq!(visible("a\u{1b}[31mé\n\u{9b}"), "a\u{fffd}[31mé\u{fffd}\u{fffd}");
    }
}
