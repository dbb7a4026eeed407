//! Pure. The message that git will commit, from the file that it gives to a commit-msg hook.

/// The candidates for `core.commentChar = auto`, in git's order.
const COMMENT_CHARS: &str = "#;@!$%^&|:";
/// Below this line, after the comment character, everything is cut off.
const SCISSORS: &str = " ------------------------ >8 ------------------------";

/// What git removes from a message before it commits it: `commit.cleanup` of `git-config(1)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cleanup {
    /// Whether blank ends and trailing whitespace go.
    spaces: bool,
    /// Whether comments go.
    comments: bool,
    /// Whether a line of scissors ends the message.
    scissors: bool,
    /// `core.commentChar` or `core.commentString`.
    comment_prefix: Option<String>,
}

impl Cleanup {
    /// Reads what `git config --get-regexp` prints, where the last value of a setting wins. By
    /// default comments are for people in an editor.
    pub(crate) fn from_settings(settings: &str, is_edited: bool) -> Cleanup {
        let pairs = || settings.lines().filter_map(|line| line.split_once(' '));
        let last = |prefix: &str| pairs().rfind(|(name, _)| name.starts_with(prefix));
        let (spaces, comments, scissors) = match last("commit.cleanup").map(|(_, value)| value) {
            Some("verbatim") => (false, false, false),
            Some("whitespace") => (true, false, false),
            Some("scissors") => (true, false, is_edited),
            Some("strip") => (true, true, true),
            _ => (true, is_edited, is_edited),
        };
        let comment_prefix = last("core.comment").map(|(_, value)| value.to_owned());
        Cleanup { spaces, comments, scissors, comment_prefix }
    }
}

/// The message that will be committed.
pub(crate) fn as_committed(file: &[u8], cleanup: &Cleanup) -> Vec<u8> {
    let lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
    let prefix = match cleanup.comment_prefix.as_deref() {
        Some("auto") => guessed_prefix(&lines),
        Some(prefix) if !prefix.is_empty() => prefix.as_bytes().to_vec(),
        _ => b"#".to_vec(),
    };
    let scissors = [&prefix, SCISSORS.as_bytes()].concat();
    let is_kept = |line: &&[u8]| !cleanup.scissors || line.trim_ascii_end() != scissors;
    let kept = lines.into_iter().take_while(is_kept);
    let kept = kept.filter(|line| !cleanup.comments || !line.starts_with(&prefix));
    if !cleanup.spaces {
        return kept.collect::<Vec<_>>().join(&b'\n');
    }
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
        let settings = comment_prefix.map(|prefix| format!("core.commentchar {prefix}\n"));
        let cleanup = Cleanup::from_settings(&settings.unwrap_or_default(), true);
        let message = as_committed(file.as_bytes(), &cleanup);
        assert_eq!(String::from_utf8(message).unwrap(), want);
    }

    #[test]
    fn comments_and_blank_ends_go() {
        check("\n# c\nT\n\nbody  \n# c\n\nS: x\n\n# end\n", None, "T\n\nbody\n\nS: x");
        check("# only\n", None, "");
        check("", None, "");
    }

    #[test]
    fn what_git_keeps_is_kept() {
        let file = format!("\n#12: fix  \n\nbody\n#{SCISSORS}\nmore\n");
        let kept = |settings: &str, is_edited: bool| {
            let cleanup = Cleanup::from_settings(settings, is_edited);
            String::from_utf8(as_committed(file.as_bytes(), &cleanup)).unwrap()
        };
        assert_eq!(kept("", true), "body");
        assert_eq!(kept("", false), format!("#12: fix\n\nbody\n#{SCISSORS}\nmore"));
        assert_eq!(kept("commit.cleanup default\n", true), "body");
        assert_eq!(kept("commit.cleanup strip\n", false), "body");
        assert_eq!(kept("commit.cleanup scissors\n", true), "#12: fix\n\nbody");
        assert_eq!(kept("commit.cleanup whitespace\n", true), kept("", false));
        assert_eq!(kept("commit.cleanup verbatim\n", true), file);
        assert_eq!(kept("commit.cleanup strip\ncommit.cleanup verbatim\n", true), file);
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
