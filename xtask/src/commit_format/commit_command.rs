//! Pure. The `git commit` that runs a commit-msg hook: its options decide how the message is cleaned
//! up, and git does not tell them to the hook.

use crate::text::shell::quote;

/// Options of git itself that take the next word as their value.
const GIT_WITH_VALUE: [&str; 7] =
    ["-c", "-C", "--git-dir", "--work-tree", "--namespace", "--config-env", "--attr-source"];
/// Short options of `git commit` with a value, in the same word or the next one.
const SHORT_WITH_VALUE: &str = "mFCct";
/// Short options of `git commit` that may have a value in the same word.
const SHORT_WITH_OPTIONAL_VALUE: &str = "uS";
/// Long options of `git commit` that take the next word as their value.
const LONG_WITH_VALUE: &str = "--author --cleanup --date --file --fixup --message \
    --pathspec-from-file --reedit-message --reuse-message --squash --template --trailer";
/// Options that say what the message is, or whether it is edited.
const MESSAGE_OPTIONS: &str = "-m -F -C -c -e --edit --no-edit --file --fixup --message \
    --reedit-message --reuse-message --squash --trailer";

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CommitCommand {
    /// The value of `--cleanup`.
    pub(crate) cleanup: Option<String>,
    /// `--verbose` or `--no-verbose`.
    pub(crate) verbose: Option<bool>,
    /// The options of git itself.
    globals: Vec<String>,
    /// The other words after `commit`, without those about the message.
    rest: Vec<String>,
}

impl CommitCommand {
    /// Parses the arguments of a process; none if it is not `git commit`.
    pub(crate) fn parse(arguments: &[String]) -> Option<CommitCommand> {
        let mut words = arguments.iter();
        words.next().filter(|program| program.rsplit('/').next() == Some("git"))?;
        let mut command = CommitCommand::default();
        loop {
            match words.next()?.as_str() {
                "commit" => break,
                option if option.starts_with('-') => {
                    command.globals.push(option.to_owned());
                    if GIT_WITH_VALUE.contains(&option) {
                        command.globals.push(words.next()?.clone());
                    }
                }
                _ => return None,
            }
        }
        while let Some(word) = words.next() {
            if word.len() > 2 && word.starts_with("--") {
                command.long(word, &mut words);
            } else if word.len() > 1 && word.starts_with('-') && word != "--" {
                command.short(&word[1..], &mut words);
            } else {
                command.rest.push(word.clone());
                if word == "--" {
                    command.rest.extend(words.by_ref().cloned());
                }
            }
        }
        Some(command)
    }

    fn long<'a>(&mut self, word: &str, words: &mut impl Iterator<Item = &'a String>) {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        // Git takes unambiguous prefixes.
        match LONG_WITH_VALUE.split(' ').find(|it| it.starts_with(name)) {
            Some(name) => self.option(name, joined.or_else(|| words.next().cloned())),
            None => self.option(word, None),
        }
    }

    fn short<'a>(&mut self, cluster: &str, words: &mut impl Iterator<Item = &'a String>) {
        for (at, letter) in cluster.char_indices() {
            let joined = &cluster[at + letter.len_utf8()..];
            let name = format!("-{letter}");
            if SHORT_WITH_VALUE.contains(letter) {
                let value = Some(joined).filter(|it| !it.is_empty()).map(str::to_owned);
                return self.option(&name, value.or_else(|| words.next().cloned()));
            }
            if SHORT_WITH_OPTIONAL_VALUE.contains(letter) {
                return self.option(&format!("{name}{joined}"), None);
            }
            self.option(&name, None);
        }
    }

    fn option(&mut self, name: &str, value: Option<String>) {
        match name {
            "-v" => self.verbose = Some(true),
            _ if name.len() > 5 && "--verbose".starts_with(name) => self.verbose = Some(true),
            _ if name.len() > 8 && "--no-verbose".starts_with(name) => self.verbose = Some(false),
            "--cleanup" => self.cleanup.clone_from(&value),
            _ => (),
        }
        if !MESSAGE_OPTIONS.split(' ').any(|option| option == name) {
            self.rest.push(name.to_owned());
            self.rest.extend(value);
        }
    }

    /// The same command, starting from the message in a file.
    pub(crate) fn with_message_from(&self, file: &str) -> String {
        let file = format!("--file={file}");
        let commit = ["commit".to_owned(), "--edit".to_owned(), file];
        let words = self.globals.iter().chain(&commit).chain(&self.rest);
        let words = words.map(|word| quote(word));
        std::iter::once("git".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Option<CommitCommand> {
        CommitCommand::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_found_in_every_form_and_values_are_not_options() {
        let check = |words: &[&str], cleanup: Option<&str>, verbose: Option<bool>| {
            let command = parse(&[&["git", "commit"], words].concat()).unwrap();
            assert_eq!(
                (command.cleanup.as_deref(), command.verbose),
                (cleanup, verbose),
                "{words:?}"
            );
        };
        check(&[], None, None);
        check(&["-v", "--cleanup=verbatim"], Some("verbatim"), Some(true));
        check(&["-avm", "-v", "--clean", "strip"], Some("strip"), Some(true));
        check(&["-m", "-v", "--message", "--cleanup=x", "-amv"], None, None);
        check(&["-uno", "-Sv", "--", "-v"], None, None);
        check(&["--verbose", "--no-verbose", "--no-verify"], None, Some(false));
    }

    #[test]
    fn only_git_commit_is_understood() {
        assert!(parse(&["/usr/bin/git", "-c", "commit", "--no-pager", "commit"]).is_some());
        for words in [&["git"][..], &["git", "rebase", "commit"], &["sh", "commit"], &[]] {
            assert_eq!(parse(words), None, "{words:?}");
        }
    }

    #[test]
    fn the_command_is_repeated_without_its_message() {
        let words = [
            "git",
            "-c",
            "a.b=c d",
            "commit",
            "-asm",
            "T",
            "--amend",
            "--no-edit",
            "-vq",
            "-t",
            "x",
        ];
        let command =
            parse(&[&words[..], &["--trailer", "a: b", "--", "a file"]].concat()).unwrap();
        assert_eq!(
            command.with_message_from("/r/.git/MSG"),
            "git -c 'a.b=c d' commit --edit --file=/r/.git/MSG -a -s --amend -v -q -t x -- 'a file'"
        );
    }
}
