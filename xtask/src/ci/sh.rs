//! A test's own shell line: the one kind of text that goes to a shell.

use xshell::{Cmd, Shell, cmd};

/// Runs a line exactly as Buildkite's docker plugin does, with the step's variables.
pub(crate) fn command<'sh>(
    sh: &'sh Shell,
    line: &str,
    environment: &[(String, String)],
) -> Cmd<'sh> {
    cmd!(sh, "sh -e -c {line}").envs(environment.iter().map(|(name, value)| (name, value)))
}
