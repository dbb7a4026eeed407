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
}

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let message_file = args.path(None, "--message-file")?;
    args.finish()?;
    Ok(Options { message_file })
}
