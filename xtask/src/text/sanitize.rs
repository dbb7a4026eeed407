//! Pure. Foreign text on its way to a terminal, a table or an annotation: names and values from
//! files and variables, and what other programs print.

/// Replaces every character that could drive a terminal, reorder a line or start a new one.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// As [`visible`], but keeps tabs and line ends, those of Windows as plain ones.
pub(crate) fn visible_lines(text: &str) -> String {
    let is_kept = |c| is_plain(c) || c == '\n' || c == '\t';
    let shown = |c| if is_kept(c) { c } else { char::REPLACEMENT_CHARACTER };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

/// Indents all lines but the first, so that foreign text in a message cannot pass for a message of
/// its own.
pub(crate) fn indented(message: &str) -> String {
    message.trim_end().replace('\n', "\n    ")
}

fn is_plain(c: char) -> bool {
    let is_bidirectional =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_line_end = matches!(c, '\u{2028}' | '\u{2029}');
    !c.is_control() && !is_bidirectional && !is_line_end
}

/// Masks user information and queries of URLs, `https://***@host/path?***`: logs of CI are public.
///
/// A password that is not percent-encoded may contain anything. After `user:`, everything up to the
/// last `@` of the line is therefore taken for it, and rather too much is masked than too little.
pub(crate) fn mask_secrets(text: &str) -> String {
    const SCHEME_END: &str = "://";
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME_END) {
        let (before, after) = rest.split_at(at + SCHEME_END.len());
        masked.push_str(before);
        let line_end = after.find('\n').unwrap_or(after.len());
        let end = after[..line_end].find(SCHEME_END).unwrap_or(line_end);
        masked.push_str(&mask_url(&after[..end]));
        rest = &after[end..];
    }
    masked + rest
}

/// Masks what follows the scheme; the URL ends somewhere in the text.
fn mask_url(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
    let authority = text.find(|c| is_end(c) || "/?#".contains(c)).unwrap_or(text.len());
    let has_password = text[..authority].split('@').next().is_some_and(|it| it.contains(':'));
    let user_info = text[..if has_password { text.len() } else { authority }].rfind('@');
    let (mask, text) = user_info.map_or(("", text), |at| ("***", &text[at..]));
    let url_end = text.find(is_end).unwrap_or(text.len());
    match text[..url_end].find('?').filter(|at| at + 1 < url_end) {
        Some(at) => format!("{mask}{}***{}", &text[..=at], &text[url_end..]),
        None => format!("{mask}{text}"),
    }
}

/// Text for a file: without the escape sequences that colour it or move the cursor, and without what
/// a carriage return lets the next text overwrite.
pub(crate) fn without_escapes(text: &str) -> String {
    strip(text, |_| false)
}

/// A line for a terminal: as [`without_escapes`], but for its colours.
pub(crate) fn colours_only(line: &str) -> String {
    strip(line, |escape| {
        let parameters = escape.strip_prefix("\u{1b}[").and_then(|it| it.strip_suffix('m'));
        parameters.is_some_and(|it| it.chars().all(|c| c.is_ascii_digit() || c == ';'))
    })
}

fn strip(text: &str, is_kept: impl Fn(&str) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if c == '\u{1b}' { escape_length(rest) } else { c.len_utf8() };
        let (piece, after) = rest.split_at(length);
        match c {
            '\u{1b}' if is_kept(piece) => plain.push_str(piece),
            // Until something follows, what was written before it is still there.
            '\r' if !after.is_empty() && !after.starts_with(['\n', '\r']) => {
                plain.truncate(plain.rfind('\n').map_or(0, |end| end + 1));
            }
            '\n' | '\t' => plain.push(c),
            _ if c.is_control() => (),
            _ => plain.push(c),
        }
        rest = after;
    }
    plain
}

/// The length of the sequence that a text starts with: the escape character and `[`, parameters and a
/// final letter, or `]` and a text that a bell or `\` ends, or a single character.
fn escape_length(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    let end = match chars.next() {
        Some((_, '[')) => chars.find(|(_, c)| ('\u{40}'..='\u{7e}').contains(c)),
        Some((_, ']')) => chars.find(|(_, c)| ['\u{7}', '\\'].contains(c)),
        single => single,
    };
    end.map_or(text.len(), |(at, c)| at + c.len_utf8())
}

/// A heading and, below it, text as it is.
pub(crate) fn headed_code_block(heading: &str, text: &str) -> String {
    format!("**{heading}**\n\n{}", code_block("text", text))
}

