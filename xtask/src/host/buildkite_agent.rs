//! The Buildkite agent's command lines.

use xshell::{Cmd, Shell, cmd};

/// More Markdown than this is refused by Buildkite.
///
/// Source: <https://buildkite.com/docs/agent/v3/cli-annotate>, "maximum size is 1 MiB".
pub(crate) const ANNOTATION_LIMIT_BYTES: usize = 1 << 20;

/// How Buildkite shows an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Info,
    Success,
    Error,
}

impl Style {
    fn name(self) -> &'static str {
        match self {
            Style::Info => "info",
            Style::Success => "success",
            Style::Error => "error",
        }
    }
}

/// Puts the Markdown of its standard input on the build's page. A later annotation with the same
/// context replaces the earlier one.
pub(crate) fn annotate<'sh>(sh: &'sh Shell, context: &str, style: Style) -> Cmd<'sh> {
    let style = style.name();
    cmd!(sh, "buildkite-agent annotate --context={context} --style={style}")
}

/// Adds the steps of its standard input to the running build, right after the step of this job.
pub(crate) fn upload(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "buildkite-agent pipeline upload")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_never_taken_for_an_option() {
        let sh = Shell::new().unwrap();
        assert_eq!(
            annotate(&sh, "-coverage", Style::Error).to_string(),
            "buildkite-agent annotate --context=-coverage --style=error"
        );
    }
}
