//! Pure. Foreign text on its way to a terminal or a log.

/// The text with a sign in place of every control character, which could drive a terminal.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// `https://user:secret@host` becomes `https://***@host`: logs of CI are public.
pub(crate) fn mask_user_info(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end =
            after.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(user_info) => {
                masked.push_str("***");
                &after[user_info..]
            }
            None => after,
        };
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_text() {
        assert_eq!(visible("a\u{1b}[31mé\n\u{9b}"), "a\u{fffd}[31mé\u{fffd}\u{fffd}");
    }

    #[test]
    fn user_information_in_urls_is_masked() {
        assert_eq!(
            mask_user_info(
                "git fetch https://me:s3cret@example.com/a.git 'ssh://git@h/x' https://h/p@q"
            ),
            "git fetch https://***@example.com/a.git 'ssh://***@h/x' https://h/p@q"
        );
        assert_eq!(mask_user_info("cargo test"), "cargo test");
    }
}