/// A fenced code block. The text is foreign, so the fence is longer than every run of backticks in
/// it.
pub(crate) fn code_block(language: &str, text: &str) -> String {
    let runs = text.split(|c: char| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// Text that is no markup, whatever its characters are.
pub(crate) fn escape_markdown(text: &str) -> String {
    with_backslashes(&text.replace(char::is_control, " "), r"\`*_{}[]()<>#+-.!|~&")
}

/// Text with a backslash before each of these characters.
pub(crate) fn with_backslashes(text: &str, special: &str) -> String {
    let escape = |c| special.contains(c).then_some('\\').into_iter().chain([c]);
    text.chars().flat_map(escape).collect()
}

/// Text between backticks, which has none itself.
pub(crate) fn code_span(text: &str) -> String {
    text.replace('`', "'")
}

/// Cuts a text to whole lines within a limit and says that the rest is in the log.
pub(crate) fn cut_to_lines(text: &str, limit_bytes: usize) -> String {
    const REST: &str = "\n(The rest is in the log of the job.)\n";
    if text.len() <= limit_bytes {
        return text.to_owned();
    }
    let mut kept = limit_bytes.saturating_sub(REST.len());
    while !text.is_char_boundary(kept) {
        kept -= 1;
    }
    let line_end = text[..kept].rfind('\n').unwrap_or(kept);
    format!("{}{REST}", &text[..line_end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_line_ends_become_text() {
        assert_eq!(visible("a\u{1b}[31mé\n\u{9b}"), "a\u{fffd}[31mé\u{fffd}\u{fffd}");
        assert_eq!(visible("\u{202e}x\u{2028}"), "\u{fffd}x\u{fffd}");
        assert_eq!(visible_lines("a\tb\n\u{1b}"), "a\tb\n\u{fffd}");
        assert_eq!(visible_lines("a\r\nb\rc"), "a\nb\u{fffd}c");
        assert_eq!(indented("a\nrun again: b\n"), "a\n    run again: b");
    }

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        assert_eq!(mask_secrets(text), wanted);
    }

    #[test]
    fn user_information_in_urls_is_masked() {
        check(
            "git fetch https://me:s3cret@example.com/a.git 'ssh://git@h/x' https://h/p@q",
            "git fetch https://***@example.com/a.git 'ssh://***@h/x' https://h/p@q",
        );
        check("https://u:a/b@c d'e\"@h/x is bad", "https://***@h/x is bad");
        check(r"'https://u:a'\''b@h/x'", "'https://***@h/x'");
        check("https://t0ken@h:8080/x\na@b", "https://***@h:8080/x\na@b");
        check("cargo test http://localhost:80/x", "cargo test http://localhost:80/x");
    }

    #[test]
    fn queries_of_urls_are_masked() {
        check("'https://h/x?token=a&b=c' y", "'https://h/x?***' y");
        check("https://u:p@h/x?key=a#f", "https://***@h/x?***");
        check("is it https://h/x? yes", "is it https://h/x? yes");
    }

    #[test]
    fn logs_have_neither_colours_nor_progress_bars() {
        let text =
            "\u{1b}[1;32mok\u{1b}[0m\r\n 10 %\r 20 %\rdone\n\u{1b}]8;;http://x\u{7}link\u{7}";
        assert_eq!(without_escapes(text), "ok\ndone\nlink");
        assert_eq!(without_escapes("10 %\r20 %\r"), "20 %");
        assert_eq!(without_escapes("twice\r\r\n"), "twice\n");
    }

    #[test]
    fn of_a_shown_line_the_colours_stay() {
        assert_eq!(
            colours_only("\u{1b}[1;31mred\u{1b}[0m\u{1b}[2Jx\u{1b}]8;;u\u{7}l\u{8}"),
            "\u{1b}[1;31mred\u{1b}[0mxl"
        );
        let overwritten = "\u{1b}[1m 10 %\u{1b}[0m\r\u{1b}[1mdone\u{1b}[0m";
        assert_eq!(colours_only(overwritten), "\u{1b}[1mdone\u{1b}[0m");
    }

    #[test]
    fn what_is_too_long_ends_with_a_whole_line() {
        let text = "é".repeat(20) + "\n" + &"x".repeat(100);
        assert_eq!(cut_to_lines(&text, text.len()), text);
        let rest = "\n(The rest is in the log of the job.)\n";
        assert_eq!(cut_to_lines(&text, 100), "é".repeat(20) + rest);
        assert_eq!(cut_to_lines(&text, rest.len() + 7), "ééé".to_owned() + rest);
    }

    #[test]
    fn the_text_cannot_end_its_fence() {
        assert_eq!(headed_code_block("H", "a\n"), "**H**\n\n```text\na\n```\n");
        assert_eq!(headed_code_block("H", "```` b"), "**H**\n\n`````text\n```` b\n`````\n");
    }
}
