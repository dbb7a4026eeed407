//! Pure. The message that git will commit, from the file that it gives to a commit-msg hook.
//!
//! Source: `cleanup_message` in git's `sequencer.c`, `get_cleanup_mode`, `adjust_comment_line_char`
//! and `wt_status_locate_end`.

use crate::commit_format::commit_command::CommitCommand;

/// The candidates for `core.commentChar = auto`, in git's order.
const COMMENT_CHARS: &[u8] = b"#;@!$%^&|:";
/// Git cuts off everything from this line, after the comment character.
const SCISSORS: &[u8] = b" ------------------------ >8 ------------------------";

/// The user's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `commit.cleanup`.
    cleanup: Option<String>,
    /// `commit.verbose`.
    verbose: bool,
    /// `core.commentChar` or `core.commentString`.
    comment_prefix: Option<String>,
    /// `i18n.commitEncoding`.
    pub(crate) encoding: Option<String>,
}

impl Settings {
    /// The names, for `git config --get-regexp`.
    pub(crate) const NAMES: &str =
        r"^(core\.comment(char|string)|commit\.(cleanup|verbose)|i18n\.commitencoding)$";

    /// Parses what git prints, where the last value of a setting wins.
    pub(crate) fn parse(text: &str) -> Settings {
        let mut settings = Settings::default();
        for line in text.lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, "true"));
            let text = Some(value.to_owned()).filter(|value| !value.is_empty());
            match name {
                "commit.cleanup" => settings.cleanup = text,
                "commit.verbose" => {
                    settings.verbose = !["false", "no", "off", "0", ""].contains(&value);
                }
                "i18n.commitencoding" => settings.encoding = text,
                _ => settings.comment_prefix = text,
            }
        }
        settings
    }
}

