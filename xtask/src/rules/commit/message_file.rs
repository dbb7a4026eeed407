//! What git makes of the file that an editor leaves behind.

/// The first character that git tries for comments, and those it falls back on where
/// `core.commentChar` is `auto` and the message uses the earlier ones.
const COMMENT_CHARS: &str = "#;@!$%^&|:";
/// Below this line, after the comment character, everything is cut off.
const SCISSORS: &str = " ------------------------ >8 ------------------------";

/// The message that will be committed: without comments, what is below the scissors line, and blank
/// lines at both ends. `comment_prefix` is git's setting `core.commentChar` or
/// `core.commentString`.
pub(crate) fn as_committed(file: &[u8], comment_prefix: Option<&str>) -> Vec<u8> {
    let lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
    let prefix = match comment_prefix {
        Some("auto") => guessed_prefix(&lines),
        Some(prefix) if !prefix.is_empty() => prefix.as_bytes().to_vec(),
        _ => b"#".to_vec(),
    };
    let scissors = [&prefix, SCISSORS.as_bytes()].concat();
    let kept = lines.into_iter().take_while(|line| line.trim_ascii_end() != scissors);
    let kept = kept.filter(|line| !line.starts_with(&prefix));
    let kept: Vec<&[u8]> = kept.map(<[u8]>::trim_ascii_end).collect();
    let is_text = |line: &&[u8]| !line.is_empty();
    let Some(first) = kept.iter().position(is_text) else { return Vec::new() };
    let last = kept.iter().rposition(is_text).unwrap_or(first);
    kept[first..=last].join(&b'\n')
}

/// The character that the comments at the end of the file start with.
fn guessed_prefix(lines: &[&[u8]]) -> Vec<u8> {
    let last = lines.iter().rev().find(|line| !line.is_empty());
    let is_comment = |c: &u8| COMMENT_CHARS.contains(char::from(*c));
    let first = last.and_then(|line| line.first()).filter(|c| is_comment(c));
    vec![first.copied().unwrap_or(b'#')]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, comment_prefix: Option<&str>, want: &str) {
        let message = as_committed(file.as_bytes(), comment_prefix);
        assert_eq!(String::from_utf8(message).unwrap(), want);
    }

    #[test]
    fn comments_and_blank_ends_go() {
        check("\n# c\nT\n\nbody  \n# c\n\nS: x\n\n# end\n", None, "T\n\nbody\n\nS: x");
        check("# only\n", None, "");
        check("", None, "");
    }

    #[test]
    fn what_is_below_the_scissors_goes() {
        let scissors = format!("#{SCISSORS}");
        check(&format!("T\n\nS: x\n{scissors}\n# c\ndiff\n+x\n"), None, "T\n\nS: x");
        check(&format!("T\n ;{SCISSORS}\nx"), None, &format!("T\n ;{SCISSORS}\nx"));
    }

    #[test]
    fn the_users_comment_character_counts() {
        check("T #1\n\n# heading\n; c\n", Some(";"), "T #1\n\n# heading");
        check("T\n\n# heading\n; c\n; d\n", Some("auto"), "T\n\n# heading");
        check("T\n\nbody\n// c\n", Some("//"), "T\n\nbody");
        check("T\n# c\n", Some(""), "T");
        check("T\n# c\n\nbody\n", Some("auto"), "T\n\nbody");
    }
}
