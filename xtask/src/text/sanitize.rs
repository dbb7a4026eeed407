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

/// Text for a file: without the escape sequences that colour it or move the cursor, and without what
/// a carriage return lets the next text overwrite.
pub(crate) fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\r' if chars.peek() != Some(&'\n') => {
                plain.truncate(plain.rfind('\n').map_or(0, |end| end + 1));
            }
            '\n' | '\t' => plain.push(c),
            _ if c.is_control() => (),
            _ => plain.push(c),
        }
    }
    plain
}

/// A line for a terminal, in which nothing but its colours is left of the escape sequences.
pub(crate) fn colours_only(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\u{1b}') {
        shown += &without_escapes(&rest[..at]);
        let parameters = rest[at..].strip_prefix("\u{1b}[").unwrap_or_default();
        let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
        match end {
            Some(end) if parameters[end..].starts_with('m') => {
                shown += &rest[at..=at + 2 + end];
                rest = &parameters[end + 1..];
            }
            _ => {
                let mut chars = rest[at + 1..].chars().peekable();
                skip_escape(&mut chars);
                let left: usize = chars.map(char::len_utf8).sum();
                rest = &rest[rest.len() - left..];
            }
        }
    }
    shown + &without_escapes(rest)
}

/// After the escape character: `[`, parameters and a final letter, or `]` and a text that a bell or
/// `\` ends, or a single character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
        Some(']') => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\\') {},
        _ => (),
    }
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

    #[test]
    fn logs_have_neither_colours_nor_progress_bars() {
        let text =
            "\u{1b}[1;32mok\u{1b}[0m\r\n 10 %\r 20 %\rdone\n\u{1b}]8;;http://x\u{7}link\u{7}";
        assert_eq!(without_escapes(text), "ok\ndone\nlink");
    }

    #[test]
    fn of_a_shown_line_the_colours_stay() {
        assert_eq!(
            colours_only("\u{1b}[1;31mred\u{1b}[0m\u{1b}[2Jx\u{1b}]8;;u\u{7}l\u{8}"),
            "\u{1b}[1;31mred\u{1b}[0mxl"
        );
    }
}
