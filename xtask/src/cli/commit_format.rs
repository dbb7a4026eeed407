//! Pure. `commit-format`: usage and options.

use std::path::PathBuf;

use crate::cli::args::Args;
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Checks the messages of the commits that the branch adds to its base.

Usage: cargo xtask commit-format [options]

A message has a title of at most 60 characters, a blank second line, and at its end a
`Signed-off-by:` trailer with a name and an e-mail address. A body line of more than 75 characters
is a warning. Merge commits, bots and imported history (commits without an ancestor in the base)
are left out.

Options:
      --message-file FILE         check the message in FILE, for a commit-msg hook
      --git-process PID           the process of `git commit` that runs the hook; its options decide
                                  how git cleans up the message

Environment:
  REMOTE, BASE_BRANCH             the base (default: origin and main, or the remote's default branch
                                  if it has no main); BUILDKITE_REPO and
                                  BUILDKITE_PULL_REQUEST_BASE_BRANCH take precedence

Files:
  .buildkite/commit-format.json   {\"bots\": [\"address\", ...]}: other authors to leave out
";

/// What `commit-format` was asked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) message_file: Option<PathBuf>,
    pub(crate) git_process: Option<u32>,
}

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let message_file = args.path("--message-file")?;
    let number = |text: &str| text.parse().ok();
    let git_process = args.parsed("--git-process", "a process id", number)?;
    if git_process.is_some() && message_file.is_none() {
        return args.error("`--git-process` needs `--message-file`");
    }
    args.finish()?;
    Ok(Options { message_file, git_process })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn a_process_belongs_to_a_message_file() {
        let parse_words = |line: &str| {
            let words = line.split_whitespace().map(OsString::from).collect();
            parse(Args::new("commit-format", USAGE, words)).map_err(|error| error.to_string())
        };
        let options = parse_words("--message-file m --git-process 12").unwrap();
        assert_eq!(options.git_process, Some(12));
        assert!(parse_words("--git-process 12").unwrap_err().contains("needs `--message-file`"));
        let error = parse_words("--message-file m --git-process x").unwrap_err();
        assert!(error.contains("takes a process id, not `x`"), "{error}");
    }
}