/// The message that will be committed: one if everything is known, else all that are possible.
/// `edits` is whether an editor is used, which decides about the default; both if it is not known.
pub(crate) fn as_committed(
    file: &[u8],
    settings: &Settings,
    command: Option<&CommitCommand>,
    edits: &[bool],
) -> Vec<Vec<u8>> {
    let lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
    let prefixes = comment_prefixes(&lines, settings, edits);
    let rules: Vec<(&str, bool)> = match command {
        Some(command) => edits.iter().map(|it| rule(settings, command, *it)).collect(),
        None => MODES.iter().flat_map(|mode| [(*mode, true), (*mode, false)]).collect(),
    };
    let mut messages = Vec::new();
    for (mode, scissors) in rules {
        for prefix in &prefixes {
            let message = clean(&lines, mode, scissors, prefix);
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
    }
    messages
}

/// The values of `commit.cleanup` that the others stand for.
const MODES: [&str; 3] = ["verbatim", "whitespace", "strip"];

/// One of [`MODES`], and whether git cuts the message off at the scissors.
fn rule(settings: &Settings, command: &CommitCommand, is_edited: bool) -> (&'static str, bool) {
    let is_verbose = command.verbose.unwrap_or(settings.verbose);
    match command.cleanup.as_ref().or(settings.cleanup.as_ref()).map(String::as_str) {
        Some("verbatim") => ("verbatim", is_verbose),
        Some("whitespace") => ("whitespace", is_verbose),
        Some("scissors") => ("whitespace", is_verbose || is_edited),
        Some("strip") => ("strip", is_verbose),
        _ => (if is_edited { "strip" } else { "whitespace" }, is_verbose),
    }
}

fn comment_prefixes(lines: &[&[u8]], settings: &Settings, edits: &[bool]) -> Vec<Vec<u8>> {
    let starts_a_line = |c: &u8| lines.iter().any(|line| line.first() == Some(c));
    let chars = || COMMENT_CHARS.iter().copied();
    match settings.comment_prefix.as_deref() {
        Some("auto") => (),
        Some(prefix) => return vec![prefix.as_bytes().to_vec()],
        None => return vec![b"#".to_vec()],
    }
    // Git has chosen the first character that started no line of the message at that time. An editor
    // may have changed it since then, but not the line with the scissors.
    let of_scissors = chars().find(|c| lines.contains(&[&[*c], SCISSORS].concat().as_slice()));
    let chosen = of_scissors
        .or_else(|| chars().find(|c| !starts_a_line(c)).filter(|_| !edits.contains(&true)));
    match chosen {
        Some(char) => vec![vec![char]],
        None => chars().filter(starts_a_line).chain([b'#']).map(|c| vec![c]).collect(),
    }
}

fn clean(lines: &[&[u8]], mode: &str, scissors: bool, prefix: &[u8]) -> Vec<u8> {
    let end = [prefix, SCISSORS].concat();
    let kept = lines.iter().take_while(|line| !scissors || **line != end);
    let kept = kept.filter(|line| mode != "strip" || !line.starts_with(prefix));
    if mode == "verbatim" {
        return kept.copied().collect::<Vec<_>>().join(&b'\n');
    }
    let kept: Vec<&[u8]> = kept.map(|line| line.trim_ascii_end()).collect();
    let is_text = |line: &&[u8]| !line.is_empty();
    let Some(first) = kept.iter().position(is_text) else { return Vec::new() };
    let last = kept.iter().rposition(is_text).unwrap_or(first);
    kept[first..=last].join(&b'\n')
}

/// The message as UTF-8, where git takes bytes that are not for Latin-1.
///
/// Source: `verify_utf8` in git's `commit.c`.
pub(crate) fn as_utf8(message: &[u8]) -> String {
    let mut text = String::with_capacity(message.len());
    for chunk in message.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().copied().map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCISSORS: &str = " ------------------------ >8 ------------------------";

    fn messages(
        file: &str,
        settings: &str,
        command: Option<&[&str]>,
        is_edited: Option<bool>,
    ) -> Vec<String> {
        let settings = Settings::parse(settings);
        let words = command.map(|words| [&["git", "commit"], words].concat());
        let words = words.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let command = words.and_then(|words| CommitCommand::parse(&words));
        let edits = is_edited.map_or(vec![true, false], |it| vec![it]);
        let messages = as_committed(file.as_bytes(), &settings, command.as_ref(), &edits);
        messages.into_iter().map(|it| String::from_utf8(it).unwrap()).collect()
    }

    #[track_caller]
    fn check(file: &str, settings: &str, want: &str) {
        assert_eq!(messages(file, settings, Some(&[]), Some(true)), [want]);
    }

    #[test]
    fn comments_and_blank_ends_go() {
        check("\n# c\nT\n\nbody  \n# c\n\nS: x\n\n# end\n", "", "T\n\nbody\n\nS: x");
        check("# only\n", "", "");
        check("", "", "");
    }

    #[test]
    fn settings_and_options_decide_what_is_kept() {
        let file = format!("\n#12: fix  \n\nbody\n#{SCISSORS}\nmore\n");
        let kept = |settings: &str, command: &[&str], is_edited: bool| {
            let mut messages = messages(&file, settings, Some(command), Some(is_edited));
            assert_eq!(messages.len(), 1);
            messages.remove(0)
        };
        let all = format!("#12: fix\n\nbody\n#{SCISSORS}\nmore");
        assert_eq!(kept("", &[], true), "body\nmore");
        assert_eq!(kept("", &["-v"], true), "body");
        assert_eq!(kept("commit.verbose\n", &[], true), "body");
        assert_eq!(kept("commit.verbose 2\n", &["--no-verbose"], true), "body\nmore");
        assert_eq!(kept("", &[], false), all);
        assert_eq!(kept("commit.cleanup default\n", &["-v"], true), "body");
        assert_eq!(kept("commit.cleanup strip\n", &["-v"], false), "body");
        assert_eq!(kept("commit.cleanup scissors\n", &[], true), "#12: fix\n\nbody");
        assert_eq!(kept("commit.cleanup scissors\n", &[], false), all);
        assert_eq!(kept("commit.cleanup whitespace\n", &[], true), all);
        assert_eq!(kept("commit.cleanup whitespace\n", &["-v"], true), "#12: fix\n\nbody");
        assert_eq!(kept("commit.cleanup verbatim\n", &[], true), file);
        assert_eq!(kept("commit.cleanup verbatim\n", &["-v"], true), "\n#12: fix  \n\nbody");
        assert_eq!(kept("commit.cleanup strip\n", &["--cleanup=verbatim"], true), file);
        assert_eq!(kept("commit.cleanup strip\ncommit.cleanup verbatim\n", &[], true), file);
    }

    #[test]
    fn without_the_command_every_message_is_possible() {
        let file = format!("T\n# c\n#{SCISSORS}\nmore\n");
        let messages = messages(&file, "", None, Some(true));
        for message in ["T", "T\n# c", "T\nmore"] {
            assert!(messages.contains(&message.to_owned()), "{message:?}: {messages:?}");
        }
    }

    #[test]
    fn the_users_comment_prefix_counts() {
        check("T #1\n\n# heading\n; c\n", "core.commentchar ;\n", "T #1\n\n# heading");
        check("T\n\nbody\n// c\n", "core.commentstring //\n", "T\n\nbody");
        check("T\n# c\n", "core.commentchar \n", "T");
    }

    #[test]
    fn an_automatic_comment_character_is_one_that_starts_no_line() {
        let file = format!("T\n\n# heading\n;{SCISSORS}\ndiff\n");
        let auto = "core.commentchar auto\n";
        assert_eq!(messages(&file, auto, Some(&["-v"]), Some(true)), ["T\n\n# heading"]);
        let file = "T\n\n# heading\n; text\n";
        let strip: &[&str] = &["--cleanup=strip"];
        assert_eq!(messages(file, auto, Some(strip), Some(false)), [file.trim_end()]);
        // After an editor it may be one of two.
        let possible = messages(file, auto, Some(strip), Some(true));
        assert_eq!(possible, ["T\n\n; text", "T\n\n# heading"]);
    }
}
